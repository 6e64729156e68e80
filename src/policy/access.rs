//! Whether somebody may do something to something.

use super::model::Policy;
use super::reading::Set;
use std::fmt;

/// Whoever is shared with this user is shared with everybody.
const EVERYBODY_ID: i64 = 2;
/// Users that one item may be shared with.
const SHARED_WITH_MAX: usize = 1000;

/// What somebody wants to do.
pub struct Access<'a> {
    /// Who asks.
    pub user_id: i64,
    /// The role of who asks.
    pub role: &'a str,
    /// What they want to do.
    pub action: &'a str,
    /// What kind of thing they want to do it to.
    pub item: &'a str,
    /// Whose thing it is.
    pub owner_id: i64,
    /// Who can see it: public, unlisted, shared or private in the built-in policy.
    pub visibility: &'a str,
    /// Whom it is shared with.
    pub shared_with: &'a SharedWith,
}

/// The policy's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// They may.
    Granted,
    /// They may not.
    Denied,
    /// There is no such role, so nothing can be said.
    UnknownRole,
}

/// The users whom an item is shared with.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SharedWith(Vec<i64>);

/// A list of users that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct MalformedList;

impl fmt::Display for MalformedList {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the list of users shared with cannot be read")
    }
}

impl SharedWith {
    /// Shared with nobody.
    #[must_use]
    pub const fn nobody() -> Self {
        Self(Vec::new())
    }

    /// Reads user numbers with commas between them. Nothing, and `none`, stand for nobody.
    ///
    /// # Errors
    ///
    /// For anything but digits, commas and blanks around them, and for very long lists.
    pub fn parse(text: Option<&str>) -> Result<Self, MalformedList> {
        let Some(text) = text.filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case("none")) else {
            return Ok(Self::nobody());
        };
        if text.bytes().filter(|byte| *byte == b',').count() >= SHARED_WITH_MAX {
            return Err(MalformedList);
        }
        let number = |part: &str| {
            let digits = part.trim_matches(' ');
            let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| all_digits).ok_or(MalformedList)
        };
        text.split(',').map(number).collect::<Result<_, _>>().map(Self)
    }

    /// The users' numbers.
    #[must_use]
    pub fn ids(&self) -> &[i64] {
        &self.0
    }
}

impl Policy {
    /// Decides. What the policy does not know, be it an item, an action or a visibility, is denied.
    pub fn decide(&self, access: &Access<'_>) -> Decision {
        let Some(role) = self.roles.place(access.role) else { return Decision::UnknownRole };
        let places = (
            self.actions.place(access.action),
            self.items.place(access.item),
            self.visibilities.place(access.visibility),
        );
        let (Some(action), Some(item), Some(visibility)) = places else { return Decision::Denied };
        let allowed = self.allowed(role, item, visibility, access.user_id == access.owner_id);
        if allowed.has(action) && self.item_rules[item].actions.has(action) && reaches(access) {
            Decision::Granted
        } else {
            Decision::Denied
        }
    }

    /// What a role may do to an item of this kind and visibility, be it their own or somebody else's.
    fn allowed(&self, role: usize, item: usize, visibility: usize, owns: bool) -> Set {
        let (role_rule, item_rule) = (&self.role_rules[role], &self.item_rules[item]);
        if item_rule.barred_roles.has(role) || !item_rule.visibilities.has(visibility) {
            return Set::default();
        }
        match (owns, role_rule.can_own.has(item), role_rule.other_actions[visibility]) {
            (_, _, None) | (true, false, _) => Set::default(),
            (true, true, _) => role_rule.own_actions,
            (false, _, Some(actions)) => actions,
        }
    }
}

/// Whether the item can be seen at all from where somebody stands. Superusers and staff see everything.
fn reaches(access: &Access<'_>) -> bool {
    let owns = access.user_id == access.owner_id;
    let is_shared = |user_id: i64| access.shared_with.ids().contains(&user_id);
    match access.visibility {
        _ if matches!(access.role, "superuser" | "staff") => true,
        "private" => owns,
        "shared" => owns || is_shared(access.user_id) || is_shared(EVERYBODY_ID),
        "unlisted" | "public" => true,
        _ => false,
    }
}
