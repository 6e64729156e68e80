//! The only reader of the time, and the forms in which a time is written: on the wire and in the database.
//! Both are naive UTC with microseconds.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// How far a clock may be set back without what was written before counting as written under a wrong clock.
pub const CLOCK_STEP_SECONDS_MAX: i64 = 60;

/// How the database stores a time: a blank between date and time, always six fraction digits.
const STORED: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:6]");
/// The same without a fraction; read, never written.
const STORED_WHOLE: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
const WIRE: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]");
const WIRE_WHOLE: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

/// As part of a file's name: to the second, and in an order that is theirs.
const FILE_STAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// A point in time: microseconds since 1970-01-01 00:00 UTC, from the year 1 to the year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 9999-12-31 23:59:59.999999, the last time that the formats can write.
    pub const MAX: Self = Self(253_402_300_799_999_999);
    /// 0001-01-01 00:00:00, the first one.
    pub const MIN: Self = Self(-62_135_596_800_000_000);

    /// A moment from microseconds since 1970; `None` outside the years 1 to 9999.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Option<Self> {
        if micros < Self::MIN.0 || micros > Self::MAX.0 { None } else { Some(Self(micros)) }
    }

    /// Microseconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01 00:00 UTC, rounded down.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    /// This moment moved by whole seconds; `None` outside the years 1 to 9999.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Option<Self> {
        self.plus_micros(seconds.checked_mul(MICROS_PER_SECOND)?)
    }

    /// This moment moved by seconds with a fraction, rounded to microseconds; `None` outside the years 1 to 9999.
    #[must_use]
    pub fn plus_seconds_f64(self, seconds: f64) -> Option<Self> {
        let micros = (seconds * MICROS_PER_SECOND as f64).round();
        if !micros.is_finite() || micros.abs() > Self::MAX.0 as f64 * 2.0 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and near the years that there are")]
        let micros = micros as i64;
        self.plus_micros(micros)
    }

    /// This moment moved by microseconds; `None` outside the years 1 to 9999.
    #[must_use]
    pub fn plus_micros(self, micros: i64) -> Option<Self> {
        Self::from_micros(self.0.checked_add(micros)?)
    }

    /// How the database stores it: `2026-11-23 14:06:11.930944`.
    #[must_use]
    pub fn stored(self) -> String {
        self.written(STORED)
    }

    /// How an answer carries it: `2026-11-23T14:06:11.930944`, and without the fraction where that is zero.
    #[must_use]
    pub fn wire(self) -> String {
        self.written(if self.0 % MICROS_PER_SECOND == 0 { WIRE_WHOLE } else { WIRE })
    }

    /// How the name of a file has it: `20261123T140611Z`.
    #[must_use]
    pub(crate) fn file_stamp(self) -> String {
        self.written(FILE_STAMP)
    }

    /// Reads either written form, with or without a fraction.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [STORED, WIRE, STORED_WHOLE, WIRE_WHOLE]
            .iter()
            .find_map(|format| PrimitiveDateTime::parse(text, format).ok())
            .and_then(|value| Self::from_calendar(value.assume_utc()))
    }

    /// A moment from a calendar value, cut to microseconds.
    #[must_use]
    pub fn from_calendar(value: OffsetDateTime) -> Option<Self> {
        i64::try_from(value.unix_timestamp_nanos().div_euclid(1000)).ok().and_then(Self::from_micros)
    }

    fn written(self, format: &[BorrowedFormatItem<'_>]) -> String {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000)
            .ok()
            .and_then(|value| value.format(format).ok())
            .expect("a Timestamp lies within the years that the formats can write")
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.wire())
    }
}

/// Tells the time. Everything that needs it is handed one.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// Time since some fixed point, never running backwards; for measuring how long something took.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
pub struct SystemClock {
    origin: std::time::Instant,
}

impl SystemClock {
    /// A clock whose steady time starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this module is where the time comes in")]
    pub fn new() -> Self {
        Self { origin: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this module is where the time comes in")]
    fn now(&self) -> Timestamp {
        Timestamp::from_calendar(OffsetDateTime::from(std::time::SystemTime::now())).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock that stands still until it is moved, for tests.
pub struct ManualClock {
    micros: AtomicI64,
    start_micros: i64,
}

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub const fn at(start: Timestamp) -> Self {
        Self { micros: AtomicI64::new(start.0), start_micros: start.0 }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX / 4);
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        let passed = self.micros.load(Ordering::SeqCst) - self.start_micros;
        Duration::from_micros(u64::try_from(passed).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_both_forms() {
        let moment = Timestamp::parse("2026-11-23 14:06:11.930944").expect("a stored form");
        assert_eq!(moment.wire(), "2026-11-23T14:06:11.930944");
        assert_eq!(moment.stored(), "2026-11-23 14:06:11.930944");
        let whole = Timestamp::parse("2099-01-01T00:00:00").expect("a wire form");
        assert_eq!(whole.wire(), "2099-01-01T00:00:00");
        assert_eq!(whole.stored(), "2099-01-01 00:00:00.000000");
    }

    #[test]
    fn keeps_to_four_digit_years() {
        assert_eq!(Timestamp::MAX.stored(), "9999-12-31 23:59:59.999999");
        assert_eq!(Timestamp::MAX.plus_seconds(1), None);
        assert_eq!(Timestamp::MIN.stored(), "0001-01-01 00:00:00.000000");
        assert_eq!(Timestamp::MIN.plus_micros(-1), None);
        assert_eq!(Timestamp::MAX.plus_seconds_f64(f64::NAN), None);
        assert_eq!(Timestamp::MAX.plus_seconds_f64(f64::INFINITY), None);
    }

    #[test]
    fn refuses_what_is_not_a_time() {
        for text in ["", "2026-13-01 00:00:00", "2026-01-01", "x", "2026-01-01 00:00:60.000000"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
