//! TLS, ended in front of the plaintext listener. For each client, after its handshake, a connection is made to
//! that listener, which then listens on loopback alone, and bytes are relayed between the two. So all that it and its
//! supervisor enforce holds under TLS as it does without, and nothing of it is written twice.
//!
//! The plaintext listener asks [`Peers`](super::peers::Peers) who is really at the other end. A
//! connection that did not come from here is not known there, and none of its requests is served.
//!
//! Two coroutines carry a connection, one each way. Whoever writes to the client, be it an answer or what TLS itself
//! has to say, has it alone from the sealing to the last byte, so that records stay whole and in order.

use super::certificate::TlsCertificate;
use super::peers::{Client, PeerEntry};
use super::response::{encode_closing, tls_expected};
use super::{connection, socket};
use crate::clock::Clock;
use crate::wait::pause;
use arc_swap::ArcSwap;
use may::coroutine::JoinHandle;
use may::io::{SplitIo, SplitReader, SplitWriter};
use may::net::{TcpListener, TcpStream};
use may::sync::{Mutex as CoroutineMutex, MutexGuard as CoroutineMutexGuard};
use rustls::{ServerConfig, ServerConnection};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Descriptors of one client: two for each of the two connections, and the plaintext listener's own.
pub(super) const DESCRIPTORS_PER_CLIENT: usize = 5;
/// How long the acceptor rests while there is no room or the system refuses.
const ACCEPT_PAUSE: Duration = Duration::from_millis(5);
/// How often to look whether a client that got its last answer has hung up, and how often at most.
const LINGER_PAUSE: Duration = Duration::from_millis(25);
const LINGER_PAUSES_MAX: u32 = 80;
/// As much is carried at a time. Requests and answers are rarely longer, and every client has a few of these.
const BUFFER_BYTES: usize = 4 * 1024;
/// The timers count whole milliseconds and take zero for "forever".
const TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// The first byte of every client that speaks TLS.
const HANDSHAKE_RECORD: u8 = 0x16;

/// Ends TLS in front of a plaintext listener.
pub(super) struct Terminator {
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
}

impl Terminator {
    /// Relays what comes in at `listener` to the plaintext listener at `inner`, which shares `http`.
    pub(super) fn start(
        listener: TcpListener,
        inner: SocketAddr,
        certificate: &TlsCertificate,
        http: Arc<connection::Shared>,
    ) -> io::Result<Self> {
        let config = ArcSwap::new(certificate.config());
        let shared = Arc::new(Shared { config, inner, http, live: AtomicUsize::new(0) });
        let accepting = Arc::clone(&shared);
        let acceptor = socket::spawn(move || accept(&accepting, &listener))?;
        Ok(Self { shared, acceptor })
    }

    /// Proves itself with another certificate to whoever comes from now on.
    pub(super) fn change_certificate(&self, certificate: &TlsCertificate) {
        self.shared.config.store(certificate.config());
    }

    /// How many clients there are, those that still shake hands included.
    pub(super) fn live(&self) -> usize {
        self.shared.live.load(Ordering::Acquire)
    }

    /// How many clients have done their handshake, so that an answer may still be on its way to them.
    pub(super) fn relayed(&self) -> usize {
        self.shared.http.peers.as_ref().map_or(0, |peers| peers.len())
    }

    pub(super) fn is_accepting(&self) -> bool {
        !self.acceptor.is_done()
    }

    pub(super) fn stop_accepting(&self) {
        socket::end_acceptor(&self.acceptor);
    }
}

struct Shared {
    config: ArcSwap<ServerConfig>,
    inner: SocketAddr,
    http: Arc<connection::Shared>,
    live: AtomicUsize,
}

/// A client's place among those that may be here at one time.
struct ConnectionPermit(Arc<Shared>);

impl ConnectionPermit {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let permit = Self(Arc::clone(shared));
        (shared.live.fetch_add(1, Ordering::AcqRel) < shared.http.limits.connections_max).then_some(permit)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::AcqRel);
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    loop {
        let (Ok((client, peer)), Some(permit)) = (listener.accept(), ConnectionPermit::take(shared)) else {
            // Too many clients, or the system is out of something. A client that was let in is disconnected.
            pause(ACCEPT_PAUSE);
            continue;
        };
        // Without memory for another coroutine, this client has to go, and the next one may be luckier.
        let _ = socket::spawn(move || {
            serve(permit, client, peer.ip().to_canonical());
        });
    }
}

