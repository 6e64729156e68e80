//! Good requests in every shape that HTTP allows, and where each begins and ends.

use crate::harness::{BIG_ANSWER_BYTES, Server};
use authnzerver::http::HttpLimits;
use std::fmt::Write as _;

#[test]
fn a_request_arrives_whole_and_without_its_query() {
    let server = Server::start();
    let mut client = server.client();
    client.send("POST /who?secret=1#x HTTP/1.1\r\nHost: Some.Host:99\r\nContent-Length: 5\r\n\r\nhello");
    client.answer().is(200, "POST /who \"Some.Host:99\" 5 127.0.0.1");
}

#[test]
fn a_client_is_known_by_its_own_address() {
    let server = Server::at("::1", HttpLimits::default());
    let mut client = server.client();
    client.send("GET /who HTTP/1.1\r\nHost: x\r\n\r\n");
    client.answer().is(200, "GET /who \"x\" 0 ::1");
}

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let server = Server::start();
    let mut client = server.client();
    for round in 0..50 {
        let body = "x".repeat(round * 100);
        client
            .send(format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        client.answer().is(200, &body);
    }
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = client.answer();
    answer.is(200, "hello");
    assert_eq!(answer.header("Connection"), None);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut client = server.client();
    let mut bytes = String::new();
    for number in 100..300 {
        let _ = write!(bytes, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n{number}");
    }
    client.send(bytes);
    for number in 100..300 {
        client.answer().is(200, &number.to_string());
    }
}

#[test]
fn a_pipeline_ends_with_the_request_that_wants_it_to() {
    let server = Server::start();
    let mut client = server.client();
    client.send(
        "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n\
         POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye",
    );
    client.answer().is(200, "hello");
    let last = client.answer();
    last.is(200, "bye");
    assert_eq!(last.header("Connection"), Some("close"));
    client.is_closed();
}

#[test]
fn nothing_is_served_behind_a_close() {
    let server = Server::start();
    let answer = server.only_answer_to(
        "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /who HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    answer.is(200, "hello");
    assert_eq!(answer.header("Connection"), Some("close"));
    assert_eq!(server.asked(), ["GET /hello \"x\" 0"]);
}

#[test]
fn a_client_of_http_1_0_gets_one_answer() {
    let server = Server::start();
    let answer = server.only_answer_to("GET /who HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    answer.is(200, "GET /who \"\" 0 127.0.0.1");
    assert_eq!(answer.header("Connection"), Some("close"));
}

#[test]
fn head_gets_the_length_and_not_the_body() {
    let server = Server::start();
    let mut client = server.client();
    // Alone, between other answers, and as the last.
    client.send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status(), head.header("Content-Length")), (200, Some("5")));
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\nHEAD /hello HTTP/1.1\r\nHost: x\r\n\r\nHEAD /hello HTTP/1.0\r\n\r\n");
    client.answer().is(200, "hello");
    for closes in [None, Some("close")] {
        let head = client.head();
        assert_eq!((head.status(), head.header("Content-Length")), (200, Some("5")));
        assert_eq!(head.header("Connection"), closes);
    }
    client.is_closed();
}

#[test]
fn a_request_in_single_bytes_is_a_request() {
    let server = Server::start();
    let mut client = server.client();
    for byte in b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nslow" {
        client.send([*byte]);
    }
    client.answer().is(200, "slow");
}

#[test]
fn a_careful_client_is_told_to_go_on() {
    let server = Server::start();
    let mut client = server.client();
    for _ in 0..2 {
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
        assert_eq!(client.head().status(), 100);
        client.send("body");
        client.answer().is(200, "body");
    }
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    client.answer().is(200, "hello");
    client.is_closed();
}

#[test]
fn a_careful_client_is_refused_before_it_sends() {
    let server = Server::start();
    server
        .only_answer_to(
            "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n",
        )
        .refuses_with(413);
}

#[test]
fn a_body_is_read_whatever_the_method() {
    let server = Server::start();
    let mut client = server.client();
    for method in ["GET", "DELETE", "OPTIONS", "BREW"] {
        client.send(format!(
            "{method} /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\nGET /who HTTP/1.1"
        ));
        client.answer().is(200, "GET /who HTTP/1.1");
    }
}

#[test]
fn a_target_may_be_a_whole_address() {
    let server = Server::start();
    let mut client = server.client();
    client.send("GET http://other:1/who?x HTTP/1.1\r\nHost: x\r\n\r\n");
    client.answer().is(200, "GET /who \"other:1\" 0 127.0.0.1");
    client.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.answer().status(), 404);
}

