//! Limits on how often something may be asked, seen from the door.

use serde_json::{Value, json};
use std::time::Duration;
use support::{Reply, TestServer, session_body};

const SECOND: Duration = Duration::from_secs(1);

fn limited(limits: &str) -> TestServer {
    TestServer::start_with(&[("RATELIMITS", limits)])
}

/// After how many seconds the caller is told to come again.
#[track_caller]
fn wait_of(reply: &Reply) -> u64 {
    match reply {
        Reply::Rejected(429, Some(seconds)) => *seconds,
        other => panic!("this was not over a limit: {other:?}"),
    }
}

fn sign_up(server: &TestServer, client: &str, name: &str) -> Reply {
    let body = json!({ "full_name": "", "email": format!("{name}@example.org"), "password": support::GOOD_PASSWORD });
    server.ask_from(client, "user-new", body)
}

#[test]
fn too_many_sign_ups_of_one_client_are_put_off_for_as_long_as_is_told() {
    for (early, admitted) in [(SECOND, false), (Duration::ZERO, true)] {
        let server = limited("ipaddr:720");
        for number in 0..5 {
            sign_up(&server, "192.0.2.1", &format!("user{number}")).done();
            server.later(SECOND);
        }
        let over = sign_up(&server, "192.0.2.1", "sixth");
        let seconds = wait_of(&over);
        assert!((2..=60).contains(&seconds), "{seconds}");
        sign_up(&server, "192.0.2.2", "other").done();
        server.later(Duration::from_secs(seconds).saturating_sub(early));
        let again = sign_up(&server, "192.0.2.1", "seventh");
        assert_eq!(again.succeeded(), admitted, "{seconds} seconds but {early:?}");
        let sixth = server.stored("SELECT email FROM users WHERE email = 'sixth@example.org'");
        assert_eq!(sixth, None, "what is put off is not done");
    }
}

#[test]
fn a_guess_that_was_put_off_is_not_counted_as_one() {
    let server = limited("user-login:2;ipaddr:720");
    let body =
        json!({ "session_token": server.new_session(None), "email": "a@example.org", "password": "wrong" });
    for _ in 0..2 {
        let _ = server.ask("user-login", body.clone());
    }
    server.delays();
    let (cost, over) = server.hashes_of(|| server.ask("user-login", body));
    wait_of(&over);
    assert_eq!((cost, server.delays().len()), (0, 0));
}

#[test]
fn the_operator_overrides_a_built_in_limit() {
    let server = limited("user-new:7");
    for number in 0..7 {
        sign_up(&server, "192.0.2.1", &format!("user{number}")).done();
    }
    wait_of(&sign_up(&server, "192.0.2.1", "eighth"));
}

#[test]
fn emails_to_one_address_are_limited_whoever_asks() {
    let server = limited("ipaddr:720");
    let noted = |client: &str, email: &str| {
        server.ask_from(client, "user-set-emailsent", json!({ "email": email, "email_type": "signup" }))
    };
    for client in ["192.0.2.1", "198.51.100.1"] {
        noted(client, "alice@example.org").refused("could not update the email sent status in DB");
    }
    wait_of(&noted("203.0.113.1", "ALICE@Example.org"));
    noted("203.0.113.1", "bob@example.org").refused("could not update the email sent status in DB");
}

#[test]
fn an_address_is_counted_where_the_request_declares_it() {
    let server = limited("ipaddr:720");
    let session = server.new_session(None);
    let asked = |number: usize, extra: &str| {
        let body = json!({
            "email": extra, "email_address": "alice@example.org", "session_token": session, "server_name": "x",
            "server_baseurl": "https://x.example", "password_forgot_url": "/x", "verification_token": "x",
            "verification_expiry": 900,
        });
        server.ask_from(&format!("192.0.{number}.1"), "user-sendemail-forgotpass", body)
    };
    for number in 0..2 {
        asked(number, &format!("other{number}@example.org"))
            .refused("invalid user for forgot-pass email request");
    }
    wait_of(&asked(2, "other2@example.org"));
}

#[test]
fn requests_that_do_not_exist_are_limited_too() {
    let server = limited("ipaddr:3;burst:3");
    let ask = || server.ask("no-such-request", json!({}));
    for _ in 0..3 {
        ask().rejected(400);
    }
    wait_of(&ask());
}

#[test]
fn badly_formed_requests_count_and_names_are_counted_apart() {
    let server = limited("session:3;burst:3");
    for _ in 0..3 {
        server.ask("session-exists", json!({})).refused("invalid request parameters");
    }
    wait_of(&server.ask("session-exists", json!({ "session_token": "x" })));
    server.ask("session-new", session_body(None)).done();
}

#[test]
fn without_limits_nothing_is_put_off() {
    let server = limited("none");
    for _ in 0..400 {
        let reply = server.ask("session-exists", json!({ "session_token": "x" }));
        assert_eq!(reply.refused("session does not exist or expired")["session_info"], Value::Null);
    }
}
