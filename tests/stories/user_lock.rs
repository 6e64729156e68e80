//! Locking and unlocking accounts by hand, and how that goes together with locks after failed logins.

use serde_json::{Value, json};
use std::time::Duration;
use support::parser::value_of;
use support::{Person, Reply, TestServer, session_body};

const NOT_TOGGLED: &str = "exception encountered when trying lock toggle action";
const LOCK_TIME: Duration = Duration::from_secs(3600);

fn toggles(server: &TestServer, target: i64, action: &str) -> Reply {
    server.ask("internal-user-lock", json!({ "target_userid": target, "action": action }))
}

fn known(server: &TestServer, user_id: i64) -> Value {
    server.ask("user-list", json!({ "user_id": user_id })).done()["user_info"][0].clone()
}

/// Whether a user is active, in which role, and which history is shown.
fn state(info: &Value) -> (bool, &str, Value) {
    let role = info["user_role"].as_str().expect("a role");
    (info["is_active"] == true, role, info["extra_info"]["previous_user_roles"].clone())
}

/// Guesses until the account is locked for a time.
fn guesses_too_often(victim: &Person<'_>) {
    for _ in 0..11 {
        let _ = victim.tries("wrong");
    }
    assert!(!victim.logs_in().succeeded());
}

fn nosession_key(server: &TestServer, user_id: i64) -> String {
    let ask = json!({
        "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_seconds": 86_400,
        "not_valid_before": -1, "user_id": user_id, "user_role": "authenticated",
        "ip_address": "192.0.2.1", "refresh_expires": 86_400, "refresh_nbf": -1,
    });
    server.ask("apikey-new-nosession", ask).done()["apikey"].as_str().expect("a key").to_owned()
}

fn verifies(server: &TestServer, user_id: i64, key: &str) -> bool {
    let claims: Value = value_of(key).expect("claims");
    let ask = json!({ "apikey_dict": claims, "user_id": user_id, "user_role": "authenticated" });
    server.ask("apikey-verify-nosession", ask).succeeded()
}

#[test]
fn a_lock_takes_the_role_and_an_unlock_gives_it_back() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    for _ in 0..2 {
        let locked = toggles(&server, user_id, "lock");
        let history = json!(["locked", "authenticated"]);
        assert_eq!(state(&locked.done()["user_info"]), (false, "locked", history.clone()));
        assert!(!alice.logs_in().succeeded());
        let again = toggles(&server, user_id, "lock");
        assert_eq!(state(&again.done()["user_info"]), (false, "locked", history));
        let unlocked = toggles(&server, user_id, "unlock");
        assert_eq!(state(&unlocked.done()["user_info"]), (true, "authenticated", json!(["locked"])));
        alice.logs_in().done();
    }
    let before = known(&server, user_id);
    let needless = toggles(&server, user_id, "unlock");
    assert_eq!(state(&needless.done()["user_info"]).1, "authenticated");
    assert_eq!(known(&server, user_id)["is_active"], before["is_active"]);
}

#[test]
fn the_role_that_comes_back_is_the_one_that_was_taken() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    for role in ["staff", "superuser", "authenticated"] {
        let change = json!({ "target_userid": user_id, "update_dict": { "user_role": role } });
        server.ask("internal-user-edit", change).done();
        toggles(&server, user_id, "lock").done();
        let unlocked = toggles(&server, user_id, "unlock");
        assert_eq!(unlocked.done()["user_info"]["user_role"], role);
    }
}

#[test]
fn a_lock_ends_sessions_and_keys_for_good() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (_, bob) = server.member("bob");
    let (session, bobs_session) = (server.new_session(Some(user_id)), server.new_session(Some(bob)));
    let (key, bobs_key) = (nosession_key(&server, user_id), nosession_key(&server, bob));
    server.later(Duration::from_secs(1));
    assert!(server.session_is_live(&session) && verifies(&server, user_id, &key));
    toggles(&server, user_id, "lock").done();
    assert!(!server.session_is_live(&session) && !verifies(&server, user_id, &key));
    server.ask("session-new", session_body(Some(user_id))).refused("DB error when making new session");
    toggles(&server, user_id, "unlock").done();
    assert!(!server.session_is_live(&session), "an unlock brings no session back");
    assert!(!verifies(&server, user_id, &key), "nor a key");
    assert!(server.session_is_live(&bobs_session) && verifies(&server, bob, &bobs_key));
}

#[test]
fn an_administrator_locks_and_unlocks_others() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(1));
    let asks = |action: &str| {
        let ask = json!({
            "user_id": 1, "user_role": "superuser", "session_token": session,
            "target_userid": user_id, "action": action,
        });
        server.ask("user-lock", ask)
    };
    assert_eq!(asks("lock").done()["user_info"]["user_role"], "locked");
    assert!(!alice.logs_in().succeeded());
    assert_eq!(asks("unlock").done()["user_info"]["is_active"], true);
    alice.logs_in().done();
    assert!(server.session_is_live(&session));
}

