//! Logging in, guessing, being locked, and what each costs.

use serde_json::json;
use std::time::Duration;
use support::{GOOD_PASSWORD, Reply, TestServer, session_body};

const NO_MATCH: &str = "user does not exist or password doesn't match";
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_member_logs_in_and_out() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let logged_in = alice.logs_in();
    assert_eq!(logged_in.done()["user_id"], user_id);
    assert_eq!(logged_in.done()["user_role"], "authenticated");
    let session = server.new_session(Some(user_id));
    let out = server.ask("user-logout", json!({ "session_token": session, "user_id": user_id }));
    assert_eq!(out.done()["user_id"], user_id);
    assert!(!server.session_is_live(&session));
}

#[test]
fn a_login_ends_the_session_it_came_with_whatever_comes_of_it() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    for password in [GOOD_PASSWORD, "wrong"] {
        let session = server.new_session(None);
        let body = json!({ "session_token": session, "email": alice.email, "password": password });
        let _ = server.ask("user-login", body);
        assert!(!server.session_is_live(&session), "after {password}");
    }
}

#[test]
fn unknown_users_and_wrong_passwords_look_alike_and_cost_the_same() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let pending = server.person("pending");
    pending.signs_up().done();
    let (wrong_cost, wrong) = server.hashes_of(|| alice.tries("wrong"));
    let (unknown_cost, unknown) = server.hashes_of(|| server.person("nobody").tries("wrong"));
    let (pending_cost, unverified) = server.hashes_of(|| pending.logs_in());
    for reply in [&wrong, &unknown, &unverified] {
        assert!(reply.refused(NO_MATCH)["user_id"].is_null());
        assert_eq!(reply.messages(), wrong.messages());
    }
    assert_eq!([wrong_cost, unknown_cost, pending_cost], [1, 1, 1]);
    assert_eq!(server.delays(), [1.0, 1.0, 1.0], "each account's first failure is held for a second");
    let (success_cost, success) = server.hashes_of(|| alice.logs_in());
    success.done();
    assert_eq!(success_cost, 1);
}

#[test]
fn without_a_session_nobody_logs_in_and_nothing_is_counted() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let body = json!({ "session_token": "made up", "email": alice.email, "password": "wrong" });
    for _ in 0..30 {
        let (cost, reply) = server.hashes_of(|| server.ask("user-login", body.clone()));
        assert!(reply.refused("session does not exist")["user_id"].is_null());
        assert_eq!(cost, 0, "refused before it queues for the hashers");
    }
    assert!(server.delays().is_empty());
    alice.logs_in().done();
}

#[test]
fn a_login_is_one_write_whatever_comes_of_it() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let ends_in_one_write = |email: &str, password: &str| {
        let session = server.new_session(None);
        let before = server.commits();
        let reply = server
            .ask("user-login", json!({ "session_token": session, "email": email, "password": password }));
        assert_eq!(server.commits() - before, 1);
        assert!(!server.session_is_live(&session));
        reply
    };
    ends_in_one_write(&alice.email, GOOD_PASSWORD).done();
    ends_in_one_write("nobody@example.org", GOOD_PASSWORD).refused(NO_MATCH);
    for _ in 0..10 {
        ends_in_one_write(&alice.email, "wrong").refused(NO_MATCH);
    }
    is_locked(&ends_in_one_write(&alice.email, "wrong"));
    is_locked(&ends_in_one_write(&alice.email, GOOD_PASSWORD));
}

#[test]
fn guesses_are_delayed_longer_and_longer_and_then_lock_the_account_for_a_time() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    for _ in 0..10 {
        alice.tries("wrong").refused(NO_MATCH);
    }
    let holds = server.delays();
    assert_eq!(holds[..4], [1.0, 1.5, 2.25, 3.375]);
    assert!((holds[9] - 38.443).abs() < 0.001, "{holds:?}");
    is_locked(&alice.tries("wrong"));
    assert!(server.delays().is_empty(), "the answer that locks is not held");
    assert!(!server.session_is_live(&session), "nothing of a locked account works");
    is_locked(&alice.logs_in());
    let (cost, reply) = server.hashes_of(|| alice.logs_in());
    is_locked(&reply);
    assert_eq!(cost, 1, "a locked account costs what any other does");

    server.later(HOUR);
    alice.logs_in().done();
    alice.tries("wrong").refused(NO_MATCH);
    assert_eq!(server.delays(), [1.0], "the count starts anew after the lock");
}

#[test]
fn a_lock_survives_a_restart_and_still_ends() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let email = alice.email.clone();
    for _ in 0..11 {
        let _ = alice.tries("wrong");
    }
    let server = server.restart(&[]);
    let session_token = server.new_session(None);
    let log_in = json!({ "session_token": session_token, "email": email, "password": GOOD_PASSWORD });
    is_locked(&server.ask("user-login", log_in));
    server.later(HOUR);
    authnzerver::accounts::lock::release_expired(&server.app).expect("lifts");
    let person = server.person("alice");
    person.logs_in().done();
}

