//! Writes that have failed one after another: a database may answer a small probe and yet keep nothing of what matters.

use super::error::StoreError;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many writes have to fail one after another before the database counts as broken: one may be bad luck.
const FAILED_WRITES_MAX: u32 = 3;
/// For so long after the last failure, only a write that works shows that writing works again. Later a probe does,
/// since nobody may send writes to a server that says that it is broken.
const QUIET_FOR: Duration = Duration::from_secs(10);

/// Writes that have failed one after another.
#[derive(Default)]
pub(crate) struct Failures(Mutex<Count>);

#[derive(Default)]
struct Count {
    count: u32,
    last: Duration,
}

/// How writing has been going.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Writing {
    /// Well.
    Works,
    /// So many writes failed, the last one just now.
    Fails(u32),
    /// So many writes failed, but none was tried for a while.
    FailedBefore(u32),
}

impl Failures {
    /// Counts writes that failed because of the database, at this steady time.
    pub(super) fn failed(&self, count: u32, now: Duration) {
        if count > 0 {
            let mut failures = self.lock();
            *failures = Count { count: failures.count.saturating_add(count), last: now };
        }
    }

    /// Notes that a write is safe.
    pub(super) fn worked(&self) {
        self.lock().count = 0;
    }

    /// How writing has been going, seen from this steady time.
    pub(super) fn writing(&self, now: Duration) -> Writing {
        let failures = self.lock();
        match failures.count {
            count if count < FAILED_WRITES_MAX => Writing::Works,
            count if now.saturating_sub(failures.last) < QUIET_FOR => Writing::Fails(count),
            count => Writing::FailedBefore(count),
        }
    }

    /// Whether writing works, seen from this steady time. `probe` tries whether there is room for a large write.
    pub(super) fn check(
        &self,
        now: Duration,
        probe: &dyn Fn() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match self.writing(now) {
            Writing::Works => Ok(()),
            Writing::Fails(count) => Err(StoreError::WritesFail(count)),
            // A small write may find room where a larger one did not.
            Writing::FailedBefore(_) => probe().map(|()| self.worked()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_failed_write_breaks_it_and_ten_quiet_seconds_ask_for_a_probe() {
        let failures = Failures::default();
        let seconds = Duration::from_secs;
        let just_before = seconds(20).saturating_sub(Duration::from_nanos(1));
        failures.failed(2, seconds(1));
        assert_eq!(failures.writing(seconds(100)), Writing::Works);
        failures.failed(1, seconds(10));
        // Writes of which none failed keep nobody waiting.
        failures.failed(0, seconds(15));
        assert_eq!(failures.writing(seconds(10)), Writing::Fails(3));
        assert_eq!(failures.writing(just_before), Writing::Fails(3));
        assert_eq!(failures.writing(seconds(20)), Writing::FailedBefore(3));
        failures.worked();
        assert_eq!(failures.writing(seconds(11)), Writing::Works);
        failures.failed(2, seconds(12));
        assert_eq!(failures.writing(seconds(12)), Writing::Works, "one after another, not in all");
    }
}
