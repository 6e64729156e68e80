//! What goes back to the client, and the error pages. Nothing here may repeat bytes that the client sent.

use crate::clock::Clock;
use std::sync::OnceLock;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// What a client is told to wait when the server is busy.
const BUSY_RETRY_AFTER_SECONDS: u32 = 1;
/// The longest wait that a `Retry-After` names; a longer one is cut to it.
const RETRY_AFTER_SECONDS_MAX: u32 = 3600;

// An answer's head, in the form in which may_minihttp writes it. Its length is reckoned from these pieces too.
const START: &str = "HTTP/1.1 ";
const BEFORE_DATE: &str = "\r\nServer: M\r\nDate: ";
const BEFORE_LENGTH: &str = "\r\nContent-Length: ";
const BETWEEN_LINES: &str = "\r\n";
const END: &str = "\r\n\r\n";
const DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
const DATE_BYTES: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();

/// An answer: the status, a few headers and the body. The edge adds the framing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
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
}

/// The method that a path knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allow {
    /// `GET`
    Get,
    /// `POST`
    Post,
}

impl HttpReply {
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
pub fn error_page(status: u16) -> HttpReply {
    let sentence = match status {
        400 => "This server cannot serve the request, because its parameters are invalid.",
        401 => {
            "This server cannot serve the request, because its authentication token is invalid \
             or because it violates the restriction of hosts."
        }
        404 => "This server cannot serve the request, because there is nothing at this address.",
        405 => "This server cannot serve the request, because this address does not know its method.",
        408 => "This server cannot serve the request, because it did not arrive in time.",
        411 => "This server cannot serve the request, because it does not tell the length of its body.",
        413 => "This server cannot serve the request, because its body is too large.",
        429 => "This server cannot serve the request, because a rate limit is exceeded.",
        431 => "This server cannot serve the request, because its headers are too large.",
        503 => "This server cannot serve the request, because it is busy. Please try again soon.",
        _ => "This server cannot serve the request.",
    };
    let retry_after_seconds = (status == 503).then_some(BUSY_RETRY_AFTER_SECONDS);
    HttpReply { retry_after_seconds, ..HttpReply::text(status, format!("HTTP {status}: {sentence}")) }
}

/// The words that stand beside a status.
pub(super) const fn reason(status: u16) -> &'static str {
    match status {
        // Spelt as may_minihttp spells it, whatever it is told.
        200 => "Ok",
        400 => "Bad Request",
        401 => "Unauthorized",
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

/// The header lines beside the framing; `closes` adds that the connection ends with this answer.
pub(super) fn header_lines(
    reply: &HttpReply,
    closes: bool,
) -> impl Iterator<Item = &'static str> + Clone + use<> {
    let content_type = match reply.content_type {
        ContentType::Text => "Content-Type: text/plain; charset=UTF-8",
        ContentType::Json => "Content-Type: application/json; charset=UTF-8",
    };
    let allow = reply.allow.map(|allow| match allow {
        Allow::Get => "Allow: GET",
        Allow::Post => "Allow: POST",
    });
    [
        Some(content_type),
        reply.retry_after_seconds.map(retry_after_line),
        allow,
        reply.no_store.then_some("Cache-Control: no-store"),
        closes.then_some("Connection: close"),
    ]
    .into_iter()
    .flatten()
}

/// How many bytes may_minihttp makes of an answer whose body has so many bytes, of which so many are sent. The edge compares this with what the kernel was given.
pub(super) fn encoded_bytes(
    status: u16,
    lines: impl Iterator<Item = &'static str>,
    body_bytes: usize,
    sent_body_bytes: usize,
) -> u64 {
    let fixed = START.len() + " ".len() + BEFORE_DATE.len() + DATE_BYTES + BEFORE_LENGTH.len() + END.len();
    let numbers = digits(usize::from(status)) + digits(body_bytes);
    let lines: usize = lines.map(|line| BETWEEN_LINES.len() + line.len()).sum();
    (fixed + reason(status).len() + numbers + lines + sent_body_bytes) as u64
}

/// The bytes of an answer that ends its connection. `Content-Length` tells the body's length even where
/// `with_body` leaves the body out, which is what an answer to HEAD needs.
pub(super) fn encode_last(reply: &HttpReply, with_body: bool, clock: &dyn Clock) -> Vec<u8> {
    let (status, length) = (reply.status, reply.body.len());
    let mut head =
        format!("{START}{status} {}{BEFORE_DATE}{}{BEFORE_LENGTH}{length}", reason(status), date(clock));
    for line in header_lines(reply, true) {
        head.push_str(BETWEEN_LINES);
        head.push_str(line);
    }
    head.push_str(END);
    let mut bytes = head.into_bytes();
    if with_body {
        bytes.extend_from_slice(&reply.body);
    }
    bytes
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |power| power as usize + 1)
}

fn date(clock: &dyn Clock) -> String {
    OffsetDateTime::from_unix_timestamp(clock.now().unix_seconds())
        .ok()
        .and_then(|now| now.format(DATE).ok())
        .expect("a Moment lies within the years that the format can write")
}

/// may_minihttp takes only lines that live for ever. So each line is made once, on first use, and kept.
fn retry_after_line(seconds: u32) -> &'static str {
    // The table, too, is made on first use. As it stands, it would take a hundred kilobytes of the program's file.
    static LINES: OnceLock<Box<[OnceLock<String>]>> = OnceLock::new();
    let lines = LINES.get_or_init(|| (0..=RETRY_AFTER_SECONDS_MAX).map(|_| OnceLock::new()).collect());
    let seconds = seconds.min(RETRY_AFTER_SECONDS_MAX);
    lines[seconds as usize].get_or_init(|| format!("Retry-After: {seconds}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, Moment};

    #[test]
    fn an_answer_is_framed_and_its_length_is_known_beforehand() {
        let clock = ManualClock::at(Moment::parse("1994-11-06 08:49:37").expect("a time"));
        let mut page = error_page(405);
        page.allow = Some(Allow::Post);
        page.no_store = true;
        page.retry_after_seconds = Some(99_999);
        let bytes = encode_last(&page, true, &clock);
        let text = String::from_utf8(bytes.clone()).expect("text");
        let length = page.body.len();
        assert_eq!(
            text.split("\r\n").collect::<Vec<_>>(),
            [
                "HTTP/1.1 405 Method Not Allowed",
                "Server: M",
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
        assert_eq!(encoded_bytes(405, header_lines(&page, true), length, length), bytes.len() as u64);
    }

    #[test]
    fn a_body_can_be_left_out() {
        let clock = ManualClock::at(Moment::FIRST);
        let bytes = encode_last(&HttpReply::text(200, "hello"), false, &clock);
        let text = String::from_utf8(bytes).expect("text");
        assert!(text.contains("\r\nContent-Length: 5\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    }

    #[test]
    fn counts_digits() {
        for (number, expected) in [(0, 1), (9, 1), (10, 2), (99, 2), (100, 3), (1_048_576, 7)] {
            assert_eq!(digits(number), expected);
        }
    }
}