#[test]
fn an_unknown_address_is_locked_just_the_same() {
    let server = TestServer::start();
    let nobody = server.person("nobody");
    for _ in 0..10 {
        nobody.tries("wrong").refused(NO_MATCH);
    }
    is_locked(&nobody.tries("wrong"));
    server.later(HOUR);
    nobody.tries("wrong").refused(NO_MATCH);
}

#[test]
fn case_does_not_make_another_account_of_an_address() {
    let server = TestServer::start();
    let (mut alice, _) = server.member("alice");
    alice.email = "ALICE@Example.ORG".to_owned();
    alice.logs_in().done();
    alice.tries("wrong").refused(NO_MATCH);
    alice.email = "alice@example.org".to_owned();
    alice.tries("wrong").refused(NO_MATCH);
    assert_eq!(server.delays(), [1.0, 1.5]);
}

#[test]
fn a_success_forgets_the_failures() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    for _ in 0..5 {
        alice.tries("wrong").refused(NO_MATCH);
    }
    alice.logs_in().done();
    server.delays();
    alice.tries("wrong").refused(NO_MATCH);
    assert_eq!(server.delays(), [1.0]);
}

#[test]
fn with_clients_told_apart_a_stranger_cannot_lock_the_owner_out() {
    let server = TestServer::start_with(&[("LOCKMODE", "account-and-client")]);
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    for _ in 0..20 {
        let _ = alice.tries_from("198.51.100.7", "wrong");
    }
    is_locked(&alice.tries_from("198.51.100.200", GOOD_PASSWORD));
    // The same network, as IPv6 writes it: mapped, NAT64 and Teredo.
    for spelling in ["[::ffff:198.51.100.9]:4711", "64:FF9B::c633:6409", "2001:0:1:2:3:4:39cc:9bf6"] {
        is_locked(&alice.tries_from(spelling, GOOD_PASSWORD));
    }
    alice.tries_from("203.0.113.9", GOOD_PASSWORD).done();
    assert!(server.session_is_live(&session));
}

#[test]
fn checking_a_password_needs_the_right_one_and_leaves_the_session() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let check = |password: &str| {
        server.ask("user-passcheck", json!({ "session_token": session, "password": password }))
    };
    assert_eq!(check(GOOD_PASSWORD).done()["user_id"], user_id);
    check("wrong").refused(NO_MATCH);
    assert_eq!(server.delays(), [1.0], "a failed check is a guess like any other");
    assert!(server.session_is_live(&session));
    let by_email = json!({ "email": alice.email, "password": GOOD_PASSWORD });
    assert_eq!(server.ask("user-passcheck-nosession", by_email).done()["user_role"], "authenticated");
    let gone = json!({ "session_token": "made up", "password": GOOD_PASSWORD });
    let (cost, reply) = server.hashes_of(|| server.ask("user-passcheck", gone));
    reply.refused("session does not exist");
    assert_eq!(cost, 0, "refused before it queues for the hashers");
}

#[test]
fn logging_out_needs_the_sessions_owner() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let other = server.ask("user-logout", json!({ "session_token": session, "user_id": 1 }));
    assert_eq!(other.refused("user does not exist")["user_id"], 1);
    assert!(server.session_is_live(&session));
    let gone = server.ask("user-logout", json!({ "session_token": "made up", "user_id": user_id }));
    gone.refused("session does not exist");
}

#[test]
fn an_old_hash_is_renewed_at_login_only() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let hash = "$argon2id$v=19$m=32,t=1,p=2$MDEyMzQ1Njc4OWFiY2RlZg$";
    let stored = argon2_of(GOOD_PASSWORD);
    assert!(stored.starts_with(hash));
    let set = format!("UPDATE users SET password = '{stored}' WHERE user_id = {user_id}");
    server.changes(&set);
    let of_alice = format!("SELECT password FROM users WHERE user_id = {user_id}");
    let check = json!({ "email": alice.email, "password": GOOD_PASSWORD });
    server.ask("user-passcheck-nosession", check).done();
    assert_eq!(server.stored(&of_alice).as_deref(), Some(stored.as_str()));
    alice.logs_in().done();
    assert!(server.stored(&of_alice).expect("is there").starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    alice.logs_in().done();
}

/// A hash with other parameters than the stories' server has.
fn argon2_of(password: &str) -> String {
    let config = reference_argon2::Config {
        mem_cost: 32,
        time_cost: 1,
        lanes: 2,
        variant: reference_argon2::Variant::Argon2id,
        version: reference_argon2::Version::Version13,
        ..reference_argon2::Config::default()
    };
    reference_argon2::hash_encoded(password.as_bytes(), b"0123456789abcdef", &config).expect("hashes")
}

#[track_caller]
fn is_locked(reply: &Reply) {
    assert!(reply.refused_without_reason()["user_id"].is_null());
    assert!(reply.messages()[0].contains("locked"), "{reply:?}");
}

#[test]
fn a_session_of_a_locked_user_is_none() {
    let server = TestServer::start();
    let reply = server.ask("session-new", session_body(Some(3)));
    assert!(reply.refused("DB error when making new session")["session_token"].is_null());
}
