//! Deleting users: by themselves with their password, and by the calling server.

use serde_json::{Value, json};
use support::{ADMIN_EMAIL, ADMIN_PASSWORD, GOOD_PASSWORD, Reply, TestServer};

const NOT_DELETED: &str = "user deletion failed in DB";

fn asks_to_go(server: &TestServer, email: &str, user_id: i64, password: &str) -> Reply {
    server.ask("user-delete", json!({ "email": email, "user_id": user_id, "password": password }))
}

fn deletes(server: &TestServer, target: i64) -> Reply {
    server.ask("internal-user-delete", json!({ "target_userid": target }))
}

fn exists(server: &TestServer, user_id: i64) -> bool {
    let found = server.ask("user-list", json!({ "user_id": user_id }));
    found.done()["user_info"].as_array().is_some_and(|users| !users.is_empty())
}

fn rows(server: &TestServer, table: &str) -> i64 {
    let count = server.stored(&format!("SELECT CAST(count(*) AS TEXT) FROM {table}"));
    count.and_then(|count| count.parse().ok()).expect("a count")
}

/// A session, and a key of both kinds.
fn uses_everything(server: &TestServer, user_id: i64) -> String {
    let session = server.new_session(Some(user_id));
    let mut ask = json!({
        "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "not_valid_before": 0,
        "user_id": user_id, "user_role": "authenticated", "ip_address": "192.0.2.1",
    });
    let more = |ask: &mut Value, key: &str, value: Value| ask[key] = value;
    more(&mut ask, "expires_days", json!(1));
    more(&mut ask, "user_agent", json!("Browser/1.0"));
    more(&mut ask, "session_token", json!(session));
    server.ask("apikey-new", ask.clone()).done();
    more(&mut ask, "expires_seconds", json!(60));
    more(&mut ask, "refresh_expires", json!(60));
    more(&mut ask, "refresh_nbf", json!(0));
    server.ask("apikey-new-nosession", ask).done();
    session
}

#[test]
fn who_deletes_their_account_leaves_nothing_behind() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let (_, bob) = server.member("bob");
    let (session, bobs) = (uses_everything(&server, user_id), uses_everything(&server, bob));
    let gone = asks_to_go(&server, "ALICE@example.org", user_id, GOOD_PASSWORD);
    assert_eq!(gone.done()["user_id"], user_id);
    assert_eq!(gone.done()["email"], "ALICE@example.org");
    assert!(!exists(&server, user_id) && exists(&server, bob));
    assert!(!server.session_is_live(&session) && server.session_is_live(&bobs));
    assert_eq!([rows(&server, "apikeys"), rows(&server, "apikeys_nosession")], [1, 1], "only bob's");
    assert!(!alice.logs_in().succeeded());
}

#[test]
fn the_number_of_a_deleted_user_is_never_used_again() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    asks_to_go(&server, &alice.email, user_id, GOOD_PASSWORD).done();
    let back = alice.signs_up().done()["user_id"].as_i64();
    assert_eq!(back, Some(user_id + 1));
    let email = alice.email.clone();
    deletes(&server, user_id + 1).done();
    // Chance is seeded with the time.
    server.later(std::time::Duration::from_secs(1));
    let server = server.restart(&[]);
    let body = json!({ "full_name": "", "email": email, "password": GOOD_PASSWORD });
    assert_eq!(server.ask("user-new", body).done()["user_id"], user_id + 2, "nor after a restart");
}

#[test]
fn nobody_is_deleted_without_address_number_and_password() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let (bob, bobs_id) = server.member("bob");
    let session = server.new_session(Some(user_id));
    for (email, number, password, reason) in [
        (alice.email.as_str(), user_id, "wrong", "invalid password"),
        (&alice.email, bobs_id, GOOD_PASSWORD, "invalid email"),
        (&bob.email, user_id, GOOD_PASSWORD, "invalid email"),
        ("nobody@example.org", user_id, GOOD_PASSWORD, "invalid email"),
        (ADMIN_EMAIL, 1, ADMIN_PASSWORD, "can't delete superusers"),
        (ADMIN_EMAIL, 1, "wrong", "invalid password"),
    ] {
        let (cost, refused) = server.hashes_of(|| asks_to_go(&server, email, number, password));
        let told = refused.refused(reason);
        assert_eq!((&told["email"], &told["user_id"]), (&json!(email), &json!(number)), "echoed");
        assert_eq!(cost, 1, "whatever was wrong");
    }
    assert!(exists(&server, user_id) && exists(&server, bobs_id) && exists(&server, 1));
    assert!(server.session_is_live(&session));
    alice.logs_in().done();
}

