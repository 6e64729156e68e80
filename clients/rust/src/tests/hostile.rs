//! A server that means no good, and one that is slow.

use super::real::real;
use super::scripted::{Scripted, Written};
use super::vectors::{VECTORS, key, visitor};
use super::{client, once, ring};
use crate::connection::Connection;
use crate::http::Address;
use crate::{
    Batch, Client, Error, InternalEmailDropParams, LoginParams, Policy, SessionDeleteParams,
    SessionExistsParams,
};
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

fn ask(client: &Client) -> Error {
    client.itself().session_exists(&SessionExistsParams { session_token: "t" }).unwrap_err()
}

#[test]
fn garbage_is_no_answer() {
    for raw in [
        "garbage\r\n\r\n".to_owned(),
        "HTTP/1.1 999999 No\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nAAAA".to_owned(),
        format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(1 << 20)),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n".to_owned(),
    ] {
        let server = Scripted::new([Written::raw(raw.clone())]);
        let error = ask(&client(&server.url, key(0), Policy::default()));
        assert!(matches!(error, Error::BadAnswer { .. }), "{error:?} of {:.40}", raw);
        assert_eq!(server.asked().len(), 1, "{:.40}", raw);
    }
}

#[test]
fn no_more_is_read_than_an_answer_may_have() {
    let bytes_max = VECTORS["answer_bytes_max"].as_u64().unwrap() as usize;
    let server = Scripted::new([Written::raw(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        bytes_max + 1
    ))]);
    // The body never comes, and nobody waits for it.
    let error =
        ask(&client(&server.url, key(0), Policy { answer_bytes_max: bytes_max, ..Policy::default() }));
    assert_eq!(error, Error::BadAnswer { why: "the answer is too long".to_owned() });
}

#[test]
fn a_connection_that_says_too_much_is_not_used_again() {
    let reply = "HTTP/1.1 500 Words\r\nContent-Length: 0\r\n\r\n";
    let server = Scripted::new([
        Written::raw(format!("{reply}HTTP/1.1 403 Words\r\nContent-Length: 0\r\n\r\n")),
        Written::raw(reply),
    ]);
    let client = client(&server.url, key(0), once());
    for _ in 0..2 {
        // The second answer of the first connection is not taken for that to the second request.
        assert!(matches!(ask(&client), Error::Unavailable { .. }));
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn the_answer_to_an_earlier_request_is_no_answer() {
    let real = real();
    let message = r#"{"request":"session-new","reqid":"earlier","client_ipaddr":"192.0.2.7","body":{"user_id":null,
        "expires":1,"extra_info_json":null,"ip_address":"192.0.2.7","user_agent":"B"}}"#;
    let address = Address::parse(&real.url).unwrap();
    let mut connection = Connection::open(&address, None, Duration::from_secs(5)).unwrap();
    let sealed = ring(&real.key).seal(message.as_bytes(), 0).unwrap();
    let earlier = connection.exchange(&address.request(&sealed), Duration::from_secs(30), 1 << 20).unwrap();
    let server = Scripted::new([Written::status(200, "", std::str::from_utf8(&earlier.body).unwrap())]);
    let mut replayed = client(&server.url, &real.key, once());
    let error = replayed.itself().session_new(&visitor()).unwrap_err();
    assert_eq!(error, Error::BadAnswer { why: "this is the answer to another request".to_owned() });
    replayed.fixed_id = Some("earlier".to_owned());
    assert!(replayed.itself().session_new(&visitor()).is_ok(), "with its ID it would be one");
}

