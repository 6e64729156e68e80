//! What the server does by itself while it runs: it releases locks that have expired, removes what nobody needs any more,
//! and looks for damage in a database that was too large to be checked before the first request.
//!
//! Nothing here may keep a request waiting: what is removed goes in small pieces, with other writes in between.

use crate::accounts::{email_queue, lock, message_keys, scoped_keys};
use crate::app::{App, LEASE_SECONDS};
use crate::clock::Timestamp;
use crate::log;
use crate::store::attempts::AttemptKey;
use crate::store::{Removal, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

/// Rows that are removed in one write.
const SLICE_ROWS: i64 = 200;
/// Days for which failed attempts are remembered, and expired API keys kept.
const ATTEMPTS_KEPT_DAYS: i64 = 30;
const KEYS_KEPT_DAYS: i64 = 2;
/// Days for which codes are kept after they have expired, emails after they were sent, and emails that were given up on.
const CODES_KEPT_DAYS: i64 = 1;
const EMAILS_DONE_KEPT_DAYS: i64 = 2;
const EMAILS_DEAD_KEPT_DAYS: i64 = 14;
/// A clock that is further than this ahead of the server's last run may be wrong.
const CLOCK_AHEAD_SECONDS_MAX: i64 = 2 * DAY_SECONDS;
/// How long it has to run steadily before it is trusted anyway.
const CLOCK_PROVEN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// How far it may be adjusted during that time.
const CLOCK_SET_SECONDS_MAX: i64 = 60 * 60;
const DAY_SECONDS: i64 = 86_400;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// A recurring job.
struct Job {
    name: &'static str,
    /// The shortest time from the start of one run to the start of the next.
    every: Duration,
    /// Does the job; returns how many items it dealt with.
    run: fn(&mut Rounds<'_, '_>) -> Result<usize, StoreError>,
    /// What the log says when there were any.
    done: &'static str,
}

const RELEASE_EXPIRED_LOCKS: Job = Job {
    name: "expired-locks",
    every: Duration::from_secs(30),
    run: |rounds| lock::release_expired(rounds.app),
    done: "released locks that had expired",
};

const WRITE_KEY_USES: Job = Job {
    name: "key-uses",
    every: Duration::from_secs(60),
    run: |rounds| {
        scoped_keys::write_uses(rounds.app)?;
        message_keys::write_uses(rounds.app)?;
        Ok(0)
    },
    // It is nothing to tell.
    done: "",
};

/// All jobs, in the order in which they run when several are due. Each runs once at the start.
const JOBS: &[Job] = &[
    RELEASE_EXPIRED_LOCKS,
    Job {
        name: "damage-check",
        every: Duration::from_secs(30),
        run: |rounds| {
            rounds.look_for_damage();
            Ok(0)
        },
        // It takes a while, and logs what it finds itself.
        done: "",
    },
    Job {
        name: "emails",
        every: Duration::from_secs(30),
        run: |rounds| {
            email_queue::wake(rounds.app);
            Ok(0)
        },
        // What becomes of each is logged where it is sent.
        done: "",
    },
    Job {
        name: "backups",
        every: Duration::from_secs(30),
        run: |rounds| {
            rounds.tell_of_backups()?;
            Ok(0)
        },
        // It says what it has to itself.
        done: "",
    },
    WRITE_KEY_USES,
    Job {
        name: "expired-rows",
        every: Duration::from_secs(60 * 60),
        run: |rounds| rounds.purge_expired(),
        done: "removed what had expired",
    },
];

/// Runs the jobs until `stopped` says so or disconnects.
pub fn run_maintenance(app: &App, stopped: &Receiver<()>) {
    let stopping = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let mut rounds = Rounds {
            app,
            stopped,
            stopping: &stopping,
            scope,
            clock: ClockWatch::default(),
            damage_check: None,
            last_backup: None,
        };
        let mut schedule = Schedule::new(JOBS, app.clock.monotonic());
        loop {
            let Some(job) = schedule.next_due(app.clock.monotonic()) else {
                match stopped.recv_timeout(schedule.time_left(app.clock.monotonic())) {
                    Err(RecvTimeoutError::Timeout) => continue,
                    _ => break,
                }
            };
            report(job, (job.run)(&mut rounds));
        }
        stopping.store(true, Ordering::Relaxed);
        report(&WRITE_KEY_USES, (WRITE_KEY_USES.run)(&mut rounds));
    });
}

/// Releases locks that have expired: also before the first request.
pub fn release_expired_locks(app: &App) {
    report(&RELEASE_EXPIRED_LOCKS, lock::release_expired(app));
}

/// Has tried again what was being sent when the server ended: before it sends anything.
pub fn resume_emails(app: &App) {
    if let Err(error) = email_queue::resume(app) {
        log::error(
            "emails that were being sent are tried again an hour later",
            &[("cause", log::cause(&error))],
        );
    }
}

