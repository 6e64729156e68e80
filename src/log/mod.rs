//! The only writer of log lines. A line is made of fixed words, numbers and values that were redacted or escaped;
//! a raw text does not fit into it.
//!
//! | file | does |
//! | --- | --- |
//! | `line.rs` | how a finished line looks, and how ours are told from others |
//! | `logger.rs` | writes lines, ours and those that libraries log |
//! | `forward.rs` | takes over standard error, and carries lines to where they belong without holding anybody up |
//! | `repeated.rs` | counts what would be a line for each of many requests |

mod forward;
mod line;
mod logger;
mod repeated;

pub use repeated::Repeated;

use crate::chance::Chance;
use crate::guard::redact::{self, Escaped, Redacted};
use crate::os;
use forward::Forwarder;
use line::{Mark, Style};
use logger::Logger;
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::OnceLock;
use std::time::Duration;

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

/// How long the end of the process waits for its last lines to be written.
const FINISH_PATIENCE: Duration = Duration::from_secs(2);

/// What is set up once for the process.
struct Installed {
    style: Style,
    forwarder: Forwarder,
}

static INSTALLED: OnceLock<Installed> = OnceLock::new();

/// Takes over standard error, and standard output with it, and sets up logging there. From now on printing never
/// fails and never waits for whoever reads the log. `timestamps` is off where the journal stamps each line itself.
///
/// # Errors
///
/// The system has no more descriptors or threads, or logging is set up already.
pub fn start(
    format: LogFormat,
    level: log::LevelFilter,
    timestamps: bool,
    chance: &dyn Chance,
) -> io::Result<()> {
    let style = Style { format, timestamps };
    let mut random = [0; 8];
    chance.fill(&mut random);
    let mark = Mark::new(random);
    let log = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let (from, into) = io::pipe()?;
    os::linger_at_abort(&from);
    let forwarder = Forwarder::start(from, log, style, mark.clone())?;
    os::replace_standard(os::STDERR, &into)?;
    os::replace_standard(os::STDOUT, &into)?;
    log::set_boxed_logger(Box::new(Logger::new(style, level, mark))).map_err(io::Error::other)?;
    log::set_max_level(level);
    // Somebody who came first would have set the logger, too.
    let _ = INSTALLED.set(Installed { style, forwarder });
    Ok(())
}

/// Waits a little until all lines are written. The last thing that a process does.
pub fn finish() {
    if let Some(installed) = INSTALLED.get() {
        installed.forwarder.finish(FINISH_PATIENCE);
    }
}

/// Has it logged where code panics. A panic's message may hold data of a request; its place never does.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        // A panic in here would end the process. The thread may have been in the midst of printing something, so
        // this goes past standard error.
        let Some(installed) = INSTALLED.get().filter(|_| log::max_level() >= log::Level::Error) else {
            return;
        };
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        installed.forwarder.write(log::Level::Error, "a fault in the server", &[("at", words(&place))]);
    }));
}

fn write(level: log::Level, what: &'static str, fields: &[(&'static str, Field)]) {
    if !log::log_enabled!(target: TARGET, level) {
        return;
    }
    let is_json = INSTALLED.get().is_some_and(|installed| installed.style.format == LogFormat::Json);
    let line = if is_json { fields_as_json(what, fields) } else { fields_as_text(what, fields) };
    log::log!(target: TARGET, level, "{line}");
}

const TARGET: &str = "authnzerver";

fn fields_as_text(what: &str, fields: &[(&'static str, Field)]) -> String {
    let mut line = what.to_owned();
    for (name, value) in fields {
        let text = value.to_string();
        // Texts from outside are always quoted, and hold no quote that is not escaped already. Writing into a
        // String cannot fail.
        let _ = match value {
            Field::Escaped(_) | Field::Redacted(_) => write!(line, " {name}=\"{text}\""),
            _ if text.is_empty() || text.contains(needs_quotes) => write!(line, " {name}={text:?}"),
            _ => write!(line, " {name}={text}"),
        };
    }
    line
}

/// What would end a value, or the line, if it stood in it unquoted.
fn needs_quotes(letter: char) -> bool {
    matches!(letter, '"' | '=' | '\\') || letter.is_whitespace() || letter.is_control()
}

fn fields_as_json(what: &str, fields: &[(&'static str, Field)]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_be_forged() {
        let fields = [("outcome", Field::Words("refused now")), ("count", Field::from(3_u32))];
        assert_eq!(fields_as_text("request", &fields), r#"request outcome="refused now" count=3"#);
        assert_eq!(
            fields_as_json("request", &fields),
            r#"{"count":3,"event":"request","outcome":"refused now"}"#
        );
    }
}
