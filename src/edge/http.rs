//! One connection's requests: framing checked, body read, handler called, answer sent. Built on may_minihttp.
//!
//! After some requests nothing that follows on the connection can be trusted or is wanted. Their answer is the last;
//! may_minihttp then serves nothing of what the client sent behind. Where the warden has ended a connection, its
//! coroutine ends by unwinding.
//!
//! Nothing here may wait in a `Drop`, because `Drop` also runs while a coroutine unwinds.

use super::head::Head;
use super::reply::{encoded_bytes, error_page, header_lines, reason};
use super::room::{Share, next_size};
use super::tls::Peers;
use super::warden::{CONTINUE, Lease, Phase, Register};
use super::{EdgeLimits, Handler, HttpReply, HttpRequest, head};
use crate::clock::Clock;
use crate::wait::pause;
use may_minihttp::{BodyReader, Fault, HttpService, HttpServiceFactory, Request, Response};
use std::io::{self, ErrorKind, Read};
use std::mem;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

/// How long the acceptor rests while there is no room: time for others to end, and a brake on a flood.
const FULL_PAUSE: Duration = Duration::from_millis(5);
/// How often to look whether a client that is refused sends more.
const SOCKET_PAUSE: Duration = Duration::from_millis(25);
const SOCKET_PAUSES_PER_SECOND: u32 = 40;
/// How long, and for how many bytes, to go on reading from a client that is refused. If the socket were closed while
/// it still sends, the reset would overtake the answer.
const LINGER_SECONDS_MAX: u32 = 2;
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;
const LINGER_BUFFER_BYTES: usize = 16 * 1024;

/// What all connections of an edge share.
pub(super) struct Shared {
    pub limits: EdgeLimits,
    pub register: Arc<Register>,
    pub handler: Arc<dyn Handler>,
    pub clock: Arc<dyn Clock>,
    /// Where all connections come from the terminator of TLS: who is behind each.
    pub peers: Option<Arc<Peers>>,
}

/// Makes a service for each connection that is accepted.
pub(super) struct Connections(pub Arc<Shared>);

impl HttpServiceFactory for Connections {
    type Service = Connection;

    /// Runs on the coroutine that accepts.
    fn new_service(&self, id: usize) -> Connection {
        let shared = &self.0;
        let lease = shared.register.admit(id);
        if lease.is_none() && shared.register.is_full() {
            pause(FULL_PAUSE);
        }
        Connection(lease.map(|lease| Open { shared: Arc::clone(shared), lease, peer: None, refused: false }))
    }
}

/// A connection's service; empty if the connection was refused.
pub(super) struct Connection(Option<Open>);

impl HttpService for Connection {
    /// Never an error: may_minihttp would show it to the client.
    fn call(&mut self, request: Request<'_, '_, '_>, out: &mut Response<'_>) -> io::Result<()> {
        match &mut self.0 {
            Some(open) => open.serve(request, out),
            None => leave(),
        }
        Ok(())
    }

    fn head_bytes_max(&self) -> usize {
        self.0.as_ref().map_or(0, |open| open.shared.limits.head_bytes_max)
    }

    fn refuse(&mut self, fault: Fault, out: &mut Response<'_>) {
        let Some(open) = &mut self.0 else { leave() };
        open.begin();
        let status = match fault {
            Fault::Malformed => 400,
            Fault::TooLong => 431,
        };
        open.send(Answer::refusal(status), out);
    }

    fn finish(&mut self) {
        if let Some(open) = &self.0 {
            open.finish();
        }
    }
}

struct Open {
    shared: Arc<Shared>,
    lease: Lease,
    /// The client's address, once a request was there.
    peer: Option<IpAddr>,
    /// The last answer refuses what the client may still be sending.
    refused: bool,
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
struct Answer {
    reply: HttpReply,
    after: After,
    /// False leaves the body out but tells its length: the answer to HEAD.
    with_body: bool,
}

impl Answer {
    fn refusal(status: u16) -> Self {
        Self { reply: error_page(status), after: After::Refuse, with_body: true }
    }
}

impl Open {
    fn serve(&mut self, request: Request<'_, '_, '_>, out: &mut Response<'_>) {
        self.begin();
        // Whoever came to the plain edge around the terminator gets nothing.
        let Some(peer) = self.learn_peer() else { leave() };
        let answer = self.answer_to(request, peer).unwrap_or_else(Answer::refusal);
        self.send(answer, out);
    }

    /// Takes the request up, unless the warden has ended the connection.
    fn begin(&self) {
        if !self.lease.shift(Phase::Waiting, Phase::Handling) {
            leave();
        }
    }

    /// Reads the request and asks the handler; an error is the status to refuse it with.
    fn answer_to(&self, request: Request<'_, '_, '_>, peer: IpAddr) -> Result<Answer, u16> {
        let limits = &self.shared.limits;
        let headers = request.headers().iter().map(|header| (header.name, header.value));
        let head = head::read(request.method(), request.path(), request.version(), headers, limits)?;
        let mut share = Share::none(&self.shared.register.room);
        if head.expects_continue && head.body_bytes > 0 {
            self.invite_body();
        }
        let body = self.read_body(request.body(), head.body_bytes, &mut share)?;
        let presence = self.lease.presence();
        let Head { method, path, host, .. } = &head;
        let request = HttpRequest { peer, method, path, host, body: &body, presence };
        self.lease.lets_probe(head.knows_interim_answers);
        let handled = catch_unwind(AssertUnwindSafe(|| self.shared.handler.handle(&request)));
        self.lease.lets_probe(false);
        let broke = handled.is_err();
        let reply = handled.unwrap_or_else(|_| error_page(500));
        let closes = head.closes || broke || self.shared.register.is_stopping();
        let after = if closes { After::Close } else { After::Keep };
        Ok(Answer { reply, after, with_body: head.method != "HEAD" })
    }

