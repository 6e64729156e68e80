//! Sessions, API keys and locks in the local database.

use super::database::{Local, document};
use super::interface::Issued;
use crate::accounts::issued::{self, Page};
use crate::accounts::{keys, sessions};
use crate::cli::command::CommandError;
use crate::config::shown;
use crate::guard::token::TokenId;
use crate::store::StoreError;
use crate::store::locks::Lock;
use serde::Serialize;
use serde_json::{Value, json};

/// A lock of an account as an object.
pub(super) fn lock(lock: Lock) -> Value {
    match lock {
        Lock::Manual => json!({ "by": "person", "until": null }),
        Lock::Automatic(until) => json!({ "by": "attempts", "until": until }),
    }
}

impl Local {
    fn all_pages<T: Serialize, N>(
        &self,
        page: &dyn Fn(Option<N>) -> Result<Page<T, N>, StoreError>,
    ) -> Result<Vec<Value>, CommandError> {
        let (mut all, mut from) = (Vec::new(), None);
        loop {
            let Page { rows, next } = self.stored(page(from))?;
            all.extend(rows.iter().map(document));
            if next.is_none() {
                return Ok(all);
            }
            from = next;
        }
    }
}

impl Issued for Local {
    fn sessions(&self, user: Option<&Value>) -> Result<Vec<Value>, CommandError> {
        self.all_pages(&|from| issued::sessions(&self.context(), user.map(Self::id), from))
    }

    fn end_session(&self, id: &str) -> Result<(), CommandError> {
        let ended = sessions::end_by_id(&self.context(), &self.performer(), token_id(id)?);
        self.stored(ended)?.map(drop).ok_or_else(|| no_session(id))
    }

    fn end_sessions(&self, user: Option<&Value>) -> Result<u64, CommandError> {
        let (context, by) = (self.context(), self.performer());
        self.counted(match user {
            Some(user) => sessions::end_all(&context, &by, Self::id(user), None),
            None => sessions::end_everybodys(&context, &by),
        })
    }

    fn purge_sessions(&self) -> Result<u64, CommandError> {
        self.counted(sessions::purge(&self.context(), &self.performer()))
    }

    fn api_keys(&self, user: Option<&Value>) -> Result<Vec<Value>, CommandError> {
        self.all_pages(&|from| issued::api_keys(&self.context(), user.map(Self::id), from))
    }

    fn revoke_key(&self, id: &str) -> Result<(), CommandError> {
        let revoked = keys::revoke_by_id(&self.context(), &self.performer(), token_id(id)?);
        self.stored(revoked)?.map(drop).ok_or_else(|| no_key(id))
    }

    fn locks(&self) -> Result<Vec<Value>, CommandError> {
        self.all_pages(&|from| issued::locks(&self.context(), from))
    }
}

pub(super) fn no_session(id: &str) -> CommandError {
    CommandError::refused(format!("there is no session {}", shown(id)))
}

pub(super) fn no_key(id: &str) -> CommandError {
    CommandError::refused(format!("there is no API key {}", shown(id)))
}

pub(super) fn token_id(text: &str) -> Result<TokenId, CommandError> {
    let wrong = || CommandError::cannot_tell(format!("{} is no ID of a session or an API key", shown(text)));
    TokenId::parse(text).ok_or_else(wrong)
}
