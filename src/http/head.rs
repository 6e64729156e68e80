//! Reads the head of a request and decides, before a byte of its body is touched, whether its framing can be
//! trusted. Where two readers of HTTP could disagree on where a request ends, it is refused. Pure: no I/O.

use super::limits::HttpLimits;

/// What the head of a request says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub method: String,
    /// Without query or fragment.
    pub path: String,
    /// The `Host`, or the authority of a request that names a whole address; empty where HTTP/1.0 gives none.
    pub host: String,
    pub body_bytes: usize,
    /// The client wants the connection closed after the answer, or is too old to keep it open.
    pub close: bool,
    /// The client reads on where an answer only says that another will follow.
    pub knows_interim_answers: bool,
    /// The client waits for a 100 before it sends the body.
    pub expects_continue: bool,
}

/// Reads a head; an error is the status to refuse it with. After that, nothing on the connection can be trusted.
pub(super) fn read<'a>(
    method: &str,
    target: &str,
    minor_version: u8,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    limits: &HttpLimits,
) -> Result<Head, u16> {
    let facts = gather(headers)?;
    if facts.transfer_encoding {
        return Err(411);
    }
    let length = match facts.length {
        Some(length) => length,
        None if matches!(method, "POST" | "PUT" | "PATCH") => return Err(411),
        None => 0,
    };
    let header_host = match facts.host {
        Some(host) => host,
        None if minor_version == 0 => "",
        None => return Err(400),
    };
    let body_bytes = usize::try_from(length).map_err(|_| 413_u16)?;
    if body_bytes > limits.body_bytes_max {
        return Err(413);
    }
    let (host, path) = split_target(target, header_host);
    Ok(Head {
        method: method.to_owned(),
        path: path.to_owned(),
        host: host.to_owned(),
        body_bytes,
        close: facts.close || minor_version == 0,
        knows_interim_answers: minor_version > 0,
        expects_continue: facts.expects_continue && minor_version > 0,
    })
}

#[derive(Default)]
struct Facts<'a> {
    host: Option<&'a str>,
    length: Option<u64>,
    transfer_encoding: bool,
    close: bool,
    expects_continue: bool,
}

fn gather<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Facts<'a>, u16> {
    let mut facts = Facts::default();
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("content-length") {
            // Two of them are refused even if they agree: another reader may take only one of them.
            if facts.length.replace(parse_length(value)?).is_some() {
                return Err(400);
            }
        } else if name.eq_ignore_ascii_case("host") {
            let host = std::str::from_utf8(value).map_err(|_| 400_u16)?;
            if facts.host.replace(host).is_some() {
                return Err(400);
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            facts.transfer_encoding = true;
        } else if name.eq_ignore_ascii_case("connection") {
            facts.close |= value.split(|byte| *byte == b',').any(|token| is_token(token, b"close"));
        } else if name.eq_ignore_ascii_case("expect") {
            facts.expects_continue |= is_token(value, b"100-continue");
        }
    }
    Ok(facts)
}

/// Digits only: no sign, no list, nothing that does not fit 64 bits.
fn parse_length(value: &[u8]) -> Result<u64, u16> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(400);
    }
    std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).ok_or(400)
}

fn is_token(value: &[u8], token: &[u8]) -> bool {
    value.trim_ascii().eq_ignore_ascii_case(token)
}

