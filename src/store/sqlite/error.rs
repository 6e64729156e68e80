//! What SQLite reports, and what that means.

use crate::problem::Loggable;
use rusqlite::ErrorCode::{
    CannotOpen, ConstraintViolation, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase,
    OperationInterrupted, PermissionDenied, ReadOnly, SystemIoFailure, TooBig,
};
use rusqlite::{Error, ErrorCode};
use std::fmt;

/// An error of SQLite's that is no usual one. Its text tells of columns and files, never of values.
#[derive(Debug)]
pub struct SqliteError(pub(super) Error);

impl SqliteError {
    pub(super) const fn code(&self) -> Option<ErrorCode> {
        match &self.0 {
            Error::SqliteFailure(code, _) => Some(code.code),
            _ => None,
        }
    }

    /// Whether it tells of trouble with the file, the disk or the machine, rather than of what was asked.
    pub(crate) fn is_outage(&self) -> bool {
        let usual = [ConstraintViolation, DatabaseBusy, DatabaseLocked, TooBig];
        self.code().is_some_and(|code| !usual.contains(&code))
    }

    /// Whether a value is larger than a database takes.
    pub(crate) fn is_too_big(&self) -> bool {
        self.code() == Some(TooBig)
    }

    /// Whether the file is not as it has to be.
    pub(crate) const fn is_damage(&self) -> bool {
        matches!(self.code(), Some(DatabaseCorrupt | NotADatabase))
    }

    /// Whether it was told to stop.
    pub(super) fn is_interruption(&self) -> bool {
        self.code() == Some(OperationInterrupted)
    }

    /// Whether the file cannot be opened, or not be written.
    pub(super) const fn is_refused(&self) -> bool {
        matches!(self.code(), Some(CannotOpen | ReadOnly | PermissionDenied))
    }

    /// What an operator can do about what the system reported, as the end of a sentence; nothing for an error that no system
    /// reports.
    pub(crate) const fn remedy(&self) -> Option<&'static str> {
        Some(match self.code() {
            None => return None,
            Some(SystemIoFailure | DiskFull) => {
                "; look at the disk, its free room and its quota, and at the largest file that the process may write \
                 (`ulimit -f`, systemd's LimitFSIZE=)"
            }
            Some(CannotOpen | PermissionDenied | ReadOnly) => {
                "; the server's user has to be able to write the file and its directory"
            }
            Some(_) => "",
        })
    }

    /// What SQLite says of it.
    pub(super) fn said(&self) -> String {
        match &self.0 {
            Error::SqliteFailure(code, text) => text.clone().unwrap_or_else(|| code.to_string()),
            other => other.to_string(),
        }
    }

    /// The same error for another of those who shared its cause.
    pub(crate) fn duplicate(&self) -> Option<Self> {
        match &self.0 {
            Error::SqliteFailure(code, text) => Some(Self(Error::SqliteFailure(*code, text.clone()))),
            _ => None,
        }
    }
}

impl fmt::Display for SqliteError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Loggable for SqliteError {}
