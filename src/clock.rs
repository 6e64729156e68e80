//! The only reader of the time, and the forms in which a time is written: on the wire and in the database.
//! Both are naive UTC with microseconds.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// From the first of March of the year 0 to 1970. Years that begin in March have their leap day last.
const DAYS_BEFORE_1970: u32 = 719_468;
/// In 400 years, after which the calendar repeats.
const DAYS_PER_ERA: u32 = 146_097;

/// How far a clock may be set back without what was written before counting as written under a wrong clock.
pub const CLOCK_STEP_SECONDS_MAX: i64 = 60;

/// How a time is written: in the database with a blank between date and time, on the wire with a `T`. Every session check
/// reads and writes several, so this and the calendar are done here, as the `time` crate does them in the tests.
const FORM: [u8; 26] = *b"0000-00-00 00:00:00.000000";
/// Where the blank or the `T` stands, and the marks between the other numbers.
const BETWEEN: usize = 10;
const MARKS: [u8; 4] = *b"--::";
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
        text(&self.written(b' ')).to_owned()
    }

    /// How an answer carries it: `2026-11-23T14:06:11.930944`, and without the fraction where that is zero.
    #[must_use]
    pub fn wire(self) -> String {
        self.on_the_wire(&mut FORM.clone()).to_owned()
    }

    fn on_the_wire(self, room: &mut [u8; FORM.len()]) -> &str {
        *room = self.written(b'T');
        text(if self.0 % MICROS_PER_SECOND == 0 { &room[..FRACTION] } else { room })
    }

    /// How HTTP has it (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
    #[must_use]
    pub(crate) fn http_date(self) -> [u8; HTTP_DATE.len()] {
        let days = self.days();
        let Date { year, month, day } = Date::of(days);
        let (hour, minute, second) = self.time_of_day();
        let mut written = *HTTP_DATE;
        // The first of March of the year 0 was a Wednesday.
        written[..3].copy_from_slice(WEEKDAYS[(days as usize + 2) % 7]);
        written[8..11].copy_from_slice(MONTHS[month as usize - 1]);
        write_two(&mut written, 5, day);
        write_two(&mut written, 12, year / 100);
        write_two(&mut written, 14, year % 100);
        write_two(&mut written, 17, hour);
        write_two(&mut written, 20, minute);
        write_two(&mut written, 23, second);
        written
    }

    /// How the name of a file has it: `20261123T140611Z`.
    #[must_use]
    pub(crate) fn file_stamp(self) -> String {
        text(&self.written(b'T')[..FRACTION]).replace(['-', ':'], "") + "Z"
    }

    /// Reads either written form, with or without a fraction.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.as_bytes().split_first_chunk::<FRACTION>()?;
        if [whole[4], whole[7], whole[13], whole[16]] != MARKS || !matches!(whole[BETWEEN], b' ' | b'T') {
            return None;
        }
        let micros = if fraction.is_empty() {
            0
        } else {
            let [b'.', digits @ ..] = <&[u8; FORM.len() - FRACTION]>::try_from(fraction).ok()? else {
                return None;
            };
            two(digits[0], digits[1])? * 10_000
                + two(digits[2], digits[3])? * 100
                + two(digits[4], digits[5])?
        };
        let of = |place: usize| two(whole[place], whole[place + 1]);
        let date = Date { year: of(0)? * 100 + of(2)?, month: of(5)?, day: of(8)? };
        let (hour, minute, second) = (of(11)?, of(14)?, of(17)?);
        if !date.exists() || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = i64::from(date.days()) - i64::from(DAYS_BEFORE_1970);
        let seconds = days * SECONDS_PER_DAY + i64::from(hour * 3600 + minute * 60 + second);
        Self::from_micros(seconds * MICROS_PER_SECOND + i64::from(micros))
    }

    /// Days since the first of March of the year 0.
    fn days(self) -> u32 {
        let days = self.unix_seconds().div_euclid(SECONDS_PER_DAY) + i64::from(DAYS_BEFORE_1970);
        days.try_into().expect("a Timestamp lies within the years that there are")
    }

    fn written(self, between: u8) -> [u8; FORM.len()] {
        let Date { year, month, day } = Date::of(self.days());
        let (hour, minute, second) = self.time_of_day();
        let micros = u32::try_from(self.0.rem_euclid(MICROS_PER_SECOND)).unwrap_or(0);
        let mut written = FORM;
        written[BETWEEN] = between;
        write_two(&mut written, 0, year / 100);
        write_two(&mut written, 2, year % 100);
        write_two(&mut written, 5, month);
        write_two(&mut written, 8, day);
        write_two(&mut written, 11, hour);
        write_two(&mut written, 14, minute);
        write_two(&mut written, 17, second);
        write_two(&mut written, 20, micros / 10_000);
        write_two(&mut written, 22, micros / 100 % 100);
        write_two(&mut written, 24, micros % 100);
        written
    }

    /// Hours, minutes and seconds since midnight.
    fn time_of_day(self) -> (u32, u32, u32) {
        let seconds = u32::try_from(self.unix_seconds().rem_euclid(SECONDS_PER_DAY)).unwrap_or(0);
        (seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

/// A day of the calendar, of the year 0 or later.
struct Date {
    year: u32,
    month: u32,
    day: u32,
}

impl Date {
    /// The day so many days after the first of March of the year 0.
    const fn of(days: u32) -> Self {
        let (era, days) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
        // Without the leap days before it, each year has 365.
        let year = (days - days / 1460 + days / 36_524 - days / (DAYS_PER_ERA - 1)) / 365;
        let days = days - days_of_years(year);
        // March to July have 153 days, August to December, too, and so would January to May.
        let month = (5 * days + 2) / 153;
        let day = days - days_of_months(month) + 1;
        let year = era * 400 + year;
        if month < 10 {
            Self { year, month: month + 3, day }
        } else {
            Self { year: year + 1, month: month - 9, day }
        }
    }

    /// Whether there is such a day, in the year 1 or later.
    const fn exists(&self) -> bool {
        let is_leap = self.year.is_multiple_of(if self.year.is_multiple_of(100) { 400 } else { 4 });
        let last = match self.month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        self.year > 0 && self.day > 0 && self.day <= last
    }

    /// Days since the first of March of the year 0 until a day that exists.
    const fn days(&self) -> u32 {
        let (year, month) =
            if self.month > 2 { (self.year, self.month - 3) } else { (self.year - 1, self.month + 9) };
        days_of_years(year) + days_of_months(month) + self.day - 1
    }
}

/// Days in so many years from the first of March of the year 0.
const fn days_of_years(years: u32) -> u32 {
    years * 365 + years / 4 - years / 100 + years / 400
}

/// Days in so many months from the first of March.
const fn days_of_months(months: u32) -> u32 {
    (153 * months + 2) / 5
}

fn text(written: &[u8]) -> &str {
    std::str::from_utf8(written).expect("digits and marks")
}

/// The number that two digits write, if they are digits.
fn two(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
}

/// Writes a number below 100 with two digits.
fn write_two(room: &mut [u8], place: usize, number: u32) {
    let number = u8::try_from(number).unwrap_or(0);
    room[place] = b'0' + number / 10;
    room[place + 1] = b'0' + number % 10;
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut room = FORM;
        out.serialize_str(self.on_the_wire(&mut room))
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
    use time::{Month, OffsetDateTime};

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
            // A prime, so that every part takes many values; some 160,000 times.
            micros += 1_999_999_999_973;
        }
        assert_eq!(Timestamp::parse("2024-02-29 12:00:00").expect("a day").file_stamp(), "20240229T120000Z");
    }

    #[test]
    fn a_day_exists_where_the_time_crate_has_it() {
        for year in [0, 1, 4, 100, 1900, 1970, 2000, 2023, 2024, 2100, 9999] {
            for month in 0..=13 {
                for day in 0..=32 {
                    let written = format!("{year:04}-{month:02}-{day:02} 23:59:59");
                    let named = Month::try_from(month).ok();
                    let date = named.and_then(|month| time::Date::from_calendar_date(year, month, day).ok());
                    let moment = date
                        .filter(|_| year > 0)
                        .map(|date| date.with_hms(23, 59, 59).expect("a time").assume_utc().unix_timestamp());
                    assert_eq!(Timestamp::parse(&written).map(Timestamp::unix_seconds), moment, "{written}");
                }
            }
        }
    }
}
