//! What the system gives the server to serve with: threads, descriptors and memory.

use super::database::readers;
use super::listen::COROUTINE_STACK_BYTES;
use super::memory::{self, Plan, Wanted};
use crate::config::Config;
use crate::http::{self, HttpLimits};
use crate::log;
use crate::problem;
use crate::problem::Problem;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

/// With fewer connections than this the server does not start, unless the operator asked for so few.
const CONNECTIONS_MIN: usize = 8;
/// Threads beside those that run coroutines or hash: for writing, mail, lookups, watching, timers, and to spare.
const OTHER_THREADS: usize = 20;
/// The most hashing threads that are started by default.
const HASH_THREADS_UNASKED_MAX: usize = 4;
/// None of the threads on trial does anything.
const TRIAL_STACK_BYTES: usize = 64 * 1024;

/// Finds out whether the process may have the threads and descriptors that it will need.
///
/// # Errors
///
/// One line for the operator: it could not serve, or hardly.
pub fn ensure_resources(config: &Config, speaks_tls: bool) -> Result<(), Problem> {
    let threads = config.workers + config.hash_threads.unwrap_or(HASH_THREADS_UNASKED_MAX) + OTHER_THREADS;
    ensure_threads(threads)?;
    let capacity =
        http::capacity(speaks_tls).map_err(|error| problem!("the limit of open files: {}", error))?;
    let wanted = config.connections_max;
    if capacity.connections < wanted.min(CONNECTIONS_MIN) {
        return Err(problem!(
            "the process may open {} files, which leaves {} connections; raise that limit (`ulimit -n`, systemd's \
             LimitNOFILE=) to {} at least for the {} of connectionsmax",
            capacity.descriptors,
            capacity.connections,
            capacity.descriptors_for(wanted),
            wanted
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

/// Starts this many threads at once, and lets them end.
fn ensure_threads(count: usize) -> Result<(), Problem> {
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
        problem!("the system does not give the {} threads that are needed: raise its limit (`ulimit -u`, systemd's \
             TasksMax= or LimitNPROC=, a container's limit of processes), or set fewer workers ({})", count, error)
    })?;
    for thread in started {
        // Waiting is all that they do.
        let _ = thread.join();
    }
    Ok(())
}

/// Shares out the memory that there is, and says so if it does not suffice for all that was wanted.
///
/// # Errors
///
/// One line for the operator.
pub fn plan_memory(config: &Config) -> Result<Plan, Problem> {
    let readers = readers(config);
    let wanted = Wanted {
        pages_bytes: readers.extra_bytes(),
        mapped_bytes: readers.mapped_bytes(),
        threads: config.hash_threads,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        arena_bytes: u64::from(config.argon2.memory_kib()) * 1024,
        connections: config.connections_max,
        stack_bytes: COROUTINE_STACK_BYTES as u64,
        body_bytes: config.body_bytes_max as u64,
        bodies_bytes: HttpLimits::LARGE_BODIES_BYTES_MAX.max(config.body_bytes_max) as u64,
        tls: config.tls_certificate_file.is_some(),
    };
    let plan = memory::plan(memory::room(), &wanted).map_err(|problem| Problem::of(&problem))?;
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