/// Serves one client to its end. Whatever goes wrong on the way ends its connection, and nobody needs to know more.
fn serve(permit: ConnectionPermit, mut client: TcpStream, peer: IpAddr) -> Option<()> {
    let shared = Arc::clone(&permit.0);
    client.set_nodelay(true).ok()?;
    let mut tls = ServerConnection::new(shared.config.load_full()).ok()?;
    let early = handshake(&shared, &mut client, peer, &mut tls)?;
    client.set_read_timeout(None).ok()?;

    let inner = TcpStream::connect(shared.inner).ok()?;
    inner.set_nodelay(true).ok()?;
    let (client_reader, client_writer) = client.split().ok()?;
    let client_writer = socket::Lent::new(client_writer);
    let client = Client { address: peer, socket: Arc::clone(&client_writer.shared) };
    let peer = shared.http.peers.as_ref()?.introduce(inner.local_addr().ok()?, client);
    let link = Arc::new(Link {
        tls: Mutex::new(tls),
        outlet: CoroutineMutex::new(Outlet { client: client_writer, sealed: Vec::new() }),
        nothing_more_comes: AtomicBool::new(false),
        _peer: peer,
        permit,
    });
    let (inner_reader, inner_writer) = inner.split().ok()?;
    let outward = Downstream { link: Arc::clone(&link), inner: inner_reader };
    let inward = Upstream { link, client: client_reader, inner: inner_writer, plain: early };
    socket::spawn(move || outward.relay()).ok()?;
    inward.relay();
    Some(())
}

/// Does the TLS handshake, within the time in which a plain client has to send a head. Returns what the client has said already:
/// its first request may come with the end of the handshake.
fn handshake(
    shared: &Shared,
    client: &mut TcpStream,
    peer: IpAddr,
    tls: &mut ServerConnection,
) -> Option<Vec<u8>> {
    let deadline = Deadline::after(&*shared.http.clock, shared.http.limits.head_seconds_max);
    let (mut received, mut sealed, mut early) = (vec![0; BUFFER_BYTES], Vec::new(), Vec::new());
    let mut is_first = true;
    loop {
        take_records(tls, &mut sealed);
        deadline.write_all(client, &sealed)?;
        if !tls.is_handshaking() {
            return Some(early);
        }
        client.set_read_timeout(Some(deadline.left()?)).ok()?;
        let count = client.read(&mut received).ok().filter(|count| *count > 0)?;
        if is_first && received[0] != HANDSHAKE_RECORD {
            // Most likely a client that was told http:// where it should be https://. It must hear of it in its words.
            let _ = deadline.write_all(client, &encode_closing(&tls_expected(), &*shared.http.clock));
            shared.http.handler.refused("plain HTTP where TLS is spoken", peer);
            return None;
        }
        is_first = false;
        if decrypt_records(tls, &received[..count], &mut early).is_err() {
            take_records(tls, &mut sealed);
            let _ = deadline.write_all(client, &sealed);
            return None;
        }
    }
}

/// What the two directions of a connection share.
struct Link {
    /// Locked only for reckoning, never across a wait.
    tls: Mutex<ServerConnection>,
    outlet: CoroutineMutex<Outlet>,
    /// The client's side has ended, or can't be carried any further.
    nothing_more_comes: AtomicBool,
    _peer: PeerEntry,
    permit: ConnectionPermit,
}

impl Link {
    fn tls(&self) -> MutexGuard<'_, ServerConnection> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outlet(&self) -> CoroutineMutexGuard<'_, Outlet> {
        self.outlet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what TLS has to say after this; nothing if that fails or the client does not take it.
    fn send(&self, say: impl FnOnce(&mut ServerConnection) -> io::Result<()>) -> Option<()> {
        let mut outlet = self.outlet();
        let Outlet { client, sealed } = &mut *outlet;
        {
            let mut tls = self.tls();
            say(&mut tls).ok()?;
            take_records(&mut tls, sealed);
        }
        let http = &self.permit.0.http;
        Deadline::after(&*http.clock, http.limits.send_seconds_max).write_all(client.stream(), sealed)
    }
}

/// The client's end of a connection, where it is written to.
struct Outlet {
    client: socket::Lent,
    sealed: Vec<u8>,
}

/// From the client to the plaintext listener. The link is dropped before the connections are closed.
struct Upstream {
    link: Arc<Link>,
    client: SplitReader<TcpStream>,
    inner: SplitWriter<TcpStream>,
    /// What has been opened and not been carried on yet.
    plain: Vec<u8>,
}

impl Upstream {
    fn relay(mut self) {
        let how = if self.carry_all().is_ok() { Shutdown::Write } else { Shutdown::Both };
        self.link.nothing_more_comes.store(true, Ordering::Release);
        // It may be gone already, which is as well.
        let _ = self.inner.inner().shutdown(how);
    }

