//! Keys of messages that may ask some requests and no others.

use authnzerver::guard::envelope::Keyring;
use serde_json::{Value, json};
use std::sync::Arc;
use support::{KEY, Reply, TestServer};

/// From now on the key may ask these requests and no others.
fn limit(server: &TestServer, requests: &str) {
    let ring = Keyring::parse(&format!("{KEY}  # web2 requests={requests}")).expect("a ring");
    server.app.keys.store(Arc::new(ring));
}

fn with(token: &str) -> Value {
    json!({ "session_token": token })
}

fn statuses(reply: &Reply) -> Vec<i64> {
    let answers = reply.done()["answers"].as_array().expect("a list");
    answers.iter().map(|answer| answer["status"].as_i64().expect("a number")).collect()
}

#[test]
fn a_key_asks_what_it_may_and_nothing_else_happens() {
    let server = TestServer::start();
    let token = server.new_session(None);
    limit(&server, "session-info,batch");
    server.ask("session-info", with(&token)).done();
    for (request, body) in [
        ("session-delete", with(&token)),
        ("session-list", json!({})),
        ("session-inf", json!({})),
        ("no such request", json!({})),
    ] {
        server.ask(request, body).rejected(403);
    }
    limit(&server, "session-exists");
    assert!(server.session_is_live(&token), "nothing was deleted");
}

#[test]
fn a_batch_has_to_be_allowed_and_each_request_in_it() {
    let server = TestServer::start();
    let token = server.new_session(None);
    let part = |request: &str| json!({ "request": request, "body": with(&token) });
    let parts = json!({ "requests": [part("session-info"), part("session-delete"), part("session-info")] });
    limit(&server, "session-info,batch");
    assert_eq!(statuses(&server.ask("batch", parts.clone())), [200, 403, 200]);
    limit(&server, "session-info,session-delete");
    server.ask("batch", parts.clone()).rejected(403);
    limit(&server, "batch,session-info,session-delete");
    assert_eq!(statuses(&server.ask("batch", parts)), [200, 200, 200], "it was there until now");
}

#[test]
fn what_a_key_may_not_ask_counts_towards_no_limit() {
    let server = TestServer::start_with(&[("RATELIMITS", "ipaddr:720;session:1;burst:1")]);
    limit(&server, "session-info");
    for _ in 0..5 {
        server.ask("session-exists", with("none")).rejected(403);
    }
    limit(&server, "session-exists");
    server.ask("session-exists", with("none")).refused("session does not exist or expired");
}
