//! Serves connections: each on a coroutine of its own, its requests in turn, its answers in order.
//!
//! Answers gather until there are enough of them, or until there is nothing else to do. While they are being written
//! no request is served and none is received, so a client that doesn't read can't make the server work or keep much.
//! Nothing ever waits for a client that might be waiting for an answer which has not been written.
//!
//! After some requests nothing that follows on the connection can be trusted or is wanted. Their answer is the last.
//!
//! A coroutine learns only once that there is something to read. So each wait begins with an attempt: `read` and
//! `write` of the coroutine library forget older news, try, and wait only for news that come after that.
//!
//! Nothing here may wait in a `Drop`, because `Drop` also runs while a coroutine unwinds.

use super::handler::{Handler, HttpRequest};
use super::head::Head;
use super::limits::HttpLimits;
use super::peers::Peers;
use super::received::{Next, Received};
use super::response::{Response, encode_head, error_response, reason};
use super::room::BodyPermit;
use super::supervisor::{CONTINUE, Phase, Registration, Registry};
use super::{body, socket, turns};
use crate::clock::Clock;
use crate::wait::pause;
use may::coroutine::JoinHandle;
use may::io::WaitIo;
use may::net::{TcpListener, TcpStream};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// How long the acceptor rests while there is no room or the system refuses: time for others to end, and a brake on a
/// flood.
const ACCEPT_PAUSE: Duration = Duration::from_millis(5);
/// Answers are written once so many bytes of them have gathered. A longer body does not gather at all.
const GATHERED_BYTES_MAX: usize = 16 * 1024;
/// So much memory for answers a connection keeps while it waits.
const KEPT_BYTES_MAX: usize = 4 * 1024;
/// How often to look whether a client that is refused sends more.
const SOCKET_PAUSE: Duration = Duration::from_millis(25);
const SOCKET_PAUSES_PER_SECOND: u32 = 40;
/// How long, and for how many bytes, to go on reading from a client that is refused. If the socket were closed while
/// it still sends, the reset would overtake the answer.
const LINGER_SECONDS_MAX: u32 = 2;
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;
const LINGER_BUFFER_BYTES: usize = 16 * 1024;

/// What all connections of a listener share.
pub(super) struct Shared {
    pub limits: HttpLimits,
    pub registry: Arc<Registry>,
    pub handler: Arc<dyn Handler>,
    pub clock: Arc<dyn Clock>,
    /// Where all connections come from the terminator of TLS: who is behind each.
    pub peers: Option<Arc<Peers>>,
}

/// Serves whoever connects to this listener, until the coroutine that is returned is ended.
pub(super) fn serve_all(shared: Arc<Shared>, listener: TcpListener) -> io::Result<JoinHandle<()>> {
    socket::spawn(move || {
        loop {
            match listener.accept() {
                Ok((stream, _)) => welcome(&shared, stream),
                Err(_) => pause(ACCEPT_PAUSE),
            }
        }
    })
}

/// Runs on the coroutine that accepts.
fn welcome(shared: &Arc<Shared>, stream: TcpStream) {
    // The coroutine runs where the news of its socket arrive, if that thread is free.
    let id = usize::try_from(stream.as_raw_fd()).unwrap_or(0);
    match shared.registry.admit(stream) {
        Ok(registration) => {
            let connection = Connection {
                shared: Arc::clone(shared),
                registration,
                received: Received::new(),
                answers: Vec::new(),
                peer: None,
                stack_top: 0,
            };
            // Without memory for another coroutine, this client has to go, and the next one may be luckier.
            let _ = socket::spawn_near(id, move || connection.run());
        }
        Err(stream) => {
            if shared.registry.at_capacity() {
                pause(ACCEPT_PAUSE);
            }
            // What it has asked already must not lie here unread when the socket is closed: the reset would overtake
            // the refusal.
            let _ = stream.inner().read(&mut [0; 4096]);
        }
    }
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Keep,
    Close,
    /// Close, but the client may still be sending what nobody wants.
    Refuse,
}

/// An answer, and how it is sent.
struct Outgoing {
    reply: Response,
    after: After,
    /// False leaves the body out but tells its length: the answer to HEAD.
    with_body: bool,
}

/// A connection that was let in. Its methods return nothing where it has come to an end: the client has gone, or the
/// supervisor has ended it.
struct Connection {
    shared: Arc<Shared>,
    registration: Registration,
    received: Received,
    /// Answers that gather until they are written.
    answers: Vec<u8>,
    /// The client's address, once a request was there.
    peer: Option<IpAddr>,
    /// Where its stack begins, about.
    stack_top: usize,
}

impl Connection {
    fn run(mut self) {
        self.stack_top = socket::stack_position();
        if let Some(after) = self.serve() {
            self.finish(after);
        }
    }

    /// Serves one request after the other; what it calls for that is not inlined, so that a connection that waits has a short
    /// stack. Tells how to end after the last answer, which has then been written.
    fn serve(&mut self) -> Option<After> {
        loop {
            let after = match self.received.next_head(&self.shared.limits) {
                Next::Head(head) => self.serve_request(&head)?,
                Next::Refused(status) => {
                    let peer = self.learn_peer()?;
                    self.begin()?;
                    self.refuse(status, peer)?
                }
                Next::Incomplete => {
                    self.flush()?;
                    self.receive()?;
                    After::Keep
                }
            };
            if after != After::Keep {
                self.flush()?;
                return Some(after);
            }
        }
    }

