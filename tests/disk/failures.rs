//! Health, opening and closing on a disk that fails, and what is on it when it does not.

use crate::vfs::{self, Operation};
use authnzerver::clock::{ManualClock, Timestamp};
use authnzerver::rng::SeededRng;
use authnzerver::server::health::HealthCheck;
use authnzerver::store::{Readers, Store, roles};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use support::{TestServer, session_body};

/// One disk serves all tests of this program, so they take turns.
pub fn disk() -> MutexGuard<'static, ()> {
    static DISK: Mutex<()> = Mutex::new(());
    let turn = DISK.lock().unwrap_or_else(PoisonError::into_inner);
    vfs::install();
    vfs::heal();
    turn
}

#[test]
fn health_is_broken_while_writes_fail_and_recovers() {
    for operation in [Operation::Write, Operation::Sync, Operation::Grow] {
        let _turn = disk();
        let server = TestServer::start();
        let is_well = || HealthCheck::default().check(&server.app).ok;
        assert!(is_well());
        vfs::fail(operation, 0);
        for _ in 0..4 {
            assert!(!server.ask("session-new", session_body(None)).succeeded());
        }
        assert!(!is_well(), "{operation:?}");
        vfs::heal();
        server.ask("session-new", session_body(None)).done();
        assert!(is_well(), "{operation:?}");
    }
}

#[test]
fn each_acknowledged_write_has_been_synced() {
    let _turn = disk();
    let server = TestServer::start();
    for _ in 0..20 {
        let before = vfs::syncs();
        server.new_session(None);
        assert!(vfs::syncs() > before, "it was acknowledged before it was on the disk");
    }
}

#[test]
fn a_removed_row_is_overwritten_on_the_disk() {
    let _turn = disk();
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let hash =
        server.stored(&format!("SELECT password FROM users WHERE user_id = {user_id}")).expect("is there");
    let id = serde_json::json!({ "target_userid": user_id });
    server.ask("internal-user-delete", id).done();
    server.app.store.close();
    let bytes = std::fs::read(server.database()).expect("reads");
    let stays = bytes.windows(hash.len()).any(|window| window == hash.as_bytes());
    assert!(!stays, "the hash of a deleted user is still in the file");
}

pub fn rng() -> Arc<SeededRng> {
    Arc::new(SeededRng::new(1))
}

pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::parse("2026-11-23T15:00:00").expect("a time")))
}

#[test]
fn opening_and_closing_on_a_failing_disk_lose_nothing() {
    let _turn = disk();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let open = || Store::open(&path.clone().into(), Readers::of(2), clock(), rng()).map(|(store, _)| store);
    let store = open().expect("opens");
    store.write(|tx| roles::insert(tx, "kept")).expect("writes");
    for operation in [Operation::Write, Operation::Sync, Operation::Truncate] {
        for good in 0..4 {
            let store = open().expect("opens");
            let name = format!("{operation:?}-{good}");
            store.write(move |tx| roles::insert(tx, &name)).expect("writes");
            vfs::fail(operation, good);
            store.close();
            drop(store);
            vfs::heal();
        }
    }
    drop(store);
    for good in 0..12 {
        vfs::fail(Operation::Open, good);
        let opened = open();
        if vfs::heal() > 0 {
            assert!(opened.is_err(), "it opened without what failed after {good}");
        }
    }
    let store = open().expect("opens again");
    let names = store.read(roles::list).expect("reads");
    assert_eq!(names.len(), 13, "{:?}", names.iter().map(|role| &role.name).collect::<Vec<_>>());
    store.write(|tx| roles::insert(tx, "after")).expect("writes");
}
