//! Sessions: their life, what is noted about them, and how they end.

use serde_json::{Value, json};
use std::time::Duration;
use support::{TestServer, session_body};

#[test]
fn a_visitors_session_is_found_until_it_expires() {
    let server = TestServer::start();
    let mut body = session_body(None);
    body["extra_info_json"] = json!({ "cart": ["é", 1.0, null] });
    body["ip_address"] = json!("2001:DB8:0::1");
    let made = server.ask("session-new", body);
    assert_eq!(made.done()["expires"], "2026-11-24T15:00:00");
    let token = made.done()["session_token"].clone();
    assert_eq!(token.as_str().map(str::len), Some(43));
    let found = server.ask("session-exists", json!({ "session_token": token }));
    let info = &found.done()["session_info"];
    assert_eq!(info["session_token"], token);
    assert_eq!(info["user_id"], 2);
    assert_eq!(info["ip_address"], "2001:db8::1");
    assert_eq!(info["extra_info_json"], json!({ "cart": ["é", 1.0, null] }));
    assert_eq!(info.as_object().map(serde_json::Map::len), Some(18));
    server.later(Duration::from_secs(86_400));
    let gone = server.ask("session-exists", json!({ "session_token": token }));
    assert!(gone.refused("session does not exist or expired")["session_info"].is_null());
}

#[test]
fn the_token_is_not_in_the_database() {
    let server = TestServer::start();
    let token = server.new_session(None);
    assert!(server.keeps("Browser/1.0") && !server.keeps(&token));
}

#[test]
fn sessions_that_begin_together_are_stored_together() {
    let server = TestServer::start();
    let (_, alice) = server.member("alice");
    server.changes("DELETE FROM sessions");
    let begun =
        || server.stored("SELECT CAST(count(DISTINCT substr(hex(token_hash), 1, 4)) AS TEXT) FROM sessions");
    for _ in 0..8 {
        server.new_session(None);
        server.new_session(Some(alice));
    }
    assert_eq!(begun().as_deref(), Some("1"));
    server.later(Duration::from_secs(1));
    server.new_session(None);
    assert_eq!(begun().as_deref(), Some("2"));
}

#[test]
fn expiry_times_are_read_in_every_form_that_clients_send() {
    let server = TestServer::start();
    let expiry = |expires: Value| {
        let mut body = session_body(None);
        body["expires"] = expires;
        server.ask("session-new", body)
    };
    for (sent, read) in [
        (json!("2099-01-01T00:00:00.5Z"), "2099-01-01T00:00:00.500000"),
        (json!("2099-01-01T00:00:00.000000"), "2099-01-01T00:00:00"),
        (json!("2099-1-1T1:2:3.1"), "2099-01-01T01:02:03.100000"),
        (json!("2099-01-01t00:00:00.25"), "2099-01-01T00:00:00.250000"),
        (json!("2099-01-01T00:00:00"), "2099-01-01T00:00:00"),
        (json!("2099-01-01T00:00:00.5+02:30"), "2098-12-31T21:30:00.500000"),
        (json!("2001-01-01T00:00:00.5"), "2001-01-01T00:00:00.500000"),
        (json!(30), "2026-12-23T15:00:00"),
        (json!(0), "2026-11-23T15:00:00"),
    ] {
        assert_eq!(expiry(sent.clone()).done()["expires"], read, "{sent}");
    }
    for sent in [
        json!("2099-01-01T00:00:00.1234567"),
        json!("2099-01-01T00:00:00."),
        json!("2099-01-01 00:00:00.5"),
        json!("2099-01-01T00:00:60.5"),
        json!("2099-02-30T00:00:00.5"),
        json!("2099-01-01T00:00:00+2"),
        json!("9999-12-31T23:59:59.5-01:00"),
        json!("99999-01-01T00:00:00.5"),
        json!("tomorrow"),
        json!(""),
        json!(-1),
        json!(i64::MAX),
    ] {
        let refused = expiry(sent.clone());
        assert!(refused.refused("DB error when making new session")["expires"].is_null(), "{sent}");
    }
}

#[test]
fn the_operator_can_cap_how_long_sessions_live() {
    let server = TestServer::start_with(&[("SESSIONMAX", "7")]);
    let mut body = session_body(None);
    body["expires"] = json!(3650);
    assert_eq!(server.ask("session-new", body).done()["expires"], "2026-11-30T15:00:00");
}

