//! Opens the file: finds out what it is, and refuses what is not safe or not ours.

use super::access;
use super::connection::{connect, prepare, refusal};
use super::error::{OpenError, StoreError};
use super::identity::FileId;
use super::in_use::InUse;
use super::migrate::{self, APPLICATION_ID};
use super::{adopt, damage};
use crate::clock::Clock;
use rusqlite::{Connection, OpenFlags};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where the open database came from.
#[derive(Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was made just now and has no users yet.
    Made,
    /// It was ours already, of the newest schema.
    Found,
    /// It was ours, of an older schema, and was brought up to date.
    Updated,
    /// The Python authnzerver had made it; a copy of what it was lies here.
    Adopted {
        /// The copy made before anything was changed.
        copy: PathBuf,
        /// Whether others could read the file before.
        mode_tightened: bool,
    },
}

/// Why a database of these kinds is not ready.
const MADE_BY_PYTHON: &str = "was made by the Python authnzerver";
const IS_EMPTY: &str = "is empty";

/// What kind of database a file holds.
pub(super) enum Kind {
    Empty,
    Ours(i64),
    Python,
    Unknown,
}

/// Opens the file for writing and brings it to today's schema.
pub(super) fn open(path: &Path, clock: &dyn Clock) -> Result<(First, Origin), OpenError> {
    access::check(path)?;
    let in_use = InUse::share(path)?;
    let made = make_if_missing(path)?;
    let Found { connection, id, kind, open_to_others } = look(path)?;
    let origin = match kind {
        Kind::Python => {
            damage::check_before_serving(&connection, path)?;
            let copy = adopt::adopt(&connection, path, clock)?;
            Origin::Adopted { copy, mode_tightened: open_to_others }
        }
        Kind::Empty | Kind::Unknown => {
            prepare(&connection, path)?;
            migrate_from(&connection, 0)?;
            if made { Origin::Made } else { Origin::Updated }
        }
        Kind::Ours(version) => {
            damage::check_before_serving(&connection, path)?;
            prepare(&connection, path)?;
            if version == migrate::newest_version() {
                Origin::Found
            } else {
                migrate_from(&connection, version)?;
                Origin::Updated
            }
        }
    };
    prepare(&connection, path)?;
    Ok((First { connection, id, in_use }, origin))
}

/// The first connection to a database, the file that it leads to, and that it is in use.
pub(super) struct First {
    pub(super) connection: Connection,
    pub(super) id: FileId,
    pub(super) in_use: Option<InUse>,
}

/// Opens a file that a server has made ready. It is not made, brought up to date or taken over: a server may be using it.
pub(super) fn open_prepared(path: &Path) -> Result<First, OpenError> {
    let (Found { connection, id, kind, .. }, in_use) = look_shared(path)?;
    let lacks = match kind {
        Kind::Ours(version) if version == migrate::newest_version() => {
            damage::check_before_serving(&connection, path)?;
            prepare(&connection, path)?;
            return Ok(First { connection, id, in_use });
        }
        Kind::Ours(_) => "has an older schema",
        Kind::Python => MADE_BY_PYTHON,
        Kind::Empty | Kind::Unknown => IS_EMPTY,
    };
    Err(OpenError::NotPrepared(path.to_owned(), lacks))
}

/// Opens a file that a server has made ready, of whatever schema, only to copy it.
pub(super) fn open_to_copy(path: &Path) -> Result<(Connection, Option<InUse>), OpenError> {
    let (Found { connection, kind, .. }, in_use) = look_shared(path)?;
    ensure_ours(path, &kind)?;
    Ok((connection, in_use))
}

/// Opens a backup for reading: its connection, and its schema's version.
pub(super) fn open_backup(path: &Path) -> Result<(Connection, i64), OpenError> {
    let Found { connection, kind, .. } =
        look_with(path, |path| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    // It may come from anywhere.
    connection.execute_batch("PRAGMA trusted_schema = OFF;")?;
    Ok((connection, ensure_ours(path, &kind)?))
}

fn ensure_ours(path: &Path, kind: &Kind) -> Result<i64, OpenError> {
    let lacks = match kind {
        Kind::Ours(version) => return Ok(*version),
        Kind::Python => MADE_BY_PYTHON,
        Kind::Empty | Kind::Unknown => IS_EMPTY,
    };
    Err(OpenError::NotPrepared(path.to_owned(), lacks))
}

fn look_shared(path: &Path) -> Result<(Found, Option<InUse>), OpenError> {
    access::check(path)?;
    mode_of(path)?;
    let in_use = InUse::share(path)?;
    Ok((look(path)?, in_use))
}

/// A file that was opened, and what it holds. It is ours or can become so.
pub(super) struct Found {
    pub(super) connection: Connection,
    id: FileId,
    pub(super) kind: Kind,
    open_to_others: bool,
}

fn look(path: &Path) -> Result<Found, OpenError> {
    look_with(path, |path| connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE))
}

/// Opens a file and finds out what it holds, unless it is one that is not to be used.
pub(super) fn look_with(
    path: &Path,
    open: impl FnOnce(&Path) -> Result<Connection, OpenError>,
) -> Result<Found, OpenError> {
    let mode = mode_of(path)?;
    let connection = open(path)?;
    // Not earlier: on an overlay, a file becomes another one when it is first opened for writing.
    let id = FileId::of(path).map_err(|error| OpenError::File(path.to_owned(), error))?;
    let kind = kind_of(&connection).map_err(|error| refusal(path, error))?;
    let open_to_others = mode & 0o077 != 0;
    match kind {
        Kind::Unknown => return Err(OpenError::Unknown(path.to_owned())),
        // It is taken over first, or left alone.
        Kind::Python => {}
        _ if open_to_others => return Err(OpenError::OpenToOthers(path.to_owned(), mode)),
        Kind::Ours(version) if version > migrate::newest_version() => {
            let newest = migrate::newest_version();
            return Err(OpenError::Newer { path: path.to_owned(), version, newest });
        }
        Kind::Ours(_) | Kind::Empty => {}
    }
    Ok(Found { connection, id, kind, open_to_others })
}

/// Makes an empty file for its owner alone; tells whether there was none.
fn make_if_missing(path: &Path) -> Result<bool, OpenError> {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(OpenError::File(path.to_owned(), error)),
    }
}

fn mode_of(path: &Path) -> Result<u32, OpenError> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => OpenError::Missing(path.to_owned()),
        _ => OpenError::File(path.to_owned(), error),
    })?;
    if !metadata.is_file() {
        return Err(OpenError::NotAFile(path.to_owned()));
    }
    Ok(metadata.permissions().mode() & 0o7777)
}

fn kind_of(connection: &Connection) -> Result<Kind, StoreError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    if application == APPLICATION_ID {
        return Ok(Kind::Ours(version));
    }
    let tables = connection
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    Ok(match (application, version) {
        (0, 0) if tables.is_empty() => Kind::Empty,
        (0, 0) if adopt::recognises(connection, &tables)? => Kind::Python,
        _ => Kind::Unknown,
    })
}

fn migrate_from(connection: &Connection, version: i64) -> Result<(), OpenError> {
    let transaction = connection.unchecked_transaction()?;
    migrate::migrate_from(&transaction, version)?;
    transaction.commit()?;
    Ok(())
}
