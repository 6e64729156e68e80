//! Messages that were sealed with our key and mean harm: nothing of them panics or is taken for something else.

use crate::support::{GOOD_PASSWORD, TestServer};
use crate::text_of_answer;
use serde_json::json;

const LONG_BYTES: usize = 1024 * 1024;

/// Arrays in arrays.
fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn bombs_of_nested_json_go_off_nowhere() {
    let server = TestServer::start();
    let bomb = nested(100_000);
    let objects = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    let message = |parts: &str| text_of_answer(&server, &format!("{{{parts}}}")).map(|_| ());
    assert_eq!(text_of_answer(&server, &bomb), Err(401));
    assert_eq!(text_of_answer(&server, &"[".repeat(1_000_000)), Err(401));
    assert_eq!(text_of_answer(&server, &r#"{"a":"#.repeat(100_000)), Err(401));
    for bomb in [&bomb, &objects] {
        for (parts, expected) in [
            (format!(r#""request": {bomb}, "reqid": 1, "body": {{}}"#), Err(400)),
            (format!(r#""request": "user-list", "reqid": 1, "body": {bomb}"#), Err(400)),
            (format!(r#""request": "user-list", "reqid": 1, "body": {{"user_id": {bomb}}}"#), Err(400)),
            (
                format!(r#""request": "user-list", "reqid": 1, "body": {{"user_id": 1, "x": {bomb}}}"#),
                Err(400),
            ),
            (
                format!(
                    r#""request": "user-list", "reqid": 1, "client_ipaddr": {bomb}, "body": {{"user_id": 1}}"#
                ),
                Err(400),
            ),
            // What nobody looks into is passed over, and the number of the request goes back unread.
            (format!(r#""request": "user-list", "reqid": 1, "x": {bomb}, "body": {{"user_id": 1}}"#), Ok(())),
            (format!(r#""request": "user-list", "reqid": {bomb}, "body": {{"user_id": 1}}"#), Ok(())),
        ] {
            assert_eq!(message(&parts), expected, "{}", &parts[..60]);
        }
    }
}

#[test]
fn an_object_within_a_text_is_no_way_round_the_limit() {
    let server = TestServer::start();
    let bomb = format!("{{\"a\": {}}}", nested(100_000));
    let body = json!({
        "email_address": "a@example.org", "session_token": "x", "created_info": bomb, "server_name": "x",
        "server_baseurl": "https://example.org", "account_verify_url": "/v", "verification_token": "x",
        "verification_expiry": 60,
    });
    let reply = server.ask("user-sendemail-signup", body);
    let problems = &reply.refused("invalid request parameters")["response"]["problems"];
    assert_eq!(problems[0]["param"], "created_info");
}

#[test]
fn python_numbers_are_refused_wherever_they_stand() {
    let server = TestServer::start();
    for number in ["NaN", "Infinity", "-Infinity"] {
        for message in [
            format!(r#"{{"request": "user-list", "reqid": {number}, "body": {{"user_id": 1}}}}"#),
            format!(r#"{{"request": "user-list", "reqid": 1, "body": {{"user_id": {number}}}}}"#),
            format!(r#"{{"request": "user-list", "reqid": 1, "body": {{"user_id": 1, "x": [{number}]}}}}"#),
            format!("{{\"request\": \"user-list\",\n\"reqid\": 1,\n\"body\": {{\"user_id\":{number}}}}}"),
        ] {
            assert_eq!(text_of_answer(&server, &message), Err(400), "{message}");
        }
    }
}

#[test]
fn halves_of_characters_are_refused_where_a_text_is_needed() {
    let server = TestServer::start();
    for message in [
        r#"{"request": "user-\ud800", "reqid": 1, "body": {}}"#,
        r#"{"request": "user-lookup-email", "reqid": 1, "body": {"email": "\ud800"}}"#,
        r#"{"request": "user-lookup-email", "reqid": 1, "body": {"email": "\udc00\ud800"}}"#,
        r#"{"request": "user-lookup-email", "reqid": 1, "body": {"email": "x", "\ud800": 1}}"#,
        r#"{"request": "user-list", "reqid": 1, "client_ipaddr": "\ud800", "body": {"user_id": 1}}"#,
    ] {
        assert_eq!(text_of_answer(&server, message), Err(400), "{message}");
    }
}

#[test]
fn very_long_texts_do_no_harm() {
    let server = TestServer::start();
    let long = "x".repeat(LONG_BYTES);
    let wide = "\u{1f600}".repeat(LONG_BYTES / 4);
    for text in [long.as_str(), &wide] {
        let sign_up = |full_name: &str, email: &str, password: &str| {
            let body = json!({ "full_name": full_name, "email": email, "password": password });
            server.ask("user-new", body).succeeded()
        };
        assert!(!sign_up(text, "a@example.org", GOOD_PASSWORD));
        assert!(!sign_up("", &format!("{text}@example.org"), GOOD_PASSWORD));
        let _ = sign_up("", "b@example.org", text);
        for (request, body) in [
            ("user-lookup-email", json!({ "email": text })),
            ("user-lookup-match", json!({ "by": text, "match": text })),
            ("user-lookup-match", json!({ "by": "full_name", "match": text })),
            ("session-exists", json!({ "session_token": text })),
            ("user-passcheck-nosession", json!({ "email": text, "password": text })),
            ("user-set-emailsent", json!({ "email": text, "email_type": text })),
            ("internal-user-lock", json!({ "target_userid": 1, "action": text })),
            ("internal-user-edit", json!({ "target_userid": 2, "update_dict": { text: text } })),
            (
                "internal-user-edit",
                json!({ "target_userid": 2, "update_dict": { "extra_info": { text: 1 } } }),
            ),
        ] {
            let reply = server.ask(request, body);
            assert!(matches!(reply, crate::support::Reply::Answered(_)), "{request}");
        }
        let mut session = crate::support::session_body(None);
        session["user_agent"] = json!(text);
        let token = server.ask("session-new", session).done()["session_token"].clone();
        let kept = server.ask("session-exists", json!({ "session_token": token }));
        let kept = kept.done()["session_info"]["user_agent"].as_str().map(str::len);
        assert!(kept.is_some_and(|bytes| bytes < 10_000), "{kept:?} bytes are kept");
    }
    assert!(
        text_of_answer(&server, &format!(r#"{{"request": "{long}", "reqid": 1, "body": {{}}}}"#)).is_err()
    );
}