#[test]
fn guessing_passwords_here_counts_like_anywhere() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    for _ in 0..10 {
        asks_to_go(&server, &alice.email, user_id, "wrong").refused("invalid password");
    }
    assert_eq!(server.delays().len(), 10);
    for password in ["wrong", GOOD_PASSWORD] {
        let locked = asks_to_go(&server, &alice.email, user_id, password);
        assert_eq!(locked.refused_without_reason()["user_id"], user_id);
    }
    assert!(exists(&server, user_id));
    assert!(!alice.logs_in().succeeded());
}

#[test]
fn the_guesses_at_a_deleted_account_go_with_it() {
    for by_the_server in [true, false] {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        for _ in 0..5 {
            let _ = alice.tries("wrong");
        }
        if by_the_server {
            assert_eq!(rows(&server, "attempts"), 1);
            deletes(&server, user_id).done();
        } else {
            asks_to_go(&server, &alice.email, user_id, GOOD_PASSWORD).done();
        }
        assert_eq!(rows(&server, "attempts"), 0);
        let (alice, _) = server.member("alice");
        server.delays();
        let _ = alice.tries("wrong");
        assert_eq!(server.delays(), [1.0], "who signs up with the address starts anew");
    }
}

#[test]
fn also_who_is_pending_or_locked_can_go() {
    let server = TestServer::start();
    let pending = server.person("pending");
    let pending_id = pending.signs_up().done()["user_id"].as_i64().expect("a number");
    let (alice, user_id) = server.member("alice");
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
    asks_to_go(&server, &pending.email, pending_id, GOOD_PASSWORD).done();
    asks_to_go(&server, &alice.email, user_id, GOOD_PASSWORD).done();
    assert!(!exists(&server, pending_id) && !exists(&server, user_id));
    assert_eq!([rows(&server, "locks"), rows(&server, "role_history")], [0, 0]);
}

#[test]
fn the_calling_server_deletes_without_a_password() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let session = uses_everything(&server, user_id);
    assert_eq!(deletes(&server, user_id).done()["user_id"], user_id);
    assert!(!exists(&server, user_id) && !server.session_is_live(&session));
    assert_eq!([rows(&server, "apikeys"), rows(&server, "apikeys_nosession")], [0, 0]);
    assert_eq!(deletes(&server, user_id).done()["user_id"], user_id, "nobody is left to delete");
    assert_eq!(deletes(&server, -7).done()["user_id"], -7);
}

#[test]
fn the_system_users_and_the_last_administrator_stay() {
    let server = TestServer::start();
    let session = server.new_session(Some(1));
    for target in [1, 2, 3] {
        assert!(deletes(&server, target).refused(NOT_DELETED).get("user_id").is_none());
        assert!(exists(&server, target));
    }
    assert!(server.session_is_live(&session));
    let (_, second) = server.member("second");
    let power = json!({ "target_userid": second, "update_dict": { "user_role": "superuser" } });
    server.ask("internal-user-edit", power).done();
    deletes(&server, 1).done();
    assert!(!exists(&server, 1) && !server.session_is_live(&session));
    deletes(&server, second).refused(NOT_DELETED);
    assert!(exists(&server, second));
}

#[test]
fn the_owner_of_a_group_stays_with_all_that_is_theirs() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let group = format!(
        "INSERT INTO groups (system_id, group_name, created_by, created_on, last_updated, group_role)
         VALUES ('g', 'g', {user_id}, '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000', 'staff')"
    );
    server.changes(&group);
    deletes(&server, user_id).refused(NOT_DELETED);
    asks_to_go(&server, &alice.email, user_id, GOOD_PASSWORD).refused(NOT_DELETED);
    assert!(exists(&server, user_id) && server.session_is_live(&session));
}
