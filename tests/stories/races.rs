//! What a request read may have changed when it writes: everything that decides is looked at again in the write.

use serde_json::{Value, json};
use std::time::Duration;
use support::parser::value_of;
use support::{GOOD_PASSWORD, Reply, TestServer, session_body};

const MAY_NOT_HAVE_A_KEY: &str = "originating user is not allowed to issue an API key";

fn edits(server: &TestServer, target: i64, changes: Value) {
    server.ask("internal-user-edit", json!({ "target_userid": target, "update_dict": changes })).done();
}

fn toggles(server: &TestServer, target: i64, action: &str) {
    server.ask("internal-user-lock", json!({ "target_userid": target, "action": action })).done();
}

fn rows(server: &TestServer, table: &str) -> i64 {
    let count = server.stored(&format!("SELECT CAST(count(*) AS TEXT) FROM {table}"));
    count.and_then(|count| count.parse().ok()).expect("a count")
}

fn nosession_body(user_id: i64) -> Value {
    json!({
        "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_seconds": 900,
        "not_valid_before": -1, "user_id": user_id, "user_role": "authenticated",
        "ip_address": "192.0.2.1", "refresh_expires": 900, "refresh_nbf": -1,
    })
}

fn tied_body(user_id: i64, session: &str) -> Value {
    json!({
        "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_days": 1,
        "not_valid_before": -1, "user_id": user_id, "user_role": "authenticated",
        "ip_address": "192.0.2.1", "user_agent": "Browser/1.0", "session_token": session,
    })
}

fn verify_body(made: &Reply, user_id: i64) -> Value {
    let claims = made.done()["apikey"].as_str().expect("a text").to_owned();
    let claims: Value = value_of(&claims).expect("claims");
    json!({ "apikey_dict": claims, "user_id": user_id, "user_role": "authenticated" })
}

fn refresh_body(made: &Reply, user_id: i64) -> Value {
    let mut body = verify_body(made, user_id);
    for (key, value) in [
        ("refresh_token", made.done()["refresh_token"].clone()),
        ("ip_address", json!("192.0.2.1")),
        ("expires_seconds", json!(60)),
        ("not_valid_before", json!(-1)),
        ("refresh_expires", json!(60)),
        ("refresh_nbf", json!(-1)),
    ] {
        body[key] = value;
    }
    body
}

/// Makes somebody a superuser, with a session of theirs.
fn administrator(server: &TestServer, name: &str) -> (i64, String) {
    let (_, user_id) = server.member(name);
    edits(server, user_id, json!({ "user_role": "superuser" }));
    (user_id, server.new_session(Some(user_id)))
}

/// Everything that ends all sessions and keys of a user; some of it is undone at once.
const ENDINGS: [&str; 7] = [
    "lock",
    "lock and unlock",
    "another role and back",
    "deactivation and activation",
    "reset",
    "password change",
    "deletion",
];

fn ends(server: &TestServer, email: &str, user_id: i64, how: &str) {
    match how {
        "lock" => toggles(server, user_id, "lock"),
        "lock and unlock" => {
            toggles(server, user_id, "lock");
            toggles(server, user_id, "unlock");
        }
        "another role and back" => {
            edits(server, user_id, json!({ "user_role": "staff" }));
            edits(server, user_id, json!({ "user_role": "authenticated" }));
        }
        "deactivation and activation" => {
            edits(server, user_id, json!({ "is_active": false }));
            edits(server, user_id, json!({ "is_active": true }));
        }
        "reset" => {
            let body = json!({
                "email_address": email, "new_password": "another-Good1Password", "required_active": true,
            });
            server.ask("user-resetpass-nosession", body).done();
        }
        "password change" => {
            let body = json!({
                "user_id": user_id, "full_name": "", "email": email, "current_password": GOOD_PASSWORD,
                "new_password": "another-Good1Password",
            });
            server.ask("user-changepass-nosession", body).done();
        }
        _ => {
            server.ask("internal-user-delete", json!({ "target_userid": user_id })).done();
        }
    }
}

