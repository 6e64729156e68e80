//! The keys of messages that the server has taken up, by fingerprint. A key itself never gets here.

use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::{column, timestamp_or_null};
use super::value::params;
use crate::clock::Timestamp;
use crate::guard::token::TokenId;

const FILE: &str = include_str!("../../sql/message_keys.sql");
const LIST: &str = query(FILE, "list");
const SET: &str = query(FILE, "set");
const DELETE: &str = query(FILE, "delete");
const SET_LAST_USED: &str = query(FILE, "set_last_used");

/// A key of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageKey {
    /// What names it.
    pub fingerprint: TokenId,
    /// What an operator calls it.
    pub name: Option<String>,
    /// All that it may ask, with commas between; `None` for everything.
    pub requests: Option<String>,
    /// When it was last used.
    pub last_used: Option<Timestamp>,
}

/// All of them; there are never more than fit into a ring.
///
/// # Errors
///
/// A failing database.
pub fn list(db: &Db<'_>) -> Result<Vec<MessageKey>, StoreError> {
    db.all(LIST, &[], |row| {
        Ok(MessageKey {
            fingerprint: TokenId::from_bytes(column(row, "fingerprint")?),
            name: column(row, "name")?,
            requests: column(row, "requests")?,
            last_used: timestamp_or_null(row, "last_used")?,
        })
    })
}

/// Notes a key, or what it is called and may ask now.
///
/// # Errors
///
/// A failing database.
pub fn set(tx: &Tx<'_>, key: &MessageKey) -> Result<(), StoreError> {
    let fingerprint = key.fingerprint.as_bytes();
    let params = params! { ":fingerprint": fingerprint, ":name": key.name, ":requests": key.requests };
    tx.execute(SET, params)?;
    Ok(())
}

/// Forgets a key.
///
/// # Errors
///
/// A failing database.
pub fn delete(tx: &Tx<'_>, fingerprint: TokenId) -> Result<(), StoreError> {
    tx.execute(DELETE, params! { ":fingerprint": fingerprint.as_bytes() })?;
    Ok(())
}

/// Notes when a key was last used, unless it was used later already.
///
/// # Errors
///
/// A failing database.
pub fn set_last_used(tx: &Tx<'_>, fingerprint: TokenId, last_used: Timestamp) -> Result<(), StoreError> {
    let params = params! { ":fingerprint": fingerprint.as_bytes(), ":last_used": last_used.stored() };
    tx.execute(SET_LAST_USED, params)?;
    Ok(())
}
