//! API keys with scopes. They are found by a public identifier; of their secrets only the SHA-256 is stored.

use super::apikeys::{ListedKey, ListedScopes};
use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::{Row, column, moment, text, timestamp_or_null};
use super::value::params;
use crate::clock::Timestamp;
use crate::guard::token::{StoredToken, TokenId};
use crate::policy::scopes::Scopes;
use crate::user_id::UserId;

const FILE: &str = include_str!("../../sql/scoped_keys.sql");
const INSERT: &str = query(FILE, "insert");
const VALID: &str = query(FILE, "valid");
const COUNT: &str = query(FILE, "count");
const OVERLAPS: &str = query(FILE, "overlaps");
const ROTATE: &str = query(FILE, "rotate");
const SET_LAST_USED: &str = query(FILE, "set_last_used");
const LIST: &str = query(FILE, "list");
const DELETE_BY_ID: &str = query(FILE, "delete_by_id");
const DELETE_BY_USER: &str = query(FILE, "delete_by_user");
const DELETE_EXPIRED_BEFORE: &str = query(FILE, "delete_expired_before");

/// A key about to be added.
pub struct NewScopedKey {
    /// What finds it.
    pub id: TokenId,
    /// What proves it.
    pub secret: StoredToken,
    /// Whose key it is.
    pub user_id: UserId,
    /// The role it is issued for.
    pub user_role: String,
    /// What its owner calls it.
    pub name: String,
    /// What it is good for.
    pub scopes: Scopes,
    /// When it ends, if ever.
    pub expires: Option<Timestamp>,
}

/// Adds a key.
///
/// # Errors
///
/// A failing database.
pub fn insert(tx: &Tx<'_>, key: &NewScopedKey) -> Result<(), StoreError> {
    tx.execute(
        INSERT,
        params! {
            ":key_id": key.id.as_bytes(),
            ":secret_hash": key.secret.as_bytes(),
            ":user_id": key.user_id,
            ":user_role": key.user_role,
            ":name": key.name,
            ":scopes": key.scopes.lines(),
            ":issued": tx.now().stored(),
            ":expires": key.expires.map(Timestamp::stored),
        },
    )?;
    Ok(())
}

/// A key that may be used now, by whoever has one of its secrets.
pub struct ValidScopedKey {
    /// Whose key it is.
    pub user_id: UserId,
    /// The role it was issued for, which is its owner's.
    pub user_role: String,
    /// What its owner calls it.
    pub name: String,
    /// What it is good for.
    pub scopes: Scopes,
    /// When it ends, if ever.
    pub expires: Option<Timestamp>,
    /// Its secret.
    secret: StoredToken,
    /// The one before, while that is still good.
    old_secret: Option<StoredToken>,
}

impl ValidScopedKey {
    /// Whether this is one of its secrets.
    #[must_use]
    pub fn is_proven_by(&self, secret: &StoredToken) -> bool {
        self.secret == *secret || self.old_secret.is_some_and(|old| old == *secret)
    }
}

/// The key of this identifier, if it may be used now.
///
/// # Errors
///
/// A failing database.
pub fn valid(db: &Db<'_>, id: TokenId) -> Result<Option<ValidScopedKey>, StoreError> {
    let params = params! { ":key_id": id.as_bytes(), ":now": db.now().stored() };
    db.one(VALID, params, |row| {
        Ok(ValidScopedKey {
            user_id: column(row, "user_id")?,
            user_role: column(row, "user_role")?,
            name: column(row, "name")?,
            scopes: scopes(row)?,
            expires: timestamp_or_null(row, "expires")?,
            secret: StoredToken::from_bytes(column(row, "secret_hash")?),
            old_secret: column::<Option<_>>(row, "old_secret_hash")?.map(StoredToken::from_bytes),
        })
    })
}

fn scopes(row: &Row<'_>) -> Result<Scopes, StoreError> {
    Ok(Scopes::from_lines(text(row, "scopes")?))
}

/// How many keys a user has.
///
/// # Errors
///
/// A failing database.
pub fn count(db: &Db<'_>, user_id: UserId) -> Result<i64, StoreError> {
    let found = db.one(COUNT, params! { ":user_id": user_id }, |row| column(row, "keys"))?;
    Ok(found.unwrap_or_default())
}

/// Whether two secrets of a user's key are good just now; `None` where there is no such key.
///
/// # Errors
///
/// A failing database.
pub fn overlaps(db: &Db<'_>, id: TokenId, owner: UserId) -> Result<Option<bool>, StoreError> {
    let params = params! {
        ":key_id": id.as_bytes(), ":user_id": owner, ":now": db.now().stored()
    };
    db.one(OVERLAPS, params, |row| column(row, "overlaps"))
}

/// Gives a user's key a new secret. The one it had is good until `old_ends`, or no more; the one before that is not.
///
/// # Errors
///
/// A failing database.
pub fn rotate(
    tx: &Tx<'_>,
    id: TokenId,
    owner: UserId,
    secret: &StoredToken,
    old_ends: Option<Timestamp>,
) -> Result<(), StoreError> {
    let params = params! {
        ":key_id": id.as_bytes(), ":user_id": owner, ":secret_hash": secret.as_bytes(),
        ":old_secret_ends": old_ends.map(Timestamp::stored),
    };
    tx.execute(ROTATE, params)?;
    Ok(())
}

/// Notes when a key was last used, unless it is gone or was used later.
///
/// # Errors
///
/// A failing database.
pub fn set_last_used(tx: &Tx<'_>, id: TokenId, last_used: Timestamp) -> Result<(), StoreError> {
    tx.execute(SET_LAST_USED, params! { ":key_id": id.as_bytes(), ":last_used": last_used.stored() })?;
    Ok(())
}

/// Keys of a user that have not expired, in the order of their identifiers: those after `after`, at most `limit`.
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
    let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
    let params = params! {
        ":user_id": user_id, ":now": db.now().stored(), ":after": after, ":limit": limit
    };
    db.all(LIST, params, |row| {
        let issued = moment(row, "issued")?;
        Ok(ListedKey {
            id: TokenId::from_bytes(column(row, "key_id")?),
            user_role: column(row, "user_role")?,
            issued,
            not_valid_before: issued,
            expires: timestamp_or_null(row, "expires")?,
            refresh_expires: None,
            scoped: Some(ListedScopes {
                name: column(row, "name")?,
                scopes: scopes(row)?,
                last_used: timestamp_or_null(row, "last_used")?,
            }),
        })
    })
}

/// Removes the key of this identifier; tells whose it was. With an `owner`, it is left alone unless it is theirs.
///
/// # Errors
///
/// A failing database.
pub fn delete_by_id(tx: &Tx<'_>, id: TokenId, owner: Option<UserId>) -> Result<Option<UserId>, StoreError> {
    let params = params! { ":key_id": id.as_bytes(), ":owner": owner };
    tx.one(DELETE_BY_ID, params, |row| column(row, "user_id"))
}

/// Removes all keys of a user; tells how many.
///
/// # Errors
///
/// A failing database.
pub fn delete_by_user(tx: &Tx<'_>, user_id: UserId) -> Result<usize, StoreError> {
    tx.execute(DELETE_BY_USER, params! { ":user_id": user_id })
}

/// Removes keys that expired before `cutoff`, at most `limit`; tells how many.
///
/// # Errors
///
/// A failing database.
pub fn delete_expired_before(tx: &Tx<'_>, cutoff: Timestamp, limit: i64) -> Result<usize, StoreError> {
    tx.execute(DELETE_EXPIRED_BEFORE, params! { ":cutoff": cutoff.stored(), ":limit": limit })
}
