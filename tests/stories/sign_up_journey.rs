//! A whole sign-up, from an address to a session, by an emailed code.

use serde_json::{Value, json};
use std::time::Duration;
use support::{GOOD_PASSWORD, Reply, TestServer, code_in};

const OTHER_PASSWORD: &str = "Trout-Lamp-93-Quarry";
const BAD_CODE: &str = "the code is not valid, was used, or has expired";
const NO_MATCH: &str = "user does not exist or password doesn't match";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn start_body(email: &str, password: &str) -> Value {
    json!({
        "full_name": "A Name", "email": email, "password": password, "link": "https://recipes.example/verify",
        "site_name": "Recipes", "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
    })
}

fn start(server: &TestServer, email: &str, password: &str) -> Reply {
    server.ask("signup-start", start_body(email, password))
}

fn resend(server: &TestServer, email: &str) -> Reply {
    let body = json!({
        "email": email, "link": "https://recipes.example/verify", "site_name": "Recipes",
        "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
    });
    server.ask("signup-resend", body)
}

fn finish(server: &TestServer, code: &str) -> Reply {
    server.ask("signup-finish", json!({ "code": code }))
}

fn login_body(code: &str) -> Value {
    json!({ "code": code, "ip_address": "192.0.2.7", "user_agent": "Browser/1.0" })
}

#[test]
fn whoever_signs_up_gets_a_code_proves_their_address_and_is_logged_in_in_one_write() {
    let server = TestServer::start();
    let alice = server.person("alice");
    let started = start(&server, "ALICE@example.org", GOOD_PASSWORD);
    let answer = started.done();
    assert_eq!((&answer["next"], &answer["code_seconds"]), (&json!("link"), &json!(86_400)));
    assert_eq!(answer["resend_seconds"], 60);
    alice.logs_in().refused(NO_MATCH);
    server.later(MINUTE);
    let emails = server.emails();
    assert_eq!(emails.len(), 1);
    assert_eq!(emails[0].to, alice.email);
    assert_eq!(emails[0].subject, "[Recipes] Please verify your sign-up");
    let code = code_in(&emails[0]);
    let visitor = server.new_session(None);
    let mut body = login_body(&code);
    body["session_token"] = json!(visitor);
    body["remember"] = json!(true);
    let commits = server.commits();
    let finished = server.ask("signup-finish", body);
    assert_eq!(server.commits(), commits + 1);
    let answer = finished.done();
    assert_eq!((&answer["next"], &answer["user"]["email"]), (&json!("home"), &json!(alice.email)));
    assert_eq!(answer["user"]["user_role"], "authenticated");
    assert_eq!(answer["expires"], "2026-12-23T15:01:00");
    assert!(!server.session_is_live(&visitor));
    let session = server.ask("session-exists", json!({ "session_token": answer["session_token"] }));
    assert_eq!(session.done()["session_info"]["email"], alice.email);
    finish(&server, &code).refused(BAD_CODE);
    alice.logs_in().done();
}

#[test]
fn without_a_browser_nobody_is_logged_in() {
    let server = TestServer::start();
    start(&server, "alice@example.org", GOOD_PASSWORD).done();
    let code = server.emailed_code();
    for odd in [
        json!({ "code": code, "ip_address": "192.0.2.7" }),
        json!({ "code": code, "ip_address": "nowhere", "user_agent": "Browser/1.0" }),
    ] {
        server.ask("signup-finish", odd).refused("invalid request: the session cannot be started as asked");
    }
    let over = json!({ "code": code, "ip_address": "192.0.2.7", "user_agent": "Browser/1.0", "days": 0 });
    server.ask("signup-finish", over).refused("invalid request: days is 1 to 36500");
    let finished = finish(&server, &code);
    let answer = finished.done();
    assert_eq!((&answer["next"], &answer["session_token"]), (&json!("login"), &Value::Null));
    assert_eq!(answer["expires"], Value::Null);
    server.person("alice").logs_in().done();
}

#[test]
fn of_fifty_with_one_code_one_is_logged_in() {
    let server = TestServer::start();
    start(&server, "alice@example.org", GOOD_PASSWORD).done();
    let code = server.emailed_code();
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let (server, code) = (&server, &code);
        let finishing: Vec<_> =
            (0..50).map(|_| scope.spawn(move || server.ask("signup-finish", login_body(code)))).collect();
        finishing.into_iter().map(|one| one.join().expect("is answered")).collect()
    });
    assert_eq!(replies.iter().filter(|reply| reply.succeeded()).count(), 1);
    let sessions =
        "SELECT CAST(count(*) AS TEXT) FROM sessions JOIN users USING (user_id) WHERE email LIKE 'alice@%'";
    assert_eq!(server.stored(sessions).as_deref(), Some("1"));
}

#[test]
fn of_fifty_who_sign_one_address_up_one_account_and_one_email_come() {
    let server = TestServer::start();
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let server = &server;
        let starting: Vec<_> =
            (0..50).map(|_| scope.spawn(move || start(server, "alice@example.org", GOOD_PASSWORD))).collect();
        starting.into_iter().map(|one| one.join().expect("is answered")).collect()
    });
    let done: Vec<_> = replies.iter().filter(|reply| reply.succeeded()).map(Reply::response).collect();
    assert!(!done.is_empty() && done.iter().all(|answer| **answer == *done[0]));
    finish(&server, &server.emailed_code()).done();
}

