//! The event log, as those who follow it see it.

use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{GOOD_PASSWORD, Reply, TestServer};

fn since(server: &TestServer, after: &str, more: Value) -> Reply {
    let mut body = json!({ "after": after });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    server.ask("events-since", body)
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Where the log ends now.
fn now(server: &TestServer) -> String {
    text(&since(server, "now", json!({})).done()["position"])
}

/// The kinds of the events after this position.
fn kinds(server: &TestServer, after: &str) -> Vec<String> {
    let answer = since(server, after, json!({ "limit": 1000 })).done().clone();
    answer["events"].as_array().expect("a list").iter().map(|event| text(&event["kind"])).collect()
}

#[test]
fn an_event_says_what_happened_to_whom_by_whom_and_from_where() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let start = now(&server);
    alice.tries_from("198.51.100.9", "wrong").refused("user does not exist or password doesn't match");
    let answer = since(&server, &start, json!({})).done().clone();
    let [event] = &answer["events"].as_array().expect("a list")[..] else { panic!("{answer}") };
    assert_eq!((&event["kind"], &event["user_id"]), (&json!("login.failed"), &json!(user_id)));
    assert_eq!((&event["actor"], &event["actor_id"]), (&json!("unknown"), &Value::Null));
    assert_eq!((&event["network"], &event["request_id"]), (&json!("198.51.100.0/24"), &json!("user-login")));
    assert_eq!(event["position"], answer["position"]);
    alice.logs_in().done();
    let answer = since(&server, &text(&answer["position"]), json!({})).done().clone();
    let [event] = &answer["events"].as_array().expect("a list")[..] else { panic!("{answer}") };
    assert_eq!((&event["kind"], &event["actor_id"]), (&json!("login.succeeded"), &json!(user_id)));
    assert_eq!(
        (&answer["lost"], &answer["more"], &answer["lease_seconds"]),
        (&json!(false), &json!(false), &json!(10))
    );
}

#[test]
fn an_unknown_address_is_a_failure_without_an_account() {
    let server = TestServer::start();
    let start = now(&server);
    let _ = server.person("nobody").tries("wrong");
    let answer = since(&server, &start, json!({})).done().clone();
    assert_eq!(
        (&answer["events"][0]["kind"], &answer["events"][0]["user_id"]),
        (&json!("login.failed"), &Value::Null)
    );
}

#[test]
fn a_wrong_code_is_an_event_of_its_own_with_the_account() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    for (email, account) in [("alice@example.org", json!(user_id)), ("nobody@example.org", Value::Null)] {
        let start = now(&server);
        let body = json!({ "email": email, "code": "wrong", "new_password": "Trout-Lamp-93-Quarry" });
        server.ask("reset-finish", body).refused("the code is not valid, was used, or has expired");
        let answer = since(&server, &start, json!({})).done().clone();
        let [event] = &answer["events"].as_array().expect("a list")[..] else { panic!("{answer}") };
        assert_eq!((&event["kind"], &event["detail"]), (&json!("code.failed"), &json!("reset")));
        assert_eq!(event["user_id"], account);
    }
}

#[test]
fn a_lock_after_failures_and_its_end_are_events_of_the_server() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    (0..10).for_each(|_| drop(alice.tries("wrong")));
    let start = now(&server);
    let _ = alice.tries("wrong");
    server.later(Duration::from_secs(3600));
    alice.logs_in().done();
    let expected = ["login.failed", "account.suspended", "account.unlocked", "login.succeeded"];
    assert_eq!(kinds(&server, &start), expected);
}

#[test]
fn only_the_wanted_kinds_are_listed_and_the_position_goes_on_past_the_others() {
    let server = TestServer::start();
    let start = now(&server);
    let (_, user_id) = server.member("alice");
    server.new_session(Some(user_id));
    let answer = since(&server, &start, json!({ "kinds": ["account.verified"] })).done().clone();
    assert_eq!(answer["events"].as_array().expect("a list").len(), 1);
    assert_eq!(answer["position"], json!(now(&server)));
    let one = since(&server, &start, json!({ "limit": 1 })).done().clone();
    assert_eq!((&one["events"][0]["kind"], &one["more"]), (&json!("account.signed-up"), &json!(true)));
    assert_eq!(one["lease_seconds"], 0);
    let next = since(&server, &text(&one["position"]), json!({ "limit": 1 })).done().clone();
    assert_eq!(next["events"][0]["kind"], "account.verified");
    assert!(kinds(&server, "first").starts_with(&["account.added".to_owned()]));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let server = TestServer::start();
    let unknown = "invalid request: no event has this position; begin anew";
    for after in
        ["", "1", "yesterday", "00000000000000010000000000000000", "7fffffffffffffff0000000000000000"]
    {
        since(&server, after, json!({})).refused(unknown);
    }
    let kind = "invalid request: there is no such kind of event";
    since(&server, "now", json!({ "kinds": ["account"] })).refused(kind);
    since(&server, "now", json!({ "kinds": [1] })).refused(kind);
    let number = "invalid request: limit is 1 to 1000, wait_seconds 0 to 60";
    for more in [
        json!({ "limit": 0 }),
        json!({ "limit": 1001 }),
        json!({ "wait_seconds": 61 }),
        json!({ "wait_seconds": -1 }),
    ] {
        since(&server, "now", more).refused(number);
    }
}

#[test]
fn a_position_from_a_log_that_went_another_way_is_refused() {
    let server = TestServer::start();
    let position = now(&server);
    server.changes("UPDATE events SET hash = zeroblob(32) WHERE seq = (SELECT max(seq) FROM events)");
    since(&server, &position, json!({})).refused("invalid request: no event has this position; begin anew");
}