#[test]
fn the_largest_body_passes() {
    let server = Server::start();
    let mut client = server.client();
    let body = vec![b'x'; 1024 * 1024];
    client.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len()));
    client.send(&body);
    let answer = client.answer();
    assert!(answer.body == body);
}

#[test]
fn a_large_answer_comes_whole_whoever_asks() {
    let server = Server::start();
    for request in [
        "GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /big HTTP/1.0\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /big HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut client = server.client();
        client.send(request);
        if request.contains("/hello") {
            client.answer().is(200, "hello");
        }
        let answer = client.answer();
        assert_eq!(answer.body.len(), BIG_ANSWER_BYTES);
        if answer.header("Connection").is_none() {
            client.send("GET /hello HTTP/1.0\r\n\r\n");
            client.answer().is(200, "hello");
        }
        client.is_closed();
    }
}

#[test]
fn a_pipeline_is_answered_to_its_end_however_much_that_is() {
    let server = Server::start();
    for (requests, body_bytes) in [(45, 2_000), (400, 600), (3_000, 1), (7, 90_000)] {
        let body = "x".repeat(body_bytes);
        let request = format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {body_bytes}\r\n\r\n{body}");
        let mut client = server.client();
        client.send(request.repeat(requests));
        for _ in 0..requests {
            client.answer().is(200, &body);
        }
    }
}

#[test]
fn what_is_asked_before_an_error_is_answered_before_it() {
    let server = Server::start();
    let good = format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n\r\n{}", "x".repeat(3000));
    for (bad, status) in [
        ("\0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", 411),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n", 413),
    ] {
        let mut client = server.client();
        client.send(good.repeat(30) + bad);
        for _ in 0..30 {
            assert_eq!(client.answer().body.len(), 3000);
        }
        client.answer().refuses_with(status);
        client.is_closed();
    }
}

#[test]
fn a_client_that_has_said_everything_gets_its_answers() {
    let server = Server::start();
    let hello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    let echo = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    let big =
        format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n{}", "x".repeat(70_000));
    for _ in 0..100 {
        for (request, answers) in [(hello.to_owned(), 1), (echo.to_owned(), 1), (hello.repeat(9) + echo, 10)]
        {
            let mut client = server.client();
            client.send(request);
            client.shuts_sending();
            for _ in 0..answers {
                client.answer().is(200, "hello");
            }
            client.is_closed();
        }
    }
    let mut client = server.client();
    client.send(&big);
    client.shuts_sending();
    assert_eq!(client.answer().body.len(), 70_000);
    client.is_closed();
    let mut client = server.client();
    client.send("GET /hello\r\n\r\n");
    client.shuts_sending();
    client.answer().refuses_with(400);
    client.is_closed();
    server.waits_for_connections(0);
}

#[test]
fn what_arrives_behind_a_body_is_never_forgotten() {
    let server = Server::start();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..40 {
        let mut client = server.client();
        client.send("POST /who HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n");
        assert_eq!(client.head().status(), 100);
        // Much more than is taken in at once, so that the end of the first body is in the middle of it.
        let mut bytes = vec![b'x'; 5000];
        let lengths: Vec<usize> = (0..5).map(|_| random.usize(10_000..60_000)).collect();
        for length in &lengths {
            bytes
                .extend(format!("POST /who HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n").bytes());
            bytes.extend(std::iter::repeat_n(b'x', *length));
        }
        client.send(bytes);
        for length in std::iter::once(&5000).chain(&lengths) {
            client.answer().is(200, &format!("POST /who \"x\" {length} 127.0.0.1"));
        }
    }
}

#[test]
fn answers_are_not_kept_from_a_client_that_waits_for_them_before_it_sends_its_body() {
    let server = Server::start();
    for (expects, body_begins_with) in [("Expect: 100-continue\r\n", ""), ("", ""), ("", "bo")] {
        let mut client = server.client();
        client.send(format!(
            "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n\
             POST /echo HTTP/1.1\r\nHost: x\r\n{expects}Content-Length: 4\r\n\r\n{body_begins_with}"
        ));
        client.answer().is(200, "hello");
        if !expects.is_empty() {
            assert_eq!(client.head().status(), 100);
        }
        client.send(&"body"[body_begins_with.len()..]);
        client.answer().is(200, "body");
    }
}

#[test]
fn what_is_sent_behind_the_last_request_does_not_cost_the_last_answer() {
    let server = Server::start();
    // More than the sockets take, so that the client is still sending when it is answered.
    let more = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n".repeat(60_000);
    for _ in 0..3 {
        let mut client = server.client();
        client.send(format!("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n{more}"));
        client.answer().is(200, "hello");
        client.is_closed();
    }
    assert_eq!(server.asked().len(), 3);
}
