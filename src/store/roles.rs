//! The roles that users may have.

use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::column;
use super::value::params;

const FILE: &str = include_str!("../../sql/roles.sql");
const LIST: &str = query(FILE, "list");
const INSERT: &str = query(FILE, "insert");

/// A role.
#[derive(PartialEq, Eq, Debug)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it is, in a few words.
    pub description: String,
}

/// All roles, in the alphabetical order of their names.
///
/// # Errors
///
/// A failing database.
pub fn list(db: &Db<'_>) -> Result<Vec<Role>, StoreError> {
    db.all(LIST, &[], |row| Ok(Role { name: column(row, "name")?, description: column(row, "desc")? }))
}

/// Adds a role that is not there yet; tells whether it was added.
///
/// # Errors
///
/// A failing database.
pub fn insert(tx: &Tx<'_>, name: &str) -> Result<bool, StoreError> {
    let description = format!("Users with the role {name}");
    Ok(tx.execute(INSERT, params! { ":name": name, ":description": description })? == 1)
}
