//! Values of the API as JSON: what is read has to be of the type that the API says.

use serde_json::{Map, Value};
use std::fmt;
use std::time::{Duration, SystemTime};

/// A value is not what the API says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit(String);

impl fmt::Display for Unfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Is read from JSON.
pub trait FromJson: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// The value is of another type.
    fn from_json(value: Value) -> Result<Self, Unfit>;
}

/// Is written as JSON.
pub trait ToJson {
    /// Writes it.
    fn to_json(&self) -> Value;
}

/// How deeply an answer may be nested. A request has 128 levels at most, and what it notes stands in answers a few deeper.
const LEVELS_MAX: usize = 256;

/// Reads JSON that is nested no more deeply than a small stack can bear.
pub(crate) fn tree(text: &[u8]) -> Option<Value> {
    if levels(text) > LEVELS_MAX {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    reader.disable_recursion_limit();
    let mut values = reader.into_iter::<Value>();
    let value = values.next()?.ok()?;
    if values.next().is_none() { Some(value) } else { None }
}

/// How deeply a text is nested at most, if it is JSON.
fn levels(text: &[u8]) -> usize {
    let (mut now, mut most, mut is_text, mut is_escaped) = (0_usize, 0, false, false);
    for letter in text {
        match letter {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => now += 1,
            b']' | b'}' if !is_text => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

/// The members of an object.
pub(crate) fn record(value: Value, name: &str) -> Result<Map<String, Value>, Unfit> {
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(Unfit(format!("{name} is no object"))),
    }
}

/// A member that has to be there. Others are left aside, so that a newer server may add some.
pub(crate) fn part<T: FromJson>(map: &mut Map<String, Value>, key: &str, name: &str) -> Result<T, Unfit> {
    let value = map.remove(key).ok_or_else(|| Unfit(format!("{name} lacks {key}")))?;
    T::from_json(value).map_err(|unfit| Unfit(format!("{key} of {name}: {unfit}")))
}

pub(crate) fn put(body: &mut Map<String, Value>, key: &str, value: &impl ToJson) {
    body.insert(key.to_owned(), value.to_json());
}

pub(crate) fn put_some<T: ToJson>(body: &mut Map<String, Value>, key: &str, value: &Option<T>) {
    if let Some(value) = value {
        put(body, key, value);
    }
}

macro_rules! read {
    ($($kind:ty, $word:literal, $pattern:pat => $value:expr;)*) => {$(
        impl FromJson for $kind {
            fn from_json(value: Value) -> Result<Self, Unfit> {
                match value {
                    $pattern => Some($value),
                    _ => None,
                }
                .flatten()
                .ok_or_else(|| Unfit(concat!("no ", $word).to_owned()))
            }
        }
    )*};
}

read! {
    bool, "bool", Value::Bool(value) => Some(value);
    i64, "whole number", Value::Number(value) => value.as_i64();
    f64, "number", Value::Number(value) => value.as_f64();
    String, "text", Value::String(value) => Some(value);
    SystemTime, "time", Value::String(value) => time_of(&value);
}

impl FromJson for Value {
    fn from_json(value: Value) -> Result<Self, Unfit> {
        Ok(value)
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(value: Value) -> Result<Self, Unfit> {
        if value.is_null() { Ok(None) } else { T::from_json(value).map(Some) }
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(value: Value) -> Result<Self, Unfit> {
        match value {
            Value::Array(values) => values.into_iter().map(T::from_json).collect(),
            _ => Err(Unfit("no list".to_owned())),
        }
    }
}

macro_rules! write {
    ($($kind:ty),*) => {$(
        impl ToJson for $kind {
            fn to_json(&self) -> Value {
                Value::from(self.clone())
            }
        }
    )*};
}

write!(&str, i64, f64, bool, Map<String, Value>, Value);

impl<T: ToJson> ToJson for Option<T> {
    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, ToJson::to_json)
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn to_json(&self) -> Value {
        Value::Array(self.iter().map(ToJson::to_json).collect())
    }
}

/// Reads `2027-01-31T12:00:00.5`. Times of the API are in UTC and do not say so.
fn time_of(text: &str) -> Option<SystemTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let bytes = whole.as_bytes();
    let has_marks = bytes.len() == 19
        && [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')]
            .iter()
            .all(|(place, mark)| bytes[*place] == *mark);
    let number = |from: usize, length: usize| {
        let digits = whole.get(from..from + length)?;
        if digits.bytes().all(|digit| digit.is_ascii_digit()) { digits.parse::<i64>().ok() } else { None }
    };
    if !has_marks
        || !(1..=9).contains(&fraction.len())
        || !fraction.bytes().all(|digit| digit.is_ascii_digit())
    {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if year < 1
        || !(1..=12).contains(&month)
        || !(1..=longest).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    let length = Duration::from_secs(seconds.unsigned_abs());
    let start = SystemTime::UNIX_EPOCH;
    let start = if seconds < 0 { start.checked_sub(length) } else { start.checked_add(length) };
    start?.checked_add(Duration::from_nanos(nanoseconds))
}

/// Counts years from March, so that a leap day is the last one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469
}

/// `2027-01-31 12:00`, in UTC.
pub(crate) fn date_and_time(time: SystemTime) -> String {
    let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(0),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(0, |seconds| -seconds),
    };
    let minutes = seconds.div_euclid(60);
    let days = minutes.div_euclid(24 * 60) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Counted from March.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + i64::from(month < 3);
    let (hour, minute) = (minutes.div_euclid(60).rem_euclid(24), minutes.rem_euclid(60));
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::LoggedInUser;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00", 0),
            ("2000-02-29T00:00:01", 951_782_401),
            ("2024-12-31T23:59:59", 1_735_689_599),
            ("2000-03-01T00:00:00", 951_868_800),
            ("2027-01-31T12:00:00", 1_801_396_800),
            ("2100-03-01T00:00:00", 4_107_542_400),
        ] {
            let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(time_of(text), Some(expected), "{text}");
            assert_eq!(date_and_time(expected), text[..16].replace('T', " "));
            assert_eq!(time_of(&format!("{text}.25")), Some(expected + Duration::from_millis(250)), "{text}");
        }
        assert_eq!(time_of("1969-12-31T23:59:59"), Some(SystemTime::UNIX_EPOCH - Duration::from_secs(1)));
        for text in [
            "",
            "soon",
            "2027-01-31",
            "2027-13-01T00:00:00",
            "2027-02-29T00:00:00",
            "2027-01-31T24:00:00",
            "2027-01-31T12:00:00.",
            "2027-01-31T12:00:00.x",
            "+027-01-31T12:00:00",
            "2027-01-31 12:00:00",
            "2027-01-31T12:00:00Z",
            "2027-01-31T12:00:00.0000000001",
            "ü027-01-31T12:00:0",
        ] {
            assert_eq!(time_of(text), None, "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let objects = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        assert!(
            tree(nested(LEVELS_MAX).as_bytes()).is_some() && tree(objects(LEVELS_MAX).as_bytes()).is_some()
        );
        for levels in [LEVELS_MAX + 1, 100_000] {
            assert!(tree(nested(levels).as_bytes()).is_none() && tree(objects(levels).as_bytes()).is_none());
            assert!(tree("[".repeat(levels).as_bytes()).is_none());
        }
        // What stands in a text is no nesting, and a mark behind a backslash ends none.
        let text = format!(r#"["\"{}\\", [{}]]"#, "[".repeat(1000), nested(LEVELS_MAX - 2));
        assert!(tree(text.as_bytes()).is_some());
        let text = format!(r#"["\\", [[{}]]]"#, nested(LEVELS_MAX - 2));
        assert!(tree(text.as_bytes()).is_none());
        for text in ["", "1 2", "{}{}", "nul", "[1,]", "\u{feff}1"] {
            assert!(tree(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn records_are_what_the_api_says() {
        let good =
            r#"{"user_id":4,"system_id":"s","full_name":null,"email":"e","user_role":"staff","more":1}"#;
        let read = |text: &str| LoggedInUser::from_json(serde_json::from_str(text).unwrap());
        assert_eq!(read(good).unwrap().user_id, 4);
        for (old, new) in [
            ("4", "true"),
            ("4", "4.0"),
            ("4", "\"4\""),
            ("4", "null"),
            ("4", "99999999999999999999"),
            ("\"s\"", "null"),
            ("\"s\"", "5"),
            ("\"user_id\"", "\"USER_ID\""),
            ("null", "5"),
            ("\"full_name\":null,", ""),
            (good, "null"),
            (good, "[]"),
        ] {
            assert!(read(&good.replacen(old, new, 1)).is_err(), "{new} is taken for {old}");
        }
    }
}
