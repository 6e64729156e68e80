//! A connection to the server. Each read and write ends at a deadline, however slowly bytes come.

use crate::errors::{Error, bad_answer, unavailable};
use crate::http::{Address, HEAD_BYTES_MAX, Head};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Whom TLS trusts; without TLS there is nothing to say.
#[cfg(feature = "tls")]
pub(crate) type Trust = std::sync::Arc<rustls::ClientConfig>;
/// There is no TLS.
#[cfg(not(feature = "tls"))]
pub(crate) type Trust = std::convert::Infallible;

/// A socket that waits for nothing beyond a time.
pub(crate) struct Timed {
    socket: TcpStream,
    deadline: Instant,
}

impl Timed {
    fn remaining(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.remaining()?)?;
        self.socket.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.remaining()?)?;
        self.socket.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// What bytes go through.
enum Stream {
    Plain(Timed),
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, Timed>>),
}

/// A connection.
pub(crate) struct Connection {
    stream: Stream,
}

/// What came over HTTP.
pub(crate) struct Reply {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    /// Connects, and shakes hands where it is TLS.
    pub(crate) fn open(address: &Address, trust: Option<&Trust>, timeout: Duration) -> Result<Self, Error> {
        let unreached =
            |error: io::Error| unavailable(format!("the server cannot be reached: {}", why(&error)), false);
        let deadline = Instant::now() + timeout;
        let socket = connect(address, deadline).map_err(unreached)?;
        socket.set_nodelay(true).map_err(unreached)?;
        let timed = Timed { socket, deadline };
        let Some(trust) = trust else { return Ok(Self { stream: Stream::Plain(timed) }) };
        secured(address, trust, timed).map_err(unreached)
    }

    /// Whether the server has closed it, or says what nobody asked for.
    pub(crate) fn is_stale(&self) -> bool {
        let socket = &self.timed().socket;
        let mut byte = [0];
        let would_wait = |error: &io::Error| error.kind() == ErrorKind::WouldBlock;
        let is_quiet = socket.set_nonblocking(true).is_ok()
            && socket.peek(&mut byte).is_err_and(|error| would_wait(&error));
        !is_quiet || socket.set_nonblocking(false).is_err()
    }

    /// Sends a request and reads its answer. The connection can be used again if the answer says so.
    pub(crate) fn exchange(
        &mut self,
        request: &[u8],
        timeout: Duration,
        bytes_max: usize,
    ) -> Result<Reply, Error> {
        self.timed_mut().deadline = Instant::now() + timeout;
        let failed = |error: io::Error| unavailable(format!("no answer: {}", why(&error)), true);
        let stream = self.stream();
        stream.write_all(request).and_then(|()| stream.flush()).map_err(failed)?;
        let mut received = Vec::new();
        let (head_end, body_start) = loop {
            if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                break (end, end + 4);
            }
            if received.len() > HEAD_BYTES_MAX {
                return Err(bad_answer("the answer's head is too long"));
            }
            some(stream, &mut received, HEAD_BYTES_MAX)?;
        };
        let mut head = Head::parse(&received[..head_end], bytes_max)?;
        let mut body = received.split_off(body_start);
        while body.len() < head.length {
            let missing = head.length - body.len();
            some(stream, &mut body, missing.min(1 << 18))?;
        }
        // What comes behind an answer nobody asked for.
        head.stays_open &= body.len() == head.length;
        body.truncate(head.length);
        Ok(Reply { head, body })
    }

    fn stream(&mut self) -> &mut dyn ReadWrite {
        match &mut self.stream {
            Stream::Plain(timed) => timed,
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls,
        }
    }

    fn timed(&self) -> &Timed {
        match &self.stream {
            Stream::Plain(timed) => timed,
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => &tls.sock,
        }
    }

    fn timed_mut(&mut self) -> &mut Timed {
        match &mut self.stream {
            Stream::Plain(timed) => timed,
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => &mut tls.sock,
        }
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

fn connect(address: &Address, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::from(ErrorKind::NotFound);
    for one in (address.host.as_str(), address.port).to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&one, left) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(feature = "tls")]
fn secured(address: &Address, trust: &Trust, mut timed: Timed) -> io::Result<Connection> {
    let name = rustls::pki_types::ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
    let mut tls = rustls::ClientConnection::new(trust.clone(), name).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut timed)?;
    }
    Ok(Connection { stream: Stream::Tls(Box::new(rustls::StreamOwned::new(tls, timed))) })
}

#[cfg(not(feature = "tls"))]
fn secured(_: &Address, trust: &Trust, _: Timed) -> io::Result<Connection> {
    match *trust {}
}

/// Reads what is there, up to a length.
fn some(stream: &mut dyn ReadWrite, received: &mut Vec<u8>, most: usize) -> Result<(), Error> {
    let start = received.len();
    received.resize(start + most, 0);
    let read = loop {
        match stream.read(&mut received[start..]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => break read,
        }
    };
    let length = read.map_err(|error| unavailable(format!("no answer: {}", why(&error)), true))?;
    received.truncate(start + length);
    if length == 0 {
        return Err(unavailable("the server closed the connection without an answer", true));
    }
    Ok(())
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "it took too long".to_owned(),
        _ => error.to_string(),
    }
}