fn report(job: &Job, result: Result<usize, StoreError>) {
    match result {
        Ok(0) => {}
        Ok(count) => log::info(job.done, &[("count", count.into())]),
        Err(error) => {
            log::error("maintenance failed", &[("job", job.name.into()), ("cause", log::cause(&error))]);
        }
    }
}

/// When each job is due, by the monotonic clock.
struct Schedule {
    jobs: &'static [Job],
    due: Vec<Duration>,
}

impl Schedule {
    fn new(jobs: &'static [Job], now: Duration) -> Self {
        Self { jobs, due: vec![now; jobs.len()] }
    }

    /// A job whose time has come. It is due again after its interval.
    fn next_due(&mut self, now: Duration) -> Option<&'static Job> {
        let (job, due) = self.jobs.iter().zip(&mut self.due).find(|(_, due)| **due <= now)?;
        *due = now + job.every;
        Some(job)
    }

    fn time_left(&self, now: Duration) -> Duration {
        self.due.iter().min().map_or(Duration::MAX, |due| due.saturating_sub(now))
    }
}

/// What the jobs share.
struct Rounds<'s, 'e> {
    app: &'s App,
    stopped: &'s Receiver<()>,
    stopping: &'s Arc<AtomicBool>,
    scope: &'s Scope<'s, 'e>,
    clock: ClockWatch,
    damage_check: Option<ScopedJoinHandle<'s, ()>>,
    last_backup: Option<Timestamp>,
}

impl Rounds<'_, '_> {
    /// Begins to look for damage on a thread of its own, where that is due and not under way.
    fn look_for_damage(&mut self) {
        let (app, stopping) = (self.app, self.stopping);
        let is_running = self.damage_check.as_ref().is_some_and(|check| !check.is_finished());
        if !app.store.may_be_damaged() || is_running {
            return;
        }
        let check = move || {
            if let Err(error) = app.store.look_for_damage(stopping) {
                log::error("the database could not be checked for damage", &[("cause", log::cause(&error))]);
            }
        };
        let thread = std::thread::Builder::new().name("damage-check".to_owned());
        self.damage_check = thread.spawn_scoped(self.scope, check).ok();
    }

    /// Logs of when the last backup is: at the start, and when a command has made another one.
    fn tell_of_backups(&mut self) -> Result<(), StoreError> {
        let last = self.app.store.last_backup()?;
        if let Some(taken) = last.filter(|_| last != self.last_backup) {
            log::info("last verified backup", &[("taken", taken.into())]);
        }
        self.last_backup = last;
        Ok(())
    }

    /// Removes what is old enough, for as long as the clock can be trusted and the server is not to stop.
    fn purge_expired(&mut self) -> Result<usize, StoreError> {
        let app = self.app;
        let now = app.clock.now();
        if !self.clock.is_believed(app.store.last_seen_time()?, now, app.clock.monotonic()) {
            return Ok(0);
        }
        // One process at a time; whoever finds another at it leaves it to that one.
        let key = AttemptKey::of_maintenance();
        let Some(lease) = app.store.lease(&key, LEASE_SECONDS)? else { return Ok(0) };
        app.store.set_last_seen_time(now)?;
        let removed = remove_old(app, now, &|| {
            let goes_on = matches!(self.stopped.try_recv(), Err(TryRecvError::Empty));
            !goes_on || !matches!(app.store.lease(&key, LEASE_SECONDS), Ok(Some(_)))
        });
        app.store.end_lease(&lease);
        removed
    }
}

fn remove_old(app: &App, now: Timestamp, stop: &impl Fn() -> bool) -> Result<usize, StoreError> {
    let days_before = |days: i64| now.plus_seconds(-days * DAY_SECONDS).unwrap_or(Timestamp::MIN);
    let mut removed = 0;
    for removal in [
        Removal::Attempts(days_before(ATTEMPTS_KEPT_DAYS)),
        Removal::SurplusAttempts,
        Removal::ApiKeys(days_before(KEYS_KEPT_DAYS)),
        Removal::ApiKeysNosession(days_before(KEYS_KEPT_DAYS)),
        Removal::ScopedKeys(days_before(KEYS_KEPT_DAYS)),
        Removal::Sessions(days_before(app.config.session_keep_days.into())),
        Removal::Codes(days_before(CODES_KEPT_DAYS)),
        Removal::EmailsDone(days_before(EMAILS_DONE_KEPT_DAYS)),
        Removal::EmailsDead(days_before(EMAILS_DEAD_KEPT_DAYS)),
        Removal::Events(days_before(app.config.event_days.into())),
        Removal::SurplusEvents(app.config.event_rows_max.into()),
        Removal::Leases(days_before(1)),
    ] {
        loop {
            if stop() {
                return Ok(removed);
            }
            // Finding out which are the oldest takes a while each time.
            let slice =
                if matches!(removal, Removal::SurplusAttempts) { 25 * SLICE_ROWS } else { SLICE_ROWS };
            let rows = app.store.remove(removal, slice)?;
            removed += rows;
            if rows == 0 {
                break;
            }
        }
    }
    Ok(removed)
}

