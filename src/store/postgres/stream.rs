//! A connection's bytes: over TCP or a Unix socket, with or without TLS, waited for on a coroutine without holding up others,
//! or on a plain thread.

use super::scram::certificate_binding;
use super::target::{Host, Target};
use crate::clock::Clock;
use crate::files::read_small;
use crate::os;
use crate::problem::Problem;
use may::coroutine;
use may::io::CoIo;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// The shortest time that a timer knows.
const LEFT_MIN: Duration = Duration::from_millis(1);
/// The largest file of certificates that is read.
const ROOTS_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A socket that two own: who waits for it on a coroutine, and [`Socket`], which closes it.
struct Shared(Arc<TcpStream>);

impl AsRawFd for Shared {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Write for Shared {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self.0).write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket. The fields are dropped in this order: the descriptor is closed after nobody waits for it any more.
struct Socket {
    /// Made by the first coroutine that waits here: whoever listens settles how coroutines run, before there is one.
    on_coroutine: Option<CoIo<Shared>>,
    on_thread: Arc<TcpStream>,
    is_blocking: bool,
    clock: Arc<dyn Clock>,
    /// When what is waited for has to be there.
    until: Duration,
}

impl Socket {
    fn connect(host: &Host, clock: &Arc<dyn Clock>, limit: Duration) -> io::Result<Self> {
        let until = clock.monotonic() + limit;
        let stream = match host {
            // It is one by name only: what reads and writes it does not depend on the kind of a socket.
            Host::Unix(path) => TcpStream::from(OwnedFd::from(UnixStream::connect(path)?)),
            Host::Tcp(name, port) => {
                let mut last = io::Error::from(ErrorKind::NotFound);
                let mut addresses = addresses(name, *port)?.into_iter();
                let connected = addresses.find_map(|address| {
                    let connected =
                        left(&**clock, until).and_then(|left| TcpStream::connect_timeout(&address, left));
                    connected.map_err(|error| last = error).ok()
                });
                let stream = connected.ok_or(last)?;
                stream.set_nodelay(true)?;
                os::end_when_peer_is_lost(&stream)?;
                stream
            }
        };
        let clock = Arc::clone(clock);
        Ok(Self { on_coroutine: None, on_thread: Arc::new(stream), is_blocking: true, clock, until })
    }

    /// Gets ready for who asks: on a coroutine, which gets what waits there, the socket must not hold up the thread; on a plain
    /// thread it may. Waits for no longer than until the time is over, however often something comes.
    fn on_coroutine(&mut self) -> io::Result<Option<&mut CoIo<Shared>>> {
        let left = left(&*self.clock, self.until)?;
        let is_coroutine = coroutine::is_coroutine();
        if self.is_blocking == is_coroutine {
            self.on_thread.set_nonblocking(is_coroutine)?;
            self.is_blocking = !is_coroutine;
        }
        if is_coroutine && self.on_coroutine.is_none() {
            let made = CoIo::new(Shared(Arc::clone(&self.on_thread))).map_err(|_| ErrorKind::OutOfMemory)?;
            self.on_coroutine = Some(made);
        }
        let on_coroutine = self.on_coroutine.as_mut().filter(|_| is_coroutine);
        if let Some(socket) = &on_coroutine {
            socket.set_read_timeout(Some(left))?;
            socket.set_write_timeout(Some(left))?;
        } else {
            self.on_thread.set_read_timeout(Some(left))?;
            self.on_thread.set_write_timeout(Some(left))?;
        }
        Ok(on_coroutine)
    }
}

/// How much time is left.
fn left(clock: &dyn Clock, until: Duration) -> io::Result<Duration> {
    let left = until.saturating_sub(clock.monotonic());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left.max(LEFT_MIN)) }
}

fn waited<T>(done: io::Result<T>) -> io::Result<T> {
    done.map_err(|error| match error.kind() {
        // So a plain thread hears of it.
        ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
        ErrorKind::TimedOut => {
            // A timer woke the coroutine on the thread that serves all timers.
            coroutine::yield_now();
            error
        }
        _ => error,
    })
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let done = match self.on_coroutine()? {
            Some(socket) => socket.read(buffer),
            None => (&*self.on_thread).read(buffer),
        };
        waited(done)
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let done = match self.on_coroutine()? {
            Some(socket) => socket.write(buffer),
            None => (&*self.on_thread).write(buffer),
        };
        waited(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where a host is. This machine itself is known also where it knows no names.
#[expect(
    clippy::disallowed_methods,
    reason = "this runs on threads that make connections, and localhost is not looked up"
)]
fn addresses(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if name == "localhost" {
        return Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]);
    }
    // Its error is none of the system's, and would be shown as nothing but "another one".
    let found = (name, port).to_socket_addrs();
    Ok(found.map_err(|_| io::Error::other(Problem::from("nobody knows the name of a host")))?.collect())
}

/// A connection's bytes.
pub(super) struct Stream {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    /// How long each exchange may take; while there is none, what was begun by connecting goes on.
    pub(super) limit: Option<Duration>,
}

impl Stream {
    /// Connects to a host, in plaintext at first. This, and all that follows until there is another limit, takes no longer than
    /// `limit`. Waits for names to be looked up, so it is for plain threads.
    pub(super) fn connect(host: &Host, clock: &Arc<dyn Clock>, limit: Duration) -> io::Result<Self> {
        Ok(Self { socket: Socket::connect(host, clock, limit)?, tls: None, limit: None })
    }

    /// Something new is asked.
    pub(super) fn begin(&mut self) {
        if let Some(limit) = self.limit {
            self.socket.until = self.socket.clock.monotonic() + limit;
        }
    }

    /// Goes on under TLS with the server that has this name. Whoever calls has seen that nothing
    /// came before it: that would not be the server's.
    pub(super) fn start_tls(&mut self, name: &str, config: Arc<ClientConfig>) -> io::Result<()> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| ErrorKind::InvalidInput)?;
        let mut tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut self.socket).map_err(|error| {
                let refused = error.kind() == ErrorKind::InvalidData;
                if refused {
                    io::Error::other(Problem::from("its certificate is refused, or its TLS is not ours"))
                } else {
                    error
                }
            })?;
        }
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// What a login is bound to: the hash of the server's certificate.
    pub(super) fn binding(&self) -> Option<Vec<u8>> {
        certificate_binding(self.tls.as_ref()?.peer_certificates()?.first()?)
    }

    /// Reads some bytes; an end is an error.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.tls {
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).read(buffer),
            None => self.socket.read(buffer),
        };
        match read {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => self.read(buffer),
            read => read,
        }
    }

    /// Writes all bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => {
                let mut stream = rustls::Stream::new(&mut **tls, &mut self.socket);
                stream.write_all(bytes)?;
                stream.flush()
            }
            None => self.socket.write_all(bytes),
        }
    }
}

/// How TLS is to be, with the certificates that the target trusts.
pub(super) fn tls_config(target: &Target) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match &target.roots {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let pem =
                read_small(path, ROOTS_BYTES_MAX).map_err(|error| io::Error::other(Problem::of(&error)))?;
            for certificate in CertificateDer::pem_slice_iter(&pem.bytes) {
                certificate.ok().and_then(|certificate| roots.add(certificate).ok()).ok_or_else(damaged)?;
            }
            if roots.is_empty() {
                return Err(damaged());
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn damaged() -> io::Error {
    io::Error::other(Problem::from("the file that sslrootcert names holds no certificates, or a damaged one"))
}
