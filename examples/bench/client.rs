//! An HTTP client that knows just enough: one kept-alive connection, answers with a `Content-Length` or in chunks.
//!
//! It runs on coroutines. With a thread for each connection, the scheduler of the system would decide which of them may go
//! on, and what would be measured is how long they wait for a processor.

use crate::Outcome;
use crate::server::Address;
use may::net::TcpStream;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::time::Duration;

/// An answer that takes longer counts as none.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Longer answers do not occur.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// So much is read at a time.
const READ_BYTES: usize = 8 * 1024;

/// What bytes travel over.
trait Transport: Read + Write + Send {}
impl<T: Read + Write + Send> Transport for T {}

/// A connection to the server.
pub struct Client {
    stream: Box<dyn Transport>,
    received: Vec<u8>,
}

/// The bytes of `POST path` with this body.
pub fn post(path: &str, body: &str) -> Vec<u8> {
    let bytes = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\n\r\n{body}").into_bytes()
}

/// The bytes of `GET path`, with this cookie if any.
pub fn get(path: &str, cookie: Option<&str>) -> Vec<u8> {
    let cookie = cookie.map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{cookie}\r\n").into_bytes()
}

impl Client {
    /// Connects over the loopback interface.
    pub fn connect(to: Address<'_>) -> Outcome<Self> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, to.port))
            .and_then(|stream| {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
                Ok(stream)
            })
            .map_err(|error| format!("cannot connect: {error}"))?;
        let stream: Box<dyn Transport> = match to.tls {
            Some(tls) => Box::new(tls.handshake(socket)?),
            None => Box::new(socket),
        };
        Ok(Self { stream, received: Vec::with_capacity(READ_BYTES) })
    }

    /// The status of `GET path`.
    pub fn get(&mut self, path: &str) -> Outcome<u16> {
        self.exchange(&get(path, None)).map(|(status, _)| status)
    }

    /// The body of the answer to `POST path`, which has to have status 200.
    pub fn post(&mut self, path: &str, body: &str) -> Outcome<&[u8]> {
        self.ask(&post(path, body))?.ok_or_else(|| "the server has too much to do".to_owned())
    }

    /// The body of the answer to a whole request, or nothing where the server says that it has too much to do.
    pub fn ask(&mut self, request: &[u8]) -> Outcome<Option<&[u8]>> {
        match self.exchange(request)? {
            (200, body) => Ok(Some(body)),
            (503, _) => Ok(None),
            (status, body) => Err(format!("HTTP {status}: {}", String::from_utf8_lossy(body).trim_end())),
        }
    }

    fn exchange(&mut self, request: &[u8]) -> Outcome<(u16, &[u8])> {
        self.stream.write_all(request).map_err(|error| broken(&error))?;
        self.received.clear();
        let mut end = None;
        while end.is_none_or(|(_, end)| self.received.len() < end) {
            self.receive()?;
            if end.is_none() {
                end = answer_end(&self.received)?;
            }
        }
        let (head_bytes, end) = end.unwrap_or_default();
        if self.received.len() > end {
            return Err("more was answered than was asked".to_owned());
        }
        let status = std::str::from_utf8(self.received.get(9..12).unwrap_or_default()).ok();
        let status =
            status.and_then(|status| status.parse().ok()).ok_or("an answer does not begin like HTTP")?;
        Ok((status, &self.received[head_bytes..end]))
    }

    fn receive(&mut self) -> Outcome<()> {
        let before = self.received.len();
        self.received.resize(before + READ_BYTES, 0);
        let bytes = self.stream.read(&mut self.received[before..]).map_err(|error| broken(&error))?;
        self.received.truncate(before + bytes);
        if bytes == 0 { Err("the server closed the connection".to_owned()) } else { Ok(()) }
    }
}

fn broken(error: &std::io::Error) -> String {
    format!("the connection broke: {error}")
}

/// Where the head and where the body of an answer end, once its head is there.
fn answer_end(received: &[u8]) -> Outcome<Option<(usize, usize)>> {
    let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&received[..at]).map_err(|_| "the head of an answer is not text")?;
    let header = |name: &str| {
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let body = at + 4;
    if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return Ok(chunks_end(&received[body..])?.map(|bytes| (body, body + bytes)));
    }
    let bytes = header("content-length").and_then(|value| value.parse().ok());
    let bytes: usize =
        bytes.filter(|bytes| *bytes <= ANSWER_BYTES_MAX).ok_or("an answer has no sensible Content-Length")?;
    Ok(Some((body, body + bytes)))
}

/// How long a body in chunks is, once the last of them is there.
fn chunks_end(body: &[u8]) -> Outcome<Option<usize>> {
    let mut at = 0;
    loop {
        let Some(line) = body[at..].windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&body[at..at + line]).ok();
        let size = size.and_then(|text| usize::from_str_radix(text, 16).ok());
        let size = size.filter(|size| *size <= ANSWER_BYTES_MAX).ok_or("an answer has no sensible chunks")?;
        at += line + 2 + size + 2;
        if body.len() < at {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_head_says() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nX: y\r\n\r\nabc";
        for cut in 0..44 {
            assert_eq!(answer_end(&answer[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(answer_end(&answer[..44]), Ok(Some((44, 47))));
        assert!(answer_end(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
    #[test]
    fn an_answer_in_chunks_ends_with_the_empty_one() {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12\r\n4\r\nA\r\n0123456789\r\n0\r\n\r\n";
        for cut in 0..answer.len() {
            assert_eq!(answer_end(&answer[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(answer_end(answer), Ok(Some((47, answer.len()))));
        assert!(answer_end(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n").is_err());
    }
}
