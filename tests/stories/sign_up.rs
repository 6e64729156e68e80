//! Signing up and verifying an address.

use serde_json::{Value, json};
use std::time::Duration;
use support::{GOOD_PASSWORD, Reply, TestServer};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_new_account_waits_for_its_verification() {
    let server = TestServer::start();
    let alice = server.person("alice");
    let signed_up = alice.signs_up();
    let made = signed_up.done();
    assert_eq!(made["user_email"], "alice@example.org");
    assert_eq!(made["send_verification"], true);
    assert_eq!(made["system_id"].as_str().map(str::len), Some(36));
    assert!(!alice.logs_in().succeeded());
    let verified = server.ask("user-set-emailverified", json!({ "email": "Alice@Example.org" }));
    assert_eq!(verified.done()["user_role"], "authenticated");
    assert_eq!(verified.done()["is_active"], true);
    alice.logs_in().done();
}

#[test]
fn a_known_address_reads_like_a_new_one_to_the_end_user() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let newcomer = server.person("newcomer").signs_up();
    let (cost, again) = server.hashes_of(|| alice.signs_up());
    let told = again.refused("user exists");
    assert_eq!(told["user_id"], user_id);
    assert_eq!(told["send_verification"], false);
    assert_eq!(again.messages(), newcomer.messages());
    assert_eq!(cost, 1, "as much work as for a new address");
}

#[test]
fn a_repeated_sign_up_with_the_same_password_changes_nothing_about_it() {
    let server = TestServer::start();
    let mut alice = server.person("alice");
    alice.signs_up().done();
    let too_soon = alice.signs_up();
    assert_eq!(too_soon.refused("user exists")["send_verification"], false);
    server.later(6 * HOUR + Duration::from_secs(1));
    alice.full_name = "Alice".to_owned();
    let repeated = alice.signs_up();
    assert_eq!(repeated.refused("user exists")["send_verification"], true);
    assert_eq!(stored(&server, "full_name").as_deref(), Some("Alice"));
    verify(&server).done();
    alice.logs_in().done();
}

#[test]
fn the_wait_before_another_sign_up_email_is_the_one_that_the_caller_asks_for() {
    for (hours, too_soon, late_enough) in [
        (json!(48), 47 * HOUR, 49 * HOUR),
        (json!(1), 59 * HOUR / 60, 61 * HOUR / 60),
        (Value::Null, 5 * HOUR, 7 * HOUR),
    ] {
        let server = TestServer::start();
        let sign_up = || {
            let body = json!({
                "full_name": "Alice Liddell", "email": "alice@example.org", "password": GOOD_PASSWORD,
                "verify_retry_wait": hours,
            });
            server.ask("user-new", body)
        };
        sign_up().done();
        server.later(too_soon);
        assert_eq!(sign_up().refused("user exists")["send_verification"], false, "{hours}");
        server.later(late_enough.saturating_sub(too_soon));
        assert_eq!(sign_up().refused("user exists")["send_verification"], true, "{hours}");
    }
}

fn verify(server: &TestServer) -> Reply {
    server.ask("user-set-emailverified", json!({ "email": "alice@example.org" }))
}

fn stored(server: &TestServer, column: &str) -> Option<String> {
    server.stored(&format!("SELECT {column} FROM users WHERE email = 'alice@example.org'"))
}

/// Signs alice's address up with this password.
fn signs_up_with(server: &TestServer, password: &str) -> Reply {
    let mut alice = server.person("alice");
    password.clone_into(&mut alice.password);
    alice.signs_up()
}

const OWNERS: &str = "the owners Password 17";
const STRANGERS: &str = "the strangers Password 1";

/// That nobody gets in with a password from before the verification, however often they try, and a reset lets them in.
fn only_a_reset_helps(server: &TestServer) {
    let alice = server.person("alice");
    for password in [OWNERS, STRANGERS, ""] {
        let (cost, told) = server.hashes_of(|| alice.tries(password));
        assert!(told.refused("user does not exist or password doesn't match")["user_id"].is_null());
        assert_eq!(cost, 1, "as for any other account");
    }
    assert_eq!(server.delays().len(), 3);
    let body = json!({
        "email_address": alice.email, "new_password": GOOD_PASSWORD, "session_token": server.new_session(None),
    });
    server.ask("user-resetpass", body).done();
    alice.logs_in().done();
}

