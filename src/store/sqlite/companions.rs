//! The files beside a database: those that SQLite keeps, and copies from before upgrades.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What SQLite keeps beside a database while it is in use: its log, and the log's index.
pub(crate) const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// What comes between the database's name and the number of the schema that a copy of it has.
const COPY_SUFFIX: &str = ".schema-";
/// The database's name with something added to its end.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Where the copy of a database lies that had this schema.
pub(crate) fn copy_of(path: &Path, version: i64) -> PathBuf {
    // Whichever name leads to the database, its copies are found.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    beside(&target, &format!("{COPY_SUFFIX}{version}"))
}
