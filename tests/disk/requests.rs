//! Every request that writes, each with what it needs to be done.

use crate::support::parser::value_of;
use crate::support::{GOOD_PASSWORD, TestServer, session_body};
use serde_json::{Value, json};

/// A password that differs from the usual one in most of its letters.
const OTHER_PASSWORD: &str = "Trout-Lamp-93-Quarry";

/// A request's name, what it asks, and whether it is done when nothing fails.
pub type Prepared = (&'static str, Value, bool);

/// Makes what a request needs, and the request. Each time it is called, the request can be done once more.
pub type Prepare = fn(&TestServer, &str) -> Prepared;

/// All of them.
pub const WRITING: &[Prepare] = &[
    |_, _| ("session-new", session_body(None), true),
    |server, _| ("session-delete", json!({ "session_token": server.new_session(None) }), true),
    |server, name| {
        let (_, user_id) = server.member(name);
        let token = server.new_session(Some(user_id));
        let body = json!({ "session_token": token, "user_id": user_id, "keep_current_session": false });
        ("session-delete-userid", body, true)
    },
    |server, _| {
        let body = json!({ "target_session_token": server.new_session(None), "update_dict": { "note": "x".repeat(9_000) } });
        ("internal-session-edit", body, true)
    },
    |_, name| {
        let email = format!("{name}@example.org");
        ("user-new", json!({ "full_name": "A Name", "email": email, "password": GOOD_PASSWORD }), true)
    },
    |server, name| {
        let person = server.person(name);
        person.signs_up().done();
        ("user-set-emailverified", json!({ "email": person.email }), true)
    },
    |server, name| {
        let (person, _) = server.member(name);
        ("user-set-emailsent", json!({ "email": person.email, "email_type": "forgotpass" }), true)
    },
    |server, name| logs_in(server, name, GOOD_PASSWORD),
    |server, name| logs_in(server, name, "wrong"),
    |server, name| {
        let (_, user_id) = server.member(name);
        let token = server.new_session(Some(user_id));
        ("user-logout", json!({ "session_token": token, "user_id": user_id }), true)
    },
    |server, name| {
        let (person, _) = server.member(name);
        ("user-passcheck-nosession", json!({ "email": person.email, "password": "wrong" }), false)
    },
    |server, name| {
        let (person, user_id) = server.member(name);
        let body = json!({
            "user_id": user_id, "full_name": person.full_name, "email": person.email,
            "current_password": GOOD_PASSWORD, "new_password": OTHER_PASSWORD,
        });
        ("user-changepass-nosession", body, true)
    },
    |server, name| {
        let (person, _) = server.member(name);
        let body = json!({
            "email_address": person.email, "new_password": OTHER_PASSWORD, "required_active": true,
        });
        ("user-resetpass-nosession", body, true)
    },
    |server, name| {
        let (_, user_id) = server.member(name);
        let token = server.new_session(Some(user_id));
        let body = json!({
            "user_id": user_id, "user_role": "authenticated", "session_token": token, "target_userid": user_id,
            "update_dict": { "full_name": "Another Name" },
        });
        ("user-edit", body, true)
    },
    |server, name| {
        let (_, user_id) = server.member(name);
        let edit = json!({ "full_name": "Another Name", "extra_info": { "note": 1 } });
        ("internal-user-edit", json!({ "target_userid": user_id, "update_dict": edit }), true)
    },
    |server, name| {
        let (_, user_id) = server.member(name);
        ("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" }), true)
    },
    |server, name| {
        let (_, user_id) = server.member(name);
        let toggle = |action| json!({ "target_userid": user_id, "action": action });
        server.ask("internal-user-lock", toggle("lock")).done();
        ("internal-user-lock", toggle("unlock"), true)
    },
    |server, name| {
        let (_, user_id) = server.member(name);
        ("internal-user-delete", json!({ "target_userid": user_id }), true)
    },
    |server, name| {
        let (person, user_id) = server.member(name);
        let body = json!({ "email": person.email, "user_id": user_id, "password": GOOD_PASSWORD });
        ("user-delete", body, true)
    },
    |server, name| ("apikey-new-nosession", key(server.member(name).1), true),
    |server, name| {
        let user_id = server.member(name).1;
        let made = server.ask("apikey-new-nosession", key(user_id));
        let claims = made.done()["apikey"].as_str().expect("a text");
        let claims: Value = value_of(claims).expect("claims");
        let body = json!({ "apikey_dict": claims, "user_id": user_id, "user_role": "authenticated" });
        ("apikey-revoke-nosession", body, true)
    },
];

fn logs_in(server: &TestServer, name: &str, password: &str) -> Prepared {
    let (person, _) = server.member(name);
    let token = server.new_session(None);
    let body = json!({ "session_token": token, "email": person.email, "password": password });
    ("user-login", body, password == GOOD_PASSWORD)
}

fn key(user_id: i64) -> Value {
    json!({
        "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_seconds": 900,
        "not_valid_before": 0, "user_id": user_id, "user_role": "authenticated", "ip_address": "192.0.2.1",
        "refresh_expires": 900, "refresh_nbf": 0,
    })
}
