//! Looks for damage inside the file: before the first request as far as that is quick, and otherwise while it is served.

use super::companions::beside;
use super::condition::Condition;
use super::connection::{connect_to_read, refusal};
use super::tables::{quoted, tables};
use crate::log;
use crate::store::error::{OpenError, StoreError};
use rusqlite::{Connection, Error as SqliteError, ffi};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Up to this size the whole file is checked at each start; reading a larger one would delay it.
const CHECKED_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Pages that a check keeps, in SQLite's way of saying KiB. It comes by each page once, and what it took from the system for
/// them mostly stays with the process.
const CHECK_CACHE: i32 = -128;
/// After so many steps of SQLite's machine it asks whether to go on.
const STEPS_BETWEEN_LOOKS: i32 = 1_000;

/// Whether the file's check has to wait until it is served.
pub(crate) fn is_too_large_to_wait_for(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > CHECKED_FILE_BYTES_MAX)
}

/// Checks a small file as a whole, and of a large one what is quick: its length, its schema, and that each table and
/// each index can be entered at both ends. Leaves the connection with a small cache.
pub(crate) fn check_before_serving(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    keep_little(connection).map_err(|error| refusal(path, error))?;
    let found = if is_too_large_to_wait_for(path) {
        ends(connection, path).map(|found| found.then(|| "it is cut off".to_owned()))
    } else {
        check(connection, "PRAGMA quick_check(1)")
    };
    match found.map_err(|error| refusal(path, error))? {
        Some(what) => Err(OpenError::Damaged(path.to_owned(), what)),
        None => Ok(()),
    }
}

/// Checks everything, and notes down what is found.
pub(crate) fn look_while_serving(
    path: &Path,
    condition: &Condition,
    stopping: &Arc<AtomicBool>,
) -> Result<(), StoreError> {
    condition.check_begins();
    let checked = look(path, stopping);
    if !matches!(checked, Ok(Checked::Found(_))) {
        condition.check_was_broken_off();
    }
    let Checked::Found(found) = checked? else { return Ok(()) };
    if let Some(what) = &found {
        log::error(
            "a check found damage in the database",
            &[("cause", log::cause(&StoreError::Damaged(what.clone())))],
        );
    }
    condition.checked(found);
    Ok(())
}

/// What became of a check.
enum Checked {
    /// It was told to stop.
    BrokenOff,
    /// It found this, if anything.
    Found(Option<String>),
}

/// Checks everything.
fn look(path: &Path, stopping: &Arc<AtomicBool>) -> Result<Checked, StoreError> {
    match check_tables(path, stopping) {
        Ok(found) => Ok(Checked::Found(found)),
        Err(StoreError::Sqlite(error)) if error.is_interruption() => Ok(Checked::BrokenOff),
        Err(StoreError::Damaged(what)) => Ok(Checked::Found(Some(what))),
        Err(error) if error.is_damage() => Ok(Checked::Found(Some(error.to_string()))),
        Err(error) => Err(error),
    }
}

/// Checks a table at a time, so that no single read keeps the log from shrinking.
fn check_tables(path: &Path, stopping: &Arc<AtomicBool>) -> Result<Option<String>, StoreError> {
    let mut connection = connect_to_read(path).map_err(|error| match error {
        OpenError::Store(error) | OpenError::Failed(_, error) => error,
        other => StoreError::Damaged(other.to_string()),
    })?;
    keep_little(&connection)?;
    let asked = Arc::clone(stopping);
    connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || asked.load(Ordering::Relaxed)))?;
    for table in tables(&connection)? {
        if stopping.load(Ordering::Relaxed) {
            return Err(SqliteError::SqliteFailure(ffi::Error::new(ffi::SQLITE_INTERRUPT), None).into());
        }
        if let Some(what) = check(&connection, &format!("PRAGMA quick_check({})", quoted(&table)))? {
            return Ok(Some(what));
        }
    }
    Ok(None)
}

fn keep_little(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.pragma_update(None, "cache_size", CHECK_CACHE)?)
}

fn check(connection: &Connection, statement: &str) -> Result<Option<String>, StoreError> {
    let verdict: String = connection.query_row(statement, [], |row| row.get(0))?;
    Ok((verdict != "ok").then_some(verdict))
}

/// Whether the file is shorter than it says; an error when an end of a table or index cannot be read.
fn ends(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let said = pragma("page_count")?.saturating_mul(pragma("page_size")?);
    let wal = std::fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
    let there = std::fs::metadata(path).map_or(0, |file| file.len());
    if wal == 0 && there < said.cast_unsigned() {
        return Ok(true);
    }
    for table in tables(connection)? {
        let mut columns = connection.prepare(
            "SELECT x.name FROM pragma_index_list(?1) l JOIN pragma_index_info(l.name) x WHERE x.seqno = 0
             UNION SELECT name FROM pragma_table_info(?1) WHERE pk = 1",
        )?;
        let columns = columns.query_map([&table], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        for column in columns {
            for order in ["ASC", "DESC"] {
                let row =
                    format!("SELECT * FROM {} ORDER BY {} {order} LIMIT 1", quoted(&table), quoted(&column));
                connection.prepare(&row)?.query([])?.next()?;
            }
        }
    }
    Ok(false)
}
