//! The listener: from the network to a whole, framed request, and back. It knows HTTP, and nothing of what is asked.
//!
//! | file | does |
//! | --- | --- |
//! | `connection.rs` | accepts connections and serves each, request by request |
//! | `received.rs` | what a client has sent and nobody has used yet |
//! | `head.rs` | decides from a request's head whether its framing can be trusted |
//! | `body.rs` | reads a request's body, as far as its framing says |
//! | `room.rs` | the memory that large bodies share |
//! | `supervisor.rs` | watches all connections, for time, size and number |
//! | `limits.rs` | what a client may use up |
//! | `handler.rs` | a whole request, and who answers it |
//! | `phase.rs` | what a connection is doing, in one word that it shares with the supervisor |
//! | `tls.rs` | ends TLS in front of all this, where the operator wants it |
//! | `peers.rs` | who is behind each connection that comes out of it |
//! | `certificate.rs` | the certificate and key for that |
//! | `response.rs` | what goes back, and the error pages |
//! | `socket.rs` | the calls that the compiler cannot check |
//!
//! A request reaches the [`Handler`] only when all of it has arrived within the limits. The listener itself answers 400,
//! 408, 411, 413, 431 and 503. No byte that a client sent is ever logged or sent back from here, and no query string
//! is passed on. A handler that panics costs its own request (500), never the server.
//!
//! What is not done here, and what comes of it:
//!
//! - It speaks neither HTTP/2 nor `Transfer-Encoding` (411) nor TLS. For TLS, a terminator of ours stands in front. It
//!   hangs up without an answer on clients beyond the number that may be here, for there is no telling them before
//!   hands are shaken.
//! - A request has at most 64 header lines (431). Lines that go on in a next one, as HTTP once allowed, are refused.
//! - Under the target `may` the coroutine library logs each connection. Whoever sets up logging must turn that off.
//!
//! Requests of a pipeline are served and answered in turn. While a client doesn't read its answers, no more of its
//! requests are read.

mod body;
mod certificate;
mod connection;
mod handler;
mod head;
mod limits;
mod peers;
mod phase;
mod received;
mod response;
mod room;
mod socket;
mod supervisor;
mod tls;
mod turns;
mod validity;

pub use certificate::{CertificateFile, TlsCertificate};
pub use handler::{Handler, HttpRequest};
pub use limits::HttpLimits;
pub use response::{Allow, ContentType, Response, error_response};
pub use socket::avoid_huge_pages;

use crate::clock::Clock;
use crate::os;
use crate::problem::{Loggable, Shown};
use may::coroutine::JoinHandle;
use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::thread;
use std::time::Duration;
use std::{fmt, io};
use supervisor::Registry;
use tls::Terminator;

/// How many ended coroutines keep their stacks for the next ones. They are made at the start, so they cost memory.
const SPARE_COROUTINES: usize = 32;
/// Descriptors that no connection gets: for the database, log, mail, lookups, and for connections being refused.
const RESERVED_DESCRIPTORS: usize = 128;
/// How often to look whether everything has ended.
const STOP_POLL: Duration = Duration::from_millis(10);
/// How often at most to look whether the last handshakes are done.
const HANDSHAKE_POLLS_MAX: u128 = 50;

/// Why the listener did not start.
#[derive(Debug)]
pub enum ListenError {
    /// The address cannot be listened on; most often it is in use.
    Listen {
        /// What was asked for.
        address: String,
        /// What the system says.
        cause: io::Error,
    },
    /// The system refuses a thread or a limit.
    System(io::Error),
}

// The address is the server's own.
impl Loggable for ListenError {}

impl fmt::Display for ListenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, cause } => write!(out, "cannot listen on {address}: {}", Shown(cause)),
            Self::System(cause) => write!(out, "cannot start serving: {}", Shown(cause)),
        }
    }
}

impl std::error::Error for ListenError {}

/// How many connections the process may have at a time, by the number of descriptors that it may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Descriptors that may be open.
    pub descriptors: usize,
    /// Connections that these allow.
    pub connections: usize,
    descriptors_each: usize,
}

impl Capacity {
    /// Descriptors that so many connections need.
    #[must_use]
    pub const fn descriptors_for(self, connections: usize) -> usize {
        connections.saturating_mul(self.descriptors_each).saturating_add(RESERVED_DESCRIPTORS)
    }
}

