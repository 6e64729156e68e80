//! API keys that end with their session: what they say, who may use them, and what ends them.

use serde_json::{Map, Value, json};
use std::time::Duration;
use support::parser::value_of;
use support::{Reply, TestServer};

const MAY_NOT: &str = "originating user is not allowed to operate on this API key";
const NOT_VALID: &str = "key validation failed, provided key does not match stored key or has expired";
const NO_SESSION: &str = "invalid session for user requesting API key issuance";
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// What a member asks for in a session of theirs.
fn body(user_id: i64, session: &str) -> Value {
    json!({
        "issuer": "iss", "audience": "aud", "subject": "/sub", "apiversion": 1, "expires_days": 1,
        "not_valid_before": 0, "user_id": user_id, "user_role": "authenticated",
        "ip_address": "192.0.2.1", "user_agent": "Browser/1.0", "session_token": session,
    })
}

/// A key in a session that outlives it.
fn key_of(server: &TestServer, user_id: i64) -> (Value, String) {
    let session = server.new_session(Some(user_id));
    let issued = server.ask("apikey-new", body(user_id, &session));
    (claims(&issued), session)
}

fn claims(issued: &Reply) -> Value {
    value_of(issued.done()["apikey"].as_str().expect("a text")).expect("claims")
}

fn asks(server: &TestServer, request: &str, claims: &Value, user_id: i64, role: &str) -> Reply {
    server.ask(request, json!({ "apikey_dict": claims, "user_id": user_id, "user_role": role }))
}

fn verifies(server: &TestServer, claims: &Value, user_id: i64) -> Reply {
    asks(server, "apikey-verify", claims, user_id, "authenticated")
}

fn keys_stored(server: &TestServer) -> i64 {
    let count = server.stored("SELECT CAST(count(*) AS TEXT) FROM apikeys");
    count.and_then(|count| count.parse().ok()).expect("a count")
}

#[test]
fn a_key_is_a_text_with_its_claims_in_order() {
    let server = TestServer::start();
    server.later(Duration::from_micros(816_368));
    let (_, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let mut ask = body(user_id, &session);
    ask["issuer"] = json!("é");
    let issued = server.ask("apikey-new", ask.clone());
    let text = issued.done()["apikey"].as_str().expect("a text, not an object");
    let token = claims(&issued)["tkn"].as_str().expect("a token").to_owned();
    assert_eq!(token.len(), 43);
    let expected = format!(
        r#"{{"iss": "\u00e9", "ver": 1, "uid": {user_id}, "rol": "authenticated", "usa": "Browser/1.0", "aud": "aud", "sub": "/sub", "ipa": "192.0.2.1", "tkn": "{token}", "iat": "2026-11-23T15:00:00.816368", "nbf": "2026-11-23T15:00:00.816368", "exp": "2026-11-24T15:00:00.816368"}}"#
    );
    assert_eq!(text, expected);
    assert_eq!(issued.done()["expires"], "2026-11-24T15:00:00.816368");
    ask["not_valid_before"] = json!(-5.5);
    ask["apiversion"] = json!("v1");
    ask["subject"] = json!(["/a", "/b"]);
    let other = claims(&server.ask("apikey-new", ask));
    assert_eq!(other["nbf"], "2026-11-23T14:59:55.316368");
    assert_eq!((&other["ver"], &other["sub"]), (&json!("v1"), &json!(["/a", "/b"])));
    assert_ne!(other["tkn"], json!(token));
    let hex = server.stored("SELECT group_concat(hex(token_hash) || hex(claims_hash)) FROM apikeys");
    assert!(!hex.expect("is there").contains(&token));
}

#[test]
fn a_key_verifies_for_its_owner_and_administrators_only() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (_, bob) = server.member("bob");
    let (claims, _) = key_of(&server, user_id);
    verifies(&server, &claims, user_id).refused(NOT_VALID);
    server.later(SECOND);
    let verified = verifies(&server, &claims, user_id);
    verified.done();
    assert!(verified.messages()[0].contains("2026-11-24T15:00:00"));
    asks(&server, "apikey-verify", &claims, 1, "superuser").done();
    verifies(&server, &claims, bob).refused(MAY_NOT);
    asks(&server, "apikey-verify", &claims, user_id, "superuser").refused(MAY_NOT);
    asks(&server, "apikey-verify", &claims, 2, "anonymous").refused(MAY_NOT);
    asks(&server, "apikey-verify", &claims, 99, "superuser").refused(MAY_NOT);
    asks(&server, "apikey-verify", &claims, user_id, "nosuch").refused(MAY_NOT);
    let staff = json!({ "target_userid": bob, "update_dict": { "user_role": "staff" } });
    server.ask("internal-user-edit", staff).done();
    asks(&server, "apikey-verify", &claims, bob, "staff").refused(MAY_NOT);
    asks(&server, "apikey-revoke", &claims, bob, "staff").refused(MAY_NOT);
    verifies(&server, &claims, user_id).done();
}

