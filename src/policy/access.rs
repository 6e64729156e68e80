//! Who may do what with what, and how much of it: the decision on one attempted action.
//!
//! Every name in a question is looked up once; from there on the decision is arithmetic on bit masks and
//! allocates nothing. Must never ask whether the users exist: that is for the caller, who has a database.

use super::model::{Policy, Reach, Role};
use super::roles::ANONYMOUS_ID;
use crate::user_id::UserId;
use serde_json::Value;
use std::error::Error;
use std::fmt;

/// The most users that one item can be shared with.
pub const SHARED_WITH_USERS_MAX: usize = 1000;

/// One question: may this user do this with that item?
pub struct Access<'a> {
    /// Who asks.
    pub user_id: UserId,
    /// The role of the user who asks.
    pub role: &'a str,
    /// What is to be done, such as `view`.
    pub action: &'a str,
    /// The kind of the item, such as `dataset`.
    pub item: &'a str,
    /// Whose item it is.
    pub owner_id: UserId,
    /// Who can reach the item, such as `private`.
    pub visibility: &'a str,
    /// With whom the item is shared. Matters only if `visibility` is `shared`.
    pub shared_with: &'a SharedWith,
}

/// The answer to an [`Access`].
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The action is permitted.
    Granted,
    /// The action is not permitted, or the policy does not know it, its item or its visibility.
    Denied,
    /// The policy has no such role, so it cannot answer.
    UnknownRole,
}

/// The rule by which a policy denies an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The policy has no such role, so it cannot answer.
    UnknownRole,
    /// The policy has no such kind of item.
    UnknownItem,
    /// The policy has no such action.
    UnknownAction,
    /// The policy has no such visibility.
    UnknownVisibility,
    /// The role is among the `invalid_roles` of the item.
    RoleBarred,
    /// The visibility is not among the `valid_visibilities` of the item.
    NotSoVisible,
    /// The item is neither the user's nor shared with them, and their role does not reach everything.
    OutOfReach,
    /// The role has no list for this visibility in `allowed_actions_for_other`.
    NoList,
    /// The item is not among the `can_own_items` of the role.
    MayNotOwn,
    /// The action is not in `allowed_actions_for_owned` of the role.
    NotListedForOwn,
    /// The action is not in the role's list for this visibility in `allowed_actions_for_other`.
    NotListedForOthers,
    /// The action is not among the `valid_role_actions` of the item.
    NotForItem,
}

impl Denial {
    /// The rule in one word, for programs.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::UnknownRole => "unknown_role",
            Self::UnknownItem => "unknown_item",
            Self::UnknownAction => "unknown_action",
            Self::UnknownVisibility => "unknown_visibility",
            Self::RoleBarred => "role_barred",
            Self::NotSoVisible => "not_so_visible",
            Self::OutOfReach => "out_of_reach",
            Self::NoList => "no_list",
            Self::MayNotOwn => "may_not_own",
            Self::NotListedForOwn => "not_listed_for_own",
            Self::NotListedForOthers => "not_listed_for_others",
            Self::NotForItem => "not_for_item",
        }
    }

    /// What the policy does not know of the question, if that is why.
    #[must_use]
    pub const fn unknown(self) -> Option<&'static str> {
        match self {
            Self::UnknownRole => Some("role"),
            Self::UnknownItem => Some("item"),
            Self::UnknownAction => Some("action"),
            Self::UnknownVisibility => Some("visibility"),
            _ => None,
        }
    }

    /// The rule in words, with the policy's own names.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::UnknownRole => "the policy has no such role",
            Self::UnknownItem => "the policy has no such item",
            Self::UnknownAction => "the policy has no such action",
            Self::UnknownVisibility => "the policy has no such visibility",
            Self::RoleBarred => "the role is among the invalid_roles of the item",
            Self::NotSoVisible => "the visibility is not among the valid_visibilities of the item",
            Self::OutOfReach => "the item is neither the user's own nor shared with them",
            Self::NoList => "the role has no list for this visibility in allowed_actions_for_other",
            Self::MayNotOwn => "the item is not among the can_own_items of the role",
            Self::NotListedForOwn => "the action is not in allowed_actions_for_owned of the role",
            Self::NotListedForOthers => {
                "the action is not in the role's list for this visibility in allowed_actions_for_other"
            }
            Self::NotForItem => "the action is not among the valid_role_actions of the item",
        }
    }
}

/// The answer to [`Policy::check_limit`].
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitDecision {
    /// The value is within the limit, or the role has no limit of that name.
    Within,
    /// The value is at or beyond the limit, or is not a number.
    Over,
    /// The policy has no such role, so it cannot answer.
    UnknownRole,
}

impl Policy {
    /// Decides whether an action is permitted. Whatever the policy does not mention is denied.
    pub fn decide(&self, access: &Access<'_>) -> Decision {
        match self.judge(access) {
            Ok(()) => Decision::Granted,
            Err(Denial::UnknownRole) => Decision::UnknownRole,
            Err(_) => Decision::Denied,
        }
    }

    /// Compares a value with one limit of a role. The limit itself is already over.
    pub fn check_limit(&self, role: &str, limit_name: &str, value: &Value) -> LimitDecision {
        let Some(role_at) = self.roles.position(role) else { return LimitDecision::UnknownRole };
        match self.role_rules[role_at].limits.get(limit_name) {
            Some(limit) if !limit.admits(value) => LimitDecision::Over,
            _ => LimitDecision::Within,
        }
    }

