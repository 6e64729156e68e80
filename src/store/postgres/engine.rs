//! A database: connections to it, and how work runs on them. What each verb promises stands beside the store's verb of the same
//! name.

use super::line::Line;
use super::migrate;
use super::pool::Pool;
use super::session::{Kind, Session};
use super::target::Target;
use crate::clock::Clock;
use crate::rng::Rng;
use crate::store::changes::Changes;
use crate::store::db::{Db, Engine, Tx};
use crate::store::error::{OpenError, StoreError};
use crate::store::failures::Failures;
use crate::store::job::{self, Job, Purpose};
use crate::store::sqlite::Origin;
use crate::store::sqlite::writer::WriteCounts;
use crate::store::{server_state, users};
use crate::wait::pause;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How often a transaction is run again that another one came between.
const RERUNS_MAX: u32 = 5;
/// The longest pause before the first of these, doubled for each.
const RERUN_PAUSE_MILLISECONDS: u64 = 8;
/// For how long one is run again. Where nothing comes back for so long, it is not for the one who asked to go on waiting.
const RERUNS_LIMIT: Duration = Duration::from_secs(10);
/// How long to wait for others whose transactions are run again.
const RERUN_WAIT: Duration = Duration::from_secs(2);
/// How far this machine's clock may be from that of the database.
const CLOCK_SKEW_SECONDS_MAX: u64 = 5;

/// An open database of PostgreSQL's.
pub(crate) struct Postgres {
    pub(super) pool: Pool,
    pub(super) clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    changes: Arc<Changes>,
    counts: WriteCounts,
    failures: Failures,
    reads: AtomicUsize,
    /// Those whose transactions are run again: of many who came in each other's way, each is then alone here.
    rerunning: Line,
    /// What its leases are held under.
    pub(super) holder: [u8; 16],
}

impl Postgres {
    /// As the store says; `changes` learn of commits.
    pub(crate) fn open(
        target: &Target,
        parts: (Arc<dyn Clock>, Arc<dyn Rng>),
        changes: &Arc<Changes>,
    ) -> Result<(Self, Origin), OpenError> {
        let postgres = Self::around(target, parts, changes)?;
        let origin = migrate::migrate(&postgres.reader(), target.schema.as_deref())?;
        Ok((postgres, origin))
    }

    /// As the store says; `changes` learn of commits.
    pub(crate) fn open_prepared(
        target: &Target,
        parts: (Arc<dyn Clock>, Arc<dyn Rng>),
        changes: &Arc<Changes>,
    ) -> Result<Self, OpenError> {
        let postgres = Self::around(target, parts, changes)?;
        migrate::check(&postgres.reader())?;
        Ok(postgres)
    }

    /// The engine, with nothing looked at but the clock.
    pub(super) fn around(
        target: &Target,
        (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
        changes: &Arc<Changes>,
    ) -> Result<Self, OpenError> {
        let pool = Pool::new(target.clone(), Arc::clone(&clock), Arc::clone(&rng));
        let pool = pool.map_err(OpenError::from)?;
        let counts = WriteCounts::default();
        let (changes, reads, rerunning) = (Arc::clone(changes), AtomicUsize::new(0), Line::default());
        let mut holder = [0; 16];
        rng.fill(&mut holder);
        let failures = Failures::default();
        let postgres = Self { pool, clock, rng, changes, counts, failures, reads, rerunning, holder };
        postgres.check_clock()?;
        Ok(postgres)
    }

    /// What a piece of work reads on.
    pub(crate) fn reader(&self) -> Session<'_> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Session::new(&self.pool, Kind::Read)
    }

    /// As the store says.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    /// As the store says.
    pub(crate) const fn counts(&self) -> &WriteCounts {
        &self.counts
    }

    /// Runs a write here and now, and tells whoever waits for it.
    pub(crate) fn submit(&self, job: Box<dyn Job>) {
        self.submit_as(Kind::Write, job);
    }

    pub(super) fn submit_as(&self, kind: Kind, mut job: Box<dyn Job>) {
        let begun = self.clock.monotonic();
        // A panic drops the job with its sender, which tells the one who waits.
        let Some((stays, committed)) = self.run(kind, &mut *job) else { return };
        self.counts.commits.observe(self.clock.monotonic().saturating_sub(begun));
        self.counts.writes.add(1);
        let has_changed = stays && committed.is_ok() && job.purpose() == Purpose::Request;
        job.answer(committed);
        if has_changed {
            self.changes.tell();
        }
    }

    /// Runs a job until it is done or given up; whether it wanted its changes to stay, and whether they do. Nothing after a panic.
    fn run(&self, kind: Kind, job: &mut dyn Job) -> Option<(bool, Result<(), StoreError>)> {
        let (mut reruns, mut turn) = (0, None);
        let begun = self.clock.monotonic();
        loop {
            let session = Session::new(&self.pool, kind);
            let tx = Tx::new(Engine::Postgres(&session), self.clock.now(), &*self.rng);
            let stays = catch_unwind(AssertUnwindSafe(|| job.run(&tx))).ok()?;
            let committed = if stays && !tx.has_failed() {
                session.commit()
            } else {
                session.roll_back();
                if stays { Err(StoreError::Aborted) } else { Ok(()) }
            };
            let has_failed = match &committed {
                Err(error) if error.is_outage() => true,
                _ => tx.saw_outage(),
            };
            let is_late = self.clock.monotonic().saturating_sub(begun) > RERUNS_LIMIT;
            if session.undone().is_none() || reruns == RERUNS_MAX || is_late {
                if job.purpose() == Purpose::Request {
                    if has_failed {
                        self.failures.failed(1, self.clock.monotonic());
                    } else if stays && session.has_changed() {
                        self.failures.worked();
                    }
                }
                return Some((stays, committed));
            }
            drop(session);
            if reruns > 0 {
                self.pause(reruns);
            }
            // Without a turn it is tried all the same.
            turn = turn.or_else(|| self.rerunning.turn(RERUN_WAIT));
            reruns += 1;
        }
    }

    /// A pause of a random length, so that those who came in each other's way do not do so again.
    fn pause(&self, reruns: u32) {
        let mut random = [0; 8];
        self.rng.fill(&mut random);
        pause(Duration::from_millis(1 + u64::from_be_bytes(random) % (RERUN_PAUSE_MILLISECONDS << reruns)));
    }

    /// As the store says.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let session = self.reader();
        users::any(&Db::new(Engine::Postgres(&session), self.clock.now()))?;
        drop(session);
        let probe = |work: fn(&Tx<'_>) -> Result<(), StoreError>| {
            job::write(Purpose::Probe, work, |job| {
                self.submit(job);
                Ok(())
            })
        };
        probe(server_state::set_last_write_check)?;
        self.failures.check(self.clock.monotonic(), &|| {
            probe(server_state::fill_probe)?;
            probe(server_state::clear_probe)
        })?;
        self.check_clock()
    }

    /// Whether this machine and the database agree on the time, which decides what has expired.
    fn check_clock(&self) -> Result<(), StoreError> {
        if !self.clock.is_real() {
            return Ok(());
        }
        let theirs = migrate::seconds(&self.reader())?;
        let skew = theirs.abs_diff(self.clock.now().unix_seconds());
        if skew > CLOCK_SKEW_SECONDS_MAX { Err(StoreError::ClockSkew(skew)) } else { Ok(()) }
    }

    /// As the store says.
    pub(crate) fn close(&self) {
        self.pool.close();
    }
}
