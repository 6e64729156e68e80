//! What is answered when the database fails under the running server: never a verdict.

use serde_json::{Value, json};
use std::time::Duration;
use support::parser::value_of;
use support::{GOOD_PASSWORD, Reply, TestServer, session_body};

fn run(server: &TestServer, statements: &str) {
    server.changes(statements);
}

/// Does something while a table cannot be found.
fn without_table<T>(server: &TestServer, table: &str, work: impl FnOnce() -> T) -> T {
    run(server, &format!("ALTER TABLE {table} RENAME TO mislaid"));
    let result = work();
    run(server, &format!("ALTER TABLE mislaid RENAME TO {table}"));
    result
}

fn count(server: &TestServer, table: &str) -> i64 {
    let count = server.stored(&format!("SELECT CAST(count(*) AS TEXT) FROM {table}"));
    count.and_then(|count| count.parse().ok()).expect("a count")
}

fn nosession_key(server: &TestServer, user_id: i64) -> (Value, String) {
    let ask = json!({
        "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_seconds": 900,
        "not_valid_before": -1, "user_id": user_id, "user_role": "authenticated",
        "ip_address": "192.0.2.1", "refresh_expires": 900, "refresh_nbf": -1,
    });
    let made = server.ask("apikey-new-nosession", ask);
    server.later(Duration::from_secs(1));
    let text = |key: &str| made.done()[key].as_str().expect("a text").to_owned();
    (value_of(text("apikey")).expect("claims"), text("refresh_token"))
}

#[test]
fn a_session_that_cannot_be_looked_up_is_not_said_to_be_gone() {
    let server = TestServer::start();
    let session = server.new_session(None);
    let ask = || server.ask("session-exists", json!({ "session_token": session }));
    let failed = without_table(&server, "sessions", ask);
    assert!(failed.refused("DB error when retrieving session info")["session_info"].is_null());
    let failed = without_table(&server, "users", ask);
    failed.refused("DB error when retrieving session info");
    assert!(server.session_is_live(&session), "it was there all the time");
}

#[test]
fn a_login_that_cannot_be_checked_is_neither_wrong_nor_counted() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let log_in = |password: &str| {
        let body = json!({ "session_token": session, "email": alice.email, "password": password });
        server.ask("user-login", body)
    };
    for table in ["sessions", "users", "attempts"] {
        for password in [GOOD_PASSWORD, "wrong"] {
            without_table(&server, table, || log_in(password)).unavailable();
        }
        let by_email = json!({ "email": alice.email, "password": "wrong" });
        if table != "sessions" {
            without_table(&server, table, || server.ask("user-passcheck-nosession", by_email)).unavailable();
        }
        let by_session = json!({ "session_token": session, "password": "wrong" });
        without_table(&server, table, || server.ask("user-passcheck", by_session)).unavailable();
    }
    assert!(server.delays().is_empty());
    assert!(server.session_is_live(&session), "nothing ended");
    log_in(GOOD_PASSWORD).done();
}

#[test]
fn twenty_logins_during_an_outage_lock_nobody_out() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let log_in = || {
        let body = json!({ "session_token": session, "email": alice.email, "password": GOOD_PASSWORD });
        server.ask("user-login", body)
    };
    without_table(&server, "attempts", || {
        for _ in 0..20 {
            log_in().unavailable();
        }
    });
    log_in().done();
}

#[test]
fn a_users_unreadable_row_is_not_an_unknown_user() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    run(&server, &format!("UPDATE users SET created_on = 'yesterday' WHERE user_id = {user_id}"));
    let edit = json!({ "target_userid": user_id, "update_dict": { "full_name": "A" } });
    for (request, body, reason) in [
        ("user-list", json!({ "user_id": user_id }), "exception when checking the DB"),
        ("user-list", json!({ "user_id": null }), "exception when checking the DB"),
        ("user-lookup-email", json!({ "email": alice.email }), "exception when checking the DB"),
        ("user-lookup-match", json!({ "by": "email", "match": alice.email }), "exception in DB access"),
        ("user-lookup-match", json!({ "by": "extra_info", "match": {} }), "exception in DB access"),
        ("internal-user-edit", edit, "DB error when updating user info"),
        (
            "internal-user-lock",
            json!({ "target_userid": user_id, "action": "lock" }),
            "exception encountered when trying lock toggle action",
        ),
    ] {
        server.ask(request, body).refused(reason);
    }
    assert_eq!(count(&server, "locks"), 0);
    let name = server.stored(&format!("SELECT full_name FROM users WHERE user_id = {user_id}"));
    assert_eq!(name.as_deref(), Some("Somebody alice"));
}

#[test]
fn every_request_about_users_says_that_it_could_not_find_out() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let admins = server.new_session(Some(1));
    let edit = json!({
        "user_id": 1, "user_role": "superuser", "session_token": admins,
        "target_userid": user_id, "update_dict": { "full_name": "A" },
    });
    let lock = json!({
        "user_id": 1, "user_role": "superuser", "session_token": admins,
        "target_userid": user_id, "action": "lock",
    });
    let access = json!({
        "user_id": user_id, "user_role": "authenticated", "action": "view", "target_name": "dataset",
        "target_owner": 1, "target_visibility": "public", "target_sharedwith": "",
    });
    let limit = json!({
        "user_id": user_id, "user_role": "authenticated", "limit_name": "max_requests", "value_to_check": 1,
    });
    let replies = without_table(&server, "users", || {
        [
            (server.ask("user-edit", edit), "exception when trying to update user"),
            (server.ask("user-lock", lock), "exception when trying to toggle lock state"),
            (server.ask("user-check-access", access), "exception when checking the DB"),
            (server.ask("user-check-limit", limit), "exception when checking the DB"),
            (
                server.ask("internal-user-delete", json!({ "target_userid": user_id })),
                "user deletion failed in DB",
            ),
            (server.person("bob").signs_up(), "DB issue with user creation"),
            (server.ask("session-new", session_body(Some(user_id))), "DB error when making new session"),
        ]
    });
    for (reply, reason) in replies {
        reply.refused(reason);
    }
    let alice = server.ask("user-list", json!({ "user_id": null }));
    let users = alice.done()["user_info"].as_array().expect("a list");
    assert_eq!(users.len(), 4, "nobody came and nobody went");
    assert_eq!(users[3]["user_role"], "authenticated");
    assert_eq!(users[3]["full_name"], "Somebody alice");
    assert!(server.session_is_live(&admins));
}

