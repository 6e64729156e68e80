//! Messages: what is answered to those that are none, and that the request's number comes back as it was sent.

use crate::{bytes_answered, text_of_answer};
use authnzerver::clock::Clock;
use authnzerver::guard::envelope::Keyring;
use authnzerver::pipeline;
use authnzerver::presence::Presence;
use serde_json::Value;
use support::parser::value_of;
use support::{KEY, TestServer};

const OTHER_KEY: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

/// A server whose limits are on, so that it wants to know the client.
fn limited() -> TestServer {
    TestServer::start_with(&[("RATELIMITS", "ipaddr:720")])
}

fn sessions(server: &TestServer) -> Option<String> {
    server.stored("SELECT CAST(count(*) AS TEXT) FROM sessions")
}

#[test]
fn what_is_not_sealed_with_our_key_is_not_let_in() {
    let server = TestServer::start();
    let now = server.clock.now();
    let message = br#"{"request": "session-exists", "reqid": 1, "body": {"session_token": "x"}}"#;
    let ours = server.app.config.secret.first().seal(message, now);
    let others = Keyring::parse(OTHER_KEY).expect("a key").first().seal(message, now);
    let mut bent = ours.clone();
    let middle = bent.len() / 2;
    bent[middle] = if bent[middle] == b'A' { b'B' } else { b'A' };
    let empty: &[u8] = b"";
    for sealed in [empty, b"{}", message, &others, &bent, &ours[..ours.len() - 4], b"\xff\xfe", b"===="] {
        let status =
            pipeline::answer(&server.app, sealed, &Presence::always()).map_err(|rejected| rejected.status);
        assert_eq!(status.err(), Some(401));
    }
    assert!(pipeline::answer(&server.app, &ours, &Presence::always()).is_ok());
    let mut spaced = ours;
    spaced.splice(8..8, *b"\r\n ");
    assert!(
        pipeline::answer(&server.app, &spaced, &Presence::always()).is_ok(),
        "line breaks in base64 are nothing unusual"
    );
}

#[test]
fn what_holds_no_message_counts_as_unsealed() {
    for server in [TestServer::start(), limited()] {
        for message in
            ["", " ", "{}", "[]", "null", "0", "0.0", "false", "\"\"", "{", "{\"request\"", "hello", "'x'"]
        {
            assert_eq!(text_of_answer(&server, message), Err(401), "{message}");
        }
        assert_eq!(bytes_answered(&server, b"\xff\xfe{\0}\0"), Err(401));
        assert_eq!(bytes_answered(&server, b"{\"request\": \"\xff\"}"), Err(401));
    }
}

#[test]
fn a_message_that_is_no_request_is_malformed() {
    let server = TestServer::start();
    for message in [
        "1",
        "\"x\"",
        "true",
        "[1]",
        "NaN",
        r#"{"a": 1}"#,
        r#"{"reqid": 1, "body": {}}"#,
        r#"{"request": null, "reqid": 1, "body": {}}"#,
        r#"{"request": 5, "reqid": 1, "body": {}}"#,
        r#"{"request": ["session-exists"], "reqid": 1, "body": {}}"#,
        r#"{"request": "echo", "reqid": 1, "body": {}}"#,
        r#"{"request": "no-such", "reqid": 1, "body": {}}"#,
        r#"{"request": "", "reqid": 1, "body": {}}"#,
        r#"{"request": "Session-Exists", "reqid": 1, "body": {"session_token": "x"}}"#,
        r#"{"request": "session-exists", "body": {"session_token": "x"}}"#,
        r#"{"request": "session-exists", "reqid": null, "body": {"session_token": "x"}}"#,
        r#"{"request": "session-exists", "reqid": 1}"#,
        r#"{"request": "session-exists", "reqid": 1, "body": null}"#,
        r#"{"request": "session-exists", "reqid": 1, "body": ["x"]}"#,
        r#"{"request": "session-exists", "reqid": 1, "body": "x"}"#,
        r#"{"request": "session-exists", "reqid": 1, "body": 5}"#,
        r#"{"request": "user-lookup-email", "reqid": 1, "body": "x"}"#,
    ] {
        assert_eq!(text_of_answer(&server, message), Err(400), "{message}");
    }
}

