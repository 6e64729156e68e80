//! Finds out what a file is, and refuses what is not safe or not ours. Nothing is changed.

use super::companions::copy_of;
use super::connection::{connect, refusal};
use super::identity::FileId;
use super::in_use::InUse;
use super::migrate::{self, APPLICATION_ID};
use super::{access, adopt};
use crate::store::error::{OpenError, StoreError};
use rusqlite::{Connection, OpenFlags};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Why a database of these kinds is not ready.
pub(super) const MADE_BY_PYTHON: &str = "was made by the Python authnzerver";
pub(super) const IS_EMPTY: &str = "is empty";

/// What kind of database a file holds.
pub(super) enum Kind {
    Empty,
    Ours(i64),
    Python,
    Unknown,
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

/// Looks at a database that others may be using, and says that it is in use.
pub(super) fn look_shared(path: &Path) -> Result<(Found, Option<InUse>), OpenError> {
    access::check(path)?;
    mode_of(path)?;
    let in_use = InUse::share(path)?;
    Ok((look(path)?, in_use))
}

/// A file that was opened, and what it holds. It is ours or can become so.
pub(super) struct Found {
    pub(super) connection: Connection,
    pub(super) id: FileId,
    pub(super) kind: Kind,
    pub(super) open_to_others: bool,
}

/// Opens a file for writing and finds out what it holds.
pub(super) fn look(path: &Path) -> Result<Found, OpenError> {
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
            return Err(newer(path, version));
        }
        Kind::Ours(_) | Kind::Empty => {}
    }
    Ok(Found { connection, id, kind, open_to_others })
}

/// What an older program says of a database with a newer schema.
pub(super) fn newer(path: &Path, version: i64) -> OpenError {
    let newest = migrate::newest_version();
    let copy = (1..=newest).rev().map(|version| copy_of(path, version)).find(|copy| copy.is_file());
    OpenError::Newer { path: path.to_owned(), version, newest, copy }
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
