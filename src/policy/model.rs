//! The permissions policy: what its JSON says, checked from end to end and laid out for quick decisions.
//!
//! A policy is either wholly understood or refused: a rule that names something misspelt would otherwise
//! silently permit less, or more, than its author meant.

use crate::problem::Loggable;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use super::document::{NAME_CHARACTERS_MAX, Part, Problems, Shown};
use super::limits::{Kind, Limit, Operator};
use super::roles;

/// The policy that holds unless the operator gives another one.
pub const DEFAULT_POLICY: &str = include_str!("default_policy.json");

/// The largest policy that is read at all.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// The most names in one list of a policy: each is one bit of a mask.
pub const NAMES_MAX: usize = u64::BITS as usize;

/// Who may do what, and how much of it. Immutable once read.
#[derive(Debug)]
pub struct Policy {
    pub(super) roles: NameTable,
    pub(super) items: NameTable,
    pub(super) actions: NameTable,
    pub(super) visibilities: NameTable,
    /// By the role's position in `roles`; likewise the next two.
    pub(super) role_rules: Vec<Role>,
    pub(super) item_rules: Vec<Item>,
    pub(super) reach: Vec<Reach>,
    /// The visibility whose list counts for those who reach an item only because it is shared with
    /// everybody, if not that of the item.
    pub(super) shared_with_anonymous_as: Option<usize>,
}

/// What holds for one role.
#[derive(Debug, Default)]
pub(super) struct Role {
    pub(super) reaches_all: bool,
    /// Kinds of items.
    pub(super) may_own: BitSet,
    /// Actions.
    pub(super) for_owned: BitSet,
    /// Actions by visibility; `None` where the policy has no list for that visibility.
    pub(super) for_other: Vec<Option<BitSet>>,
    pub(super) limits: BTreeMap<String, Limit>,
}

/// What holds for one kind of item.
#[derive(Debug, Default)]
pub(super) struct Item {
    pub(super) actions: BitSet,
    pub(super) visibilities: BitSet,
    pub(super) barred_roles: BitSet,
}

/// Whom a visibility lets reach an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Everybody.
    Open,
    /// The owner.
    Private,
    /// The owner and those with whom the item is shared.
    Shared,
    /// Nobody but the roles that reach everything. So is any visibility of the operator's own making.
    Closed,
}

impl Policy {
    /// The policy in [`DEFAULT_POLICY`].
    ///
    /// # Panics
    ///
    /// Never: that policy is part of the program and is tested.
    #[must_use]
    pub fn default_policy() -> Self {
        Self::from_json(DEFAULT_POLICY).expect("the default policy is part of the program and is tested")
    }

    /// Reads a policy from JSON.
    ///
    /// # Errors
    ///
    /// Every part that is missing, unknown, of the wrong type, stands twice, is too large, or names something that the
    /// policy does not list.
    pub fn from_json(text: &str) -> Result<Self, PolicyError> {
        let mut problems = Problems::default();
        if text.len() > POLICY_BYTES_MAX {
            problems.note("", format_args!("longer than {POLICY_BYTES_MAX} bytes"));
            return Err(PolicyError(problems));
        }
        match Part::whole(text) {
            Ok(whole) => {
                let policy = read_policy(&whole, &mut problems);
                if problems.count() == 0 { Ok(policy) } else { Err(PolicyError(problems)) }
            }
            Err(error) => {
                problems.note("", error);
                Err(PolicyError(problems))
            }
        }
    }

    /// The names of all roles, in alphabetical order.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.sorted.iter().map(String::as_str)
    }

    /// The kinds of items, in alphabetical order.
    pub fn items(&self) -> impl Iterator<Item = &str> {
        self.items.sorted.iter().map(String::as_str)
    }

    /// All actions, in alphabetical order.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        self.actions.sorted.iter().map(String::as_str)
    }

    /// All visibilities, in alphabetical order.
    pub fn visibilities(&self) -> impl Iterator<Item = &str> {
        self.visibilities.sorted.iter().map(String::as_str)
    }

    /// The role of that name, if the policy has it.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<roles::Role> {
        self.roles.position(name).map(|_| roles::Role::known(name.to_owned()))
    }
}

