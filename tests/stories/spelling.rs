//! One password, typed in several ways: under the profile of NIST it is the same, under the rules of the original not.

use serde_json::json;
use support::{Person, TestServer};

const NIST: &[(&str, &str)] = &[("PASSPOLICY", "nist")];
const NO_MATCH: &str = "user does not exist or password doesn't match";
/// The same twice: with composed letters and full-width digits, and with what keyboards elsewhere make of them.
const CHOSEN: &str = "m\u{e9}lange-fa\u{e7}ade-\u{ff14}\u{ff12}\u{ff11}";
const TYPED_ELSEWHERE: &str = "me\u{301}lange-fac\u{327}ade-421";

/// Alice, who has this password.
fn alice<'s>(server: &'s TestServer, password: &str) -> Person<'s> {
    let alice = Person { password: password.to_owned(), ..server.person("alice") };
    alice.signs_up().done();
    server.ask("user-set-emailverified", json!({ "email": alice.email })).done();
    alice
}

fn stored(server: &TestServer) -> String {
    server.stored("SELECT password FROM users WHERE email = 'alice@example.org'").expect("Alice")
}

#[track_caller]
fn logs_in(server: &TestServer, password: &str, hashes: u64) {
    let (cost, reply) = server.hashes_of(|| server.person("alice").tries(password));
    reply.done();
    assert_eq!(cost, hashes, "{password:?}");
}

#[track_caller]
fn is_refused(server: &TestServer, password: &str) {
    let (cost, reply) = server.hashes_of(|| server.person("alice").tries(password));
    reply.refused(NO_MATCH);
    assert_eq!(cost, 1, "{password:?}");
}

#[test]
fn under_nist_a_password_fits_however_it_is_typed() {
    for (chosen, typed) in [(CHOSEN, TYPED_ELSEWHERE), (TYPED_ELSEWHERE, CHOSEN)] {
        let server = TestServer::start_with(NIST);
        let alice = alice(&server, chosen);
        assert!(stored(&server).contains(",norm=nfkc$"));
        logs_in(&server, chosen, 1);
        logs_in(&server, typed, 1);
        is_refused(&server, "melange-facade-421");
        let (cost, again) =
            server.hashes_of(|| Person { password: typed.to_owned(), ..server.person("alice") }.signs_up());
        assert!(!again.succeeded());
        assert_eq!(cost, 1);
        let reset = json!({ "email_address": alice.email, "new_password": typed, "required_active": true });
        server.ask("user-resetpass-nosession", reset).done();
        logs_in(&server, chosen, 1);
    }
}

#[test]
fn a_hash_of_what_was_typed_is_replaced_when_its_owner_logs_in_under_nist() {
    let server = TestServer::start();
    let _ = alice(&server, CHOSEN);
    let before = stored(&server);
    assert!(!before.contains("norm"));
    is_refused(&server, TYPED_ELSEWHERE);
    let server = server.restart(NIST);
    is_refused(&server, TYPED_ELSEWHERE);
    assert_eq!(stored(&server), before);
    // One computation to verify it, one for the new hash.
    logs_in(&server, CHOSEN, 2);
    let after = stored(&server);
    assert!(after.contains(",norm=nfkc$"));
    logs_in(&server, TYPED_ELSEWHERE, 1);
    // What a hash was made from, it says itself.
    let server = server.restart(&[]);
    logs_in(&server, TYPED_ELSEWHERE, 1);
    logs_in(&server, CHOSEN, 1);
    assert_eq!(stored(&server), after);
}

#[test]
fn a_hash_of_ascii_is_not_replaced_for_its_spelling() {
    let server = TestServer::start();
    let _ = alice(&server, support::GOOD_PASSWORD);
    let before = stored(&server);
    let server = server.restart(NIST);
    logs_in(&server, support::GOOD_PASSWORD, 1);
    assert_eq!(stored(&server), before);
}
