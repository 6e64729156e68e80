//! Accounts in the local database, by the same operations that requests use.

use super::{Account, Accounts, Listing, Which, issued, refusals};
use crate::accounts::actor::{Operator, Performer, Requester};
use crate::accounts::add_user::{Addition, add_user};
use crate::accounts::error::OperationError;
use crate::accounts::lock::{LockChange, set_locked};
use crate::accounts::set_password::Reset;
use crate::accounts::{delete, edit, set_password};
use crate::app::{App, Context};
use crate::cli::command::CommandError;
use crate::cli::operator::operator;
use crate::guard::secret::Password;
use crate::json::{self, Limits};
use crate::outcome::Error;
use crate::policy::email::EmailAddress;
use crate::policy::roles::Role;
use crate::server::database::failure_text;
use crate::store::user_lists::{self, ColumnValue, Wanted};
use crate::store::users::{self, User};
use crate::store::{Db, StoreError, locks};
use crate::user_id::UserId;
use crate::wire::{Object, ascii_json};
use serde_json::{Value, json};

/// A database that was opened for one command.
pub struct Local {
    pub(super) app: App,
    operator: Operator,
}

impl Local {
    pub(super) fn new(app: App) -> Self {
        Self { app, operator: operator() }
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context::of_server(&self.app)
    }

    fn requester(&self) -> Requester {
        Requester::Operator(self.operator.clone())
    }

    pub(super) fn performer(&self) -> Performer {
        Performer::Operator(self.operator.clone())
    }

    /// What an operation's end means to an operator.
    fn told<T, R>(
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

    pub(super) fn id(user: &Value) -> UserId {
        UserId::new(user["user_id"].as_i64().unwrap_or_default())
    }

    fn again(&self, user: &Value) -> Result<User, CommandError> {
        let id = Self::id(user);
        self.read(|db| users::by_id(db, id))?.ok_or_else(|| Which::Number(id.get()).nobody())
    }
}

/// A user as answers have one.
fn document(user: &User) -> Value {
    // What our own structs are serialised as can be read, but for notes beyond every limit.
    json::read(&ascii_json(user), &Limits::ANSWER).unwrap_or_default()
}

impl Accounts for Local {
    fn list(
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

    fn user(&self, which: &Which) -> Result<Value, CommandError> {
        let found = self.read(|db| match which {
            Which::Number(number) => users::by_id(db, UserId::new(*number)),
            Which::Email(email) => users::by_email(db, &EmailAddress::folded(email)),
        })?;
        found.as_ref().map(document).ok_or_else(|| which.nobody())
    }

    fn details(&self, user: &Value) -> Result<Option<Value>, CommandError> {
        let lock = self.read(|db| locks::by_user(db, Self::id(user)))?;
        let (sessions, keys) = (self.sessions(Some(user))?.len(), self.api_keys(Some(user))?.len());
        Ok(Some(json!({ "lock": lock.map(issued::lock), "sessions": sessions, "api_keys": keys })))
    }

    fn add(&self, account: &Account<'_>) -> Result<Value, CommandError> {
        let addition = Addition {
            email: account.email,
            full_name: account.full_name,
            password: account.password,
            role: account.role.unwrap_or(Role::AUTHENTICATED.as_str()),
        };
        let added = add_user(&mut self.context(), &self.performer(), &addition);
        let added = self.told(added, refusals::of_add)?;
        self.user(&Which::Number(added.user_id.get()))
    }

    fn set_locked(&self, user: &Value, change: LockChange) -> Result<Value, CommandError> {
        let done = set_locked(&self.context(), self.requester(), Self::id(user), change);
        self.told(done, refusals::of_lock).map(|user| document(&user))
    }

    fn edit(&self, user: &Value, update: Object) -> Result<Value, CommandError> {
        if let Some(role) = update.get("user_role").and_then(Value::as_str) {
            let policy = self.app.policy.load();
            if policy.role(role).is_none() {
                let roles: Vec<&str> = policy.roles().collect();
                let problem = format!("the policy has no such role; it has {}", roles.join(", "));
                return Err(CommandError::refused(problem));
            }
        }
        let done = edit::edit(&self.context(), self.requester(), Self::id(user), update);
        self.told(done, refusals::of_edit).map(|user| document(&user))
    }

    fn delete(&self, user: &Value) -> Result<(), CommandError> {
        let done = delete::delete(&self.context(), &self.performer(), Self::id(user));
        let is_done = self.told(done, refusals::of_delete)?;
        if is_done { Ok(()) } else { Err(Which::Number(Self::id(user).get()).nobody()) }
    }

    fn set_password(&self, user: &Value, password: &Password) -> Result<(), CommandError> {
        let user = self.again(user)?;
        let reset = Reset { email: user.email, required_active: None, session: None };
        let done = set_password::reset(&mut self.context(), &self.performer(), reset, password);
        self.told(done, refusals::of_reset)
    }
}