#[test]
fn altered_claims_are_not_those_of_the_key() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (_, bob) = server.member("bob");
    let (claims, _) = key_of(&server, user_id);
    server.later(SECOND);
    let altered = |key: &str, value: Value| {
        let mut altered = claims.clone();
        altered[key] = value;
        altered
    };
    for (key, value) in [
        ("iss", json!("other")),
        ("ver", json!("1")),
        ("usa", json!("Other/1.0")),
        ("aud", json!("other")),
        ("sub", json!("/admin")),
        ("ipa", json!("203.0.113.1")),
        ("tkn", json!("A".repeat(43))),
        ("exp", json!("2099-01-01T00:00:00")),
        ("nbf", json!(null)),
        ("rol", json!("superuser")),
    ] {
        verifies(&server, &altered(key, value), user_id).refused(NOT_VALID);
    }
    verifies(&server, &altered("uid", json!(bob)), bob).refused(NOT_VALID);
    for (key, value) in [
        ("uid", json!("4")),
        ("uid", json!(null)),
        ("uid", json!(true)),
        ("tkn", json!(1)),
        ("rol", json!(["authenticated"])),
    ] {
        for request in
            ["apikey-verify", "apikey-revoke", "apikey-verify-nosession", "apikey-revoke-nosession"]
        {
            let odd = altered(key, value.clone());
            asks(&server, request, &odd, user_id, "authenticated").refused(NOT_VALID);
        }
    }
    verifies(&server, &json!({}), user_id).refused(NOT_VALID);
    let backwards: Map<String, Value> =
        claims.as_object().expect("claims").clone().into_iter().rev().collect();
    verifies(&server, &Value::Object(backwards), user_id).done();
}

#[test]
fn only_the_session_that_fits_gets_a_key() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (_, bob) = server.member("bob");
    let session = server.new_session(Some(user_id));
    let right = body(user_id, &session);
    let with = |key: &str, value: Value| {
        let mut ask = right.clone();
        ask[key] = value;
        server.ask("apikey-new", ask)
    };
    for (key, value) in [
        ("session_token", json!("made up")),
        ("session_token", json!(server.new_session(Some(bob)))),
        ("session_token", json!(server.new_session(None))),
        ("ip_address", json!("192.0.2.2")),
        ("user_agent", json!("browser/1.0")),
    ] {
        let refused = with(key, value);
        let told = refused.refused(NO_SESSION);
        assert!(told["apikey"].is_null() && told["expires"].is_null(), "{key}");
    }
    for (key, value) in [
        ("user_role", json!("staff")),
        ("user_role", json!("king")),
        ("user_id", json!(99)),
        ("user_id", json!(3)),
    ] {
        let refused = with(key, value);
        assert!(refused.refused("user not allowed to issue API key").get("apikey").is_none());
    }
    let mut visitor = body(2, &server.new_session(None));
    visitor["user_role"] = json!("anonymous");
    server.ask("apikey-new", visitor).refused("user not allowed to issue API key");
    assert_eq!(keys_stored(&server), 0);
    server.later(DAY);
    with("audience", json!("aud")).refused(NO_SESSION);
    assert_eq!(keys_stored(&server), 0);
}

#[test]
fn a_key_cannot_live_for_ever() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    for (key, value) in [
        ("expires_days", json!(-1)),
        ("expires_days", json!(i64::MAX)),
        ("expires_days", json!(i64::MIN)),
        ("expires_days", json!(4_000_000)),
        ("not_valid_before", json!(1e300)),
        ("not_valid_before", json!(-1e300)),
        ("not_valid_before", json!(i64::MAX)),
    ] {
        let mut ask = body(user_id, &session);
        ask[key] = value;
        let refused = server.ask("apikey-new", ask);
        assert!(refused.refused("invalid request: key lifetime out of range")["apikey"].is_null());
    }
    assert_eq!(keys_stored(&server), 0);
}

#[test]
fn a_key_begins_and_ends_at_its_times() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let mut long = support::session_body(Some(user_id));
    long["expires"] = json!(30);
    let made = server.ask("session-new", long);
    let session = made.done()["session_token"].as_str().expect("a token");
    let mut ask = body(user_id, session);
    ask["not_valid_before"] = json!(60);
    let late = claims(&server.ask("apikey-new", ask));
    server.later(60 * SECOND);
    verifies(&server, &late, user_id).refused(NOT_VALID);
    server.later(SECOND);
    verifies(&server, &late, user_id).done();
    server.later(DAY.saturating_sub(62 * SECOND));
    verifies(&server, &late, user_id).done();
    server.later(SECOND);
    verifies(&server, &late, user_id).refused(NOT_VALID);
    assert!(server.session_is_live(session));
    asks(&server, "apikey-revoke", &late, user_id, "authenticated").done();
}

