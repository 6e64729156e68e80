//! Looks at a database from outside, for an operator: nothing here writes to it, except for what compacts it.

use super::access;
use super::companions::beside;
use super::connection::{connect, refusal};
use super::copying::orphans;
use super::look::{Found, Kind, look_with};
use super::migrate;
use super::open::{First, open_prepared};
use super::schema;
use super::tables::{quoted, tables};
use super::upgrade::{Before, take_steps};
use crate::problem::Problem;
use crate::store::error::{OpenError, StoreError};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// Problems that one check tells of at most.
const PROBLEMS_MAX: usize = 100;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// There is no file, or an empty one.
    Nothing,
    /// A database of ours.
    Schema {
        /// The schema that it has.
        version: i64,
        /// The one that this program works with.
        newest: i64,
    },
    /// A database of the Python authnzerver.
    PythonTables,
}

/// A database, as it looks from outside.
pub struct Inspected {
    /// What it holds.
    pub holds: Holds,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of the log beside it.
    pub log_bytes: u64,
    /// Bytes within the file that hold nothing.
    pub free_bytes: u64,
    /// How many rows each table has.
    pub rows: Vec<(String, i64)>,
}

/// Looks at a file, and not into its tables.
///
/// # Errors
///
/// A start would not use it.
pub fn look(path: &Path) -> Result<Inspected, OpenError> {
    inspect(path, |_| Ok(Vec::new()))
}

/// Looks at a file and counts the rows of its tables.
///
/// # Errors
///
/// A start would not use it; it cannot be read.
pub fn measure(path: &Path) -> Result<Inspected, OpenError> {
    inspect(path, |connection| {
        let count = |table: String| {
            let statement = format!("SELECT count(*) FROM {}", quoted(&table));
            Ok((table, connection.query_row(&statement, [], |row| row.get(0))?))
        };
        // What SQLite keeps for itself says nothing to anybody.
        tables(connection)?.into_iter().filter(|table| !table.starts_with("sqlite_")).map(count).collect()
    })
}

/// Whether the server may write a database here, and what lies beside it.
///
/// # Errors
///
/// What it may not write, and what helps.
pub fn ensure_writable(path: &Path) -> Result<(), OpenError> {
    access::check(path)
}

fn inspect(
    path: &Path,
    rows: impl FnOnce(&Connection) -> Result<Vec<(String, i64)>, StoreError>,
) -> Result<Inspected, OpenError> {
    let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let (file_bytes, log_bytes) = (bytes(path), bytes(&beside(path, "-wal")));
    if !path.exists() {
        return Ok(Inspected {
            holds: Holds::Nothing,
            file_bytes,
            log_bytes,
            free_bytes: 0,
            rows: Vec::new(),
        });
    }
    let Found { connection, kind, .. } = read_only(path)?;
    let holds = match kind {
        Kind::Empty | Kind::Unknown => Holds::Nothing,
        Kind::Ours(version) => Holds::Schema { version, newest: migrate::newest_version() },
        Kind::Python => Holds::PythonTables,
    };
    let failed = |error| refusal(path, error).about(path);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let free = || Ok::<_, rusqlite::Error>(pragma("freelist_count")? * pragma("page_size")?);
    let free_bytes = free().map_err(|error| failed(error.into()))?.cast_unsigned();
    let rows = rows(&connection).map_err(failed)?;
    Ok(Inspected { holds, file_bytes, log_bytes, free_bytes, rows })
}

/// Checks every table and index, whether all that refers to something finds it, and whether there is anything that this
/// program does not make. Tells what is wrong, one line each.
///
/// # Errors
///
/// It cannot be read.
pub fn check(path: &Path) -> Result<Vec<String>, OpenError> {
    checked(path, problems)
}

/// The same in less time: it does not compare tables with their indexes, and follows no references.
///
/// # Errors
///
/// It cannot be read.
pub fn quick_check(path: &Path) -> Result<Vec<String>, OpenError> {
    checked(path, |connection| verdicts(connection, "quick_check"))
}

fn checked(
    path: &Path,
    problems: impl FnOnce(&Connection) -> Result<Vec<String>, StoreError>,
) -> Result<Vec<String>, OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing(path.to_owned()));
    }
    let Found { connection, kind, .. } = read_only(path)?;
    let checked = problems(&connection).and_then(|mut problems| {
        if let Kind::Ours(version) = kind {
            problems.extend(schema::differences(&connection, version)?);
        }
        problems.truncate(PROBLEMS_MAX);
        Ok(problems)
    });
    match checked {
        Err(error) if error.is_damage() => Ok(vec![error.to_string()]),
        other => other.map_err(|error| refusal(path, error).about(path)),
    }
}

/// A table at a time, so that no single read keeps the log of a server from shrinking.
fn verdicts(connection: &Connection, check: &str) -> Result<Vec<String>, StoreError> {
    let mut found: Vec<String> = Vec::new();
    for table in tables(connection)? {
        let mut statement = connection.prepare(&format!("PRAGMA {check}({})", quoted(&table)))?;
        let verdicts = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        found.extend(verdicts.into_iter().filter(|verdict| verdict != "ok"));
    }
    Ok(found)
}

fn problems(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut found = verdicts(connection, "integrity_check")?;
    for ((table, parent), rows) in orphans(connection)? {
        let what = format!("of {table} refers to a row of {parent} that is not there");
        found.push(if rows == 1 { format!("a row {what}") } else { format!("each of {rows} rows {what}") });
    }
    Ok(found)
}

/// Takes the steps that are missing on a copy in memory; tells how many they are.
///
/// # Errors
///
/// A start would not use the file, or a step fails.
pub fn try_migration(path: &Path) -> Result<i64, OpenError> {
    let Found { connection, kind, .. } = read_only(path)?;
    let Kind::Ours(version) = kind else { return Ok(0) };
    let missing = migrate::newest_version() - version;
    if missing > 0 {
        let mut copy = Connection::open_in_memory()?;
        rusqlite::backup::Backup::new(&connection, &mut copy)?.step(-1)?;
        // As a start does, which waits with looking at what refers to what until it commits.
        let transaction = copy.transaction()?;
        let before = Before::of(&transaction, version)?;
        take_steps(&transaction, path, &before, |copy| migrate::migrate_from(copy, version))?;
        transaction.commit()?;
    }
    Ok(missing)
}

/// Writes the file anew without what it no longer needs. Whoever else writes waits meanwhile.
///
/// # Errors
///
/// A server cannot use it as it is, or is writing too much; a failing disk.
pub fn compact(path: &Path) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| refusal(path, error.into()).about(path);
    let First { connection, in_use: _in_use, .. } = open_prepared(path).map_err(|error| error.about(path))?;
    connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);").map_err(failed)
}

/// Opens a file without ever writing. Where nobody has it open there is no index of a log; then none is made either.
fn read_only(path: &Path) -> Result<Found, OpenError> {
    let target = std::fs::canonicalize(path).map_err(|error| OpenError::File(path.to_owned(), error))?;
    let found = look_with(path, |path| {
        if beside(&target, "-shm").exists() {
            return connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        connect(Path::new(&uri(&target)?), flags)
    });
    found.map_err(|error| error.about(path))
}

/// The file as a URI that tells SQLite that nobody changes it.
fn uri(path: &Path) -> Result<String, OpenError> {
    let name = path.to_str().ok_or_else(|| {
        OpenError::File(path.to_owned(), std::io::Error::other(Problem::from("its name is not UTF-8 text")))
    })?;
    let name = name.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    Ok(format!("file:{name}?immutable=1"))
}
