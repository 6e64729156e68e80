//! What is done with accounts by a running server, with the requests that it has for calling servers.

use super::interface::{Account, Accounts, Counts, Issued, Listing, Question, Records, Which};
use super::issued::{no_key, no_session, token_id};
use super::records::no_email;
use super::refusals;
use crate::accounts::edit::EditRefused;
use crate::accounts::events::EVENTS_MAX;
use crate::accounts::lock::LockChange;
use crate::cli::client::Client;
use crate::cli::command::CommandError;
use crate::cli::output::printable;
use crate::guard::secret::{Password, PasswordForm};
use crate::policy::roles::Role;
use crate::wire::Object;
use serde_json::{Value, json};

/// Users that are asked for at once.
const PAGE_USERS: usize = 1000;
/// The reason for which there is no email of a number.
const NO_SUCH_EMAIL: &str = "no such email waits or was given up on";
/// The reason for which there is no answer about an address.
const UNKNOWN_EMAIL: &str = "user email not found in DB";

/// What a lock on an account as a whole is said to be on.
const THE_ACCOUNT: &str = "the account";

/// What a request is asked with.
trait IntoBody {
    fn into_body(self) -> Object;
}

impl IntoBody for Object {
    fn into_body(self) -> Object {
        self
    }
}

impl<const COUNT: usize> IntoBody for [(&str, Value); COUNT] {
    fn into_body(self) -> Object {
        self.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

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
    fn ask(&self, request: &str, body: impl IntoBody) -> Result<Value, CommandError> {
        self.try_to_ask(request, body, &|_| None)
    }

    /// The same where a reason of the server's means something to whoever typed the command.
    fn try_to_ask(
        &self,
        request: &str,
        body: impl IntoBody,
        meant: &dyn Fn(&str) -> Option<CommandError>,
    ) -> Result<Value, CommandError> {
        let body = body.into_body();
        let answer = self.client.ask(request, &body, None)?;
        if answer["success"] == Value::Bool(true) {
            Ok(answer["response"].clone())
        } else {
            Err(answer["failure_reason"].as_str().and_then(meant).unwrap_or_else(|| refused(&answer)))
        }
    }

    /// All pages of a list.
    fn pages(&self, request: &str, rows: &str, user: Option<&Value>) -> Result<Vec<Value>, CommandError> {
        let (mut all, mut after) = (Vec::new(), Value::Null);
        loop {
            let mut body = Object::new();
            body.extend(user.map(|user| ("user_id".to_owned(), user["user_id"].clone())));
            if !after.is_null() {
                body.insert("after".to_owned(), after);
            }
            let mut page = self.ask(request, body)?;
            let Value::Array(found) = page[rows].take() else { return Ok(all) };
            all.extend(found);
            after = page["next"].take();
            if after.is_null() {
                return Ok(all);
            }
        }
    }

    /// The same for an answer that is about users.
    fn ask_for_user(&self, request: &str, body: impl IntoBody) -> Result<Value, CommandError> {
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

    fn details(&self, user: &Value) -> Result<Value, CommandError> {
        let mut locks = self.locks()?;
        locks.retain(|lock| lock["user_id"] == user["user_id"]);
        let (of_account, attempts): (Vec<_>, Vec<_>) =
            locks.into_iter().partition(|lock| lock["what"] == THE_ACCOUNT);
        let of_account = of_account.first().map(|lock| json!({ "by": lock["by"], "until": lock["until"] }));
        Ok(json!({
            "lock": of_account, "attempt_locks": attempts, "sessions": self.sessions(Some(user))?.len(),
            "api_keys": self.api_keys(Some(user))?.len(),
        }))
    }

    fn add(&self, account: &Account<'_>) -> Result<Value, CommandError> {
        let mut body = Object::from_iter([
            ("email".to_owned(), account.email.into()),
            ("full_name".to_owned(), account.full_name.into()),
            ("password".to_owned(), account.password.expose(PasswordForm::AsTyped).into()),
        ]);
        body.extend(account.role.map(|role| ("role".to_owned(), role.into())));
        let added = self.ask("internal-user-add", body)?;
        self.user(&Which::of(&added["user_id"].to_string()))
    }

    fn set_locked(&self, user: &Value, change: LockChange) -> Result<Value, CommandError> {
        let action = if change == LockChange::Lock { "lock" } else { "unlock" };
        let body = [("target_userid", user["user_id"].clone()), ("action", action.into())];
        self.ask_for_user("internal-user-lock", body)
    }

    fn edit(&self, user: &Value, update: Object) -> Result<Value, CommandError> {
        // The server lets callers give roles that no operator may.
        if update.get("user_role").and_then(Value::as_str).is_some_and(|role| !Role::is_for_people(role)) {
            return Err(refusals::of_edit(&EditRefused::NotForPeople));
        }
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

impl Issued for Remote<'_> {
    fn sessions(&self, user: Option<&Value>) -> Result<Vec<Value>, CommandError> {
        self.pages("internal-session-list", "sessions", user)
    }

    fn end_session(&self, id: &str) -> Result<(), CommandError> {
        let body = [("session_id", token_id(id)?.to_string().into())];
        let none = |reason: &str| (reason == "there is no such session").then(|| no_session(id));
        self.try_to_ask("internal-session-end", body, &none).map(drop)
    }

    fn end_sessions(&self, user: Option<&Value>) -> Result<u64, CommandError> {
        let body = [("user_id", user.map_or(Value::Null, |user| user["user_id"].clone()))];
        Ok(count(&self.ask("internal-session-end-all", body)?["ended"]))
    }

    fn purge_sessions(&self) -> Result<u64, CommandError> {
        Ok(count(&self.ask("internal-session-purge", [])?["removed"]))
    }

    fn api_keys(&self, user: Option<&Value>) -> Result<Vec<Value>, CommandError> {
        self.pages("internal-apikey-list", "apikeys", user)
    }

    fn revoke_key(&self, id: &str) -> Result<(), CommandError> {
        let body = [("key_id", token_id(id)?.to_string().into())];
        let none = |reason: &str| (reason == "there is no such API key").then(|| no_key(id));
        self.try_to_ask("internal-apikey-end", body, &none).map(drop)
    }

    fn locks(&self) -> Result<Vec<Value>, CommandError> {
        self.pages("internal-lock-list", "locks", None)
    }
}

impl Records for Remote<'_> {
    fn events(&self, user: Option<&Value>, after: &mut String) -> Result<Option<Vec<Value>>, CommandError> {
        let from = if after.is_empty() { "first" } else { after.as_str() };
        let body = [("after", from.into()), ("limit", EVENTS_MAX.into())];
        let mut page = self.ask("events-since", body)?;
        let Value::Array(mut events) = page["events"].take() else { return Ok(None) };
        page["position"].as_str().unwrap_or_default().clone_into(after);
        if events.is_empty() && page["more"] != true {
            return Ok(None);
        }
        events.retain(|event| user.is_none_or(|user| event["user_id"] == user["user_id"]));
        for event in &mut events {
            event.as_object_mut().map(|event| event.remove("position"));
        }
        Ok(Some(events))
    }

    fn statistics(&self) -> Result<(Counts, Counts), CommandError> {
        let counted = self.ask("internal-stats", [])?;
        Ok((counts(&counted["users"]), counts(&counted["others"])))
    }

    fn file_sizes(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    fn denial(&self, question: &Question<'_>) -> Result<Option<String>, CommandError> {
        let answer = self.ask(
            "access-explain",
            [
                ("user_id", question.user["user_id"].clone()),
                ("user_role", question.user["user_role"].clone()),
                ("action", question.action.into()),
                ("target_name", question.item.into()),
                ("target_owner", question.owner["user_id"].clone()),
                ("target_visibility", question.visibility.into()),
                ("target_sharedwith", question.shared_with.into()),
            ],
        )?;
        Ok(answer["because"].as_str().map(|because| printable(because, usize::MAX)))
    }

    fn unsent_emails(&self) -> Result<Vec<Value>, CommandError> {
        self.pages("internal-email-list", "emails", None)
    }

    fn retry_emails(&self, number: Option<i64>) -> Result<u64, CommandError> {
        let body = [("number", number.into())];
        let none = |reason: &str| (reason == NO_SUCH_EMAIL).then(|| number.map(no_email)).flatten();
        Ok(count(&self.try_to_ask("internal-email-retry", body, &none)?["retried"]))
    }

    fn drop_email(&self, number: i64) -> Result<(), CommandError> {
        let none = |reason: &str| (reason == NO_SUCH_EMAIL).then(|| no_email(number));
        self.try_to_ask("internal-email-drop", [("number", number.into())], &none).map(drop)
    }
}

fn count(number: &Value) -> u64 {
    number.as_u64().unwrap_or(0)
}

fn counts(found: &Value) -> Counts {
    let text = |row: &Value, key: &str| printable(row[key].as_str().unwrap_or_default(), usize::MAX);
    let rows = found.as_array().into_iter().flatten();
    rows.map(|row| (text(row, "kind"), text(row, "state"), count(&row["rows"]))).collect()
}
