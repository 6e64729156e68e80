//! What a finished line of the log looks like, and by which mark the lines of our own logger are told from whatever
//! else arrives on standard error.

use super::field::{Field, fields_as_json, push_fields};
use crate::clock::Timestamp;
use log::Level;

/// What `simple_logger` writes before a line's text, apart from the time: five characters for the level, the target in
/// brackets, and the blanks between.
const PREFIX_CHARACTERS: usize = "LEVEL [] ".len();
/// A time with its blank, as `simple_logger` writes it.
const TIMESTAMP_CHARACTERS: usize = "2026-11-23T14:06:11.930Z ".len();
/// Fraction digits of a second in text lines.
const FRACTION_DIGITS: usize = 3;
/// What fills a level up to the length of the longest.
const LEVEL_PADDING: &str = "     ";
/// The line of a request takes a little less.
const LINE_BYTES_MOSTLY: usize = 256;

/// What our lines call themselves among those of libraries.
pub(super) const TARGET: &str = "authnzerver";

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// `key=value` pairs, for people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// How lines look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub format: LogFormat,
    pub timestamps: bool,
}

impl Style {
    /// A whole line, without its end.
    pub(super) fn line(
        self,
        now: Timestamp,
        level: Level,
        what: &'static str,
        fields: &[(&'static str, Field)],
    ) -> String {
        match self.format {
            LogFormat::Json => json(now, level, &fields_as_json(what, fields)),
            LogFormat::Text => {
                let mut line = String::with_capacity(LINE_BYTES_MOSTLY);
                if self.timestamps {
                    push_time(now, &mut line);
                }
                let level = level.as_str();
                // A line stands behind each request, so that nothing is formatted here that can be put down as it is.
                for part in &[level, LEVEL_PADDING.get(level.len()..).unwrap_or_default(), " [", TARGET, "] "]
                {
                    line.push_str(part);
                }
                push_fields(what, fields, &mut line);
                line
            }
        }
    }

    /// How many bytes of a line come before its text, where `simple_logger` makes it.
    pub(super) const fn prefix_bytes(self, target: &str) -> usize {
        let time = if self.timestamps { TIMESTAMP_CHARACTERS } else { 0 };
        time + PREFIX_CHARACTERS + target.len()
    }
}

/// The object with time and level in front.
pub(super) fn json(now: Timestamp, level: Level, object: &str) -> String {
    let keys = object.strip_prefix('{').unwrap_or(object);
    format!(r#"{{"time":"{}Z","level":"{level}",{keys}"#, now.wire())
}

/// As `simple_logger` writes it: always with milliseconds.
fn push_time(now: Timestamp, line: &mut String) {
    let stored = now.stored();
    let (date, time) = stored.split_once(' ').unwrap_or((&stored, ""));
    let whole = time.find('.').map_or(time.len(), |point| time.len().min(point + 1 + FRACTION_DIGITS));
    for part in &[date, "T", &time[..whole], "Z "] {
        line.push_str(part);
    }
}

/// Stands at the end of each line of ours, with the line's length. Nobody else knows it, so nobody else's line passes
/// for one.
#[derive(Clone, Debug)]
pub(super) struct Mark(String);

impl Mark {
    /// Random bytes make it.
    pub(super) fn new(random: [u8; 8]) -> Self {
        Self(format!("\u{1e}{:016x}:", u64::from_le_bytes(random)))
    }

    /// What follows a line of so many bytes.
    pub(super) fn after(&self, line_bytes: usize) -> String {
        format!("{}{line_bytes:x}", self.0)
    }

    /// What says, instead of a length, that the log ends here.
    pub(super) fn end(&self) -> String {
        format!("{}end", self.0)
    }

    /// Takes apart what arrived: what came before a line of ours, and that line.
    pub(super) fn split<'a>(&self, arrived: &'a [u8]) -> Arrived<'a> {
        let mark = self.0.as_bytes();
        let Some(at) = arrived.windows(mark.len()).rposition(|bytes| bytes == mark) else {
            return Arrived { before: arrived, ours: None, is_end: false };
        };
        let (content, told) = (&arrived[..at], &arrived[at + mark.len()..]);
        if told == b"end" {
            return Arrived { before: content, ours: None, is_end: true };
        }
        let length = std::str::from_utf8(told).ok().and_then(|told| usize::from_str_radix(told, 16).ok());
        match length.and_then(|length| content.len().checked_sub(length)) {
            Some(start) => {
                let (before, ours) = content.split_at(start);
                Arrived { before, ours: Some(ours), is_end: false }
            }
            None => Arrived { before: arrived, ours: None, is_end: false },
        }
    }
}

/// A line that arrived, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arrived<'a> {
    /// What did not come from our logger; often nothing.
    pub before: &'a [u8],
    /// A line of our logger.
    pub ours: Option<&'a [u8]>,
    /// Whether nothing more is to be expected.
    pub is_end: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style { format: LogFormat::Text, timestamps: true };

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-23 14:06:11.930944").expect("a time")
    }

    #[test]
    fn lines_look_the_same_whoever_makes_them() {
        let line = STYLE.line(now(), Level::Warn, "it happened", &[("count", 2_u32.into())]);
        assert_eq!(line, "2026-11-23T14:06:11.930Z WARN  [authnzerver] it happened count=2");
        assert_eq!(line.find("it happened"), Some(STYLE.prefix_bytes("authnzerver")));
        let json = Style { format: LogFormat::Json, ..STYLE };
        let line = json.line(now(), Level::Error, "it happened", &[("count", 2_u32.into())]);
        let expected =
            r#"{"time":"2026-11-23T14:06:11.930944Z","level":"ERROR","count":2,"event":"it happened"}"#;
        assert_eq!(line, expected);
    }

    #[test]
    fn only_a_true_mark_makes_a_line_ours() {
        let mark = Mark::new([7; 8]);
        let ours = |text: &str| format!("{text}{}", mark.after(4));
        let split = |text: &str| {
            let text = text.as_bytes().to_vec();
            let arrived = mark.split(&text);
            (arrived.before.to_vec(), arrived.ours.map(<[u8]>::to_vec), arrived.is_end)
        };
        assert_eq!(split(&ours("line")), (b"".to_vec(), Some(b"line".to_vec()), false));
        assert_eq!(split(&ours("raw line")), (b"raw ".to_vec(), Some(b"line".to_vec()), false));
        let other = format!("line{}", Mark::new([8; 8]).after(4));
        for raw in ["line", &other, &ours("x"), &format!("{}!", ours("line"))] {
            assert_eq!(split(raw), (raw.as_bytes().to_vec(), None, false), "{raw:?}");
        }
        assert_eq!(split(&format!("raw{}", mark.end())), (b"raw".to_vec(), None, true));
    }
}