/// The host and the path of a target. A whole address (as sent to a proxy) overrides the `Host`, as HTTP demands.
fn split_target<'a>(target: &'a str, header_host: &'a str) -> (&'a str, &'a str) {
    let without_query = target.split(['?', '#']).next().unwrap_or_default();
    for scheme in ["http://", "https://"] {
        if without_query.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)) {
            let rest = &without_query[scheme.len()..];
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            return (host, if path.is_empty() { "/" } else { path });
        }
    }
    (header_host, without_query)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_post(headers: &[(&str, &str)]) -> Result<Head, u16> {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        read("POST", "/", 1, headers, &HttpLimits::default())
    }

    #[test]
    fn an_ordinary_head_is_read() {
        let head = read_post(&[("Host", "a:1"), ("content-length", "007"), ("X", "y")]).expect("a good head");
        assert_eq!((head.method.as_str(), head.path.as_str(), head.host.as_str()), ("POST", "/", "a:1"));
        assert_eq!((head.body_bytes, head.close, head.expects_continue), (7, false, false));
    }

    #[test]
    fn a_length_is_digits_and_stands_once() {
        for bad in [
            "",
            "-1",
            "+1",
            "1,1",
            "1 1",
            "0x1",
            "1.0",
            "zz",
            "٣",
            "18446744073709551616",
            "99999999999999999999",
        ] {
            assert_eq!(read_post(&[("Host", "a"), ("Content-Length", bad)]), Err(400), "{bad}");
        }
        assert_eq!(read_post(&[("Host", "a"), ("Content-Length", "18446744073709551615")]), Err(413));
        assert_eq!(read_post(&[("Host", "a"), ("Content-Length", "1048577")]), Err(413));
        assert!(read_post(&[("Host", "a"), ("Content-Length", "1048576")]).is_ok());
        for (one, two) in [("1", "2"), ("1", "1")] {
            let headers = [("Host", "a"), ("Content-Length", one), ("CONTENT-LENGTH", two)];
            assert_eq!(read_post(&headers), Err(400));
        }
    }

    #[test]
    fn a_body_without_a_length_is_refused() {
        assert_eq!(read_post(&[("Host", "a")]), Err(411));
        for coding in ["chunked", "identity", "", "gzip, chunked"] {
            let headers = [("Host", "a"), ("Content-Length", "3"), ("transfer-encoding", coding)];
            assert_eq!(read_post(&headers), Err(411), "{coding}");
        }
        let get = read("GET", "/", 1, [("Host", &b"a"[..])].into_iter(), &HttpLimits::default());
        assert_eq!(get.expect("a GET needs no length").body_bytes, 0);
    }

    #[test]
    fn exactly_one_host() {
        assert_eq!(read_post(&[("Content-Length", "0")]), Err(400));
        assert_eq!(read_post(&[("Host", "a"), ("host", "a"), ("Content-Length", "0")]), Err(400));
        let limits = HttpLimits::default();
        let headers = [("Host", &b"\xff"[..])];
        assert_eq!(read("GET", "/", 1, headers.into_iter(), &limits), Err(400));
        let old = read("GET", "/", 0, [].into_iter(), &limits).expect("HTTP/1.0 needs no host");
        assert_eq!((old.host.as_str(), old.close), ("", true));
    }

    #[test]
    fn a_target_loses_its_query_and_may_name_a_host() {
        for (target, host, path) in [
            ("/", "h", "/"),
            ("/health?a=b#c", "h", "/health"),
            ("/x#y", "h", "/x"),
            ("//", "h", "//"),
            ("*", "h", "*"),
            ("?", "h", ""),
            ("http://other:8/health?x", "other:8", "/health"),
            ("HTTPS://other", "other", "/"),
            ("http://other?x=/y", "other", "/"),
            ("h\u{e9}ttp://o", "h", "h\u{e9}ttp://o"),
        ] {
            assert_eq!(split_target(target, "h"), (host, path), "{target}");
        }
    }

    #[test]
    fn connection_and_expect_are_lists_of_words_in_any_case() {
        let headers = [("Host", "a"), ("Content-Length", "0"), ("Connection", "keep-alive , CLOSE")];
        assert!(read_post(&headers).expect("a good head").close);
        let headers = [("Host", "a"), ("Content-Length", "0"), ("Connection", "close-not, keep-alive")];
        assert!(!read_post(&headers).expect("a good head").close);
        let headers = [("Host", "a"), ("Content-Length", "0"), ("Expect", "100-Continue")];
        assert!(read_post(&headers).expect("a good head").expects_continue);
    }
}
