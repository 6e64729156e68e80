//! What the health check says: whether the database can be read and written, and nothing else.

use authnzerver::server::health::HealthCheck;
use serde_json::{Value, json};
use std::time::Duration;
use support::parser::value_of;
use support::{TestServer, session_body};

/// A new check, so that no earlier result serves.
fn health(server: &TestServer) -> (bool, Value) {
    let health = HealthCheck::default().check(&server.app);
    (health.ok, value_of(&health.json).expect("JSON"))
}

fn run(server: &TestServer, statements: &str) {
    server.changes(statements);
}

#[test]
fn a_fresh_server_is_well() {
    let server = TestServer::start();
    let (ok, told) = health(&server);
    assert!(ok, "{told}");
    assert_eq!(told["Workers"]["worker-1"], "ok");
    assert!(told.get("Cause").is_none());
}

#[test]
fn guesses_at_the_only_administrator_break_no_database() {
    let server = TestServer::start();
    for _ in 0..12 {
        server.admin().tries("wrong");
    }
    let (ok, told) = health(&server);
    assert!(ok, "{told}");
    run(&server, "UPDATE users SET is_active = 0, user_role = 'locked' WHERE user_role = 'superuser'");
    assert!(health(&server).0, "who may administer is not what health is about");
}

#[test]
fn a_database_that_cannot_be_read_or_written_is_broken() {
    for table in ["users", "server_state"] {
        let server = TestServer::start();
        run(&server, &format!("ALTER TABLE {table} RENAME TO mislaid"));
        let (ok, told) = health(&server);
        assert!(!ok, "{table}: {told}");
        assert_eq!(told["Health-Ok"], json!(false));
        assert_eq!(told["Workers"]["worker-1"], "database broken");
        run(&server, &format!("ALTER TABLE mislaid RENAME TO {table}"));
        assert!(health(&server).0, "{table} is there again");
    }
    let server = TestServer::start();
    server.app.store.close();
    assert!(!health(&server).0, "a closed one is no better");
}

#[test]
fn a_few_failed_writes_in_a_row_are_broken_until_one_works_again() {
    let server = TestServer::start();
    let new_session = || server.ask("session-new", session_body(None)).succeeded();
    let fails = |times: usize| {
        run(&server, "ALTER TABLE sessions RENAME TO mislaid");
        for _ in 0..times {
            assert!(!new_session());
        }
        let ok = health(&server).0;
        run(&server, "ALTER TABLE mislaid RENAME TO sessions");
        ok
    };
    assert!(fails(1), "one may be bad luck");
    assert!(new_session());
    assert!(!fails(4));
    let (ok, told) = health(&server);
    assert!(!ok, "nothing has shown yet that writing works");
    assert_eq!(told["Cause"], "writes fail");
    assert!(new_session());
    assert!(health(&server).0, "a write has worked");
    assert!(!fails(4));
    server.later(Duration::from_secs(30));
    assert!(health(&server).0, "nobody has tried since, and there is room");
}

#[test]
fn refusals_are_no_failed_writes() {
    let server = TestServer::start();
    server.member("alice");
    for _ in 0..10 {
        assert!(!server.ask("session-delete", json!({ "session_token": "unknown" })).succeeded());
        assert!(!server.person("alice").signs_up().succeeded());
    }
    assert!(health(&server).0);
}
