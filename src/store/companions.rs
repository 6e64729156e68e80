//! The files that SQLite keeps beside a database.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What SQLite keeps beside a database while it is in use: its log, and the log's index.
pub(super) const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// The database's name with something added to its end.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