    /// Whether any role has a limit of that name. Checking a limit that no role has always passes, which
    /// is most likely a misspelt name and worth a line in the log.
    #[must_use]
    pub fn knows_limit(&self, limit_name: &str) -> bool {
        self.role_rules.iter().any(|role| role.limits.contains_key(limit_name))
    }

    /// The same with what stands in the way: the first rule that does.
    ///
    /// # Errors
    ///
    /// That rule.
    pub fn judge(&self, access: &Access<'_>) -> Result<(), Denial> {
        let role_at = self.roles.position(access.role).ok_or(Denial::UnknownRole)?;
        let item_at = self.items.position(access.item).ok_or(Denial::UnknownItem)?;
        let action_at = self.actions.position(access.action).ok_or(Denial::UnknownAction)?;
        let visibility_at = self.visibilities.position(access.visibility).ok_or(Denial::UnknownVisibility)?;
        let (role, item) = (&self.role_rules[role_at], &self.item_rules[item_at]);
        if item.barred_roles.contains(role_at) {
            return Err(Denial::RoleBarred);
        }
        if !item.visibilities.contains(visibility_at) {
            return Err(Denial::NotSoVisible);
        }
        let list_at = match route(access, role, self.reach[visibility_at]) {
            Route::None => return Err(Denial::OutOfReach),
            Route::Direct => visibility_at,
            Route::ThroughAnonymous => self.shared_with_anonymous_as.unwrap_or(visibility_at),
        };
        // A role that has no list at all for a visibility can do nothing there, not even with its own.
        let for_other = role.for_other[list_at].ok_or(Denial::NoList)?;
        let (allowed, unlisted) = if access.user_id != access.owner_id {
            (for_other, Denial::NotListedForOthers)
        } else if role.may_own.contains(item_at) {
            (role.for_owned, Denial::NotListedForOwn)
        } else {
            // Nobody can use the list for other people's items on something they should not even own.
            return Err(Denial::MayNotOwn);
        };
        match () {
            () if !allowed.contains(action_at) => Err(unlisted),
            () if !item.actions.contains(action_at) => Err(Denial::NotForItem),
            () => Ok(()),
        }
    }
}

/// How somebody comes to an item at all, before any action is looked at.
enum Route {
    None,
    Direct,
    /// Only because the item is shared with everybody.
    ThroughAnonymous,
}

fn route(access: &Access<'_>, role: &Role, reach: Reach) -> Route {
    let owned = access.user_id == access.owner_id;
    let within = role.reaches_all
        || match reach {
            Reach::Open => true,
            Reach::Private => owned,
            Reach::Shared => owned || access.shared_with.names(access.user_id),
            Reach::Closed => false,
        };
    if within {
        Route::Direct
    } else if reach == Reach::Shared && access.shared_with.everybody() {
        Route::ThroughAnonymous
    } else {
        Route::None
    }
}

/// The users with whom an item is shared. Has no `Debug`, since user IDs point at people.
pub struct SharedWith(Vec<UserId>);

impl SharedWith {
    /// Shared with nobody.
    #[must_use]
    pub fn nobody() -> Self {
        Self(Vec::new())
    }

    /// Shared with this user.
    #[must_use]
    pub fn with(user_id: UserId) -> Self {
        Self(vec![user_id])
    }

    /// Reads a list of user IDs such as `4, 12`. Nothing, the empty text and `none` mean nobody.
    ///
    /// Only ASCII digits count as digits, and only spaces may stand around a number: a list that can be
    /// read in two ways must not open anything. Call this only if the item's visibility is `shared`;
    /// otherwise the list means nothing and its errors harm nobody.
    ///
    /// # Errors
    ///
    /// Anything but numbers, or more than [`SHARED_WITH_USERS_MAX`] of them.
    pub fn parse(text: Option<&str>) -> Result<Self, MalformedList> {
        let text = text.unwrap_or_default();
        if text.is_empty() || text.eq_ignore_ascii_case("none") {
            return Ok(Self::nobody());
        }
        let mut ids = Vec::new();
        for part in text.split(',') {
            if ids.len() == SHARED_WITH_USERS_MAX {
                return Err(MalformedList);
            }
            ids.push(user_id(part.trim_matches(' ')).ok_or(MalformedList)?);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Self(ids))
    }

    /// The users' IDs, ascending, each once.
    #[must_use]
    pub fn ids(&self) -> &[UserId] {
        &self.0
    }

    /// Whether the list names this user personally. The anonymous user is everybody and so not a person.
    fn names(&self, user_id: UserId) -> bool {
        user_id != ANONYMOUS_ID && self.0.binary_search(&user_id).is_ok()
    }

    fn everybody(&self) -> bool {
        self.0.binary_search(&ANONYMOUS_ID).is_ok()
    }
}

fn user_id(digits: &str) -> Option<UserId> {
    // The standard parser would take a sign too.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().map(UserId::new).ok())?
}

/// A list of user IDs that cannot be understood, or that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedList;

impl fmt::Display for MalformedList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "not a comma-separated list of at most {SHARED_WITH_USERS_MAX} user IDs")
    }
}

impl Error for MalformedList {}