/// Everything that is wrong with a policy, each problem with its place, such as
/// `role_policy.staff.can_own_items[2]: "widget" is not among "items"`. Of many problems only the first are
/// told, on one line.
#[derive(Debug)]
pub struct PolicyError(Problems);

// A policy names roles, items, actions and limits, no person and no secret. What it holds is shown escaped and cut.
impl Loggable for PolicyError {}

impl fmt::Display for PolicyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.noted.join("; "))?;
        if self.0.unlisted > 0 {
            write!(formatter, "; and {} more", self.0.unlisted)?;
        }
        Ok(())
    }
}

impl Error for PolicyError {}

/// A set of positions in one of the policy's lists of names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BitSet(u64);

impl BitSet {
    pub(super) fn contains(self, position: usize) -> bool {
        self.0 & (1 << position) != 0
    }

    fn insert(&mut self, position: usize) {
        self.0 |= 1 << position;
    }
}

/// One of the policy's four lists of names, sorted for lookups, each name once.
#[derive(Debug)]
pub(super) struct NameTable {
    list: &'static str,
    sorted: Vec<String>,
    /// Whether the list was read without problems. If not, what refers to it cannot be judged.
    sound: bool,
}

impl NameTable {
    /// Where the name stands, always below [`NAMES_MAX`].
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.sorted.binary_search_by(|known| known.as_str().cmp(name)).ok()
    }
}

fn read_policy(whole: &Part<'_>, problems: &mut Problems) -> Policy {
    let (fields, [sharing]) = whole.fields_and_options(
        ["roles", "items", "actions", "visibilities", "limits", "item_policy", "role_policy"],
        ["shared_with_anonymous"],
        problems,
    );
    let [roles, items, actions, visibilities, limits, item_policy, role_policy] = fields;
    let roles = read_names("roles", roles, problems);
    let items = read_names("items", items, problems);
    let actions = read_names("actions", actions, problems);
    let visibilities = read_names("visibilities", visibilities, problems);
    for role in &roles::Role::REQUIRED {
        if roles.sound && roles.position(role.as_str()).is_none() {
            problems.note("roles", format_args!("must name \"{}\"", role.as_str()));
        }
    }
    let limit_types = read_limit_types(limits, problems);
    let mut policy = Policy {
        reach: visibilities.sorted.iter().map(|name| reach(name)).collect(),
        shared_with_anonymous_as: read_sharing(sharing, &visibilities, problems),
        roles,
        items,
        actions,
        visibilities,
        role_rules: Vec::new(),
        item_rules: Vec::new(),
    };
    policy.item_rules =
        read_rules(item_policy, &policy.items, problems, |part, problems| read_item(part, &policy, problems));
    policy.role_rules = read_rules(role_policy, &policy.roles, problems, |part, problems| {
        read_role(part, &policy, &limit_types, problems)
    });
    for (role, name) in policy.role_rules.iter_mut().zip(&policy.roles.sorted) {
        role.reaches_all =
            [roles::Role::SUPERUSER, roles::Role::STAFF].iter().any(|role| role == name.as_str());
    }
    policy
}

fn reach(visibility: &str) -> Reach {
    match visibility {
        "public" | "unlisted" => Reach::Open,
        "private" => Reach::Private,
        "shared" => Reach::Shared,
        _ => Reach::Closed,
    }
}

