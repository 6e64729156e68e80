//! The database: read by whoever needs it, and written in transactions, one after the other.
//!
//! Knows no request, reply or HTTP. What a database is told lies in `sql/`; a module here per file there. Only what lies in
//! a directory with an engine's name knows that engine.
//! [`Store::read`] runs at once on the caller's thread; [`Store::write`] waits until the change is on the disk.

mod changes;
mod copy;
mod copy_end;
mod db;
mod error;
mod failures;
mod job;
mod location;
mod postgres;
pub(crate) mod query;
mod row;
mod row_cache;
mod sqlite;
mod token_rows;
mod value;

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
pub(crate) mod revocations;
pub mod roles;
pub(crate) mod scoped_keys;
pub(crate) mod server_state;
pub(crate) mod sessions;
pub(crate) mod standing;
pub(crate) mod statistics;
pub(crate) mod unsent_emails;
pub(crate) mod user_lists;
pub(crate) mod user_transfer;
pub(crate) mod users;

pub use changes::{WATCHERS_MAX, Watcher};
pub use copy::{Copied, copy};
pub use db::{Db, Tx};
pub use error::{OpenError, StoreError};
pub use location::Location;
pub use postgres::leases::Lease;
pub(crate) use postgres::users::restart_numbers as restart_user_numbers;
pub use removal::Removal;
#[cfg(test)]
pub(crate) use sqlite::testing;
pub use sqlite::writer::WriteCounts;
pub use sqlite::{Origin, Readers, Upgrade, inspect};
pub(crate) use sqlite::{backup, checksum, companions, restore};

use crate::clock::{Clock, Timestamp};
use crate::pool::Pool;
use crate::problem::Problem;
use crate::rng::Rng;
use changes::Changes;
use db::Engine;
use job::{Job, Purpose};
use postgres::engine::Postgres;
use postgres::session::Session;
use sqlite::engine::{Reader as SqliteReader, Sqlite};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Scans that may wait; more are refused at once as [`StoreError::Busy`].
const WAITING_SCANS_MAX: usize = 16;

/// An open database.
pub struct Store {
    /// Ended before the engine that they read.
    scans: Pool,
    engine: Arc<Opened>,
    changes: Arc<Changes>,
    clock: Arc<dyn Clock>,
}

/// The engine of an open database.
enum Opened {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// What a piece of work reads on.
enum Reader<'s> {
    Sqlite(SqliteReader<'s>),
    Postgres(Session<'s>),
}

impl Reader<'_> {
    fn db(&self, now: Timestamp) -> Db<'_> {
        let engine = match self {
            Self::Sqlite(reader) => Engine::Sqlite(reader.session()),
            Self::Postgres(session) => Engine::Postgres(session),
        };
        Db::new(engine, now)
    }
}

impl Opened {
    fn reader(&self) -> Result<Reader<'_>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.reader().map(Reader::Sqlite),
            Self::Postgres(postgres) => Ok(Reader::Postgres(postgres.reader())),
        }
    }

    fn scanner(&self) -> Result<Reader<'_>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.scanner().map(Reader::Sqlite),
            Self::Postgres(postgres) => Ok(Reader::Postgres(postgres.reader())),
        }
    }

    fn submit(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.submit(job),
            Self::Postgres(postgres) => {
                postgres.submit(job);
                Ok(())
            }
        }
    }
}

impl Store {
    /// Opens the database at `location` with these connections for reading: makes it when there is none, brings an
    /// older schema up to date, and adopts a file that the Python authnzerver made. Tells which of these it was.
    ///
    /// # Errors
    ///
    /// When it is damaged, newer than this program, not ours, or readable by others. Nothing is changed then.
    pub fn open(
        location: &Location,
        readers: Readers,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<(Self, Origin), OpenError> {
        let changes = Arc::<Changes>::default();
        let (engine, origin) = match location {
            Location::File(path) => {
                let (sqlite, origin) = Sqlite::open(path, readers, (Arc::clone(&clock), rng), &changes)?;
                (Opened::Sqlite(sqlite), origin)
            }
            Location::Postgres(target) => {
                let (postgres, origin) = Postgres::open(target, (Arc::clone(&clock), rng), &changes)?;
                (Opened::Postgres(postgres), origin)
            }
        };
        Ok((Self::around(engine, changes, clock)?, origin))
    }

    /// Opens a database that a server has made ready, and may be using. Nothing is made, brought up to date or adopted.
    ///
    /// # Errors
    ///
    /// When there is no such database, or it cannot be used as it is.
    pub fn open_prepared(
        location: &Location,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, OpenError> {
        let changes = Arc::<Changes>::default();
        let parts = (Arc::clone(&clock), rng);
        let engine = match location {
            Location::File(path) => Opened::Sqlite(Sqlite::open_prepared(path, parts, &changes)?),
            Location::Postgres(target) => Opened::Postgres(Postgres::open_prepared(target, parts, &changes)?),
        };
        Self::around(engine, changes, clock)
    }

    fn around(engine: Opened, changes: Arc<Changes>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let scans = Pool::start("store-scan", 1, WAITING_SCANS_MAX).map_err(OpenError::Thread)?;
        Ok(Self { scans, engine: Arc::new(engine), changes, clock })
    }

    /// The database's file, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &*self.engine {
            Opened::Sqlite(sqlite) => Some(sqlite.path()),
            Opened::Postgres(_) => None,
        }
    }

