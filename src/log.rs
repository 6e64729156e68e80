//! The only writer of log lines. A line is made of fixed words, numbers and values that were redacted or escaped;
//! a raw text does not fit into it.

use crate::clock::{Clock, SystemClock};
use crate::guard::redact::{self, Escaped, Redacted};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

/// A value in a log line.
pub enum Field {
    /// Fixed words.
    Words(&'static str),
    /// A number.
    Number(i64),
    /// Personal data, hashed.
    Redacted(Redacted),
    /// A text from outside, cut and with its control characters made visible.
    Escaped(Escaped),
    /// An error of ours, whose text names no person and no secret.
    Cause(String),
}

impl From<&'static str> for Field {
    fn from(words: &'static str) -> Self {
        Self::Words(words)
    }
}

macro_rules! field_from_number {
    ($($number:ty),+) => {$(
        impl From<$number> for Field {
            fn from(number: $number) -> Self {
                Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
            }
        }
    )+};
}
field_from_number!(i64, u64, usize, u32, u128);

impl From<Redacted> for Field {
    fn from(redacted: Redacted) -> Self {
        Self::Redacted(redacted)
    }
}

impl From<Escaped> for Field {
    fn from(escaped: Escaped) -> Self {
        Self::Escaped(escaped)
    }
}

/// Marks the text of one of our own errors as fit for the log.
pub fn cause(error: &(impl std::error::Error + ?Sized)) -> Field {
    Field::Cause(error.to_string())
}

/// A text from outside as it may stand in a log line: cut, and with its control characters made visible.
pub fn escaped(text: &str) -> Field {
    Field::Escaped(redact::escape_for_log(text, ESCAPED_CHARACTERS_MAX))
}

/// Characters of a request's ID or name that a log line shows.
const ESCAPED_CHARACTERS_MAX: usize = 64;

/// Whether the lines about single requests are wanted at all; making them costs time.
#[must_use]
pub fn shows_requests() -> bool {
    log::log_enabled!(target: TARGET, log::Level::Info)
}

/// Fixed words that a type of ours displays as.
pub fn words(words: &impl std::fmt::Display) -> Field {
    Field::Cause(words.to_string())
}

/// Something worth knowing happened.
pub fn info(what: &'static str, fields: &[(&'static str, Field)]) {
    write(log::Level::Info, what, fields);
}

/// Something is not as it should be; the server goes on.
pub fn warning(what: &'static str, fields: &[(&'static str, Field)]) {
    write(log::Level::Warn, what, fields);
}

/// Something failed.
pub fn error(what: &'static str, fields: &[(&'static str, Field)]) {
    write(log::Level::Error, what, fields);
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// `key=value` pairs, for people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

static JSON: AtomicBool = AtomicBool::new(false);

/// Sets up logging on standard error. `timestamps` is off where the journal stamps each line itself.
///
/// # Errors
///
/// When a logger is set up already.
pub fn install(
    format: LogFormat,
    level: log::LevelFilter,
    timestamps: bool,
) -> Result<(), log::SetLoggerError> {
    JSON.store(format == LogFormat::Json, Ordering::Relaxed);
    if format == LogFormat::Json {
        log::set_boxed_logger(Box::new(JsonLines { level }))?;
        log::set_max_level(level);
        return Ok(());
    }
    let logger = simple_logger::SimpleLogger::new().with_level(level);
    // This crate calls every closed connection an error.
    let logger = logger.with_module_level("may_minihttp", log::LevelFilter::Off);
    // And this one tells of every connection.
    let logger = logger.with_module_level("may", log::LevelFilter::Warn);
    if timestamps { logger.with_utc_timestamps() } else { logger.without_timestamps() }.init()
}

fn write(level: log::Level, what: &'static str, fields: &[(&'static str, Field)]) {
    if !log::log_enabled!(target: TARGET, level) {
        return;
    }
    let line = if JSON.load(Ordering::Relaxed) { json_line(what, fields) } else { text_line(what, fields) };
    log::log!(target: TARGET, level, "{line}");
}

const TARGET: &str = "authnzerver";

fn text_line(what: &str, fields: &[(&'static str, Field)]) -> String {
    let mut line = what.to_owned();
    for (name, value) in fields {
        let text = value.to_string();
        // Texts from outside are always quoted, and hold no quote that is not escaped already. Writing into a
        // String cannot fail.
        let _ = match value {
            Field::Escaped(_) | Field::Redacted(_) => write!(line, " {name}=\"{text}\""),
            _ if text.is_empty() || text.contains([' ', '"', '=']) => write!(line, " {name}={text:?}"),
            _ => write!(line, " {name}={text}"),
        };
    }
    line
}

fn json_line(what: &str, fields: &[(&'static str, Field)]) -> String {
    let mut object = serde_json::Map::new();
    object.insert("event".to_owned(), what.into());
    for (name, value) in fields {
        let value =
            if let Field::Number(number) = value { (*number).into() } else { value.to_string().into() };
        object.insert((*name).to_owned(), value);
    }
    serde_json::Value::Object(object).to_string()
}

impl std::fmt::Display for Field {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Words(words) => out.write_str(words),
            Self::Number(number) => number.fmt(out),
            Self::Redacted(redacted) => redacted.fmt(out),
            Self::Escaped(escaped) => escaped.fmt(out),
            Self::Cause(text) => out.write_str(text),
        }
    }
}

/// Prints one JSON object a line: our own lines are objects already, those of crates are wrapped.
struct JsonLines {
    level: log::LevelFilter,
}

impl log::Log for JsonLines {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= self.level && !is_noise(metadata)
    }

    #[expect(clippy::print_stderr, reason = "this is where log lines leave")]
    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let time = SystemClock::new().now().wire();
        let level = record.level();
        let text = record.args().to_string();
        if record.target() == TARGET {
            let keys = text.strip_prefix('{').unwrap_or(&text);
            eprintln!(r#"{{"time":"{time}Z","level":"{level}",{keys}"#);
        } else {
            let event = serde_json::Value::from(text);
            eprintln!(r#"{{"time":"{time}Z","level":"{level}","event":{event}}}"#);
        }
    }

    fn flush(&self) {}
}

/// These crates report every connection that comes and goes.
fn is_noise(metadata: &log::Metadata<'_>) -> bool {
    let target = metadata.target();
    target.starts_with("may_minihttp") || target.starts_with("may::") && metadata.level() > log::Level::Warn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_be_forged() {
        let fields = [("outcome", Field::Words("refused now")), ("count", Field::from(3_u32))];
        assert_eq!(text_line("request", &fields), r#"request outcome="refused now" count=3"#);
        assert_eq!(json_line("request", &fields), r#"{"count":3,"event":"request","outcome":"refused now"}"#);
    }
}