/// What sharing with everybody opens: what `shared` lists (the default), or what `public` lists.
fn read_sharing(part: Option<Part<'_>>, visibilities: &NameTable, problems: &mut Problems) -> Option<usize> {
    let part = part?;
    let choice = part.text(problems)?;
    match choice.as_str() {
        "as_shared" => None,
        "as_public" => {
            let public = visibilities.position("public");
            if public.is_none() && visibilities.sound {
                problems.note(&part.place, "\"as_public\" needs \"public\" among \"visibilities\"");
            }
            public
        }
        _ => {
            problems.note(&part.place, "must be \"as_shared\" or \"as_public\"");
            None
        }
    }
}

fn read_names(list: &'static str, part: Option<Part<'_>>, problems: &mut Problems) -> NameTable {
    let before = problems.count();
    let found = part.is_some();
    let mut sorted = Vec::new();
    for entry in part.and_then(|part| part.entries(problems)).unwrap_or_default() {
        if let Some(name) = entry.text(problems).filter(|name| is_name(name, &entry.place, problems)) {
            sorted.push(name);
        }
    }
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() > NAMES_MAX {
        problems.note(list, format_args!("more than {NAMES_MAX} names"));
        sorted.truncate(NAMES_MAX);
    }
    NameTable { list, sorted, sound: found && problems.count() == before }
}

fn is_name(text: &str, place: &str, problems: &mut Problems) -> bool {
    let length = text.chars().count();
    let fits = (1..=NAME_CHARACTERS_MAX).contains(&length) && !text.chars().any(char::is_control);
    if !fits {
        problems.note(place, format_args!("must be 1 to {NAME_CHARACTERS_MAX} printable characters"));
    }
    fits
}

