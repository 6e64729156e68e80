//! What can go wrong in the store. The texts name tables and columns, never what was in them.

use super::postgres::error::PostgresError;
use super::sqlite::error::SqliteError;
use crate::problem;
use crate::problem::{Loggable, Problem, Shown};
use std::fmt;
use std::path::{Path, PathBuf};

/// Why a read or a write did not happen. After any of these nothing was changed.
#[derive(Debug)]
pub enum StoreError {
    /// Too many writes are waiting, or another process holds the file. Trying again later may help.
    Busy,
    /// A value that must be unique is there already.
    Duplicate(&'static str),
    /// A row was to refer to another one that is not there, or the other way round.
    ForeignKey,
    /// The server is stopping.
    Closed,
    /// The code of a write panicked; its changes were undone.
    Panicked,
    /// A statement of a write failed and the code went on; its changes were undone.
    Aborted,
    /// SQLite undid a whole group of writes, as it does when the disk is full.
    RolledBack,
    /// A stored value is not of the form that the server writes.
    Corrupt(&'static str),
    /// Another file, or none, lies under this name now; what was written would be lost.
    Replaced(PathBuf),
    /// Something else than SQLite has written into this file.
    Overwritten(PathBuf),
    /// The file is damaged here.
    Damaged(String),
    /// So many writes have failed one after another.
    WritesFail(u32),
    /// Nobody knows whether the write was done: the connection was lost while it was being committed.
    Unknown,
    /// This machine's clock is so many seconds off that of the database.
    ClockSkew(u64),
    /// Anything else that SQLite reports.
    Sqlite(SqliteError),
    /// Anything else that PostgreSQL reports, and whatever happens on the way to it.
    Postgres(PostgresError),
}

impl StoreError {
    /// Whether it tells of trouble with the file, the disk or the machine, rather than of what was asked.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::RolledBack
            | Self::Replaced(_)
            | Self::Overwritten(_)
            | Self::Damaged(_)
            | Self::WritesFail(_)
            | Self::Unknown
            | Self::ClockSkew(_) => true,
            Self::Sqlite(error) => error.is_outage(),
            Self::Postgres(error) => !error.is_too_big(),
            _ => false,
        }
    }

