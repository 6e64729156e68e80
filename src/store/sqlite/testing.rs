//! What tests elsewhere do to a database behind everybody's back.

use rusqlite::Connection;
use std::path::Path;

/// Runs statements on a database, whatever they do to it.
pub(crate) fn change(path: &Path, statements: &str) {
    Connection::open(path).expect("opens").execute_batch(statements).expect("runs");
}
