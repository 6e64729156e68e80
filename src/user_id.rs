//! The number of an account.

use crate::shape::{HasType, Type};
use serde::Serialize;
use serde_json::Value;
use std::fmt::{self, Display};

/// The number of an account: of its row in `users`, and on the wire. Nothing else that has a number is one, and there
/// is nothing to calculate with it. Whatever else is a number does not compile,
///
/// ```compile_fail
/// # use authnzerver::user_id::UserId;
/// let sessions: i64 = 4;
/// let user_id: UserId = sessions.into();
/// ```
///
/// and the log takes none that is not redacted:
///
/// ```compile_fail
/// # use authnzerver::{log, user_id::UserId};
/// log::info("logged in", &[("user", UserId::new(4).into())]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct UserId(i64);

impl UserId {
    /// Comes before the number of every account.
    pub const MIN: Self = Self(i64::MIN);

    /// The account of this number, whether there is one or not.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl HasType for UserId {
    const TYPE: Type = Type::Integer;
}

impl From<UserId> for Value {
    fn from(user_id: UserId) -> Self {
        user_id.0.into()
    }
}
