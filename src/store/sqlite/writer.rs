//! The one thread that writes. It takes every write that is waiting, runs them all in one transaction, commits once, and
//! only then lets the answers go: many writes share one wait for the disk, and none is answered before it is safe.
//!
//! A write that fails is mostly one that changed nothing. Where one fails after it changed something, all of them are undone
//! and run again, each in a savepoint. A savepoint from the start would have SQLite copy every page that a write touches.

use super::cache::{Cache, Watch};
use super::checkpoint::LogCare;
use super::condition::Condition;
use super::session::{Session, Statements};
use crate::clock::Clock;
use crate::metrics::{Counter, Histogram};
use crate::rng::Rng;
use crate::store::changes::Changes;
use crate::store::db::{Engine, Tx};
use crate::store::error::{OpenError, StoreError};
use crate::store::job::{Job, Purpose};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Writes that may wait; more are refused at once as [`StoreError::Busy`].
pub const WAITING_WRITES_MAX: usize = 4096;
/// Writes that share one commit at most, so that the first of them does not wait too long.
const BATCH_WRITES_MAX: usize = 512;

/// What learns how writes went.
pub(crate) struct Told {
    pub(crate) condition: Arc<Condition>,
    pub(crate) counts: Arc<WriteCounts>,
    pub(crate) changes: Arc<Changes>,
    pub(crate) cache: Arc<Cache>,
}

/// A handle on the writing thread. Dropping it lets waiting writes finish and closes the connection.
pub(crate) struct Writer {
    queue: Mutex<Option<SyncSender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread, which writes on this connection to the database at `path`.
    pub(super) fn start(
        mut connection: Connection,
        path: &Path,
        (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
        told: Told,
    ) -> Result<Self, OpenError> {
        let log = LogCare::begin(&connection, path.to_owned(), Arc::clone(&told.condition))?;
        let watch = Watch::over(&mut connection)?;
        let connection = Statements::with_wal_index(connection);
        let (queue, waiting) = sync_channel(WAITING_WRITES_MAX);
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            let Told { condition, counts, changes, cache } = &told;
            let (connection, clock, rng) = (&connection, &*clock, &*rng);
            let thread = Thread { connection, log, clock, rng, condition, counts, changes, cache, watch };
            thread.write_until_closed(&waiting);
        });
        let thread = thread.map_err(OpenError::Thread)?;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)) })
    }

    /// Queues a write. It runs in a transaction and is answered once that is committed and synced. When it returns an error its
    /// changes are undone and nobody else's.
    pub(crate) fn submit(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        let queue = lock(&self.queue).clone().ok_or(StoreError::Closed)?;
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }

    /// Takes no more writes, finishes those that wait, and closes the connection.
    pub(crate) fn close(&self) {
        lock(&self.queue).take();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is counted about writes.
#[derive(Default)]
pub struct WriteCounts {
    /// Writes, each of one request or job.
    pub writes: Counter,
    /// How long each batch took, from the first write to the end of its sync.
    pub commits: Histogram,
}

/// What the writing thread works with.
struct Thread<'a> {
    connection: &'a Statements,
    log: LogCare,
    clock: &'a dyn Clock,
    rng: &'a dyn Rng,
    condition: &'a Condition,
    counts: &'a WriteCounts,
    changes: &'a Changes,
    cache: &'a Cache,
    watch: Watch,
}

/// How the writes of one commit came out, before the commit.
#[derive(Default)]
struct Batch {
    /// Each with whether a statement of it had failed, though it went on.
    answers: Vec<(Box<dyn Job>, bool)>,
    /// Those of requests.
    requests: u32,
    /// Of these, the ones that the database did not let happen.
    failed: u32,
    /// Whether a request changed anything: a commit of nothing does not touch the disk.
    changed: bool,
    /// Whether one that failed had changed something, and nothing can be undone but everything.
    has_to_undo: bool,
}

/// What can be undone while a transaction goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undo {
    /// Nothing but all of it.
    All,
    /// Each job by itself.
    One,
}

