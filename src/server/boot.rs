//! Makes the server's parts of its settings.

use super::database::{FirstAdmin, open_store, prepare_database};
use super::maintenance::release_expired_locks;
use super::memory::{self, Plan};
use super::process::Process;
use crate::accounts::first_users::Initialised;
use crate::accounts::lock::release_expired;
use crate::app::{App, DelayedResponses};
use crate::clock::Clock;
use crate::config::base_directory::settle_first_admin;
use crate::config::values::client_name;
use crate::config::{Config, EXTRA_ROOTS_VARIABLE, Startup};
use crate::files::read_small;
use crate::guard::guesses::Guesses;
use crate::guard::password::{Argon2Cost, HashLimits, Hasher, HasherSettings};
use crate::guard::ratelimit::Limiter;
use crate::guard::secret::PasswordForm;
use crate::log::{self, Repeated};
use crate::outbound::mail::{MailSettings, SmtpMailer, read_extra_roots};
use crate::outbound::pwned::BreachLookup;
use crate::outbound::pwned::chain::file_then_network;
use crate::outbound::pwned::filter::PwnedFilter;
use crate::outbound::pwned::range_api::{RangeClient, RangeSettings};
use crate::policy::model::Policy;
use crate::pool::Pool;
use crate::rng::Rng;
use crate::store::Store;
use crate::wait::Delay;
use crate::wait::keyed_mutex::KeyedMutex;
use arc_swap::ArcSwap;
use std::path::Path;
use std::sync::Arc;

/// Calls to the outside that are made at once, and that may wait for their turn.
const OUTBOUND_THREADS: usize = 4;
const OUTBOUND_WAITING_MAX: usize = 64;
/// Emails that are sent at once. A mail server may take minutes for one of them.
const POST_THREADS: usize = 8;
/// The largest policy file that is read.
const POLICY_BYTES_MAX: u64 = 1024 * 1024;

/// Opens the database, reads the policy, starts the threads that work for requests, and puts the application together.
///
/// # Errors
///
/// One line for the operator.
pub fn build(
    loaded: Startup,
    process: &Process,
    plan: &Plan,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
) -> Result<App, String> {
    let Startup { config, admin, .. } = loaded;
    let policy = read_policy(config.permissions_file.as_deref())?;
    let hasher = start_hasher(&config, plan.threads, clock, rng)?;
    let store = open_store(&config.database, config.workers, Arc::clone(clock))?;
    let first_admin = || {
        settle_first_admin(&config.base_directory, &admin, &**rng)
            .map_err(|error| format!("cannot write the administrator's password: {error}"))
    };
    let _ = prepare_database(&store, &policy, &hasher, &**rng, &first_admin)?;
    let parts = Opened { policy, hasher, store };
    let app = put_together(config, parts, process, clock, rng)?;
    release_expired_locks(&app);
    Ok(app)
}

/// Opens the database of a server, which may be running, for one command, and puts the same parts around it.
///
/// # Errors
///
/// One line for the operator.
pub fn open(
    loaded: Startup,
    process: &Process,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
) -> Result<App, String> {
    let config = loaded.config;
    let store =
        Store::open_prepared(&config.database, Arc::clone(clock)).map_err(|error| error.to_string())?;
    let policy = read_policy(config.permissions_file.as_deref())?;
    let hasher = start_hasher(&config, 1, clock, rng)?;
    let app = put_together(config, Opened { policy, hasher, store }, process, clock, rng)?;
    // As before each request: what is over is over, whoever looks.
    release_expired(&app).map_err(|error| error.about(app.store.path()))?;
    Ok(app)
}

/// What can fail to be made.
struct Opened {
    policy: Policy,
    hasher: Hasher,
    store: Store,
}

