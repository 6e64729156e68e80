//! The only writer of log lines. A line is made of fixed words, numbers and values that were redacted or escaped;
//! a raw text does not fit into it.
//!
//! | file | does |
//! | --- | --- |
//! | `field.rs` | says what may stand in a line |
//! | `line.rs` | how a finished line looks, and how ours are told from others |
//! | `logger.rs` | takes the lines that libraries log |
//! | `forward.rs` | takes over standard error, and carries lines to where they belong without holding anybody up |
//! | `collect.rs` | keeps warnings for a command, in place of writing them |
//! | `repeated.rs` | counts what would be a line for each of many requests |

mod collect;
mod field;
mod forward;
mod line;
mod logger;
mod repeated;

pub use collect::collect;
pub use field::{Field, cause, escaped, own_address, path};
pub use line::LogFormat;
pub use repeated::{Repeated, RepeatedByCause};

use crate::os;
use crate::rng::Rng;
use field::fields_as_text;
use forward::Forwarder;
use line::{Mark, Style, TARGET};
use logger::Logger;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::OnceLock;
use std::time::Duration;

/// Whether the lines about single requests are wanted at all; making them costs time.
#[must_use]
pub fn shows_requests() -> bool {
    log::log_enabled!(target: TARGET, log::Level::Info)
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

/// How long the end of the process waits for its last lines to be written.
const FINISH_PATIENCE: Duration = Duration::from_secs(2);

/// Set up once for the process, if it logs.
static FORWARDER: OnceLock<Forwarder> = OnceLock::new();

/// Takes over standard error, and standard output with it, and sets up logging there. From now on printing never
/// fails and never waits for whoever reads the log. `timestamps` is off where the journal stamps each line itself.
///
/// # Errors
///
/// The system has no more descriptors or threads, or logging is set up already.
pub fn start(format: LogFormat, level: log::LevelFilter, timestamps: bool, rng: &dyn Rng) -> io::Result<()> {
    let style = Style { format, timestamps };
    let mut random = [0; 8];
    rng.fill(&mut random);
    let mark = Mark::new(random);
    let log = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let (from, into) = io::pipe()?;
    os::linger_at_abort(&from);
    let forwarder = Forwarder::start(from, log, style, mark.clone())?;
    os::replace_standard(os::STDERR, &into)?;
    os::replace_standard(os::STDOUT, &into)?;
    log::set_boxed_logger(Box::new(Logger::new(style, mark))).map_err(io::Error::other)?;
    set_level(level);
    // Somebody who came first would have set the logger, too.
    let _ = FORWARDER.set(forwarder);
    Ok(())
}

/// The least level that is logged from now on.
pub fn set_level(level: log::LevelFilter) {
    log::set_max_level(level);
}

/// The least level that is logged.
#[must_use]
pub fn level() -> log::LevelFilter {
    log::max_level()
}

/// Waits a little until all lines are written. The last thing that a process does.
pub fn finish() {
    if let Some(forwarder) = FORWARDER.get() {
        forwarder.finish(FINISH_PATIENCE);
    }
}

/// Has it logged where code panics. A panic's message may hold data of a request; its place never does.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        // A panic in here would end the process.
        let Some(forwarder) = FORWARDER.get().filter(|_| log::max_level() >= log::Level::Error) else {
            return;
        };
        let place = field::place(panic.location());
        forwarder.write(log::Level::Error, "a bug in the server", &[("at", place)]);
    }));
}

fn write(level: log::Level, what: &'static str, fields: &[(&'static str, Field)]) {
    if collect::take(level, || fields_as_text(what, fields)) || !log::log_enabled!(target: TARGET, level) {
        return;
    }
    if let Some(forwarder) = FORWARDER.get() {
        forwarder.write(level, what, fields);
    }
}
