//! API keys that are tied to a session and end with it. A key's token is never stored, only its SHA-256.

use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::{Row, column, moment, timestamp_or_null};
use super::token_rows;
use super::value::params;
use crate::clock::Timestamp;
use crate::guard::token::{StoredToken, TokenId};
use crate::policy::scopes::Scopes;
use crate::user_id::UserId;

const FILE: &str = include_str!("../../sql/apikeys.sql");
const INSERT: &str = query(FILE, "insert");
const VALID: &str = query(FILE, "valid");
const LIST: &str = query(FILE, "list");
const DELETE_BY_ID: &str = query(FILE, "delete_by_id");
const DELETE: &str = query(FILE, "delete");
const DELETE_OF_USER: &str = query(FILE, "delete_by_user");
const DELETE_EXPIRED_BEFORE: &str = query(FILE, "delete_expired_before");

/// What names a key: its token and the two claims that are stored beside it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyName {
    /// The key's token, hashed.
    pub token: StoredToken,
    /// Whose key it is.
    pub user_id: UserId,
    /// The role it was issued for.
    pub user_role: String,
}

/// When a key is good.
#[derive(Clone, Copy)]
pub struct KeyTimes {
    /// When it was made.
    pub issued: Timestamp,
    /// From when on it may be used.
    pub not_valid_before: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// A key that may be used now.
#[derive(Clone, Copy)]
pub struct ValidKey {
    /// When it ends.
    pub expires: Timestamp,
    /// SHA-256 of its claims as they were issued; keys from a Python-made file have none.
    pub claims_hash: Option<[u8; 32]>,
}

/// Adds a key that ends with a session.
///
/// # Errors
///
/// [`StoreError::ForeignKey`] when the session is gone; a failing database.
pub fn insert(
    tx: &Tx<'_>,
    key: &KeyName,
    times: KeyTimes,
    claims_hash: &[u8; 32],
    session: &StoredToken,
) -> Result<(), StoreError> {
    tx.execute(
        INSERT,
        params! {
            ":token_hash": key.token.as_bytes(),
            ":issued": times.issued.stored(),
            ":expires": times.expires.stored(),
            ":not_valid_before": times.not_valid_before.stored(),
            ":user_id": key.user_id,
            ":user_role": key.user_role,
            ":session_hash": session.as_bytes(),
            ":claims_hash": claims_hash,
        },
    )?;
    Ok(())
}

/// The key of this name, if it may be used now.
///
/// # Errors
///
/// A failing database.
pub fn valid(db: &Db<'_>, key: &KeyName) -> Result<Option<ValidKey>, StoreError> {
    let params = params! {
        ":token_hash": key.token.as_bytes(),
        ":user_id": key.user_id,
        ":user_role": key.user_role,
        ":now": db.now().stored(),
    };
    db.one(VALID, params, valid_key)
}

pub(super) fn valid_key(row: &Row<'_>) -> Result<ValidKey, StoreError> {
    Ok(ValidKey { expires: moment(row, "expires")?, claims_hash: column(row, "claims_hash")? })
}

/// A key as an operator sees it.
pub struct ListedKey {
    /// What it is called.
    pub id: TokenId,
    /// The role it was issued for. It works only while its owner has that role.
    pub user_role: String,
    /// When it was issued.
    pub issued: Timestamp,
    /// From when on it may be used.
    pub not_valid_before: Timestamp,
    /// When it ends, if ever.
    pub expires: Option<Timestamp>,
    /// When its refresh token ends, if it has one.
    pub refresh_expires: Option<Timestamp>,
    /// What else a key with scopes has.
    pub scoped: Option<ListedScopes>,
}

impl ListedKey {
    /// Takes out name, scopes and last use; nothing where it has no scopes.
    pub fn take_scoped(&mut self) -> (Option<String>, Option<Vec<String>>, Option<Timestamp>) {
        match self.scoped.take() {
            Some(scoped) => (Some(scoped.name), Some(scoped.scopes.into_list()), scoped.last_used),
            None => (None, None, None),
        }
    }
}

/// What only keys with scopes have.
pub struct ListedScopes {
    /// What its owner calls it.
    pub name: String,
    /// What it is good for.
    pub scopes: Scopes,
    /// When it was last used, as far as that is written.
    pub last_used: Option<Timestamp>,
}

/// Keys of a user that have not ended, in the order of their identifiers: those after `after`, at most `limit`.
///
/// # Errors
///
/// A failing database.
pub fn list(
    db: &Db<'_>,
    user_id: UserId,
    after: Option<TokenId>,
    limit: i64,
) -> Result<Vec<ListedKey>, StoreError> {
    token_rows::list(db, LIST, user_id, (after, limit), listed_key)
}

pub(super) fn listed_key(row: &Row<'_>) -> Result<ListedKey, StoreError> {
    Ok(ListedKey {
        id: StoredToken::from_bytes(column(row, "token_hash")?).id(),
        user_role: column(row, "user_role")?,
        issued: moment(row, "issued")?,
        not_valid_before: moment(row, "not_valid_before")?,
        expires: Some(moment(row, "expires")?),
        refresh_expires: timestamp_or_null(row, "refresh_expires")?,
        scoped: None,
    })
}

/// Removes the key of this identifier; tells whose it was. With an
/// `owner`, it is left alone unless it is theirs.
///
/// # Errors
///
/// A failing database.
pub fn delete_by_id(tx: &Tx<'_>, id: TokenId, owner: Option<UserId>) -> Result<Option<UserId>, StoreError> {
    token_rows::delete_by_id(tx, DELETE_BY_ID, id, owner)
}

/// Removes a key; tells whether there was one.
///
/// # Errors
///
/// A failing database.
pub fn delete(tx: &Tx<'_>, key: &KeyName) -> Result<bool, StoreError> {
    let params = params! {
        ":token_hash": key.token.as_bytes(), ":user_id": key.user_id, ":user_role": key.user_role
    };
    Ok(tx.execute(DELETE, params)? == 1)
}

/// Removes all keys of a user; tells how many.
///
/// # Errors
///
/// A failing database.
pub fn delete_by_user(tx: &Tx<'_>, user_id: UserId) -> Result<usize, StoreError> {
    tx.execute(DELETE_OF_USER, params! { ":user_id": user_id })
}

/// Removes keys that ended before `cutoff`, at most `limit`; tells how many.
///
/// # Errors
///
/// A failing database.
pub fn delete_expired_before(tx: &Tx<'_>, cutoff: Timestamp, limit: i64) -> Result<usize, StoreError> {
    tx.execute(DELETE_EXPIRED_BEFORE, params! { ":cutoff": cutoff.stored(), ":limit": limit })
}
