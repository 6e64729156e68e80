//! Which commit a database is at, without a read transaction: SQLite keeps that in the index of the log, which it shares
//! with other processes. A read transaction begins by looking there, too. The layout is SQLite's file format ("WAL-index
//! format", <https://www.sqlite.org/walformat.html>).

#![expect(unsafe_code, reason = "SQLite hands out its shared memory as a pointer")]

use rusqlite::{Connection, ffi};
use std::ffi::c_int;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering, fence};

/// Bytes of a piece of the index, all of which SQLite maps at once.
const PIECE_BYTES: c_int = 32 * 1024;
/// Words of the header, which is there twice.
const HEADER_WORDS: usize = 12;
/// Which of them counts the transactions.
const CHANGE: usize = 2;
/// Which of them counts the frames in the log.
const FRAMES: usize = 4;
/// Which of them has, in one byte, whether the header was ever written.
const IS_WRITTEN: usize = 3;

/// What a database held after some transaction. Two that are equal mean that nothing was committed in between, by
/// whichever process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Commit([u32; HEADER_WORDS]);

impl Commit {
    /// Whether this is the state after exactly one more transaction, which had so many frames in the log when it ended. After
    /// another process was killed, SQLite may count transactions from zero again; frames it never counts anew within a log.
    pub(super) fn is_next_after(&self, before: &Self, frames: u32) -> bool {
        self.0[CHANGE] == before.0[CHANGE].wrapping_add(1) && self.0[FRAMES] == frames
    }
}

/// A connection, and the index of its log if it has one.
pub(super) struct Indexed {
    /// Before the connection, for fields are dropped in this order.
    index: Option<WalIndex>,
    connection: Connection,
}

impl Indexed {
    /// A connection that is asked for its commits.
    pub(super) fn new(connection: Connection) -> Self {
        Self { index: index_of(&connection), connection }
    }

    /// One that is not.
    pub(super) const fn without(connection: Connection) -> Self {
        Self { index: None, connection }
    }

    /// What tells its commits, if it has a log.
    pub(super) const fn index(&self) -> Option<&WalIndex> {
        self.index.as_ref()
    }
}

impl Deref for Indexed {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// The header of the index, mapped by the connection beside it in [`Indexed`].
pub(super) struct WalIndex(NonNull<[[AtomicU32; HEADER_WORDS]; 2]>);

// SAFETY: it is memory that all connections and processes share, read by atomic loads only.
unsafe impl Send for WalIndex {}

/// The index of the log that this connection reads by, which is dropped before the connection; `None` if it has no log.
fn index_of(connection: &Connection) -> Option<WalIndex> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).ok()?;
    if mode != "wal" {
        return None;
    }
    // A connection maps its log's index when it first reads.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).ok()?;
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    // SAFETY: the connection is open, and this request writes one pointer.
    let code = unsafe {
        ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_FILE_POINTER,
            (&raw mut file).cast(),
        )
    };
    if code != ffi::SQLITE_OK {
        return None;
    }
    // SAFETY: SQLite keeps its files' structs for as long as the connection is open; one without a file has no methods.
    let methods = unsafe { file.as_ref()?.pMethods.as_ref()? };
    let map = methods.xShmMap.filter(|_| methods.iVersion >= 2)?;
    let mut piece: *mut [[AtomicU32; HEADER_WORDS]; 2] = ptr::null_mut();
    // SAFETY: the first piece is mapped since the connection reads by a log; nothing is extended.
    let code = unsafe { map(file, 0, PIECE_BYTES, 0, (&raw mut piece).cast()) };
    NonNull::new(piece).filter(|_| code == ffi::SQLITE_OK).map(WalIndex)
}

impl WalIndex {
    /// Which commit the database is at now; `None` while one is just being noted.
    pub(super) fn commit(&self) -> Option<Commit> {
        // SAFETY: it stays mapped while the connection is open, which is as long as this is there.
        let copies = unsafe { self.0.as_ref() };
        let read = |copy: &[AtomicU32; HEADER_WORDS]| {
            let mut words = [0; HEADER_WORDS];
            for (word, shared) in words.iter_mut().zip(copy) {
                *word = shared.load(Ordering::Relaxed);
            }
            words
        };
        // Who writes it writes the second one first.
        fence(Ordering::SeqCst);
        let first = read(&copies[0]);
        fence(Ordering::SeqCst);
        let second = read(&copies[1]);
        fence(Ordering::SeqCst);
        let is_written = first[IS_WRITTEN].to_ne_bytes()[0] != 0;
        (first == second && is_written).then_some(Commit(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    /// As it is when a process is killed while it notes a commit: who reads next finds out what was committed.
    #[test]
    fn a_header_that_is_half_written_tells_no_commit() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("database");
        let connection = Connection::open(&path).expect("opens");
        connection.pragma_update(None, "journal_mode", "wal").expect("turns the log on");
        connection.execute_batch("CREATE TABLE numbers (number)").expect("runs");
        let indexed = Indexed::new(connection);
        let commit = || indexed.index().expect("a log").commit();
        assert!(commit().is_some());
        let index = std::fs::OpenOptions::new().write(true).open(directory.path().join("database-shm"));
        let index = index.expect("opens");
        for copy in [0, 1] {
            let change = (copy * HEADER_WORDS + CHANGE) as u64 * 4;
            index.write_all_at(&[9; 4], change).expect("writes");
            assert_eq!(commit().is_some(), copy == 1, "{copy}");
        }
        // One that was never written.
        index.write_all_at(&[0; 8 * HEADER_WORDS], 0).expect("writes");
        assert!(commit().is_none());
    }
}
