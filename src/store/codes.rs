//! Codes that were emailed. A code is never stored, only its SHA-256.

use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::{column, moment, only, text};
use super::value::params;
use crate::clock::Timestamp;
use crate::guard::code::{CodePurpose, StoredCode};
use crate::policy::email::EmailAddress;
use crate::user_id::UserId;

const FILE: &str = include_str!("../../sql/codes.sql");
const UPSERT: &str = query(FILE, "upsert");
const LIVE: &str = query(FILE, "live");
const DELETE_BY_PURPOSE: &str = query(FILE, "delete_by_purpose");
const EXPIRY_FOR_ADDRESS: &str = query(FILE, "expiry_for_address");
const ANY_FOR_ANOTHER: &str = query(FILE, "any_for_another");
const CONSUME: &str = query(FILE, "consume");
const DELETE_SINCE: &str = query(FILE, "delete_since");
const DELETE_BY_USER: &str = query(FILE, "delete_by_user");
const DELETE_EXPIRED_BEFORE: &str = query(FILE, "delete_expired_before");

/// Whose a code is, and what it gives them.
pub struct CodeOwner {
    /// The user's number.
    pub user_id: UserId,
    /// The address that their account is to have by it, if any.
    pub address: Option<EmailAddress>,
    /// When it expires.
    pub expires: Timestamp,
}

/// Stores a user's code, which gives the account this address, if any; an older one for the same purpose and address ends.
///
/// # Errors
///
/// [`StoreError::ForeignKey`] when there is no such user; a failing database.
pub fn upsert(
    tx: &Tx<'_>,
    user_id: UserId,
    purpose: CodePurpose,
    address: Option<&EmailAddress>,
    (code, expires): (StoredCode, Timestamp),
) -> Result<(), StoreError> {
    tx.execute(
        UPSERT,
        params! {
            ":code_hash": code.as_bytes(),
            ":purpose": purpose.text(),
            ":user_id": user_id,
            ":address": address.map_or("", EmailAddress::as_str),
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
pub fn live(db: &Db<'_>, code: StoredCode) -> Result<Option<CodeOwner>, StoreError> {
    let params = params! { ":code_hash": code.as_bytes(), ":now": db.now().stored() };
    db.one(LIVE, params, |row| {
        let address = text(row, "address")?;
        let address = (!address.is_empty()).then(|| EmailAddress::folded(address));
        Ok(CodeOwner { user_id: column(row, "user_id")?, address, expires: moment(row, "expires")? })
    })
}

/// Whose code it is, and ends it: of many who present one code, one finds it.
///
/// # Errors
///
/// A failing database.
pub fn consume(tx: &Tx<'_>, code: StoredCode) -> Result<Option<UserId>, StoreError> {
    let params = params! { ":code_hash": code.as_bytes(), ":now": tx.now().stored() };
    tx.one(CONSUME, params, |row| column(row, "user_id"))
}

/// When the code of a user expires that gives their account this address, if there is one that has not.
///
/// # Errors
///
/// A failing database.
pub fn expiry_for_address(
    db: &Db<'_>,
    user_id: UserId,
    purpose: CodePurpose,
    address: &EmailAddress,
) -> Result<Option<Timestamp>, StoreError> {
    let params = params! {
        ":user_id": user_id, ":purpose": purpose.text(), ":address": address, ":now": db.now().stored()
    };
    db.one(EXPIRY_FOR_ADDRESS, params, |row| moment(row, "expires"))
}

/// Whether a code that has not expired gives this address to the account of another user than this one.
///
/// # Errors
///
/// A failing database.
pub fn any_for_another(
    db: &Db<'_>,
    user_id: UserId,
    purpose: CodePurpose,
    address: &EmailAddress,
) -> Result<bool, StoreError> {
    let params = params! {
        ":user_id": user_id, ":purpose": purpose.text(), ":address": address, ":now": db.now().stored()
    };
    Ok(db.one(ANY_FOR_ANOTHER, params, only)?.unwrap_or(false))
}

/// Ends a user's codes for one purpose.
///
/// # Errors
///
/// A failing database.
pub fn delete_by_purpose(tx: &Tx<'_>, user_id: UserId, purpose: CodePurpose) -> Result<(), StoreError> {
    tx.execute(DELETE_BY_PURPOSE, params! { ":user_id": user_id, ":purpose": purpose.text() })?;
    Ok(())
}

/// Ends a user's codes for one purpose that expire at a time or later: those that were asked for since.
///
/// # Errors
///
/// A failing database.
pub fn delete_since(
    tx: &Tx<'_>,
    user_id: UserId,
    purpose: CodePurpose,
    expires: Timestamp,
) -> Result<(), StoreError> {
    let params = params! { ":user_id": user_id, ":purpose": purpose.text(), ":expires": expires.stored() };
    tx.execute(DELETE_SINCE, params)?;
    Ok(())
}

/// Ends all codes of a user, but for those of one purpose that may be kept.
///
/// # Errors
///
/// A failing database.
pub fn delete_by_user(tx: &Tx<'_>, user_id: UserId, kept: Option<CodePurpose>) -> Result<(), StoreError> {
    tx.execute(DELETE_BY_USER, params! { ":user_id": user_id, ":kept": kept.map(CodePurpose::text) })?;
    Ok(())
}

/// Removes codes that expired before `cutoff`, at most `limit`; tells how many.
///
/// # Errors
///
/// A failing database.
pub fn delete_expired_before(tx: &Tx<'_>, cutoff: Timestamp, limit: i64) -> Result<usize, StoreError> {
    tx.execute(DELETE_EXPIRED_BEFORE, params! { ":cutoff": cutoff.stored(), ":limit": limit })
}
