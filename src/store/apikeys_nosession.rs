//! API keys without a session, and the refresh tokens that renew them. Neither is stored, only their SHA-256.

use super::apikeys::{KeyName, KeyTimes, ListedKey, ValidKey, listed_key, valid_key};
use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::column;
use super::row_cache::{Cacheable, RowKey};
use super::token_rows;
use super::value::params;
use crate::clock::Timestamp;
use crate::guard::token::{StoredToken, TokenId};
use crate::user_id::UserId;

const FILE: &str = include_str!("../../sql/apikeys_nosession.sql");
const INSERT: &str = query(FILE, "insert");
const VALID: &str = query(FILE, "valid");
const REFRESHABLE: &str = query(FILE, "refreshable");
const LIST: &str = query(FILE, "list");
const DELETE_BY_ID: &str = query(FILE, "delete_by_id");
const DELETE: &str = query(FILE, "delete");
const DELETE_OF_USER: &str = query(FILE, "delete_by_user");
const DELETE_EXPIRED_BEFORE: &str = query(FILE, "delete_expired_before");

/// The refresh token of a key about to be added.
pub struct NewRefresh {
    /// The token, hashed.
    pub token: StoredToken,
    /// From when on it may be used.
    pub not_valid_before: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// A key that its refresh token may renew now.
pub struct Refreshable {
    /// How the refresh token is stored.
    pub token: StoredRefresh,
    /// SHA-256 of the key's claims as they were issued; keys from a Python-made file have none.
    pub claims_hash: Option<[u8; 32]>,
}

/// How a refresh token is stored.
#[derive(PartialEq, Eq)]
pub enum StoredRefresh {
    /// As we store it.
    Sha256(StoredToken),
    /// As the Python authnzerver did.
    Argon2(String),
}

/// Adds a key with its refresh token.
///
/// # Errors
///
/// [`StoreError::ForeignKey`] when there is no such user or role; a failing database.
pub fn insert(
    tx: &Tx<'_>,
    key: &KeyName,
    times: KeyTimes,
    claims_hash: &[u8; 32],
    refresh: &NewRefresh,
) -> Result<(), StoreError> {
    tx.execute(
        INSERT,
        params! {
            ":token_hash": key.token.as_bytes(),
            ":issued": times.issued.stored(),
            ":expires": times.expires.stored(),
            ":not_valid_before": times.not_valid_before.stored(),
            ":refresh_hash": refresh.token.as_bytes(),
            ":refresh_expires": refresh.expires.stored(),
            ":refresh_nbf": refresh.not_valid_before.stored(),
            ":user_id": key.user_id,
            ":user_role": key.user_role,
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
    let now = db.now();
    // What has begun by a time has begun at any later one.
    let is_valid = |found: &Found| found.name == *key && found.at <= now && now < found.key.expires;
    let found = db.cached(RowKey::ApiKey(*key.token.as_bytes()), is_valid, || {
        let params = params! {
            ":token_hash": key.token.as_bytes(),
            ":user_id": key.user_id,
            ":user_role": key.user_role,
            ":now": now.stored(),
        };
        let valid = db.one(VALID, params, valid_key)?;
        Ok(valid.map(|valid| Found { name: key.clone(), key: valid, at: now }))
    })?;
    Ok(found.map(|found| found.key))
}

/// A key, and when it was valid under which name.
struct Found {
    name: KeyName,
    key: ValidKey,
    at: Timestamp,
}

impl Cacheable for Found {
    fn owner(&self) -> UserId {
        self.name.user_id
    }

    fn heap_bytes(&self) -> usize {
        self.name.user_role.len()
    }
}

/// The key of this name, if it may be renewed now. That it has expired itself does not matter.
///
/// # Errors
///
/// A failing database.
pub fn refreshable(db: &Db<'_>, key: &KeyName) -> Result<Option<Refreshable>, StoreError> {
    let params = params! {
        ":token_hash": key.token.as_bytes(),
        ":user_id": key.user_id,
        ":user_role": key.user_role,
        ":now": db.now().stored(),
    };
    db.one(REFRESHABLE, params, |row| {
        let hash: Option<[u8; 32]> = column(row, "refresh_hash")?;
        let token = match hash {
            Some(hash) => StoredRefresh::Sha256(StoredToken::from_bytes(hash)),
            None => StoredRefresh::Argon2(column(row, "refresh_argon2")?),
        };
        Ok(Refreshable { token, claims_hash: column(row, "claims_hash")? })
    })
}

/// Keys of a user that have not ended or can still be renewed, in the order of their identifiers: those
/// after `after`, at most `limit`.
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

/// Removes keys that can be neither used nor renewed since before `cutoff`, at most `limit`; tells how many.
///
/// # Errors
///
/// A failing database.
pub fn delete_expired_before(tx: &Tx<'_>, cutoff: Timestamp, limit: i64) -> Result<usize, StoreError> {
    tx.execute(DELETE_EXPIRED_BEFORE, params! { ":cutoff": cutoff.stored(), ":limit": limit })
}
