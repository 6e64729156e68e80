//! The engine by itself, on a real server: `make test-postgres` starts one and names it. Without that these tests do nothing.

use super::engine::Postgres;
use super::target::Target;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::rng::{Rng, SeededRng};
use crate::store::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The URL of a server whose databases may be filled.
const SERVER_VARIABLE: &str = "TEST_POSTGRES";
/// How long an answer may take here, which nothing takes that comes at all.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// A database of a test's own: a schema of its own on the server; nothing where no server is named.
fn open() -> Option<(Store, Origin)> {
    let url = std::env::var(SERVER_VARIABLE).ok()?;
    let (store, origin) = open_at(&url, &own_schema());
    Some((store, origin))
}

/// The name of a schema that nobody else uses.
fn own_schema() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("engine_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The database in this schema.
fn open_at(url: &str, schema: &str) -> (Store, Origin) {
    try_open_at(url, schema).unwrap_or_else(|error| panic!("{error}"))
}

fn try_open_at(url: &str, schema: &str) -> Result<(Store, Origin), OpenError> {
    open_target(&Target { answer_limit: ANSWER_LIMIT, ..target_at(url, schema) })
}

/// The engine of a database.
fn engine(store: &Store) -> &Postgres {
    let Opened::Postgres(postgres) = &*store.engine else { panic!("it is a PostgreSQL") };
    postgres
}

fn target_at(url: &str, schema: &str) -> Target {
    let target = Target::parse(&format!("{url}&search_path={schema}"));
    target.unwrap_or_else(|problem| panic!("{problem}"))
}

fn open_target(target: &Target) -> Result<(Store, Origin), OpenError> {
    Store::open(&Location::Postgres(Box::new(target.clone())), Readers::of(1), clock(), rng())
}

/// A schema of a test's own, which is not there yet; nothing where no server is named.
fn target() -> Option<Target> {
    Some(target_at(&std::env::var(SERVER_VARIABLE).ok()?, &own_schema()))
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(Timestamp::parse("2026-11-23 15:00:00.000000").expect("a time")))
}

fn rng() -> Arc<dyn Rng> {
    Arc::new(SeededRng::new(1))
}

mod adopt;
mod copy;
mod fake;
mod faults;
mod fuzz;
mod hostile;
mod login;
mod silent;
mod statements;
mod tls;
mod transactions;
mod upgrade;

#[test]
fn a_schema_is_made_once() {
    let Some((store, origin)) = open() else { return };
    assert_eq!(origin, Origin::Made);
    assert!(store.write(|tx| roles::insert(tx, "editor")).expect("writes"));
    assert_eq!(store.read(roles::list).expect("reads").len(), 1);
    store.check().expect("is well");
}

#[test]
fn a_schema_may_have_the_name_of_a_word_of_sql() {
    let Some(mut target) = target() else { return };
    target.schema = Some("full".to_owned());
    let (other, _) = open().expect("a server is named");
    let drop_it = || {
        let session = engine(&other).reader();
        session.text("BEGIN READ WRITE; DROP SCHEMA IF EXISTS \"full\" CASCADE; COMMIT").expect("drops it");
    };
    drop_it();
    let (store, origin) = open_target(&target).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(origin, Origin::Made);
    drop(store);
    drop_it();
}
