//! Copies a database as it is at one moment, and makes sure that the copy is whole. Writers are not held up meanwhile.

use super::connection::connect;
use super::damage::tables;
use crate::store::error::{OpenError, StoreError};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::path::Path;

/// All pages in one step, so that the copy is of one moment however much is written meanwhile.
const ALL_PAGES: i32 = -1;

/// How many rows each table has, by its name.
pub(crate) type RowCounts = Vec<(String, i64)>;

/// Copies a database into an empty file, changes the copy as told, and puts it safely on the disk.
///
/// # Errors
/// Anything that kept the copy from being made and found whole.
pub(crate) fn copy(
    source: &Connection,
    from: &Path,
    to: &Path,
    change: impl FnOnce(&Connection) -> Result<(), StoreError>,
) -> Result<RowCounts, OpenError> {
    let about = |error: StoreError| OpenError::from(error).about(to);
    // What is counted and what is copied is seen at one moment.
    source.execute_batch("BEGIN").map_err(|error| OpenError::from(error).about(from))?;
    let copied = row_counts(source)
        .map_err(|error| damage_or(from, error))
        .and_then(|counts| copy_pages(source, to).map(|()| counts).map_err(about));
    // It has only read.
    let _ = source.execute_batch("COMMIT");
    let counts = copied?;
    let finish = || -> Result<(), StoreError> {
        let copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // One file, without a log beside it.
        copy.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = DELETE;")?;
        change(&copy)
    };
    finish().map_err(about)?;
    File::open(to).and_then(|file| file.sync_all()).map_err(|error| OpenError::File(to.to_owned(), error))?;
    match fault_of(to, &counts).map_err(|error| damage_or(from, error))? {
        None => Ok(counts),
        // It is the same page by page.
        Some(what) => Err(OpenError::Damaged(from.to_owned(), what)),
    }
}

fn damage_or(path: &Path, error: StoreError) -> OpenError {
    super::connection::refusal(path, error).about(path)
}

fn copy_pages(source: &Connection, to: &Path) -> Result<(), StoreError> {
    let mut copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // If it is not finished nobody needs it.
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    let backup = Backup::new(source, &mut copy)?;
    loop {
        match backup.step(ALL_PAGES)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ => return Err(StoreError::Busy),
        }
    }
}

/// What is wrong with a copy that should have so many rows; read from the file itself, with nothing kept of how it was
/// made.
fn fault_of(copy: &Path, counts: &RowCounts) -> Result<Option<String>, StoreError> {
    let connection = match connect(copy, OpenFlags::SQLITE_OPEN_READ_ONLY) {
        Err(OpenError::Store(error) | OpenError::Failed(_, error)) => return Err(error),
        Err(other) => return Ok(Some(other.to_string())),
        Ok(connection) => connection,
    };
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Ok(Some(verdict));
    }
    if let Some(table) = orphan(&connection)? {
        return Ok(Some(format!("a row of the table {table} refers to one that is not there")));
    }
    let found = row_counts(&connection)?;
    Ok((found != *counts).then(|| "the copy has other rows than were copied".to_owned()))
}

/// The table of a row that refers to one that is not there.
pub(crate) fn orphan(connection: &Connection) -> Result<Option<String>, StoreError> {
    let mut orphans = connection.prepare("PRAGMA foreign_key_check")?;
    let mut orphans = orphans.query([])?;
    Ok(orphans.next()?.map(|orphan| orphan.get(0)).transpose()?)
}

/// Counts the rows of each table. What a backup notes about itself does not count.
pub(crate) fn row_counts(connection: &Connection) -> Result<RowCounts, StoreError> {
    let count = |table: String| {
        let quoted = table.replace('"', "\"\"");
        let mut statement = format!("SELECT count(*) FROM \"{quoted}\"");
        if table == "server_state" {
            statement.push_str(" WHERE name NOT GLOB 'backup_*' AND name != 'last_backup'");
        }
        let rows = connection.query_row(&statement, [], |row| row.get(0))?;
        Ok((table, rows))
    };
    tables(connection)?.into_iter().map(count).collect()
}
