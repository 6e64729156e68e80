//! What commands can do with accounts, wherever it is carried out.

use crate::accounts::lock::LockChange;
use crate::cli::command::CommandError;
use crate::config::shown;
use crate::guard::secret::Password;
use crate::wire::Object;
use serde_json::Value;

/// Which user is meant.
pub enum Which {
    /// The one of this number.
    Number(i64),
    /// The one with this address.
    Email(String),
}

impl Which {
    /// What a word names: a number, or an address.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word.parse() {
            Ok(number) if word.bytes().all(|byte| byte.is_ascii_digit()) => Self::Number(number),
            _ => Self::Email(word.to_owned()),
        }
    }

    /// That there is no such user.
    #[must_use]
    pub fn nobody(&self) -> CommandError {
        CommandError::refused(match self {
            Self::Number(number) => format!("there is no user {number}"),
            Self::Email(email) => format!("there is no user {}", shown(email)),
        })
    }
}

/// Which users are listed.
#[derive(Default)]
pub struct Listing<'a> {
    /// Those with this role; all of them without one.
    pub role: Option<&'a str>,
    /// Those with a higher number than this.
    pub after: Option<i64>,
    /// So many at most.
    pub limit: Option<usize>,
}

/// An account to be made.
pub struct Account<'a> {
    /// Its address.
    pub email: &'a str,
    /// The user's name.
    pub full_name: &'a str,
    /// Its role, unless it is to be the usual one.
    pub role: Option<&'a str>,
    /// Its password.
    pub password: &'a Password,
}

/// What can be done with accounts. A user is an object with the keys that answers of the server have.
pub trait Accounts {
    /// Those of the listed users who pass.
    ///
    /// # Errors
    /// They cannot be read.
    fn list(
        &self,
        listing: &Listing<'_>,
        passes: &dyn Fn(&Value) -> bool,
    ) -> Result<Vec<Value>, CommandError>;

    /// The user who is meant.
    ///
    /// # Errors
    /// There is none.
    fn user(&self, which: &Which) -> Result<Value, CommandError>;

    /// What else is known about a user: an object with `lock`, `attempt_locks`, `sessions` and `api_keys`. Nothing where
    /// nobody tells.
    ///
    /// # Errors
    /// It cannot be read.
    fn details(&self, user: &Value) -> Result<Option<Value>, CommandError>;

    /// Locks or unlocks an account; tells what the user is then.
    ///
    /// # Errors
    /// Why not.
    fn set_locked(&self, user: &Value, change: LockChange) -> Result<Value, CommandError>;

    /// Changes an account; tells what the user is then.
    ///
    /// # Errors
    /// Why not.
    fn edit(&self, user: &Value, update: Object) -> Result<Value, CommandError>;

    /// Deletes an account.
    ///
    /// # Errors
    /// Why not.
    fn delete(&self, user: &Value) -> Result<(), CommandError>;

    /// Sets a password, which ends all sessions and API keys.
    ///
    /// # Errors
    /// Why not.
    fn set_password(&self, user: &Value, password: &Password) -> Result<(), CommandError>;
}
