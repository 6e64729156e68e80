//! Codes that were emailed. A code is never stored, only its SHA-256.

use super::db::{Db, Tx, column};
use super::error::StoreError;
use super::query::query;
use crate::clock::Timestamp;
use crate::guard::code::{CodePurpose, StoredCode};
use crate::user_id::UserId;
use rusqlite::named_params;

const FILE: &str = include_str!("../../sql/codes.sql");
const UPSERT: &str = query(FILE, "upsert");
const LIVE: &str = query(FILE, "live");
const CONSUME: &str = query(FILE, "consume");
const DELETE_BY_USER: &str = query(FILE, "delete_by_user");
const DELETE_EXPIRED_BEFORE: &str = query(FILE, "delete_expired_before");

/// Stores a user's code; an older one for the same purpose ends.
///
/// # Errors
///
/// [`StoreError::ForeignKey`] when there is no such user; a failing database.
pub fn upsert(
    tx: &Tx<'_>,
    user_id: UserId,
    purpose: CodePurpose,
    code: StoredCode,
    expires: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        UPSERT,
        named_params! {
            ":code_hash": code.as_bytes(),
            ":purpose": purpose.text(),
            ":user_id": user_id,
            ":expires": expires.stored(),
        },
    )?;
    Ok(())
}

/// Whose code it is, if it is one that has not expired.
///
/// # Errors
///
/// A failing database.
pub fn live(db: &Db<'_>, code: StoredCode) -> Result<Option<UserId>, StoreError> {
    let params = named_params! { ":code_hash": code.as_bytes(), ":now": db.now().stored() };
    db.one(LIVE, params, |row| column(row, "user_id"))
}

/// The same, and ends it: of many who present one code, one finds it.
///
/// # Errors
///
/// A failing database.
pub fn consume(tx: &Tx<'_>, code: StoredCode) -> Result<Option<UserId>, StoreError> {
    let params = named_params! { ":code_hash": code.as_bytes(), ":now": tx.now().stored() };
    tx.one(CONSUME, params, |row| column(row, "user_id"))
}

/// Ends all codes of a user.
///
/// # Errors
///
/// A failing database.
pub fn delete_by_user(tx: &Tx<'_>, user_id: UserId) -> Result<(), StoreError> {
    tx.execute(DELETE_BY_USER, named_params! { ":user_id": user_id })?;
    Ok(())
}

/// Removes codes that expired before `cutoff`, at most `limit`; tells how many.
///
/// # Errors
///
/// A failing database.
pub fn delete_expired_before(tx: &Tx<'_>, cutoff: Timestamp, limit: i64) -> Result<usize, StoreError> {
    tx.execute(DELETE_EXPIRED_BEFORE, named_params! { ":cutoff": cutoff.stored(), ":limit": limit })
}