#[test]
fn of_two_passwords_from_before_the_verification_none_is_valid_until_a_reset() {
    let week = 7 * 24 * HOUR;
    for (first, second) in [(STRANGERS, OWNERS), (OWNERS, STRANGERS)] {
        for wait in [Duration::ZERO, HOUR, 6 * HOUR + Duration::from_secs(1), week] {
            let server = TestServer::start();
            signs_up_with(&server, first).done();
            server.later(wait);
            signs_up_with(&server, second).refused("user exists");
            verify(&server).done();
            only_a_reset_helps(&server);
        }
    }
}

#[test]
fn a_third_sign_up_with_the_first_password_does_not_make_it_valid_again() {
    for last in [STRANGERS, OWNERS] {
        let server = TestServer::start();
        signs_up_with(&server, STRANGERS).done();
        signs_up_with(&server, OWNERS).refused("user exists");
        let none = stored(&server, "password");
        server.later(7 * HOUR);
        assert_eq!(signs_up_with(&server, last).refused("user exists")["send_verification"], true);
        assert_eq!(stored(&server, "password"), none);
        verify(&server).done();
        only_a_reset_helps(&server);
    }
}

#[test]
fn it_does_not_matter_who_verifies_or_what_was_done_to_the_account_meanwhile() {
    let edits = |server: &TestServer, changes: Value| {
        let ask = json!({ "target_userid": 4, "update_dict": changes });
        server.ask("internal-user-edit", ask).done();
    };
    let toggles = |server: &TestServer, action: &str| {
        server.ask("internal-user-lock", json!({ "target_userid": 4, "action": action })).done();
    };
    for how in ["edited", "active before", "locked before", "locked between"] {
        let server = TestServer::start();
        signs_up_with(&server, STRANGERS).done();
        match how {
            "active before" => edits(&server, json!({ "is_active": true, "user_role": "authenticated" })),
            "locked before" => toggles(&server, "lock"),
            _ => {}
        }
        let again = signs_up_with(&server, OWNERS);
        assert_eq!(again.refused("user exists")["send_verification"], false);
        match how {
            "edited" => edits(
                &server,
                json!({ "is_active": true, "user_role": "authenticated", "email_verified": true }),
            ),
            "locked before" => toggles(&server, "unlock"),
            "locked between" => {
                toggles(&server, "lock");
                toggles(&server, "unlock");
            }
            _ => {}
        }
        if how != "edited" {
            verify(&server).done();
        }
        only_a_reset_helps(&server);
    }
}

#[test]
fn what_is_no_sign_up_does_not_count_as_one() {
    let server = TestServer::start();
    signs_up_with(&server, OWNERS).done();
    signs_up_with(&server, "short").refused("invalid password");
    verify(&server).done();
    signs_up_with(&server, STRANGERS).refused("user exists");
    let alice = server.person("alice");
    alice.tries(OWNERS).done();
    alice.tries(STRANGERS).refused("user does not exist or password doesn't match");
}

#[test]
fn what_was_opened_before_the_verification_does_not_outlive_it() {
    let server = TestServer::start();
    signs_up_with(&server, STRANGERS).done();
    let changes = json!({ "is_active": true, "user_role": "authenticated" });
    server.ask("internal-user-edit", json!({ "target_userid": 4, "update_dict": changes })).done();
    let session = server.new_session(Some(4));
    assert!(server.session_is_live(&session));
    verify(&server).done();
    assert!(!server.session_is_live(&session));
}

#[test]
fn a_sign_up_costs_the_same_work_and_the_same_writes_whoever_has_the_address() {
    let server = TestServer::start();
    let (member, _) = server.member("member");
    let waiting = server.person("waiting");
    waiting.signs_up().done();
    let mut other = server.person("waiting");
    other.password = OWNERS.to_owned();
    for (who, why) in [
        (server.person("newcomer"), "unknown"),
        (member, "verified"),
        (waiting, "waiting, with the same password"),
        (other, "waiting, with another password"),
    ] {
        let before = server.commits();
        let (hashes, reply) = server.hashes_of(|| who.signs_up());
        assert_eq!((hashes, server.commits() - before), (1, 1), "{why}");
        assert_eq!(
            reply.messages(),
            ["Your account was made. Please verify your e-mail address before you log in."]
        );
    }
}

