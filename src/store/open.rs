//! Opens the file: finds out what it is, refuses what is not safe or not ours, and prepares connections.

use super::access::{self, not_ours, our_user};
use super::identity::FileId;
use super::migrate::{self, APPLICATION_ID};
use super::{StoreError, adopt, damage};
use crate::clock::Clock;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fmt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const PRAGMAS: &str = include_str!("../../sql/pragmas.sql");
/// Prepared statements kept per connection; more than there are in `sql/`.
const STATEMENTS_CACHED_MAX: usize = 192;

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

/// Why the database cannot be used. Nothing was changed.
#[derive(Debug)]
pub enum OpenError {
    /// The file or its directory cannot be used.
    File(PathBuf, std::io::Error),
    /// It is a directory, a socket or the like.
    NotAFile(PathBuf),
    /// Others than its owner may read or write it.
    OpenToOthers(PathBuf, u32),
    /// This belongs to the first user, and the server runs as the second.
    NotOurs(PathBuf, u32, u32),
    /// It belongs to the server's user, who may not write it for its mode.
    NotWritable {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Whether it is a directory.
        is_directory: bool,
    },
    /// It lies on a file system that is mounted read-only.
    ReadOnlyMount(PathBuf),
    /// It is damaged, or no SQLite file at all.
    Damaged(PathBuf, String),
    /// A newer authnzerver has changed it.
    Newer(PathBuf, i64),
    /// It is a database of something else.
    Unknown(PathBuf),
    /// Another process is using it.
    InUse(PathBuf),
    /// A file of the Python authnzerver could not be taken over.
    Adoption(PathBuf, String),
    /// The writing thread did not start.
    Thread(std::io::Error),
    /// Anything else that SQLite reports.
    Store(StoreError),
    /// The same about this file.
    Failed(PathBuf, StoreError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(out, "cannot use {}: {error}", path.display()),
            Self::NotAFile(path) => write!(out, "{} is not a regular file", path.display()),
            Self::OpenToOthers(path, mode) => write!(
                out,
                "others may read or write {0} (mode {mode:04o}); it holds password hashes: run `chmod 600 {0}`",
                path.display()
            ),
            Self::NotOurs(path, owner, us) => write!(
                out,
                "cannot use {0}, which belongs to user {owner}, while the server runs as user {us}: run `chown {us} {0}`",
                path.display()
            ),
            Self::NotWritable { path, mode, is_directory } => write!(
                out,
                "the server may not read and write {0} (mode {mode:04o}): run `chmod {1} {0}`",
                path.display(),
                if *is_directory { "u+rwx" } else { "u+rw" }
            ),
            Self::ReadOnlyMount(path) => write!(
                out,
                "cannot write {}, which is on a file system that is mounted read-only: mount it for writing \
                 (systemd's ReadWritePaths=, a container's volume without `:ro`)",
                path.display()
            ),
            Self::Damaged(path, what) => write!(
                out,
                "{} is damaged or is no SQLite database ({what}); restore a copy, nothing was changed",
                path.display()
            ),
            Self::Newer(path, version) => write!(
                out,
                "{} has schema {version}, made by a newer authnzerver; this one knows up to {}",
                path.display(),
                migrate::newest_version()
            ),
            Self::Unknown(path) => write!(
                out,
                "{} is a database, but neither ours nor the Python authnzerver's; nothing was changed",
                path.display()
            ),
            Self::InUse(path) => {
                write!(out, "another process is using {}; stop it first", path.display())
            }
            Self::Adoption(path, what) => write!(
                out,
                "{} was made by the Python authnzerver but cannot be taken over: {what}; nothing was changed",
                path.display()
            ),
            Self::Thread(error) => write!(out, "cannot start the writing thread: {error}"),
            Self::Store(error) => write!(out, "{error}"),
            Self::Failed(path, error) => out.write_str(&error.about(path)),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl OpenError {
    /// The same with the file's name in it.
    pub(super) fn about(self, path: &Path) -> Self {
        match self {
            Self::Store(error) => Self::Failed(path.to_owned(), error),
            named => named,
        }
    }
}

/// What kind of database a file holds.
enum Kind {
    Empty,
    Ours(i64),
    Python,
    Unknown,
}

/// Opens the file for writing and brings it to today's schema.
pub(super) fn open(path: &Path, clock: &dyn Clock) -> Result<(Connection, FileId, Origin), OpenError> {
    access::check(path)?;
    let made = make_if_missing(path)?;
    let mode = mode_of(path)?;
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Not earlier: on an overlay, a file becomes another one when it is first opened for writing.
    let id = FileId::of(path).map_err(|error| OpenError::File(path.to_owned(), error))?;
    let kind = kind_of(&connection).map_err(|error| refusal(path, error))?;
    let open_to_others = mode & 0o077 != 0;
    if open_to_others && !matches!(kind, Kind::Python | Kind::Unknown) {
        return Err(OpenError::OpenToOthers(path.to_owned(), mode));
    }
    let origin = match kind {
        Kind::Unknown => return Err(OpenError::Unknown(path.to_owned())),
        Kind::Ours(version) if version > migrate::newest_version() => {
            return Err(OpenError::Newer(path.to_owned(), version));
        }
        Kind::Python => {
            damage::check_before_serving(&connection, path)?;
            let copy = adopt::adopt(&connection, path, clock)?;
            Origin::Adopted { copy, mode_tightened: open_to_others }
        }
        Kind::Empty => {
            prepare(&connection, path)?;
            climb(&connection, 0)?;
            if made { Origin::Made } else { Origin::Updated }
        }
        Kind::Ours(version) => {
            damage::check_before_serving(&connection, path)?;
            prepare(&connection, path)?;
            if version == migrate::newest_version() {
                Origin::Found
            } else {
                climb(&connection, version)?;
                Origin::Updated
            }
        }
    };
    prepare(&connection, path)?;
    Ok((connection, id, origin))
}

/// Another connection to an open database, for reading only.
pub(super) fn connect_to_read(path: &Path) -> Result<Connection, OpenError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    prepare(&connection, path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Makes an empty file for its owner alone; tells whether there was none.
fn make_if_missing(path: &Path) -> Result<bool, OpenError> {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let foreign = our_user().and_then(|us| not_ours(path, us));
            Err(foreign.unwrap_or_else(|| OpenError::File(path.to_owned(), error)))
        }
        Err(error) => Err(OpenError::File(path.to_owned(), error)),
    }
}

fn mode_of(path: &Path) -> Result<u32, OpenError> {
    let metadata = std::fs::metadata(path).map_err(|error| OpenError::File(path.to_owned(), error))?;
    if !metadata.is_file() {
        return Err(OpenError::NotAFile(path.to_owned()));
    }
    Ok(metadata.permissions().mode() & 0o7777)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    // One thread uses a connection at a time, so SQLite need not lock it once more.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| refusal(path, error.into()))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    // A statement keeps its plan, whatever its parameters. Otherwise it is planned anew each time that one which is
    // compared with an indexed column is bound, which took as long as all the rest of looking up a session.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

fn prepare(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    connection.execute_batch(PRAGMAS).map_err(|error| refusal(path, error.into()))
}

/// Tells damage and a file in use from other faults.
pub(super) fn refusal(path: &Path, error: StoreError) -> OpenError {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseCorrupt, NotADatabase, PermissionDenied, ReadOnly};
    match error {
        StoreError::Sqlite(rusqlite::Error::SqliteFailure(code, _))
            if matches!(code.code, CannotOpen | ReadOnly | PermissionDenied) =>
        {
            our_user().and_then(|us| not_ours(path, us)).unwrap_or(OpenError::Store(error))
        }
        StoreError::Busy => OpenError::InUse(path.to_owned()),
        StoreError::Sqlite(rusqlite::Error::SqliteFailure(code, ref text))
            if matches!(code.code, DatabaseCorrupt | NotADatabase) =>
        {
            OpenError::Damaged(path.to_owned(), text.clone().unwrap_or_else(|| code.to_string()))
        }
        other => OpenError::Store(other),
    }
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

fn climb(connection: &Connection, version: i64) -> Result<(), OpenError> {
    let transaction = connection.unchecked_transaction()?;
    migrate::climb(&transaction, version)?;
    transaction.commit()?;
    Ok(())
}
