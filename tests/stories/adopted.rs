//! A database that the Python authnzerver made goes on working: people, passwords, sessions and keys.

use rusqlite::Connection;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use support::parser::value_of;
use support::{Reply, TestServer, postgres};

/// The PostgreSQL was made by so much later than the file.
const MADE_LATER: Duration = Duration::from_secs(4 * 24 * 3600);

/// A server on a copy of that database. Its clock shows the time after it was made.
fn adopted() -> TestServer {
    adopted_after("")
}

/// The same, after this was done to the copy.
fn adopted_after(change: &str) -> TestServer {
    let directory = std::env::temp_dir().join(format!(
        "authnzerver-adopted-{}-{}",
        std::process::id(),
        std::thread::current().name().unwrap_or_default().replace(':', "-"),
    ));
    std::fs::create_dir_all(&directory).expect("a temporary directory can be made");
    if let Some(postgres) = postgres::of(&directory) {
        let dump = std::fs::read_to_string(fixture("authdb.sql")).expect("reads");
        postgres.is_made_of(&dump, change);
        let server = TestServer::start_in(directory, &[]);
        server.later(MADE_LATER);
        return server;
    }
    let database = directory.join(".authdb.sqlite");
    std::fs::copy(fixture("authdb.sqlite"), &database).expect("copies");
    Connection::open(&database).expect("opens").execute_batch(change).expect("changes");
    TestServer::start_in(directory, &[])
}

/// What it made, on the engine that the stories run on.
fn fixture(name: &str) -> std::path::PathBuf {
    let made = if postgres::is_meant() { "python-authdb-postgres" } else { "python-authdb" };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(made).join(name)
}

/// What was in the database in plaintext when it was made.
fn manifest() -> Value {
    let text = std::fs::read_to_string(fixture("manifest.json")).expect("reads");
    value_of(&text).expect("is JSON")
}

fn logs_in(server: &TestServer, email: &Value, password: &str) -> Reply {
    let session_token = server.new_session(None);
    let body = json!({ "session_token": session_token, "email": email, "password": password });
    server.ask("user-login", body)
}

fn hash_of(server: &TestServer, user_id: &Value) -> String {
    let hash = server.stored(&format!("SELECT password FROM users WHERE user_id = {user_id}"));
    hash.expect("is there")
}

