//! What goes back to the client, and the error pages. Nothing here may repeat bytes that the client sent.

use crate::clock::Clock;
use std::io::Write;

/// What a client is told to wait when the server is busy.
const BUSY_RETRY_AFTER_SECONDS: u32 = 1;
/// The longest wait that a `Retry-After` names; a longer one is cut to it.
const RETRY_AFTER_SECONDS_MAX: u32 = 3600;

/// An answer: the status, a few headers and the body. The listener adds the framing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// What the body is.
    pub content_type: ContentType,
    /// The body.
    pub body: Vec<u8>,
    /// `Retry-After`, in seconds (at most an hour).
    pub retry_after_seconds: Option<u32>,
    /// `Allow`: the one method that the path knows.
    pub allow: Option<Allow>,
    /// `Cache-Control: no-store`.
    pub no_store: bool,
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// `text/plain; charset=UTF-8`
    Text,
    /// `application/json; charset=UTF-8`
    Json,
    /// `application/openmetrics-text; version=1.0.0; charset=utf-8`
    OpenMetrics,
}

/// The method that a path knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allow {
    /// `GET`
    Get,
    /// `POST`
    Post,
}

impl Response {
    /// A text, without further headers.
    #[must_use]
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type: ContentType::Text,
            body: body.into(),
            retry_after_seconds: None,
            allow: None,
            no_store: false,
        }
    }
}

/// The page for a request that is not served: one line of text that tells the status and why. With a 503 goes when
/// to try again; a 429 is the caller's to complete.
#[must_use]
pub fn error_response(status: u16) -> Response {
    let sentence = match status {
        400 => "This server cannot serve the request, because its parameters are invalid.",
        401 => {
            "This server cannot serve the request, because it is not sealed with a key of this server. \
             Compare the key of the caller with the server's."
        }
        403 => {
            "This server does not serve the request, because the key that sealed it may not ask this. \
             `authnzerver secret list` shows what each key may ask."
        }
        404 => "This server cannot serve the request, because there is nothing at this address.",
        405 => "This server cannot serve the request, because this address does not know its method.",
        408 => "This server cannot serve the request, because it did not arrive in time.",
        411 => "This server cannot serve the request, because it does not tell the length of its body.",
        413 => "This server cannot serve the request, because its body is too large.",
        429 => "This server cannot serve the request, because a rate limit is exceeded.",
        431 => "This server cannot serve the request, because its headers are too large.",
        503 => "This server cannot answer the request at the moment. Please try again soon.",
        _ => "This server cannot serve the request.",
    };
    let retry_after_seconds = (status == 503).then_some(BUSY_RETRY_AFTER_SECONDS);
    Response { retry_after_seconds, ..Response::text(status, format!("HTTP {status}: {sentence}")) }
}

/// The page for whoever speaks plain HTTP where TLS is spoken.
pub(super) fn tls_expected() -> Response {
    Response::text(400, "HTTP 400: This port speaks TLS. Ask it by https:// instead of http://.")
}

/// The words that stand beside a status.
pub(super) const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}

/// Writes the head of an answer behind what is in `out`; `closes` says in it that the connection ends.
/// `Content-Length` tells the body's length even where the body will be left out, which is what an answer to HEAD needs.
pub(super) fn encode_head(reply: &Response, close: bool, clock: &dyn Clock, out: &mut Vec<u8>) {
    const NEVER_FAILS: &str = "a Vec takes every byte";
    write!(out, "HTTP/1.1 {} {}\r\nDate: ", reply.status, reason(reply.status)).expect(NEVER_FAILS);
    out.extend_from_slice(&clock.now().http_date());
    write!(out, "\r\nContent-Length: {}\r\n", reply.body.len()).expect(NEVER_FAILS);
    out.extend_from_slice(match reply.content_type {
        ContentType::Text => b"Content-Type: text/plain; charset=UTF-8\r\n",
        ContentType::Json => b"Content-Type: application/json; charset=UTF-8\r\n",
        ContentType::OpenMetrics => {
            b"Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"
        }
    });
    if let Some(seconds) = reply.retry_after_seconds {
        let seconds = seconds.min(RETRY_AFTER_SECONDS_MAX);
        write!(out, "Retry-After: {seconds}\r\n").expect(NEVER_FAILS);
    }
    match reply.allow {
        Some(Allow::Get) => out.extend_from_slice(b"Allow: GET\r\n"),
        Some(Allow::Post) => out.extend_from_slice(b"Allow: POST\r\n"),
        None => {}
    }
    if reply.no_store {
        out.extend_from_slice(b"Cache-Control: no-store\r\n");
    }
    if close {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// The bytes of an answer that ends its connection.
pub(super) fn encode_closing(reply: &Response, clock: &dyn Clock) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_head(reply, true, clock, &mut bytes);
    bytes.extend_from_slice(&reply.body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, Timestamp};

    #[test]
    fn an_answer_is_framed() {
        let clock = ManualClock::at(Timestamp::parse("1994-11-06 08:49:37").expect("a time"));
        let mut page = error_response(405);
        page.allow = Some(Allow::Post);
        page.no_store = true;
        page.retry_after_seconds = Some(99_999);
        let text = String::from_utf8(encode_closing(&page, &clock)).expect("text");
        let length = page.body.len();
        assert_eq!(
            text.split("\r\n").collect::<Vec<_>>(),
            [
                "HTTP/1.1 405 Method Not Allowed",
                "Date: Sun, 06 Nov 1994 08:49:37 GMT",
                &format!("Content-Length: {length}"),
                "Content-Type: text/plain; charset=UTF-8",
                "Retry-After: 3600",
                "Allow: POST",
                "Cache-Control: no-store",
                "Connection: close",
                "",
                "HTTP 405: This server cannot serve the request, because this address does not know its method.",
            ]
        );
    }

    #[test]
    fn a_request_that_is_put_off_is_not_told_why() {
        let page = String::from_utf8(error_response(503).body).expect("text");
        assert!(page.contains("at the moment") && page.contains("try again soon"), "{page}");
        assert!(!page.contains("busy"), "a failing disk is not a busy server: {page}");
    }

    #[test]
    fn an_answer_that_ends_nothing_says_so_and_stands_behind_the_others() {
        let clock = ManualClock::at(Timestamp::MIN);
        let mut bytes = b"before".to_vec();
        encode_head(&Response::text(200, "hello"), false, &clock, &mut bytes);
        let text = String::from_utf8(bytes).expect("text");
        assert!(text.starts_with("beforeHTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n"), "{text}");
        assert!(text.contains("\r\nContent-Length: 5\r\n") && !text.contains("Connection"), "{text}");
    }
}
