//! Events, emails that were not sent, and how much there is of what, in the local database.

use super::database::{Local, document};
use super::interface::{Counts, Question, Records};
use crate::accounts::counts::{self, Count};
use crate::accounts::events::{self, EVENTS_MAX, Verified};
use crate::accounts::unsent_emails;
use crate::cli::command::CommandError;
use crate::files::with_suffix;
use crate::policy::access::{Access, SharedWith};
use crate::store::events::{Listed, link_of};
use serde_json::{Value, json};

impl Local {
    /// Checks whether the log is what was written down.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn verify_events(&self) -> Result<Verified, CommandError> {
        self.stored(events::verify(&self.context()))
    }
}

impl Records for Local {
    fn events(&self, user: Option<&Value>, after: &mut String) -> Result<Option<Vec<Value>>, CommandError> {
        let number = after.parse().unwrap_or(0);
        let page = self.stored(events::page(&self.context(), user.map(Self::id), number, EVENTS_MAX))?;
        let Some(last) = page.last() else { return Ok(None) };
        *after = link_of(last).seq.to_string();
        Ok(Some(page.iter().map(event).collect()))
    }

    fn statistics(&self) -> Result<(Counts, Counts), CommandError> {
        let (users, others) = self.stored(counts::all(&self.context()))?;
        Ok((rows(users), rows(others)))
    }

    fn file_sizes(&self) -> Vec<(&'static str, u64)> {
        let Some(path) = self.app().store.file() else { return Vec::new() };
        [("database_bytes", path.to_owned()), ("wal_bytes", with_suffix(path, "-wal"))]
            .map(|(name, path)| (name, std::fs::metadata(path).map_or(0, |file| file.len())))
            .into()
    }

    fn denial(&self, question: &Question<'_>) -> Result<Option<String>, CommandError> {
        let shared_with = SharedWith::parse(question.shared_with);
        let shared_with =
            shared_with.map_err(|error| CommandError::cannot_tell(format!("--shared: {error}")))?;
        let access = Access {
            user_id: Self::id(question.user),
            role: question.user["user_role"].as_str().unwrap_or_default(),
            action: question.action,
            item: question.item,
            owner_id: Self::id(question.owner),
            visibility: question.visibility,
            shared_with: &shared_with,
        };
        let is_active = |user: &Value| user["is_active"].as_bool() == Some(true);
        let why = match self.app().policy.load().judge(&access) {
            _ if !is_active(question.user) => Some("the user is not active"),
            _ if !is_active(question.owner) => Some("the owner of the item is not active"),
            Ok(()) => None,
            Err(denial) => Some(denial.text()),
        };
        Ok(why.map(str::to_owned))
    }

    fn unsent_emails(&self) -> Result<Vec<Value>, CommandError> {
        let (mut all, mut after) = (Vec::new(), Some(0));
        while let Some(from) = after {
            let (emails, next) = self.stored(unsent_emails::page(&self.context(), from))?;
            all.extend(emails.iter().map(document));
            after = next;
        }
        Ok(all)
    }

    fn retry_emails(&self, number: Option<i64>) -> Result<u64, CommandError> {
        let count = self.counted(unsent_emails::retry(&self.context(), number))?;
        match number.filter(|_| count == 0) {
            Some(number) => Err(no_email(number)),
            None => Ok(count),
        }
    }

    fn drop_email(&self, number: i64) -> Result<(), CommandError> {
        let is_dropped = self.stored(unsent_emails::drop(&self.context(), number))?;
        if is_dropped { Ok(()) } else { Err(no_email(number)) }
    }
}

pub(super) fn no_email(number: i64) -> CommandError {
    CommandError::refused(format!("no email {number} waits or was given up on"))
}

fn rows(found: Vec<Count>) -> Counts {
    found.into_iter().map(|count| (count.kind, count.state, count.rows.try_into().unwrap_or(0))).collect()
}

/// An event as an object.
fn event(listed: &Listed) -> Value {
    let event = match listed {
        Ok(event) => event,
        Err(unreadable) => return json!({ "number": unreadable.0.seq, "unreadable": true }),
    };
    json!({
        "number": event.seq, "at": event.at, "kind": event.kind, "user_id": event.user_id, "actor": event.actor,
        "actor_id": event.actor_id, "object": event.object, "detail": event.detail, "network": event.network,
        "request_id": event.request_id, "operator": event.operator,
    })
}
