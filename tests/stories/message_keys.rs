//! What the server notes about the keys of messages: that they changed, and when each was last used.

use authnzerver::accounts::message_keys::{note_keys, write_uses};
use authnzerver::guard::envelope::Keyring;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use support::{KEY, TestServer};

const OTHER_KEY: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

/// Takes up these keys, as a reload does.
fn takes_up(server: &TestServer, keys: &str) {
    server.app.keys.store(Arc::new(Keyring::parse(keys).expect("a ring")));
    note_keys(&server.app).expect("notes");
}

/// What the events of changed keys say.
fn changes(server: &TestServer) -> Vec<String> {
    let answer = server.ask("events-since", json!({ "after": "first", "kinds": ["keys.changed"] }));
    let events = answer.done()["events"].as_array().expect("a list").clone();
    events.iter().map(|event| event["detail"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn other_keys_are_an_event_that_names_them_and_shows_none() {
    let server = TestServer::start();
    takes_up(&server, KEY);
    assert_eq!(changes(&server), [""; 0], "there were none before");
    takes_up(&server, &format!("{KEY}\n{OTHER_KEY} # web2"));
    let commits = server.commits();
    takes_up(&server, &format!("{KEY}\n{OTHER_KEY} # web2"));
    assert_eq!(server.commits(), commits, "nothing changed");
    takes_up(&server, &format!("{KEY}\n{OTHER_KEY} # web2 requests=batch"));
    takes_up(&server, &format!("{KEY} # was {OTHER_KEY} before"));
    let told = changes(&server);
    assert_eq!(told[..2], ["keys: 2; new web2", "keys: 2; changed web2"]);
    assert_eq!(told[2..], ["keys: 1; gone web2"], "a remark is no name");
    takes_up(&server, &format!("{KEY}\n{OTHER_KEY}"));
    let last = changes(&server).pop().expect("another one");
    let fingerprint = last.strip_prefix("keys: 2; new ").expect("one is new");
    assert!(fingerprint.len() == 16 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()), "{last}");
    assert!(
        server
            .stored("SELECT group_concat(detail) FROM events")
            .is_some_and(|all| !all.contains(&OTHER_KEY[..9]))
    );
}

#[test]
fn a_change_that_could_not_be_noted_is_noted_the_next_time() {
    let server = TestServer::start();
    takes_up(&server, KEY);
    server.changes("CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'full'); END");
    let ring = Keyring::parse(&format!("{KEY}\n{OTHER_KEY} # web2")).expect("a ring");
    server.app.keys.store(Arc::new(ring));
    assert!(note_keys(&server.app).is_err());
    server.changes("DROP TRIGGER full");
    assert_eq!(changes(&server), [""; 0]);
    note_keys(&server.app).expect("notes");
    assert_eq!(changes(&server), ["keys: 2; new web2"]);
}

#[test]
fn a_keys_last_use_is_written_down_later_and_survives_a_change() {
    let server = TestServer::start();
    takes_up(&server, KEY);
    let stored = || server.stored("SELECT max(last_used) FROM message_keys");
    let commits = server.commits();
    server.later(Duration::from_secs(3));
    server
        .ask("session-exists", json!({ "session_token": "none" }))
        .refused("session does not exist or expired");
    assert_eq!((server.commits(), stored()), (commits, None), "a use is not worth a write");
    write_uses(&server.app).expect("writes");
    assert_eq!(stored().as_deref(), Some("2026-11-23 15:00:03.000000"));
    let commits = server.commits();
    write_uses(&server.app).expect("writes");
    assert_eq!(server.commits(), commits, "there was nothing to write");
    takes_up(&server, &format!("{KEY} # web2\n{OTHER_KEY}"));
    assert_eq!(stored().as_deref(), Some("2026-11-23 15:00:03.000000"));
    assert_eq!(
        server.stored("SELECT CAST(count(last_used) AS TEXT) FROM message_keys").as_deref(),
        Some("1")
    );
}
