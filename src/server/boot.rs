//! Serving: from the settings to the last answered request.

use super::maintenance;
use super::memory::{self, Plan, Wanted};
use super::router::Server;
use super::startup::{self, FirstAdmin, describe, prepare_database};
use crate::accounts::first_users::{Initialised, add_roles};
use crate::actions::email::deliver;
use crate::app::{App, HeldAnswers};
use crate::chance::Chance;
use crate::cli::EXIT_FAILED;
use crate::clock::Clock;
use crate::config::base_directory::{self, settle_first_admin};
use crate::config::check::client_name;
use crate::config::{Config, EXTRA_ROOTS_VARIABLE, Loaded, as_meant};
use crate::edge::{Edge, EdgeLimits, Identity, IdentityFile, Workers};
use crate::files::read_small;
use crate::guard::guesses::Guesses;
use crate::guard::password::{Argon2Cost, HashCeilings, Hasher, HasherSettings};
use crate::guard::ratelimit::Limiter;
use crate::guard::secret::PasswordForm;
use crate::log::{self, Repeated};
use crate::outbound::mail::{MailSettings, SmtpMailer, read_extra_roots};
use crate::outbound::pwned::{LeakLookup, RangeClient, RangeSettings, file_then_network};
use crate::outbound::pwned_filter::PwnedFilter;
use crate::policy::model::Policy;
use crate::pool::Pool;
use crate::store::{Origin, Store};
use crate::wait::Pause;
use crate::wait::turnstile::Turnstiles;
use arc_swap::ArcSwap;
use signal_hook::consts::signal::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXFSZ,
};
use signal_hook::iterator::Signals;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

/// The stack of one connection's coroutine. The deepest path, a request nested as far as JSON may be, needs more than
/// half of it in an unoptimised build and less than a fifth in an optimised one; a test runs it.
pub const COROUTINE_STACK_BYTES: usize = 512 * 1024;
/// Signals that stop the server, or have it read its policy and certificate again.
const SIGNALS_OBEYED: &[i32] = &[SIGTERM, SIGINT, SIGHUP];
/// Signals that would end the process if nobody cared: those that other daemons take for "write the log anew" and the
/// like, timers that a parent may have left running, and the one for a file that may not grow any more, which is a
/// failed write like others.
const SIGNALS_IGNORED: &[i32] =
    &[SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, libc::SIGPWR, SIGXFSZ];
/// How often signals, and whether connections are still accepted, are looked at.
const SIGNALS_EVERY: Duration = Duration::from_millis(100);
/// Calls to the outside that are made at once, and that may wait for their turn.
const OUTBOUND_THREADS: usize = 4;
const OUTBOUND_WAITING_MAX: usize = 64;
/// Letters that are sent at once. A mail server may take minutes for one of them.
const POST_THREADS: usize = 8;
/// The largest policy file that is read.
const POLICY_BYTES_MAX: u64 = 1024 * 1024;

/// Serves until a signal says to stop; returns the exit status. `notes` is what was made for this start.
pub fn run(loaded: Loaded, notes: &[String], clock: &Arc<dyn Clock>, chance: &Arc<dyn Chance>) -> u8 {
    let config = &loaded.config;
    // Before anything is started, so that no signal finds the default action in place.
    let signals = Signals::new(SIGNALS_OBEYED.iter().chain(SIGNALS_IGNORED));
    // The journal stamps each line itself.
    let timestamps = std::env::var_os("JOURNAL_STREAM").is_none();
    if let Err(error) = log::start(config.log_format, config.log_level, timestamps, &**chance) {
        // There is no log yet. Where even this cannot be written, the exit status has to do.
        let _ = writeln!(std::io::stderr(), "authnzerver: cannot start logging: {error}");
        return EXIT_FAILED;
    }
    for note in notes {
        log::info("first start", &[("note", log::words(note))]);
    }
    for warning in &loaded.warnings {
        log::warning("settings", &[("note", log::words(warning))]);
    }
    for concern in base_directory::concerns(&config.base_directory, &config.database, !notes.is_empty()) {
        log::warning("base directory", &[("note", log::words(&concern))]);
    }
    // Kept until the end.
    let _claim = base_directory::claim(&config.base_directory).unwrap_or_else(|concern| {
        log::warning("base directory", &[("note", log::words(&concern))]);
        None
    });
    startup::warn_of_idle_rate_limits(config);
    log::report_panics();
    let served = match signals {
        Ok(signals) => serve(loaded, signals, clock, chance),
        Err(error) => Err(format!("signals: {error}")),
    };
    let status = match served {
        Ok(()) => 0,
        Err(problem) => {
            log::error("cannot serve", &[("cause", log::words(&problem))]);
            EXIT_FAILED
        }
    };
    log::finish();
    status
}

