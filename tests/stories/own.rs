//! What somebody who is logged in sees and ends of what is theirs.

use serde_json::{Value, json};
use std::time::Duration;
use support::{TestServer, session_body};

const NOT_LOGGED_IN: &str = "nobody is logged in with this session";

fn with(token: &str) -> Value {
    json!({ "session_token": token })
}

fn sessions(server: &TestServer, token: &str) -> Vec<Value> {
    let reply = server.ask("session-list", with(token));
    assert_eq!(reply.done()["complete"], true);
    reply.done()["sessions"].as_array().expect("a list").clone()
}

fn id_of(server: &TestServer, token: &str) -> String {
    let described = server.ask("session-info", with(token));
    described.done()["session_id"].as_str().expect("a text").to_owned()
}

#[test]
fn a_user_lists_their_own_live_sessions_and_no_others() {
    let server = TestServer::start();
    let (_, alice) = server.member("alice");
    let (_, bob) = server.member("bob");
    let (here, there, bobs) =
        (server.new_session(Some(alice)), server.new_session(Some(alice)), server.new_session(Some(bob)));
    let listed = sessions(&server, &here);
    let ids: Vec<_> = listed.iter().map(|session| session["session_id"].clone()).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&json!(id_of(&server, &here))) && ids.contains(&json!(id_of(&server, &there))));
    let current: Vec<_> = listed.iter().filter(|session| session["is_current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["session_id"], id_of(&server, &here));
    assert_eq!(current[0]["ip_address"], session_body(None)["ip_address"]);
    assert!(!json!(listed).to_string().contains(&here), "no token is in the list");
    assert_eq!(sessions(&server, &bobs).len(), 1);
    server.later(Duration::from_secs(86_400));
    server.ask("session-list", with(&here)).refused(NOT_LOGGED_IN);
}

#[test]
fn whoever_has_more_sessions_than_a_page_holds_sees_the_newest() {
    let server = TestServer::start();
    let (_, alice) = server.member("alice");
    let started: Vec<_> = (0..502)
        .map(|_| {
            server.later(Duration::from_secs(1));
            server.new_session(Some(alice))
        })
        .collect();
    let reply = server.ask("session-list", with(&started[0]));
    assert_eq!(reply.done()["complete"], false);
    let listed = reply.done()["sessions"].as_array().expect("a list");
    assert_eq!(listed.len(), 500);
    for (place, session) in [(0, 501), (1, 500), (499, 2)] {
        assert_eq!(listed[place]["session_id"], id_of(&server, &started[session]), "{place}");
    }
}

#[test]
fn visitors_share_an_account_and_see_nothing_of_each_other() {
    let server = TestServer::start();
    let (one, other) = (server.new_session(None), server.new_session(None));
    let id = id_of(&server, &other);
    for (request, body) in [
        ("session-list", with(&one)),
        ("apikey-list", with(&one)),
        ("session-end", json!({ "session_token": one, "session_id": id })),
        ("apikey-end", json!({ "session_token": one, "key_id": id })),
        ("session-list", with("none")),
    ] {
        server.ask(request, body).refused(NOT_LOGGED_IN);
    }
    assert!(server.session_is_live(&other));
}

#[test]
fn a_user_ends_one_of_their_sessions_by_its_name_and_nobody_elses() {
    let server = TestServer::start();
    let (_, alice) = server.member("alice");
    let (_, bob) = server.member("bob");
    let (here, there) = (server.new_session(Some(alice)), server.new_session(Some(alice)));
    let bobs = server.new_session(Some(bob));
    let end = |id: &str| server.ask("session-end", json!({ "session_token": here, "session_id": id }));
    for id in [id_of(&server, &bobs).as_str(), "0123456789abcdef", "", "0", "not an identifier", &there] {
        end(id).refused("this user has no such session");
    }
    assert!(server.session_is_live(&bobs) && server.session_is_live(&there));
    end(&id_of(&server, &there)).done();
    assert!(!server.session_is_live(&there));
    end(&id_of(&server, &here)).done();
    assert!(!server.session_is_live(&here));
    end("0123456789abcdef").refused(NOT_LOGGED_IN);
}

#[test]
fn a_session_tells_its_name_and_when_its_owner_logged_in() {
    let server = TestServer::start();
    let (_, alice) = server.member("alice");
    let token = server.new_session(Some(alice));
    server.later(Duration::from_secs(60));
    let described = server.ask("session-info", with(&token));
    let found = server.ask("session-exists", with(&token));
    assert_eq!(described.done()["session_info"], found.done()["session_info"]);
    assert_eq!(described.done()["authenticated_at"], found.done()["session_info"]["created"]);
    let visitors = server.ask("session-info", with(&server.new_session(None)));
    assert!(visitors.done()["authenticated_at"].is_null());
    server.ask("session-info", with("none")).refused("session does not exist or expired");
}

#[test]
fn a_session_in_use_ends_later_and_is_written_at_most_once_a_minute() {
    let server = TestServer::start();
    let token = server.new_session(None);
    let touch = |days: Value| server.ask("session-touch", json!({ "session_token": token, "days": days }));
    assert_eq!(touch(json!(1)).done()["expires"], "2026-11-24T15:00:00", "as it was");
    server.later(Duration::from_secs(59));
    let commits = server.commits();
    assert_eq!(touch(json!(1)).done()["expires"], "2026-11-24T15:00:00", "not worth a write");
    assert_eq!(server.commits(), commits);
    server.later(Duration::from_secs(1));
    assert_eq!(touch(json!(1)).done()["expires"], "2026-11-24T15:01:00");
    assert_eq!(server.commits(), commits + 1);
    assert_eq!(touch(json!(0)).done()["expires"], "2026-11-24T15:01:00", "never sooner");
    for days in [-1, i64::MAX, i64::MIN] {
        touch(json!(days)).refused("invalid request: no such number of days");
    }
    server.later(Duration::from_secs(86_399));
    touch(json!(1)).done();
    server.later(Duration::from_secs(86_401));
    touch(json!(1)).refused("session does not exist or expired");
}

#[test]
fn no_session_goes_on_beyond_what_the_caller_or_the_operator_allows_from_its_start() {
    let server = TestServer::start_with(&[("SESSIONMAX", "7")]);
    let token = server.new_session(None);
    let touch = |days: i64, days_max: Value| {
        let body = json!({ "session_token": token, "days": days, "days_max": days_max });
        server.ask("session-touch", body).done()["expires"].clone()
    };
    assert_eq!(touch(5, json!(3)), "2026-11-26T15:00:00");
    server.later(Duration::from_secs(2 * 86_400));
    assert_eq!(touch(30, json!(10)), "2026-11-30T15:00:00");
    assert_eq!(touch(30, Value::Null), "2026-11-30T15:00:00");
}

#[test]
fn a_user_lists_and_revokes_their_own_keys() {
    let server = TestServer::start();
    let (_, alice) = server.member("alice");
    let (_, bob) = server.member("bob");
    let session = server.new_session(Some(alice));
    let tied = |owner: i64, token: &str| {
        let body = json!({
            "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_days": 1,
            "not_valid_before": 0, "user_id": owner, "user_role": "authenticated", "ip_address": "192.0.2.1",
            "user_agent": session_body(None)["user_agent"], "session_token": token,
        });
        server.ask("apikey-new", body).done();
    };
    let free = |owner: i64| {
        let body = json!({
            "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_seconds": 900,
            "not_valid_before": 0, "user_id": owner, "user_role": "authenticated", "ip_address": "192.0.2.1",
            "refresh_expires": 900, "refresh_nbf": 0,
        });
        server.ask("apikey-new-nosession", body).done();
    };
    tied(alice, &session);
    free(alice);
    let bobs = server.new_session(Some(bob));
    free(bob);
    let keys = |token: &str| {
        let reply = server.ask("apikey-list", with(token));
        assert_eq!(reply.done()["complete"], true);
        reply.done()["apikeys"].as_array().expect("a list").clone()
    };
    let kinds = |keys: &[Value]| keys.iter().map(|key| key["ends_with_session"] == true).collect::<Vec<_>>();
    assert_eq!(kinds(&keys(&session)), [true, false]);
    assert_eq!(kinds(&keys(&bobs)), [false]);
    let end = |id: &Value| server.ask("apikey-end", json!({ "session_token": session, "key_id": id }));
    for id in [&keys(&bobs)[0]["key_id"], &json!("0123456789abcdef"), &json!("x")] {
        end(id).refused("this user has no such API key");
    }
    assert_eq!(keys(&bobs).len(), 1);
    for left in [1, 0] {
        end(&keys(&session)[0]["key_id"]).done();
        assert_eq!(keys(&session).len(), left);
    }
    assert!(server.session_is_live(&session), "the session goes on");
}