#[test]
fn a_sign_up_that_is_overtaken_begins_anew() {
    let sign_up = |password: &str| json!({ "full_name": "Mallory", "email": "alice@example.org", "password": password });
    // By a first sign-up: of the same person, who clicked twice, or of somebody else.
    for password in [OWNERS, STRANGERS] {
        let server = TestServer::start();
        let meanwhile = || {
            signs_up_with(&server, OWNERS).done();
        };
        server.ask_and_meanwhile("user-new", sign_up(password), 0, meanwhile).refused("user exists");
        verify(&server).done();
        assert_eq!(server.person("alice").tries(OWNERS).succeeded(), password == OWNERS);
        assert!(!server.person("alice").tries(STRANGERS).succeeded());
    }
    // By the verification: then it changes nothing, though it was due.
    let server = TestServer::start();
    signs_up_with(&server, OWNERS).done();
    server.later(7 * HOUR);
    let meanwhile = || {
        verify(&server).done();
    };
    let late = server.ask_and_meanwhile("user-new", sign_up(STRANGERS), 0, meanwhile);
    assert_eq!(late.refused("user exists")["send_verification"], false);
    assert_eq!(stored(&server, "full_name").as_deref(), Some("Somebody alice"));
    server.person("alice").tries(OWNERS).done();
    // By a deletion: then it is the first.
    let server = TestServer::start();
    signs_up_with(&server, OWNERS).done();
    let meanwhile = || {
        server.ask("internal-user-delete", json!({ "target_userid": 4 })).done();
    };
    server.ask_and_meanwhile("user-new", sign_up(STRANGERS), 0, meanwhile).done();
    verify(&server).done();
    server.person("alice").tries(STRANGERS).done();
    // By another sign-up than the one that it was compared with.
    let server = TestServer::start();
    signs_up_with(&server, OWNERS).done();
    let meanwhile = || {
        server.ask("internal-user-delete", json!({ "target_userid": 4 })).done();
        signs_up_with(&server, STRANGERS).done();
    };
    server.ask_and_meanwhile("user-new", sign_up(OWNERS), 0, meanwhile).refused("user exists");
    verify(&server).done();
    only_a_reset_helps(&server);
}

#[test]
fn a_proven_address_does_not_make_a_deactivated_account_active() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let edit = |changes: Value| {
        server.ask("internal-user-edit", json!({ "target_userid": user_id, "update_dict": changes })).done();
    };
    edit(json!({ "is_active": false, "email_verified": false }));
    verify(&server).refused("could not update user verified status in DB");
    assert!(!alice.logs_in().succeeded());
    edit(json!({ "is_active": true }));
    assert_eq!(verify(&server).done()["user_role"], "authenticated");
    server.later(24 * HOUR);
    alice.logs_in().done();
}

#[test]
fn nobody_takes_over_a_verified_account_by_signing_up_again() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    for _ in 0..11 {
        let _ = alice.tries("wrong");
    }
    server.later(HOUR / 2);
    let mut stranger = server.person("alice");
    stranger.password = "the strangers Password 1".to_owned();
    server.later(24 * HOUR);
    assert_eq!(stranger.signs_up().refused("user exists")["send_verification"], false);
    stranger.logs_in().refused("user does not exist or password doesn't match");
    alice.logs_in().done();
}