fn serve(
    loaded: Loaded,
    signals: Signals,
    clock: &Arc<dyn Clock>,
    chance: &Arc<dyn Chance>,
) -> Result<(), String> {
    let identity = read_identity(&loaded.config)?;
    let speaks_tls = identity.is_some();
    startup::ensure_resources(&loaded.config, speaks_tls)?;
    let plan = plan_memory(&loaded.config)?;
    let app = Arc::new(build(loaded, &plan, clock, chance)?);
    let edge = open_edge(&app, &plan, clock, identity)?;
    let address = edge.local_addr();
    log::info(
        "serving",
        &[
            ("address", log::words(&address)),
            ("tls", if speaks_tls { "on" } else { "off" }.into()),
            ("workers", app.config.workers.into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
        ],
    );
    let (stop, stopped) = channel::<()>();
    let keeper = {
        let app = Arc::clone(&app);
        std::thread::Builder::new()
            .name("housekeeper".to_owned())
            .spawn(move || maintenance::run(&app, &stopped))
    }
    .map_err(|error| format!("cannot start a thread: {error}"))?;
    wait_for_stop(signals, &app, &edge);
    log::info("stopping", &[]);
    let was_accepting = edge.is_accepting();
    edge.stop(Duration::from_secs(app.config.drain_seconds_max.into()));
    drop(stop);
    // It has nothing to return, and a fault in it was logged by itself.
    let _ = keeper.join();
    deliver::stop(&app);
    app.store.close();
    log::info("stopped", &[]);
    if was_accepting { Ok(()) } else { Err("the listening socket was lost".to_owned()) }
}

/// Opens the database, reads the policy and starts the hashing threads.
fn build(
    loaded: Loaded,
    plan: &Plan,
    clock: &Arc<dyn Clock>,
    chance: &Arc<dyn Chance>,
) -> Result<App, String> {
    let Loaded { config, admin, .. } = loaded;
    let policy = read_policy(config.permissions_file.as_deref())?;
    let hasher = start_hasher(&config, plan.threads, clock, chance)?;
    let store = open_store(&config.database, config.workers, Arc::clone(clock))?;
    let first_admin = || {
        settle_first_admin(&config.base_directory, &admin, &**chance)
            .map_err(|error| format!("cannot write the administrator's password: {error}"))
    };
    let _ = prepare_database(&store, &policy, &hasher, &**chance, &first_admin)?;
    let machine_name = machine_name();
    let extra_roots = extra_roots_file().map(|path| read_roots(&path)).transpose()?;
    let app = App {
        mail_settings: mail_settings(&config, &machine_name, extra_roots),
        limiter: Limiter::new(config.rate_limits.clone()),
        server_name: config.server_name.clone().unwrap_or(machine_name),
        policy: ArcSwap::from_pointee(policy),
        leaks: open_leaks(&config)?,
        outbound: Pool::start("outbound", OUTBOUND_THREADS, OUTBOUND_WAITING_MAX)
            .map_err(|error| format!("cannot start a thread: {error}"))?,
        mailer: Arc::new(SmtpMailer { clock: Arc::clone(clock) }),
        post: Pool::start("post", POST_THREADS, OUTBOUND_WAITING_MAX)
            .map_err(|error| format!("cannot start a thread: {error}"))?,
        config,
        store: Arc::new(store),
        hasher,
        clock: Arc::clone(clock),
        chance: Arc::clone(chance),
        pause: Pause::Real,
        turnstiles: Turnstiles::default(),
        slow_turnstiles: Turnstiles::default(),
        guesses: Guesses::default(),
        before_write: None,
        busy: Repeated::default(),
        held: HeldAnswers::default(),
        recent_letters: Arc::default(),
        mail_stops: Arc::default(),
    };
    maintenance::lift_locks(&app);
    Ok(app)
}

/// How to reach the mail server. What the machine is called stands in for a client's name that the operator did not
/// set, unless it has no dot, as in most containers: that means nothing to a mail server.
#[must_use]
pub fn mail_settings(config: &Config, machine_name: &str, extra_roots: Option<Vec<u8>>) -> MailSettings {
    MailSettings {
        server: config.email_server.clone(),
        port: config.email_port,
        client_name: config.email_client_name.clone().or_else(|| {
            let is_usable = machine_name.contains('.') && client_name(machine_name).is_ok();
            is_usable.then(|| machine_name.to_owned())
        }),
        user: config.email_user.clone(),
        password: config.email_password.clone(),
        sender: config.email_sender.clone(),
        protection: config.email_tls,
        verify: config.email_verify,
        extra_roots,
    }
}

/// Makes a database with its first users, for set-up; or sees that it has them.
///
/// # Errors
///
/// One line for the operator.
pub fn make_database(
    path: &Path,
    policy: Option<&Path>,
    first_admin: &FirstAdmin<'_>,
    clock: &Arc<dyn Clock>,
    chance: &Arc<dyn Chance>,
) -> Result<Initialised, String> {
    let policy = read_policy(policy)?;
    let settings = HasherSettings {
        cost: Argon2Cost::default(),
        form: PasswordForm::AsTyped,
        ceilings: HashCeilings::default(),
        threads: 1,
        places: None,
        memory_free: memory::free_bytes,
    };
    let hasher = Hasher::start(&settings, Arc::clone(chance), Arc::clone(clock));
    let hasher = hasher.map_err(|error| error.to_string())?;
    let store = open_store(path, 1, Arc::clone(clock))?;
    let initialised = prepare_database(&store, &policy, &hasher, &**chance, first_admin);
    store.close();
    initialised
}

/// Opens a database and logs where it came from.
///
/// # Errors
///
/// One line for the operator.
pub fn open_store(path: &Path, readers: usize, clock: Arc<dyn Clock>) -> Result<Store, String> {
    let (store, origin) = Store::open(path, readers, clock).map_err(|error| error.to_string())?;
    match origin {
        Origin::Made => log::info("made the database", &[("path", log::words(&path.display()))]),
        Origin::Found => {}
        Origin::Updated => log::info("brought the database's schema up to date", &[]),
        Origin::Adopted { copy, mode_tightened } => {
            log::info(
                "took over a database of the Python authnzerver",
                &[("copy_of_what_it_was", log::words(&copy.display()))],
            );
            if mode_tightened {
                log::warning("others could read the database; now only its owner can", &[]);
            }
        }
    }
    Ok(store)
}

/// Shares out the memory that there is, and says so if it does not suffice for all that was wanted.
///
/// # Errors
///
/// One line for the operator.
fn plan_memory(config: &Config) -> Result<Plan, String> {
    let wanted = Wanted {
        threads: config.hash_threads,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        arena_bytes: u64::from(config.argon2.memory_kib()) * 1024,
        connections: config.connections_max,
        stack_bytes: COROUTINE_STACK_BYTES as u64,
        body_bytes: config.body_bytes_max as u64,
        bodies_bytes: EdgeLimits::LARGE_BODIES_BYTES_MAX.max(config.body_bytes_max) as u64,
        tls: config.tls_certificate_file.is_some(),
    };
    let plan = memory::plan(memory::room(), &wanted).map_err(|problem| problem.to_string())?;
    if config.hash_threads.is_some_and(|threads| plan.threads < threads) {
        log::warning(
            "there is memory for fewer hashing threads than are set",
            &[("hashthreads", plan.threads.into()), ("kib_each", config.argon2.memory_kib().into())],
        );
    }
    if plan.connections < config.connections_max {
        log::warning(
            "there is memory for fewer connections than are set",
            &[("connectionsmax", plan.connections.into()), ("set", config.connections_max.into())],
        );
    }
    Ok(plan)
}

/// Starts the hashing threads.
///
/// # Errors
///
/// One line for the operator.
pub fn start_hasher(
    config: &Config,
    threads: usize,
    clock: &Arc<dyn Clock>,
    chance: &Arc<dyn Chance>,
) -> Result<Hasher, String> {
    let settings = HasherSettings {
        cost: config.argon2,
        form: config.password_policy.form(),
        ceilings: HashCeilings {
            memory_kib: config.hash_memory_mib_max.saturating_mul(1024),
            passes: config.hash_passes_max,
            lanes: config.hash_lanes_max,
        },
        threads,
        places: None,
        memory_free: memory::free_bytes,
    };
    let hasher = Hasher::start(&settings, Arc::clone(chance), Arc::clone(clock));
    let hasher = hasher.map_err(|error| error.to_string())?;
    log::info(
        "hashing passwords",
        &[("threads", threads.into()), ("kib_each", config.argon2.memory_kib().into())],
    );
    Ok(hasher)
}

/// Reads the policy of this file, or the built-in one.
///
/// # Errors
///
/// One line for the operator, naming the place in the file.
pub fn read_policy(path: Option<&Path>) -> Result<Policy, String> {
    let Some(path) = path else { return Ok(Policy::default_policy()) };
    let refuse = |what: String| format!("permissions policy {}: {what}", path.display());
    let bytes = read_small(path, POLICY_BYTES_MAX).map_err(|error| refuse(error.to_string()))?.bytes;
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8 text".to_owned()))?;
    Policy::from_json(&text).map_err(|error| refuse(error.to_string()))
}

/// The file of certificates that the operator trusts beside the built-in ones.
fn extra_roots_file() -> Option<PathBuf> {
    let path = std::env::var_os(EXTRA_ROOTS_VARIABLE).filter(|path| !path.is_empty())?;
    Some(path.to_str().map_or_else(|| PathBuf::from(&path), |path| as_meant(path).into()))
}

fn read_roots(path: &Path) -> Result<Vec<u8>, String> {
    read_extra_roots(path).map_err(|fault| format!("{EXTRA_ROOTS_VARIABLE} {}: {fault}", path.display()))
}

/// Opens the filter of leaked passwords and prepares the network look-up, whichever the operator wants.
fn open_leaks(config: &Config) -> Result<Option<Arc<dyn LeakLookup>>, String> {
    let filter = match &config.pwned_file {
        None => None,
        Some(path) => {
            let refuse = |fault| format!("leaked passwords {}: {fault}", path.display());
            let filter = PwnedFilter::open(path).map_err(refuse)?;
            log::info("opened the filter of leaked passwords", &[("hashes", filter.hashes().into())]);
            Some(filter)
        }
    };
    let network = match &config.pwned_url {
        None => None,
        Some(url) => {
            let settings = RangeSettings { extra_roots: extra_roots_file(), ..RangeSettings::at(url) };
            Some(RangeClient::new(&settings).map_err(|fault| format!("pwnedurl: {fault}"))?)
        }
    };
    Ok(file_then_network(filter, network).map(Arc::from))
}

/// Reads the certificate and key for TLS, if that is wanted.
fn read_identity(config: &Config) -> Result<Option<Identity>, String> {
    let (Some(certificate), Some(key)) = (&config.tls_certificate_file, &config.tls_key_file) else {
        return Ok(None);
    };
    let identity = Identity::read(certificate, key).map_err(|fault| {
        let setting = match fault.file() {
            IdentityFile::Certificate => "tlscertfile",
            IdentityFile::Key => "tlscertkey",
        };
        format!("{setting}: {fault}")
    })?;
    // Of what systemd hands over, others see nothing, whatever the mode seems to say.
    let is_credential = std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|place| key.starts_with(place));
    if identity.key_is_open_to_others() && !is_credential {
        log::warning("others can read the private key of TLS", &[("path", log::words(&key.display()))]);
    }
    Ok(Some(identity))
}

