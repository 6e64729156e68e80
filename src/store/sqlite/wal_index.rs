//! Which commit a database is at, without a read transaction: SQLite keeps that in the index of the log, which it shares
//! with other processes. A read transaction begins by looking there, too. The layout is SQLite's file format ("WAL-index
//! format", <https://www.sqlite.org/walformat.html>).

#![expect(unsafe_code, reason = "SQLite hands out its shared memory as a pointer")]

use rusqlite::{Connection, ffi};
use std::ffi::c_int;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering, fence};

/// Bytes of a piece of the index, all of which SQLite maps at once.
const PIECE_BYTES: c_int = 32 * 1024;
/// Words of the header, which is there twice.
const HEADER_WORDS: usize = 12;
/// Which of them counts the transactions.
const CHANGE: usize = 2;
/// Which of them has, in one byte, whether the header was ever written.
const IS_WRITTEN: usize = 3;

/// What a database held after some transaction. Two that are equal mean that nothing was committed in between, by
/// whichever process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Commit([u32; HEADER_WORDS]);

impl Commit {
    /// Whether this is the state after exactly one more transaction.
    pub(super) fn is_next_after(&self, before: &Self) -> bool {
        self.0[CHANGE] == before.0[CHANGE].wrapping_add(1)
    }
}

/// The header of the index, mapped by the connection beside it.
pub(super) struct WalIndex(NonNull<[[AtomicU32; HEADER_WORDS]; 2]>);

// SAFETY: it is memory that all connections and processes share, read by atomic loads only.
unsafe impl Send for WalIndex {}

impl WalIndex {
    /// The index of the log that this connection reads by; `None` if it has no log.
    ///
    /// # Safety
    ///
    /// It is dropped before the connection is closed.
    pub(super) unsafe fn of(connection: &Connection) -> Option<Self> {
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
        NonNull::new(piece).filter(|_| code == ffi::SQLITE_OK).map(Self)
    }

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
