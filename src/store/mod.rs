//! The database: one SQLite file, read by whoever needs it and written by one thread.
//!
//! Knows no request, reply or HTTP. What SQLite is told lies in `sql/`; a module here per file there.
//! [`Store::read`] runs at once on the caller's thread; [`Store::write`] waits until the change is on the disk.

mod changes;
mod db;
mod error;
pub(crate) mod query;
mod sqlite;
mod token_rows;
mod types;

pub(crate) mod apikeys;
pub(crate) mod apikeys_nosession;
pub(crate) mod attempts;
pub(crate) mod codes;
pub(crate) mod email_queue;
pub(crate) mod emails;
pub mod events;
pub mod locks;
pub(crate) mod message_keys;
mod removal;
pub mod roles;
pub(crate) mod scoped_keys;
pub(crate) mod server_state;
pub(crate) mod sessions;
pub(crate) mod statistics;
pub(crate) mod unsent_emails;
pub(crate) mod user_lists;
pub(crate) mod user_transfer;
pub(crate) mod users;

pub use changes::{WATCHERS_MAX, Watcher};
pub use db::{Db, Tx};
pub use error::{OpenError, StoreError};
pub use removal::Removal;
#[cfg(test)]
pub(crate) use sqlite::testing;
pub use sqlite::writer::WriteCounts;
pub use sqlite::{Origin, Upgrade, inspect};
pub(crate) use sqlite::{backup, checksum, companions, restore};

use crate::clock::{Clock, Timestamp};
use crate::log;
use crate::pool::Pool;
use crate::problem::Problem;
use changes::Changes;
use rusqlite::Connection;
use sqlite::condition::{Condition, Writing};
use sqlite::connection::connect_to_read;
use sqlite::damage;
use sqlite::identity::{FileId, OpenFiles};
use sqlite::in_use::InUse;
use sqlite::open::{self, First};
use sqlite::writer::{Purpose, Told, Writer};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Scans that may wait; more are refused at once as [`StoreError::Busy`].
const WAITING_SCANS_MAX: usize = 16;

/// An open database.
pub struct Store {
    readers: Vec<Mutex<Connection>>,
    next_reader: AtomicUsize,
    scanner: Arc<Mutex<Connection>>,
    scans: Pool,
    writer: Writer,
    condition: Arc<Condition>,
    counts: Arc<WriteCounts>,
    changes: Arc<Changes>,
    path: PathBuf,
    clock: Arc<dyn Clock>,
    _in_use: Option<InUse>,
}

impl Store {
    /// Opens the database at `path` with `readers` connections for reading: makes it when there is none, brings an
    /// older schema up to date, and adopts a file that the Python authnzerver made. Tells which of these it was.
    ///
    /// # Errors
    ///
    /// When the file is damaged, newer than this program, not ours, or readable by others. Nothing is changed then.
    pub fn open(path: &Path, readers: usize, clock: Arc<dyn Clock>) -> Result<(Self, Origin), OpenError> {
        Self::open_all(path, readers, clock).map_err(|error| error.about(path))
    }

    /// Opens a database that a server has made ready, and may be using. Nothing is made, brought up to date or adopted.
    ///
    /// # Errors
    ///
    /// When there is no such database, or it cannot be used as it is.
    pub fn open_prepared(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        open::open_prepared(path)
            .and_then(|first| Self::around(first, path, 1, clock))
            .map_err(|error| error.about(path))
    }

    fn open_all(path: &Path, readers: usize, clock: Arc<dyn Clock>) -> Result<(Self, Origin), OpenError> {
        let (first, origin) = open::open(path, &*clock)?;
        Ok((Self::around(first, path, readers, clock)?, origin))
    }

    fn around(
        First { connection, id, in_use }: First,
        path: &Path,
        readers: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let readers = (0..readers.max(1))
            .map(|_| connect_to_read(path).map(Mutex::new))
            .collect::<Result<Vec<_>, _>>()?;
        let refuse = |error| OpenError::File(path.to_owned(), error);
        let files = OpenFiles::find(path).map_err(refuse)?;
        if FileId::of(path).map_err(refuse)? != id {
            return Err(refuse(std::io::Error::other(Problem::from(
                "it was replaced while it was being opened",
            ))));
        }
        let condition = Arc::new(Condition::new(files, damage::is_too_large_to_wait_for(path)));
        let counts = Arc::<WriteCounts>::default();
        let changes = Arc::<Changes>::default();
        let told = Told {
            condition: Arc::clone(&condition),
            counts: Arc::clone(&counts),
            changes: Arc::clone(&changes),
        };
        let writer = Writer::start(connection, clock.clone(), told).map_err(OpenError::Thread)?;
        let scanner = Arc::new(Mutex::new(connect_to_read(path)?));
        let scans = Pool::start("store-scan", 1, WAITING_SCANS_MAX).map_err(OpenError::Thread)?;
        let (next_reader, path) = (AtomicUsize::new(0), path.to_owned());
        Ok(Self {
            readers,
            next_reader,
            scanner,
            scans,
            writer,
            condition,
            counts,
            changes,
            path,
            clock,
            _in_use: in_use,
        })
    }

    /// The database's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many reads there were, scans aside.
    #[must_use]
    pub fn reads(&self) -> usize {
        self.next_reader.load(Ordering::Relaxed)
    }

