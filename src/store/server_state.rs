//! What the server remembers about itself.

use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::timestamp_or_null;
use super::value::params;
use crate::clock::Timestamp;

const FILE: &str = include_str!("../../sql/server_state.sql");
const SET: &str = query(FILE, "set");
const CLEAR_PROBE: &str = query(FILE, "clear_probe");
const LAST_SEEN_TIME: &str = query(FILE, "last_seen_time");
const LAST_BACKUP: &str = query(FILE, "last_backup");

/// More than any request writes at once.
const PROBE_BYTES: usize = 256 * 1024;

/// Notes down that writing worked just now; the health check proves the write path with it.
///
/// # Errors
///
/// A failing database.
pub fn set_last_write_check(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute(SET, params! { ":name": "last_write_check", ":value": tx.now().stored() })?;
    Ok(())
}

/// Writes as much as a large request does, to see whether there is room.
///
/// # Errors
///
/// A failing database.
pub fn fill_probe(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute(SET, params! { ":name": "write_probe", ":value": "0".repeat(PROBE_BYTES) })?;
    Ok(())
}

/// Removes it again.
///
/// # Errors
///
/// A failing database.
pub fn clear_probe(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute(CLEAR_PROBE, &[])?;
    Ok(())
}

/// When the clock was last known to be right; where there is no note of it, when a user was last changed.
///
/// # Errors
///
/// A failing database.
pub fn last_seen_time(db: &Db<'_>) -> Result<Timestamp, StoreError> {
    let seen = db.one(LAST_SEEN_TIME, &[], |row| timestamp_or_null(row, "last_seen"))?;
    Ok(seen.flatten().unwrap_or(Timestamp::MIN))
}

/// Notes down that the clock was right at this time.
///
/// # Errors
///
/// A failing database.
pub fn set_last_seen_time(tx: &Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(SET, params! { ":name": "last_seen_time", ":value": now.stored() })?;
    Ok(())
}

/// Of when the last backup is; the command that made it has noted that down.
///
/// # Errors
///
/// A failing database.
pub(crate) fn last_backup(db: &Db<'_>) -> Result<Option<Timestamp>, StoreError> {
    let last = db.one(LAST_BACKUP, &[], |row| timestamp_or_null(row, "last_backup"))?;
    Ok(last.flatten())
}
