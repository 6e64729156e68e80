//! Signing up and verifying an address.

use crate::support::{GOOD_PASSWORD, TestServer};
use serde_json::json;
use std::time::Duration;

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
fn a_pending_sign_up_can_be_repeated_after_a_while_and_the_newest_password_counts() {
    let server = TestServer::start();
    let mut alice = server.person("alice");
    alice.password = "first-of-two-Passwords".to_owned();
    alice.signs_up().done();
    alice.password = GOOD_PASSWORD.to_owned();
    let too_soon = alice.signs_up();
    assert_eq!(too_soon.refused("user exists")["send_verification"], false);
    server.later(6 * HOUR + Duration::from_secs(1));
    let repeated = alice.signs_up();
    assert_eq!(repeated.refused("user exists")["send_verification"], true);
    server.ask("user-set-emailverified", json!({ "email": alice.email })).done();
    alice.tries("first-of-two-Passwords").refused("user does not exist or password doesn't match");
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
fn that_a_letter_was_sent_can_be_noted() {
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
