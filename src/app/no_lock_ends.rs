//! For how long there is no need to ask the database whether a lock has ended. Every request depends on that.

use crate::clock::Timestamp;
use std::sync::{Mutex, PoisonError};

/// No lock is shorter, so none that somebody puts in force after the database was asked ends within this time.
const SHORTEST_LOCK_SECONDS: i64 = 1;

/// The time in which no lock ends.
#[derive(Default)]
pub struct NoLockEnds(Mutex<Option<(Timestamp, Timestamp)>>);

impl NoLockEnds {
    /// Whether it is certain that no lock has ended by `now` that has not been lifted.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> bool {
        let range = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        range.is_some_and(|(from, until)| from <= now && now < until)
    }

    /// None had ended at this time, and the next one of those that were there then ends at `next`.
    pub fn from(&self, now: Timestamp, next: Option<Timestamp>) {
        let until =
            now.plus_seconds(SHORTEST_LOCK_SECONDS).map(|until| next.map_or(until, |next| until.min(next)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until.map(|until| (now, until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_needs_to_ask_for_a_second_at_most_and_not_beyond_an_end() {
        let at = |seconds: f64| Timestamp::MIN.plus_seconds_f64(seconds).expect("a time");
        let known = NoLockEnds::default();
        assert!(!known.at(at(10.0)), "nobody has asked");
        known.from(at(10.0), None);
        for (seconds, expected) in [(9.9, false), (10.0, true), (10.9, true), (11.0, false)] {
            assert_eq!(known.at(at(seconds)), expected, "{seconds}");
        }
        known.from(at(20.0), Some(at(20.5)));
        assert!(known.at(at(20.4)) && !known.at(at(20.5)));
        known.from(at(30.0), Some(at(40.0)));
        assert!(known.at(at(30.9)) && !known.at(at(31.0)));
    }
}
