//! How long the answer to a failed login is delayed. Arithmetic only: whoever counts the failures and does
//! the waiting is elsewhere.

/// No answer is delayed longer than this.
pub const DELAY_SECONDS_MAX: f64 = 40.0;

/// Failures on one account from all networks together after which strangers are slowed, where failures are counted per
/// network. NIST SP 800-63B-4, section 3.2.2, has no more than 100 in a row.
pub const STRANGERS_FAILURES_MAX: i64 = 100;

/// Wrong codes at one address, from whatever networks, with which a code that is typed ends; and from one network, at
/// whatever addresses, within the time that a lock lasts, before none is looked at for that time.
pub const WRONG_CODES_MAX: i64 = 100;

/// So long after a failed attempt of a stranger the next stranger waits at such an account.
pub const SLOWED_SECONDS: u64 = 10;

/// Each further failure is delayed this many times as long as the one before.
const GROWTH: f64 = 1.5;

/// From here on the growth has passed the maximum; also keeps the exponent small for any count.
const FAILURES_TO_MAX: u32 = 12;

/// How long to delay the answer to the `failures`-th failure in a row: one second for the first, half as long
/// again for each that follows, at most [`DELAY_SECONDS_MAX`]. Nothing for no failure.
#[must_use]
pub fn delay_seconds(failures: u32) -> f64 {
    let Some(grown) = failures.min(FAILURES_TO_MAX).checked_sub(1) else {
        return 0.0;
    };
    GROWTH.powf(f64::from(grown)).min(DELAY_SECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_by_half_up_to_forty_seconds() {
        let table = [
            (0, 0.0),
            (1, 1.0),
            (2, 1.5),
            (3, 2.25),
            (4, 3.375),
            (5, 5.0625),
            (6, 7.594),
            (7, 11.391),
            (8, 17.086),
            (9, 25.629),
            (10, 38.443),
            (11, 40.0),
            (12, 40.0),
            (13, 40.0),
            (1000, 40.0),
            (u32::MAX, 40.0),
        ];
        for (failures, seconds) in table {
            let held = delay_seconds(failures);
            assert!((held - seconds).abs() < 0.0005, "{failures} failures are delayed {held} s");
        }
    }
}
