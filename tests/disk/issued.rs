//! API keys that requests are asked about.

use serde_json::{Value, json};
use support::parser::value_of;
use support::{Reply, TestServer};

/// What a member asks for in a new session of theirs.
pub fn key(server: &TestServer, user_id: i64) -> Value {
    json!({
        "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_days": 1,
        "not_valid_before": 0, "user_id": user_id, "user_role": "authenticated", "ip_address": "192.0.2.1",
        "user_agent": "Browser/1.0", "session_token": server.new_session(Some(user_id)),
    })
}

/// The same for a key with scopes.
pub fn scoped_key(server: &TestServer, user_id: i64) -> Value {
    json!({
        "session_token": server.new_session(Some(user_id)), "name": "backup", "scopes": ["view:dataset"],
        "expires_days": 1,
    })
}

/// Issues one; tells what it is called.
pub fn issued_scoped(server: &TestServer, user_id: i64) -> Value {
    server.ask("apikey-issue", scoped_key(server, user_id)).done()["key_id"].clone()
}

pub fn nosession_key(user_id: i64) -> Value {
    json!({
        "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_seconds": 900,
        "not_valid_before": 0, "user_id": user_id, "user_role": "authenticated", "ip_address": "192.0.2.1",
        "refresh_expires": 900, "refresh_nbf": 0,
    })
}

/// A key without a session, good from the next moment on, and what renews it.
pub fn new_key(server: &TestServer, user_id: i64) -> (Value, String) {
    let issued = server.ask("apikey-new-nosession", nosession_key(user_id));
    (claims(&issued), issued.done()["refresh_token"].as_str().expect("a text").to_owned())
}

pub fn claims(issued: &Reply) -> Value {
    value_of(issued.done()["apikey"].as_str().expect("a text")).expect("claims")
}

pub fn presented(user_id: i64, claims: &Value) -> Value {
    json!({ "apikey_dict": claims, "user_id": user_id, "user_role": "authenticated" })
}
