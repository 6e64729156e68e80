//! The emails of the queue that were not sent, as an operator sees them.

use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::{column, moment};
use super::value::params;
use crate::clock::Timestamp;
use crate::policy::email::EmailAddress;
use crate::user_id::UserId;

const FILE: &str = include_str!("../../sql/unsent_emails.sql");
const LIST_UNSENT: &str = query(FILE, "list_unsent");
const RETRY: &str = query(FILE, "retry");
const RETRY_ALL: &str = query(FILE, "retry_all");
const DROP: &str = query(FILE, "drop");

/// An email that waits, is being sent, or was given up on.
pub struct UnsentEmail {
    /// Its number.
    pub email_id: i64,
    /// What it is sent for.
    pub purpose: String,
    /// Who gets it.
    pub user_id: UserId,
    /// The address that it would go to now.
    pub email: EmailAddress,
    /// `waiting`, `sending` or `dead`.
    pub state: String,
    /// How often it was tried in vain.
    pub tries: u32,
    /// When it is due.
    pub next_try: Timestamp,
    /// When it was asked for.
    pub created: Timestamp,
}

/// Unsent emails behind the one of this number, in the order in which they were asked for.
///
/// # Errors
///
/// A failing database.
pub fn list(db: &Db<'_>, after: i64, limit: i64) -> Result<Vec<UnsentEmail>, StoreError> {
    db.all(LIST_UNSENT, params! { ":after": after, ":limit": limit }, |row| {
        Ok(UnsentEmail {
            email_id: column(row, "email_id")?,
            purpose: column(row, "purpose")?,
            user_id: column(row, "user_id")?,
            email: column(row, "email")?,
            state: column(row, "state")?,
            tries: column(row, "tries")?,
            next_try: moment(row, "next_try")?,
            created: moment(row, "created")?,
        })
    })
}

/// Has an email sent now that waits or was given up on, or all of them; tells how many.
///
/// # Errors
///
/// A failing database.
pub fn retry(tx: &Tx<'_>, email_id: Option<i64>) -> Result<usize, StoreError> {
    let now = tx.now().stored();
    match email_id {
        Some(email_id) => tx.execute(RETRY, params! { ":email_id": email_id, ":now": now }),
        None => tx.execute(RETRY_ALL, params! { ":now": now }),
    }
}

/// Takes an email out of the queue that waits or was given up on, and forgets what it told; whether there is one.
///
/// # Errors
///
/// A failing database.
pub fn drop(tx: &Tx<'_>, email_id: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(DROP, params! { ":email_id": email_id })? > 0)
}