fn open_edge(
    app: &Arc<App>,
    plan: &Plan,
    clock: &Arc<dyn Clock>,
    identity: Option<Identity>,
) -> Result<Edge, String> {
    let config = &app.config;
    let limits = EdgeLimits {
        connections_max: plan.connections,
        large_bodies_bytes_max: usize::try_from(plan.bodies_bytes).unwrap_or(usize::MAX),
        body_bytes_max: config.body_bytes_max,
        head_seconds_max: config.head_seconds_max,
        body_seconds_max: config.body_seconds_max,
        idle_seconds_max: config.idle_seconds_max,
        ..EdgeLimits::default()
    };
    let workers = Workers { threads: config.workers, stack_bytes: COROUTINE_STACK_BYTES };
    let server = Arc::new(Server::new(Arc::clone(app)));
    let address = (config.listen.to_string(), config.port);
    Edge::start((&address.0, address.1), workers, limits, Arc::clone(clock), server, identity)
        .map_err(|error| error.to_string())
}

/// Returns when the server is to stop, or when nobody can reach it any more; has policy and certificate read again
/// meanwhile whenever that is asked for.
fn wait_for_stop(mut signals: Signals, app: &App, edge: &Edge) {
    while edge.is_accepting() {
        for signal in signals.pending() {
            match signal {
                SIGHUP => {
                    read_policy_again(app);
                    read_identity_again(app, edge);
                }
                SIGTERM | SIGINT => return,
                _ => {}
            }
        }
        std::thread::park_timeout(SIGNALS_EVERY);
    }
}

fn read_policy_again(app: &App) {
    let read = read_policy(app.config.permissions_file.as_deref()).and_then(|policy| {
        // A role that the database does not know could not be given to anybody.
        let added = add_roles(&app.store, &policy).map_err(|failure| describe(&failure, &app.store))?;
        Ok((policy, added))
    });
    match read {
        Ok((policy, added)) => {
            app.policy.store(Arc::new(policy));
            log::info("read the permissions policy again", &[("roles_added", added.into())]);
        }
        Err(problem) => {
            log::error("kept the old permissions policy", &[("cause", log::words(&problem))]);
        }
    }
}

fn read_identity_again(app: &App, edge: &Edge) {
    match read_identity(&app.config) {
        Ok(Some(identity)) => {
            edge.change_identity(&identity);
            log::info("read the certificate again", &[]);
        }
        Ok(None) => {}
        Err(problem) => log::error("kept the old certificate", &[("cause", log::words(&problem))]),
    }
}

/// What this machine calls itself. Read once, without asking the network.
fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}
