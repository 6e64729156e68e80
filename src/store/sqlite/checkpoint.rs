//! Moves what the log holds into the database file. A thread of its own does that while writes go on; the one that writes
//! moves only what has come meanwhile, after which the log begins anew. Left to SQLite, every few commits one would move
//! everything by itself, and whoever waits for it would wait several times as long as the others.

use super::condition::Condition;
use super::connection::connect_to_read;
use crate::store::error::{OpenError, StoreError};
use rusqlite::Connection;
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// So many pages of the log are worth moving.
const PAGES_MIN: u32 = 300;
/// A log of so many pages should begin anew. Until that is done a busy server adds up to two thousand: with these, it keeps within
/// `journal_size_limit`, so that it is seldom cut, and finds its room on the disk again.
const LOG_PAGES: u32 = 3_000;
/// The thread that writes waits for so few pages to be moved: hardly more than come with a busy server's next commit.
const REST_PAGES_MAX: u32 = 80;
/// If there are never so few, it moves whatever there is when the log has become longer than it should be by so many pages.
const LATE_PAGES: u32 = 4_000;

/// What the log of an open database holds.
#[derive(Clone, Copy)]
struct Pages {
    /// All pages, from the start of the log.
    logged: u32,
    /// Of these, the ones that are in the file already.
    moved: u32,
}

/// Takes care of the log on behalf of the thread that writes.
pub(super) struct LogCare {
    mover: Mover,
    /// The length of the log at which it should begin anew.
    due: Cell<u32>,
}

impl LogCare {
    /// For the log of the database at `path`, to which `connection` writes.
    pub(super) fn begin(
        connection: &Connection,
        path: PathBuf,
        condition: Arc<Condition>,
    ) -> Result<Self, OpenError> {
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let mover = Mover::start(path, condition).map_err(OpenError::Thread)?;
        Ok(Self { mover, due: Cell::new(LOG_PAGES) })
    }

    /// Moves everything, and leaves an empty log.
    pub(super) fn empty(&self, connection: &Connection) {
        // SQLite does not wait for somebody else who moves pages.
        let _waited = self.mover.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)");
    }

    /// Keeps the log short. To be called between transactions; failures are those of moving, after which nothing is lost.
    pub(super) fn after_commit(&self, connection: &Connection) {
        let Ok(Pages { logged, moved }) = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)") else {
            return;
        };
        let rest = logged.saturating_sub(moved);
        if logged < LOG_PAGES {
            self.due.set(LOG_PAGES);
        }
        let late = logged.checked_sub(self.due.get());
        if late.is_some_and(|late| rest <= REST_PAGES_MAX || late >= LATE_PAGES) {
            let _ = checkpoint(connection, PASSIVE);
            // While somebody reads an old state of the database the log cannot begin anew, however often it is tried.
            self.due.set(logged.saturating_add(PAGES_MIN));
        // Moved while commits go on, the rest becomes smaller from one time to the next.
        } else if rest >= PAGES_MIN || late.is_some() {
            self.mover.wake();
        }
    }
}

const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";

fn checkpoint(connection: &Connection, statement: &'static str) -> Result<Pages, StoreError> {
    let mut statement = connection.prepare_cached(statement)?;
    Ok(statement.query_row([], |row| Ok(Pages { logged: row.get(1)?, moved: row.get(2)? }))?)
}

/// The thread beside the one that writes. Dropping it waits for its end.
struct Mover {
    thread: Option<JoinHandle<()>>,
    is_ending: Arc<AtomicBool>,
    /// Held while pages are moved.
    moving: Arc<Mutex<()>>,
}

impl Mover {
    fn start(path: PathBuf, condition: Arc<Condition>) -> std::io::Result<Self> {
        let (is_ending, moving) = (Arc::<AtomicBool>::default(), Arc::<Mutex<()>>::default());
        let (asked, held) = (Arc::clone(&is_ending), Arc::clone(&moving));
        let thread = thread::Builder::new().name("store-log".to_owned()).spawn(move || {
            // Opened when there is something to move for the first time: on a small machine, most of the time nothing is.
            let mut connection: Option<Connection> = None;
            loop {
                thread::park();
                if asked.load(Ordering::Acquire) {
                    return;
                }
                let _held = held.lock().unwrap_or_else(PoisonError::into_inner);
                // Nothing is moved into a file that is not this database's any more, nor is such a file kept open.
                let is_ours = condition.check_files().is_ok();
                connection = connection.filter(|_| is_ours);
                if connection.is_none() && is_ours {
                    connection = connect_to_read(&path).ok();
                }
                if let Some(connection) = &connection {
                    let _ = checkpoint(connection, PASSIVE);
                }
            }
        })?;
        Ok(Self { thread: Some(thread), is_ending, moving })
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It has nothing that could panic; and if it did, there is no more to move.
            let _ = thread.join();
        }
    }
}
