//! Which tables a file has, and how a statement names one that may be anybody's.

use crate::store::error::StoreError;
use crate::store::query::query;
use rusqlite::Connection;

const FILE: &str = include_str!("../../../sql/sqlite/tables.sql");
const TABLES: &str = query(FILE, "tables");

/// The tables that have pages of their own, by name.
pub(crate) fn tables(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let names = connection.prepare(TABLES)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

/// A name as a statement has it, whatever it consists of.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
