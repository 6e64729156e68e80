//! How things end: handlers that break, clients that vanish, and the server itself.

use crate::harness::{Client, Server, listen, trivial_handler, until};
use authnzerver::http::HttpLimits;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

#[test]
fn a_handler_that_panics_costs_only_its_own_request() {
    let server = Server::start();
    for _ in 0..20 {
        let answer = server.only_answer_to("GET /panic HTTP/1.1\r\nHost: x\r\n\r\n");
        answer.refuses_with(500);
    }
    server.still_answers();
    server.waits_for_connections(0);
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let server = Server::start();
    let gate = server.close_gate();
    server.client().send("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
    for part in [
        "",
        "GET",
        "GET /hello HTTP/1.1\r\nHost: x\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n",
        "GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "\u{0}\u{0}\u{0}",
    ] {
        for _ in 0..5 {
            server.client().send(part);
        }
    }
    gate.send(());
    server.waits_for_connections(0);
    server.still_answers();
}

#[test]
fn random_bytes_never_end_the_server() {
    let server = Server::start();
    let mut random = fastrand::Rng::with_seed(20_260_101);
    let pieces: [&[u8]; 12] = [
        b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /echo HTTP/1.1\r\n",
        b"Host: x\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: ",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"HTTP/1.0",
        b" ",
    ];
    for _ in 0..300 {
        let mut bytes = Vec::new();
        for _ in 0..random.usize(1..12) {
            if random.bool() {
                bytes.extend_from_slice(pieces[random.usize(..pieces.len())]);
            } else {
                bytes.extend((0..random.usize(1..40)).map(|_| random.u8(..)));
            }
        }
        let mut client = server.client();
        client.tries_to_send(&bytes);
        client.shuts_sending_if_it_can();
        client.is_closed_somehow();
    }
    server.still_answers();
    server.waits_for_connections(0);
}

#[test]
fn stopping_lets_a_request_finish_and_takes_no_new_one() {
    let mut server = Server::start();
    let gate = server.close_gate();
    let mut busy = server.client();
    busy.send("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
    server.waits_for_request();
    let mut idle = server.client();
    let mut known = server.client();
    known.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    known.answer().is(200, "hello");

    let address = server.address;
    thread::scope(|scope| {
        let stopping = scope.spawn(|| server.stop(Duration::from_secs(30)));
        idle.is_closed();
        known.is_closed();
        until(|| TcpStream::connect(address).is_err());
        assert!(!stopping.is_finished());
        gate.send(());
        let answer = busy.answer();
        answer.is(200, "through the gate");
        assert_eq!(answer.header("Connection"), Some("close"));
        busy.is_closed();
    });
}

#[test]
fn patience_with_the_last_request_ends() {
    let mut server = Server::start();
    let _gate = server.close_gate();
    let mut busy = server.client();
    busy.send("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
    server.waits_for_request();
    server.stop(Duration::from_millis(50));
    busy.is_closed();
}

#[test]
fn a_port_in_use_is_noticed() {
    let server = Server::start();
    let result = listen("127.0.0.1", server.address.port(), HttpLimits::default(), trivial_handler());
    let text = result.err().expect("the port is in use").to_string();
    assert!(text.contains(&format!("cannot listen on {}", server.address)), "{text}");
    server.still_answers();
}

#[test]
fn names_and_ipv6_addresses_can_be_listened_on() {
    for host in ["localhost", "::1", "[::1]"] {
        let listener = listen(host, 0, HttpLimits::default(), trivial_handler()).expect("a free port");
        assert!(listener.local_addr().ip().is_loopback());
        TcpStream::connect(listener.local_addr()).expect("someone listens");
        listener.stop(Duration::ZERO);
    }
    let nowhere = listen("no.such.host.invalid", 0, HttpLimits::default(), trivial_handler());
    assert!(nowhere.is_err());
}

#[test]
fn a_client_that_hangs_up_behind_its_body_is_let_go() {
    let server = Server::start();
    for _ in 0..300 {
        let mut client = server.client();
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(client.head().status(), 100);
        client.send("hello");
        client.shuts_sending();
        client.answer().is(200, "hello");
        client.is_closed();
    }
    server.waits_for_connections(0);
}

#[test]
fn a_request_knows_whether_its_client_is_still_there() {
    let server = Server::start();
    let gate = server.close_gate();
    let mut client = server.client();
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    until(|| server.asked().len() == 1);
    client.send("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
    until(|| server.asked().len() == 2);
    let presence = server.presence();
    assert!(!presence.is_gone());
    client.breaks_off_with_an_answer_unread();
    until(|| presence.is_gone());
    gate.send(());
    server.waits_for_connections(0);
    // Others get the descriptor that this client had. It stays gone.
    let _others: Vec<_> = (0..8).map(|_| server.client()).collect();
    server.waits_for_connections(8);
    assert!(presence.is_gone());
}

#[test]
fn whoever_is_let_in_is_answered_from_the_first_moment() {
    for _ in 0..40 {
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let eager = thread::spawn(move || {
            loop {
                if let Ok(socket) = TcpStream::connect(("127.0.0.1", port)) {
                    let mut client = Client::over(socket);
                    client.send("GET /hello HTTP/1.0\r\n\r\n");
                    return client.answer().is(200, "hello");
                }
            }
        });
        let listener =
            listen("127.0.0.1", port, HttpLimits::default(), trivial_handler()).expect("a free port");
        eager.join().expect("the first client of all is answered");
        listener.stop(Duration::from_secs(5));
    }
}

#[test]
fn a_request_knows_a_client_that_has_left_from_one_that_only_listens() {
    let server = Server::start();
    let ask = |version: &str| {
        let gate = server.close_gate();
        let before = server.asked().len();
        let mut client = server.client();
        client.send(format!("GET /gate HTTP/{version}\r\nHost: x\r\n\r\n"));
        until(|| server.asked().len() > before);
        (gate, client, server.presence())
    };
    let (left_gate, left, left_presence) = ask("1.1");
    let (gate, mut listener, presence) = ask("1.1");
    let (old_gate, mut old_listener, old_presence) = ask("1.0");
    drop(left);
    listener.shuts_sending();
    old_listener.shuts_sending();
    until(|| left_presence.is_gone());
    assert_eq!(listener.head().status(), 100, "the listener was asked whether it is there");
    assert!(!presence.is_gone() && !old_presence.is_gone());
    drop(left_gate);
    drop(gate);
    drop(old_gate);
    listener.answer().is(200, "through the gate");
    listener.is_closed();
    // In HTTP/1.0 nothing may be said before the answer.
    old_listener.answer().is(200, "through the gate");
    server.waits_for_connections(0);
}
