//! Every request that only reads: how to ask it. The first question is answered, the others are refused.

use crate::emailed::queues_email;
use crate::issued::{key, new_key, scoped_key};
use serde_json::{Value, json};
use std::time::Duration;
use support::parser::value_of;
use support::{GOOD_PASSWORD, TestServer};

/// Makes what a request needs, and its bodies.
pub type Prepare = fn(&TestServer) -> Vec<Value>;

/// All of them.
pub const READING: &[(&str, Prepare)] = &[
    ("session-exists", |server| {
        let user_id = server.member("alice").1;
        let token = |token: &str| json!({ "session_token": token });
        vec![token(&server.new_session(Some(user_id))), token("none")]
    }),
    ("batch", |server| {
        let user_id = server.member("alice").1;
        let part = |token: &str| json!({ "request": "session-exists", "body": { "session_token": token } });
        vec![
            json!({ "requests": [part(&server.new_session(Some(user_id))), part("none")] }),
            json!({ "requests": [] }),
        ]
    }),
    ("session-info", |server| {
        let token = server.new_session(Some(server.member("alice").1));
        vec![json!({ "session_token": token }), json!({ "session_token": "none" })]
    }),
    ("session-list", |server| {
        let token = server.new_session(Some(server.member("alice").1));
        vec![json!({ "session_token": token }), json!({ "session_token": "none" })]
    }),
    ("login-history", |server| {
        let (alice, user_id) = server.member("alice");
        let _ = alice.tries("wrong");
        let token = server.new_session(Some(user_id));
        vec![json!({ "session_token": token }), json!({ "session_token": "none" })]
    }),
    ("apikey-list", |server| {
        let token = server.new_session(Some(server.member("alice").1));
        vec![json!({ "session_token": token }), json!({ "session_token": "none" })]
    }),
    ("internal-session-list", |server| {
        let user_id = server.member("alice").1;
        server.new_session(Some(user_id));
        vec![json!({}), json!({ "user_id": user_id }), json!({ "after": "none" })]
    }),
    ("internal-apikey-list", |server| {
        new_key(server, server.member("alice").1);
        vec![json!({}), json!({ "user_id": 99 })]
    }),
    ("internal-lock-list", |server| {
        let user_id = server.member("alice").1;
        server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
        vec![json!({})]
    }),
    ("internal-email-list", |server| {
        queues_email(server, "alice");
        vec![json!({})]
    }),
    ("internal-stats", |server| {
        server.member("alice");
        vec![json!({})]
    }),
    ("events-since", |server| {
        server.member("alice");
        vec![json!({ "after": "first", "kinds": ["account.verified"] }), json!({ "after": "none" })]
    }),
    ("user-list", |server| {
        server.member("alice");
        vec![json!({ "user_id": null }), json!({ "user_id": 99 })]
    }),
    ("user-lookup-email", |server| {
        let email = server.member("alice").0.email;
        vec![json!({ "email": email }), json!({ "email": "nobody@example.org" })]
    }),
    ("user-lookup-match", |server| {
        server.member("alice");
        vec![
            json!({ "by": "extra_info", "match": { "type": "normal-user" } }),
            json!({ "by": "user_role", "match": "authenticated" }),
            json!({ "by": "nothing", "match": 1 }),
        ]
    }),
    ("user-check-access", |server| {
        let user_id = server.member("alice").1;
        let to = |action| {
            json!({
                "user_id": user_id, "user_role": "authenticated", "action": action, "target_name": "dataset",
                "target_owner": user_id, "target_visibility": "private", "target_sharedwith": "",
            })
        };
        vec![to("view"), to("nothing")]
    }),
    ("access-explain", |server| {
        let user_id = server.member("alice").1;
        let to = |action| {
            json!({
                "user_id": user_id, "user_role": "authenticated", "action": action, "target_name": "dataset",
                "target_owner": user_id, "target_visibility": "private", "target_sharedwith": "",
            })
        };
        vec![to("view"), to("nothing")]
    }),
    ("user-check-limit", |server| {
        let user_id = server.member("alice").1;
        let of = |role| json!({ "user_id": user_id, "user_role": role, "limit_name": "max_requests", "value_to_check": 1 });
        vec![of("authenticated"), of("superuser")]
    }),
    ("user-validatepass", |_| {
        let with =
            |password| json!({ "password": password, "email": "alice@example.org", "full_name": "Alice" });
        vec![with(GOOD_PASSWORD), with("short")]
    }),
    ("apikey-verify", |server| {
        let (user_id, claims) = key_with_session(server, "alice");
        server.later(Duration::from_secs(1));
        presented(user_id, &claims)
    }),
    ("apikey-verify-nosession", |server| {
        let user_id = server.member("alice").1;
        let (claims, _) = new_key(server, user_id);
        server.later(Duration::from_secs(1));
        presented(user_id, &claims)
    }),
    ("apikey-check", |server| {
        let issued = server.ask("apikey-issue", scoped_key(server, server.member("alice").1));
        let key = issued.done()["apikey"].as_str().expect("a text").to_owned();
        let to = |action, owner| json!({ "apikey": key, "action": action, "target_name": "dataset", "target_owner": owner });
        vec![
            json!({ "apikey": key }),
            to("view", Value::Null),
            to("view", json!(1)),
            to("delete", Value::Null),
            json!({ "apikey": &key[1..] }),
        ]
    }),
];

/// A key of a member's session.
fn key_with_session(server: &TestServer, name: &str) -> (i64, Value) {
    let user_id = server.member(name).1;
    let issued = server.ask("apikey-new", key(server, user_id));
    (user_id, value_of(issued.done()["apikey"].as_str().expect("a text")).expect("claims"))
}

fn presented(user_id: i64, claims: &Value) -> Vec<Value> {
    let as_one = |role| json!({ "apikey_dict": claims, "user_id": user_id, "user_role": role });
    let mut altered = as_one("authenticated");
    altered["apikey_dict"]["exp"] = json!("2099-01-01T00:00:00");
    vec![as_one("authenticated"), as_one("superuser"), altered]
}
