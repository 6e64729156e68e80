//! What is done with accounts in the local database, by the same operations that requests use.

use super::database::{Local, document};
use super::interface::{Account, Accounts, Issued as _, Listing, Which};
use super::{issued, refusals};
use crate::accounts::add_user::{Addition, add_user};
use crate::accounts::attempt_locks;
use crate::accounts::issued::attempt_lock;
use crate::accounts::lock::{LockChange, set_locked};
use crate::accounts::set_password::Reset;
use crate::accounts::{delete, edit, set_password};
use crate::cli::command::CommandError;
use crate::guard::secret::Password;
use crate::policy::roles::Role;
use crate::store::locks;
use crate::wire::Object;
use serde_json::{Value, json};

impl Accounts for Local {
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

    fn list(
        &self,
        listing: &Listing<'_>,
        passes: &dyn Fn(&Value) -> bool,
    ) -> Result<Vec<Value>, CommandError> {
        self.users(listing, passes)
    }

    fn user(&self, which: &Which) -> Result<Value, CommandError> {
        self.one(which)
    }

    fn details(&self, user: &Value) -> Result<Value, CommandError> {
        let lock = self.read(|db| locks::by_user(db, Self::id(user)))?;
        let (sessions, keys) = (self.sessions(Some(user))?.len(), self.api_keys(Some(user))?.len());
        let locked = self.stored(attempt_locks::list(&self.context(), Some(&self.again(user)?)))?;
        let locked: Vec<_> = locked.into_iter().map(|lock| document(&attempt_lock(lock))).collect();
        Ok(json!({
            "lock": lock.map(issued::lock), "attempt_locks": locked, "sessions": sessions, "api_keys": keys,
        }))
    }

    fn set_locked(&self, user: &Value, change: LockChange) -> Result<Value, CommandError> {
        let done = set_locked(&self.context(), self.requester(), Self::id(user), change);
        self.told(done, refusals::of_lock).map(|user| document(&user))
    }

    fn edit(&self, user: &Value, update: Object) -> Result<Value, CommandError> {
        if let Some(role) = update.get("user_role").and_then(Value::as_str) {
            let policy = self.app().policy.load();
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