#[test]
fn a_key_that_cannot_be_looked_up_is_not_said_to_be_invalid() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (claims, refresh_token) = nosession_key(&server, user_id);
    let ask = json!({ "apikey_dict": claims, "user_id": user_id, "user_role": "authenticated" });
    for table in ["apikeys_nosession", "users"] {
        for request in ["apikey-verify-nosession", "apikey-revoke-nosession", "apikey-revokeall-nosession"] {
            without_table(&server, table, || server.ask(request, ask.clone())).unavailable();
        }
        let mut refresh = ask.clone();
        for (key, value) in [
            ("refresh_token", json!(refresh_token)),
            ("ip_address", json!("192.0.2.1")),
            ("expires_seconds", json!(60)),
            ("not_valid_before", json!(0)),
            ("refresh_expires", json!(60)),
            ("refresh_nbf", json!(0)),
        ] {
            refresh[key] = value;
        }
        without_table(&server, table, || server.ask("apikey-refresh-nosession", refresh)).unavailable();
    }
    without_table(&server, "apikeys", || server.ask("apikey-verify", ask.clone())).unavailable();
    server.ask("apikey-verify-nosession", ask).done();
}

#[test]
fn a_refresh_that_fails_half_way_keeps_the_old_key() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (claims, refresh_token) = nosession_key(&server, user_id);
    let ask = json!({
        "apikey_dict": claims, "user_id": user_id, "user_role": "authenticated",
        "refresh_token": refresh_token, "ip_address": "192.0.2.1", "expires_seconds": 60,
        "not_valid_before": 0, "refresh_expires": 60, "refresh_nbf": 0,
    });
    run(
        &server,
        "CREATE TRIGGER full BEFORE INSERT ON apikeys_nosession BEGIN SELECT RAISE(ABORT, 'full'); END",
    );
    server.ask("apikey-refresh-nosession", ask.clone()).unavailable();
    let verify = json!({ "apikey_dict": claims, "user_id": user_id, "user_role": "authenticated" });
    server.ask("apikey-verify-nosession", verify).done();
    run(&server, "DROP TRIGGER full");
    server.ask("apikey-refresh-nosession", ask).done();
    assert_eq!(count(&server, "apikeys_nosession"), 1);
}

#[test]
fn a_lock_that_fails_half_way_leaves_everything_as_it_was() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    run(&server, "CREATE TRIGGER full BEFORE INSERT ON locks BEGIN SELECT RAISE(ABORT, 'full'); END");
    let lock = || server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" }));
    lock().refused("exception encountered when trying lock toggle action");
    assert!(server.session_is_live(&session));
    assert_eq!(count(&server, "role_history"), 0);
    alice.logs_in().done();
    run(&server, "DROP TRIGGER full");
    lock().done();
    assert!(!server.session_is_live(&session));
}

#[test]
fn a_hash_that_would_cost_too_much_is_never_computed() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let salt_and_tag = "MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
    for stored in [
        format!("$argon2id$v=19$m=4194304,t=3,p=4${salt_and_tag}"),
        format!("$argon2id$v=19$m=65536,t=4000000,p=4${salt_and_tag}"),
        format!("$argon2id$v=19$m=65536,t=3,p=16000000${salt_and_tag}"),
        format!("$argon2id$v=19$m=65536,t=3,p=0${salt_and_tag}"),
        "$argon2id$v=19$m=99999999999999999999,t=3,p=4$MDEy$MDEy".to_owned(),
        GOOD_PASSWORD.to_owned(),
        String::new(),
    ] {
        run(&server, &format!("UPDATE users SET password = '{stored}' WHERE user_id = {user_id}"));
        run(&server, "DELETE FROM attempts");
        let (cost, reply) = server.hashes_of(|| alice.logs_in());
        let told = reply.refused("user does not exist or password doesn't match");
        assert!(told["user_id"].is_null(), "{stored}");
        assert_eq!(cost, 1, "one dummy for {stored}");
        let delete = json!({ "email": alice.email, "user_id": user_id, "password": GOOD_PASSWORD });
        let (cost, reply) = server.hashes_of(|| server.ask("user-delete", delete));
        reply.refused("invalid password");
        assert_eq!(cost, 1, "one dummy for {stored}");
        let kept = server.stored(&format!("SELECT password FROM users WHERE user_id = {user_id}"));
        assert_eq!(kept.as_deref(), Some(stored.as_str()), "nothing was hashed anew");
    }
}

#[test]
fn a_closed_database_refuses_writes_and_loses_none() {
    let server = TestServer::start();
    let session = server.new_session(None);
    server.app.store.close();
    let reply: Reply = server.ask("session-new", session_body(None));
    assert!(reply.refused("DB error when making new session")["session_token"].is_null());
    let server = server.restart(&[]);
    assert!(server.session_is_live(&session));
    assert_eq!(count(&server, "sessions"), 1);
}
