//! What is answered while the disk fails, and what is in the database afterwards.

use crate::requests::{Prepare, WRITING};
use crate::support::{Reply, TestServer, session_body};
use crate::vfs::{self, Operation};
use authnzerver::actions::REQUESTS_BY_NAME;
use authnzerver::clock::{ManualClock, Moment};
use authnzerver::server::health::HealthCheck;
use authnzerver::store::{Store, roles};
use rusqlite::types::ValueRef;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A request's commit takes fewer calls than this.
const CALLS_MAX: u64 = 64;

/// One disk serves all tests of this program, so they take turns.
fn disk() -> MutexGuard<'static, ()> {
    static DISK: Mutex<()> = Mutex::new(());
    let turn = DISK.lock().unwrap_or_else(PoisonError::into_inner);
    vfs::install();
    vfs::heal();
    turn
}

/// A user without what is noted about attempts: one is written down before its password is tested, in a commit of its
/// own, and stays when the next commit fails.
const USER_COLUMNS: &str =
    "user_id, system_id, full_name, password, email, email_verified, is_active, user_role,
    extra_info, created_on, emailverify_sent_datetime, emailforgotpass_sent_datetime, last_login_success";

/// Everything else that requests have written, as text.
fn contents(server: &TestServer) -> String {
    let connection = rusqlite::Connection::open(server.database()).expect("opens");
    let tables = ["users", "sessions", "apikeys", "apikeys_nosession", "role_history", "locks"];
    let mut all = String::new();
    for table in tables {
        let columns = if table == "users" { USER_COLUMNS } else { "*" };
        let sql = format!("SELECT {columns} FROM {table} ORDER BY 1, 2");
        let mut statement = connection.prepare(&sql).expect("prepares");
        let columns = statement.column_count();
        let mut rows = statement.query([]).expect("runs");
        while let Some(row) = rows.next().expect("reads") {
            let values: Vec<_> = (0..columns).map(|at| shown(row.get_ref(at).expect("reads"))).collect();
            all += &format!("{table}: {}\n", values.join("|"));
        }
    }
    all
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}

/// That the server says that it could not do it, and nothing else.
#[track_caller]
fn is_broken(request: &str, reply: &Reply, what: &str) {
    match reply {
        Reply::Rejected(503, Some(_)) => {}
        Reply::Answered(answer) => {
            let broken = REQUESTS_BY_NAME[request].broken.and_then(|refusal| refusal.reason());
            assert!(broken.is_some(), "{what}: a verdict: {answer}");
            assert_eq!(answer["failure_reason"].as_str(), broken, "{what}: a verdict");
        }
        other @ Reply::Rejected(..) => panic!("{what}: {other:?}"),
    }
}

/// Has the request fail at its first call, at its second, and so on, until it needs no more calls.
fn drive(server: &TestServer, number: usize, prepare: Prepare, operation: Operation) {
    for good in 0..CALLS_MAX {
        let name = format!("p{number}-{}-{good}", operation as usize);
        let (request, body, succeeds) = prepare(server, &name);
        let what = format!("{request}, {operation:?} fails after {good}");
        let before = contents(server);
        vfs::fail(operation, good);
        let reply = server.ask(request, body.clone());
        if vfs::heal() == 0 {
            assert_eq!(reply.succeeded(), succeeds, "{what}: nothing failed, but {reply:?}");
            assert!(good > 0, "{what}: it writes nothing");
            return;
        }
        is_broken(request, &reply, &what);
        let after = contents(server);
        let changed: Vec<_> =
            after.lines().filter(|line| !before.lines().any(|known| known == *line)).collect();
        assert!(after == before, "{what}: something stayed: {changed:?}");
        let again = server.ask(request, body);
        assert_eq!(again.succeeded(), succeeds, "{what}: it does not work afterwards: {again:?}");
        server.later(Duration::from_secs(1));
    }
    panic!("request {number} never ends");
}

#[test]
fn no_request_is_acknowledged_or_half_done_while_writing_fails() {
    let _turn = disk();
    let server = TestServer::start();
    for (number, prepare) in WRITING.iter().enumerate() {
        for operation in [Operation::Write, Operation::Sync, Operation::Grow] {
            drive(&server, number, *prepare, operation);
        }
    }
    assert!(HealthCheck::default().check(&server.app).ok, "the last write worked");
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

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Moment::parse("2026-11-23T15:00:00").expect("a time")))
}

#[test]
fn opening_and_closing_on_a_failing_disk_lose_nothing() {
    let _turn = disk();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let open = || Store::open(&path, 2, clock()).map(|(store, _)| store);
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
