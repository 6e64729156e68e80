//! The only reader of the time, and the forms in which a time is written: on the wire and in the database.
//! Both are naive UTC with microseconds.

use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// How far a clock may be set back without what was written before counting as written under a wrong clock.
pub const CLOCK_STEP_SECONDS_MAX: i64 = 60;

/// How a time is written: in the database with a blank between date and time, on the wire with a `T`. Every session check
/// reads and writes several, so this is not left to the descriptions of formats that the `time` crate interprets.
const FORM: [u8; 26] = *b"0000-00-00 00:00:00.000000";
/// Where the blank or the `T` stands, and the marks around it.
const BETWEEN: usize = 10;
const MARKS: [(usize, u8); 4] = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
/// Where the fraction begins, if there is one: a point and six digits.
const FRACTION: usize = 19;

/// How HTTP writes one.
const HTTP_DATE: &[u8; 29] = b"Day, 00 Mon 0000 00:00:00 GMT";
const WEEKDAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

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
        text(&self.written(b' '))
    }

    /// How an answer carries it: `2026-11-23T14:06:11.930944`, and without the fraction where that is zero.
    #[must_use]
    pub fn wire(self) -> String {
        let written = self.written(b'T');
        text(if self.0 % MICROS_PER_SECOND == 0 { &written[..FRACTION] } else { &written })
    }

    /// How HTTP has it (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
    #[must_use]
    pub(crate) fn http_date(self) -> [u8; HTTP_DATE.len()] {
        let value = self.calendar();
        let (year, month, day) = value.to_calendar_date();
        let (hour, minute, second) = value.to_hms();
        let mut written = *HTTP_DATE;
        let weekday = usize::from(value.weekday().number_days_from_monday());
        written[..3].copy_from_slice(WEEKDAYS[weekday]);
        write_number(&mut written[5..7], day.into());
        written[8..11].copy_from_slice(MONTHS[usize::from(u8::from(month)) - 1]);
        write_number(&mut written[12..16], year.into());
        for (place, number) in [(17, hour), (20, minute), (23, second)] {
            write_number(&mut written[place..place + 2], number.into());
        }
        written
    }

    /// How the name of a file has it: `20261123T140611Z`.
    #[must_use]
    pub(crate) fn file_stamp(self) -> String {
        let written = text(&self.written(b'T')[..FRACTION]);
        written.replace(['-', ':'], "") + "Z"
    }

    /// Reads either written form, with or without a fraction.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.as_bytes().split_at_checked(FRACTION)?;
        if MARKS.iter().any(|(place, mark)| whole[*place] != *mark) || !matches!(whole[BETWEEN], b' ' | b'T')
        {
            return None;
        }
        let micros = match fraction {
            [] => 0,
            [b'.', digits @ ..] if digits.len() == FORM.len() - FRACTION - 1 => number(digits)?,
            _ => return None,
        };
        let of = |places: Range<usize>| number(&whole[places]);
        let small = |places: Range<usize>| u8::try_from(of(places)?).ok();
        let month = Month::try_from(small(5..7)?).ok()?;
        let date = Date::from_calendar_date(i32::try_from(of(0..4)?).ok()?, month, small(8..10)?).ok()?;
        let time = Time::from_hms_micro(small(11..13)?, small(14..16)?, small(17..19)?, micros).ok()?;
        Self::from_calendar(PrimitiveDateTime::new(date, time).assume_utc())
    }

    /// A moment from a calendar value, cut to microseconds.
    #[must_use]
    pub fn from_calendar(value: OffsetDateTime) -> Option<Self> {
        Self::from_micros(value.unix_timestamp() * MICROS_PER_SECOND + i64::from(value.microsecond()))
    }

    fn calendar(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.unix_seconds())
            .expect("a Timestamp lies within the years that there are")
    }

    fn written(self, between: u8) -> [u8; FORM.len()] {
        let value = self.calendar();
        let (year, month, day) = value.to_calendar_date();
        let (hour, minute, second) = value.to_hms();
        let micros = self.0.rem_euclid(MICROS_PER_SECOND);
        let mut written = FORM;
        written[BETWEEN] = between;
        write_number(&mut written[0..4], year.into());
        for (place, number) in [(5, u8::from(month)), (8, day), (11, hour), (14, minute), (17, second)] {
            write_number(&mut written[place..place + 2], number.into());
        }
        write_number(&mut written[FRACTION + 1..], micros);
        written
    }
}

fn text(written: &[u8]) -> String {
    std::str::from_utf8(written).expect("digits and marks").to_owned()
}

/// The number that these digits write, if they are digits; not more than nine.
fn number(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

/// Writes a number with as many digits as there is room for.
fn write_number(room: &mut [u8], mut number: i64) {
    for digit in room.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
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
    /// Whether it tells the time that others go by, too.
    fn is_real(&self) -> bool {
        true
    }
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
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock that shows a time before 1970 is wrong anyway.
        let micros = since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        Timestamp::from_micros(micros).unwrap_or(Timestamp::MAX)
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

    fn is_real(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::format_description;

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
        for text in [
            "",
            "2026-13-01 00:00:00",
            "2026-02-29 00:00:00",
            "2026-01-01",
            "x",
            "2026-01-01 00:00:60.000000",
            "2026-01-01 24:00:00",
            "0000-01-01 00:00:00",
            "+026-01-01 00:00:00",
            "2026-01-01_00:00:00",
            "2026-01-01 00:00:00.",
            "2026-01-01 00:00:00.00000",
            "2026-01-01 00:00:00.0000000",
            "2026-01-01 00:00:00Z",
            "2026-01-01 00:00:0\u{e9}",
            "\u{660}026-01-01 00:00:00",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn writes_and_reads_what_the_time_crate_does() {
        let stored =
            format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:6]");
        let http = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        let mut micros = Timestamp::MIN.0;
        while let Some(moment) = Timestamp::from_micros(micros) {
            let calendar =
                OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).expect("a time");
            assert_eq!(moment.stored(), calendar.format(&stored).expect("is written"));
            assert_eq!(moment.http_date(), calendar.format(&http).expect("is written").as_bytes());
            assert_eq!(Timestamp::parse(&moment.stored()), Some(moment));
            assert_eq!(Timestamp::parse(&moment.wire()), Some(moment));
            assert_eq!(Timestamp::from_calendar(calendar), Some(moment));
            // A prime, so that every part takes many values; some 160,000 times.
            micros += 1_999_999_999_973;
        }
        assert_eq!(Timestamp::parse("2024-02-29 12:00:00").expect("a day").file_stamp(), "20240229T120000Z");
    }
}