#[test]
fn signing_up_tells_nobody_whose_address_is_known() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let pending = server.person("pending");
    pending.signs_up().done();
    let (locked, user_id) = server.member("locked");
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
    server.holds_emails();
    let course = |email: &str| {
        let mut steps = Vec::new();
        for _ in 0..2 {
            let commits = server.commits();
            let (hashes, reply) = server.hashes_of(|| resend(&server, email));
            steps.push((hashes, server.commits() - commits, reply.response().clone()));
        }
        for password in [GOOD_PASSWORD, GOOD_PASSWORD, OTHER_PASSWORD, "short"] {
            let commits = server.commits();
            let (hashes, reply) = server.hashes_of(|| start(&server, email, password));
            steps.push((hashes, server.commits() - commits, reply.response().clone()));
        }
        steps
    };
    let unknown = course("stranger@example.org");
    let cost: Vec<_> = unknown.iter().map(|(hashes, commits, _)| (*hashes, *commits)).collect();
    assert_eq!(cost, [(0, 1), (0, 1), (1, 1), (1, 1), (1, 1), (1, 0)]);
    for email in [&alice.email, &pending.email, &locked.email] {
        assert_eq!(course(email), unknown, "{email}");
    }
    let told: Vec<_> = server.emails().into_iter().map(|email| (email.to, email.subject)).collect();
    let verify = "[Recipes] Please verify your sign-up".to_owned();
    let exists = "[Recipes] You already have an account".to_owned();
    let expected = [
        ("stranger@example.org", &verify),
        ("alice@example.org", &exists),
        ("pending@example.org", &verify),
        ("locked@example.org", &exists),
    ];
    assert_eq!(told, expected.map(|(to, subject)| (to.to_owned(), subject.clone())));
}

#[test]
fn resending_sends_a_new_code_to_those_who_wait_and_no_more_than_is_allowed() {
    let server = TestServer::start();
    start(&server, "alice@example.org", GOOD_PASSWORD).done();
    let first = server.emailed_code();
    resend(&server, "alice@example.org").done();
    resend(&server, "nobody@example.org").done();
    assert!(server.emails().is_empty(), "too soon, and nobody");
    server.later(MINUTE);
    resend(&server, "alice@example.org").done();
    let second = server.emailed_code();
    finish(&server, &first).refused(BAD_CODE);
    finish(&server, &second).done();
    server.later(MINUTE);
    resend(&server, "alice@example.org").done();
    let emails = server.emails();
    assert_eq!(emails[0].subject, "[Recipes] You already have an account");
    assert!(!emails[0].text.contains("code="));
}

#[test]
fn a_code_ends_with_time_and_where_a_person_has_locked_the_account() {
    let server = TestServer::start();
    start(&server, "alice@example.org", GOOD_PASSWORD).done();
    let code = server.emailed_code();
    server.later(24 * HOUR);
    finish(&server, &code).refused(BAD_CODE);
    resend(&server, "alice@example.org").done();
    let code = server.emailed_code();
    // Only for what it was made for.
    server.ask("reset-finish", json!({ "code": code, "new_password": OTHER_PASSWORD })).refused(BAD_CODE);
    let user_id = server.stored("SELECT CAST(user_id AS TEXT) FROM users WHERE email = 'alice@example.org'");
    let user_id: i64 = user_id.expect("a user").parse().expect("a number");
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
    finish(&server, &code).refused(BAD_CODE);
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "unlock" })).done();
    finish(&server, &code).refused(BAD_CODE);
    server.later(MINUTE);
    resend(&server, "alice@example.org").done();
    finish(&server, &server.emailed_code()).done();
}

#[test]
fn where_several_signed_up_with_one_address_its_owner_chooses_the_password() {
    let server = TestServer::start();
    start(&server, "alice@example.org", OTHER_PASSWORD).done();
    start(&server, "alice@example.org", GOOD_PASSWORD).done();
    let finished = finish(&server, &server.emailed_code());
    assert_eq!(finished.done()["next"], "reset");
    let alice = server.person("alice");
    for password in [OTHER_PASSWORD, GOOD_PASSWORD] {
        alice.tries(password).refused(NO_MATCH);
        server.later(MINUTE);
    }
    let mut forgotten = start_body("alice@example.org", "");
    forgotten.as_object_mut().expect("an object").retain(|key, _| key != "full_name" && key != "password");
    server.ask("reset-start", forgotten).done();
    let code = server.emailed_code();
    server.ask("reset-finish", json!({ "code": code, "new_password": GOOD_PASSWORD })).done();
    alice.logs_in().done();
}

#[test]
fn what_cannot_be_signed_up_is_told_at_once_and_sends_nothing() {
    let server = TestServer::start();
    let with = |key: &str, value: Value| {
        let mut body = start_body("alice@example.org", GOOD_PASSWORD);
        body[key] = value;
        server.ask("signup-start", body)
    };
    with("email", json!("admin@example.org")).refused("invalid email");
    with("full_name", json!("https://evil.example")).refused("invalid full name");
    with("password", json!("short")).refused("invalid password");
    with("link", json!("/verify")).refused("invalid request: no such link is allowed");
    with("extra_info", json!({ "x": "x".repeat(100_000) })).refused("invalid request: too much to note");
    assert!(server.emails().is_empty());
    assert_eq!(server.stored("SELECT CAST(count(*) AS TEXT) FROM email_queue").as_deref(), Some("0"));
    with("extra_info", json!({ "x": 1 })).done();
    assert_eq!(server.emails().len(), 1);
}
