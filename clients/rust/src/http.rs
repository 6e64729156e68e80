//! As much of HTTP/1.1 as the server speaks. It only reads and writes bytes that others carry.

use crate::errors::{Error, bad_answer};
use std::time::Duration;

pub(crate) const HEAD_BYTES_MAX: usize = 16 << 10;
/// The longest time that a server's word about when to try again is taken for.
const RETRY_AFTER_MAX: u64 = 3600;

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_secure: bool,
    /// As it stands in the URL.
    authority: String,
}

impl Address {
    /// Reads `http://HOST:PORT` or `https://HOST:PORT`.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let is_secure = match scheme {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b".-_:[]".contains(&letter);
        if !authority.bytes().all(is_plain) {
            return None;
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, if is_secure { 443 } else { 80 }),
        };
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_fit = match inner {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains(['[', ']', ':']),
        };
        if !is_fit {
            return None;
        }
        let host = inner.unwrap_or(host);
        Some(Self { host: host.to_owned(), port, is_secure, authority: authority.to_owned() })
    }

    /// A whole request.
    pub(crate) fn request(&self, body: &str) -> Vec<u8> {
        let head =
            format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n", self.authority, body.len());
        format!("{head}Content-Type: text/plain\r\n\r\n{body}").into_bytes()
    }
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: i64,
    pub(crate) length: usize,
    pub(crate) retry_after: Option<Duration>,
    /// Whether the connection can be used again.
    pub(crate) stays_open: bool,
}

impl Head {
    /// Reads a head without its empty line. A body without a length, or with too great a one, is refused.
    pub(crate) fn parse(head: &[u8], body_bytes_max: usize) -> Result<Self, Error> {
        let head = std::str::from_utf8(head).map_err(|_| bad_answer("no HTTP answer"))?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(status_of).ok_or_else(|| bad_answer("no HTTP answer"))?;
        let (mut length, mut retry_after, mut stays_open) = (None, None, true);
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(|| bad_answer("malformed headers"))?;
            let (name, value) = (name.to_ascii_lowercase(), value.trim());
            if name.is_empty() || name.trim() != name {
                return Err(bad_answer("malformed headers"));
            }
            match name.as_str() {
                "content-length" if length.is_some() => return Err(bad_answer("malformed headers")),
                "content-length" => length = Some(digits(value).filter(|_| value.len() < 16)),
                "transfer-encoding" => return Err(bad_answer("an answer without a length")),
                "retry-after" => retry_after = digits(value).map(|seconds| seconds.min(RETRY_AFTER_MAX)),
                "connection" => stays_open = !value.eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        let length = length.flatten().ok_or_else(|| bad_answer("an answer without a length"))?;
        let length = usize::try_from(length).ok().filter(|length| *length <= body_bytes_max);
        let length = length.ok_or_else(|| bad_answer("the answer is too long"))?;
        Ok(Self { status, length, retry_after: retry_after.map(Duration::from_secs), stays_open })
    }
}

fn status_of(line: &str) -> Option<i64> {
    let mut words = line.split(' ');
    let (version, status) = (words.next()?, words.next()?);
    let is_status =
        version == "HTTP/1.1" && status.len() == 3 && status.bytes().all(|digit| digit.is_ascii_digit());
    if is_status { status.parse().ok() } else { None }
}

/// A number without sign. One that is too great to hold is the greatest.
fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        for (url, host, port, is_secure) in [
            ("http://127.0.0.1:13431", "127.0.0.1", 13431, false),
            ("http://auth.internal/", "auth.internal", 80, false),
            ("https://auth.internal", "auth.internal", 443, true),
            ("http://[::1]:80", "::1", 80, false),
            ("https://[::1]", "::1", 443, true),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(
                (address.host.as_str(), address.port, address.is_secure),
                (host, port, is_secure),
                "{url}"
            );
        }
        for url in [
            "",
            "auth:1",
            "ftp://a",
            "http://",
            "http://:80",
            "http://a/b",
            "http://u:p@a",
            "http://a?q",
            "http://a#f",
            "http://a:x",
            "http://a:99999",
            "http://::1",
            "http://[x]:1",
            "http://a\r\nX: y",
            "http://a//",
        ] {
            assert_eq!(Address::parse(url), None, "{url}");
        }
    }

    #[test]
    fn heads_are_read_strictly() {
        let good =
            Head::parse(b"HTTP/1.1 200 OK\r\nCONTENT-length: 7\r\nRetry-After: 5\r\nConnection: Close", 7)
                .unwrap();
        let expected =
            Head { status: 200, length: 7, retry_after: Some(Duration::from_secs(5)), stays_open: false };
        assert_eq!(good, expected);
        for head in [
            "",
            "garbage",
            "HTTP/1.0 200 OK\r\nContent-Length: 1",
            "HTTP/1.1 2000 OK\r\nContent-Length: 1",
            "HTTP/1.1 +20 OK\r\nContent-Length: 1",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200 OK\r\nContent-Length: -1",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1",
            "HTTP/1.1 200 OK\r\nContent-Length : 1",
            "HTTP/1.1 200 OK\r\nContent-Length: 8",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1",
            "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 1",
            "HTTP/1.1 200 OK\r\n folded: 1\r\nContent-Length: 1",
        ] {
            assert!(Head::parse(head.as_bytes(), 7).is_err(), "{head}");
        }
        assert!(Head::parse(b"HTTP/1.1 200 \xff\r\nContent-Length: 1", 7).is_err());
    }
}