fn put_together(
    config: Config,
    Opened { policy, hasher, store }: Opened,
    process: &Process,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
) -> Result<App, String> {
    let machine_name = machine_name();
    let extra_roots = process.extra_roots_file.as_deref().map(read_roots).transpose()?;
    Ok(App {
        mail_settings: mail_settings(&config, &machine_name, extra_roots),
        limiter: Limiter::new(config.rate_limits.clone()),
        server_name: config.server_name.clone().unwrap_or(machine_name),
        policy: ArcSwap::from_pointee(policy),
        breached_passwords: open_leaks(&config, process)?,
        outbound: Pool::start("outbound", OUTBOUND_THREADS, OUTBOUND_WAITING_MAX)
            .map_err(|error| format!("cannot start a thread: {error}"))?,
        mailer: Arc::new(SmtpMailer { clock: Arc::clone(clock) }),
        post: Pool::start("post", POST_THREADS, OUTBOUND_WAITING_MAX)
            .map_err(|error| format!("cannot start a thread: {error}"))?,
        config,
        store: Arc::new(store),
        hasher,
        clock: Arc::clone(clock),
        rng: Arc::clone(rng),
        delay: Delay::Real,
        attempts_mutex: KeyedMutex::default(),
        slow_attempts: KeyedMutex::default(),
        guesses: Guesses::default(),
        before_write: None,
        busy: Repeated::default(),
        unknown_limits: Repeated::default(),
        delayed: DelayedResponses::default(),
        recent_emails: Arc::default(),
        mail_stops: Arc::default(),
    })
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
    rng: &Arc<dyn Rng>,
) -> Result<Initialised, String> {
    let policy = read_policy(policy)?;
    let settings = HasherSettings {
        cost: Argon2Cost::default(),
        form: PasswordForm::AsTyped,
        ceilings: HashLimits::default(),
        threads: 1,
        places: None,
        memory_free: memory::free_bytes,
    };
    let hasher = Hasher::start(&settings, Arc::clone(rng), Arc::clone(clock));
    let hasher = hasher.map_err(|error| error.to_string())?;
    let store = open_store(path, 1, Arc::clone(clock))?;
    let initialised = prepare_database(&store, &policy, &hasher, &**rng, first_admin);
    store.close();
    initialised
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
    rng: &Arc<dyn Rng>,
) -> Result<Hasher, String> {
    let settings = HasherSettings {
        cost: config.argon2,
        form: config.password_policy.form(),
        ceilings: HashLimits {
            memory_kib: config.hash_memory_mib_max.saturating_mul(1024),
            passes: config.hash_passes_max,
            lanes: config.hash_lanes_max,
        },
        threads,
        places: None,
        memory_free: memory::free_bytes,
    };
    let hasher = Hasher::start(&settings, Arc::clone(rng), Arc::clone(clock));
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

fn read_roots(path: &Path) -> Result<Vec<u8>, String> {
    read_extra_roots(path).map_err(|error| format!("{EXTRA_ROOTS_VARIABLE} {}: {error}", path.display()))
}

/// Opens the filter of leaked passwords and prepares the network lookup, whichever the operator wants.
fn open_leaks(config: &Config, process: &Process) -> Result<Option<Arc<dyn BreachLookup>>, String> {
    let filter = match &config.pwned_file {
        None => None,
        Some(path) => {
            let refuse = |error| format!("leaked passwords {}: {error}", path.display());
            let filter = PwnedFilter::open(path).map_err(refuse)?;
            log::info("opened the filter of leaked passwords", &[("hashes", filter.hashes().into())]);
            Some(filter)
        }
    };
    let network = match &config.pwned_url {
        None => None,
        Some(url) => {
            let settings =
                RangeSettings { extra_roots: process.extra_roots_file.clone(), ..RangeSettings::at(url) };
            Some(RangeClient::new(&settings).map_err(|error| format!("pwnedurl: {error}"))?)
        }
    };
    Ok(file_then_network(filter, network).map(Arc::from))
}

/// What this machine calls itself. Read once, without asking the network.
fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}
