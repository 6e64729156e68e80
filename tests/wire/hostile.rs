//! Messages that were sealed with our key and mean harm: nothing of them panics or is taken for something else.

use crate::text_of_answer;
use serde_json::json;
use support::{GOOD_PASSWORD, TestServer};

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
            // What nobody looks into counts too, and so does the number of the request, which goes back unread.
            (
                format!(r#""request": "user-list", "reqid": 1, "x": {bomb}, "body": {{"user_id": 1}}"#),
                Err(400),
            ),
            (format!(r#""request": "user-list", "reqid": {bomb}, "body": {{"user_id": 1}}"#), Err(400)),
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

/// A body with the parameters of a new session, and these notes.
fn session_with(notes: &str) -> String {
    format!(
        r#"{{"ip_address": "192.0.2.1", "user_agent": "", "user_id": null, "expires": 1, "extra_info_json": {notes}}}"#
    )
}

fn message(request: &str, reqid: &str, body: &str) -> String {
    format!(r#"{{"request": "{request}", "reqid": {reqid}, "client_ipaddr": "192.0.2.1", "body": {body}}}"#)
}

/// What a new session with these notes is found to have noted.
fn kept_notes(server: &TestServer, notes: &str) -> String {
    let made =
        text_of_answer(server, &message("session-new", "1", &session_with(notes))).expect("is answered");
    let (_, token) = made.split_once(r#""session_token": ""#).unwrap_or_else(|| panic!("{made}"));
    let (token, _) = token.split_once('"').expect("the token ends");
    let body = format!(r#"{{"session_token": "{token}"}}"#);
    let found = text_of_answer(server, &message("session-exists", "1", &body)).expect("is answered");
    let (_, kept) = found.split_once(r#""extra_info_json": "#).expect("has notes");
    kept.split_once("}}, \"messages\"").expect("the notes end the answer").0.to_owned()
}

#[test]
fn no_key_means_anything_but_itself() {
    let server = TestServer::start();
    for key in [
        "$serde_json::private::RawValue",
        "$serde_json::private::Number",
        "\\u0024serde_json::private::RawValue",
        "\\u0024serde_json::private::Number",
    ] {
        let shown = key.replace("\\u0024", "$");
        for inner in [r#""[1,2]""#, r#""no JSON""#, r#""1""#, "1", "[[]]", r#""\"""#] {
            for (before, after) in [("", ""), (r#"{"a": [{"b": "#, "}]}")] {
                let notes = |key: &str| format!(r#"{before}{{"{key}": {inner}}}{after}"#);
                assert_eq!(kept_notes(&server, &notes(key)), notes(&shown));
            }
            // Where something else than an object is needed, an object stays one.
            for (request, parameter) in
                [("user-list", "user_id"), ("user-lookup-email", "email"), ("user-delete", "password")]
            {
                let body = format!(
                    r#"{{"user_id": 1, "email": "", "password": "", "{parameter}": {{"{key}": {inner}}}}}"#
                );
                let answer = text_of_answer(&server, &message(request, "1", &body)).expect("is answered");
                assert!(answer.contains(r#""problem": "incorrect type""#), "{answer}");
            }
            // As the whole body, the request, the client and the request's number.
            let marked = format!(r#"{{"{key}": {inner}}}"#);
            let whole = text_of_answer(&server, &message("user-list", "1", &marked)).expect("is answered");
            assert!(whole.contains(r#""problem": "missing""#), "{whole}");
            let numbered = message("user-list", &marked, r#"{"user_id": 1}"#);
            let answer = text_of_answer(&server, &numbered).expect("is answered");
            assert!(answer.ends_with(&format!(r#""reqid": {marked}}}"#)), "{answer}");
            let request = format!(r#"{{"request": {marked}, "reqid": 1, "body": {{}}}}"#);
            assert_eq!(text_of_answer(&server, &request), Err(400));
            assert_eq!(text_of_answer(&server, &marked), Err(400));
        }
    }
}

#[test]
fn texts_within_keys_that_look_like_marks_do_not_start_counting_levels_anew() {
    let server = TestServer::start();
    let mut bomb = nested(118);
    for _ in 0..10 {
        bomb = format!(
            r#"{}{{"$serde_json::private::RawValue": {}}}{}"#,
            "[".repeat(100),
            json!(bomb),
            "]".repeat(100)
        );
    }
    let kept = kept_notes(&server, &format!(r#"{{"x": {bomb}}}"#));
    assert!(kept.contains(r#"{"$serde_json::private::RawValue": "[[["#), "{kept:.300}");
}

#[test]
fn values_are_counted_over_the_whole_message() {
    let server = TestServer::start();
    let many = |count: usize| format!("[{}]", vec!["0"; count].join(","));
    for (count, expected) in [(60_000, Ok(())), (70_000, Err(400))] {
        let parts = format!(
            r#"{{"request": "user-list", "reqid": 1, "x": {}, "body": {{"user_id": 1}}}}"#,
            many(count)
        );
        assert_eq!(text_of_answer(&server, &parts).map(drop), expected);
    }
    let (half, body) = (many(35_000), many(35_000));
    let split =
        format!(r#"{{"request": "user-list", "reqid": {half}, "body": {{"user_id": 1, "x": {body}}}}}"#);
    assert_eq!(text_of_answer(&server, &split), Err(400));
}

#[test]
fn halves_of_characters_are_replaced() {
    let server = TestServer::start();
    for (request, body, expected) in [
        (r"user-\ud800", "{}", Err(400)),
        ("user-lookup-email", r#"{"email": "\ud800"}"#, Ok("email not found")),
        ("user-lookup-email", r#"{"email": "\udc00\ud800"}"#, Ok("email not found")),
        ("user-lookup-email", r#"{"email": "x", "\ud800": 1}"#, Ok("email not found")),
        ("user-list", r#"{"user_id": "\ud800"}"#, Ok("incorrect type")),
    ] {
        let answer = text_of_answer(&server, &message(request, r#""\ud800""#, body));
        let answer = answer.as_deref().map_err(|status| *status);
        match expected {
            Err(status) => assert_eq!(answer, Err(status)),
            Ok(part) => assert!(answer.is_ok_and(|answer| answer.contains(part)), "{answer:?}"),
        }
        assert!(answer.map_or(true, |answer| answer.contains(r#""reqid": "\ud800""#)), "{answer:?}");
    }
    assert_eq!(
        kept_notes(&server, r#"{"\ud800": ["a\udfffb", "\ud83d\ude00"]}"#),
        r#"{"\ufffd": ["a\ufffdb", "\ud83d\ude00"]}"#
    );
    let client = r#"{"request": "user-list", "reqid": 1, "client_ipaddr": "\ud800", "body": {"user_id": 1}}"#;
    assert!(text_of_answer(&server, client).is_ok());
    // As Python's surrogatepass writes them.
    let bytes = b"{\"request\": \"user-list\", \"reqid\": \"\xed\xa0\x80\", \"body\": {\"user_id\": 1}}";
    let answer = crate::bytes_answered(&server, bytes).expect("is answered");
    assert!(answer.ends_with(r#""reqid": "\ufffd"}"#), "{answer}");
}

#[test]
fn very_long_texts_do_no_harm() {
    let server = TestServer::start_with(&[("BODYMAX", "4194304")]);
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
            assert!(matches!(reply, support::Reply::Answered(_)), "{request}");
        }
        let mut session = support::session_body(None);
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
