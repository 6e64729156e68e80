//! The roles that users may have.

use super::query::query;
use super::{Db, StoreError, Tx, column};
use rusqlite::named_params;

const FILE: &str = include_str!("../../sql/roles.sql");
const LIST: &str = query(FILE, "list");
const INSERT: &str = query(FILE, "insert");

/// All role names, in alphabetical order.
///
/// # Errors
///
/// A failing database.
pub fn list(db: &Db<'_>) -> Result<Vec<String>, StoreError> {
    db.all(LIST, [], |row| column(row, "name"))
}

/// Adds a role that is not there yet; tells whether it was added.
///
/// # Errors
///
/// A failing database.
pub fn insert(tx: &Tx<'_>, name: &str) -> Result<bool, StoreError> {
    let description = format!("Users with the role {name}");
    Ok(tx.change(INSERT, named_params! { ":name": name, ":description": description })? == 1)
}
