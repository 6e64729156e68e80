//! A login without a password, by an emailed code.

use serde_json::{Value, json};
use std::time::Duration;
use support::{Reply, TestServer, typed_code_in};

const BAD_CODE: &str = "the code is not valid, was used, or has expired";
const NO_MATCH: &str = "user does not exist or password doesn't match";
const OFF: &str = "logging in by an emailed code is off";
const MINUTE: Duration = Duration::from_secs(60);

fn on() -> TestServer {
    TestServer::start_with(&[("LOGINLINK", "1")])
}

fn start(server: &TestServer, email: &str) -> Reply {
    let body = json!({
        "email": email, "link": "https://recipes.example/login", "site_name": "Recipes",
        "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
    });
    server.ask("login-link-start", body)
}

fn finish_body(code: &str) -> Value {
    json!({ "code": code, "ip_address": "192.0.2.7", "user_agent": "Browser/1.0" })
}

fn finish(server: &TestServer, code: &str) -> Reply {
    server.ask("login-link-finish", finish_body(code))
}

fn code_for(server: &TestServer, email: &str) -> String {
    start(server, email).done();
    server.emailed_code()
}

#[test]
fn whoever_has_the_email_is_logged_in_once() {
    let server = on();
    let (alice, user_id) = server.member("alice");
    let (visitors, own) = (server.new_session(None), server.new_session(Some(user_id)));
    let started = start(&server, "ALICE@example.org");
    assert_eq!((&started.done()["next"], &started.done()["code_seconds"]), (&json!("link"), &json!(900)));
    let emails = server.emails();
    assert_eq!((emails.len(), emails[0].to.as_str()), (1, alice.email.as_str()));
    assert_eq!(emails[0].subject, "[Recipes] Log in");
    let code = support::code_in(&emails[0]);
    let stored = server.stored("SELECT group_concat(hex(code_hash)) FROM codes").expect("a code");
    assert_eq!(stored.len(), 64, "its SHA-256");
    let mut body = finish_body(&code);
    body["session_token"] = json!(visitors);
    let finished = server.ask("login-link-finish", body);
    let answer = finished.done();
    assert_eq!((&answer["user"]["user_id"], &answer["second_factor_due"]), (&json!(user_id), &json!(false)));
    assert!(server.session_is_live(answer["session_token"].as_str().expect("a token")));
    assert!(!server.session_is_live(&visitors), "the visitor's ends");
    assert!(server.session_is_live(&own), "others stay");
    alice.logs_in().done();
    finish(&server, &code).refused(BAD_CODE);
}

#[test]
fn it_is_off_unless_it_is_set() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    start(&server, &alice.email).refused(OFF);
    finish(&server, "x").refused(OFF);
    assert!(server.emails().is_empty());
}

#[test]
fn a_code_ends_with_time_a_newer_one_and_a_new_password_and_is_good_for_nothing_else() {
    let server = on();
    let (alice, user_id) = server.member("alice");
    let old = code_for(&server, &alice.email);
    let reset = json!({ "code": old, "new_password": "Trout-Lamp-93-Quarry" });
    server.ask("reset-finish", reset).refused(BAD_CODE);
    server.later(MINUTE);
    let newer = code_for(&server, &alice.email);
    finish(&server, &old).refused(BAD_CODE);
    server.later(15 * MINUTE);
    finish(&server, &newer).refused(BAD_CODE);
    let code = code_for(&server, &alice.email);
    let reset = json!({
        "email_address": alice.email, "new_password": "Trout-Lamp-93-Quarry", "required_active": true,
    });
    server.ask("user-resetpass-nosession", reset).done();
    finish(&server, &code).refused(BAD_CODE);
    server.later(MINUTE);
    let code = code_for(&server, &alice.email);
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
    finish(&server, &code).refused(BAD_CODE);
}

