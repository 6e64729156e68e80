//! The one thread that writes. It takes every write that is waiting, runs each in a savepoint of its own inside
//! one transaction, commits once, and only then lets the answers go: many writes share one wait for the disk,
//! and none is answered before it is safe.

use super::{StoreError, Tx};
use crate::clock::Clock;
use crate::wait::{AnswerSender, answer_slot};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Writes that may wait; more are refused at once as [`StoreError::Busy`].
pub const WAITING_WRITES_MAX: usize = 4096;
/// Writes that share one commit at most, so that the first of them does not wait too long.
const BATCH_WRITES_MAX: usize = 512;

/// How a write is answered once it is known whether its commit is safe on the disk.
type Answer = Box<dyn FnOnce(Result<(), StoreError>)>;

/// One write, waiting for its turn.
trait Job: Send {
    /// Runs it. `Err` means that it wants its changes undone.
    fn run(self: Box<Self>, tx: &Tx<'_>) -> Result<Answer, Answer>;
    /// Answers it without running it.
    fn fail(self: Box<Self>, error: StoreError);
}

struct Write<F, T: Send, E: Send> {
    work: F,
    sender: AnswerSender<Result<T, E>>,
}

impl<F, T, E> Job for Write<F, T, E>
where
    F: FnOnce(&Tx<'_>) -> Result<T, E> + Send,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    fn run(self: Box<Self>, tx: &Tx<'_>) -> Result<Answer, Answer> {
        let Self { work, sender } = *self;
        match work(tx) {
            Ok(value) => Ok(Box::new(|committed| sender.send(committed.map(|()| value).map_err(E::from)))),
            Err(error) => Err(Box::new(|_| sender.send(Err(error)))),
        }
    }

    fn fail(self: Box<Self>, error: StoreError) {
        self.sender.send(Err(error.into()));
    }
}

/// A handle on the writing thread. Dropping it lets waiting writes finish and closes the connection.
pub(super) struct Writer {
    queue: Mutex<Option<SyncSender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(WAITING_WRITES_MAX);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_until_closed(&connection, &waiting, &*clock))?;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)) })
    }

    /// Runs `work` in a transaction and waits until it is committed and synced. When `work` returns an error its
    /// changes are undone and nobody else's.
    pub(super) fn write<T, E>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (sender, answer) = answer_slot();
        let queue = lock(&self.queue).clone().ok_or(StoreError::Closed)?;
        queue.try_send(Box::new(Write { work, sender })).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })?;
        answer.wait().unwrap_or_else(|| Err(StoreError::Panicked.into()))
    }

    /// Takes no more writes, finishes those that wait, and closes the connection.
    pub(super) fn close(&self) {
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

fn write_until_closed(connection: &Connection, waiting: &Receiver<Box<dyn Job>>, clock: &dyn Clock) {
    while let Ok(first) = waiting.recv() {
        let batch = std::iter::once(first).chain(waiting.try_iter().take(BATCH_WRITES_MAX - 1));
        let (answers, outcome) = commit_together(connection, clock, batch);
        for answer in answers {
            answer(outcome.as_ref().map(drop).map_err(StoreError::again));
        }
    }
    // What the log holds moves into the database file; if that fails nothing is lost, the next start reads the log.
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;");
}

/// Runs the jobs in one transaction and commits. Jobs that come after the transaction was lost are answered here.
fn commit_together(
    connection: &Connection,
    clock: &dyn Clock,
    batch: impl Iterator<Item = Box<dyn Job>>,
) -> (Vec<Answer>, Result<(), StoreError>) {
    let mut answers = Vec::new();
    let mut outcome = run(connection, "BEGIN IMMEDIATE");
    for job in batch {
        match &outcome {
            Err(error) => job.fail(error.again()),
            Ok(()) => outcome = in_savepoint(&Tx::new(connection, clock.now()), job, &mut answers),
        }
    }
    outcome = outcome.and_then(|()| run(connection, "COMMIT"));
    if outcome.is_err() && !connection.is_autocommit() {
        let _ = run(connection, "ROLLBACK");
    }
    (answers, outcome)
}

/// Runs one job so that it can be undone alone. `Err` when the whole transaction is lost.
fn in_savepoint(tx: &Tx<'_>, job: Box<dyn Job>, answers: &mut Vec<Answer>) -> Result<(), StoreError> {
    let connection = tx.connection();
    if let Err(error) = run(connection, "SAVEPOINT job") {
        job.fail(error.again());
        return Err(error);
    }
    // A panic drops the job with its sender, which tells the one who waits.
    let ran = catch_unwind(AssertUnwindSafe(|| job.run(tx)));
    let keep = matches!(ran, Ok(Ok(_)));
    if let Ok(Ok(answer) | Err(answer)) = ran {
        answers.push(answer);
    }
    if connection.is_autocommit() {
        // SQLite gives the whole transaction up by itself when, for example, the disk is full.
        return Err(StoreError::RolledBack);
    }
    if !keep {
        run(connection, "ROLLBACK TO job")?;
    }
    run(connection, "RELEASE job")
}

fn run(connection: &Connection, statement: &str) -> Result<(), StoreError> {
    connection.prepare_cached(statement)?.execute([])?;
    Ok(())
}