#[test]
fn who_may_not_lock_locks_nobody() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (_, bob) = server.member("bob");
    let (alices, admins) = (server.new_session(Some(user_id)), server.new_session(Some(1)));
    let before = known(&server, bob);
    for (asker, role, session, target, action, reason) in [
        (
            user_id,
            "authenticated",
            &alices,
            bob,
            "lock",
            "user role is not 'superuser', required to toggle locks",
        ),
        (user_id, "staff", &alices, bob, "lock", "user role is not 'superuser', required to toggle locks"),
        (1, "superuser", &admins, 1, "lock", "can't toggle a lock state on self"),
        (1, "superuser", &admins, bob, "Lock", "action must be one of 'lock', 'unlock'"),
        (1, "superuser", &admins, 2, "lock", "can't toggle lock state for system anonymous/locked accounts"),
        (
            1,
            "superuser",
            &admins,
            3,
            "unlock",
            "can't toggle lock state for system anonymous/locked accounts",
        ),
        (user_id, "superuser", &alices, bob, "lock", "invalid session for user attempting lock toggle"),
        (1, "superuser", &alices, bob, "lock", "invalid session for user attempting lock toggle"),
        (1, "superuser", &String::new(), bob, "lock", "invalid session for user attempting lock toggle"),
        (1, "superuser", &admins, 99, "lock", NOT_TOGGLED),
    ] {
        let ask = json!({
            "user_id": asker, "user_role": role, "session_token": session,
            "target_userid": target, "action": action,
        });
        let refused = server.ask("user-lock", ask);
        assert!(refused.refused(reason)["user_info"].is_null());
    }
    assert_eq!(known(&server, bob), before);
    assert!(server.session_is_live(&alices) && server.session_is_live(&admins));
}

#[test]
fn the_calling_server_is_told_what_cannot_be_locked() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let admins = server.new_session(Some(1));
    for (target, action, reason) in [
        (user_id, "LOCK", "action must be either 'lock' or 'unlock'"),
        (2, "", "action must be either 'lock' or 'unlock'"),
        (2, "lock", "can't edit anonymous/locked users"),
        (3, "unlock", "can't edit anonymous/locked users"),
        (99, "lock", NOT_TOGGLED),
        (1, "lock", NOT_TOGGLED),
    ] {
        let refused = toggles(&server, target, action);
        assert!(refused.refused(reason)["user_info"].is_null(), "{target} {action}");
    }
    assert_eq!(known(&server, 1)["user_role"], "superuser", "the last administrator is not locked");
    assert!(server.session_is_live(&admins));
    assert_eq!(known(&server, 3)["is_active"], false);
    assert_eq!(known(&server, user_id)["is_active"], true);
}

#[test]
fn an_administrators_lock_does_not_end_with_the_one_after_failed_logins() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    guesses_too_often(&alice);
    toggles(&server, user_id, "lock").done();
    server.later(2 * LOCK_TIME);
    authnzerver::accounts::lock::release_expired(&server.app).expect("lifts");
    assert!(!alice.logs_in().succeeded());
    assert_eq!(known(&server, user_id)["user_role"], "locked");
    toggles(&server, user_id, "unlock").done();
    assert_eq!(alice.logs_in().done()["user_role"], "authenticated");
}

#[test]
fn guesses_do_not_lift_an_administrators_lock() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    toggles(&server, user_id, "lock").done();
    guesses_too_often(&alice);
    server.later(2 * LOCK_TIME);
    authnzerver::accounts::lock::release_expired(&server.app).expect("lifts");
    assert!(!alice.logs_in().succeeded());
    assert_eq!(known(&server, user_id)["user_role"], "locked");
    let verified = server.ask("user-set-emailverified", json!({ "email": alice.email }));
    verified.refused("could not update user verified status in DB");
    assert_eq!(known(&server, user_id)["is_active"], false);
}

#[test]
fn an_administrator_ends_a_lock_after_failed_logins_at_once() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    guesses_too_often(&alice);
    assert_eq!(known(&server, user_id)["user_role"], "locked");
    toggles(&server, user_id, "unlock").done();
    alice.logs_in().done();
    server.delays();
    let _ = alice.tries("wrong");
    assert_eq!(server.delays(), [1.0], "the failures are forgotten");
}

#[test]
fn what_an_administrator_decided_is_not_undone_when_a_timed_lock_ends() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    guesses_too_often(&alice);
    let changes = json!({ "user_role": "staff", "is_active": false });
    let staff = json!({ "target_userid": user_id, "update_dict": changes });
    let changed = server.ask("internal-user-edit", staff);
    assert_eq!(changed.done()["user_info"]["is_active"], false, "as was decided");
    server.later(2 * LOCK_TIME);
    authnzerver::accounts::lock::release_expired(&server.app).expect("lifts");
    assert!(!alice.logs_in().succeeded());
    assert_eq!(known(&server, user_id)["is_active"], false);
}

