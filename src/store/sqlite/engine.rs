//! An open file: connections to read it, the thread that writes it, and what is known of how it is doing. What each verb
//! promises stands beside the store's verb of the same name.

use super::cache::Cache;
use super::condition::Condition;
use super::connection::{Readers, connect_for, connect_to_read};
use super::damage;
use super::identity::{FileId, OpenFiles};
use super::in_use::InUse;
use super::open::{self, First, Origin};
use super::session::{Session, Statements};
use super::writer::{Told, WriteCounts, Writer};
use crate::clock::Clock;
use crate::problem::Problem;
use crate::rng::Rng;
use crate::store::changes::Changes;
use crate::store::db::{Db, Engine, Tx};
use crate::store::error::{OpenError, StoreError};
use crate::store::job::{self, Job, Purpose};
use crate::store::{server_state, users};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An open database of SQLite's.
pub(crate) struct Sqlite {
    readers: Vec<Mutex<Statements>>,
    next_reader: AtomicUsize,
    scanner: Mutex<Statements>,
    cache: Arc<Cache>,
    writer: Writer,
    pub(super) condition: Arc<Condition>,
    counts: Arc<WriteCounts>,
    path: PathBuf,
    clock: Arc<dyn Clock>,
    _in_use: Option<InUse>,
}

/// A connection while a piece of work reads on it.
pub(crate) struct Reader<'s> {
    statements: MutexGuard<'s, Statements>,
    condition: &'s Condition,
    cache: &'s Cache,
}

impl Reader<'_> {
    /// What statements run on.
    pub(crate) fn session(&self) -> Session<'_> {
        Session::new(&self.statements, self.condition).with_cache(self.cache)
    }
}

impl Sqlite {
    /// As the store says; `changes` learn of commits.
    pub(crate) fn open(
        path: &Path,
        readers: Readers,
        (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
        changes: &Arc<Changes>,
    ) -> Result<(Self, Origin), OpenError> {
        let (first, origin) = open::open(path, &*clock).map_err(|error| error.about(path))?;
        let opened = Self::around(first, path, readers, (clock, rng), changes);
        Ok((opened.map_err(|error| error.about(path))?, origin))
    }

    /// As the store says; `changes` learn of commits.
    pub(crate) fn open_prepared(
        path: &Path,
        (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
        changes: &Arc<Changes>,
    ) -> Result<Self, OpenError> {
        open::open_prepared(path)
            .and_then(|first| Self::around(first, path, Readers::of(1), (clock, rng), changes))
            .map_err(|error| error.about(path))
    }

    fn around(
        First { connection, id, in_use }: First,
        path: &Path,
        readers: Readers,
        (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
        changes: &Arc<Changes>,
    ) -> Result<Self, OpenError> {
        let connections = (0..readers.connections.max(1)).map(|_| connect_for(path, readers));
        let cache = Arc::new(Cache::new(readers.rows_bytes()));
        let reading = |connection: Connection| Mutex::new(Statements::with_wal_index(connection));
        let readers = connections.map(|connection| connection.map(reading)).collect::<Result<Vec<_>, _>>()?;
        let refuse = |error| OpenError::File(path.to_owned(), error);
        let files = OpenFiles::find(path).map_err(refuse)?;
        if FileId::of(path).map_err(refuse)? != id {
            return Err(refuse(std::io::Error::other(Problem::from(
                "it was replaced while it was being opened",
            ))));
        }
        let condition = Arc::new(Condition::new(files, damage::is_too_large_to_wait_for(path)));
        let counts = Arc::<WriteCounts>::default();
        let told = Told {
            condition: Arc::clone(&condition),
            counts: Arc::clone(&counts),
            changes: Arc::clone(changes),
            cache: Arc::clone(&cache),
        };
        let writer = Writer::start(connection, path, (clock.clone(), rng), told)?;
        // Of what it goes through nothing is kept: it cannot tell which commit that is of.
        let scanner = Mutex::new(Statements::new(connect_to_read(path)?));
        let (next_reader, path) = (AtomicUsize::new(0), path.to_owned());
        Ok(Self {
            readers,
            next_reader,
            scanner,
            cache,
            writer,
            condition,
            counts,
            path,
            clock,
            _in_use: in_use,
        })
    }

    /// As the store says.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// As the store says.
    pub(crate) fn reads(&self) -> usize {
        self.next_reader.load(Ordering::Relaxed)
    }

    /// As the store says.
    pub(crate) fn counts(&self) -> &WriteCounts {
        &self.counts
    }

    /// A connection to read on.
    pub(crate) fn reader(&self) -> Result<Reader<'_>, StoreError> {
        self.condition.check_content()?;
        Ok(Reader { statements: self.free_reader(), condition: &self.condition, cache: &self.cache })
    }

    /// The connection for what takes long.
    pub(crate) fn scanner(&self) -> Result<Reader<'_>, StoreError> {
        self.condition.check_content()?;
        let statements = self.scanner.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Reader { statements, condition: &self.condition, cache: &self.cache })
    }

    /// As the store says.
    pub(crate) fn submit(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        self.writer.submit(job)
    }

    fn probe(
        &self,
        work: impl Fn(&Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        job::write(Purpose::Probe, work, |job| self.submit(job))
    }

    /// As the store says.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        users::any(&Db::new(Engine::Sqlite(self.reader()?.session()), self.clock.now()))?;
        self.condition.check_damage()?;
        self.probe(server_state::set_last_write_check)?;
        self.condition.failures.check(self.clock.monotonic(), &|| {
            self.probe(server_state::fill_probe)?;
            self.probe(server_state::clear_probe)
        })?;
        self.condition.check_files()
    }

    /// As the store says.
    #[must_use]
    pub(crate) fn may_be_damaged(&self) -> bool {
        self.condition.is_unchecked()
    }

    /// As the store says.
    pub(crate) fn look_for_damage(&self, stopping: &Arc<AtomicBool>) -> Result<(), StoreError> {
        damage::look_while_serving(&self.path, &self.condition, stopping)
    }

    /// As the store says.
    pub(crate) fn close(&self) {
        for reader in self.readers.iter().chain([&self.scanner]) {
            // The writer has to be the last one who has the file open, or the log would stay behind.
            if let Ok(nothing) = Connection::open_in_memory() {
                *reader.lock().unwrap_or_else(PoisonError::into_inner) = Statements::new(nothing);
            }
        }
        self.writer.close();
    }

    /// A free connection, or the next one in turn when all are in use.
    fn free_reader(&self) -> MutexGuard<'_, Statements> {
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let (before, from_turn) = self.readers.split_at(turn % self.readers.len());
        let free = from_turn.iter().chain(before).find_map(|reader| reader.try_lock().ok());
        free.unwrap_or_else(|| from_turn[0].lock().unwrap_or_else(PoisonError::into_inner))
    }
}
