//! Copies a database as it is at one moment, and makes sure that the copy is whole. Writers are not held up meanwhile.

use super::connection::connect;
use super::tables::{quoted, tables};
use crate::store::error::{OpenError, StoreError};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// All pages in one step, so that the copy is of one moment however much is written meanwhile.
const ALL_PAGES: i32 = -1;

/// What a database has, as far as a copy or an upgrade must keep it.
#[derive(PartialEq, Eq)]
pub(crate) struct Contents {
    /// How many rows each table has, by its name.
    pub(crate) rows: Vec<(String, i64)>,
    /// How many rows of a table refer to ones of another that are not there. Only hands other than ours leave such rows,
    /// and they are no reason to be without a backup.
    pub(crate) orphans: BTreeMap<(String, String), i64>,
}

impl Contents {
    /// What there is now. What a backup notes about itself does not count.
    pub(crate) fn of(connection: &Connection) -> Result<Self, StoreError> {
        Ok(Self { rows: row_counts(connection)?, orphans: orphans(connection)? })
    }

    /// The rows of a table; of one that is not there, none.
    pub(crate) fn rows_of(&self, table: &str) -> i64 {
        self.rows.iter().find(|(name, _)| name == table).map_or(0, |(_, rows)| *rows)
    }

    /// A table of which more rows refer to ones that are not there than before.
    pub(crate) fn newly_orphaned(&self, before: &Self) -> Option<&str> {
        let is_new = |(reference, rows): &(&(String, String), &i64)| {
            before.orphans.get(*reference).is_none_or(|known| known < *rows)
        };
        self.orphans.iter().find(is_new).map(|((table, _), _)| table.as_str())
    }
}

/// Copies a database into an empty file, changes the copy as told, and puts it safely on the disk.
///
/// # Errors
/// Anything that kept the copy from being made and found whole.
pub(crate) fn copy(
    source: &Connection,
    from: &Path,
    to: &Path,
    change: impl FnOnce(&Connection) -> Result<(), StoreError>,
) -> Result<Contents, OpenError> {
    let about = |error: StoreError| OpenError::from(error).about(to);
    // What is counted and what is copied is seen at one moment.
    source.execute_batch("BEGIN").map_err(|error| OpenError::from(error).about(from))?;
    let copied = Contents::of(source)
        .map_err(|error| damage_or(from, error))
        .and_then(|contents| copy_pages(source, to).map(|()| contents).map_err(about));
    // It has only read.
    let _ = source.execute_batch("COMMIT");
    let contents = copied?;
    let finish = || -> Result<(), StoreError> {
        let copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // One file, without a log beside it.
        copy.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = DELETE;")?;
        change(&copy)
    };
    finish().map_err(about)?;
    File::open(to).and_then(|file| file.sync_all()).map_err(|error| OpenError::File(to.to_owned(), error))?;
    match fault_of(to, &contents).map_err(|error| damage_or(from, error))? {
        None => Ok(contents),
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

/// What is wrong with a copy that should have these contents; read from the file itself, with nothing kept of how it was
/// made.
fn fault_of(copy: &Path, contents: &Contents) -> Result<Option<String>, StoreError> {
    let connection = match connect(copy, OpenFlags::SQLITE_OPEN_READ_ONLY) {
        Err(OpenError::Store(error) | OpenError::Failed(_, error)) => return Err(error),
        Err(other) => return Ok(Some(other.to_string())),
        Ok(connection) => connection,
    };
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Ok(Some(verdict));
    }
    let found = Contents::of(&connection)?;
    Ok((found != *contents).then(|| "the copy has other rows than were copied".to_owned()))
}

/// How many rows of a table refer to ones of another that are not there.
pub(crate) fn orphans(connection: &Connection) -> Result<BTreeMap<(String, String), i64>, StoreError> {
    let mut orphans = connection.prepare("PRAGMA foreign_key_check")?;
    let mut orphans = orphans.query([])?;
    let mut counts = BTreeMap::new();
    while let Some(orphan) = orphans.next()? {
        *counts.entry((orphan.get(0)?, orphan.get(2)?)).or_default() += 1;
    }
    Ok(counts)
}

fn row_counts(connection: &Connection) -> Result<Vec<(String, i64)>, StoreError> {
    let count = |table: String| {
        let mut statement = format!("SELECT count(*) FROM {}", quoted(&table));
        if table == "server_state" {
            statement.push_str(" WHERE name NOT GLOB 'backup_*' AND name != 'last_backup'");
        }
        let rows = connection.query_row(&statement, [], |row| row.get(0))?;
        Ok((table, rows))
    };
    tables(connection)?.into_iter().map(count).collect()
}
