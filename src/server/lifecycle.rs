//! The server's life as a process: it starts to log and serve, obeys signals, and stops in good order.

use super::boot::{build, check_keys, note_keys, read_email_texts, read_policy};
use super::database::failure_text;
use super::listen::{open_listener, open_metrics, read_certificate};
use super::maintenance::run_maintenance;
use super::process::Process;
use super::rate_limits::warn_of_idle_rate_limits;
use super::resources::{ensure_resources, plan_memory};
use crate::accounts::delivery;
use crate::accounts::events::note_policy_reloaded;
use crate::accounts::first_users::add_roles;
use crate::app::App;
use crate::clock::Clock;
use crate::config::base_directory;
use crate::config::{Problems, Reloaded, Startup};
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
    for concern in base_directory::concerns(&config.base_directory, &config.database, !notes.is_empty()) {
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
    wait_for_stop(signals, process, &reloaded, &app, &listener);
    log::info("stopping", &[]);
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
                SIGHUP => {
                    reload_log_level(reloaded);
                    reload_policy(app);
                    reload_certificate(process, app, listener);
                    reload_keys(reloaded, app);
                    reload_email_texts(app);
                }
                SIGTERM | SIGINT => return,
                _ => {}
            }
        }
        std::thread::park_timeout(SIGNALS_EVERY);
    }
}

fn reload_policy(app: &App) {
    let read = read_policy(app.config.permissions_file.as_deref()).and_then(|policy| {
        // A role that is missing from the database could not be given to anyone.
        let added = add_roles(&app.store, &policy).map_err(|failure| failure_text(&failure, &app.store))?;
        Ok((policy, added))
    });
    match read {
        Ok((policy, added)) => {
            app.policy.store(Arc::new(policy));
            if let Err(error) = note_policy_reloaded(app) {
                log::error("no event tells of the new policy", &[("cause", log::cause(&error))]);
            }
            log::info("read the permissions policy again", &[("roles_added", added.into())]);
        }
        Err(problem) => {
            log::error("kept the old permissions policy", &[("cause", log::cause(&problem))]);
        }
    }
}

/// A request that is under way is answered with the key that it came with.
fn reload_keys(reloaded: &Reloaded, app: &App) {
    match reloaded.keys() {
        Ok(keys) => {
            if let Err(problem) = check_keys(&keys) {
                log::error("kept the old keys", &[("cause", log::cause(&problem))]);
                return;
            }
            let count = keys.len();
            app.keys.store(Arc::new(keys));
            note_keys(app);
            log::info("read the keys again", &[("count", count.into())]);
        }
        Err(problems) => tell_each("kept the old keys", &problems),
    }
}

/// Tells of the change on whichever level still shows it.
fn reload_log_level(reloaded: &Reloaded) {
    let before = log::level();
    match reloaded.log_level() {
        Ok(level) if level == before => {}
        Ok(level) => {
            log::set_level(level.max(before));
            log::info("logs another level", &[("level", level.as_str().into())]);
            log::set_level(level);
        }
        Err(problems) => tell_each("kept the old log level", &problems),
    }
}

fn tell_each(what: &'static str, problems: &Problems) {
    for problem in problems.lines() {
        log::error(what, &[("cause", log::cause(problem))]);
    }
}

fn reload_email_texts(app: &App) {
    if app.config.email_templates.is_none() {
        return;
    }
    match read_email_texts(&app.config) {
        Ok(texts) => {
            let count = texts.own();
            app.email_texts.store(Arc::new(texts));
            log::info("read the email texts again", &[("count", count.into())]);
        }
        Err(problems) => {
            for problem in &problems {
                log::error("kept the old email texts", &[("cause", log::cause(problem))]);
            }
        }
    }
}

fn reload_certificate(process: &Process, app: &App, listener: &Listener) {
    match read_certificate(&app.config, process) {
        Ok(Some(certificate)) => {
            listener.change_certificate(&certificate);
            log::info("read the certificate again", &[]);
        }
        Ok(None) => {}
        Err(problem) => log::error("kept the old certificate", &[("cause", log::cause(&problem))]),
    }
}
