//! What the server does by itself while it runs: it lifts locks that have ended, removes what nobody needs any more,
//! and looks for damage in a database that was too large to be checked before the first request.
//!
//! Nothing here may keep a request waiting: what is removed goes in small pieces, with other writes in between.

use crate::accounts::lock;
use crate::app::App;
use crate::clock::Moment;
use crate::log;
use crate::store::{Removal, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

/// How often locks that have ended are lifted, and how many such rounds lie between two clean-ups.
const ROUND_SECONDS: u64 = 30;
const ROUNDS_PER_PURGE: u64 = 60 * 60 / ROUND_SECONDS;
/// Rows that are removed in one write.
const SLICE_ROWS: i64 = 200;
/// Days for which failed attempts are remembered, and expired API keys kept.
const ATTEMPTS_KEPT_DAYS: i64 = 30;
const KEYS_KEPT_DAYS: i64 = 2;
/// A clock that is further ahead than this of when the server last ran may be wrong.
const CLOCK_AHEAD_SECONDS_MAX: i64 = 2 * DAY_SECONDS;
/// So long it has to go on evenly before it is believed all the same.
const CLOCK_PROVEN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// By so much it may be set meanwhile.
const CLOCK_SET_SECONDS_MAX: i64 = 60 * 60;
const DAY_SECONDS: i64 = 86_400;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// Runs until `stopped` says so or hangs up.
pub fn run(app: &App, stopped: &Receiver<()>) {
    let stopping = Arc::new(AtomicBool::new(false));
    let mut clock = ClockWatch::default();
    std::thread::scope(|scope| {
        let mut damage_check = None;
        for round in 0_u64.. {
            lift_locks(app);
            look_for_damage(app, &stopping, scope, &mut damage_check);
            if round.is_multiple_of(ROUNDS_PER_PURGE) {
                purge(app, &mut clock, || {
                    !matches!(stopped.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty))
                });
            }
            match stopped.recv_timeout(Duration::from_secs(ROUND_SECONDS)) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => break,
            }
        }
        stopping.store(true, Ordering::Relaxed);
    });
}

/// Lifts locks that have ended.
pub fn lift_locks(app: &App) {
    match lock::lift_ended(app) {
        Ok(0) => {}
        Ok(count) => log::info("lifted locks that had ended", &[("count", count.into())]),
        Err(error) => log::error("could not lift locks", &[("cause", log::cause(&error))]),
    }
}

/// Begins to look for damage on a thread of its own, where that is due and not under way.
fn look_for_damage<'s>(
    app: &'s App,
    stopping: &Arc<AtomicBool>,
    scope: &'s Scope<'s, '_>,
    running: &mut Option<ScopedJoinHandle<'s, ()>>,
) {
    if !app.store.may_be_damaged() || running.as_ref().is_some_and(|running| !running.is_finished()) {
        return;
    }
    let stopping = Arc::clone(stopping);
    *running = std::thread::Builder::new()
        .name("damage-check".to_owned())
        .spawn_scoped(scope, move || {
            if let Err(error) = app.store.look_for_damage(&stopping) {
                log::error("the database could not be checked for damage", &[("cause", log::cause(&error))]);
            }
        })
        .ok();
}

/// Removes what is old enough, as long as the clock can be believed and nobody says to stop.
fn purge(app: &App, clock: &mut ClockWatch, stop: impl Fn() -> bool) {
    let now = app.clock.now();
    let removed = app.store.last_seen_time().and_then(|last_seen| {
        if !clock.is_believed(last_seen, now, app.clock.steady()) {
            return Ok(0);
        }
        app.store.set_last_seen_time(now)?;
        remove_old(app, now, &stop)
    });
    match removed {
        Ok(0) => {}
        Ok(rows) => log::info("removed what had expired", &[("count", rows.into())]),
        Err(error) => log::error("could not remove what had expired", &[("cause", log::cause(&error))]),
    }
}

fn remove_old(app: &App, now: Moment, stop: &impl Fn() -> bool) -> Result<usize, StoreError> {
    let days_before = |days: i64| now.plus_seconds(-days * DAY_SECONDS).unwrap_or(Moment::FIRST);
    let mut removed = 0;
    for removal in [
        Removal::Attempts(days_before(ATTEMPTS_KEPT_DAYS)),
        Removal::SurplusAttempts,
        Removal::ApiKeys(days_before(KEYS_KEPT_DAYS)),
        Removal::ApiKeysNosession(days_before(KEYS_KEPT_DAYS)),
        Removal::Sessions(days_before(app.config.session_keep_days.into())),
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
    /// The steady time and the wall clock when it was first found far ahead.
    ahead_since: Option<(Duration, Moment)>,
}

impl ClockWatch {
    /// Whether things may be removed by this clock, which was last known to be right at `last_seen`.
    fn is_believed(&mut self, last_seen: Moment, now: Moment, steady: Duration) -> bool {
        let seconds = |from: Moment, to: Moment| (to.micros() - from.micros()) / MICROS_PER_SECOND;
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

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn time(text: &str) -> Moment {
        Moment::parse(text).expect("a time")
    }

    fn later(moment: Moment, by: Duration) -> Moment {
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
