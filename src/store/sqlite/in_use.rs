//! Says that a database is in use, for as long as the process lives: SQLite's own locks are free between two requests.
//!
//! Servers and commands share a lock on an empty file beside the database; who replaces the database holds it alone. The
//! file stays, since a lock on a file that was removed in between would keep nobody out.

use super::companions::beside;
use crate::files::{give_to, owner_of};
use crate::store::error::OpenError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What the file's name ends in.
const SUFFIX: &str = "-lock";

/// See the module.
#[must_use]
pub(crate) struct InUse {
    /// Nobody does anything with it, but the lock ends with it.
    _file: File,
}

impl InUse {
    /// Beside others who use the database. Nothing where files cannot be locked, as on some network file systems.
    ///
    /// # Errors
    /// The database is being replaced.
    pub(crate) fn share(database: &Path) -> Result<Option<Self>, OpenError> {
        let (name, file) = open_beside(database)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(database.to_owned())),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
            Err(TryLockError::Error(error)) => Err(OpenError::File(name, error)),
        }
    }

    /// Without anybody else who uses the database.
    ///
    /// # Errors
    /// Somebody does, or that cannot be found out.
    pub(crate) fn alone(database: &Path) -> Result<Self, OpenError> {
        let (name, file) = open_beside(database)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(database.to_owned())),
            Err(TryLockError::Error(error)) => Err(OpenError::File(name, error)),
        }
    }
}

fn open_beside(database: &Path) -> Result<(PathBuf, File), OpenError> {
    // Whichever name leads to the database, its lock is one.
    let target = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let name = beside(&target, SUFFIX);
    match open(&name, &target) {
        Ok(file) => Ok((name, file)),
        Err(error) => Err(OpenError::File(name, error)),
    }
}

fn open(name: &Path, database: &Path) -> io::Result<File> {
    match create_private(name) {
        Ok(file) => give_to(&file, owner_of(database))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(name)
}

/// Makes an empty file that did not exist, for its owner alone.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}