    /// Relays everything; an error if the client broke TLS or the plaintext listener has hung up.
    fn carry_all(&mut self) -> io::Result<()> {
        let mut received = vec![0; BUFFER_BYTES];
        // First without a byte, for the handshake may have brought a request, and the end, too.
        let mut count = 0;
        loop {
            let (is_over, has_to_speak) = {
                let mut tls = self.link.tls();
                let is_over = decrypt_records(&mut tls, &received[..count], &mut self.plain)?;
                (is_over, tls.wants_write())
            };
            if has_to_speak {
                // Say, that the handshake will not be repeated, or that keys have changed.
                self.link.send(|_| Ok(())).ok_or(ErrorKind::BrokenPipe)?;
            }
            self.inner.write_all(&self.plain)?;
            self.plain.clear();
            if is_over {
                return Ok(());
            }
            count = self.client.read(&mut received)?;
            if count == 0 {
                return Ok(());
            }
        }
    }
}

/// From the plaintext listener to the client. The link is dropped before the connections are closed.
struct Downstream {
    link: Arc<Link>,
    inner: SplitReader<TcpStream>,
}

impl Downstream {
    fn relay(mut self) {
        if self.carry_all().is_some() {
            self.linger();
        }
        // Either may be gone already, which is as well.
        let _ = self.link.outlet().client.stream().shutdown(Shutdown::Both);
        let _ = self.inner.inner().shutdown(Shutdown::Both);
    }

    /// Relays everything and says that it was the last; nothing if the client does not take it.
    fn carry_all(&mut self) -> Option<()> {
        let mut plain = vec![0; BUFFER_BYTES];
        loop {
            // An error is an end as well: the plaintext listener has no other way to hang up on a client.
            let count = self.inner.read(&mut plain).unwrap_or(0);
            if count == 0 {
                self.link.send(|tls| {
                    tls.send_close_notify();
                    Ok(())
                })?;
                return self.link.outlet().client.stream().shutdown(Shutdown::Write).ok();
            }
            self.link.send(|tls| tls.writer().write_all(&plain[..count]))?;
        }
    }

    /// Waits a moment for the client to hang up. If the socket were closed while it still sends, the reset would
    /// overtake the answer.
    fn linger(&self) {
        let link = &self.link;
        for _ in 0..LINGER_PAUSES_MAX {
            if link.nothing_more_comes.load(Ordering::Acquire) || link.permit.0.http.registry.is_stopping() {
                return;
            }
            pause(LINGER_PAUSE);
        }
    }
}

/// Opens what came, and puts what the client says in it behind `plain`; tells whether that was the last.
fn decrypt_records(tls: &mut ServerConnection, mut received: &[u8], plain: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let state = tls.process_new_packets().map_err(|_| ErrorKind::InvalidData)?;
        let start = plain.len();
        plain.resize(start + state.plaintext_bytes_to_read(), 0);
        tls.reader().read_exact(&mut plain[start..])?;
        if state.peer_has_closed() || received.is_empty() {
            return Ok(state.peer_has_closed());
        }
        tls.read_tls(&mut received)?;
    }
}

/// Replaces what is in `sealed` by all that TLS has to send.
fn take_records(tls: &mut ServerConnection, sealed: &mut Vec<u8>) {
    sealed.clear();
    while tls.wants_write() && tls.write_tls(sealed).is_ok() {}
}

/// When the patience with a client ends.
struct Deadline<'a> {
    clock: &'a dyn Clock,
    end: Duration,
}

impl<'a> Deadline<'a> {
    fn after(clock: &'a dyn Clock, seconds: u32) -> Self {
        Self { clock, end: clock.monotonic() + Duration::from_secs(seconds.into()) }
    }

    /// The time that is left, if any.
    fn left(&self) -> Option<Duration> {
        let left = self.end.checked_sub(self.clock.monotonic())?;
        Some(left.max(TIMEOUT_MIN))
    }

    fn write_all(&self, client: &mut TcpStream, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            client.set_write_timeout(Some(self.left()?)).ok()?;
            let count = client.write(bytes).ok().filter(|count| *count > 0)?;
            bytes = &bytes[count..];
        }
        Some(())
    }
}
