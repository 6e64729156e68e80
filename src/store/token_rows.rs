//! What sessions and API keys have in common: their rows are found by the identifier of a stored token. API keys are
//! listed in its order, too; sessions are not.

use super::db::{Db, Tx};
use super::error::StoreError;
use super::row::{Row, column};
use super::value::params;
use crate::guard::token::TokenId;
use crate::user_id::UserId;

/// Rows of a user that have not ended, in the order of their identifiers: those after `after`, at most `limit`.
///
/// # Errors
///
/// A failing database.
pub(super) fn list<T>(
    db: &Db<'_>,
    statement: &'static str,
    user_id: UserId,
    (after, limit): (Option<TokenId>, i64),
    read: fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    // A page goes on after the last row that the identifier can stand for.
    let after = after.map(|id| id.range()[1].to_vec()).unwrap_or_default();
    let params = params! {
        ":user_id": user_id, ":now": db.now().stored(), ":after": after, ":limit": limit
    };
    db.all(statement, params, read)
}

/// Removes the row of this identifier; tells whose it was. With an `owner`, it is left alone unless it is theirs.
///
/// # Errors
///
/// A failing database.
pub(super) fn delete_by_id(
    tx: &Tx<'_>,
    statement: &'static str,
    id: TokenId,
    owner: Option<UserId>,
) -> Result<Option<UserId>, StoreError> {
    let [first, last] = id.range();
    let params = params! { ":first": first, ":last": last, ":owner": owner };
    tx.one(statement, params, |row| column(row, "user_id"))
}
