//! The permissions policy: read once from JSON, checked as a whole, and turned into numbers and bit sets, so that a
//! decision neither compares texts in loops nor takes memory.

use super::reading::{Names, Reading, Set};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;

/// The policy that holds where the operator names no other, as JSON.
pub const DEFAULT_POLICY: &str = include_str!("default_policy.json");

/// Roles that the server itself relies on.
const REQUIRED_ROLES: [&str; 4] = ["superuser", "authenticated", "anonymous", "locked"];
/// The largest policy that is read.
const POLICY_BYTES_MAX: usize = 1024 * 1024;

/// Who may do what.
#[derive(Debug)]
pub struct Policy {
    pub(super) roles: Names,
    pub(super) items: Names,
    pub(super) actions: Names,
    pub(super) visibilities: Names,
    pub(super) item_rules: Vec<ItemRule>,
    pub(super) role_rules: Vec<RoleRule>,
}

/// What holds for a kind of item, whoever asks.
#[derive(Debug)]
pub(super) struct ItemRule {
    pub(super) actions: Set,
    pub(super) visibilities: Set,
    pub(super) barred_roles: Set,
}

/// What holds for a role.
#[derive(Debug)]
pub(super) struct RoleRule {
    pub(super) can_own: Set,
    pub(super) own_actions: Set,
    /// For each visibility, what may be done to other people's items; one that is left out bars the owner as well.
    pub(super) other_actions: Vec<Option<Set>>,
    pub(super) limits: HashMap<String, Limit>,
}

/// A number that a value is compared with.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) kind: Kind,
    pub(super) operator: Operator,
    pub(super) bound: f64,
}

/// What both sides of a comparison are made into first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Float,
}

/// How a value has to stand to its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    LessThan,
    GreaterThan,
}

/// Everything that is wrong with a policy, a line each.
#[derive(Debug)]
pub struct PolicyError(Vec<String>);

impl fmt::Display for PolicyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for PolicyError {}

impl Policy {
    /// The built-in policy.
    ///
    /// # Panics
    ///
    /// Never: a test reads it.
    #[must_use]
    pub fn default_policy() -> Self {
        Self::from_json(DEFAULT_POLICY).expect("the built-in policy is checked by a test")
    }

    /// Reads and checks a policy.
    ///
    /// # Errors
    ///
    /// Every fault with the place where it is.
    pub fn from_json(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError(vec![format!("it is larger than {POLICY_BYTES_MAX} bytes")]));
        }
        let root: Value = serde_json::from_str(text).map_err(|error| {
            PolicyError(vec![format!("it is not JSON: line {}, column {}", error.line(), error.column())])
        })?;
        let mut reading = Reading::default();
        let policy = read(&mut reading, &root);
        match policy {
            Some(policy) if reading.faults.is_empty() => Ok(policy),
            _ => Err(PolicyError(reading.faults)),
        }
    }

    /// All roles.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter()
    }

    /// Whether there is such a role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.place(role).is_some()
    }
}

fn read(reading: &mut Reading, root: &Value) -> Option<Policy> {
    const KEYS: [&str; 7] =
        ["roles", "items", "actions", "visibilities", "limits", "item_policy", "role_policy"];
    let root = reading.object(root, "the policy", &KEYS, &KEYS)?;
    let roles = reading.names(&root["roles"], "roles")?;
    let items = reading.names(&root["items"], "items")?;
    let actions = reading.names(&root["actions"], "actions")?;
    let visibilities = reading.names(&root["visibilities"], "visibilities")?;
    for role in REQUIRED_ROLES.iter().filter(|role| roles.place(role).is_none()) {
        reading.fault(format!("roles: \"{role}\" is missing; the server relies on it"));
    }
    let kinds = limit_kinds(reading, &root["limits"])?;
    let known = Known { roles: &roles, items: &items, actions: &actions, visibilities: &visibilities };
    let item_rules =
        of_each(reading, &root["item_policy"], "item_policy", &items, |reading, value, place| {
            known.item_rule(reading, value, place)
        });
    let role_rules =
        of_each(reading, &root["role_policy"], "role_policy", &roles, |reading, value, place| {
            known.role_rule(reading, value, place, &kinds)
        });
    let (item_rules, role_rules) = (item_rules?, role_rules?);
    Some(Policy { roles, items, actions, visibilities, item_rules, role_rules })
}

/// Reads what an object has for each of these names, in their order.
fn of_each<T>(
    reading: &mut Reading,
    value: &Value,
    place: &str,
    names: &Names,
    mut read: impl FnMut(&mut Reading, &Value, &str) -> Option<T>,
) -> Option<Vec<T>> {
    let keys: Vec<&str> = names.iter().collect();
    let object = reading.object(value, place, &keys, &keys)?;
    let rules: Vec<Option<T>> =
        keys.iter().map(|key| read(reading, &object[*key], &format!("{place}.{key}"))).collect();
    rules.into_iter().collect()
}

