//! JSON that looks flat and would be read deep by a reader that takes some keys for marks of its own: behind such a key
//! stands a text, and in that text the same again. An overflow of a connection's stack would end the program, or leave
//! it without that connection.

use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use support::machine::{Machine, Running};

const CONNECTIONS_MAX: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);
/// What `serde_json` calls its own values.
const MARKS: [&str; 2] = ["$serde_json::private::RawValue", "$serde_json::private::Number"];

/// Nested arrays; within them an object with this key, and as its value the text of the same, so many times.
fn bomb(mark: &str, times: usize) -> String {
    let mut bomb = format!("{}{}", "[".repeat(118), "]".repeat(118));
    for _ in 0..times {
        // An object of one key, as text: `json!` would make it shorter than our own answers write it.
        let inner = format!(r#"{{"{mark}": {}}}"#, json!(bomb));
        bomb = format!("{}{inner}{}", "[".repeat(100), "]".repeat(100));
    }
    bomb
}

/// Bodies that hold it in each place where anything may stand, with whether the request is done.
fn bodies(bomb: &str, number: usize) -> Vec<(&'static str, String, bool)> {
    let text = json!(bomb);
    let session = |notes: &str| {
        format!(
            r#"{{"ip_address": "192.0.2.1", "user_agent": "x", "user_id": null, "expires": 1, "extra_info_json": {notes}}}"#
        )
    };
    let sign_up = |notes: &str| {
        format!(
            r#"{{"full_name": "", "email": "u{number}@example.org", "password": "Trout-Lamp-93-Quarry", "extra_info": {notes}}}"#
        )
    };
    let email = format!(
        r#"{{"email_address": "u@example.org", "session_token": "x", "created_info": {text}, "server_name": "x", "server_baseurl": "https://x.example", "account_verify_url": "/x", "verification_token": "x", "verification_expiry": 900}}"#
    );
    let limit = r#""user_id": 1, "user_role": "superuser", "limit_name": "max_requests""#;
    let key = r#""tkn": "x", "uid": 1, "rol": "superuser""#;
    vec![
        ("session-new", session(&format!(r#"{{"a": {bomb}}}"#)), true),
        ("session-new", session(&format!(r#"{{"a": {text}}}"#)), true),
        ("user-new", sign_up(&format!(r#"{{"a": {bomb}}}"#)), true),
        (
            "internal-user-edit",
            format!(r#"{{"target_userid": 1, "update_dict": {{"extra_info": {{"a": {bomb}}}}}}}"#),
            true,
        ),
        ("user-lookup-match", format!(r#"{{"by": "extra_info", "match": {{"a": {bomb}}}}}"#), true),
        ("user-lookup-match", format!(r#"{{"by": "extra_info", "match": {{"a": {text}}}}}"#), true),
        ("user-check-limit", format!(r#"{{{limit}, "value_to_check": {bomb}}}"#), false),
        (
            "apikey-verify",
            format!(r#"{{"apikey_dict": {{{key}, "a": {bomb}}}, "user_id": 1, "user_role": "superuser"}}"#),
            false,
        ),
        ("user-sendemail-signup", email, false),
        ("user-list", format!(r#"{{"user_id": null, "more": {bomb}}}"#), true),
    ]
}

/// Sends a message with this ID; the text of the answer, which no reader is asked to read.
#[track_caller]
fn answer(server: &Running, request: &str, reqid: &str, body: &str) -> String {
    let message = format!(
        r#"{{"request": "{request}", "reqid": {reqid}, "client_ipaddr": "192.0.2.1", "body": {body}}}"#
    );
    let (status, answer) = server.asks_in_words(&message);
    assert_eq!(status, 200, "{request}: {}", server.log());
    answer.expect("the answer opens")
}

/// Whether as many connections as are allowed can be open at once, each of them served.
fn all_connections_are_free(server: &Running) -> bool {
    let asks = |_| -> Option<TcpStream> {
        let mut client = TcpStream::connect(("127.0.0.1", server.port)).ok()?;
        client.set_read_timeout(Some(PATIENCE)).ok()?;
        client.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
        let mut begin = [0; 12];
        client.read_exact(&mut begin).ok()?;
        (&begin == b"HTTP/1.1 200").then_some(client)
    };
    let clients: Vec<_> = (0..CONNECTIONS_MAX).map_while(asks).collect();
    clients.len() == CONNECTIONS_MAX
}

#[test]
fn a_text_within_a_text_costs_the_program_neither_its_life_nor_a_connection() {
    let machine = Machine::new();
    let connections = CONNECTIONS_MAX.to_string();
    let server = machine.starts(&[("CONNECTIONSMAX", &connections)]);
    let mut sent = 0;
    for (times, sizes) in [(11, 9_000..14_000), (12, 17_000..30_000)] {
        for mark in MARKS {
            let bomb = bomb(mark, times);
            assert!(sizes.contains(&bomb.len()), "{} bytes", bomb.len());
            for (request, body, is_done) in bodies(&bomb, sent) {
                let answered = answer(&server, request, "1", &body);
                assert_eq!(
                    answered.starts_with(r#"{"success": true"#),
                    is_done,
                    "{request}: {answered:.300}"
                );
                sent += 1;
            }
            let answered = answer(&server, "user-list", &bomb, r#"{"user_id": 1}"#);
            assert!(answered.matches(&bomb).count() >= 2, "as the ID, and as it was noted: {answered:.300}");
            // What was noted last is found by it, and by nothing else.
            let looked_up = |notes: &str| {
                let body = format!(r#"{{"by": "extra_info", "match": {{"a": {notes}}}}}"#);
                answer(&server, "user-lookup-match", "1", &body).contains(r#""user_id": 1,"#)
            };
            assert!(looked_up(&bomb) && !looked_up(&json!(bomb).to_string()) && !looked_up("[]"));
        }
    }
    assert!(sent > 30);
    server.waits_until(|| all_connections_are_free(&server));
    server.stops();
}
