//! What an API key is good for: actions on kinds of items, by the names that the policy has for them. A scope only narrows
//! what the key's owner may do; it permits nothing.

use super::model::Policy;

/// Scopes that one key can have.
pub const SCOPES_MAX: usize = 64;

/// Stands for every action, or for every kind of item.
const ALL: &str = "*";

/// What a key is good for; never nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Takes scopes as they are written: an action, a colon and a kind of item, where `*` stands for all. `None` where
    /// there is none, too many, or one that the policy does not know: a misspelt one would be good for nothing.
    #[must_use]
    pub fn new(written: Vec<String>, policy: &Policy) -> Option<Self> {
        let is_known = |scope: &String| {
            parts(scope).is_some_and(|(action, item)| {
                (action == ALL || policy.actions.position(action).is_some())
                    && (item == ALL || policy.items.position(item).is_some())
            })
        };
        ((1..=SCOPES_MAX).contains(&written.len()) && written.iter().all(is_known)).then_some(Self(written))
    }

    /// The scopes as they were stored: by a policy of then.
    #[must_use]
    pub fn from_lines(lines: &str) -> Self {
        Self(lines.lines().map(str::to_owned).collect())
    }

    /// The form to store, one a line. No name in a policy has a line break.
    #[must_use]
    pub fn lines(&self) -> String {
        self.0.join("\n")
    }

    /// Each as it was written.
    #[must_use]
    pub fn into_list(self) -> Vec<String> {
        self.0
    }

    /// Whether one of them covers this.
    #[must_use]
    pub fn cover(&self, action: &str, item: &str) -> bool {
        self.0.iter().filter_map(|scope| parts(scope)).any(|(of_action, of_item)| {
            (of_action == ALL || of_action == action) && (of_item == ALL || of_item == item)
        })
    }
}

/// The action, which has no colon, and the kind of item.
fn parts(scope: &str) -> Option<(&str, &str)> {
    scope.split_once(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(written: &[&str]) -> Option<Scopes> {
        Scopes::new(written.iter().map(|scope| (*scope).to_owned()).collect(), &Policy::default_policy())
    }

    #[test]
    fn only_what_the_policy_knows_is_a_scope() {
        for scope in ["view:dataset", "*:dataset", "view:*", "*:*"] {
            assert!(scopes(&[scope]).is_some(), "{scope}");
        }
        for scope in [
            "",
            ":",
            "view",
            "view:",
            ":dataset",
            "View:dataset",
            "view:data",
            "view: dataset",
            "**:*",
            "a\nb:*",
        ] {
            assert!(scopes(&["view:dataset", scope]).is_none(), "{scope}");
        }
    }

    #[test]
    fn there_is_at_least_one_and_no_more_than_the_limit() {
        assert!(scopes(&[]).is_none());
        assert!(scopes(&["*:*"; SCOPES_MAX]).is_some());
        assert!(scopes(&["*:*"; SCOPES_MAX + 1]).is_none());
    }

    #[test]
    fn a_scope_covers_its_action_on_its_item() {
        let some = scopes(&["view:dataset", "*:object", "list:*"]).expect("are known");
        for (action, item) in [("view", "dataset"), ("delete", "object"), ("list", "apikey"), ("list", "x")] {
            assert!(some.cover(action, item), "{action} {item}");
        }
        for (action, item) in
            [("edit", "dataset"), ("view", "apikey"), ("*", "dataset"), ("", ""), ("view", "*")]
        {
            assert!(!some.cover(action, item), "{action} {item}");
        }
        assert_eq!(Scopes::from_lines(&some.lines()), some);
        assert!(!Scopes::from_lines("").cover("view", "dataset"));
    }
}
