//! The roles and the users that the server itself gives a meaning to, each name and number said here alone.

use crate::shape::{HasType, Type};
use crate::user_id::UserId;
use serde::Serialize;
use std::borrow::Cow;

/// The user whom visitors without a login act as. Sharing something with this user is sharing it with everybody.
pub const ANONYMOUS_ID: UserId = UserId::new(2);
/// A user who can never log in.
pub const DUMMY_ID: UserId = UserId::new(3);

/// Whether this is one of the two users that stand for no person.
#[must_use]
pub const fn is_system_user(user_id: UserId) -> bool {
    matches!(user_id, ANONYMOUS_ID | DUMMY_ID)
}

/// A user's role as the server knows it: from its database, its policy or its own rules. What a caller says about a
/// role is a text, and is compared with this.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Role(Cow<'static, str>);

impl Role {
    /// May administer users.
    pub const SUPERUSER: Self = Self(Cow::Borrowed("superuser"));
    /// Reaches every item, whatever its visibility, as superusers do.
    pub const STAFF: Self = Self(Cow::Borrowed("staff"));
    /// Has proven to hold their address.
    pub const AUTHENTICATED: Self = Self(Cow::Borrowed("authenticated"));
    /// Has not logged in.
    pub const ANONYMOUS: Self = Self(Cow::Borrowed("anonymous"));
    /// Is locked, or was never verified.
    pub const LOCKED: Self = Self(Cow::Borrowed("locked"));

    /// Roles that the server itself gives to users, so that no policy can do without them.
    pub const REQUIRED: [Self; 4] = [Self::SUPERUSER, Self::ANONYMOUS, Self::LOCKED, Self::AUTHENTICATED];

    /// A role that the database or the policy names.
    #[must_use]
    pub const fn known(name: String) -> Self {
        Self(Cow::Owned(name))
    }

    /// The role's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a person may be given the role of this name: not that of visitors, nor that which a lock gives.
    #[must_use]
    pub fn is_for_people(name: &str) -> bool {
        Self::ANONYMOUS != *name && Self::LOCKED != *name
    }

    /// Whether it is the role of an account that is locked or was never verified.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        *self == Self::LOCKED
    }
}

impl HasType for Role {
    const TYPE: Type = Type::Text;
}

impl PartialEq<str> for Role {
    fn eq(&self, name: &str) -> bool {
        self.0 == name
    }
}