fn limit_kinds(reading: &mut Reading, value: &Value) -> Option<HashMap<String, (Kind, Operator)>> {
    let Value::Object(object) = value else {
        reading.fault("limits: it must be an object".to_owned());
        return None;
    };
    let mut kinds = HashMap::new();
    for (name, value) in object {
        let place = format!("limits.{name}");
        let entry = reading.object(value, &place, &["type", "operator"], &["type", "operator"])?;
        let kind =
            reading.one_of(&entry["type"], &place, "type", &[("int", Kind::Int), ("float", Kind::Float)]);
        let operators = [("lt", Operator::LessThan), ("gt", Operator::GreaterThan)];
        let operator = reading.one_of(&entry["operator"], &place, "operator", &operators);
        kinds.insert(name.clone(), (kind?, operator?));
    }
    Some(kinds)
}

/// The names that rules may use.
struct Known<'a> {
    roles: &'a Names,
    items: &'a Names,
    actions: &'a Names,
    visibilities: &'a Names,
}

impl Known<'_> {
    fn item_rule(&self, reading: &mut Reading, value: &Value, place: &str) -> Option<ItemRule> {
        const KEYS: [&str; 3] = ["valid_role_actions", "valid_visibilities", "invalid_roles"];
        let rule = reading.object(value, place, &KEYS, &KEYS)?;
        let mut set = |key: &str, names: &Names, of: &str| {
            reading.set(&rule[key], &format!("{place}.{key}"), names, of)
        };
        let actions = set(KEYS[0], self.actions, "actions");
        let visibilities = set(KEYS[1], self.visibilities, "visibilities");
        let barred_roles = set(KEYS[2], self.roles, "roles");
        Some(ItemRule { actions: actions?, visibilities: visibilities?, barred_roles: barred_roles? })
    }

    fn role_rule(
        &self,
        reading: &mut Reading,
        value: &Value,
        place: &str,
        kinds: &HashMap<String, (Kind, Operator)>,
    ) -> Option<RoleRule> {
        const KEYS: [&str; 4] =
            ["can_own_items", "allowed_actions_for_owned", "allowed_actions_for_other", "limits"];
        let rule = reading.object(value, place, &KEYS, &KEYS)?;
        let can_own = reading.set(&rule[KEYS[0]], &format!("{place}.{}", KEYS[0]), self.items, "items");
        let own_actions =
            reading.set(&rule[KEYS[1]], &format!("{place}.{}", KEYS[1]), self.actions, "actions");
        let others = format!("{place}.{}", KEYS[2]);
        let visibilities: Vec<&str> = self.visibilities.iter().collect();
        let other = reading.object(&rule[KEYS[2]], &others, &[], &visibilities);
        let other_actions = other.map(|other| {
            let set = |visibility: &&str| {
                let list = other.get(*visibility)?;
                reading.set(list, &format!("{others}.{visibility}"), self.actions, "actions")
            };
            visibilities.iter().map(set).collect()
        });
        let limits = limits(reading, &rule["limits"], &format!("{place}.limits"), kinds);
        Some(RoleRule {
            can_own: can_own?,
            own_actions: own_actions?,
            other_actions: other_actions?,
            limits: limits?,
        })
    }
}

fn limits(
    reading: &mut Reading,
    value: &Value,
    place: &str,
    kinds: &HashMap<String, (Kind, Operator)>,
) -> Option<HashMap<String, Limit>> {
    let Value::Object(object) = value else {
        reading.fault(format!("{place}: it must be an object"));
        return None;
    };
    let read = |reading: &mut Reading, name: &str, entry: &Map<String, Value>| {
        let kind = entry["type"].as_str().and_then(|kind| kinds.get(kind));
        let bound = entry["limit"].as_f64().filter(|bound| bound.is_finite());
        if kind.is_none() {
            reading.fault(format!("{place}.{name}.type: it must be one of the names in \"limits\""));
        }
        if bound.is_none() {
            reading.fault(format!("{place}.{name}.limit: it must be a number"));
        }
        let ((kind, operator), bound) = (*kind?, bound?);
        Some(Limit { kind, operator, bound })
    };
    let mut limits = HashMap::new();
    for (name, value) in object {
        let keys = ["type", "limit"];
        let entry = reading.object(value, &format!("{place}.{name}"), &keys, &keys)?;
        limits.insert(name.clone(), read(reading, name, entry)?);
    }
    Some(limits)
}