    /// Whether this server does not get at the database, or does not know what became of a write: another one may do better, or
    /// the same one later.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Replaced(_) | Self::Overwritten(_) | Self::Unknown => true,
            Self::Postgres(error) => error.is_unreachable(),
            _ => false,
        }
    }

    /// Whether it tells of what was asked: with other values the same would have worked.
    #[must_use]
    pub fn is_callers_error(&self) -> bool {
        match self {
            Self::Duplicate(_) | Self::ForeignKey => true,
            Self::Sqlite(error) => error.is_too_big(),
            Self::Postgres(error) => error.is_too_big(),
            _ => false,
        }
    }

    /// Whether SQLite found that the file is not as it has to be.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.is_damage())
    }

    /// What the operator reads about it at the start: which file it is about, and what to look at.
    #[must_use]
    pub fn about(&self, path: &Path) -> Problem {
        match self {
            Self::Sqlite(error) => match error.remedy() {
                Some(remedy) => problem!("cannot use {}: {}{}", path.display(), self, remedy),
                None => problem!("{}: {}", path.display(), self),
            },
            Self::RolledBack => problem!("{}: {}", path.display(), self),
            _ => Problem::of(self),
        }
    }

    /// The same error for another of those who shared its cause.
    pub(super) fn duplicate(&self) -> Self {
        match self {
            Self::Busy => Self::Busy,
            Self::Duplicate(column) => Self::Duplicate(column),
            Self::ForeignKey => Self::ForeignKey,
            Self::Closed => Self::Closed,
            Self::Panicked => Self::Panicked,
            Self::Aborted => Self::Aborted,
            Self::RolledBack => Self::RolledBack,
            Self::Corrupt(what) => Self::Corrupt(what),
            Self::Replaced(path) => Self::Replaced(path.clone()),
            Self::Overwritten(path) => Self::Overwritten(path.clone()),
            Self::Damaged(what) => Self::Damaged(what.clone()),
            Self::WritesFail(count) => Self::WritesFail(*count),
            Self::Unknown => Self::Unknown,
            Self::ClockSkew(seconds) => Self::ClockSkew(*seconds),
            Self::Sqlite(error) => error.duplicate().map_or(Self::RolledBack, Self::Sqlite),
            // Each of its writes has an error of its own.
            Self::Postgres(_) => Self::RolledBack,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => out.write_str("the database is busy"),
            Self::Duplicate(column) => write!(out, "the database has that {column} already"),
            Self::ForeignKey => out.write_str("the database lacks a row that was referred to"),
            Self::Closed => out.write_str("the database is closed"),
            Self::Panicked => out.write_str("a write failed inside the server and was undone"),
            Self::Aborted => {
                out.write_str("a write went on after one of its statements had failed, and was undone")
            }
            Self::RolledBack => out.write_str("the database undid a group of writes; is the disk full?"),
            Self::Corrupt(what) => write!(out, "the database holds an unreadable {what}"),
            Self::Replaced(path) => write!(
                out,
                "{} was replaced or removed under the server: put it back, or restart the server",
                path.display()
            ),
            Self::Overwritten(path) => write!(
                out,
                "another program has written into {0} under the server: stop the server, put the file that you want in \
                 its place, remove {0}-wal and {0}-shm, and start again",
                path.display()
            ),
            Self::Damaged(what) => write!(out, "the database is damaged ({what}); restore a copy"),
            Self::WritesFail(count) => write!(out, "the last {count} writes failed"),
            Self::Unknown => out.write_str(
                "the connection to the database was lost during a commit; nobody knows whether it was done",
            ),
            Self::ClockSkew(seconds) => {
                write!(out, "this machine's clock and the database's are {seconds} s apart; set them right")
            }
            Self::Sqlite(error) => write!(out, "database: {error}"),
            Self::Postgres(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for StoreError {}

// What SQLite says of damage names tables, pages and rows by number.
impl Loggable for StoreError {}

/// Why the database cannot be used. Nothing was changed.
#[derive(Debug)]
pub enum OpenError {
    /// The file or its directory cannot be used.
    File(PathBuf, std::io::Error),
    /// There is none, where one has to be.
    Missing(PathBuf),
    /// No server has made it ready, because of this.
    NotPrepared(PathBuf, &'static str),
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
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema that it has.
        version: i64,
        /// The newest one that is known here.
        newest: i64,
        /// A copy of what it was before, with a schema that is known here.
        copy: Option<PathBuf>,
    },
    /// It is a database of something else.
    Unknown(PathBuf),
    /// Its tables or what acts on them are not those that this program makes.
    OtherSchema(PathBuf, String),
    /// The backup is not what the checksum in the second file was made of.
    Checksum(PathBuf, PathBuf),
    /// It has an older schema, and could not be brought up to date.
    NotUpgraded(PathBuf, Problem),
    /// Another process is using it.
    InUse(PathBuf),
    /// A file of the Python authnzerver could not be taken over.
    Adoption(PathBuf, Problem),
    /// The writing thread did not start.
    Thread(std::io::Error),
    /// A PostgreSQL cannot be used as it is.
    Postgres(Problem),
    /// Anything else that a database reports.
    Store(StoreError),
    /// The same about this file.
    Failed(PathBuf, StoreError),
}

// As for `StoreError`.
impl Loggable for OpenError {}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(out, "cannot use {}: {}", path.display(), Shown(error)),
            Self::Missing(path) => write!(
                out,
                "there is no database {}; a server's first start, or `authnzerver setup`, makes one",
                path.display()
            ),
            Self::NotPrepared(path, lacks) => write!(
                out,
                "the database {} {lacks}; start this version's server on it first, nothing was changed",
                path.display()
            ),
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
            Self::Newer { path, version, newest, copy } => {
                newer(out, path, (*version, *newest), copy.as_deref())
            }
            Self::NotUpgraded(path, what) => {
                write!(out, "{} cannot be upgraded: {what}; nothing was changed", path.display())
            }
            Self::Unknown(path) => write!(
                out,
                "{} is a database, but neither ours nor the Python authnzerver's; nothing was changed",
                path.display()
            ),
            Self::OtherSchema(path, what) => other_schema(out, path, what),
            Self::Checksum(path, sum) => other_content(out, path, sum),
            Self::InUse(path) => {
                write!(out, "another process is using {}; stop it first", path.display())
            }
            Self::Adoption(path, what) => write!(
                out,
                "{} was made by the Python authnzerver but cannot be taken over: {what}; nothing was changed",
                path.display()
            ),
            Self::Thread(error) => write!(out, "cannot start the writing thread: {}", Shown(error)),
            Self::Postgres(what) => write!(out, "{what}"),
            Self::Store(error) => write!(out, "{error}"),
            Self::Failed(path, error) => error.about(path).fmt(out),
        }
    }
}

fn newer(
    out: &mut fmt::Formatter<'_>,
    path: &Path,
    (version, newest): (i64, i64),
    copy: Option<&Path>,
) -> fmt::Result {
    write!(
        out,
        "{} has schema {version}, made by a newer authnzerver; this one knows up to {newest}: start the newer one, or ",
        path.display(),
    )?;
    match copy {
        Some(copy) => write!(
            out,
            "go back to what it was before the upgrade, without what was done since (authnzerver restore {})",
            copy.display()
        ),
        None => out.write_str("put back a backup from before the upgrade (authnzerver restore FILE)"),
    }
}

fn other_schema(out: &mut fmt::Formatter<'_>, path: &Path, what: &str) -> fmt::Result {
    write!(out, "{} is not as this program makes it: {what}; nothing was changed", path.display())
}

fn other_content(out: &mut fmt::Formatter<'_>, path: &Path, sum: &Path) -> fmt::Result {
    write!(
        out,
        "{} is not what was backed up: its SHA-256 is not that in {}; nothing was changed",
        path.display(),
        sum.display()
    )
}

impl std::error::Error for OpenError {}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
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
