//! Kills the server while it writes, and looks whether everything that it answered is still there.
//!
//! This proves that an answer is sent only after its transaction is committed. It cannot prove that the commit
//! survives a power failure, since the operating system itself goes on.

use crate::load::{count_existing, new_sessions};
use crate::server::Base;
use crate::{Options, Outcome, wait};
use std::time::Duration;

/// The server is killed at some moment between these, from the start of the writing.
const KILL_AFTER_MILLIS: std::ops::Range<u64> = 200..1200;
/// More than any machine writes in that time.
const SESSIONS_MAX: usize = 10_000_000;

/// Several rounds on one database; fails if a single session was lost.
pub fn run(options: &Options) -> Outcome<()> {
    let base = Base::new(options)?;
    let mut answered: Vec<String> = Vec::new();
    for round in 1..=options.rounds {
        let mut server = base.start()?;
        let moment = Duration::from_millis(fastrand::u64(KILL_AFTER_MILLIS));
        let made = new_sessions(server.address, options.connections[0], SESSIONS_MAX, || {
            wait(moment);
            server.kill()
        })?;
        let before = answered.len();
        answered.extend(made.into_iter().flat_map(|one| one.tokens));
        let new = answered.len() - before;
        if new == 0 {
            return Err("the server was killed before it answered anything".to_owned());
        }
        let server = base.start()?;
        let found = count_existing(server.address, options.connections[0], &answered)?;
        println!(
            "round {round}: killed after {} ms and {new} new sessions; of {} answered so far, {found} are there",
            moment.as_millis(),
            answered.len(),
        );
        if found < answered.len() {
            return Err(format!("{} sessions were answered and lost", answered.len() - found));
        }
    }
    println!("kill -9: {} sessions answered, none lost", answered.len());
    Ok(())
}
