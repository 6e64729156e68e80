//! What the server remembers about itself.

use super::query::query;
use super::{StoreError, Tx};
use rusqlite::named_params;

const FILE: &str = include_str!("../../sql/server_state.sql");
const SET: &str = query(FILE, "set");

/// Notes down that writing worked just now; the health check proves the write path with it.
///
/// # Errors
///
/// A failing database.
pub fn set_last_write_check(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.change(SET, named_params! { ":name": "last_write_check", ":value": tx.now().stored() })?;
    Ok(())
}
