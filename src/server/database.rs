//! Opens the database and makes sure that it holds the policy's roles and the first users.

use super::memory;
use crate::accounts::first_users::{Initialised, add_roles, initialise};
use crate::clock::Clock;
use crate::config::Config;
use crate::config::base_directory::AdminAccount;
use crate::guard::password::Hasher;
use crate::log;
use crate::outcome::Error;
use crate::policy::model::Policy;
use crate::problem::Problem;
use crate::rng::Rng;
use crate::store::{Location, Origin, Readers, Store, StoreError, Upgrade, users};
use std::sync::Arc;

/// Kept rows get this part of the memory at most.
const ROWS_SHARE: u64 = 16;

/// The connections that read the database of these settings.
#[must_use]
pub fn readers(config: &Config) -> Readers {
    match config.database {
        Location::File(_) => Readers {
            connections: config.workers,
            cache_mib: config.page_cache_mib,
            mapped_mib: config.mapped_mib,
            rows_mib: rows_mib(config.page_cache_mib),
        },
        Location::Postgres(_) => Readers::of(config.workers),
    }
}

/// How many MiB of rows are kept: in place of so many MiB of pages they serve four times as many requests, but they should not
/// be what fills a small machine.
fn rows_mib(page_cache_mib: u32) -> u32 {
    let share = memory::room().bytes / ROWS_SHARE / (1024 * 1024);
    u32::try_from(share).unwrap_or(u32::MAX).clamp(1, page_cache_mib.saturating_mul(4))
}

/// Opens a database and logs where it came from.
///
/// # Errors
///
/// One line for the operator.
pub fn open_store(
    location: &Location,
    readers: Readers,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<Store, Problem> {
    let (store, origin) = Store::open(location, readers, clock, rng).map_err(|error| Problem::of(&error))?;
    let path: Vec<_> = store.file().map(|path| ("path", log::path(path))).into_iter().collect();
    match origin {
        Origin::Made => log::info("made the database", &path),
        Origin::Found => {}
        Origin::Filled => log::info("made the database in an empty file", &path),
        Origin::Upgraded(upgrade) => log_upgrade(&upgrade),
        Origin::Adopted { copy, mode_tightened } => {
            log::info(
                "took over a database of the Python authnzerver",
                &[("copy_of_what_it_was", log::path(&copy))],
            );
            if mode_tightened {
                log::warning("others could read the database; now only its owner can", &[]);
            }
        }
    }
    Ok(store)
}

fn log_upgrade(Upgrade { from, to, copy, older_copies }: &Upgrade) {
    let mut fields = vec![("from", (*from).into()), ("to", (*to).into())];
    if let Some(copy) = copy {
        fields.push(("copy_of_what_it_was", log::path(copy)));
    }
    log::info("brought the database's schema up to date", &fields);
    for copy in older_copies {
        log::info(
            "a copy from an earlier upgrade is still there, and may be removed",
            &[("path", log::path(copy))],
        );
    }
}

/// Chooses the first administrator's address and password and writes them to a file. Called only for a database
/// without users.
pub type FirstAdmin<'a> = dyn Fn() -> Result<AdminAccount, Problem> + 'a;

/// Adds what the database lacks: roles, and the first users to a fresh one. The administrator's password is written to
/// a file first, so that it cannot be lost.
///
/// # Errors
///
/// One line for the operator.
pub fn prepare_database(
    store: &Store,
    policy: &Policy,
    hasher: &Hasher,
    rng: &dyn Rng,
    first_admin: &FirstAdmin<'_>,
) -> Result<Initialised, Problem> {
    let is_fresh = store.read(users::count).map_err(|error: StoreError| store.about(&error))? == 0;
    if !is_fresh {
        let roles_added = add_roles(store, policy).map_err(|failure| failure_text(&failure, store))?;
        if roles_added > 0 {
            log::info("added roles of the policy", &[("count", roles_added.into())]);
        }
        return Ok(Initialised::Before { roles_added });
    }
    let admin = first_admin()?;
    let initialised = initialise(store, policy, hasher, rng, &admin.email, &admin.password)
        .map_err(|failure| failure_text(&failure, store))?;
    if initialised == Initialised::JustNow {
        let path = log::path(&admin.credentials);
        log::info("made the first users", &[("admin_password_in", path)]);
    }
    Ok(initialised)
}

/// What failed, in one line for the operator.
#[must_use]
pub fn failure_text(error: &Error, store: &Store) -> Problem {
    match error {
        Error::Store(error) => store.about(error),
        Error::Busy(_) => Problem::of(error),
    }
}