    /// Whether other processes may have it open for writing, too.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.file().is_none()
    }

    /// What the operator reads about an error at the start.
    #[must_use]
    pub fn about(&self, error: &StoreError) -> Problem {
        self.file().map_or_else(|| Problem::of(error), |file| error.about(file))
    }

    /// How many reads there were, scans aside.
    #[must_use]
    pub fn reads(&self) -> usize {
        match &*self.engine {
            Opened::Sqlite(sqlite) => sqlite.reads(),
            Opened::Postgres(postgres) => postgres.reads(),
        }
    }

    /// What is counted about writes, for monitoring.
    #[must_use]
    pub fn counts(&self) -> &WriteCounts {
        match &*self.engine {
            Opened::Sqlite(sqlite) => sqlite.counts(),
            Opened::Postgres(postgres) => postgres.counts(),
        }
    }

    /// Reads. Each statement sees the newest commit; `work` must not wait for anything else.
    ///
    /// # Errors
    ///
    /// What `work` returns; [`StoreError::Overwritten`].
    pub fn read<T, E: From<StoreError>>(&self, work: impl FnOnce(&Db<'_>) -> Result<T, E>) -> Result<T, E> {
        let reader = self.engine.reader()?;
        work(&reader.db(self.clock.now()))
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
        let (engine, now) = (Arc::clone(&self.engine), self.clock.now());
        let scan = move || work(&engine.scanner()?.db(now));
        self.scans.run(scan).unwrap_or_else(|| Err(StoreError::Busy.into()))
    }

    /// Writes: runs `work` in a transaction and returns once its commit is on the disk. When `work` returns an
    /// error, what it changed is undone, and so it is once a statement has failed, whatever `work` makes of that. `work` can neither
    /// hash nor talk to the network: nothing for it is in reach. An engine may run it again from the start, so it changes
    /// nothing but the database.
    ///
    /// # Errors
    ///
    /// What `work` returns, or a [`StoreError`] when nothing could be written.
    pub fn write<T, E>(&self, work: impl Fn(&Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        job::write(Purpose::Request, work, |job| self.engine.submit(job))
    }

    /// Sees to it that events that were committed before have their numbers, and can be read. They have them at once where one
    /// writes at a time. Where many do, one that began before them and goes on for long holds them up.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn number_events(&self) -> Result<(), StoreError> {
        match &*self.engine {
            Opened::Sqlite(_) => Ok(()),
            Opened::Postgres(postgres) => postgres.number_events(),
        }
    }

    /// Takes for so many seconds what no two processes on a database are to have at a time, or has it go on for so long; nothing if
    /// another process has it. A process that is the only one always gets it.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn lease(&self, key: &attempts::AttemptKey, seconds: i64) -> Result<Option<Lease>, StoreError> {
        match &*self.engine {
            Opened::Sqlite(_) => Ok(Some(Lease::ALONE)),
            Opened::Postgres(postgres) => postgres.lease(key, seconds),
        }
    }

    /// Ends a lease under which nothing is written. Where the database does not hear of it, it ends when its time is over.
    pub fn end_lease(&self, lease: &Lease) {
        if let Opened::Postgres(postgres) = &*self.engine {
            let _ = postgres.end_lease(lease);
        }
    }

    /// Tries whether the database can be read and written, and looks at how it has been doing.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn check(&self) -> Result<(), StoreError> {
        match &*self.engine {
            Opened::Sqlite(sqlite) => sqlite.check(),
            Opened::Postgres(postgres) => postgres.check(),
        }
    }

    /// Whether the file is to be checked for damage: it was too large for that at the start, or a statement has come
    /// upon damage.
    #[must_use]
    pub fn may_be_damaged(&self) -> bool {
        matches!(&*self.engine, Opened::Sqlite(sqlite) if sqlite.may_be_damaged())
    }

    /// Checks the whole file for damage, on a connection of its own, until `stopping` is set. What it finds is
    /// remembered for [`Store::check`], and logged.
    ///
    /// # Errors
    ///
    /// When it could not be checked.
    pub fn look_for_damage(&self, stopping: &Arc<AtomicBool>) -> Result<(), StoreError> {
        match &*self.engine {
            Opened::Sqlite(sqlite) => sqlite.look_for_damage(stopping),
            // It looks after its own files.
            Opened::Postgres(_) => Ok(()),
        }
    }

    /// Finishes the writes that wait, moves the log into the database file and closes it. Whoever reads after this
    /// finds an empty database.
    pub fn close(&self) {
        match &*self.engine {
            Opened::Sqlite(sqlite) => sqlite.close(),
            Opened::Postgres(postgres) => postgres.close(),
        }
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
        if removal.is_of_events() {
            self.number_events()?;
        }
        self.write(move |tx| removal.run(tx, limit))
    }
}
