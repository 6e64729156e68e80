//! Bad requests: how each is refused, and that nothing behind it is taken for another request.

use crate::harness::Server;
use authnzerver::http::HttpLimits;
use std::fmt::Write;

/// What an attacker would like to have served as a request of its own.
const SMUGGLED: &str = "GET /who HTTP/1.1\r\nHost: smuggled\r\n\r\n";

fn refuses(status: u16, request: &str) {
    let server = Server::start();
    server.only_answer_to(request).refuses_with(status);
    server.only_answer_to(format!("{request}{SMUGGLED}")).refuses_with(status);
    // The same after a request that was answered, on the same connection.
    let mut client = server.client();
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    client.answer().is(200, "hello");
    client.send(format!("{request}{SMUGGLED}"));
    client.answer().refuses_with(status);
    client.is_closed();
    assert_eq!(server.asked(), ["GET /hello \"x\" 0"], "{request}");
    server.still_answers();
}

#[test]
fn a_length_that_is_none_is_refused() {
    for length in ["zz", "-1", "+5", "5, 5", "0x5", "5 5", "", "99999999999999999999999", "\u{665}"] {
        refuses(400, &format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\nhello"));
    }
}

#[test]
fn two_lengths_are_refused_even_if_they_agree() {
    for (one, two) in [("5", "6"), ("6", "5"), ("5", "5")] {
        let lengths = format!("Content-Length: {one}\r\nContent-Length: {two}");
        refuses(400, &format!("POST /echo HTTP/1.1\r\nHost: x\r\n{lengths}\r\n\r\nhello"));
    }
}

#[test]
fn a_missing_length_is_refused() {
    for method in ["POST", "PUT", "PATCH"] {
        refuses(411, &format!("{method} /echo HTTP/1.1\r\nHost: x\r\n\r\n"));
    }
    refuses(411, "POST /echo HTTP/1.1\r\nHost: x\r\n\r\nhello");
}

#[test]
fn transfer_encoding_is_refused_with_and_without_a_length() {
    for headers in [
        "Transfer-Encoding: chunked",
        "transfer-encoding: identity",
        "Transfer-Encoding: xchunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding:\tchunked\r\nTransfer-Encoding: x",
    ] {
        refuses(411, &format!("POST /echo HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
    }
}

#[test]
fn a_request_without_a_host_or_with_two_is_refused() {
    refuses(400, "GET /hello HTTP/1.1\r\n\r\n");
    refuses(400, "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
}

#[test]
fn a_large_head_is_refused() {
    let value = "x".repeat(20_000);
    refuses(431, &format!("GET /hello HTTP/1.1\r\nHost: x\r\nCookie: {value}\r\n\r\n"));
}

#[test]
fn what_cannot_be_parsed_is_refused() {
    for request in [
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "GET /hello\r\n\r\n",
        "GET /hello HTTP/2.0\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        "GET /hello HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /he\u{0}llo HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: x\r\nX: a\u{0}b\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}",
    ] {
        refuses(400, request);
    }
}

#[test]
fn sixty_four_header_lines_are_taken_and_no_more() {
    let request = |lines: usize| {
        let others = (1..lines).fold(String::new(), |mut text, number| {
            write!(text, "X-{number}: y\r\n").expect("a string takes text");
            text
        });
        format!("GET /hello HTTP/1.1\r\nHost: x\r\n{others}\r\n")
    };
    let server = Server::start();
    let mut client = server.client();
    client.send(request(64));
    client.answer().is(200, "hello");
    refuses(431, &request(65));
}

#[test]
fn a_large_body_is_refused_and_the_client_that_sends_it_learns_why() {
    refuses(413, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
    refuses(413, "GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n");
    let server = Server::start();
    let mut client = server.client();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n");
    client.send(vec![b'x'; 3_000_000]);
    client.answer().refuses_with(413);
    client.is_closed();
}

#[test]
fn a_body_shorter_than_its_length_is_refused() {
    let server = Server::start();
    let mut client = server.client();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 50\r\n\r\n");
    assert_eq!(client.head().status(), 100);
    client.send("hello");
    client.shuts_sending();
    client.answer().refuses_with(400);
    client.is_closed();
    assert!(server.asked().is_empty());
}

#[test]
fn what_exceeds_the_length_is_no_part_of_the_request() {
    let server = Server::start();
    let mut client = server.client();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloworld\r\n\r\n");
    client.is_closed_somehow();
    assert_eq!(server.asked(), ["POST /echo \"x\" 5"]);
}

#[test]
fn an_error_in_a_pipeline_is_answered_in_order() {
    let server = Server::start();
    let mut client = server.client();
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\n\r\n");
    client.answer().is(200, "hello");
    client.answer().refuses_with(400);
    client.is_closed();
    // Chunks cannot be parsed as a request.
    let mut client = server.client();
    client.send(format!(
        "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n\
         POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n{SMUGGLED}"
    ));
    client.answer().is(200, "hello");
    client.answer().refuses_with(411);
    client.is_closed();
    assert_eq!(server.asked(), ["GET /hello \"x\" 0", "GET /hello \"x\" 0"]);
}

#[test]
fn large_bodies_have_a_limit_together() {
    let server = Server::with(HttpLimits { large_bodies_bytes_max: 150_000, ..HttpLimits::default() });
    let gate = server.close_gate();
    let request = |bytes: usize| {
        format!("POST /gate HTTP/1.1\r\nHost: x\r\nContent-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes))
    };
    let mut first = server.client();
    first.send(request(100_000));
    server.waits_for_request();

    let answer = server.only_answer_to(request(60_000));
    answer.refuses_with(503);
    assert_eq!(answer.header("Retry-After"), Some("1"));
    let mut small = server.client();
    small.send(request(10_000));
    small.answer().is(200, "through the gate");

    gate.send(());
    first.answer().is(200, "through the gate");
    let mut third = server.client();
    third.send(request(60_000));
    third.answer().is(200, "through the gate");
}