fn nothing_is_left(server: &TestServer, how: &str) {
    for table in ["sessions", "apikeys", "apikeys_nosession", "scoped_keys"] {
        assert_eq!(rows(server, table), 0, "{how}: {table}");
    }
}

#[test]
fn no_key_is_issued_behind_what_ended_everything() {
    for how in ENDINGS {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        let body = nosession_body(user_id);
        let meanwhile = || ends(&server, &alice.email, user_id, how);
        let key = server.ask_and_meanwhile("apikey-new-nosession", body, 0, meanwhile);
        key.refused(MAY_NOT_HAVE_A_KEY);
        nothing_is_left(&server, how);
    }
}

#[test]
fn no_key_of_a_session_is_issued_behind_what_ended_everything() {
    for how in ENDINGS {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        let body = tied_body(user_id, &server.new_session(Some(user_id)));
        let meanwhile = || ends(&server, &alice.email, user_id, how);
        let key = server.ask_and_meanwhile("apikey-new", body, 0, meanwhile);
        let reason = match how {
            "lock" | "deletion" => "user not allowed to issue API key",
            _ => "invalid session for user requesting API key issuance",
        };
        key.refused(reason);
        nothing_is_left(&server, how);
    }
}

#[test]
fn no_key_with_scopes_is_issued_or_rotated_behind_what_ended_everything() {
    for how in ENDINGS {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        let session = server.new_session(Some(user_id));
        let issue = json!({ "session_token": session, "name": "backup", "scopes": ["*:*"] });
        let id = server.ask("apikey-issue", issue.clone()).done()["key_id"].clone();
        let rotate = json!({ "session_token": session, "key_id": id, "overlap_seconds": 60 });
        let meanwhile = || ends(&server, &alice.email, user_id, how);
        let (request, body) = if how == "lock" { ("apikey-rotate", rotate) } else { ("apikey-issue", issue) };
        let reply = server.ask_and_meanwhile(request, body, 0, meanwhile);
        reply.refused("nobody is logged in with this session");
        nothing_is_left(&server, how);
    }
}

#[test]
fn no_key_is_renewed_behind_what_ended_everything() {
    for how in ENDINGS {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        let old = server.ask("apikey-new-nosession", nosession_body(user_id));
        server.later(Duration::from_secs(1));
        let body = refresh_body(&old, user_id);
        let meanwhile = || ends(&server, &alice.email, user_id, how);
        let renewed = server.ask_and_meanwhile("apikey-refresh-nosession", body, 0, meanwhile);
        renewed.refused("user from provided API key not allowed to revoke old key");
        nothing_is_left(&server, how);
    }
}

#[test]
fn no_session_begins_behind_what_ended_everything() {
    for how in ENDINGS {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        let meanwhile = || ends(&server, &alice.email, user_id, how);
        let made = server.ask_and_meanwhile("session-new", session_body(Some(user_id)), 0, meanwhile);
        assert!(made.refused("DB error when making new session")["session_token"].is_null());
        nothing_is_left(&server, how);
    }
}

#[test]
fn a_change_that_ends_nothing_keeps_nobody_from_a_key_or_session() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let meanwhile = || {
        alice.logs_in().done();
        edits(&server, user_id, json!({ "full_name": "Alice" }));
    };
    server.ask_and_meanwhile("apikey-new-nosession", nosession_body(user_id), 0, meanwhile).done();
    server.ask_and_meanwhile("session-new", session_body(Some(user_id)), 0, meanwhile).done();
}

#[test]
fn nobody_revokes_keys_in_a_role_that_was_taken_from_them() {
    for request in ["apikey-revoke-nosession", "apikey-revokeall-nosession", "apikey-revoke"] {
        let server = TestServer::start();
        let (_, user_id) = server.member("alice");
        let (admin, _) = administrator(&server, "carol");
        let table = if request == "apikey-revoke" { "apikeys" } else { "apikeys_nosession" };
        let key = if request == "apikey-revoke" {
            server.ask("apikey-new", tied_body(user_id, &server.new_session(Some(user_id))))
        } else {
            server.ask("apikey-new-nosession", nosession_body(user_id))
        };
        server.later(Duration::from_secs(1));
        let mut body = verify_body(&key, user_id);
        body["user_id"] = json!(admin);
        body["user_role"] = json!("superuser");
        let demotion = || edits(&server, admin, json!({ "user_role": "authenticated" }));
        assert!(!server.ask_and_meanwhile(request, body, 0, demotion).succeeded(), "{request}");
        assert_eq!(rows(&server, table), 1, "{request}");
    }
}