#[test]
fn old_passwords_open_their_accounts_and_are_hashed_anew() {
    let server = adopted();
    let manifest = manifest();
    let users = manifest["users"].as_array().expect("a list");
    let of = |who: &str| users.iter().find(|user| user["who"] == who).expect("is listed");
    for who in ["superuser", "dave", "eve", "yamada"] {
        let user = of(who);
        let before = hash_of(&server, &user["user_id"]);
        logs_in(&server, &user["email"], "wrong").refused("user does not exist or password doesn't match");
        assert_eq!(hash_of(&server, &user["user_id"]), before);
        let logged_in = logs_in(&server, &user["email"], user["password"].as_str().expect("a text"));
        assert_eq!(logged_in.done()["user_id"], user["user_id"], "{who}");
        let after = hash_of(&server, &user["user_id"]);
        assert!(after.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{who}: {after}");
        logs_in(&server, &user["email"], user["password"].as_str().expect("a text")).done();
    }
    for who in ["bob", "carol"] {
        let user = of(who);
        let reply = logs_in(&server, &user["email"], user["password"].as_str().expect("a text"));
        assert!(!reply.succeeded(), "{who} is {}", user["state"]);
    }
}

#[test]
fn who_was_locked_is_unlocked_into_their_role_and_who_was_pending_is_verified() {
    let server = adopted();
    server
        .ask("user-set-emailverified", json!({ "email": "carol@fixture.test" }))
        .refused("could not update user verified status in DB");
    let unlocked = server.ask("internal-user-lock", json!({ "target_userid": 6, "action": "unlock" }));
    assert_eq!(unlocked.done()["user_info"]["user_role"], "authenticated");
    let verified = server.ask("user-set-emailverified", json!({ "email": "bob@fixture.test" }));
    assert_eq!(verified.done()["user_role"], "authenticated");
    let newcomer = server.person("newcomer").signs_up();
    assert!(newcomer.done()["user_id"].as_i64() > Some(10), "no number is given twice");
}

/// The role in which an unlock leaves Bob or Carol, after the note about their roles was this and they were as said.
fn role_after_unlock(user_id: i64, state: &str, notes: &Value) -> String {
    let server =
        adopted_after(&format!("UPDATE users SET {state}, extra_info = '{notes}' WHERE user_id = {user_id}"));
    let toggle = |action: &str| {
        server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": action }))
    };
    let _ = toggle("unlock");
    let email = server.stored(&format!("SELECT email FROM users WHERE user_id = {user_id}"));
    let _ = server.ask("user-set-emailverified", json!({ "email": email }));
    let _ = toggle("lock");
    let _ = toggle("unlock");
    server.stored(&format!("SELECT user_role FROM users WHERE user_id = {user_id}")).expect("a role")
}

#[test]
fn nobody_becomes_what_they_wrote_into_their_own_notes() {
    let (pending, locked) = (
        "email_verified = FALSE, is_active = FALSE, user_role = 'locked'",
        "is_active = FALSE, user_role = 'locked'",
    );
    for roles in [
        json!(["superuser"]),
        json!(["locked", "superuser"]),
        json!(["locked", "staff", "superuser"]),
        json!(["superuser", "locked"]),
        json!({ "0": "superuser" }),
        json!("superuser"),
    ] {
        let notes = json!({ "previous_user_roles": roles });
        for state in [pending, "email_verified = FALSE, is_active = TRUE, user_role = 'locked'"] {
            let role = role_after_unlock(5, state, &notes);
            assert!(["locked", "authenticated"].contains(&role.as_str()), "{roles} made {role} of {state}");
        }
    }
    // Verified, so the lock in force has added the last entry; what stands before it may be anybody's.
    for (roles, role) in [
        (json!(["locked", "staff"]), "staff"),
        (json!(["locked", "superuser", "authenticated"]), "authenticated"),
        (json!(["superuser", "locked"]), "authenticated"),
        (json!(["superuser"]), "authenticated"),
        (json!(["locked", "no such role"]), "authenticated"),
        (json!(["locked", 7]), "authenticated"),
        (json!(["locked"]), "authenticated"),
        (json!([]), "authenticated"),
        (json!(null), "authenticated"),
    ] {
        let notes = json!({ "previous_user_roles": roles });
        assert_eq!(role_after_unlock(6, locked, &notes), role, "{roles}");
    }
}

#[test]
fn live_sessions_are_found_also_after_a_restart() {
    let mut server = adopted();
    let manifest = manifest();
    let sessions = manifest["sessions"].as_array().expect("a list");
    for round in ["adopted", "restarted"] {
        for session in sessions {
            let ask = json!({ "session_token": session["session_token"] });
            let found = server.ask("session-exists", ask);
            if session["why"] == "expired" {
                found.refused("session does not exist or expired");
                continue;
            }
            let info = &found.done()["session_info"];
            assert_eq!(info["user_id"], session["user_id"], "{round}");
            assert_eq!(info["expires"], session["expires"], "{round}");
            assert_eq!(info["session_token"], session["session_token"]);
        }
        server.later(Duration::from_secs(60));
        server = server.restart(&[]);
    }
}

/// What the last release on PyPI, 0.1.3, does not have yet.
const AS_0_1_3_MADE_IT: &str = "
    DROP INDEX ix_groups_system_id;
    DROP INDEX ix_groups_group_role;
    DROP TABLE user_groups;
    DROP TABLE apikeys_nosession;
    ALTER TABLE users DROP COLUMN extra_info;
    ALTER TABLE groups DROP COLUMN system_id;
    ALTER TABLE groups DROP COLUMN extra_info;
    ALTER TABLE groups RENAME COLUMN group_role TO user_role;
    INSERT INTO groups (group_name, visibility, created_by, is_active, created_on, last_updated, user_role)
    VALUES ('editors', 'public', 1, TRUE, '2020-03-01 00:00:00.000000', '2020-03-01 00:00:00.000000', 'staff');
";

#[test]
fn a_database_of_the_last_release_goes_on_working_too() {
    let server = adopted_after(AS_0_1_3_MADE_IT);
    let manifest = manifest();
    let dave = manifest["users"].as_array().expect("a list").iter().find(|user| user["who"] == "dave");
    let dave = dave.expect("is listed");
    logs_in(&server, &dave["email"], dave["password"].as_str().expect("a text")).done();
    let live = manifest["sessions"].as_array().expect("a list").iter().find(|one| one["why"] != "expired");
    let live = live.expect("is listed")["session_token"].as_str().expect("a text").to_owned();
    assert!(server.session_is_live(&live));
    let changes = json!({ "extra_info": { "note": "new here" } });
    let edit = json!({ "target_userid": dave["user_id"], "update_dict": changes });
    server.ask("internal-user-edit", edit).done();
    let group = "SELECT system_id || ' ' || group_role FROM groups WHERE group_name = 'editors'";
    let group = server.stored(group).expect("is there");
    assert!(group.starts_with("group-") && group.ends_with(" staff"), "{group}");
}

#[test]
fn keys_of_both_kinds_verify_without_a_hash_of_their_claims() {
    let server = adopted();
    let manifest = manifest();
    for (list, request) in [("apikeys", "apikey-verify"), ("apikeys_nosession", "apikey-verify-nosession")] {
        for key in manifest[list].as_array().expect("a list") {
            let verify = |claims: &Value| {
                let ask = json!({
                    "apikey_dict": claims, "user_id": key["user_id"], "user_role": key["user_role"],
                });
                server.ask(request, ask)
            };
            verify(&key["apikey"]).done();
            let mut other = key["apikey"].clone();
            other["tkn"] = json!("A".repeat(43));
            verify(&other)
                .refused("key validation failed, provided key does not match stored key or has expired");
        }
    }
}

#[test]
fn an_old_refresh_token_works_once_and_the_next_is_kept_as_ours() {
    let server = adopted();
    let manifest = manifest();
    let old = &manifest["apikeys_nosession"][0];
    let refresh = |claims: &Value, token: &Value| {
        let ask = json!({
            "apikey_dict": claims, "user_id": 4, "user_role": "authenticated", "refresh_token": token,
            "ip_address": "192.0.2.7", "expires_seconds": 600, "not_valid_before": 0,
            "refresh_expires": 3600, "refresh_nbf": 0,
        });
        server.ask("apikey-refresh-nosession", ask)
    };
    let (cost, wrong) = server.hashes_of(|| refresh(&old["apikey"], &json!("wrong")));
    wrong.refused("provided refresh token does not match stored refresh token");
    assert_eq!(cost, 1);
    let renewed = refresh(&old["apikey"], &old["refresh_token"]);
    let text = renewed.done()["apikey"].as_str().expect("a text");
    let claims: Value = value_of(text).expect("claims");
    assert_eq!((&claims["sub"], &claims["ver"]), (&old["apikey"]["sub"], &old["apikey"]["ver"]));
    let again = refresh(&old["apikey"], &old["refresh_token"]);
    again.refused("provided API key has no stored refresh token, probably invalid");
    server.later(Duration::from_secs(1));
    let token = renewed.done()["refresh_token"].clone();
    let (cost, next) = server.hashes_of(|| refresh(&claims, &token));
    next.done();
    assert_eq!(cost, 0, "ours is random enough for a quick hash");
    let left = server.stored("SELECT CAST(count(refresh_argon2) AS TEXT) FROM apikeys_nosession");
    assert_eq!(left.as_deref(), Some("1"), "only the other user's token is as it was");
}

#[test]
fn times_without_a_fraction_are_written_with_one_so_that_they_compare_as_texts() {
    let server = adopted_after("UPDATE sessions SET created = '2020-06-01 00:00:00'");
    for least_or_most in ["min", "max"] {
        let created = server.stored(&format!("SELECT {least_or_most}(created) FROM sessions"));
        assert_eq!(created.as_deref(), Some("2020-06-01 00:00:00.000000"));
    }
}
