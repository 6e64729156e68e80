//! Whole journeys in one request each.

use serde_json::{Value, json};
use std::time::Duration;
use support::{GOOD_PASSWORD, Person, Reply, TestServer};

const NO_MATCH: &str = "user does not exist or password doesn't match";
const TOO_SOON: &str = "too soon after a failed attempt";

fn login_body(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password, "ip_address": "192.0.2.1", "user_agent": "Browser/1.0" })
}

fn login(server: &TestServer, email: &str, password: &str) -> Reply {
    server.ask("login", login_body(email, password))
}

const LOCKED: &str = "locked after too many failed attempts";

#[test]
fn a_login_ends_the_old_session_and_starts_the_users_own_in_one_write() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let old = server.new_session(None);
    let mut body = login_body("ALICE@example.org", GOOD_PASSWORD);
    body["session_token"] = json!(old);
    body["extra_info_json"] = json!({ "theme": "dark" });
    let commits = server.commits();
    let reply = server.ask("login", body);
    assert_eq!(server.commits(), commits + 1);
    let answer = reply.done();
    assert_eq!(answer["user"]["user_id"], user_id);
    assert_eq!(answer["user"]["email"], alice.email);
    assert_eq!(answer["user"]["user_role"], "authenticated");
    assert_eq!(answer["expires"], "2026-11-24T15:00:00");
    assert_eq!(answer["second_factor_due"], false);
    assert!(!server.session_is_live(&old));
    let found = server.ask("session-exists", json!({ "session_token": answer["session_token"] }));
    let info = &found.done()["session_info"];
    assert_eq!((&info["user_id"], &info["ip_address"]), (&json!(user_id), &json!("192.0.2.1")));
    assert_eq!(info["extra_info_json"], json!({ "theme": "dark" }));
    assert_eq!(info["last_login_success"], "2026-11-23T15:00:00");
}

#[test]
fn a_login_lasts_as_long_as_asked_within_what_the_operator_allows() {
    let ends = |server: &TestServer, key: &str, value: Value| {
        let mut body = login_body("alice@example.org", GOOD_PASSWORD);
        body[key] = value;
        server.ask("login", body)
    };
    let server = TestServer::start();
    server.member("alice");
    assert_eq!(ends(&server, "remember", json!(true)).done()["expires"], "2026-12-23T15:00:00");
    assert_eq!(ends(&server, "remember", json!(false)).done()["expires"], "2026-11-24T15:00:00");
    assert_eq!(ends(&server, "days", json!(3)).done()["expires"], "2026-11-26T15:00:00");
    let (hashes, ()) = server.hashes_of(|| {
        for days in [-1, 0, 36_501, i64::MAX] {
            ends(&server, "days", json!(days)).refused("invalid request: days is 1 to 36500");
        }
    });
    assert_eq!(hashes, 0, "a session that cannot be, is told before the password is looked at");
    ends(&server, "ip_address", json!("nowhere"))
        .refused("invalid request: the session cannot be started as asked");
    let server = server.restart(&[("SESSIONMAX", "7")]);
    assert_eq!(ends(&server, "remember", json!(true)).done()["expires"], "2026-11-30T15:00:00");
}

#[test]
fn a_failed_login_is_answered_at_once_and_the_next_is_refused_for_a_while() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let old = server.new_session(None);
    let mut body = login_body(&alice.email, "wrong");
    body["session_token"] = json!(old);
    assert_eq!(server.ask("login", body).refused(NO_MATCH)["retry_after"], 1);
    assert!(!server.session_is_live(&old), "it ends whatever comes of it");
    let (hashes, reply) = server.hashes_of(|| login(&server, &alice.email, GOOD_PASSWORD));
    assert_eq!(reply.refused(TOO_SOON)["retry_after"], 1);
    assert_eq!(hashes, 0);
    server.later(Duration::from_secs(1));
    assert_eq!(
        login(&server, &alice.email, "wrong").refused(NO_MATCH)["retry_after"],
        2,
        "one failure was counted"
    );
    server.later(Duration::from_millis(1499));
    assert_eq!(login(&server, &alice.email, GOOD_PASSWORD).refused(TOO_SOON)["retry_after"], 1);
    server.later(Duration::from_millis(1));
    let reply = login(&server, &alice.email, GOOD_PASSWORD);
    assert!(reply.done().get("retry_after").is_none());
    assert_eq!(
        login(&server, &alice.email, "wrong").refused(NO_MATCH)["retry_after"],
        1,
        "they were forgotten"
    );
    assert!(server.delays().is_empty(), "nobody was held");
}

