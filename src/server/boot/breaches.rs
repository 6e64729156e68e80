//! Where breached passwords are looked up.

use crate::config::Config;
use crate::log;
use crate::outbound::pwned::BreachLookup;
use crate::outbound::pwned::chain::file_then_network;
use crate::outbound::pwned::filter::PwnedFilter;
use crate::outbound::pwned::range_api::{RangeClient, RangeSettings};
use crate::pool::Pool;
use crate::problem;
use crate::problem::Problem;
use crate::server::process::Process;
use std::sync::Arc;

/// Lookups that are made at once, and that may wait for their turn.
const OUTBOUND_THREADS: usize = 4;
const WAITING_MAX: usize = 64;

/// What breached passwords are looked up with.
pub(super) struct Breaches {
    /// Where, unless that is turned off.
    pub(super) lookup: Option<Arc<dyn BreachLookup>>,
    /// The threads for it.
    pub(super) outbound: Pool,
}

/// Opens the filter of breached passwords, prepares the network lookup, whichever the operator wants, and starts the
/// threads.
///
/// # Errors
///
/// One line for the operator.
pub(super) fn open(config: &Config, process: &Process) -> Result<Breaches, Problem> {
    let filter = match &config.pwned_file {
        None => None,
        Some(path) => {
            let refuse = |error| problem!("leaked passwords {}: {}", path.display(), error);
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
            Some(RangeClient::new(&settings).map_err(|error| problem!("pwnedurl: {}", error))?)
        }
    };
    Ok(Breaches {
        lookup: file_then_network(filter, network).map(Arc::from),
        outbound: Pool::start("outbound", OUTBOUND_THREADS, WAITING_MAX)
            .map_err(|error| problem!("cannot start a thread: {}", error))?,
    })
}