#[test]
fn a_key_ends_with_its_session() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (ended, session) = key_of(&server, user_id);
    let mut ask = body(user_id, &server.new_session(Some(user_id)));
    ask["expires_days"] = json!(30);
    let long = claims(&server.ask("apikey-new", ask));
    server.later(SECOND);
    server.ask("session-delete", json!({ "session_token": session })).done();
    verifies(&server, &ended, user_id).refused(NOT_VALID);
    verifies(&server, &long, user_id).done();
    assert_eq!(keys_stored(&server), 1);
    server.later(DAY);
    verifies(&server, &long, user_id).refused(NOT_VALID);
}

#[test]
fn a_key_dies_when_its_owners_role_or_freedom_does() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let edit = |changes: Value| {
        let ask = json!({ "target_userid": user_id, "update_dict": changes });
        server.ask("internal-user-edit", ask).done();
    };
    let (demoted, _) = key_of(&server, user_id);
    server.later(SECOND);
    edit(json!({ "user_role": "staff" }));
    asks(&server, "apikey-verify", &demoted, user_id, "staff").refused(NOT_VALID);
    asks(&server, "apikey-verify", &demoted, 1, "superuser").refused(NOT_VALID);
    edit(json!({ "user_role": "authenticated" }));
    verifies(&server, &demoted, user_id).refused(NOT_VALID);

    let (locked, _) = key_of(&server, user_id);
    server.later(SECOND);
    let toggle = |action: &str| {
        server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": action })).done();
    };
    toggle("lock");
    verifies(&server, &locked, user_id).refused(MAY_NOT);
    asks(&server, "apikey-verify", &locked, 1, "superuser").refused(NOT_VALID);
    toggle("unlock");
    verifies(&server, &locked, user_id).refused(NOT_VALID);
    assert_eq!(keys_stored(&server), 0);
}

#[test]
fn a_revoked_key_is_gone() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (_, bob) = server.member("bob");
    let ((first, session), (second, _)) = (key_of(&server, user_id), key_of(&server, user_id));
    server.later(SECOND);
    let revoke = |claims: &Value, who: i64, role: &str| asks(&server, "apikey-revoke", claims, who, role);
    revoke(&first, bob, "authenticated").refused(MAY_NOT);
    verifies(&server, &first, user_id).done();
    let done = revoke(&first, user_id, "authenticated");
    done.done();
    verifies(&server, &first, user_id).refused(NOT_VALID);
    verifies(&server, &second, user_id).done();
    let again = revoke(&first, user_id, "authenticated");
    again.refused_without_reason();
    assert_eq!(done.messages(), ["The API key was revoked."]);
    assert_eq!(again.messages(), ["No API key was revoked: there is none like this."]);
    revoke(&second, 1, "superuser").done();
    verifies(&server, &second, user_id).refused(NOT_VALID);
    assert!(server.session_is_live(&session));
    let wrong_kind = asks(&server, "apikey-verify-nosession", &second, user_id, "authenticated");
    wrong_kind.refused(NOT_VALID);
}

#[test]
fn what_is_no_key_is_not_said_to_be_revoked() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (whole, _) = key_of(&server, user_id);
    for request in ["apikey-revoke", "apikey-revoke-nosession"] {
        for part in ["tkn", "uid", "rol"] {
            let mut claims = whole.clone();
            claims.as_object_mut().expect("an object").remove(part);
            let refused = asks(&server, request, &claims, user_id, "authenticated");
            refused.refused(NOT_VALID);
            assert_eq!(refused.messages(), ["The API key is not valid."], "{request} without {part}");
        }
        let mut claims = whole.clone();
        claims["tkn"] = json!("another");
        let refused = asks(&server, request, &claims, user_id, "authenticated");
        refused.refused_without_reason();
        assert_eq!(refused.messages(), ["No API key was revoked: there is none like this."]);
    }
    server.later(SECOND);
    verifies(&server, &whole, user_id).done();
}

#[test]
fn a_key_lives_no_longer_than_the_operator_allows() {
    let server = TestServer::start_with(&[("APIKEYMAX", "2")]);
    let (_, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let asks_for = |days: i64| {
        let mut ask = body(user_id, &session);
        ask["expires_days"] = json!(days);
        server.ask("apikey-new", ask)
    };
    let refused = asks_for(3);
    assert!(refused.refused("invalid request: key lifetime out of range")["apikey"].is_null());
    assert_eq!(asks_for(2).done()["expires"], "2026-11-25T15:00:00");
}