#[test]
fn of_fifty_with_one_code_one_is_logged_in() {
    let server = on();
    let (alice, user_id) = server.member("alice");
    let code = code_for(&server, &alice.email);
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let coming: Vec<_> = (0..50).map(|_| scope.spawn(|| finish(&server, &code))).collect();
        coming.into_iter().map(|one| one.join().expect("is answered")).collect()
    });
    assert_eq!(replies.iter().filter(|reply| reply.succeeded()).count(), 1);
    let sessions = format!("SELECT CAST(count(*) AS TEXT) FROM sessions WHERE user_id = {user_id}");
    assert_eq!(server.stored(&sessions).as_deref(), Some("1"));
}

#[test]
fn asking_for_a_login_tells_nobody_whose_address_is_known() {
    let server = on();
    let (alice, _) = server.member("alice");
    let pending = server.person("pending");
    pending.signs_up().done();
    let (locked, user_id) = server.member("locked");
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
    let (suspended, _) = server.member("suspended");
    for _ in 0..11 {
        suspended.tries("wrong");
        server.later(MINUTE);
    }
    server.holds_emails();
    let course = |email: &str| {
        (0..3)
            .map(|_| {
                let commits = server.commits();
                let (hashes, reply) = server.hashes_of(|| start(&server, email));
                (hashes, server.commits() - commits, reply.response().clone())
            })
            .collect::<Vec<_>>()
    };
    let unknown = course("nobody@example.org");
    assert!(unknown.iter().all(|(hashes, commits, _)| (*hashes, *commits) == (0, 1)), "{unknown:?}");
    for email in [&alice.email, &pending.email, &locked.email, &suspended.email, "no address"] {
        assert_eq!(course(email), unknown, "{email}");
    }
    let mut got: Vec<_> = server.emails().into_iter().map(|email| email.to).collect();
    got.sort();
    assert_eq!(got, ["alice@example.org", "pending@example.org", "suspended@example.org"]);
}

#[test]
fn a_lock_by_failures_does_not_keep_the_owner_out() {
    let server = on();
    let (alice, _) = server.member("alice");
    for _ in 0..11 {
        alice.tries("wrong");
        server.later(MINUTE);
    }
    let code = code_for(&server, &alice.email);
    let finished = finish(&server, &code);
    assert!(server.session_is_live(finished.done()["session_token"].as_str().expect("a token")));
    alice.logs_in().done();
}

#[test]
fn a_password_from_before_the_address_was_proven_goes() {
    let server = on();
    let pending = server.person("pending");
    pending.signs_up().done();
    let code = code_for(&server, &pending.email);
    assert_eq!(finish(&server, &code).done()["user"]["user_role"], "authenticated");
    pending.logs_in().refused(NO_MATCH);

    // An account that somebody moved to the address, with their password and a session of theirs.
    let (mallory, user_id) = server.member("mallory");
    let session = server.new_session(Some(user_id));
    let edit = json!({
        "user_id": user_id, "user_role": "authenticated", "session_token": session,
        "target_userid": user_id, "update_dict": { "email": "moved@example.org" },
    });
    server.ask("user-edit", edit).done();
    let code = code_for(&server, "moved@example.org");
    finish(&server, &code).done();
    assert!(!server.session_is_live(&session));
    server.person("moved").logs_in().refused(NO_MATCH);
    drop(mallory);
}

#[test]
fn a_code_may_be_typed() {
    let server = TestServer::start_with(&[("LOGINLINK", "1"), ("CODES", "typed")]);
    let (alice, _) = server.member("alice");
    assert_eq!(start(&server, &alice.email).done()["next"], "code");
    let mut body = finish_body("ABCD-EFGH");
    body["email"] = json!(alice.email);
    assert_eq!(server.ask("login-link-finish", body.clone()).refused(BAD_CODE)["retry_after"], 1);
    server.later(MINUTE);
    body["code"] = json!(typed_code_in(&server.emails()[0]));
    server.ask("login-link-finish", body).done();
}