/// What takes an administrator's power away.
fn takes_power(server: &TestServer, admin: i64, session: &str, how: &str) {
    match how {
        "demotion" => edits(server, admin, json!({ "user_role": "authenticated" })),
        "deactivation" => edits(server, admin, json!({ "is_active": false })),
        "lock" => toggles(server, admin, "lock"),
        "deletion" => {
            server.ask("internal-user-delete", json!({ "target_userid": admin })).done();
        }
        _ => {
            server.ask("user-logout", json!({ "session_token": session, "user_id": admin })).done();
        }
    }
}

#[test]
fn nobody_administers_behind_what_took_their_power() {
    for how in ["demotion", "deactivation", "lock", "deletion", "logout"] {
        for request in ["user-edit", "user-lock"] {
            let server = TestServer::start();
            let (_, user_id) = server.member("alice");
            let (admin, session) = administrator(&server, "carol");
            let mut body = json!({
                "user_id": admin, "user_role": "superuser", "session_token": session, "target_userid": user_id,
            });
            if request == "user-edit" {
                body["update_dict"] = json!({ "user_role": "superuser", "full_name": "Mallory" });
            } else {
                body["action"] = json!("lock");
            }
            let before = server.ask("user-list", json!({ "user_id": user_id })).done()["user_info"].clone();
            let meanwhile = || takes_power(&server, admin, &session, how);
            let refused = server.ask_and_meanwhile(request, body, 0, meanwhile);
            let reason = match request {
                "user-edit" => "invalid session for edit attempt",
                _ => "invalid session for user attempting lock toggle",
            };
            refused.refused(reason);
            let after = server.ask("user-list", json!({ "user_id": user_id })).done()["user_info"].clone();
            assert_eq!(after, before, "{request} after {how}");
        }
    }
}

#[test]
fn one_session_serves_for_one_login() {
    let server = TestServer::start();
    let (alice, alice_id) = server.member("alice");
    let (bob, _) = server.member("bob");
    let session = server.new_session(None);
    let body = |email: &str| json!({ "session_token": session, "email": email, "password": GOOD_PASSWORD });
    let meanwhile = || {
        server.ask("user-login", body(&bob.email)).done();
    };
    // Both have read the session; the other one's write comes first.
    let late = server.ask_and_meanwhile("user-login", body(&alice.email), 0, meanwhile);
    assert!(late.refused("session does not exist")["user_id"].is_null());
    let query = format!("SELECT last_login_success FROM users WHERE user_id = {alice_id}");
    assert_eq!(server.stored(&query), None);
}

#[test]
fn nobody_edits_themself_behind_the_end_of_their_session() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let body = json!({
        "user_id": user_id, "user_role": "authenticated", "session_token": session,
        "target_userid": user_id, "update_dict": { "email": "mallory@example.org" },
    });
    let meanwhile = || ends(&server, &alice.email, user_id, "reset");
    let refused = server.ask_and_meanwhile("user-edit", body, 0, meanwhile);
    refused.refused("no valid session found for originating user_id");
    let stored = server.stored(&format!("SELECT email FROM users WHERE user_id = {user_id}"));
    assert_eq!(stored.as_deref(), Some("alice@example.org"));
}

fn stored_password(server: &TestServer, user_id: i64) -> Option<String> {
    server.stored(&format!("SELECT password FROM users WHERE user_id = {user_id}"))
}

/// How many writes a password check makes before the request's own.
const WRITES_OF_A_CHECK: usize = 1;

