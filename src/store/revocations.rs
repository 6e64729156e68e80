//! How often everything that was issued to a user was revoked: what is being issued meanwhile must not survive that.

use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::only;
use super::standing;
use super::value::params;
use crate::policy::roles::Role;
use crate::user_id::UserId;

const FILE: &str = include_str!("../../sql/revocations.sql");
const OF_ACTIVE_USER: &str = query(FILE, "of_active_user");
const COUNT: &str = query(FILE, "count");
const COUNT_FOR_ALL: &str = query(FILE, "count_for_all");

/// How often everything that was issued to a user was revoked; nothing when there is no such user.
///
/// # Errors
///
/// A failing database.
pub fn of_user(db: &Db<'_>, user_id: UserId) -> Result<Option<i64>, StoreError> {
    Ok(standing::by_id(db, user_id)?.map(|standing| standing.revocations))
}

/// The same, and nothing, too, when the user is not active or is locked.
///
/// # Errors
///
/// A failing database.
pub fn of_active_user(db: &Db<'_>, user_id: UserId) -> Result<Option<i64>, StoreError> {
    db.one(OF_ACTIVE_USER, params! { ":user_id": user_id, ":locked": Role::LOCKED }, only)
}

/// Notes that everything that was issued to a user is revoked now.
///
/// # Errors
///
/// A failing database.
pub fn count(tx: &Tx<'_>, user_id: UserId) -> Result<(), StoreError> {
    tx.execute(COUNT, params! { ":user_id": user_id })?;
    Ok(())
}

/// Notes that everything that was issued to anybody is revoked now.
///
/// # Errors
///
/// A failing database.
pub fn count_for_all(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute(COUNT_FOR_ALL, &[])?;
    Ok(())
}
