//! Writes what libraries log on standard error, marked as lines of the log. Text lines are `simple_logger`'s. The texts
//! are escaped and cut, for libraries repeat what strangers sent.

use super::line::{LogFormat, Mark, Style, json};
use crate::clock::{Clock, SystemClock};
use crate::guard::redact::escape_for_log;
use log::{Level, LevelFilter, Log, Metadata, Record};
use simple_logger::SimpleLogger;

/// Characters that are shown of what a library logs.
const LIBRARY_CHARACTERS_MAX: usize = 1000;

/// What libraries log to.
pub(super) struct Logger {
    style: Style,
    mark: Mark,
    text: SimpleLogger,
}

impl Logger {
    pub(super) fn new(style: Style, mark: Mark) -> Self {
        // What is logged is decided in one place, where it can change.
        let text = SimpleLogger::new().with_level(LevelFilter::Trace);
        let text = if style.timestamps { text.with_utc_timestamps() } else { text.without_timestamps() };
        Self { style, mark, text }
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level() && !is_noise(metadata)
    }

    #[expect(clippy::print_stderr, reason = "this is where log lines leave")]
    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = record.args().to_string();
        match self.style.format {
            LogFormat::Text => {
                // Without a target, simple_logger writes another name, of a length that is not known here.
                let target = if record.target().is_empty() { "unknown" } else { record.target() };
                let text = escape_for_log(&text, LIBRARY_CHARACTERS_MAX).to_string();
                let mark = self.mark.after(self.style.prefix_bytes(target) + text.len());
                let mut marked = Record::builder();
                marked.target(target).level(record.level());
                self.text.log(&marked.args(format_args!("{text}{mark}")).build());
            }
            LogFormat::Json => {
                let event: String = text.chars().take(LIBRARY_CHARACTERS_MAX).collect();
                let object = format!(r#"{{"event":{}}}"#, serde_json::Value::from(event));
                let line = json(SystemClock::new().now(), record.level(), &object);
                let mark = self.mark.after(line.len());
                eprintln!("{line}{mark}");
            }
        }
    }

    fn flush(&self) {}
}

/// The coroutine library reports every connection that comes and goes.
fn is_noise(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    (target == "may" || target.starts_with("may::")) && metadata.level() > Level::Warn
}
