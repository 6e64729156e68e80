//! Which of the store's errors one of SQLite's is.

use super::error::SqliteError;
use crate::store::error::{OpenError, StoreError};
use rusqlite::Error;
use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
use rusqlite::ffi::{SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        let Error::SqliteFailure(code, text) = &error else { return Self::Sqlite(SqliteError(error)) };
        match (code.code, code.extended_code) {
            (DatabaseBusy | DatabaseLocked, _) => Self::Busy,
            (_, SQLITE_CONSTRAINT_FOREIGNKEY) => Self::ForeignKey,
            (_, SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY) => {
                Self::Duplicate(duplicate_column(text.as_deref().unwrap_or_default()))
            }
            _ => Self::Sqlite(SqliteError(error)),
        }
    }
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        Self::Store(error.into())
    }
}

/// The column that SQLite's text names, among those whose duplication means something to a caller.
fn duplicate_column(text: &str) -> &'static str {
    ["users.email", "users.system_id"].into_iter().find(|column| text.contains(column)).unwrap_or("key")
}