#[test]
fn no_password_is_changed_behind_the_end_of_its_session_or_a_lock() {
    for how in ["logout", "lock", "lock and unlock", "unverified"] {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        let session = server.new_session(Some(user_id));
        let before = stored_password(&server, user_id);
        let body = json!({
            "user_id": user_id, "session_token": session, "full_name": "", "email": alice.email,
            "current_password": GOOD_PASSWORD, "new_password": "another-Good1Password",
        });
        let meanwhile = || match how {
            "logout" => takes_power(&server, user_id, &session, how),
            "unverified" => edits(&server, user_id, json!({ "email_verified": false })),
            _ => ends(&server, &alice.email, user_id, how),
        };
        let refused = server.ask_and_meanwhile("user-changepass", body, WRITES_OF_A_CHECK, meanwhile);
        refused.refused("DB error when updating password");
        assert_eq!(stored_password(&server, user_id), before, "{how}");
    }
}

#[test]
fn no_password_is_reset_behind_the_end_of_the_session_or_a_persons_lock() {
    for how in ["logout", "lock", "deletion"] {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        let visitor = server.new_session(None);
        let before = stored_password(&server, user_id);
        let body = json!({
            "email_address": alice.email, "new_password": "another-Good1Password", "session_token": visitor,
        });
        let meanwhile = || match how {
            "logout" => {
                server.ask("session-delete", json!({ "session_token": visitor })).done();
            }
            _ => ends(&server, &alice.email, user_id, how),
        };
        let refused = server.ask_and_meanwhile("user-resetpass", body, 0, meanwhile);
        refused.refused("password update failed in DB");
        if how != "deletion" {
            assert_eq!(stored_password(&server, user_id), before, "{how}");
        }
    }
}

#[test]
fn a_reset_does_not_reach_behind_a_persons_lock_on_an_account_that_guesses_had_locked() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    for _ in 0..11 {
        let _ = alice.tries("wrong");
    }
    let before = stored_password(&server, user_id);
    let body = json!({
        "email_address": alice.email, "new_password": "another-Good1Password", "required_active": true,
    });
    let lock = || toggles(&server, user_id, "lock");
    let refused = server.ask_and_meanwhile("user-resetpass-nosession", body, 0, lock);
    refused.refused("password update failed in DB");
    assert_eq!(stored_password(&server, user_id), before);
}

#[test]
fn nobody_is_deleted_behind_a_change_of_their_password_or_role() {
    for how in ["password change", "promotion", "deletion"] {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        let body = json!({ "email": alice.email, "user_id": user_id, "password": GOOD_PASSWORD });
        let meanwhile = || match how {
            "promotion" => edits(&server, user_id, json!({ "user_role": "superuser" })),
            _ => ends(&server, &alice.email, user_id, how),
        };
        let refused = server.ask_and_meanwhile("user-delete", body, WRITES_OF_A_CHECK, meanwhile);
        refused.refused("user deletion failed in DB");
        assert_eq!(stored_password(&server, user_id).is_some(), how != "deletion", "{how}");
    }
}

#[test]
fn no_password_is_confirmed_behind_what_made_it_or_its_account_invalid() {
    // No password change among them: it would wait for this check to be over.
    for how in ["lock", "reset", "deactivation", "deletion"] {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        let body = json!({ "email": alice.email, "password": GOOD_PASSWORD });
        let meanwhile = || match how {
            "deactivation" => edits(&server, user_id, json!({ "is_active": false })),
            _ => ends(&server, &alice.email, user_id, how),
        };
        let refused = server.ask_and_meanwhile("user-passcheck-nosession", body, 0, meanwhile);
        let told = refused.refused("user does not exist or password doesn't match");
        assert!(told["user_id"].is_null(), "{how}");
        assert!(server.delays().is_empty(), "it was right when it was tested, so nothing is counted");
    }
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let body = json!({ "email": alice.email, "password": GOOD_PASSWORD });
    let meanwhile = || edits(&server, user_id, json!({ "user_role": "staff" }));
    let confirmed = server.ask_and_meanwhile("user-passcheck-nosession", body, 0, meanwhile);
    assert_eq!(confirmed.done()["user_role"], "staff", "the role that they have now");
}