/// Raises the number of descriptors as far as it may be, and tells what that allows.
///
/// # Errors
/// The system does not tell its limit.
pub fn capacity(speaks_tls: bool) -> io::Result<Capacity> {
    let descriptors = socket::raise_descriptor_limit()?;
    let descriptors_each = if speaks_tls { tls::DESCRIPTORS_PER_CLIENT } else { 1 };
    let connections = descriptors.saturating_sub(RESERVED_DESCRIPTORS) / descriptors_each;
    Ok(Capacity { descriptors, connections, descriptors_each })
}

/// The coroutines' side of the program. Set once for the whole process, by whatever listener is started first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Threads that run coroutines; 0 takes one for each core.
    pub threads: usize,
    /// The stack of each coroutine. Memory is taken only as far as a stack is really used. An overflow ends the
    /// process, so this must fit the deepest call, in a build with debug assertions too.
    pub stack_bytes: usize,
}

/// Where to listen.
#[derive(Clone, Copy, Debug)]
pub enum Endpoint<'a> {
    /// At an address or a name, of whose addresses the first that works is taken, and a port. Port 0 takes any free port.
    Address(&'a str, u16),
    /// At the socket that systemd listens on, and handed over to this process. It stays open when this process ends, so
    /// that clients wait for the next one instead of being refused.
    HandedOver,
}

impl<'a> From<(&'a str, u16)> for Endpoint<'a> {
    fn from((host, port): (&'a str, u16)) -> Self {
        Self::Address(host, port)
    }
}

impl fmt::Display for Endpoint<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(host, port) => write!(out, "{host}:{port}"),
            Self::HandedOver => out.write_str("the socket that systemd handed over"),
        }
    }
}

/// A running server of HTTP. Dropping it without [`Listener::stop`] leaves it running.
pub struct Listener {
    address: SocketAddr,
    listeners: Listeners,
    supervisor: thread::JoinHandle<()>,
    registry: Arc<Registry>,
}

impl Listener {
    /// Starts to listen. With a `certificate`, TLS is spoken and nothing else.
    ///
    /// # Errors
    /// The address is in use or not ours, or the system refuses what serving needs.
    pub fn start<'a>(
        endpoint: impl Into<Endpoint<'a>>,
        workers: Workers,
        mut limits: HttpLimits,
        clock: Arc<dyn Clock>,
        handler: Arc<dyn Handler>,
        certificate: Option<TlsCertificate>,
    ) -> Result<Self, ListenError> {
        let endpoint = endpoint.into();
        let refused = |cause| ListenError::Listen { address: endpoint.to_string(), cause };
        let listener = BoundSocket::at(endpoint).map_err(refused)?;
        let address = listener.address;
        configure_process(workers);
        let connections_max = capacity(certificate.is_some()).map_err(ListenError::System)?.connections;
        limits.connections_max = limits.connections_max.min(connections_max.max(1));

        let registry = Arc::new(Registry::new(limits.clone(), Arc::clone(&clock)));
        let shared = connection::Shared {
            limits,
            registry: Arc::clone(&registry),
            handler,
            clock,
            peers: certificate.is_some().then(Arc::default),
        };
        let listeners = Listeners::open(listener, Arc::new(shared), certificate).map_err(refused)?;
        let watching = Arc::clone(&registry);
        let supervisor = thread::Builder::new().name("supervisor".to_owned()).spawn(move || watching.watch());
        match supervisor {
            Ok(supervisor) => Ok(Self { address, listeners, supervisor, registry }),
            Err(cause) => {
                listeners.close();
                Err(ListenError::System(cause))
            }
        }
    }

    /// The address that is listened on, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Whether new connections are accepted. If this ever turns false by itself, say because the system has no memory
    /// for another stack, the process should end, so that its supervisor starts another.
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        self.listeners.are_open()
    }

    /// Proves itself with another certificate to whoever comes from now on. Without TLS, nothing happens.
    pub fn change_certificate(&self, certificate: &TlsCertificate) {
        if let Some(terminator) = &self.listeners.terminator {
            terminator.change_certificate(certificate);
        }
    }

    /// How many clients are connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.listeners.terminator.as_ref().map_or_else(|| self.registry.live(), Terminator::live)
    }

    /// How much is going on, also for who does not have the listener itself.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        Traffic(Arc::clone(&self.registry))
    }

    /// Stops accepting, closes idle connections, and lets every request under way be answered, within `patience`.
    /// Then closes what is left and returns. Call it on a plain thread.
    pub fn stop(self, patience: Duration) {
        let mut polls_left = patience.as_millis() / STOP_POLL.as_millis();
        let mut wait_while = |is_busy: &dyn Fn() -> bool, polls_max: u128| {
            let polls = polls_left.min(polls_max);
            let waited =
                (0..polls).take_while(|_| is_busy()).inspect(|_| thread::park_timeout(STOP_POLL)).count();
            polls_left -= waited as u128;
        };
        self.registry.begin_stop();
        self.listeners.close_front();
        wait_while(&|| self.listeners.shakes_hands(), HANDSHAKE_POLLS_MAX);
        self.listeners.close();
        self.supervisor.thread().unpark();
        wait_while(&|| self.registry.live() > 0 || self.listeners.are_busy(), u128::MAX);
        self.registry.end();
        self.supervisor.thread().unpark();
        // The watch has nothing that could panic; and if it did, there is no more to stop.
        let _ = self.supervisor.join();
    }
}