/// The rules for each of `names`, by position, each read by `read`.
fn read_rules<T: Default>(
    part: Option<Part<'_>>,
    names: &NameTable,
    problems: &mut Problems,
    read: impl Fn(&Part<'_>, &mut Problems) -> T,
) -> Vec<T> {
    let mut rules: Vec<Option<T>> = names.sorted.iter().map(|_| None).collect();
    let Some(part) = part else { return Vec::new() };
    let Some(members) = part.members(problems) else { return Vec::new() };
    for (name, member) in members {
        let rule = read(&member, problems);
        if let Some(at) = position(&name, &member.place, names, problems) {
            rules[at] = Some(rule);
        }
    }
    for (name, rule) in names.sorted.iter().zip(&rules) {
        if rule.is_none() {
            problems.note(&part.place, format_args!("lacks \"{}\" of \"{}\"", Shown(name), names.list));
        }
    }
    rules.into_iter().map(Option::unwrap_or_default).collect()
}

/// Where `name`, which stands at `place`, is in a list of names. It is a problem if it is not.
fn position(name: &str, place: &str, names: &NameTable, problems: &mut Problems) -> Option<usize> {
    let position = names.position(name);
    if position.is_none() && names.sound {
        problems.note(place, format_args!("\"{}\" is not among \"{}\"", Shown(name), names.list));
    }
    position
}

fn read_set(part: Option<Part<'_>>, names: &NameTable, problems: &mut Problems) -> BitSet {
    let mut set = BitSet::default();
    for entry in part.and_then(|part| part.entries(problems)).unwrap_or_default() {
        let Some(name) = entry.text(problems) else { continue };
        if let Some(at) = position(&name, &entry.place, names, problems) {
            set.insert(at);
        }
    }
    set
}

fn read_item(part: &Part<'_>, policy: &Policy, problems: &mut Problems) -> Item {
    let [actions, visibilities, barred_roles] =
        part.fields(["valid_role_actions", "valid_visibilities", "invalid_roles"], problems);
    Item {
        actions: read_set(actions, &policy.actions, problems),
        visibilities: read_set(visibilities, &policy.visibilities, problems),
        barred_roles: read_set(barred_roles, &policy.roles, problems),
    }
}

fn read_role(part: &Part<'_>, policy: &Policy, types: &LimitTypes, problems: &mut Problems) -> Role {
    const FIELDS: [&str; 4] =
        ["limits", "can_own_items", "allowed_actions_for_owned", "allowed_actions_for_other"];
    let [limits, may_own, for_owned, for_other] = part.fields(FIELDS, problems);
    Role {
        reaches_all: false,
        may_own: read_set(may_own, &policy.items, problems),
        for_owned: read_set(for_owned, &policy.actions, problems),
        for_other: read_for_other(for_other, policy, problems),
        limits: read_limits(limits, types, problems),
    }
}

fn read_for_other(part: Option<Part<'_>>, policy: &Policy, problems: &mut Problems) -> Vec<Option<BitSet>> {
    let mut lists = vec![None; policy.visibilities.sorted.len()];
    for (name, member) in part.and_then(|part| part.members(problems)).unwrap_or_default() {
        let at = position(&name, &member.place, &policy.visibilities, problems);
        let list = read_set(Some(member), &policy.actions, problems);
        if let Some(at) = at {
            lists[at] = Some(list);
        }
    }
    lists
}

/// How the limits of each type are compared.
struct LimitTypes {
    known: BTreeMap<String, (Kind, Operator)>,
    /// Whether all types were read without problems. If not, roles that name one are not blamed.
    sound: bool,
}

fn read_limit_types(part: Option<Part<'_>>, problems: &mut Problems) -> LimitTypes {
    let before = problems.count();
    let found = part.is_some();
    let mut known = BTreeMap::new();
    for (name, member) in bounded_members(part, problems) {
        let [kind, operator] = member.fields(["type", "operator"], problems);
        let kind = choose(kind, [("int", Kind::Int), ("float", Kind::Float)], problems);
        let operator = choose(operator, [("lt", Operator::Below), ("gt", Operator::Above)], problems);
        known.extend(kind.zip(operator).map(|comparison| (name, comparison)));
    }
    LimitTypes { known, sound: found && problems.count() == before }
}

fn read_limits(
    part: Option<Part<'_>>,
    types: &LimitTypes,
    problems: &mut Problems,
) -> BTreeMap<String, Limit> {
    let mut limits = BTreeMap::new();
    for (name, member) in bounded_members(part, problems) {
        let [limit_type, number] = member.fields(["type", "limit"], problems);
        let comparison = limit_type.and_then(|part| {
            let name = part.text(problems)?;
            let comparison = types.known.get(&name);
            if comparison.is_none() && types.sound {
                problems.note(&part.place, format_args!("\"{}\" is not among \"limits\"", Shown(&name)));
            }
            comparison
        });
        let number = number.and_then(|part| part.number(problems).map(|number| (part, number)));
        let Some(((kind, operator), (part, number))) = comparison.zip(number) else { continue };
        match Limit::new(*kind, *operator, number) {
            Some(limit) => {
                limits.insert(name, limit);
            }
            None => problems.note(&part.place, "too large a number"),
        }
    }
    limits
}

/// The members of an object whose names its author chooses.
fn bounded_members<'a>(part: Option<Part<'a>>, problems: &mut Problems) -> Vec<(String, Part<'a>)> {
    let Some(part) = part else { return Vec::new() };
    let mut members = part.members(problems).unwrap_or_default();
    if members.len() > NAMES_MAX {
        problems.note(&part.place, format_args!("more than {NAMES_MAX} names"));
        members.truncate(NAMES_MAX);
    }
    members.retain(|(name, member)| is_name(name, &member.place, problems));
    members
}

/// The choice that the text at `part` names.
fn choose<T>(part: Option<Part<'_>>, choices: [(&str, T); 2], problems: &mut Problems) -> Option<T> {
    let part = part?;
    let text = part.text(problems)?;
    let [(one, _), (other, _)] = choices;
    let chosen = choices.into_iter().find(|(name, _)| *name == text);
    if chosen.is_none() {
        problems.note(&part.place, format_args!("must be \"{one}\" or \"{other}\""));
    }
    chosen.map(|(_, choice)| choice)
}
