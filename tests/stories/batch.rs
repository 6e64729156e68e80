//! Several requests in one message: each as if it had come alone.

use authnzerver::pipeline;
use authnzerver::presence::{Peer, Presence};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Reply, TestServer, session_body};

fn part(request: &str, body: Value) -> Value {
    json!({ "request": request, "body": body })
}

fn batch(server: &TestServer, parts: &[Value]) -> Reply {
    server.ask("batch", json!({ "requests": parts }))
}

fn answers(reply: &Reply) -> &Vec<Value> {
    reply.done()["answers"].as_array().expect("a list")
}

fn statuses(reply: &Reply) -> Vec<i64> {
    answers(reply).iter().map(|answer| answer["status"].as_i64().expect("a number")).collect()
}

fn validate(password: &str) -> Value {
    part(
        "user-validatepass",
        json!({ "password": password, "email": "a@example.org", "full_name": "Somebody" }),
    )
}

#[test]
fn each_request_is_answered_in_order_as_if_it_had_come_alone() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let token = server.new_session(Some(user_id));
    let to = |action: &str| {
        json!({
            "user_id": user_id, "user_role": "authenticated", "action": action, "target_name": "dataset",
            "target_owner": user_id, "target_visibility": "private", "target_sharedwith": "",
        })
    };
    let asked = [
        ("session-exists", json!({ "session_token": token })),
        ("user-check-access", to("view")),
        ("user-check-access", to("nothing")),
        ("session-exists", json!({ "session_token": 5 })),
    ];
    let alone: Vec<Reply> = asked.iter().map(|(request, body)| server.ask(request, body.clone())).collect();
    let parts: Vec<Value> = asked.iter().map(|(request, body)| part(request, body.clone())).collect();
    let together = batch(&server, &parts);
    assert_eq!(answers(&together).len(), asked.len());
    for (((request, _), alone), answer) in asked.iter().zip(&alone).zip(answers(&together)) {
        let Reply::Answered(alone) = alone else { panic!("{request} was not answered") };
        assert_eq!(answer["request"], **request);
        assert_eq!(answer["status"], 200);
        assert!(answer["retry_after"].is_null());
        for key in ["success", "response", "messages"] {
            assert_eq!(answer[key], alone[key], "{request}: {key}");
        }
        assert_eq!(answer["failure_reason"], alone.get("failure_reason").cloned().unwrap_or_default());
    }
    let succeeded: Vec<_> = answers(&together).iter().map(|answer| answer["success"] == true).collect();
    assert_eq!(succeeded, [true, true, false, false]);
}

#[test]
fn a_request_that_fails_undoes_and_stops_nothing_unless_so_wished() {
    let server = TestServer::start();
    let new = |name: &str, email: &str| {
        part("user-new", json!({ "full_name": name, "email": email, "password": "aROwQin9L8nNtPTEMLXd" }))
    };
    let parts =
        [new("Alice", "alice@example.org"), new("Alice", "not an address"), new("Bob", "bob@example.org")];
    let exists = |email: &str| server.ask("user-lookup-email", json!({ "email": email })).succeeded();
    let stopped = server.ask("batch", json!({ "requests": &parts, "stop_on_failure": true }));
    assert_eq!(statuses(&stopped), [200, 200], "the third has no answer");
    assert!(exists("alice@example.org") && !exists("bob@example.org"));
    let whole = server.ask("batch", json!({ "requests": &parts[1..], "stop_on_failure": false }));
    assert_eq!(statuses(&whole), [200, 200]);
    assert!(exists("bob@example.org"));
}

#[test]
fn what_is_no_request_is_rejected_by_itself() {
    let server = TestServer::start();
    let parts = [
        json!(7),
        json!({}),
        json!({ "request": 7, "body": {} }),
        json!({ "request": "session-new" }),
        json!({ "request": "session-new", "body": [] }),
        part("no-such-request", json!({})),
        part("session-new", session_body(None)),
    ];
    let reply = batch(&server, &parts);
    assert_eq!(statuses(&reply), [400, 400, 400, 400, 400, 400, 200]);
    for answer in &answers(&reply)[..6] {
        assert_eq!(answer["success"], false);
        assert!(answer["response"].is_null() && answer["failure_reason"].is_null());
    }
    assert_eq!(answers(&reply)[6]["success"], true);
}