/// How much is going on at a listener.
pub struct Traffic(Arc<Registry>);

impl Traffic {
    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.live()
    }

    /// Connections that were closed at once, because there were too many.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused()
    }
}

/// Where clients come in: to the plaintext listener, or to a terminator of TLS in front of it.
struct Listeners {
    acceptor: JoinHandle<()>,
    terminator: Option<Terminator>,
}

impl Listeners {
    fn open(
        listener: BoundSocket,
        shared: Arc<connection::Shared>,
        certificate: Option<TlsCertificate>,
    ) -> io::Result<Self> {
        let Some(certificate) = certificate else {
            let acceptor = connection::serve_all(shared, socket::on_coroutines(listener.socket)?)?;
            return Ok(Self { acceptor, terminator: None });
        };
        let inner = BoundSocket::listen("127.0.0.1", 0).or_else(|_| BoundSocket::listen("::1", 0))?;
        let acceptor = connection::serve_all(Arc::clone(&shared), socket::on_coroutines(inner.socket)?)?;
        let listeners = Self { acceptor, terminator: None };
        match Terminator::start(socket::on_coroutines(listener.socket)?, inner.address, &certificate, shared)
        {
            Ok(terminator) => Ok(Self { terminator: Some(terminator), ..listeners }),
            Err(error) => {
                listeners.close();
                Err(error)
            }
        }
    }

    fn are_open(&self) -> bool {
        !self.acceptor.is_done() && self.terminator.as_ref().is_none_or(Terminator::is_accepting)
    }

    /// Whether anything still comes in, or goes out behind the plaintext listener.
    fn are_busy(&self) -> bool {
        let relays = |terminator: &Terminator| terminator.is_accepting() || terminator.relayed() > 0;
        !self.acceptor.is_done() || self.terminator.as_ref().is_some_and(relays)
    }

    /// Whether clients that were let in have yet to reach the plaintext listener.
    fn shakes_hands(&self) -> bool {
        self.terminator.as_ref().is_some_and(|terminator| terminator.live() > terminator.relayed())
    }

    /// Takes no more clients.
    fn close_front(&self) {
        match &self.terminator {
            Some(terminator) => terminator.stop_accepting(),
            None => socket::end_acceptor(&self.acceptor),
        }
    }

    fn close(&self) {
        self.close_front();
        socket::end_acceptor(&self.acceptor);
    }
}

/// A socket that listens, and where.
struct BoundSocket {
    address: SocketAddr,
    socket: std::net::TcpListener,
}

impl BoundSocket {
    fn at(endpoint: Endpoint<'_>) -> io::Result<Self> {
        match endpoint {
            Endpoint::Address(host, port) => Self::listen(host, port),
            Endpoint::HandedOver => Self::of(socket::handed_over()?),
        }
    }

    /// Listens, where nobody else does.
    fn listen(host: &str, port: u16) -> io::Result<Self> {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Self::of(std::net::TcpListener::bind((host, port))?)
    }

    fn of(listener: std::net::TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { address, socket: socket::lengthen_queue(listener)? })
    }
}

fn configure_process(workers: Workers) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // In words; an odd number would turn on printing of how much each stack was used.
        // What a waiting connection gives back must be within its own stack.
        let stack_bytes = workers.stack_bytes.max(2 * socket::STACK_GIVEN_BACK_BYTES);
        let stack_words = (stack_bytes / size_of::<usize>()) & !1;
        may::config()
            .set_workers(workers.threads)
            .set_stack_size(stack_words)
            .set_pool_capacity(SPARE_COROUTINES)
            // Pinned to cores, workers could not make way for the threads that hash.
            .set_worker_pin(false);
        // Their threads start with the first coroutine. On a machine where those who ask run beside them, each message would stop the
        // one who has yet more to send; so they answer some at a time.
        // Without memory for this one, the listener's own fails too.
        let _ = os::as_batch(|| socket::spawn(|| {}));
    });
}