    /// What is counted about writes, for monitoring.
    #[must_use]
    pub fn counts(&self) -> &WriteCounts {
        &self.counts
    }

    /// Reads. Each statement sees the newest commit; `work` must not wait for anything.
    ///
    /// # Errors
    ///
    /// What `work` returns; [`StoreError::Overwritten`].
    pub fn read<T, E: From<StoreError>>(&self, work: impl FnOnce(&Db<'_>) -> Result<T, E>) -> Result<T, E> {
        self.condition.check_content()?;
        let connection = self.reader();
        work(&Db::new(&connection, &self.condition, self.clock.now()))
    }

    /// Reads what takes long, away from the threads on which requests are answered: one such piece of work at a time,
    /// on a connection of its own, while the others wait in line.
    ///
    /// # Errors
    ///
    /// What `work` returns; [`StoreError::Busy`] when too many are waiting.
    pub fn scan<T, E>(&self, work: impl FnOnce(&Db<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.condition.check_content()?;
        let (scanner, condition) = (Arc::clone(&self.scanner), Arc::clone(&self.condition));
        let now = self.clock.now();
        let scan = move || {
            let connection = scanner.lock().unwrap_or_else(PoisonError::into_inner);
            work(&Db::new(&connection, &condition, now))
        };
        self.scans.run(scan).unwrap_or_else(|| Err(StoreError::Busy.into()))
    }

    /// Writes: runs `work` in a transaction and returns once its commit is on the disk. When `work` returns an
    /// error, what it changed is undone. `work` can neither hash nor talk to the network: nothing for it is in reach.
    ///
    /// # Errors
    ///
    /// What `work` returns, or a [`StoreError`] when nothing could be written.
    pub fn write<T, E>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.write(Purpose::Request, work)
    }

    /// A place among those who may wait for what this process commits.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when there are [`WATCHERS_MAX`].
    pub fn watch(&self) -> Result<Watcher<'_>, StoreError> {
        self.changes.watch()
    }

    /// Wakes everybody who waits for commits, and has nobody wait any more.
    pub fn end_watches(&self) {
        self.changes.end();
    }

    /// Tries whether the database can be read and written, and looks at how it has been doing.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn check(&self) -> Result<(), StoreError> {
        self.read(users::any)?;
        self.condition.check_damage()?;
        self.writer.write(Purpose::Probe, server_state::set_last_write_check)?;
        match self.condition.writing(self.clock.monotonic()) {
            Writing::Works => {}
            Writing::Fails(count) => return Err(StoreError::WritesFail(count)),
            Writing::FailedBefore(_) => {
                // The small write above may find room where a larger one did not, so this one is large.
                self.writer.write(Purpose::Probe, server_state::fill_probe)?;
                self.writer.write(Purpose::Probe, server_state::clear_probe)?;
                self.condition.write_worked();
            }
        }
        self.condition.check_files()
    }

    /// Whether the file is to be checked for damage: it was too large for that at the start, or a statement has come
    /// upon damage.
    #[must_use]
    pub fn may_be_damaged(&self) -> bool {
        self.condition.is_unchecked()
    }

    /// Checks the whole file for damage, on a connection of its own, until `stopping` is set. What it finds is
    /// remembered for [`Store::check`], and logged.
    ///
    /// # Errors
    ///
    /// When it could not be checked.
    pub fn look_for_damage(&self, stopping: &Arc<AtomicBool>) -> Result<(), StoreError> {
        self.condition.check_begins();
        let checked = damage::look(&self.path, stopping);
        if !matches!(checked, Ok(damage::Checked::Found(_))) {
            self.condition.check_was_broken_off();
        }
        let damage::Checked::Found(found) = checked? else { return Ok(()) };
        if let Some(what) = &found {
            log::error(
                "a check found damage in the database",
                &[("cause", log::cause(&StoreError::Damaged(what.clone())))],
            );
        }
        self.condition.checked(found);
        Ok(())
    }

    /// When the clock was last known to be right; for a database that has no note of it, when a user was last changed.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn last_seen_time(&self) -> Result<Timestamp, StoreError> {
        self.read(server_state::last_seen_time)
    }

    /// Notes down that the clock was right at this time.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn set_last_seen_time(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |tx| server_state::set_last_seen_time(tx, now))
    }

    /// Of when the last backup is that was made and found whole.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn last_backup(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(server_state::last_backup)
    }

    /// Removes at most `limit` rows that have become old; tells how many.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn remove(&self, removal: Removal, limit: i64) -> Result<usize, StoreError> {
        self.write(move |tx| removal.run(tx, limit))
    }

    /// Finishes the writes that wait, moves the log into the database file and closes it. Whoever reads after this
    /// finds an empty database.
    pub fn close(&self) {
        for reader in self.readers.iter().chain([&*self.scanner]) {
            // The writer has to be the last one who has the file open, or the log would stay behind.
            if let Ok(nothing) = Connection::open_in_memory() {
                *reader.lock().unwrap_or_else(PoisonError::into_inner) = nothing;
            }
        }
        self.writer.close();
    }

    /// A free connection, or the next one in turn when all are in use.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let (before, from_turn) = self.readers.split_at(turn % self.readers.len());
        let free = from_turn.iter().chain(before).find_map(|reader| reader.try_lock().ok());
        free.unwrap_or_else(|| from_turn[0].lock().unwrap_or_else(PoisonError::into_inner))
    }
}