#[test]
fn an_unlock_does_not_stand_in_for_a_verification() {
    let server = TestServer::start();
    let pending = server.person("pending");
    let user_id = pending.signs_up().done()["user_id"].as_i64().expect("a number");
    toggles(&server, user_id, "unlock").refused(NOT_TOGGLED);
    toggles(&server, user_id, "lock").done();
    let verify = || server.ask("user-set-emailverified", json!({ "email": pending.email }));
    verify().refused("could not update user verified status in DB");
    let unlocked = toggles(&server, user_id, "unlock");
    assert_eq!(unlocked.done()["user_info"]["is_active"], false, "it waits for its verification again");
    assert!(!pending.logs_in().succeeded());
    assert_eq!(verify().done()["user_role"], "authenticated");
    pending.logs_in().done();
}

#[test]
fn an_unlock_activates_who_was_only_deactivated() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let off = json!({ "target_userid": user_id, "update_dict": { "is_active": false } });
    server.ask("internal-user-edit", off).done();
    assert!(!alice.logs_in().succeeded());
    let unlocked = toggles(&server, user_id, "unlock");
    assert_eq!(unlocked.done()["user_info"]["is_active"], true);
    assert_eq!(alice.logs_in().done()["user_role"], "authenticated");
}

#[test]
fn a_long_history_of_locks_stays_short() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    for round in 0..40 {
        toggles(&server, user_id, "lock").done();
        // A new role while locked leaves the taken one in the history.
        let role = if round % 2 == 0 { "staff" } else { "authenticated" };
        let change = json!({ "user_role": role, "is_active": true });
        server.ask("internal-user-edit", json!({ "target_userid": user_id, "update_dict": change })).done();
        assert_eq!(known(&server, user_id)["user_role"], role);
    }
    let kept = server.stored("SELECT CAST(count(*) AS TEXT) FROM role_history").expect("counts");
    assert_eq!(kept, "32");
}

#[test]
fn what_changes_nothing_is_no_event() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let events = || {
        let statement = "SELECT group_concat(kind, ' ') FROM (SELECT kind FROM events WHERE kind LIKE 'account.%' \
                         AND kind LIKE '%locked' ORDER BY seq) AS kinds";
        server.stored(statement).unwrap_or_default()
    };
    let mut expected = Vec::new();
    for (action, changes) in [
        ("unlock", false),
        ("lock", true),
        ("lock", false),
        ("unlock", true),
        ("unlock", false),
        ("lock", true),
    ] {
        toggles(&server, user_id, action).done();
        if changes {
            expected.push(format!("account.{action}ed"));
        }
        assert_eq!(events(), expected.join(" "), "after {action}");
    }
    toggles(&server, user_id, "unlock").done();
    // A lock for a time is another one than a person's, and a deactivation is undone, too.
    let before = events();
    server.changes(&format!("UPDATE users SET is_active = 0 WHERE user_id = {user_id}"));
    toggles(&server, user_id, "unlock").done();
    assert_eq!(events(), format!("{before} account.unlocked"));
}

#[test]
fn an_unlock_without_a_lock_writes_nothing() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let row =
        || server.stored(&format!("SELECT extra_info || last_updated FROM users WHERE user_id = {user_id}"));
    let before = row();
    server.later(LOCK_TIME);
    assert_eq!(toggles(&server, user_id, "unlock").done()["user_info"]["is_active"], true);
    assert_eq!(row(), before);
    let admins = server.new_session(Some(1));
    let ask = json!({
        "user_id": 1, "user_role": "superuser", "session_token": admins, "target_userid": user_id,
        "action": "unlock",
    });
    server.ask("user-lock", ask).done();
    assert_eq!(row(), before);

    let noted = || server.stored(&format!("SELECT extra_info FROM users WHERE user_id = {user_id}"));
    let before = noted();
    let off = json!({ "target_userid": user_id, "update_dict": { "is_active": false } });
    server.ask("internal-user-edit", off).done();
    toggles(&server, user_id, "unlock").done();
    assert_eq!(noted(), before, "a deactivation took no role, so there is no history to show");
    alice.logs_in().done();
}

#[test]
fn an_edit_to_active_forgets_the_guesses_also_where_only_networks_were_locked() {
    let server = TestServer::start_with(&[("LOCKMODE", "account-and-client")]);
    let (alice, user_id) = server.member("alice");
    guesses_too_often(&alice);
    let edit = |changes: Value| {
        server.ask("internal-user-edit", json!({ "target_userid": user_id, "update_dict": changes })).done();
    };
    edit(json!({ "full_name": "Alice" }));
    assert!(!alice.logs_in().succeeded(), "a name has nothing to do with it");
    edit(json!({ "is_active": true }));
    alice.logs_in().done();
}
