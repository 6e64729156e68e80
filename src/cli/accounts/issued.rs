//! Sessions, API keys and locks in the local database.

use super::database::Local;
use super::interface::Listing;
use crate::accounts::attempt_locks::{self, AttemptLock, Locked};
use crate::accounts::keys::{self, ListedKind};
use crate::accounts::lock;
use crate::accounts::sessions::{self, PAGE_ROWS_MAX};
use crate::cli::command::CommandError;
use crate::config::shown;
use crate::guard::token::TokenId;
use crate::store::StoreError;
use crate::store::apikeys::ListedKey;
use crate::store::locks::Lock;
use crate::store::sessions::ListedSession;
use crate::user_id::UserId;
use serde_json::{Value, json};

/// A lock that failed attempts made on something else than an account as a whole, as an object.
pub(super) fn attempt_lock(lock: AttemptLock) -> Value {
    let what = match lock.what {
        Locked::Passwords => "passwords".to_owned(),
        Locked::Codes(purpose) => format!("{} codes", purpose.text()),
        Locked::AllCodes => "all codes".to_owned(),
        Locked::Unknown => "an address without an account".to_owned(),
    };
    let (user_id, email) = lock.user.unzip();
    json!({
        "by": "attempts", "what": what, "network": Some(lock.network).filter(|network| !network.is_empty()),
        "user_id": user_id, "email": email, "locked_on": lock.since, "until": lock.until,
    })
}

/// A lock as an object.
pub(super) fn lock(lock: Lock) -> Value {
    match lock {
        Lock::Manual => json!({ "by": "person", "until": null }),
        Lock::Automatic(until) => json!({ "by": "attempts", "until": until }),
    }
}

impl Local {
    /// The sessions of a user, or of everybody, that have not expired: objects.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn sessions(&self, user: Option<&Value>) -> Result<Vec<Value>, CommandError> {
        let pages = |user_id, after| sessions::list(&self.context(), user_id, after, PAGE_ROWS_MAX);
        self.of_users(user, |owner| {
            let found = self.all_pages(Self::id(owner), |row: &ListedSession| row.id, &pages)?;
            let shown = |row: ListedSession| {
                json!({
                    "id": row.id.to_string(), "user_id": owner["user_id"], "email": owner["email"],
                    "ip_address": row.ip_address, "user_agent": row.user_agent, "created": row.created,
                    "expires": row.expires,
                })
            };
            Ok(found.into_iter().map(shown).collect())
        })
    }

    /// Ends a session; tells whose it was.
    ///
    /// # Errors
    /// There is none.
    pub fn end_session(&self, id: &str) -> Result<UserId, CommandError> {
        let known = token_id(id)?;
        let ended = sessions::end_by_id(&self.context(), &self.performer(), known);
        self.stored(ended)?.ok_or_else(|| CommandError::refused(format!("there is no session {}", shown(id))))
    }

    /// Ends all sessions of a user, or of everybody; tells how many.
    ///
    /// # Errors
    /// A failing database.
    pub fn end_sessions(&self, user: Option<&Value>) -> Result<usize, CommandError> {
        let (context, by) = (self.context(), self.performer());
        self.stored(match user {
            Some(user) => sessions::end_all(&context, &by, Self::id(user), None),
            None => sessions::end_everybodys(&context, &by),
        })
    }

    /// Removes all sessions that have expired; tells how many.
    ///
    /// # Errors
    /// A failing database.
    pub fn purge_sessions(&self) -> Result<usize, CommandError> {
        self.stored(sessions::purge(&self.context(), &self.performer()))
    }

    /// The API keys of a user, or of everybody, that can be used or renewed: objects.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn api_keys(&self, user: Option<&Value>) -> Result<Vec<Value>, CommandError> {
        self.of_users(user, |owner| {
            let mut all = Vec::new();
            for kind in ListedKind::ALL {
                let shown_kind = match kind {
                    ListedKind::InSession => "session",
                    ListedKind::WithoutSession => "no session",
                    ListedKind::Scoped => "scopes",
                };
                let pages = |user_id, after| keys::list(&self.context(), kind, user_id, after, PAGE_ROWS_MAX);
                let found = self.all_pages(Self::id(owner), |row: &ListedKey| row.id, &pages)?;
                all.extend(found.into_iter().map(|row| {
                    let (name, scopes, last_used) = match row.scoped {
                        Some(key) => (Some(key.name), Some(key.scopes.into_list()), key.last_used),
                        None => (None, None, None),
                    };
                    json!({
                        "id": row.id.to_string(), "kind": shown_kind, "user_id": owner["user_id"],
                        "email": owner["email"], "user_role": row.user_role, "issued": row.issued,
                        "not_valid_before": row.not_valid_before, "expires": row.expires,
                        "refresh_expires": row.refresh_expires, "name": name, "scopes": scopes,
                        "last_used": last_used,
                    })
                }));
            }
            Ok(all)
        })
    }

    /// Revokes an API key; tells whose it was.
    ///
    /// # Errors
    /// There is none.
    pub fn revoke_key(&self, id: &str) -> Result<UserId, CommandError> {
        let known = token_id(id)?;
        let revoked = keys::revoke_by_id(&self.context(), &self.performer(), known);
        self.stored(revoked)?
            .ok_or_else(|| CommandError::refused(format!("there is no API key {}", shown(id))))
    }

    /// All locks in force: objects.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn locks(&self) -> Result<Vec<Value>, CommandError> {
        let (mut all, mut after) = (Vec::new(), UserId::MIN);
        loop {
            let page = self.stored(lock::list(&self.context(), after, PAGE_ROWS_MAX))?;
            let Some(last) = page.last() else { break };
            after = last.user_id;
            all.extend(page.into_iter().map(|locked| {
                let mut shown = lock(locked.lock);
                shown["what"] = "the account".into();
                shown["network"] = Value::Null;
                shown["user_id"] = locked.user_id.into();
                shown["email"] = locked.email.as_str().into();
                shown["locked_on"] = json!(locked.locked_on);
                shown
            }));
        }
        let of_attempts = self.stored(attempt_locks::list(&self.context(), None))?;
        all.extend(of_attempts.into_iter().map(attempt_lock));
        Ok(all)
    }

    /// What belongs to a user, or to everybody in turn.
    fn of_users(
        &self,
        user: Option<&Value>,
        rows: impl Fn(&Value) -> Result<Vec<Value>, CommandError>,
    ) -> Result<Vec<Value>, CommandError> {
        if let Some(user) = user {
            return rows(user);
        }
        let mut all = Vec::new();
        for user in self.users(&Listing::default(), &|_| true)? {
            all.extend(rows(&user)?);
        }
        Ok(all)
    }

    fn all_pages<T>(
        &self,
        user_id: UserId,
        id: impl Fn(&T) -> TokenId,
        page: &dyn Fn(UserId, Option<TokenId>) -> Result<Vec<T>, StoreError>,
    ) -> Result<Vec<T>, CommandError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let rows = self.stored(page(user_id, after))?;
            let Some(last) = rows.last() else { return Ok(all) };
            after = Some(id(last));
            all.extend(rows);
        }
    }
}

fn token_id(text: &str) -> Result<TokenId, CommandError> {
    let wrong = || CommandError::cannot_tell(format!("{} is no ID of a session or an API key", shown(text)));
    TokenId::parse(text).ok_or_else(wrong)
}
