//! Connections to the file, each set up alike, and what it means when there is none.

use super::access::not_ours;
use crate::files::our_user;
use crate::store::error::{OpenError, StoreError};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

const PRAGMAS: &str = include_str!("../../../sql/sqlite/pragmas.sql");
/// SQLite does not wait for others before it turns the log on. This does, and lets them go on.
const WAIT_FOR_OTHERS: &str = "BEGIN EXCLUSIVE; COMMIT;";
/// How often somebody else may come in between.
const TRIES_MAX: u32 = 20;
/// Prepared statements kept per connection; more than there are in `sql/`.
const STATEMENTS_CACHED_MAX: usize = 192;

/// What a connection keeps unless told otherwise, as `sql/sqlite/pragmas.sql` has it.
const CACHE_MIB: u32 = 4;
/// What all of them keep of rows unless told otherwise.
const ROWS_MIB: u32 = 4;

/// The connections that a database's file is read by, and what each of them keeps at hand. A PostgreSQL goes without.
#[derive(Clone, Copy)]
pub struct Readers {
    /// How many there are.
    pub connections: usize,
    /// How many MiB of the file's pages each keeps.
    pub cache_mib: u32,
    /// How many MiB of the file each maps into memory.
    pub mapped_mib: u32,
    /// How many MiB of rows are kept for all of them.
    pub rows_mib: u32,
}

impl Readers {
    /// So many that keep what is usual.
    #[must_use]
    pub const fn of(connections: usize) -> Self {
        Self { connections, cache_mib: CACHE_MIB, mapped_mib: 0, rows_mib: ROWS_MIB }
    }

    /// Bytes of memory that they take beyond what is usual.
    #[must_use]
    pub fn extra_bytes(&self) -> u64 {
        let rows = mib_in_bytes(self.rows_mib.saturating_sub(ROWS_MIB));
        self.bytes_of(self.cache_mib.saturating_sub(CACHE_MIB)).saturating_add(rows)
    }

    /// Bytes of the rows that are kept for all of them.
    #[must_use]
    pub(super) fn rows_bytes(&self) -> usize {
        usize::try_from(mib_in_bytes(self.rows_mib)).unwrap_or(usize::MAX)
    }

    /// Bytes of addresses under which they map the file.
    #[must_use]
    pub fn mapped_bytes(&self) -> u64 {
        self.bytes_of(self.mapped_mib)
    }

    fn bytes_of(&self, mib_each: u32) -> u64 {
        (self.connections as u64).saturating_mul(mib_in_bytes(mib_each))
    }
}

fn mib_in_bytes(mib: u32) -> u64 {
    u64::from(mib) * 1024 * 1024
}

/// Another connection to an open database, for reading only.
pub(crate) fn connect_to_read(path: &Path) -> Result<Connection, OpenError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    prepare(&connection, path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// The same, which keeps as much at hand as was asked for.
pub(crate) fn connect_for(path: &Path, readers: Readers) -> Result<Connection, OpenError> {
    let connection = connect_to_read(path)?;
    // A negative number counts KiB instead of pages.
    connection.pragma_update(None, "cache_size", -1024 * i64::from(readers.cache_mib))?;
    connection.pragma_update(None, "mmap_size", 1024 * 1024 * i64::from(readers.mapped_mib))?;
    Ok(connection)
}

/// A connection that prepares and plans its statements as ours do.
pub(crate) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    // One thread uses a connection at a time, so SQLite need not lock it once more.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| refusal(path, error.into()))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    // A statement keeps its plan, whatever its parameters. Otherwise it is planned anew each time that one which is
    // compared with an indexed column is bound, which took as long as all the rest of looking up a session.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Sets what holds for every connection.
pub(crate) fn prepare(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    for _ in 0..TRIES_MAX {
        match connection.execute_batch(PRAGMAS).map_err(|error| refusal(path, error.into())) {
            // Others who have just opened it do the same: without a log, each holds up the others.
            Err(OpenError::InUse(_)) => {
                connection.execute_batch(WAIT_FOR_OTHERS).map_err(|error| refusal(path, error.into()))?;
            }
            done => return done,
        }
    }
    Err(OpenError::InUse(path.to_owned()))
}

/// Tells damage and a file in use from other errors.
pub(crate) fn refusal(path: &Path, error: StoreError) -> OpenError {
    match error {
        StoreError::Busy => OpenError::InUse(path.to_owned()),
        StoreError::Sqlite(ref sqlite) if sqlite.is_refused() => {
            our_user().and_then(|us| not_ours(path, us)).unwrap_or(OpenError::Store(error))
        }
        StoreError::Sqlite(ref sqlite) if sqlite.is_damage() => {
            OpenError::Damaged(path.to_owned(), sqlite.said())
        }
        other => OpenError::Store(other),
    }
}