/// Watches for a clock that jumped ahead, as one does that has lost its battery. What would be removed by such a clock
/// is gone for good when it has been set right.
#[derive(Default)]
struct ClockWatch {
    /// The monotonic time and the wall clock when it was first found far ahead.
    ahead_since: Option<(Duration, Timestamp)>,
}

impl ClockWatch {
    /// Whether things may be removed by this clock, which was last known to be right at `last_seen`.
    fn is_believed(&mut self, last_seen: Timestamp, now: Timestamp, steady: Duration) -> bool {
        let seconds = |from: Timestamp, to: Timestamp| (to.micros() - from.micros()) / MICROS_PER_SECOND;
        if seconds(last_seen, now) <= CLOCK_AHEAD_SECONDS_MAX {
            self.ahead_since = None;
            return true;
        }
        let (steady_then, then) = *self.ahead_since.get_or_insert_with(|| {
            log::warning(
                "the clock is far ahead of when this server last ran: nothing is removed until it has gone on \
                 evenly for a day",
                &[("days", (seconds(last_seen, now) / DAY_SECONDS).into())],
            );
            (steady, now)
        });
        let passed = steady.saturating_sub(steady_then);
        let expected = i64::try_from(passed.as_secs()).unwrap_or(i64::MAX);
        if (seconds(then, now) - expected).abs() > CLOCK_SET_SECONDS_MAX {
            self.ahead_since = Some((steady, now));
            return false;
        }
        passed >= CLOCK_PROVEN_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_job_is_due_at_the_start_and_after_its_interval() {
        let seconds = Duration::from_secs;
        let mut schedule = Schedule::new(JOBS, seconds(7));
        let mut due_at = |now: u64| -> Vec<&str> {
            std::iter::from_fn(|| schedule.next_due(seconds(now))).map(|job| job.name).collect()
        };
        assert_eq!(
            due_at(7),
            ["expired-locks", "damage-check", "emails", "backups", "key-uses", "expired-rows"]
        );
        assert_eq!(due_at(36), [""; 0]);
        // Late, as after a long run: what follows is counted from then.
        assert_eq!(due_at(50), ["expired-locks", "damage-check", "emails", "backups"]);
        assert_eq!(due_at(79), ["key-uses"]);
        assert_eq!(due_at(80), ["expired-locks", "damage-check", "emails", "backups"]);
        assert_eq!(schedule.time_left(seconds(100)), seconds(10));
        assert_eq!(schedule.time_left(seconds(4000)), Duration::ZERO);
        assert_eq!(schedule.next_due(seconds(4000)).map(|job| job.name), Some("expired-locks"));
    }

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn time(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    fn later(moment: Timestamp, by: Duration) -> Timestamp {
        moment.plus_seconds(by.as_secs().cast_signed()).expect("in range")
    }

    #[test]
    fn a_clock_is_believed_after_a_short_absence_and_when_it_was_set_back() {
        let mut watch = ClockWatch::default();
        let last_seen = time("2026-11-23 15:00:00");
        for now in
            ["2026-11-23 15:00:00", "2026-11-24 23:00:00", "2026-11-01 00:00:00", "1970-01-01 00:00:00"]
        {
            assert!(watch.is_believed(last_seen, time(now), Duration::ZERO), "{now}");
        }
    }

    #[test]
    fn a_clock_that_jumped_ahead_has_to_go_on_evenly_for_a_day() {
        let mut watch = ClockWatch::default();
        let (last_seen, then) = (time("2026-11-23 15:00:00"), time("2040-01-01 00:00:00"));
        for hours in 0..24 {
            assert!(
                !watch.is_believed(last_seen, later(then, HOUR * hours), HOUR * hours),
                "after {hours} h"
            );
        }
        assert!(watch.is_believed(last_seen, later(then, HOUR * 24), HOUR * 24));
    }

    #[test]
    fn a_clock_that_is_set_again_has_to_begin_anew() {
        let mut watch = ClockWatch::default();
        let (last_seen, then) = (time("2026-11-23 15:00:00"), time("2040-01-01 00:00:00"));
        assert!(!watch.is_believed(last_seen, then, Duration::ZERO));
        let other = time("2033-01-01 00:00:00");
        assert!(!watch.is_believed(last_seen, other, HOUR * 23));
        assert!(!watch.is_believed(last_seen, later(other, HOUR * 2), HOUR * 25));
        assert!(watch.is_believed(last_seen, time("2026-11-24 15:00:00"), HOUR * 26), "it is right now");
        assert!(!watch.is_believed(last_seen, then, HOUR * 27), "and wrong again");
    }
}
