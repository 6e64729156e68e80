//! Time, size and number: clients that are slow, silent, greedy or many.

use crate::harness::{Client, Server, until};
use crate::transport::Protocol;
use authnzerver::http::HttpLimits;
use std::thread;
use std::time::Duration;

/// Every limit on time at one second, so that these tests need not wait long.
fn impatient() -> HttpLimits {
    HttpLimits {
        head_seconds_max: 1,
        body_seconds_max: 1,
        idle_seconds_max: 1,
        send_seconds_max: 1,
        ..HttpLimits::default()
    }
}

/// Sends a byte every now and then, as the slowest client would, until the server hangs up.
fn trickles(client: &mut Client, bytes: &[u8]) {
    for byte in bytes.iter().cycle() {
        if !client.tries_to_send([*byte]) {
            return;
        }
        if client.has_answer_within(Duration::from_millis(50)) {
            return;
        }
    }
}

#[test]
fn a_head_that_takes_too_long_is_refused() {
    let server = Server::with(HttpLimits { idle_seconds_max: 60, ..impatient() });
    let mut client = server.client();
    client.send("GET /hello HTTP/1.1\r\n");
    trickles(&mut client, b"X: y\r\n");
    client.answer().refuses_with(408);
    client.is_closed();
    assert!(server.asked().is_empty());
}

#[test]
fn a_second_head_that_takes_too_long_is_refused() {
    let server = Server::with(HttpLimits { idle_seconds_max: 60, ..impatient() });
    let mut client = server.client();
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    client.answer().is(200, "hello");
    client.send("GET /");
    trickles(&mut client, b"x");
    client.answer().refuses_with(408);
    client.is_closed();
}

#[test]
fn a_body_that_takes_too_long_is_refused() {
    let server = Server::with(impatient());
    let mut client = server.client();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    trickles(&mut client, b"x");
    client.answer().refuses_with(408);
    client.is_closed();

    let mut silent = server.client();
    silent.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx");
    silent.answer().refuses_with(408);
    silent.is_closed();
    assert!(server.asked().is_empty());
}

#[test]
fn a_head_that_never_ends_is_refused() {
    let server = Server::start();
    for piece in ["GET /hello HTTP/1.1\r\nX: ", "GET /", "\r\n"] {
        let mut client = server.client();
        client.tries_to_send(piece);
        let more = piece.repeat(20_000 / piece.len());
        client.tries_to_send(if piece == "\r\n" { more } else { "x".repeat(20_000) });
        client.answer().refuses_with(431);
        client.is_closed();
    }
    // The same without end, at full speed.
    let mut client = server.client();
    client.send("GET /hello HTTP/1.1\r\nX: ");
    while client.tries_to_send([b'x'; 10_000]) {}
    server.waits_for_connections(0);
    assert!(server.asked().is_empty());
}

#[test]
fn a_silent_connection_is_closed_without_a_word() {
    let server = Server::with(impatient());
    server.client().is_closed();
    let mut client = server.client();
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    client.answer().is(200, "hello");
    client.is_closed();
    server.waits_for_connections(0);
}

