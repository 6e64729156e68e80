//! The threads that hash passwords.

use crate::clock::Clock;
use crate::config::Config;
use crate::guard::password::{Argon2Cost, HashLimits, Hasher, HasherSettings};
use crate::guard::secret::PasswordForm;
use crate::log;
use crate::problem::Problem;
use crate::rng::Rng;
use crate::server::memory;
use std::sync::Arc;

/// Starts the hashing threads.
///
/// # Errors
///
/// One line for the operator.
pub(super) fn open(
    config: &Config,
    threads: usize,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
) -> Result<Hasher, Problem> {
    let settings = settings(config, threads);
    let hasher = Hasher::start(&settings, Arc::clone(rng), Arc::clone(clock));
    let hasher = hasher.map_err(|error| Problem::of(&error))?;
    log::info(
        "hashing passwords",
        &[("threads", threads.into()), ("kib_each", config.argon2.memory_kib().into())],
    );
    Ok(hasher)
}

/// Starts one thread for a command, most of which have nothing to hash.
///
/// # Errors
///
/// One line for the operator.
pub(super) fn open_for_command(
    config: &Config,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
) -> Result<Hasher, Problem> {
    let hasher = Hasher::start(&settings(config, 1), Arc::clone(rng), Arc::clone(clock));
    hasher.map_err(|error| Problem::of(&error))
}

fn settings(config: &Config, threads: usize) -> HasherSettings {
    HasherSettings {
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
    }
}

/// Starts one thread, for the passwords of the first users.
///
/// # Errors
///
/// One line for the operator.
pub(super) fn open_for_setup(clock: &Arc<dyn Clock>, rng: &Arc<dyn Rng>) -> Result<Hasher, Problem> {
    let settings = HasherSettings {
        cost: Argon2Cost::default(),
        form: PasswordForm::AsTyped,
        ceilings: HashLimits::default(),
        threads: 1,
        places: None,
        memory_free: memory::free_bytes,
    };
    Hasher::start(&settings, Arc::clone(rng), Arc::clone(clock)).map_err(|error| Problem::of(&error))
}