#[test]
fn known_and_unknown_addresses_look_alike_and_cost_the_same() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let pending = server.person("pending");
    pending.signs_up().done();
    let (locked_out, user_id) = server.member("locked");
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
    let course = |email: &str, password: &str| {
        let server = &server;
        let mut steps = Vec::new();
        for pause in [0, 0, 1, 60, 60] {
            server.later(Duration::from_secs(pause));
            let commits = server.commits();
            let (hashes, reply) = server.hashes_of(|| login(server, email, password));
            steps.push((hashes, server.commits() - commits, reply.response().clone()));
        }
        steps
    };
    let unknown = course("nobody@example.org", "wrong");
    assert_eq!(course(&alice.email, "wrong"), unknown);
    assert_eq!(course(&pending.email, &pending.password), unknown, "the right password of a pending account");
    assert_eq!(course(&locked_out.email, GOOD_PASSWORD), unknown, "and of one that a person locked");
    let hashes: Vec<_> = unknown.iter().map(|(hashes, ..)| *hashes).collect();
    assert_eq!(hashes, [1, 0, 1, 1, 1]);
}

#[test]
fn too_many_failures_lock_and_say_for_how_long() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    for _ in 0..10 {
        login(&server, &alice.email, "wrong").refused(NO_MATCH);
        server.later(Duration::from_secs(40));
    }
    assert_eq!(login(&server, &alice.email, "wrong").refused(LOCKED)["retry_after"], 3600);
    server.later(Duration::from_secs(600));
    let (hashes, reply) = server.hashes_of(|| login(&server, &alice.email, GOOD_PASSWORD));
    assert_eq!((&reply.refused(LOCKED)["retry_after"], hashes), (&json!(3000), 0));
    server.later(Duration::from_secs(3000));
    login(&server, &alice.email, GOOD_PASSWORD).done();
}

#[test]
fn of_many_who_guess_at_once_one_is_looked_at() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let (hashes, replies) = server.hashes_of(|| {
        std::thread::scope(|scope| {
            let guesses: Vec<_> =
                (0..50).map(|_| scope.spawn(|| login(&server, &alice.email, "wrong"))).collect();
            guesses.into_iter().map(|guess| guess.join().expect("is answered")).collect::<Vec<_>>()
        })
    });
    assert_eq!(hashes, 1);
    let looked_at =
        |reply: &&Reply| matches!(reply, Reply::Answered(answer) if answer["failure_reason"] == NO_MATCH);
    assert_eq!(replies.iter().filter(looked_at).count(), 1);
    server.later(Duration::from_secs(1));
    assert_eq!(login(&server, &alice.email, "wrong").refused(NO_MATCH)["retry_after"], 2);
}

#[test]
fn the_operator_can_have_the_other_requests_refuse_too() {
    let server = TestServer::start_with(&[("BACKOFF", "refuse")]);
    let (alice, user_id) = server.member("alice");
    assert_eq!(alice.tries("wrong").refused(NO_MATCH)["retry_after"], 1);
    let check = |password: &str| {
        server.ask("user-passcheck-nosession", json!({ "email": alice.email, "password": password }))
    };
    let (hashes, reply) = server.hashes_of(|| check(GOOD_PASSWORD));
    assert_eq!((&reply.refused(TOO_SOON)["retry_after"], hashes), (&json!(1), 0));
    let change = server.ask(
        "user-changepass-nosession",
        json!({ "user_id": user_id, "email": alice.email, "full_name": "Alice",
                "current_password": GOOD_PASSWORD, "new_password": "another good one 57" }),
    );
    change.refused(TOO_SOON);
    let body = json!({ "user_id": user_id, "email": alice.email, "password": GOOD_PASSWORD });
    server.ask("user-delete", body).refused(TOO_SOON);
    assert!(server.delays().is_empty());
    server.later(Duration::from_secs(1));
    check(GOOD_PASSWORD).done();
}

#[test]
fn a_stranger_at_a_slowed_account_freezes_nobody() {
    let server = TestServer::start_with(&[("LOCKMODE", "account-and-client"), ("USERLOCKTRIES", "1000")]);
    let (alice, _) = server.member("alice");
    login(&server, &alice.email, GOOD_PASSWORD).done();
    let from = |network: usize, person: &Person<'_>, password: &str| {
        let client = format!("198.51.{network}.1");
        server.ask_from(&client, "login", login_body(&person.email, password))
    };
    for network in 0..100 {
        assert_eq!(from(network, &alice, "wrong").refused(NO_MATCH)["retry_after"], 1);
    }
    assert_eq!(from(100, &alice, "wrong").refused(NO_MATCH)["retry_after"], 10);
    // Whoever logged in from there before passes.
    login(&server, &alice.email, GOOD_PASSWORD).done();
}
