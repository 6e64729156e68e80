//! The program: hands the command line to the commands, with the real clock and the real chance.

use authnzerver::cli;
use authnzerver::cli::command::Parts;
use authnzerver::clock::{Clock, SystemClock};
use authnzerver::http;
use authnzerver::policy::model::DEFAULT_POLICY;
use authnzerver::rng::{OsRng, Rng};
use authnzerver::server::{boot, lifecycle};
use std::process::ExitCode;
use std::sync::Arc;

/// What every part of the program takes its memory from.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    http::avoid_huge_pages();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let rng: Arc<dyn Rng> = Arc::new(OsRng);
    let parts = Parts {
        clock: &clock,
        rng: &*rng,
        default_policy: DEFAULT_POLICY,
        make_database: &|path, policy, admin| boot::make_database(path, policy, admin, &clock, &rng),
        open: &|loaded, process| boot::open(loaded, process, &clock, &rng),
        serve: &|loaded, notes, process| lifecycle::run(loaded, notes, process, &clock, &rng),
    };
    cli::run_here(&parts).into()
}
