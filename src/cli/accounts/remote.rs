//! What is done with accounts by a running server, with the requests that it has for calling servers.

use super::interface::{Accounts, Listing, Which};
use crate::accounts::lock::LockChange;
use crate::cli::client::Client;
use crate::cli::command::CommandError;
use crate::cli::output::printable;
use crate::guard::secret::{Password, PasswordForm};
use crate::wire::Object;
use serde_json::Value;

/// Users that are asked for at once.
const PAGE_USERS: usize = 1000;
/// The reason for which there is no answer about an address.
const UNKNOWN_EMAIL: &str = "user email not found in DB";

/// A running server.
pub(super) struct Remote<'a> {
    client: Client<'a>,
}

/// What is told where only the local database will do.
pub(super) fn no_request() -> CommandError {
    CommandError::cannot_tell(
        "a running server has no request for this: run the command on the server's own machine, without --url",
    )
}

impl<'a> Remote<'a> {
    pub(super) const fn new(client: Client<'a>) -> Self {
        Self { client }
    }

    /// Asks for something; gives what the answer says when it was done.
    fn ask<const COUNT: usize>(
        &self,
        request: &str,
        body: [(&str, Value); COUNT],
    ) -> Result<Value, CommandError> {
        let body: Object = body.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let answer = self.client.ask(request, &body, None)?;
        if answer["success"] == Value::Bool(true) {
            Ok(answer["response"].clone())
        } else {
            Err(refused(&answer))
        }
    }

    /// The same for an answer that is about users.
    fn ask_for_user<const COUNT: usize>(
        &self,
        request: &str,
        body: [(&str, Value); COUNT],
    ) -> Result<Value, CommandError> {
        let response = self.ask(request, body)?;
        Ok(response["user_info"].clone())
    }
}

/// Why a server did not do something: its reason, and what it would have the end user read.
fn refused(answer: &Value) -> CommandError {
    let mut problems = Vec::new();
    if let Some(reason) = answer["failure_reason"].as_str() {
        problems.push(format!("the server refused: {}", printable(reason, usize::MAX)));
    }
    for message in answer["messages"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        problems.push(format!("the server says: {}", printable(message, usize::MAX)));
    }
    if problems.is_empty() {
        problems.push("the server refused, and does not say why".to_owned());
    }
    CommandError::failed(problems)
}

impl Accounts for Remote<'_> {
    fn list(
        &self,
        listing: &Listing<'_>,
        passes: &dyn Fn(&Value) -> bool,
    ) -> Result<Vec<Value>, CommandError> {
        let limit = listing.limit.unwrap_or(usize::MAX);
        let has_role = |user: &Value| listing.role.is_none_or(|role| user["user_role"] == *role);
        let (mut found, mut after) = (Vec::new(), listing.after.unwrap_or(i64::MIN));
        loop {
            let page = [("user_id", Value::Null), ("limit", PAGE_USERS.into()), ("after", after.into())];
            let Value::Array(page) = self.ask_for_user("user-list", page)? else { return Ok(found) };
            let Some(last) = page.last().and_then(|user| user["user_id"].as_i64()) else { return Ok(found) };
            after = last;
            for user in page.into_iter().filter(|user| has_role(user) && passes(user)) {
                if found.len() == limit {
                    return Ok(found);
                }
                found.push(user);
            }
        }
    }

    fn user(&self, which: &Which) -> Result<Value, CommandError> {
        match which {
            Which::Number(number) => {
                let found = self.ask_for_user("user-list", [("user_id", (*number).into())])?;
                found.get(0).cloned().ok_or_else(|| which.nobody())
            }
            Which::Email(email) => {
                let body = Object::from_iter([("email".to_owned(), email.as_str().into())]);
                let answer = self.client.ask("user-lookup-email", &body, None)?;
                match answer["success"].as_bool() {
                    Some(true) => Ok(answer["response"]["user_info"].clone()),
                    _ if answer["failure_reason"] == UNKNOWN_EMAIL => Err(which.nobody()),
                    _ => Err(refused(&answer)),
                }
            }
        }
    }

    fn details(&self, _: &Value) -> Result<Option<Value>, CommandError> {
        Ok(None)
    }

    fn set_locked(&self, user: &Value, change: LockChange) -> Result<Value, CommandError> {
        let action = if change == LockChange::Lock { "lock" } else { "unlock" };
        let body = [("target_userid", user["user_id"].clone()), ("action", action.into())];
        self.ask_for_user("internal-user-lock", body)
    }

    fn edit(&self, user: &Value, update: Object) -> Result<Value, CommandError> {
        let body = [("target_userid", user["user_id"].clone()), ("update_dict", update.into())];
        self.ask_for_user("internal-user-edit", body)
    }

    fn delete(&self, user: &Value) -> Result<(), CommandError> {
        self.ask("internal-user-delete", [("target_userid", user["user_id"].clone())]).map(drop)
    }

    fn set_password(&self, user: &Value, password: &Password) -> Result<(), CommandError> {
        let body = [
            ("email_address", user["email"].clone()),
            ("new_password", password.expose(PasswordForm::AsTyped).into()),
            ("required_active", user["is_active"].clone()),
        ];
        self.ask("user-resetpass-nosession", body).map(drop)
    }
}
