//! The server's life as a process: it starts to log and serve, obeys signals, and stops in good order.

use super::boot::build;
use super::listen::{open_listener, open_metrics, read_certificate};
use super::maintenance::run_maintenance;
use super::notify::{self, Watchdog};
use super::process::Process;
use super::rate_limits::warn_of_idle_rate_limits;
use super::reload::reload;
use super::resources::{ensure_resources, plan_memory};
use crate::accounts::delivery;
use crate::app::App;
use crate::clock::Clock;
use crate::config::base_directory;
use crate::config::{Reloaded, Startup};
use crate::http::Listener;
use crate::log;
use crate::problem;
use crate::problem::Problem;
use crate::rng::Rng;
use signal_hook::consts::signal::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXFSZ,
};
use signal_hook::iterator::Signals;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Signals that stop the server, or have it read again what can change: log level, policy, certificate, keys and email
/// texts.
const SIGNALS_OBEYED: &[i32] = &[SIGTERM, SIGINT, SIGHUP];
/// Signals that would end the process by default, and are ignored: those that have other daemons reopen their logs,
/// timers that a parent may have left running, and the one for a file that has reached its size limit, which is a
/// failed write like others.
const SIGNALS_IGNORED: &[i32] =
    &[SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, libc::SIGPWR, SIGXFSZ];
/// How often to check for signals, and whether connections are still accepted.
const SIGNALS_EVERY: Duration = Duration::from_millis(100);

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum End {
    /// It was told to stop.
    Stopped,
    /// It could not serve, or no longer could. The reason is logged.
    Failed,
}

/// Serves until a signal says to stop. `notes` is what was made for this start.
pub fn run(
    loaded: Startup,
    notes: &[Problem],
    process: &Process,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
) -> End {
    let config = &loaded.config;
    // Before anything is started, so that no signal finds the default action in place.
    let signals = Signals::new(SIGNALS_OBEYED.iter().chain(SIGNALS_IGNORED));
    if let Err(error) = log::start(config.log_format, config.log_level, !process.logs_to_journal, &**rng) {
        // There is no log yet. Where even this cannot be written, the exit status has to do.
        let _ = writeln!(std::io::stderr(), "authnzerver: cannot start logging: {error}");
        return End::Failed;
    }
    for note in notes {
        log::info("first start", &[("note", log::cause(note))]);
    }
    for warning in &loaded.warnings {
        log::warning("settings", &[("note", log::cause(warning))]);
    }
    for concern in base_directory::concerns(&config.base_directory, config.database.path(), !notes.is_empty())
    {
        log::warning("base directory", &[("note", log::cause(&concern))]);
    }
    // Kept until the end.
    let _claim = base_directory::claim(&config.base_directory).unwrap_or_else(|concern| {
        log::warning("base directory", &[("note", log::cause(&concern))]);
        None
    });
    warn_of_idle_rate_limits(config);
    log::install_panic_hook();
    let served = match signals {
        Ok(signals) => serve(loaded, signals, process, clock, rng),
        Err(error) => Err(problem!("signals: {}", error)),
    };
    let end = match served {
        Ok(()) => End::Stopped,
        Err(problem) => {
            log::error("cannot serve", &[("cause", log::cause(&problem))]);
            End::Failed
        }
    };
    log::finish();
    end
}

fn serve(
    loaded: Startup,
    signals: Signals,
    process: &Process,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
) -> Result<(), Problem> {
    let certificate = read_certificate(&loaded.config, process)?;
    let speaks_tls = certificate.is_some();
    ensure_resources(&loaded.config, speaks_tls)?;
    let plan = plan_memory(&loaded.config)?;
    let reloaded = loaded.reloaded.clone();
    let app = Arc::new(build(loaded, process, &plan, clock, rng)?);
    let listener = open_listener(&app, process, &plan, clock, certificate)?;
    let metrics = open_metrics(&app, listener.traffic(), clock)?;
    let address = listener.local_addr();
    log::info(
        "serving",
        &[
            ("address", log::own_address(address)),
            ("tls", if speaks_tls { "on" } else { "off" }.into()),
            ("workers", app.config.workers.into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
        ],
    );
    let (stop, stopped) = channel::<()>();
    let maintenance = {
        let app = Arc::clone(&app);
        std::thread::Builder::new()
            .name("maintenance".to_owned())
            .spawn(move || run_maintenance(&app, &stopped))
    }
    .map_err(|error| problem!("cannot start a thread: {}", error))?;
    let watchdog = Watchdog::start(process, &app, address)
        .map_err(|error| problem!("cannot start a thread: {}", error))?;
    notify::tell(process, "READY=1");
    wait_for_stop(signals, process, &reloaded, &app, &listener);
    notify::tell(process, "STOPPING=1");
    log::info("stopping", &[]);
    // A stop has a time limit of its own.
    if let Some(watchdog) = watchdog {
        watchdog.stop();
    }
    app.store.end_watches();
    let was_accepting = listener.is_accepting();
    listener.stop(Duration::from_secs(app.config.drain_seconds_max.into()));
    if let Some(metrics) = metrics {
        metrics.stop(Duration::ZERO);
    }
    drop(stop);
    // It returns nothing, and a panic in it has been logged already.
    let _ = maintenance.join();
    delivery::stop(&app);
    app.store.close();
    log::info("stopped", &[]);
    if was_accepting { Ok(()) } else { Err("the listening socket was lost".into()) }
}

/// Returns when the server is to stop or can no longer be reached. Until then, reads again what can change, on request.
fn wait_for_stop(
    mut signals: Signals,
    process: &Process,
    reloaded: &Reloaded,
    app: &App,
    listener: &Listener,
) {
    while listener.is_accepting() {
        for signal in signals.pending() {
            match signal {
                SIGHUP => reload(process, reloaded, app, listener),
                SIGTERM | SIGINT => return,
                _ => {}
            }
        }
        std::thread::park_timeout(SIGNALS_EVERY);
    }
}
