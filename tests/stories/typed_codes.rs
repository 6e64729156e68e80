//! Codes that somebody types: short, so that wrong ones count.

use serde_json::{Value, json};
use std::time::Duration;
use support::{GOOD_PASSWORD, Reply, TestServer, typed_code_in};

const NEXT_PASSWORD: &str = "Trout-Lamp-93-Quarry";
const BAD_CODE: &str = "the code is not valid, was used, or has expired";
const TOO_SOON: &str = "too soon after a wrong code";
const LOCKED: &str = "locked after too many wrong codes";
const MINUTE: Duration = Duration::from_secs(60);

fn typed() -> TestServer {
    TestServer::start_with(&[("CODES", "typed")])
}

fn page_body(email: &str) -> Value {
    json!({
        "email": email, "link": "https://recipes.example/code", "site_name": "Recipes",
        "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
    })
}

fn reset_code(server: &TestServer, email: &str) -> String {
    assert_eq!(server.ask("reset-start", page_body(email)).done()["next"], "code");
    typed_code_in(&server.emails()[0])
}

fn reset(server: &TestServer, email: &str, code: &str) -> Reply {
    let body = json!({ "email": email, "code": code, "new_password": NEXT_PASSWORD });
    server.ask("reset-finish", body)
}

#[test]
fn a_code_is_taken_however_it_is_typed_and_for_its_address_alone() {
    let server = typed();
    let (alice, _) = server.member("alice");
    let (bob, _) = server.member("bob");
    let code = reset_code(&server, &alice.email);
    reset(&server, &bob.email, &code).refused(BAD_CODE);
    server.ask("reset-finish", json!({ "code": code, "new_password": NEXT_PASSWORD })).refused(BAD_CODE);
    let sloppy = code.to_lowercase().replace('-', " ");
    reset(&server, "ALICE@example.org", &sloppy).done();
    alice.tries(NEXT_PASSWORD).done();
    reset(&server, &alice.email, &code).refused(BAD_CODE);
}

#[test]
fn a_sign_up_is_finished_with_a_code_too() {
    let server = typed();
    let mut body = page_body("alice@example.org");
    body["full_name"] = json!("A Name");
    body["password"] = json!(GOOD_PASSWORD);
    assert_eq!(server.ask("signup-start", body).done()["next"], "code");
    let code = typed_code_in(&server.emails()[0]);
    let finish = |code: &str| {
        let body = json!({
            "email": "alice@example.org", "code": code, "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
        });
        server.ask("signup-finish", body)
    };
    assert_eq!(finish("ABCD-EFGH").refused(BAD_CODE)["retry_after"], 1);
    finish(&code).refused(TOO_SOON);
    server.later(Duration::from_secs(1));
    assert_eq!(finish(&code).done()["next"], "home");
}

#[test]
fn wrong_codes_are_counted_apart_from_passwords_and_lock_codes_alone() {
    let server = typed();
    let (alice, _) = server.member("alice");
    let code = reset_code(&server, &alice.email);
    for _ in 0..10 {
        reset(&server, &alice.email, "wrong").refused(BAD_CODE);
        server.later(MINUTE);
    }
    assert_eq!(reset(&server, &alice.email, "wrong").refused(LOCKED)["retry_after"], 3600);
    let (hashes, reply) = server.hashes_of(|| reset(&server, &alice.email, &code));
    assert_eq!((hashes, &reply.refused(LOCKED)["retry_after"]), (0, &json!(3600)));
    alice.logs_in().done();
    // A new code does not begin the count anew.
    let code = reset_code(&server, &alice.email);
    reset(&server, &alice.email, &code).refused(LOCKED);
    // And the other way round: failed logins keep nobody from a code.
    let (bob, _) = server.member("bob");
    for _ in 0..11 {
        bob.tries("wrong");
        server.later(MINUTE);
    }
    let code = reset_code(&server, &bob.email);
    reset(&server, &bob.email, &code).done();
    bob.tries(NEXT_PASSWORD).done();
}

fn reset_from(server: &TestServer, client: &str, email: &str) -> Reply {
    let body = json!({ "email": email, "code": "wrong", "new_password": NEXT_PASSWORD });
    server.ask_from(client, "reset-finish", body)
}

#[test]
fn wrong_codes_count_for_a_network_whatever_the_addresses_and_the_mode() {
    for mode in ["account", "account-and-client"] {
        let server = TestServer::start_with(&[("CODES", "typed"), ("LOCKMODE", mode)]);
        for number in 0..100 {
            reset_from(&server, "192.0.2.7", &format!("user{number}@example.org")).refused(BAD_CODE);
        }
        // Of the same network, and at addresses where none was wrong yet.
        assert_eq!(reset_from(&server, "192.0.2.8", "next@example.org").refused(LOCKED)["retry_after"], 3600);
        assert_eq!(reset_from(&server, "192.0.2.8", "last@example.org").refused(LOCKED)["retry_after"], 3600);
        reset_from(&server, "198.51.100.7", "last@example.org").refused(BAD_CODE);
        server.later(60 * MINUTE);
        reset_from(&server, "192.0.2.8", "last@example.org").refused(BAD_CODE);
    }
}

#[test]
fn wrong_codes_of_a_network_are_forgotten_as_time_goes_by() {
    let server = typed();
    for number in 0..200 {
        reset_from(&server, "192.0.2.7", &format!("user{number}@example.org")).refused(BAD_CODE);
        server.later(MINUTE);
    }
}