#[test]
fn nobody_brings_a_role_along() {
    let server = TestServer::start();
    let body = json!({
        "full_name": "", "email": "eve@example.org", "password": GOOD_PASSWORD,
        "extra_info": { "previous_user_roles": ["superuser"], "type": "system-user", "shoe": 42 },
    });
    server.ask("user-new", body).done();
    let verified = server.ask("user-set-emailverified", json!({ "email": "eve@example.org" }));
    assert_eq!(verified.done()["user_role"], "authenticated");
    let noted = server.stored("SELECT extra_info FROM users WHERE email = 'eve@example.org'");
    let noted = noted.expect("is there");
    assert!(noted.contains(r#""shoe": 42"#) && noted.contains(r#""type": "normal-user""#), "{noted}");
    assert!(!noted.contains("superuser"), "{noted}");
}

#[test]
fn a_system_id_of_the_callers_own_has_at_most_fifty_characters() {
    let server = TestServer::start();
    let signs_up = |name: &str, system_id: &str| {
        let person = server.person(name);
        let body = json!({
            "full_name": person.full_name, "email": person.email, "password": person.password,
            "system_id": system_id,
        });
        server.ask("user-new", body)
    };
    let longest = "é".repeat(50);
    assert_eq!(signs_up("alice", &longest).done()["system_id"], longest);
    for too_long in [51, 500] {
        signs_up("bob", &"é".repeat(too_long)).refused("DB issue with user creation");
    }
    assert_eq!(server.stored("SELECT email FROM users WHERE email LIKE 'bob%'"), None, "nobody was added");
    assert_eq!(signs_up("carol", "").done()["system_id"].as_str().map(str::len), Some(36), "one is made");
}

#[test]
fn whatever_keeps_an_account_from_being_verified_does_so_alone() {
    let server = TestServer::start();
    let refuses = |email: &str| {
        let state =
            format!("SELECT user_role || is_active || email_verified FROM users WHERE email = '{email}'");
        let before = server.stored(&state);
        server
            .ask("user-set-emailverified", json!({ "email": email }))
            .refused("could not update user verified status in DB");
        assert_eq!(server.stored(&state), before, "{email}");
    };
    for (name, state) in [
        ("deactivated", "email_verified = 0, is_active = 0, user_role = 'staff'"),
        ("inactive", "email_verified = 1, is_active = 0, user_role = 'locked'"),
    ] {
        let email = server.member(name).0.email;
        server.changes(&format!("UPDATE users SET {state} WHERE email = '{email}'"));
        refuses(&email);
    }
    let pending = server.person("pending");
    let user_id = pending.signs_up().done()["user_id"].clone();
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
    refuses(&pending.email);
}

#[test]
fn a_verification_keeps_the_role_that_an_active_account_was_given() {
    for (role, kept) in [("staff", "staff"), ("locked", "authenticated")] {
        let server = TestServer::start();
        let email = server.member("alice").0.email;
        let state = format!("email_verified = 0, is_active = 1, user_role = '{role}'");
        server.changes(&format!("UPDATE users SET {state} WHERE email = '{email}'"));
        let verified = server.ask("user-set-emailverified", json!({ "email": email }));
        assert_eq!(verified.done()["user_role"], kept);
    }
}

#[test]
fn system_users_are_neither_signed_up_again_nor_verified() {
    let server = TestServer::start();
    for email in ["anonuser@localhost", "dummyuser@localhost"] {
        let body = json!({ "full_name": "", "email": email, "password": GOOD_PASSWORD });
        let reply = server.ask("user-new", body);
        assert_eq!(reply.refused("user exists")["send_verification"], false);
    }
    let dummy = server.ask("user-set-emailverified", json!({ "email": "dummyuser@localhost" }));
    let told = dummy.refused("could not update user verified status in DB");
    assert_eq!((&told["is_active"], &told["user_role"]), (&json!(false), &json!("locked")));
    let nobody = server.ask("user-set-emailverified", json!({ "email": "nobody@example.org" }));
    assert!(nobody.refused("could not find user in DB by email")["user_id"].is_null());
}

#[test]
fn a_public_identifier_is_taken_once() {
    let server = TestServer::start();
    let sign_up = |email: &str| {
        let body = json!({ "full_name": "", "email": email, "password": GOOD_PASSWORD, "system_id": "mine" });
        server.ask("user-new", body)
    };
    assert_eq!(sign_up("one@example.org").done()["system_id"], "mine");
    let refused = sign_up("two@example.org");
    assert!(refused.refused("DB issue with user creation")["user_email"].is_null());
    let count = server.stored("SELECT CAST(count(*) AS TEXT) FROM users WHERE email = 'two@example.org'");
    assert_eq!(count.as_deref(), Some("0"));
}

#[test]
fn that_an_email_was_sent_can_be_noted() {
    let server = TestServer::start();
    let alice = server.person("alice");
    alice.signs_up().done();
    server.later(HOUR);
    let note = |kind: &str, email: &str| {
        server.ask("user-set-emailsent", json!({ "email": email, "email_type": kind }))
    };
    let noted = note("signup", &alice.email);
    assert_eq!(noted.done()["emailverify_sent_datetime"], "2026-11-23T16:00:00");
    assert!(noted.done()["emailforgotpass_sent_datetime"].is_null());
    let noted = note("forgotpass", &alice.email);
    assert_eq!(noted.done()["emailforgotpass_sent_datetime"], "2026-11-23T16:00:00");
    note("birthday", &alice.email).refused("invalid request: invalid email_type requested");
    note("signup", "nobody@example.org").refused("could not update the email sent status in DB");
    server.later(6 * HOUR);
    assert_eq!(alice.signs_up().refused("user exists")["send_verification"], false, "the wait began anew");
}
