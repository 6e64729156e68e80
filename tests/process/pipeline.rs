//! A client that asks many things at once: all of them are done and answered, in order, on the connection it has.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;
use support::machine::{Machine, Running};

const PATIENCE: Duration = Duration::from_secs(60);

/// Asks so many times before it reads the first answer; the answers, opened, in the order in which they came.
fn asks_at_once(
    machine: &Machine,
    server: &Running,
    times: usize,
    request: &str,
    body: &Value,
) -> Vec<Value> {
    let mut bytes = Vec::new();
    for reqid in 0..times {
        let message =
            json!({ "request": request, "body": body, "reqid": reqid, "client_ipaddr": "192.0.2.1" });
        let sealed = machine.seal(&message);
        bytes.extend(
            format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", sealed.len()).bytes(),
        );
        bytes.extend(sealed);
    }
    let socket = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    let mut asking = socket.try_clone().expect("a second handle");
    let asker = thread::spawn(move || asking.write_all(&bytes).expect("the server takes bytes"));
    let mut answers = BufReader::new(socket);
    let opened = (0..times).map(|_| machine.open(&next_body(&mut answers))).collect();
    asker.join().expect("all was asked");
    opened
}

/// The body of the next answer, which has to be one of success.
fn next_body(answers: &mut impl BufRead) -> Vec<u8> {
    let mut length = 0;
    for number in 0.. {
        let mut line = String::new();
        assert!(answers.read_line(&mut line).expect("an answer") > 0, "the server hung up");
        if number == 0 {
            assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().expect("a number");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    answers.read_exact(&mut body).expect("a whole body");
    body
}

#[test]
fn requests_of_a_pipeline_are_all_answered_in_order() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let session = json!({
        "ip_address": "192.0.2.1", "user_agent": "x", "user_id": null, "expires": 1,
        "extra_info_json": { "note": "x".repeat(3_000) },
    });
    let made = asks_at_once(&machine, &server, 120, "session-new", &session);
    for (number, answer) in made.iter().enumerate() {
        assert_eq!((&answer["reqid"], &answer["success"]), (&json!(number), &json!(true)));
    }
    let token = |answer: &Value| answer["response"]["session_token"].as_str().map(str::to_owned);
    let tokens: BTreeSet<String> = made.iter().filter_map(token).collect();
    assert_eq!(tokens.len(), 120, "each request made a session of its own");

    // Together far more than the server gathers, and than the socket takes while nobody reads.
    let known = json!({ "session_token": tokens.first() });
    let answers = asks_at_once(&machine, &server, 45, "session-exists", &known);
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!((&answer["reqid"], &answer["success"]), (&json!(number), &json!(true)));
        assert_eq!(answer["response"]["session_info"]["session_token"], known["session_token"]);
    }
    server.stops();
}
