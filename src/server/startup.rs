//! What is looked at, and made, before the server serves: whether the system gives it enough to serve with, what in the
//! settings or around the database is probably not meant, and what a database must hold.

use super::router::HEALTH_REQUEST;
use crate::accounts::first_users::{Initialised, add_roles, initialise};
use crate::actions::REQUESTS_BY_NAME;
use crate::chance::Chance;
use crate::config::base_directory::AdminAccount;
use crate::config::{Config, nearest};
use crate::edge;
use crate::guard::password::Hasher;
use crate::log;
use crate::outcome::{Error, Failure};
use crate::policy::model::Policy;
use crate::store::{Store, StoreError, users};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

/// With fewer connections at a time, unless the operator wants it so, there is no use in serving.
const CONNECTIONS_MIN: usize = 8;
/// Threads beside those that run coroutines or hash: for writing, mail, look-ups, watching, timers, and to spare.
const OTHER_THREADS: usize = 20;
/// Hashing threads that are taken unasked at most.
const HASH_THREADS_UNASKED_MAX: usize = 4;
/// None of the threads on trial does anything.
const TRIAL_STACK_BYTES: usize = 64 * 1024;
/// What a name in the rate limits may be beside a request's.
const RATE_LIMIT_GROUPS: [&str; 5] = ["ipaddr", "user", "session", "apikey", "burst"];

/// Finds out whether the process may have the threads and descriptors that it will need.
///
/// # Errors
///
/// One line for the operator: it could not serve, or hardly.
pub fn ensure_resources(config: &Config, speaks_tls: bool) -> Result<(), String> {
    let threads = config.workers + config.hash_threads.unwrap_or(HASH_THREADS_UNASKED_MAX) + OTHER_THREADS;
    ensure_threads(threads)?;
    let capacity = edge::capacity(speaks_tls).map_err(|error| format!("the limit of open files: {error}"))?;
    let wanted = config.connections_max;
    if capacity.connections < wanted.min(CONNECTIONS_MIN) {
        return Err(format!(
            "the process may open {} files, which leaves {} connections; raise that limit (`ulimit -n`, systemd's \
             LimitNOFILE=) to {} at least for the {wanted} of connectionsmax",
            capacity.descriptors,
            capacity.connections,
            capacity.descriptors_for(wanted)
        ));
    }
    if capacity.connections < wanted {
        log::warning(
            "fewer connections than connectionsmax, for the process may not open enough files",
            &[
                ("connectionsmax", wanted.into()),
                ("possible", capacity.connections.into()),
                ("files", capacity.descriptors.into()),
                ("files_needed", capacity.descriptors_for(wanted).into()),
            ],
        );
    }
    Ok(())
}

/// Starts so many threads at once, and lets them end.
fn ensure_threads(count: usize) -> Result<(), String> {
    let gate = Arc::new(RwLock::new(()));
    let closed = gate.write().unwrap_or_else(PoisonError::into_inner);
    let started: std::io::Result<Vec<_>> = (0..count)
        .map(|_| {
            let gate = Arc::clone(&gate);
            let wait = move || drop(gate.read());
            thread::Builder::new().stack_size(TRIAL_STACK_BYTES).spawn(wait)
        })
        .collect();
    drop(closed);
    let started = started.map_err(|error| {
        format!(
            "the system does not give the {count} threads that are needed: raise its limit (`ulimit -u`, systemd's \
             TasksMax= or LimitNPROC=, a container's limit of processes), or set fewer workers ({error})"
        )
    })?;
    for thread in started {
        // Waiting is all that they do.
        let _ = thread.join();
    }
    Ok(())
}

/// Warns of rate limits without effect: those for requests that there are not, and those that a later one replaces.
pub fn warn_of_idle_rate_limits(config: &Config) {
    for name in config.rate_limits.repeated_names() {
        log::warning(
            "a rate limit is set more than once: the last one counts",
            &[("ratelimits", log::escaped(name))],
        );
    }
    let requests = || REQUESTS_BY_NAME.keys().copied().chain([HEALTH_REQUEST]);
    for name in config.rate_limits.request_names() {
        if name.starts_with("internal-") || requests().any(|known| known == name) {
            continue;
        }
        let known = requests().chain(RATE_LIMIT_GROUPS);
        let meant = nearest(name, known).map_or_else(|| "(see --schema)".to_owned(), str::to_owned);
        log::warning(
            "a rate limit without effect: there is no such request",
            &[("ratelimits", log::escaped(name)), ("perhaps", log::words(&meant))],
        );
    }
}

/// Makes the first administrator's account, on paper. Called only for a database without users.
pub type FirstAdmin<'a> = dyn Fn() -> Result<AdminAccount, String> + 'a;

/// Adds what the database lacks: roles, and the first users to a fresh one. How their administrator logs in is written
/// down before that, so that it is never lost.
///
/// # Errors
///
/// One line for the operator.
pub fn prepare_database(
    store: &Store,
    policy: &Policy,
    hasher: &Hasher,
    chance: &dyn Chance,
    first_admin: &FirstAdmin<'_>,
) -> Result<Initialised, String> {
    let is_fresh = store.read(users::count).map_err(|error: StoreError| error.about(store.path()))? == 0;
    if !is_fresh {
        let roles_added = add_roles(store, policy).map_err(|failure| describe(&failure, store))?;
        if roles_added > 0 {
            log::info("added roles of the policy", &[("count", roles_added.into())]);
        }
        return Ok(Initialised::Before { roles_added });
    }
    let admin = first_admin()?;
    let initialised = initialise(store, policy, hasher, chance, &admin.email, &admin.password)
        .map_err(|failure| describe(&failure, store))?;
    if initialised == Initialised::JustNow {
        let path = log::words(&admin.credentials.display());
        log::info("made the first users", &[("admin_password_in", path)]);
    }
    Ok(initialised)
}

/// One line for the operator.
pub(super) fn describe(failure: &Failure, store: &Store) -> String {
    match failure {
        Failure::Broken(Error::Store(error)) => error.about(store.path()),
        Failure::Broken(error) => error.to_string(),
        Failure::Refused(_) => "the first users could not be made".to_owned(),
    }
}
