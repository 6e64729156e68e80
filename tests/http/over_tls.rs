//! All of this over TLS; and what only TLS has: the handshake, broken records, and the way around it.

use crate::harness::{Server, until};
use authnzerver::http::HttpLimits;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;
use support::second_run;

/// A client's first message, from its beginning, cut short.
const HELLO_BEGUN: &[u8] = &[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
const PLAIN: &[u8] = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

fn rest_of(mut socket: TcpStream) -> String {
    let mut rest = Vec::new();
    // A reset is an end, too.
    let _ = socket.read_to_end(&mut rest);
    String::from_utf8_lossy(&rest).into_owned()
}

#[test]
fn every_test_holds_over_tls_too() {
    second_run::every_test_holds_over("tls", "over_tls::");
}

#[test]
fn who_does_not_speak_tls_is_told_in_clear_and_served_nothing() {
    let server = Server::over_tls(HttpLimits::default());
    let mut socket = server.socket();
    socket.write_all(PLAIN).expect("the server takes bytes");
    let answer = rest_of(socket);
    assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("hello"), "{answer}");
    assert!(server.asked().is_empty());
    server.waits_for_connections(0);
}

#[test]
fn a_handshake_has_a_time_limit() {
    let server = Server::over_tls(HttpLimits { head_seconds_max: 1, ..HttpLimits::default() });
    assert_eq!(rest_of(server.socket()), "");
    let mut begun = server.socket();
    begun.write_all(HELLO_BEGUN).expect("the server takes bytes");
    // Byte by byte, it gets no more time.
    while begun.write_all(&[0]).is_ok() {
        std::thread::park_timeout(Duration::from_millis(50));
    }
    server.waits_for_connections(0);
    server.still_answers();
}

#[test]
fn a_handshake_under_way_does_not_hold_up_a_stop() {
    let mut server = Server::over_tls(HttpLimits { head_seconds_max: 3600, ..HttpLimits::default() });
    let _silent = server.socket();
    let mut begun = server.socket();
    begun.write_all(HELLO_BEGUN).expect("the server takes bytes");
    server.waits_for_connections(2);
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| server.stop(Duration::from_secs(3600)));
        until(|| stopping.is_finished());
    });
}

#[test]
fn a_broken_handshake_or_record_ends_its_connection_alone() {
    let server = Server::over_tls(HttpLimits::default());
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..100 {
        let mut socket = server.socket();
        let mut bytes = HELLO_BEGUN.to_vec();
        bytes.extend((0..random.usize(1..400)).map(|_| random.u8(..)));
        // It may hang up in the middle.
        let _ = socket.write_all(&bytes);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        rest_of(socket);
    }
    let client = server.client();
    let mut socket = client.into_socket();
    // A record in plaintext after the handshake, as if it belonged to it.
    socket.write_all(&[0x17, 3, 3, 0, 5, 1, 2, 3, 4, 5]).expect("the server takes bytes");
    rest_of(socket);
    assert!(server.asked().is_empty());
    server.waits_for_connections(0);
    server.still_answers();
}

#[test]
fn the_plain_server_behind_serves_nobody_who_comes_around() {
    // Here, it could not be told from the plain servers of other tests.
    if second_run::ran_alone_over("tls", "over_tls::the_plain_server_behind_serves_nobody_who_comes_around") {
        return;
    }
    let server = Server::over_tls(HttpLimits::default());
    let mut client = server.client();
    client.send(PLAIN);
    client.answer().is(200, "hello");
    let ports = ports_of_this_process();
    let inner: Vec<u16> = ports.into_iter().filter(|port| *port != server.address.port()).collect();
    assert!(!inner.is_empty(), "the plain server was not found");
    for port in inner {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the port is open");
        socket.set_read_timeout(Some(Duration::from_secs(15))).expect("a socket option");
        // It may have hung up already.
        let _ = socket.write_all(PLAIN);
        let answer = rest_of(socket);
        assert!(!answer.contains("hello"), "{answer}");
    }
    assert_eq!(server.asked().len(), 1);
}

/// The ports of IPv4 that sockets of this process listen on.
fn ports_of_this_process() -> Vec<u16> {
    const LISTENING: &str = "0A";
    let own: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .expect("a list of descriptors")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()?.to_str().map(str::to_owned))
        .collect();
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("a list of sockets");
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|fields| fields.get(3) == Some(&LISTENING))
        .filter(|fields| own.contains(&format!("socket:[{}]", fields[9])))
        .filter_map(|fields| u16::from_str_radix(fields[1].split(':').nth(1)?, 16).ok())
        .collect()
}