    #[inline(never)]
    fn serve_request(&mut self, head: &Head) -> Option<After> {
        turns::give_way(self.shared.clock.monotonic());
        // Whoever came to the plaintext listener around the terminator gets nothing.
        let peer = self.learn_peer()?;
        if self.received.len() < head.body_bytes {
            // The client sends its body when it pleases, say once it has read the answers before.
            if head.expects_continue {
                self.registration.announce(CONTINUE.len() as u64)?;
                self.answers.extend_from_slice(CONTINUE);
            }
            self.flush()?;
        }
        self.begin()?;
        match self.answer_to(head, peer) {
            Ok(answer) => self.send(answer),
            Err(status) => self.refuse(status, peer),
        }
    }

    /// Refuses what is not a whole request.
    #[inline(never)]
    fn refuse(&mut self, status: u16, peer: IpAddr) -> Option<After> {
        self.shared.handler.refused(reason(status), peer);
        self.send(Outgoing { reply: error_response(status), after: After::Refuse, with_body: true })
    }

    /// Who asks. The terminator tells before it carries the first byte, but perhaps after the connection was accepted.
    fn learn_peer(&mut self) -> Option<IpAddr> {
        if self.peer.is_none() {
            let address = self.registration.peer();
            self.peer = match &self.shared.peers {
                Some(peers) => peers.behind(address).map(|client| {
                    self.registration.came_through(client.socket);
                    client.address
                }),
                None => Some(address.ip().to_canonical()),
            };
        }
        self.peer
    }

    /// Takes a request up, unless the supervisor has ended the connection.
    fn begin(&self) -> Option<()> {
        self.registration.shift(Phase::Waiting, Phase::Handling).then_some(())
    }

    /// Reads the body and asks the handler; an error is the status to refuse the request with.
    fn answer_to(&mut self, head: &Head, peer: IpAddr) -> Result<Outgoing, u16> {
        let Self { shared, registration, received, .. } = self;
        let mut share = BodyPermit::none(&shared.registry.room);
        let body = body::read(registration, received, head.body_bytes, &mut share)?;
        let presence = registration.presence();
        let Head { method, path, host, .. } = head;
        let request = HttpRequest { peer, method, path, host, body: &body, presence };
        registration.lets_probe(head.knows_interim_answers);
        let handled = catch_unwind(AssertUnwindSafe(|| shared.handler.handle(&request)));
        registration.lets_probe(false);
        let close = head.close || handled.is_err() || shared.registry.is_stopping();
        let after = if close { After::Close } else { After::Keep };
        let reply = handled.unwrap_or_else(|_| error_response(500));
        Ok(Outgoing { reply, after, with_body: head.method != "HEAD" })
    }

    /// Puts an answer behind those that have gathered, and writes them if they are enough.
    fn send(&mut self, answer: Outgoing) -> Option<After> {
        let Outgoing { reply, after, with_body } = answer;
        let before_bytes = self.answers.len();
        encode_head(&reply, after != After::Keep, &*self.shared.clock, &mut self.answers);
        let body: &[u8] = if with_body { &reply.body } else { &[] };
        let bytes = self.answers.len() - before_bytes + body.len();
        self.registration.answered(bytes as u64, Phase::Waiting);
        if body.len() <= GATHERED_BYTES_MAX {
            self.answers.extend_from_slice(body);
        }
        if self.answers.len() >= GATHERED_BYTES_MAX || body.len() > GATHERED_BYTES_MAX {
            self.flush()?;
        }
        if body.len() > GATHERED_BYTES_MAX {
            self.registration.stream().write_all(body).ok()?;
        }
        Some(after)
    }

    /// Writes what has gathered, however long the client takes for it.
    fn flush(&mut self) -> Option<()> {
        self.registration.stream().write_all(&self.answers).ok()?;
        self.answers.clear();
        if self.answers.capacity() > KEPT_BYTES_MAX {
            self.answers = Vec::new();
        }
        Some(())
    }

    /// Waits until the client sends more; nothing if it has said that nothing more will come.
    fn receive(&mut self) -> Option<()> {
        loop {
            let spare = self.received.spare(&self.shared.limits);
            // The bare socket doesn't wait: the supervisor, too, may end the wait that follows.
            match self.registration.stream().inner().read(spare) {
                Ok(0) => return None,
                Ok(bytes) => {
                    self.received.add(bytes);
                    return Some(());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    /// Waits for news of the socket that came after it was last read, or for the supervisor.
    fn wait(&mut self) {
        if self.received.len() == 0 && self.registration.is_to_rest() {
            self.received.release();
            self.answers = Vec::new();
            socket::give_back_stack(self.stack_top);
        }
        self.registration.stream().wait_io();
    }

    /// The last answer has been written. The connection ends with this, unless the supervisor was faster.
    #[inline(never)]
    fn finish(&mut self, after: After) {
        // If the client has gone meanwhile, it needs no more telling.
        if self.registration.shift(Phase::Waiting, Phase::Closing)
            && self.registration.stream().shutdown(Shutdown::Write).is_ok()
        {
            self.linger(after == After::Refuse);
        }
    }

    /// Reads and throws away what still comes, until the client is done or its time is over. Who is not `expected` to
    /// send more is only waited for if something is there already.
    fn linger(&mut self, mut expected: bool) {
        let mut buffer = vec![0; LINGER_BUFFER_BYTES];
        let mut bytes_left = LINGER_BYTES_MAX;
        let mut pauses_left = LINGER_SECONDS_MAX * SOCKET_PAUSES_PER_SECOND;
        loop {
            // The bare socket doesn't wait.
            match self.registration.stream().inner_mut().read(&mut buffer) {
                Ok(bytes) if bytes > 0 && bytes < bytes_left => {
                    bytes_left -= bytes;
                    expected = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock && expected && pauses_left > 0 => {
                    pauses_left -= 1;
                    pause(SOCKET_PAUSE);
                }
                _ => return,
            }
        }
    }
}