#[test]
fn addresses_are_stored_in_one_form_and_nonsense_is_refused() {
    let server = TestServer::start();
    for (sent, stored) in [
        ("192.0.2.7", "192.0.2.7"),
        ("::FFFF:1.2.3.4", "1.2.3.4"),
        ("::1.2.3.4", "::102:304"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("64:ff9b::c000:207", "192.0.2.7"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45"),
    ] {
        let mut body = session_body(None);
        body["ip_address"] = json!(sent);
        let token = server.ask("session-new", body).done()["session_token"].clone();
        let found = server.ask("session-exists", json!({ "session_token": token }));
        assert_eq!(found.done()["session_info"]["ip_address"], stored);
    }
    for sent in
        ["", " 192.0.2.7", "192.0.2.07", "192.0.2.7%eth0", "fe80::1%", "localhost", "1.2.3", "::1%a b"]
    {
        let mut body = session_body(None);
        body["ip_address"] = json!(sent);
        server.ask("session-new", body).refused("DB error when making new session");
    }
}

#[test]
fn ending_a_session_ends_just_that_one() {
    let server = TestServer::start();
    let (ended, other) = (server.new_session(None), server.new_session(None));
    server.ask("session-delete", json!({ "session_token": ended })).done();
    assert!(!server.session_is_live(&ended));
    assert!(server.session_is_live(&other));
    server.ask("session-delete", json!({ "session_token": ended })).refused_without_reason();
}

#[test]
fn all_sessions_of_a_user_end_but_for_one_if_so_wished() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let visitors = server.new_session(None);
    let (kept, other) = (server.new_session(Some(user_id)), server.new_session(Some(user_id)));
    let end = |keep: bool| {
        let body = json!({ "session_token": kept, "user_id": user_id, "keep_current_session": keep });
        server.ask("session-delete-userid", body)
    };
    end(true).done();
    assert!(server.session_is_live(&kept));
    assert!(!server.session_is_live(&other));
    end(true).refused_without_reason();
    end(false).done();
    assert!(!server.session_is_live(&kept));
    assert!(server.session_is_live(&visitors));
}

#[test]
fn what_is_noted_about_a_session_can_be_changed() {
    let server = TestServer::start();
    let token = server.new_session(None);
    let edit = |changes: Value| {
        let body = json!({ "target_session_token": token, "update_dict": changes });
        server.ask("internal-session-edit", body)
    };
    let set = edit(json!({ "a": 1, "b": { "c": "__delete__" }, "absent": "__delete__" }));
    assert_eq!(set.done()["session_info"]["extra_info_json"], json!({ "a": 1, "b": { "c": "__delete__" } }));
    let removed = edit(json!({ "a": "__delete__", "b": "__delete__" }));
    assert_eq!(removed.done()["session_info"]["extra_info_json"], json!({}));
    edit(json!({})).refused("invalid request: missing 'update_dict' in request");
    server.later(Duration::from_secs(86_400));
    edit(json!({ "a": 1 })).refused("no such session");
}

#[test]
fn a_session_needs_a_user_who_may_act() {
    let server = TestServer::start();
    let pending = server.person("pending");
    let user_id = pending.signs_up().done()["user_id"].as_i64();
    for nobody in [user_id, Some(99), Some(-1)] {
        let reply = server.ask("session-new", session_body(nobody));
        assert!(reply.refused("DB error when making new session")["session_token"].is_null());
    }
    let truth = json!({
        "ip_address": "192.0.2.1", "user_agent": "", "user_id": true, "expires": 1, "extra_info_json": null
    });
    let problems = server.ask("session-new", truth);
    let problems = &problems.refused("invalid request parameters")["response"]["problems"];
    assert_eq!(problems[0]["param"], "user_id");
    assert_eq!(problems[0]["required_type"], json!(["int", "None"]));
}

#[test]
fn a_stored_address_in_another_spelling_is_shown_and_compared_in_the_one_form() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    server.changes("UPDATE sessions SET ip_address = '::ffff:c000:201'");
    let found = server.ask("session-exists", json!({ "session_token": session }));
    assert_eq!(found.done()["session_info"]["ip_address"], "192.0.2.1");
    for ip_address in ["192.0.2.1", "::FFFF:192.0.2.1", "64:ff9b::192.0.2.1"] {
        let body = json!({
            "issuer": "iss", "audience": "aud", "subject": "/sub", "apiversion": 1, "expires_days": 1,
            "not_valid_before": 0, "user_id": user_id, "user_role": "authenticated",
            "ip_address": ip_address, "user_agent": "Browser/1.0", "session_token": session,
        });
        let issued = server.ask("apikey-new", body);
        let claims = issued.done()["apikey"].as_str().expect("a text").to_owned();
        assert!(claims.contains(r#""ipa": "192.0.2.1""#), "{claims}");
    }
}

#[test]
fn nobody_who_may_not_act_gets_a_session() {
    for state in ["is_active = 0", "user_role = 'locked'"] {
        let server = TestServer::start();
        let (_, user_id) = server.member("alice");
        let opens = || server.ask("session-new", session_body(Some(user_id)));
        opens().done();
        server.changes(&format!("UPDATE users SET {state} WHERE user_id = {user_id}"));
        opens().refused("DB error when making new session");
        let sessions = format!("SELECT CAST(count(*) AS TEXT) FROM sessions WHERE user_id = {user_id}");
        assert_eq!(server.stored(&sessions).as_deref(), Some("1"), "{state}");
    }
}
