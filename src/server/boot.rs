//! Builds the application from the settings. Each file in `boot/` opens one part of it.

mod breaches;
mod hashing;
mod keys;
mod mail;
mod metrics;
mod policy;

pub use keys::{check_keys, note_keys};
pub use mail::{mail_settings, mail_settings_of, read_email_texts};
pub use policy::read_policy;

use super::database::{FirstAdmin, open_store, prepare_database, readers};

use super::maintenance::{release_expired_locks, resume_emails};
use super::memory::Plan;
use super::process::Process;
use crate::accounts::first_users::Initialised;
use crate::accounts::lock::release_expired;
use crate::app::{App, DelayedResponses, Remembered};
use crate::clock::Clock;
use crate::config::base_directory::settle_first_admin;
use crate::config::{Config, Startup};
use crate::guard::guesses::Guesses;
use crate::guard::password::Hasher;
use crate::guard::ratelimit::Limiter;
use crate::log::{Repeated, RepeatedByCause};
use crate::policy::model::Policy;
use crate::problem;
use crate::problem::Problem;
use crate::rng::Rng;
use crate::store::{Readers, Store};
use crate::wait::Delay;
use crate::wait::keyed_mutex::KeyedMutex;
use arc_swap::ArcSwap;
use breaches::Breaches;
use mail::Mail;
use std::path::Path;
use std::sync::Arc;

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
) -> Result<App, Problem> {
    let Startup { config, admin, .. } = loaded;
    check_keys(&config.secret)?;
    let policy = read_policy(config.permissions_file.as_deref())?;
    let hasher = hashing::open(&config, plan.threads, clock, rng)?;
    // What is wrong with a file is found before there is a database.
    let outward = Outward::open(&config, process, clock)?;
    let store = open_store(&config.database, readers(&config), Arc::clone(clock), Arc::clone(rng))?;
    let first_admin = || {
        settle_first_admin(&config.base_directory, &admin, &**rng)
            .map_err(|error| problem!("cannot write the administrator's password: {}", error))
    };
    let _ = prepare_database(&store, &policy, &hasher, &**rng, &first_admin)?;
    let app = put_together(config, Opened { policy, hasher, store, outward }, clock, rng);
    note_keys(&app);
    release_expired_locks(&app);
    resume_emails(&app);
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
) -> Result<App, Problem> {
    let config = loaded.config;
    let store = Store::open_prepared(&config.database, Arc::clone(clock), Arc::clone(rng))
        .map_err(|error| Problem::of(&error))?;
    let policy = read_policy(config.permissions_file.as_deref())?;
    let hasher = hashing::open_for_command(&config, clock, rng)?;
    let outward = Outward::open(&config, process, clock)?;
    let app = put_together(config, Opened { policy, hasher, store, outward }, clock, rng);
    // As before each request: a lock that has expired holds for nobody.
    release_expired(&app).map_err(|error| app.store.about(&error))?;
    Ok(app)
}

/// What is wrong with the files that a start reads beside its database, one line for each.
#[must_use]
pub fn problems_with_files(config: &Config, process: &Process) -> Vec<String> {
    let extra_roots = process.extra_roots_file.as_deref().map(mail::read_roots).transpose();
    let tried = [
        check_keys(&config.secret),
        read_policy(config.permissions_file.as_deref()).map(drop),
        extra_roots.map(drop),
        breaches::open(config, process).map(drop),
    ];
    let texts = read_email_texts(config).err().unwrap_or_default();
    tried.into_iter().filter_map(Result::err).chain(texts).map(String::from).collect()
}

/// What is opened differently for a server and for one command.
struct Opened {
    policy: Policy,
    hasher: Hasher,
    store: Store,
    outward: Outward,
}

/// What talks to the outside, or needs files beside the database.
struct Outward {
    machine_name: String,
    mail: Mail,
    breaches: Breaches,
}

impl Outward {
    fn open(config: &Config, process: &Process, clock: &Arc<dyn Clock>) -> Result<Self, Problem> {
        let machine_name = mail::machine_name();
        let mail = mail::open(config, process, &machine_name, clock)?;
        Ok(Self { machine_name, mail, breaches: breaches::open(config, process)? })
    }
}

fn put_together(
    config: Config,
    Opened { policy, hasher, store, outward }: Opened,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
) -> App {
    let Outward { machine_name, mail, breaches } = outward;
    let Mail { settings: mail_settings, texts, mailer, post } = mail;
    let Breaches { lookup: breached_passwords, outbound } = breaches;
    App {
        mail_settings,
        email_texts: ArcSwap::from_pointee(texts),
        limiter: Limiter::new(config.rate_limits.clone()),
        server_name: config.server_name.clone().unwrap_or(machine_name),
        policy: ArcSwap::from_pointee(policy),
        keys: ArcSwap::from_pointee(config.secret.clone()),
        breached_passwords,
        outbound,
        mailer,
        post,
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
        refused: RepeatedByCause::default(),
        unknown_limits: Repeated::default(),
        metrics: metrics::open(),
        delayed: DelayedResponses::default(),
        recent_emails: Arc::default(),
        remembered: Remembered::default(),
        mail_stops: Arc::default(),
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
) -> Result<Initialised, Problem> {
    let policy = read_policy(policy)?;
    let hasher = hashing::open_for_setup(clock, rng)?;
    let store = open_store(&path.into(), Readers::of(1), Arc::clone(clock), Arc::clone(rng))?;
    let initialised = prepare_database(&store, &policy, &hasher, &**rng, first_admin);
    store.close();
    initialised
}
