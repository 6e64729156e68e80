//! The engine by itself, on a real server: `make test-postgres` starts one and names it. Without that these tests do nothing.

use super::target::Target;
use crate::clock::{ManualClock, Timestamp};
use crate::rng::SeededRng;
use crate::store::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The URL of a server whose databases may be filled.
const SERVER_VARIABLE: &str = "TEST_POSTGRES";

/// A database of a test's own: a schema of its own on the server; nothing where no server is named.
fn open() -> Option<(Store, Origin)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let url = std::env::var(SERVER_VARIABLE).ok()?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let url = format!("{url}&search_path=engine_{}_{number}", std::process::id());
    let target = Target::parse(&url).unwrap_or_else(|problem| panic!("{problem}"));
    let clock = ManualClock::at(Timestamp::parse("2026-11-23 15:00:00.000000").expect("a time"));
    let location = Location::Postgres(Box::new(target));
    Some(
        Store::open(&location, 1, Arc::new(clock), Arc::new(SeededRng::new(1)))
            .unwrap_or_else(|error| panic!("{error}")),
    )
}

mod login;
mod statements;
mod transactions;

#[test]
fn a_schema_is_made_once() {
    let Some((store, origin)) = open() else { return };
    assert_eq!(origin, Origin::Made);
    assert!(store.write(|tx| roles::insert(tx, "editor")).expect("writes"));
    assert_eq!(store.read(roles::list).expect("reads").len(), 1);
    store.check().expect("is well");
}
