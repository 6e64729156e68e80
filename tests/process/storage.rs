//! What happens to the files of the database while the server runs: moved, replaced, full.

use rusqlite::Connection;
use serde_json::json;
use support::machine::{Machine, Running};

/// Waits until the health check has looked again: it keeps a result for a second.
#[expect(clippy::disallowed_methods, reason = "the result of another process has to grow old")]
fn health_becomes(server: &Running, status: u16) {
    for _ in 0..600 {
        if server.health().0 == status {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("health is {:?}; {}", server.health(), server.log());
}

#[test]
fn a_database_that_is_replaced_under_the_server_stops_writes_and_health_and_is_told() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let session = server.new_session();
    health_becomes(&server, 200);
    std::fs::copy(machine.path(".authdb.sqlite"), machine.path("copy")).expect("copies");
    std::fs::rename(machine.path(".authdb.sqlite"), machine.path("old")).expect("moves");
    std::fs::rename(machine.path("copy"), machine.path(".authdb.sqlite")).expect("moves");
    assert_eq!(server.session_status(), 503);
    health_becomes(&server, 500);
    let (_, told) = server.health();
    assert_eq!(told["Health-Ok"], json!(false));
    assert_eq!(told["Cause"], "the database file was replaced or removed");
    server.waits_for("nothing is written any more");
    assert!(server.session_is_live(&session), "reading goes on");
    let log = server.stops();
    assert!(log.contains("was replaced or removed under the server"), "{log}");
    std::fs::rename(machine.path("old"), machine.path(".authdb.sqlite")).expect("moves");
    let server = machine.starts(&[]);
    assert!(server.session_is_live(&session), "what was acknowledged is in the file that was moved away");
}

/// Waits for a health check that was made after the last one that was answered.
#[expect(clippy::disallowed_methods, reason = "the result of another process has to grow old")]
fn health_is_checked_again(server: &Running) {
    let before = server.health().1["Uptime"].clone();
    while server.health().1["Uptime"] == before {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn a_database_that_is_moved_away_and_back_is_told_of_once_each() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    health_becomes(&server, 200);
    std::fs::rename(machine.path(".authdb.sqlite"), machine.path("away")).expect("moves");
    for _ in 0..3 {
        assert_eq!(server.session_status(), 503);
    }
    health_becomes(&server, 500);
    for _ in 0..2 {
        health_is_checked_again(&server);
    }
    std::fs::rename(machine.path("away"), machine.path(".authdb.sqlite")).expect("moves back");
    for _ in 0..3 {
        server.new_session();
    }
    health_becomes(&server, 200);
    health_is_checked_again(&server);
    let log = server.stops();
    for told in [
        "nothing is written any more",
        "the database is in its place again",
        "the health check fails",
        "the health check passes again",
    ] {
        assert_eq!(log.matches(told).count(), 1, "{told}: {log}");
    }
}

#[test]
fn a_log_that_is_removed_under_the_server_stops_writes_and_takes_nothing_along() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let session = server.new_session();
    std::fs::remove_file(machine.path(".authdb.sqlite-wal")).expect("is there");
    assert_eq!(server.session_status(), 503);
    health_becomes(&server, 500);
    server.stops();
    let server = machine.starts(&[]);
    assert!(server.session_is_live(&session));
    health_becomes(&server, 200);
}

/// How many sessions there are, as another process sees it.
fn sessions(machine: &Machine) -> i64 {
    let connection = Connection::open(machine.path(".authdb.sqlite")).expect("opens");
    connection.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0)).expect("reads")
}

fn run(machine: &Machine, statements: &str) {
    let connection = Connection::open(machine.path(".authdb.sqlite")).expect("opens");
    connection.execute_batch(statements).expect("the statements run");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "another process tells nobody when it has removed a row")]
fn what_expired_long_ago_is_removed_after_the_start() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    for _ in 0..5 {
        server.new_session();
    }
    server.stops();
    run(
        &machine,
        "UPDATE sessions SET expires = '2001-01-01 00:00:00.000000'
         WHERE token_hash <> (SELECT max(token_hash) FROM sessions)",
    );
    let server = machine.starts(&[]);
    for _ in 0..600 {
        if sessions(&machine) == 1 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{} sessions; {}", sessions(&machine), server.log());
}

#[test]
fn nothing_is_removed_under_a_clock_that_jumped_ahead() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    server.new_session();
    server.stops();
    // To a server whose clock is right, this looks as everything looks to one whose clock went ahead by years.
    run(
        &machine,
        "DELETE FROM server_state;
         UPDATE users SET last_updated = '2001-01-01 00:00:00.000000';
         UPDATE sessions SET expires = '2001-01-04 00:00:00.000000';",
    );
    let server = machine.starts(&[]);
    server.waits_for("the clock is far ahead");
    server.stops();
    assert_eq!(sessions(&machine), 1);
}

#[test]
fn a_file_that_may_not_grow_is_a_failed_write_and_not_the_end() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let session = server.new_session();
    server.limits_files_to(Some(4096));
    for _ in 0..5 {
        assert!(server.try_new_session().is_none(), "a session was acknowledged that cannot be written");
    }
    health_becomes(&server, 500);
    assert!(server.session_is_live(&session), "reading goes on");
    server.limits_files_to(None);
    server.new_session();
    health_becomes(&server, 200);
}
