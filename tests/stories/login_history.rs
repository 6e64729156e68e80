//! What somebody who is logged in sees of how they came in, and of who tried to.

use serde_json::{Value, json};
use support::{Reply, TestServer};

fn history(server: &TestServer, token: &str, more: &Value) -> Reply {
    let mut body = json!({ "session_token": token });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    server.ask("login-history", body)
}

fn kinds(reply: &Reply) -> Vec<String> {
    let events = reply.done()["events"].as_array().expect("a list");
    events.iter().map(|event| event["kind"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn a_user_sees_their_own_logins_and_failures_the_newest_first() {
    let server = TestServer::start();
    let (alice, alice_id) = server.member("alice");
    let (bob, _) = server.member("bob");
    alice.tries_from("198.51.100.9", "wrong").refused("user does not exist or password doesn't match");
    bob.tries_from("203.0.113.9", "wrong").refused("user does not exist or password doesn't match");
    alice.logs_in().done();
    let token = server.new_session(Some(alice_id));
    let seen = history(&server, &token, &json!({}));
    assert_eq!(kinds(&seen), ["login.succeeded", "login.failed"], "a session is no login");
    let events = &seen.done()["events"];
    assert_eq!((&events[0]["actor"], &events[1]["actor"]), (&json!("password"), &json!("unknown")));
    assert_eq!(events[1]["network"], "198.51.100.0/24");
    assert_eq!(events[1]["at"], "2026-11-23T15:00:00");
    assert!(seen.done()["next"].is_null());
    server
        .ask(
            "session-delete-userid",
            json!({ "session_token": token, "user_id": alice_id, "keep_current_session": false }),
        )
        .done();
    history(&server, &token, &json!({})).refused("nobody is logged in with this session");
}

#[test]
fn a_history_is_read_in_parts_without_gaps() {
    let server = TestServer::start();
    let (alice, alice_id) = server.member("alice");
    let (bob, _) = server.member("bob");
    for _ in 0..3 {
        let _ = alice.tries("wrong");
        let _ = bob.tries("wrong");
        alice.logs_in().done();
    }
    let token = server.new_session(Some(alice_id));
    let whole = history(&server, &token, &json!({})).done()["events"].clone();
    assert_eq!(whole.as_array().map(Vec::len), Some(6));
    let (mut parts, mut ask) = (Vec::new(), json!({ "limit": 4 }));
    loop {
        let part = history(&server, &token, &ask).done().clone();
        parts.extend(part["events"].as_array().expect("a list").clone());
        if part["next"].is_null() {
            break;
        }
        ask["before"] = part["next"].clone();
    }
    assert_eq!(json!(parts), whole);
    let all = history(&server, &token, &json!({ "limit": 6 }));
    assert!(all.done()["next"].is_null(), "these are all");
    for limit in [0, -1, 201, i64::MAX] {
        history(&server, &token, &json!({ "limit": limit })).refused("invalid request: limit is 1 to 200");
    }
    assert_eq!(kinds(&history(&server, &token, &json!({ "before": i64::MIN }))), [""; 0]);
}

#[test]
fn visitors_have_no_history() {
    let server = TestServer::start();
    let visitor = server.new_session(None);
    for token in [visitor.as_str(), "none"] {
        history(&server, token, &json!({})).refused("nobody is logged in with this session");
    }
}