    /// Who asks. The terminator tells before it carries the first byte, but perhaps after the connection was accepted.
    fn learn_peer(&mut self) -> Option<IpAddr> {
        if self.peer.is_none() {
            let address = self.lease.peer();
            self.peer = match &self.shared.peers {
                Some(peers) => peers.behind(address).map(|client| {
                    self.lease.came_through(client.socket);
                    client.address
                }),
                None => Some(address.ip().to_canonical()),
            };
        }
        self.peer
    }

    /// Sends the 100 that a careful client waits for. Behind unwritten answers it must not overtake; then the client
    /// sends its body after a moment anyway.
    fn invite_body(&self) {
        if self.lease.unwritten_bytes() == Some(0)
            && let Ok(bytes) = self.lease.write(CONTINUE)
        {
            self.lease.answered(bytes as u64, Phase::Handling);
        }
    }

    /// Reads the body, or tells the status to refuse the request with. What the reader has not given out when it is
    /// dropped it reads and throws away. So it must be gone before anything unwinds.
    fn read_body(
        &self,
        mut reader: BodyReader<'_, '_>,
        body_bytes: usize,
        share: &mut Share<'_>,
    ) -> Result<Vec<u8>, u16> {
        if body_bytes == 0 {
            return Ok(Vec::new());
        }
        self.lease.shift(Phase::Handling, Phase::Body);
        let result = self.receive(&mut reader, body_bytes, share);
        if result == Err(503) {
            // It is not even to be thrown away here.
            mem::forget(reader);
            return result;
        }
        drop(reader);
        // Reading a body forgets the news of what came behind it, which may_minihttp then would wait for in vain.
        self.lease.announce_again();
        if !self.lease.shift(Phase::Body, Phase::Handling) {
            self.lease.shift(Phase::BodyLate, Phase::Handling);
            return Err(408);
        }
        result
    }

    /// Receives the body in steps, with room for each.
    fn receive(
        &self,
        reader: &mut BodyReader<'_, '_>,
        body_bytes: usize,
        share: &mut Share<'_>,
    ) -> Result<Vec<u8>, u16> {
        let mut body = Vec::new();
        while body.len() < body_bytes {
            let bytes = next_size(body.len(), body_bytes);
            if !share.try_grow(bytes) {
                // It is our delay now, not the client's.
                let is_late = !self.lease.shift(Phase::Body, Phase::Handling);
                if is_late || !share.grow(bytes) {
                    return Err(if is_late { 408 } else { 503 });
                }
                self.lease.shift(Phase::Handling, Phase::Body);
            }
            self.lease.takes_room(bytes > EdgeLimits::SMALL_BODY_BYTES_MAX);
            body.reserve_exact(bytes - body.len());
            let missing = (bytes - body.len()) as u64;
            // Exactly that much is read, so the memory is enough.
            if !matches!(reader.take(missing).read_to_end(&mut body), Ok(read) if read as u64 == missing) {
                return Err(400);
            }
        }
        Ok(body)
    }

    fn send(&mut self, answer: Answer, out: &mut Response<'_>) {
        let Answer { reply, after, with_body } = answer;
        let closes = after != After::Keep;
        let lines = header_lines(&reply, closes);
        let sent_body_bytes = if with_body { reply.body.len() } else { 0 };
        let bytes = encoded_bytes(reply.status, lines.clone(), reply.body.len(), sent_body_bytes);
        out.status_code(usize::from(reply.status), reason(reply.status));
        for line in lines {
            out.header(line);
        }
        out.body_vec(reply.body);
        if !with_body {
            out.omit_body();
        }
        if closes {
            out.last();
        }
        self.refused = after == After::Refuse;
        self.lease.answered(bytes, Phase::Waiting);
    }

    /// The last answer has been written. The connection ends with this, unless the warden was faster.
    fn finish(&self) {
        if self.lease.shift(Phase::Waiting, Phase::Doomed) {
            self.lease.close_writing();
            if self.refused {
                self.linger(LINGER_SECONDS_MAX * SOCKET_PAUSES_PER_SECOND);
            }
        }
    }

    /// Reads and throws away what still comes, until the client is done or its time is over.
    fn linger(&self, mut pauses_left: u32) {
        let mut buffer = vec![0; LINGER_BUFFER_BYTES];
        let mut bytes_left = LINGER_BYTES_MAX;
        loop {
            match self.lease.read(&mut buffer) {
                Ok(bytes) if bytes > 0 && bytes < bytes_left => bytes_left -= bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock && pauses_left > 0 => {
                    pauses_left -= 1;
                    pause(SOCKET_PAUSE);
                }
                _ => return,
            }
        }
    }
}

/// Ends this connection's coroutine, quietly: no panic hook runs, nothing is printed.
fn leave() -> ! {
    resume_unwind(Box::new(generator::Error::Cancel))
}