#[test]
fn a_batch_holds_1_to_16_requests_and_no_batch() {
    let server = TestServer::start();
    for count in [0, 17] {
        let parts = vec![part("session-new", session_body(None)); count];
        let sessions = || server.stored("SELECT CAST(count(*) AS TEXT) FROM sessions");
        let before = sessions();
        batch(&server, &parts).refused("invalid request: a batch holds 1 to 16 requests");
        assert_eq!(sessions(), before);
    }
    assert_eq!(statuses(&batch(&server, &vec![part("session-new", session_body(None)); 16])), [200; 16]);
    let nested = part("batch", json!({ "requests": [part("session-new", session_body(None))] }));
    let reply = batch(&server, &[nested, validate("short")]);
    assert_eq!(answers(&reply)[0]["failure_reason"], "invalid request: a batch cannot hold a batch");
    assert_eq!(answers(&reply)[1]["failure_reason"], "password is insecure or invalid");
}

#[test]
fn the_requests_of_a_batch_are_counted_and_the_batch_is_not() {
    let limits = "ipaddr:720;user:360;session:120;apikey:720;burst:150;user-validatepass:5";
    let server = TestServer::start_with(&[("RATELIMITS", limits)]);
    let reply = batch(&server, &vec![validate("short"); 7]);
    assert_eq!(statuses(&reply), [200, 200, 200, 200, 200, 429, 429]);
    assert!(answers(&reply)[6]["retry_after"].as_i64().is_some_and(|seconds| seconds > 0));
    // Beside it, others go on, and however many batches there are, they are no limit by themselves.
    for _ in 0..200 {
        assert_eq!(statuses(&batch(&server, &[part("nothing", json!({})), validate("short")])).len(), 2);
    }
    assert_eq!(
        statuses(&batch(&server, &[part("session-new", session_body(None)), validate("short")])),
        [200, 429]
    );
}

#[test]
fn a_wrong_password_in_a_batch_counts_and_keeps_nobody_waiting() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let wrong = |token: &str| {
        part("user-login", json!({ "session_token": token, "email": alice.email, "password": "wrong" }))
    };
    let tokens = [server.new_session(None), server.new_session(None)];
    let (hashes, reply) = server.hashes_of(|| batch(&server, &tokens.each_ref().map(|token| wrong(token))));
    for answer in answers(&reply) {
        assert_eq!(answer["success"], false);
        assert!(answer["response"]["retry_after"].as_i64().is_some_and(|seconds| seconds > 0), "{answer}");
    }
    assert_eq!(hashes, 1, "the second one comes too soon to be looked at");
    assert_eq!(server.delays(), [0.0; 0]);
}

#[test]
fn nothing_in_a_batch_waits_for_events() {
    let server = TestServer::start();
    let waiting = part("events-since", json!({ "after": "now", "wait_seconds": 60 }));
    // No place among those that wait is left, and none is asked for.
    let _all: Vec<_> = (0..).map_while(|_| server.app.store.watch().ok()).collect();
    assert_eq!(statuses(&batch(&server, &[waiting.clone(), waiting])), [200, 200]);
}

/// A client that hangs up after it was asked so many times whether it is there.
struct Leaving(AtomicUsize);

impl Peer for Leaving {
    fn is_gone(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
    }
}

#[test]
fn what_is_left_of_a_batch_is_not_carried_out_after_the_client_has_gone() {
    let server = TestServer::start();
    let parts = vec![part("session-new", session_body(None)); 5];
    let message = json!({
        "request": "batch", "body": { "requests": parts }, "reqid": 1, "client_ipaddr": "192.0.2.1"
    });
    let key = server.app.config.secret.first();
    let sealed = key.seal(message.to_string().as_bytes(), server.app.clock.now());
    let leaving = Presence::of(Arc::new(Leaving(AtomicUsize::new(2))));
    assert!(pipeline::answer(&server.app, &sealed, &leaving).is_ok());
    let sessions = server.stored("SELECT CAST(count(*) AS TEXT) FROM sessions");
    assert_eq!(sessions.as_deref(), Some("2"));
}
