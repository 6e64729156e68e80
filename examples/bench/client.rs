//! An HTTP client that knows just enough: one kept-alive connection, answers with a `Content-Length`.

use crate::Outcome;
use crate::server::Address;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// An answer that takes longer counts as none.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Longer answers do not occur.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What bytes travel over.
trait Transport: Read + Write {}
impl<T: Read + Write> Transport for T {}

/// A connection to the server.
pub struct Client {
    stream: BufReader<Box<dyn Transport>>,
    line: String,
    body: Vec<u8>,
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
        Ok(Self { stream: BufReader::new(stream), line: String::new(), body: Vec::new() })
    }

    /// The status of `GET path`.
    pub fn get(&mut self, path: &str) -> Outcome<u16> {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).map(|(status, _)| status)
    }

    /// The body of the answer to `POST path`, which has to have status 200.
    pub fn post(&mut self, path: &str, body: &str) -> Outcome<&[u8]> {
        let bytes = body.len();
        let text =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\n\r\n{body}");
        match self.exchange(&text)? {
            (200, body) => Ok(body),
            (status, body) => Err(format!("HTTP {status}: {}", String::from_utf8_lossy(body).trim_end())),
        }
    }

    fn exchange(&mut self, request: &str) -> Outcome<(u16, &[u8])> {
        let broken = |error| format!("the connection broke: {error}");
        self.stream.get_mut().write_all(request.as_bytes()).map_err(broken)?;
        let status = self.read_line()?.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or("an answer does not begin like HTTP")?;
        let mut bytes = None;
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                bytes = value.trim().parse().ok().filter(|bytes| *bytes <= ANSWER_BYTES_MAX);
            }
        }
        self.body.resize(bytes.ok_or("an answer has no sensible Content-Length")?, 0);
        self.stream.read_exact(&mut self.body).map_err(broken)?;
        Ok((status, &self.body))
    }

    fn read_line(&mut self) -> Outcome<&str> {
        self.line.clear();
        match self.stream.read_line(&mut self.line) {
            Ok(0) => Err("the server closed the connection".to_owned()),
            Ok(_) => Ok(self.line.trim_end()),
            Err(error) => Err(format!("the connection broke: {error}")),
        }
    }
}