#[test]
fn the_answers_of_a_batch_are_to_what_was_asked() {
    let part = |request: &str| {
        json!({
            "request": request, "status": 200, "retry_after": null, "success": true, "response": {}, "messages": [],
            "failure_reason": null,
        })
    };
    let end = SessionDeleteParams { session_token: "t" };
    let drop = InternalEmailDropParams { number: 1 };
    for (names, is_ours) in [
        (&["session-delete", "internal-email-drop"][..], true),
        (&["session-delete"], true),
        (&["internal-email-drop", "session-delete"], false),
        (&["session-delete", "session-delete"], false),
        (&["session-delete", "internal-email-drop", "session-delete"], false),
    ] {
        let parts: Vec<Value> = names.iter().map(|name| part(name)).collect();
        let answer =
            json!({ "success": true, "response": { "answers": parts }, "messages": [], "reqid": "fixed" });
        let sealed = ring(key(0)).seal(answer.to_string().as_bytes(), 0).unwrap();
        let server = Scripted::new([Written::status(200, "", &sealed)]);
        let mut client = client(&server.url, key(0), once());
        client.fixed_id = Some("fixed".to_owned());
        let mut batch = Batch::new();
        let (first, second) = (batch.add(end.clone()), batch.add(drop.clone()));
        match client.itself().together(&batch) {
            Ok(mut answers) => {
                assert!(is_ours && answers.take(first).is_ok(), "{names:?}");
                assert_eq!(answers.take(second).is_ok(), names.len() == 2, "{names:?}");
            }
            Err(error) => {
                assert!(!is_ours && matches!(error, Error::BadAnswer { .. }), "{names:?} {error:?}")
            }
        }
    }
}

#[test]
fn each_request_has_its_own_id() {
    let server = Scripted::new([Written::status(500, "", "")]);
    let client = client(&server.url, key(0), once());
    let _ = (ask(&client), ask(&client));
    let ids: Vec<String> = server
        .asked()
        .iter()
        .map(|sealed| {
            let plain: serde_json::Value =
                serde_json::from_slice(&ring(key(0)).open(sealed.as_bytes()).unwrap()).unwrap();
            plain["reqid"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids[0].len(), 22);
}

#[test]
fn a_slow_answer_is_not_waited_for_longer_than_asked() {
    // The body comes byte by byte, each in time, and the whole never.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n");
        while connection.write_all(b"A").is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let error = ask(&client(&url, key(0), Policy { answer_timeout: Duration::from_millis(100), ..once() }));
    let why = "no answer: it took too long".to_owned();
    assert_eq!(error, Error::Unavailable { maybe_done: true, retry_after: None, why });
}

#[test]
fn a_connection_is_used_again_while_it_is_good() {
    let real = real();
    let client = client(&real.url, &real.key, Policy::default());
    for _ in 0..5 {
        client.itself().session_new(&visitor()).unwrap();
    }
    assert!(format!("{client:?}").contains("1 connections"), "{client:?}");
    let never = Policy { idle_max: Duration::ZERO, connections_max: 0, ..Policy::default() };
    let client = super::client(&real.url, &real.key, never);
    client.itself().session_new(&visitor()).unwrap();
    assert!(format!("{client:?}").contains("0 connections"), "{client:?}");
}

#[test]
fn nothing_shows_a_parameter_or_a_key() {
    let server = Scripted::new([Written::status(500, "", "")]);
    let client = client(&server.url, key(0), once());
    let params = LoginParams { email: "a@example.org", password: "the-password", ..Default::default() };
    let error = client.itself().login(&params).unwrap_err();
    let shown = format!("{error} {error:?} {params:?} {client:?}");
    assert!(
        !shown.contains("the-password") && !shown.contains("a@example") && !shown.contains(key(0)),
        "{shown}"
    );
}

#[test]
fn an_address_is_host_and_port() {
    for url in ["", "auth:1", "http://a/b"] {
        assert!(matches!(Client::new(url, ring(key(0)), once()), Err(Error::Misconfigured { .. })), "{url}");
    }
    assert_eq!(Client::new("https://auth.internal", ring(key(0)), once()).is_ok(), cfg!(feature = "tls"));
}

#[cfg(feature = "tls")]
#[test]
fn whoever_speaks_no_tls_gets_no_message() {
    let server = Scripted::new([Written::status(200, "", "")]);
    let url = server.url.replace("http:", "https:");
    let error = ask(&client(&url, key(0), once()));
    assert!(matches!(error, Error::Unavailable { maybe_done: false, .. }), "{error:?}");
    assert_eq!(server.asked().len(), 0);
}
