//! The local database, opened for one command, and who is in it.

use super::interface::{Listing, Which};
use crate::accounts::actor::{Operator, Performer, Requester};
use crate::accounts::error::OperationError;
use crate::app::{App, Context};
use crate::cli::command::CommandError;
use crate::cli::operator::operator;
use crate::json::{self, Limits};
use crate::outcome::Error;
use crate::policy::email::EmailAddress;
use crate::server::database::failure_text;
use crate::store::user_lists::{self, ColumnValue, Wanted};
use crate::store::users::{self, User};
use crate::store::{Db, StoreError};
use crate::user_id::UserId;
use crate::wire::ascii_json;
use serde::Serialize;
use serde_json::Value;

/// A database that was opened for one command.
pub struct Local {
    app: App,
    operator: Operator,
}

impl Local {
    pub(super) fn new(app: App) -> Self {
        Self { app, operator: operator() }
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context::of_server(&self.app)
    }

    pub(super) fn requester(&self) -> Requester {
        Requester::Operator(self.operator.clone())
    }

    pub(super) fn performer(&self) -> Performer {
        Performer::Operator(self.operator.clone())
    }

    /// What an operation's end means to an operator.
    pub(super) fn told<T, R>(
        &self,
        done: Result<T, OperationError<R>>,
        refusal: fn(&R) -> CommandError,
    ) -> Result<T, CommandError> {
        done.map_err(|error| match error {
            OperationError::Refused(why) => refusal(&why),
            OperationError::Broken(error) => self.broken(&error),
        })
    }

    pub(super) fn broken(&self, error: &Error) -> CommandError {
        CommandError::cannot_tell(failure_text(error, &self.app.store))
    }

    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Db<'_>) -> Result<T, StoreError>,
    ) -> Result<T, CommandError> {
        self.app.store.read(work).map_err(|error| self.broken(&error.into()))
    }

    /// The number of a user.
    pub(crate) fn id(user: &Value) -> UserId {
        UserId::new(user["user_id"].as_i64().unwrap_or_default())
    }

    pub(super) fn again(&self, user: &Value) -> Result<User, CommandError> {
        let id = Self::id(user);
        self.read(|db| users::by_id(db, id))?.ok_or_else(|| Which::Number(id.get()).nobody())
    }

    pub(super) fn stored<T>(&self, done: Result<T, StoreError>) -> Result<T, CommandError> {
        done.map_err(|error| self.broken(&error.into()))
    }

    pub(super) fn counted(&self, done: Result<usize, StoreError>) -> Result<u64, CommandError> {
        self.stored(done).map(|count| u64::try_from(count).unwrap_or(u64::MAX))
    }

    /// What is around the database.
    #[must_use]
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Those of the listed users who pass.
    pub(super) fn users(
        &self,
        listing: &Listing<'_>,
        passes: &dyn Fn(&Value) -> bool,
    ) -> Result<Vec<Value>, CommandError> {
        let wanted = match listing.role {
            None => Wanted::All,
            Some(role) => Wanted::Column("user_role".to_owned(), ColumnValue::Text(role.to_owned())),
        };
        let limit = listing.limit.unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let mut next = Some(listing.after.map_or(UserId::MIN, UserId::new));
        while let Some(after) = next {
            let slice = self.read(|db| user_lists::slice(db, &wanted, after))?;
            for user in slice.users.iter().map(document).filter(|user| passes(user)) {
                if found.len() == limit {
                    return Ok(found);
                }
                found.push(user);
            }
            next = slice.next;
        }
        Ok(found)
    }

    /// The user who is meant.
    ///
    /// # Errors
    /// There is none.
    pub fn one(&self, which: &Which) -> Result<Value, CommandError> {
        let found = self.read(|db| match which {
            Which::Number(number) => users::by_id(db, UserId::new(*number)),
            Which::Email(email) => users::by_email(db, &EmailAddress::folded(email)),
        })?;
        found.as_ref().map(document).ok_or_else(|| which.nobody())
    }
}

/// A user, or what belongs to one, as answers have it.
pub(super) fn document(shown: &impl Serialize) -> Value {
    // What our own structs are serialised as can be read, but for notes beyond every limit.
    json::read(&ascii_json(shown), &Limits::ANSWER).unwrap_or_default()
}