impl Thread<'_> {
    fn write_until_closed(self, waiting: &Receiver<Box<dyn Job>>) {
        while let Ok(first) = waiting.recv() {
            let mut jobs = std::iter::once(first).chain(waiting.try_iter().take(BATCH_WRITES_MAX - 1));
            let begun = self.clock.monotonic();
            let (batch, outcome) = self.commit_together(&mut jobs);
            self.counts.commits.observe(self.clock.monotonic().saturating_sub(begun));
            self.counts.writes.add(u64::try_from(batch.answers.len()).unwrap_or(0));
            self.note(&batch, &outcome);
            for (job, is_aborted) in batch.answers {
                let committed = outcome.as_ref().map(drop).map_err(StoreError::duplicate);
                job.answer(if is_aborted { Err(StoreError::Aborted) } else { committed });
            }
            if outcome.is_ok() && batch.changed {
                self.changes.tell();
            }
            if outcome.is_ok() {
                self.log.after_commit(self.connection);
            }
        }
        self.close();
    }

    /// Moves what the log holds into the database file; if that fails nothing is lost, the next start reads the log.
    fn close(self) {
        let files = self.condition.check_files();
        if files.is_err() {
            // SQLite removes the log by its name when the last connection goes. It may be another database's by now.
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        // Into a file that another program has written, nothing of the log may go: the two do not belong together.
        if !matches!(files, Err(StoreError::Overwritten(_))) {
            self.log.empty(self.connection);
            let _ = self.connection.execute_batch("PRAGMA optimize;");
        }
    }

    /// Whether the files are where they were. When they have gone, what was acknowledged moves out of the log: it would
    /// otherwise be lost with the log, or be taken for the log of the file that lies there now.
    fn check_files(&self) -> Result<(), StoreError> {
        let checked = self.condition.check_files();
        if matches!(checked, Err(StoreError::Replaced(_))) {
            self.log.empty(self.connection);
        }
        checked
    }

    /// Runs the jobs in one transaction and commits.
    fn commit_together(
        &self,
        jobs: &mut dyn Iterator<Item = Box<dyn Job>>,
    ) -> (Batch, Result<(), StoreError>) {
        let (mut batch, mut outcome) = self.run_all(jobs, Undo::All);
        if batch.has_to_undo {
            let _ = run(self.connection, "ROLLBACK");
            let mut again = batch.answers.into_iter().map(|(job, _)| job);
            (batch, outcome) = self.run_all(&mut again, Undo::One);
        }
        outcome = outcome.and_then(|()| run(self.connection, "COMMIT"));
        if outcome.is_err() && !self.connection.is_autocommit() {
            let _ = run(self.connection, "ROLLBACK");
        }
        if let Some(index) = self.connection.wal_index() {
            self.cache.write_ended(index, &self.watch.take());
        }
        // What went into a file that is not there any more is not acknowledged.
        (batch, outcome.and_then(|()| self.check_files()))
    }

    /// Begins a transaction and runs the jobs in it. Those that come after it was lost are not run.
    fn run_all(
        &self,
        jobs: &mut dyn Iterator<Item = Box<dyn Job>>,
        undo: Undo,
    ) -> (Batch, Result<(), StoreError>) {
        let mut batch = Batch::default();
        let mut outcome = self.check_files().and_then(|()| self.begin());
        for job in jobs {
            batch.requests += u32::from(job.purpose() == Purpose::Request);
            if outcome.is_err() || batch.has_to_undo {
                batch.answers.push((job, false));
            } else {
                outcome = self.run_one(job, undo, &mut batch);
            }
        }
        (batch, outcome)
    }

    fn begin(&self) -> Result<(), StoreError> {
        run(self.connection, "BEGIN IMMEDIATE")?;
        if let Some(index) = self.connection.wal_index() {
            self.cache.write_begins(index);
        }
        Ok(())
    }

    /// Runs one job. `Err` when the whole transaction is lost.
    fn run_one(&self, mut job: Box<dyn Job>, undo: Undo, batch: &mut Batch) -> Result<(), StoreError> {
        let connection = self.connection;
        if undo == Undo::One
            && let Err(error) = run(connection, "SAVEPOINT job")
        {
            batch.answers.push((job, false));
            return Err(error);
        }
        let engine = Engine::Sqlite(Session::new(connection, self.condition));
        let tx = Tx::new(engine, self.clock.now(), self.rng);
        let is_request = job.purpose() == Purpose::Request;
        let changes_before = connection.total_changes();
        // A panic drops the job with its sender, which tells the one who waits.
        let ran = catch_unwind(AssertUnwindSafe(|| job.run(&tx)));
        let keep = matches!(ran, Ok(true)) && !tx.has_failed();
        if let Ok(stays) = ran {
            batch.answers.push((job, stays && !keep));
        }
        if connection.is_autocommit() {
            // SQLite gives the whole transaction up by itself when, for example, the disk is full.
            return Err(StoreError::RolledBack);
        }
        let has_changed = connection.total_changes() > changes_before;
        batch.changed |= keep && is_request && has_changed;
        batch.failed += u32::from(!keep && is_request && tx.saw_outage());
        match undo {
            Undo::All => batch.has_to_undo = !keep && has_changed,
            Undo::One if keep => run(connection, "RELEASE job")?,
            Undo::One => run(connection, "ROLLBACK TO job").and_then(|()| run(connection, "RELEASE job"))?,
        }
        Ok(())
    }

    /// Keeps the books of which writes work.
    fn note(&self, batch: &Batch, outcome: &Result<(), StoreError>) {
        match outcome {
            Ok(()) if batch.changed => self.condition.failures.worked(),
            Ok(()) => self.condition.failures.failed(batch.failed, self.clock.monotonic()),
            Err(error) if error.is_outage() => {
                self.condition.note(error);
                self.condition.failures.failed(batch.requests, self.clock.monotonic());
            }
            Err(_) => {}
        }
    }
}

fn run(connection: &Connection, statement: &str) -> Result<(), StoreError> {
    connection.prepare_cached(statement)?.execute([])?;
    Ok(())
}