const MODES: [&str; 2] = ["account", "account-and-client"];

fn typed_in(mode: &str) -> TestServer {
    TestServer::start_with(&[("CODES", "typed"), ("LOCKMODE", mode)])
}

fn right_from(server: &TestServer, client: &str, email: &str, code: &str) -> Reply {
    let body = json!({ "email": email, "code": code, "new_password": NEXT_PASSWORD });
    server.ask_from(client, "reset-finish", body)
}

#[test]
fn a_code_ends_with_a_hundred_wrong_ones_from_everywhere_and_the_next_is_good() {
    for mode in MODES {
        let server = typed_in(mode);
        let (alice, _) = server.member("alice");
        let guesses = |count: usize| {
            for number in 0..count {
                reset_from(&server, &format!("10.{number}.0.1"), &alice.email).refused(BAD_CODE);
            }
        };
        let ended = reset_code(&server, &alice.email);
        guesses(100);
        right_from(&server, "198.51.100.7", &alice.email, &ended).refused(BAD_CODE);
        server.later(MINUTE);
        let code = reset_code(&server, &alice.email);
        right_from(&server, "198.51.100.9", &alice.email, &ended).refused(BAD_CODE);
        guesses(98);
        right_from(&server, "203.0.113.9", &alice.email, &code).done();
    }
}

#[test]
fn of_many_wrong_codes_at_once_no_more_are_looked_at_than_a_code_stands() {
    let server = typed_in("account-and-client");
    let (alice, _) = server.member("alice");
    let code = reset_code(&server, &alice.email);
    std::thread::scope(|scope| {
        for number in 0..100 {
            let (server, email) = (&server, &alice.email);
            scope.spawn(move || drop(reset_from(server, &format!("10.{number}.0.1"), email)));
        }
    });
    right_from(&server, "198.51.100.7", &alice.email, &code).refused(BAD_CODE);
}

#[test]
fn a_stranger_who_types_wrong_codes_keeps_no_owner_from_theirs() {
    for mode in MODES {
        let server = typed_in(mode);
        let (alice, user_id) = server.member("alice");
        let code = reset_code(&server, &alice.email);
        for _ in 0..10 {
            reset_from(&server, "203.0.113.9", &alice.email).refused(BAD_CODE);
            server.later(MINUTE);
        }
        reset_from(&server, "203.0.113.9", &alice.email).refused(LOCKED);
        right_from(&server, "203.0.113.9", &alice.email, &code).refused(LOCKED);
        right_from(&server, "198.51.100.7", &alice.email, &code).done();
        // An administrator lets the other network try again, too.
        let code = reset_code(&server, &alice.email);
        server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "unlock" })).done();
        right_from(&server, "203.0.113.9", &alice.email, &code).done();
    }
}

#[test]
fn a_code_that_is_right_forgets_the_wrong_ones() {
    let server = typed();
    let (alice, _) = server.member("alice");
    let code = reset_code(&server, &alice.email);
    for retry_after in [1, 2] {
        assert_eq!(reset(&server, &alice.email, "wrong").refused(BAD_CODE)["retry_after"], retry_after);
        server.later(MINUTE);
    }
    reset(&server, &alice.email, &code).done();
    assert_eq!(reset(&server, &alice.email, "wrong").refused(BAD_CODE)["retry_after"], 1);
}

#[test]
fn wrong_codes_tell_nobody_whose_address_is_known() {
    let server = typed();
    let (alice, _) = server.member("alice");
    let (waiting, _) = server.member("waiting");
    reset_code(&server, &waiting.email);
    server.person("pending").signs_up().done();
    let (_, user_id) = server.member("locked");
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
    let course = |email: &str| {
        let mut steps = Vec::new();
        for pause in [0, 0, 1, 60] {
            server.later(Duration::from_secs(pause));
            let commits = server.commits();
            let (hashes, reply) = server.hashes_of(|| reset(&server, email, "wrong"));
            steps.push((hashes, server.commits() - commits, reply.response().clone()));
        }
        steps
    };
    let unknown = course("stranger@example.org");
    assert_eq!(
        unknown.iter().map(|(hashes, commits, _)| (*hashes, *commits)).collect::<Vec<_>>(),
        [(0, 1), (0, 0), (0, 1), (0, 1)]
    );
    for email in [&alice.email, &waiting.email, "pending@example.org", "locked@example.org"] {
        assert_eq!(course(email), unknown, "{email}");
    }
}

fn fifty_at_once(server: &TestServer, email: &str, code: &str) -> Vec<Reply> {
    std::thread::scope(|scope| {
        let typing: Vec<_> = (0..50).map(|_| scope.spawn(|| reset(server, email, code))).collect();
        typing.into_iter().map(|one| one.join().expect("is answered")).collect()
    })
}

#[test]
fn of_fifty_wrong_codes_at_once_one_is_looked_at() {
    let server = typed();
    let (alice, _) = server.member("alice");
    let code = reset_code(&server, &alice.email);
    let replies = fifty_at_once(&server, &alice.email, "wrong");
    let looked_at =
        |reply: &&Reply| matches!(reply, Reply::Answered(answer) if answer["failure_reason"] == BAD_CODE);
    assert_eq!(replies.iter().filter(looked_at).count(), 1);
    server.later(MINUTE);
    let replies = fifty_at_once(&server, &alice.email, &code);
    assert_eq!(replies.iter().filter(|reply| reply.succeeded()).count(), 1, "of fifty right ones one wins");
}
