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

/// What can be done with accounts, and with what belongs to them. A user is an object with the keys that answers of the
/// server have.
pub trait Accounts: Issued + Records {
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

    /// What else is known about a user: an object with `lock`, `attempt_locks`, `sessions` and `api_keys`.
    ///
    /// # Errors
    /// It cannot be read.
    fn details(&self, user: &Value) -> Result<Value, CommandError>;

    /// Makes an account that works at once; tells what the user is then.
    ///
    /// # Errors
    /// Why not.
    fn add(&self, account: &Account<'_>) -> Result<Value, CommandError>;

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

/// What can be done with sessions, API keys and locks. Each is an object with the keys that answers of the server have.
pub trait Issued {
    /// The sessions of a user, or of everybody, that have not expired.
    ///
    /// # Errors
    /// They cannot be read.
    fn sessions(&self, user: Option<&Value>) -> Result<Vec<Value>, CommandError>;

    /// Ends a session.
    ///
    /// # Errors
    /// There is none.
    fn end_session(&self, id: &str) -> Result<(), CommandError>;

    /// Ends all sessions of a user, or of everybody; tells how many.
    ///
    /// # Errors
    /// Why not.
    fn end_sessions(&self, user: Option<&Value>) -> Result<u64, CommandError>;

    /// Removes all sessions that have expired; tells how many.
    ///
    /// # Errors
    /// Why not.
    fn purge_sessions(&self) -> Result<u64, CommandError>;

    /// The API keys of a user, or of everybody, that can be used or renewed.
    ///
    /// # Errors
    /// They cannot be read.
    fn api_keys(&self, user: Option<&Value>) -> Result<Vec<Value>, CommandError>;

    /// Revokes an API key.
    ///
    /// # Errors
    /// There is none.
    fn revoke_key(&self, id: &str) -> Result<(), CommandError>;

    /// All locks in force.
    ///
    /// # Errors
    /// They cannot be read.
    fn locks(&self) -> Result<Vec<Value>, CommandError>;
}

/// Whether somebody may do something with an item.
pub struct Question<'a> {
    /// Who.
    pub user: &'a Value,
    /// What.
    pub action: &'a str,
    /// With what.
    pub item: &'a str,
    /// Whose it is.
    pub owner: &'a Value,
    /// Who can see it.
    pub visibility: &'a str,
    /// With whom it is shared: numbers of users with commas between them.
    pub shared_with: Option<&'a str>,
}

/// How much there is of what: kind, state, rows.
pub type Counts = Vec<(String, String, u64)>;

/// What is written down about accounts: events, and how much there is of what.
pub trait Records {
    /// The next events after a place, about a user or all, each an object; nothing at the end of the log. The first place
    /// is empty; `after` moves on.
    ///
    /// # Errors
    /// They cannot be read.
    fn events(&self, user: Option<&Value>, after: &mut String) -> Result<Option<Vec<Value>>, CommandError>;

    /// Users by role and state, everything else by kind and state.
    ///
    /// # Errors
    /// They cannot be read.
    fn statistics(&self) -> Result<(Counts, Counts), CommandError>;

    /// The bytes of files by name, where they can be seen.
    fn file_sizes(&self) -> Vec<(&'static str, u64)>;

    /// Why the policy in force denies it; nothing if it permits it.
    ///
    /// # Errors
    /// It cannot be found out.
    fn denial(&self, question: &Question<'_>) -> Result<Option<String>, CommandError>;

    /// All emails that wait, are being sent, or were given up on.
    ///
    /// # Errors
    /// They cannot be read.
    fn unsent_emails(&self) -> Result<Vec<Value>, CommandError>;

    /// Has an email tried again, or all; tells how many.
    ///
    /// # Errors
    /// There is none of that number that could be.
    fn retry_emails(&self, number: Option<i64>) -> Result<u64, CommandError>;

    /// Takes an email out of the queue.
    ///
    /// # Errors
    /// There is none of that number that could be.
    fn drop_email(&self, number: i64) -> Result<(), CommandError>;
}