#[test]
fn with_limits_the_client_has_to_be_told() {
    let body = r#""body": {"ip_address": "192.0.2.1", "user_agent": "", "user_id": null, "expires": 1, "extra_info_json": null}"#;
    let server = limited();
    for client in ["", r#""client_ipaddr": null,"#, r#""client_ipaddr": "","#, r#""client_ipaddr": 0,"#] {
        let message = format!(r#"{{"request": "session-new", "reqid": 1, {client} {body}}}"#);
        assert_eq!(text_of_answer(&server, &message), Err(400), "{client}");
        let unlimited = TestServer::start();
        assert!(text_of_answer(&unlimited, &message).is_ok(), "{client}");
    }
    assert_eq!(sessions(&server).as_deref(), Some("0"), "nothing was done");
    for client in [r#""192.0.2.1""#, r#""no address""#, "5", r#"["a"]"#] {
        let message =
            format!(r#"{{"request": "session-new", "reqid": 1, "client_ipaddr": {client}, {body}}}"#);
        assert!(text_of_answer(&server, &message).is_ok(), "{client}");
    }
}

#[test]
fn a_request_about_an_address_without_one_gets_the_problem_list() {
    for server in [TestServer::start(), limited()] {
        for body in ["{}", r#"{"email": null}"#, r#"{"email": 5}"#, r#"{"email": ["a"]}"#] {
            let message = format!(
                r#"{{"request": "user-lookup-email", "reqid": 1, "client_ipaddr": "192.0.2.1", "body": {body}}}"#
            );
            let answer = text_of_answer(&server, &message).expect("is answered");
            assert!(answer.contains("invalid request parameters"), "{answer}");
        }
    }
}

#[test]
fn the_requests_number_comes_back_letter_by_letter() {
    let server = TestServer::start();
    let nested = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    for reqid in [
        "0",
        "-0",
        "1",
        "1.0",
        "1e5",
        "1E+05",
        "0.10",
        "123456789012345678901234567890",
        "1e400",
        "false",
        "true",
        "\"\"",
        "\"abc\"",
        r#""\u00e9\ud83d\ude00\n""#,
        r#""\ud800""#,
        "\"é\u{1f600}\"",
        "[]",
        "{}",
        r#"[1,  2 , "é"]"#,
        r#"{"b": 1, "a": {"reqid": null}, "b": 2}"#,
        &nested,
    ] {
        for (request, body) in [
            ("session-exists", r#"{"session_token": "x"}"#),
            ("session-exists", "{}"),
            ("user-list", r#"{"user_id": 1}"#),
        ] {
            let message = format!(r#"{{"request": "{request}", "reqid": {reqid}, "body": {body}}}"#);
            let answer = text_of_answer(&server, &message).expect("is answered");
            // Everything stays as it was written, but that answers are ASCII.
            let echoed = reqid.replace('é', r"\u00e9").replace('\u{1f600}', r"\ud83d\ude00");
            let echoed = format!(r#", "reqid": {echoed}"#);
            assert!(answer.is_ascii(), "{answer}");
            let rest = answer.rsplit_once(&echoed).map(|(_, rest)| rest);
            assert!(
                rest.is_some_and(|rest| rest == "}" || rest.starts_with(r#", "failure_reason": "#)),
                "{answer}"
            );
            if !reqid.contains("ud800") {
                let opened: Value = value_of(&answer).expect("is JSON");
                assert_eq!(opened["response"]["success"], opened["success"]);
            }
        }
    }
}

#[test]
fn of_a_key_that_is_there_twice_the_last_counts() {
    let server = TestServer::start();
    let message = r#"{"request": "no-such", "reqid": 1, "body": {"user_id": 99}, "reqid": 2, "body": {"user_id": "x", "user_id": 1}, "request": "user-list"}"#;
    let answer = text_of_answer(&server, message).expect("is answered");
    assert!(answer.ends_with(r#""reqid": 2}"#) && answer.contains(r#""user_id": 1"#), "{answer}");
}

#[test]
fn a_byte_order_mark_and_unknown_keys_do_no_harm() {
    let server = TestServer::start();
    let message = "\u{feff} {\"extra\": [1, {}], \"request\": \"user-list\", \"reqid\": 1, \"body\": {\"user_id\": 1}, \"\": null}\n";
    assert!(text_of_answer(&server, message).is_ok());
}

#[test]
fn the_answer_is_sealed_with_the_key_that_the_request_came_with() {
    let both = format!("{KEY} {OTHER_KEY}");
    let server = TestServer::start_with(&[("SECRET", &both)]);
    let (first, second) = (Keyring::parse(KEY).expect("a key"), Keyring::parse(OTHER_KEY).expect("a key"));
    let message = br#"{"request": "user-list", "reqid": 1, "body": {"user_id": 1}}"#;
    for (used, other) in [(&first, &second), (&second, &first)] {
        let sealed = used.first().seal(message, server.clock.now());
        let answer = pipeline::answer(&server.app, &sealed, &Presence::always());
        let answer = answer.unwrap_or_else(|rejected| panic!("{}", rejected.status));
        assert!(used.open(&answer).is_some());
        assert!(other.open(&answer).is_none());
    }
    let alone = TestServer::start();
    let sealed = second.first().seal(message, alone.clock.now());
    assert_eq!(
        pipeline::answer(&alone.app, &sealed, &Presence::always()).map_err(|rejected| rejected.status).err(),
        Some(401)
    );
}