#[test]
fn a_request_may_take_longer_than_every_limit() {
    let server = Server::with(impatient());
    let gate = server.close_gate();
    let mut client = server.client();
    client.send("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
    server.waits_for_request();
    // A silent connection that was opened meanwhile is closed, twice: that takes longer than any limit.
    server.client().is_closed();
    server.client().is_closed();
    gate.send(());
    client.answer().is(200, "through the gate");
}

#[test]
fn a_client_that_does_not_read_is_closed() {
    let server = Server::with(impatient());
    let mut one = server.client();
    one.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    // The same with another answer before it.
    let mut two = server.client();
    two.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    until(|| server.asked().len() == 3);
    server.waits_for_connections(0);
}

#[test]
fn a_client_that_asks_on_and_on_without_reading_is_closed() {
    let server = Server::with(impatient());
    let mut client = server.client();
    let requests = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let mut rounds = 0;
    while client.tries_to_send(&requests) {
        rounds += 1;
    }
    // What is read of them are those whose answers fit between the two, and no more.
    assert!(server.asked().len() < rounds * 1000);
    server.waits_for_connections(0);
    server.still_answers();
}

#[test]
fn a_full_server_says_so_and_has_room_again_later() {
    let server = Server::with(HttpLimits { connections_max: 3, ..HttpLimits::default() });
    let mut inside: Vec<_> = (0..3).map(|_| server.client()).collect();
    server.waits_for_connections(3);
    for _ in 0..3 {
        if Protocol::of_this_run() == Protocol::Tls {
            // Before hands are shaken, nothing can be said.
            server.hangs_up_on_a_newcomer();
            continue;
        }
        let mut outside = server.client();
        let answer = outside.answer();
        answer.refuses_with(503);
        assert_eq!(answer.header("Retry-After"), Some("1"));
        outside.is_closed();
    }
    for client in &mut inside {
        client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        client.answer().is(200, "hello");
    }
    drop(inside.pop());
    server.waits_for_connections(2);
    server.still_answers();
}

#[test]
fn silent_connections_make_room_when_the_server_is_nearly_full() {
    let limits = HttpLimits { connections_max: 4, idle_seconds_max: 600, ..impatient() };
    let server = Server::with(limits);
    let mut idle: Vec<_> = (0..4).map(|_| server.client()).collect();
    server.waits_for_connections(4);
    for client in &mut idle {
        client.is_closed();
    }
    server.waits_for_connections(0);
    server.still_answers();
}

#[test]
fn two_thousand_silent_connections_disturb_nobody() {
    let server = Server::start();
    let idle: Vec<_> = (0..2_000).map(|_| server.client()).collect();
    server.waits_for_connections(2_000);
    let askers: Vec<_> = (0..4)
        .map(|_| {
            let mut client = server.client();
            thread::spawn(move || {
                for _ in 0..200 {
                    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
                    client.answer().is(200, "hello");
                }
            })
        })
        .collect();
    for asker in askers {
        asker.join().expect("every request is answered");
    }
    drop(idle);
    server.waits_for_connections(0);
}

/// So many clients announce a body of 1 MiB each and send so much of it.
fn announce_large_bodies(server: &Server, clients: usize, sent_bytes: usize) -> Vec<Client> {
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n";
    let mut clients: Vec<_> = (0..clients).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send(head);
        client.tries_to_send(vec![b'x'; sent_bytes]);
    }
    clients
}

fn takes_an_honest_body(server: &Server, bytes: usize) {
    let mut client = server.client();
    let body = vec![b'y'; bytes];
    client.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {bytes}\r\n\r\n"));
    client.send(&body);
    let answer = client.answer();
    assert_eq!(answer.status(), 200);
    assert!(answer.body == body);
}

#[test]
fn bodies_that_are_only_announced_take_no_room_from_others() {
    let server = Server::start();
    for sent_bytes in [0, 100, 16 * 1024] {
        let _announced = announce_large_bodies(&server, 40, sent_bytes);
        for bytes in [17_000, 300_000, 1024 * 1024] {
            takes_an_honest_body(&server, bytes);
        }
    }
}

#[test]
fn bodies_that_do_not_come_on_make_room_for_others() {
    let limits = HttpLimits {
        large_bodies_bytes_max: 4 * 1024 * 1024,
        body_seconds_max: 3600,
        ..HttpLimits::default()
    };
    for sent_bytes in [70_000, 600_000, 1024 * 1024 - 1] {
        let server = Server::with(limits.clone());
        let mut stuck = announce_large_bodies(&server, 8, sent_bytes);
        for _ in 0..3 {
            takes_an_honest_body(&server, 1024 * 1024);
        }
        // A few bytes now and then are too little.
        for client in &mut stuck {
            client.tries_to_send("x");
        }
        takes_an_honest_body(&server, 1024 * 1024);
    }
}

#[test]
fn who_was_idle_and_keeps_little_is_answered_as_before() {
    let server = Server::start();
    let mut clients: Vec<Client> = (0..150).map(|_| server.client()).collect();
    for round in 0..4 {
        for (number, client) in clients.iter_mut().enumerate() {
            let body = format!("{round} of {number}").repeat(1 + number % 7 * 400);
            let head = format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
            // Some send in two pieces, and wait with nothing but a part of a head.
            let (first, second) = head.split_at(if number % 3 == 0 { 9 } else { 0 });
            client.send(first);
            client.send(format!("{second}{body}GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
            client.answer().is(200, &body);
            client.answer().is(200, "hello");
        }
        // By the end of this they give their memory back, or are just about to.
        thread::park_timeout(Duration::from_millis(1_000 + 100 * round));
    }
}
