//! The program: hands the command line to the commands, with the real clock and the real chance.

use authnzerver::chance::{Chance, SystemChance};
use authnzerver::cli;
use authnzerver::cli::command::Parts;
use authnzerver::clock::{Clock, SystemClock};
use authnzerver::edge;
use authnzerver::policy::model::DEFAULT_POLICY;
use authnzerver::server::{boot, lifecycle};
use std::process::ExitCode;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    edge::avoid_huge_pages();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let chance: Arc<dyn Chance> = Arc::new(SystemChance);
    let parts = Parts {
        clock: &*clock,
        chance: &*chance,
        default_policy: DEFAULT_POLICY,
        make_database: &|path, policy, admin| boot::make_database(path, policy, admin, &clock, &chance),
        serve: &|loaded, notes, process| lifecycle::run(loaded, notes, process, &clock, &chance),
    };
    cli::run_here(&parts).into()
}
