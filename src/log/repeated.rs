//! Lines that many requests at once have cause for, such as an attack: they are counted, and not all written.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So long no second line is written.
const PERIOD: Duration = Duration::from_secs(1);

/// Counts what happened since the last line about it.
#[derive(Default)]
pub struct Repeated(Mutex<State>);

/// The same for several things, each told apart by fixed words, so that none hides another.
#[derive(Default)]
pub struct RepeatedByCause(Mutex<BTreeMap<&'static str, State>>);

#[derive(Default)]
struct State {
    last_line: Option<Duration>,
    unwritten: u64,
}

impl Repeated {
    /// Counts one more. If a line is due at this time of the steady clock: how often it happened since the last one.
    #[must_use]
    pub fn count(&self, now: Duration) -> Option<u64> {
        // Every state is valid at every moment, so a panic elsewhere cannot have left a broken one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count(now)
    }
}

impl RepeatedByCause {
    /// Counts one more of this cause. If a line is due at this time of the steady clock: how often it happened since the
    /// last one.
    #[must_use]
    pub fn count(&self, cause: &'static str, now: Duration) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(cause).or_default().count(now)
    }
}

impl State {
    fn count(&mut self, now: Duration) -> Option<u64> {
        self.unwritten += 1;
        if self.last_line.is_some_and(|last| now.saturating_sub(last) < PERIOD) {
            return None;
        }
        self.last_line = Some(now);
        Some(std::mem::take(&mut self.unwritten))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_counts_what_happened_since_the_last() {
        let repeated = Repeated::default();
        let millis = [5, 6, 1004, 1005, 1006, 2004, 2005, 60_000];
        let lines = millis.map(|now| repeated.count(Duration::from_millis(now)));
        assert_eq!(lines, [Some(1), None, None, Some(3), None, None, Some(3), Some(1)]);
    }

    #[test]
    fn a_flood_of_one_cause_hides_no_other() {
        let repeated = RepeatedByCause::default();
        let now = Duration::from_secs(1);
        assert_eq!(repeated.count("a", now), Some(1));
        assert_eq!(repeated.count("a", now), None);
        assert_eq!(repeated.count("b", now), Some(1));
        assert_eq!(repeated.count("a", now + PERIOD), Some(2));
    }
}
