//! What an operator limits, as a client of the real program meets it.

use authnzerver::http::HttpLimits;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use support::machine::{Machine, Running};

const PATIENCE: Duration = Duration::from_secs(60);
const HALF_A_HEAD: &str = "GET /health HTTP/1.1\r\nHo";
const HALF_A_BODY: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello";

/// A client that has said this, and no more.
fn says(server: &Running, words: &str) -> TcpStream {
    let mut socket = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    socket.write_all(words.as_bytes()).expect("the server takes bytes");
    socket
}

/// What it hears until the server ends the connection.
fn hears(mut socket: TcpStream) -> String {
    let mut heard = Vec::new();
    if let Err(error) = socket.read_to_end(&mut heard) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the server neither answers nor closes");
    }
    String::from_utf8_lossy(&heard).into_owned()
}

fn status(heard: &str) -> u16 {
    heard.split(' ').nth(1).map_or(0, |status| status.parse().expect("a status"))
}

#[test]
fn bodymax_is_the_largest_body() {
    let machine = Machine::new();
    let server = machine.starts(&[("BODYMAX", "2000")]);
    assert_eq!(server.http("POST", "/", "localhost", &[b'x'; 2000]).status, 401);
    assert_eq!(server.http("POST", "/", "localhost", &[b'x'; 2001]).status, 413);
    let machine = Machine::new();
    let server = machine.starts(&[("BODYMAX", "3000000")]);
    assert_eq!(server.http("POST", "/", "localhost", &vec![b'x'; 3_000_000]).status, 401);
    let announced = says(&server, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000001\r\n\r\n");
    assert_eq!(status(&hears(announced)), 413);
}

#[test]
fn connectionsmax_is_how_many_may_be_here() {
    let machine = Machine::new();
    let server = machine.starts(&[("CONNECTIONSMAX", "3")]);
    let health = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let inside: Vec<_> = (0..3)
        .map(|_| {
            let mut client = says(&server, health);
            assert!(client.read(&mut [0; 10]).expect("an answer") > 0);
            client
        })
        .collect();
    let refused = hears(says(&server, ""));
    assert_eq!(status(&refused), 503, "{refused}");
    assert!(refused.contains("\r\nRetry-After: 1\r\n"), "{refused}");
    drop(inside);
}

/// In which order the server gives up on clients that say no more. What it told each is as expected.
fn order_of_ends(settings: &[(&str, &str)]) -> Vec<&'static str> {
    let machine = Machine::new();
    let server = machine.starts(settings);
    let (ended, ends) = channel();
    for (name, words, expected) in [("idle", "", 0), ("head", HALF_A_HEAD, 408), ("body", HALF_A_BODY, 408)] {
        let (socket, ended) = (says(&server, words), ended.clone());
        thread::spawn(move || {
            assert_eq!(status(&hears(socket)), expected, "{name}");
            ended.send(name).expect("the test waits");
        });
    }
    drop(ended);
    ends.iter().collect()
}

#[test]
fn headseconds_bodyseconds_and_idleseconds_end_who_says_no_more() {
    // Left alone, the order is: head, body, idle.
    let settings = [("IDLESECONDS", "1"), ("BODYSECONDS", "4"), ("HEADSECONDS", "7")];
    assert_eq!(order_of_ends(&settings), ["idle", "body", "head"]);
    let settings = [("BODYSECONDS", "1"), ("HEADSECONDS", "4"), ("IDLESECONDS", "7")];
    assert_eq!(order_of_ends(&settings), ["body", "head", "idle"]);
}

#[test]
fn drainseconds_is_the_patience_with_what_is_under_way() {
    // Left alone, the patience ends after the time for the first body, and before the time for the second.
    for (drain, body, expected) in [("1", "5", 0), ("3600", "12", 408)] {
        let machine = Machine::new();
        let server = machine.starts(&[("DRAINSECONDS", drain), ("BODYSECONDS", body)]);
        let socket = says(&server, HALF_A_BODY);
        // Its answer shows that the other's head was read before.
        assert_eq!(server.health().0, 200);
        let hearing = thread::spawn(move || hears(socket));
        server.stops();
        assert_eq!(status(&hearing.join().expect("it ends")), expected, "drainseconds={drain}");
    }
}

#[test]
fn what_a_waiting_connection_takes_is_known() {
    const CLIENTS: usize = 400;
    let unread = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(200);
    let head = format!("GET /health HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(15_000));
    let body =
        format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16384\r\n\r\n{}", "x".repeat(16_000));
    for words in [HALF_A_HEAD, &unread, &head, &body] {
        let machine = Machine::new();
        let server = machine.starts(&[("HEADSECONDS", "3600"), ("BODYSECONDS", "3600")]);
        let come = || -> (Vec<_>, usize) {
            let clients = (0..CLIENTS).map(|_| says(&server, words)).collect();
            // By the time of the last answer, what they said has been read.
            for _ in 0..20 {
                assert_eq!(server.health().0, 200);
            }
            (clients, server.anonymous_bytes())
        };
        // The first ones also bring what is made once, on first use.
        let ((_first, before), (_second, after)) = (come(), come());
        let each = after.saturating_sub(before) / CLIENTS;
        assert!(each <= HttpLimits::CONNECTION_BYTES_MAX, "{each} bytes for {} of {words:.40}", words.len());
    }
}