#[test]
fn an_event_that_cannot_be_read_is_told_as_lost_and_the_feed_goes_on() {
    let server = TestServer::start();
    let start = now(&server);
    server.member("alice");
    server.member("bob");
    server.changes("UPDATE events SET at = 'x' WHERE seq = (SELECT max(seq) - 2 FROM events)");
    let before = since(&server, &start, json!({})).done().clone();
    assert_eq!(before["events"].as_array().map(Vec::len), Some(1), "{before}");
    assert_eq!((&before["lost"], &before["more"]), (&json!(false), &json!(true)));
    let lost = since(&server, &text(&before["position"]), json!({ "wait_seconds": 60 })).done().clone();
    assert_eq!(
        (&lost["lost"], &lost["events"], &lost["more"], &lost["lease_seconds"]),
        (&json!(true), &json!([]), &json!(true), &json!(0))
    );
    let after = text(&lost["position"]);
    assert_eq!(kinds(&server, &after), ["account.signed-up", "account.verified"]);
}

#[test]
fn who_comes_too_late_learns_that_something_was_lost() {
    let server = TestServer::start();
    let start = now(&server);
    server.member("alice");
    let later = now(&server);
    server.member("bob");
    let removal = authnzerver::store::Removal::SurplusEvents(2);
    server.app.store.remove(removal, 1000).expect("removes");
    assert_eq!(kinds(&server, &later), ["account.signed-up", "account.verified"], "nothing after it is gone");
    let answer = since(&server, &start, json!({})).done().clone();
    assert_eq!(
        (&answer["lost"], &answer["events"], &answer["lease_seconds"]),
        (&json!(true), &json!([]), &json!(0))
    );
    assert_eq!(answer["position"], json!(now(&server)));
}

#[test]
fn a_waiting_request_is_answered_by_the_next_event() {
    let server = TestServer::start();
    let start = now(&server);
    let is_done = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let reply = since(&server, &start, json!({ "wait_seconds": 60, "kinds": ["account.verified"] }));
            is_done.store(true, Ordering::Release);
            reply
        });
        server.person("alice").signs_up().done();
        assert!(!is_done.load(Ordering::Acquire), "what is not wanted wakes nobody for good");
        server.ask("user-set-emailverified", json!({ "email": "alice@example.org" })).done();
        let answer = waiting.join().expect("is answered").done().clone();
        assert_eq!(answer["events"][0]["kind"], "account.verified");
    });
}

#[test]
fn a_waiting_request_sees_what_another_process_has_written() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let start = now(&server);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| since(&server, &start, json!({ "wait_seconds": 60 })));
        let store = authnzerver::store::Store::open_prepared(
            &server.app.config.database,
            server.app.clock.clone(),
            server.app.rng.clone(),
        );
        let store = store.expect("opens");
        let event = authnzerver::store::events::NewEvent::about(
            authnzerver::store::events::EventKind::AccountLocked,
            authnzerver::user_id::UserId::new(user_id),
        );
        let by = authnzerver::store::events::By::operator("root".to_owned());
        let trail = authnzerver::store::events::Trail::default();
        store.write(move |tx| trail.note(tx, by.clone(), event.clone())).expect("writes");
        let answer = waiting.join().expect("is answered").done().clone();
        assert_eq!(answer["events"][0]["operator"], "root");
    });
}

#[test]
fn a_request_that_waits_in_vain_is_answered_when_its_time_is_over() {
    let server = TestServer::start();
    let start = now(&server);
    let answer = since(&server, &start, json!({ "wait_seconds": 1 })).done().clone();
    assert_eq!((&answer["events"], &answer["position"]), (&json!([]), &json!(start)));
}

#[test]
fn of_very_many_who_wait_some_are_told_to_come_again() {
    let server = TestServer::start();
    let all: Vec<_> = (0..128).map(|_| server.app.store.watch().expect("there is room")).collect();
    let reply = since(&server, "now", json!({ "wait_seconds": 1 }));
    assert!(matches!(reply, Reply::Rejected(503, Some(_))), "{reply:?}");
    since(&server, "now", json!({})).done();
    drop(all);
    since(&server, "now", json!({ "wait_seconds": 1 })).done();
}

#[test]
fn a_server_that_stops_keeps_nobody_waiting() {
    let server = TestServer::start();
    server.app.store.end_watches();
    since(&server, "now", json!({ "wait_seconds": 60 })).done();
}

#[test]
fn a_deleted_user_leaves_numbers_and_nothing_personal() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    for client in ["203.0.113.77", "2001:db8:77:88::1"] {
        let _ = alice.tries_from(client, "wrong");
        alice.tries_from(client, GOOD_PASSWORD).done();
        let body = json!({ "email": alice.email, "password": GOOD_PASSWORD });
        server.ask_from(client, "user-passcheck-nosession", body).done();
    }
    let body = json!({ "email": alice.email, "user_id": user_id, "password": GOOD_PASSWORD });
    server.ask_from("203.0.113.77", "user-delete", body).done();
    let answer = since(&server, "first", json!({ "limit": 1000 })).done().clone();
    let of_alice: Vec<_> = answer["events"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|event| event["user_id"] == user_id)
        .collect();
    assert!(of_alice.len() >= 9, "what happened is still known");
    for event in of_alice {
        assert_eq!(
            (&event["network"], &event["request_id"], &event["operator"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
    }
    for personal in ["alice", "203.0.113", "2001:db8:77:88"] {
        assert!(!server.keeps(personal), "{personal} is still in the database");
    }
}
