//! Takes from a user what was issued to them, and keeps requests that are under way from issuing more.

use crate::guard::token::StoredToken;
use crate::store::{StoreError, Tx, apikeys, apikeys_nosession, revocations, scoped_keys, sessions};
use crate::user_id::UserId;

/// All sessions and API keys.
///
/// # Errors
///
/// A failing database.
pub(super) fn everything(tx: &Tx<'_>, user_id: UserId) -> Result<(), StoreError> {
    sessions::delete_by_user(tx, user_id, None)?;
    keys(tx, user_id)?;
    Ok(())
}

/// All sessions but this one, and the API keys that are tied to them.
///
/// # Errors
///
/// A failing database.
pub(super) fn sessions_but(tx: &Tx<'_>, user_id: UserId, kept: &StoredToken) -> Result<(), StoreError> {
    revocations::count(tx, user_id)?;
    sessions::delete_by_user(tx, user_id, Some(kept))?;
    Ok(())
}

/// All API keys, of all kinds. Tells how many.
///
/// # Errors
///
/// A failing database.
pub(super) fn keys(tx: &Tx<'_>, user_id: UserId) -> Result<usize, StoreError> {
    revocations::count(tx, user_id)?;
    Ok(apikeys::delete_by_user(tx, user_id)?
        + apikeys_nosession::delete_by_user(tx, user_id)?
        + scoped_keys::delete_by_user(tx, user_id)?)
}
