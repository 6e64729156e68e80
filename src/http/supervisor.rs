//! The supervisor watches every connection and ends those that misbehave. A connection's own coroutine waits for its
//! client without any limit on time; all such limits are here.
//!
//! Each connection shares one word with the supervisor: what it is doing, and how many bytes it has answered so far.
//! Whoever wants to change the word must have seen its last value. So the supervisor never ends a connection that has
//! just begun to handle a request, and a connection that was ended never begins one. A request pays three atomic
//! operations for this, and no lock.
//!
//! The supervisor counts its own rounds instead of reading a clock. On a machine that is too busy to wake it in time,
//! limits become longer, never shorter. It never limits how long a request is handled.
#![expect(unsafe_code, reason = "borrows the descriptor of a stream that stands beside it")]

use super::limits::HttpLimits;
pub(super) use super::phase::Phase;
use super::phase::Word;
use super::response::{encode_closing, error_response};
use super::room::BodyRoom;
use super::socket::{Shared, Socket, Traffic};
use crate::clock::Clock;
use crate::presence::{Peer, Presence};
use may::io::{WaitIo, WaitIoWaker};
use may::net::TcpStream;
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Duration;

/// How often a second each connection is looked at.
const ROUNDS_PER_SECOND: u32 = 4;
/// While the server stops, a connection may be idle for so long. The next request of a client that asks all the time is
/// then answered, and told that no more are, instead of crossing with the end of the connection.
const STOPPING_IDLE_ROUNDS: u32 = 2;
/// While bodies wait for room, another that holds some must receive so much in a round, or in one of a few rounds.
const ROOM_BYTES_PER_ROUND_MIN: u64 = 4 * 1024;
const ROOM_QUIET_ROUNDS_MAX: u32 = 4;
/// So long after a client's end has come it is found out whether the client is still there.
const PROBE_ROUNDS: u32 = 4;
/// Who has been idle for so long gives its memory back.
const IDLE_ROUNDS_TO_REST: u32 = ROUNDS_PER_SECOND;
/// An answer that says that another will follow.
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What a connection and the supervisor share.
struct Slot {
    word: AtomicU64,
    /// Emptied before the descriptor is closed.
    socket: Shared,
    /// The client's own connection, where a terminator of TLS stands in between.
    client: OnceLock<Arc<Shared>>,
    /// Whether something may be sent before the answer.
    lets_probe: AtomicBool,
    /// Whether the body under way takes room from others.
    takes_room: AtomicBool,
    /// Whether the connection is to give its memory back, once it waits.
    is_to_rest: AtomicBool,
    /// Ends a wait of its coroutine.
    waker: WaitIoWaker,
}

impl Slot {
    fn word(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// Changes the phase, unless anything changed since `seen`.
    fn shift(&self, seen: Word, to: Phase) -> bool {
        self.change(seen, seen.with(to))
    }

    fn change(&self, seen: Word, to: Word) -> bool {
        self.word.compare_exchange(seen.0, to.0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn socket(&self) -> MutexGuard<'_, Option<Socket>> {
        self.socket.lock()
    }

    /// Has the connection give its memory back.
    fn rest(&self) {
        self.is_to_rest.store(true, Ordering::Release);
        self.waker.wakeup();
    }

    /// Whether the client has nothing more to send.
    fn has_heard_the_end(&self, socket: &Socket) -> bool {
        match self.client.get() {
            Some(client) => client.lock().as_ref().is_some_and(Socket::has_heard_the_end),
            None => socket.has_heard_the_end(),
        }
    }

    /// Finds out whether a client that has nothing more to send is still there. One that has closed its connection
    /// looks the same until something is sent to it, which its system then rejects. For a client that waits, this
    /// means to go on waiting.
    fn probe(&self, seen: Word, socket: &Socket) {
        if !self.lets_probe.swap(false, Ordering::AcqRel) || !self.shift(seen, Phase::Probed) {
            return;
        }
        let written = (&**socket).write(CONTINUE).unwrap_or(0);
        if written > 0 && written < CONTINUE.len() {
            // Whoever takes not even this is not going to take the answer.
            shut(Some(socket), Shutdown::Both);
        }
        let word = seen.plus(written as u64).with(Phase::Handling);
        self.word.store(word.0, Ordering::Release);
    }
}

impl Peer for Slot {
    fn is_gone(&self) -> bool {
        self.socket.is_closed() || self.client.get().is_some_and(|client| client.is_closed())
    }
}

/// A connection's own handle on its entry. While it lives, the connection is counted and watched.
pub(super) struct Registration {
    slot: Arc<Slot>,
    registry: Arc<Registry>,
    peer: SocketAddr,
    /// Closed after the drop of this value has taken the borrowed socket away from everybody.
    stream: TcpStream,
}

impl Registration {
    /// The address at the other end.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The connection itself. It must stay where it is.
    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Names the client's own connection, where a terminator of TLS stands in between.
    pub(super) fn came_through(&self, client: Arc<Shared>) {
        // A connection has one client from its beginning to its end.
        let _ = self.slot.client.set(client);
    }

    /// Whether the client is still there, for whoever wants to know.
    pub(super) fn presence(&self) -> Presence {
        Presence::of(Arc::clone(&self.slot) as _)
    }

    /// Moves on to the next phase; false if the supervisor has decided otherwise.
    pub(super) fn shift(&self, from: Phase, to: Phase) -> bool {
        let seen = self.slot.word();
        seen.phase() == from && self.slot.shift(seen, to)
    }

    /// Counts bytes that are about to be written before the next request is begun; nothing if the supervisor has ended the
    /// connection.
    pub(super) fn announce(&self, bytes: u64) -> Option<()> {
        let seen = self.slot.word();
        (seen.phase() == Phase::Waiting && self.slot.change(seen, seen.plus(bytes))).then_some(())
    }

    /// Counts bytes of an answer that is about to be written, and moves on from `Handling`.
    pub(super) fn answered(&self, bytes: u64, to: Phase) {
        loop {
            let seen = self.slot.word();
            let word = seen.plus(bytes).with(to);
            if seen.phase() != Phase::Probed && self.slot.change(seen, word) {
                return;
            }
            // The supervisor is just sending something, and has the socket meanwhile.
            drop(self.slot.socket());
        }
    }

    /// Says whether something may be sent to the client before its answer.
    pub(super) fn lets_probe(&self, lets: bool) {
        self.slot.lets_probe.store(lets, Ordering::Release);
    }

    /// Whether it has been idle for long, and is to wait without the memory that only requests need. Says so once.
    pub(super) fn is_to_rest(&self) -> bool {
        self.slot.is_to_rest.swap(false, Ordering::AcqRel)
    }

    /// Says whether the body under way takes room from others.
    pub(super) fn takes_room(&self, takes: bool) {
        self.slot.takes_room.store(takes, Ordering::Release);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.slot.socket.withdraw();
        self.registry.live.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Every live connection of one listener.
pub(super) struct Registry {
    limits: HttpLimits,
    /// The memory for large bodies.
    pub room: BodyRoom,
    clock: Arc<dyn Clock>,
    live: AtomicUsize,
    refused: AtomicU64,
    newcomers: Mutex<Vec<Weak<Slot>>>,
    stopping: AtomicBool,
    ended: AtomicBool,
}

impl Registry {
    pub(super) fn new(limits: HttpLimits, clock: Arc<dyn Clock>) -> Self {
        Self {
            room: BodyRoom::new(limits.large_bodies_bytes_max),
            limits,
            clock,
            live: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            newcomers: Mutex::new(Vec::new()),
            stopping: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// How many connections live.
    pub(super) fn live(&self) -> usize {
        self.live.load(Ordering::Acquire)
    }

    /// How many connections were not let in.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether there is no room for another connection.
    pub(super) fn at_capacity(&self) -> bool {
        self.live() >= self.limits.connections_max
    }

    /// Whether connections shall end as soon as they have nothing under way.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Closes idle connections from now on, and every other one after its next answer.
    pub(super) fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Closes every connection and ends the watch.
    pub(super) fn end(&self) {
        self.begin_stop();
        self.ended.store(true, Ordering::Release);
    }

    /// Takes a new connection in, or answers 503, shuts it and gives it back.
    pub(super) fn admit(self: &Arc<Self>, stream: TcpStream) -> Result<Registration, TcpStream> {
        // SAFETY: `stream` keeps the descriptor open. `socket` ends with this function, or it moves into the entry,
        // from which the drop of the lease takes it before the lease's own stream is closed.
        let socket = unsafe { Socket::borrow(stream.as_raw_fd()) };
        let at_capacity = self.live.fetch_add(1, Ordering::AcqRel) >= self.limits.connections_max;
        let peer = socket.set_nodelay(true).and_then(|()| socket.peer_addr());
        // One that was accepted just before a stop is served: with its first answer it is told to end.
        let (false, Ok(peer)) = (at_capacity, peer) else {
            self.live.fetch_sub(1, Ordering::AcqRel);
            self.refused.fetch_add(1, Ordering::Relaxed);
            send_and_shutdown(&socket, &encode_closing(&error_response(503), &*self.clock));
            return Err(stream);
        };
        let word = AtomicU64::new(Word(0).with(Phase::Waiting).0);
        let slot = Arc::new(Slot {
            word,
            socket: Shared::new(socket),
            client: OnceLock::new(),
            lets_probe: AtomicBool::new(false),
            takes_room: AtomicBool::new(false),
            is_to_rest: AtomicBool::new(false),
            waker: stream.waker(),
        });
        self.newcomers().push(Arc::downgrade(&slot));
        Ok(Registration { slot, registry: Arc::clone(self), peer, stream })
    }

    /// Watches until `end`. Runs on a plain thread of its own; unparking that makes it look at once.
    pub(super) fn watch(&self) {
        let mut watched: Vec<Watched> = Vec::new();
        while !self.ended.load(Ordering::Acquire) {
            thread::park_timeout(Duration::from_secs(1) / ROUNDS_PER_SECOND);
            watched.extend(self.newcomers().drain(..).map(Watched::new));
            let limits = Rounds {
                room_is_short: self.room.is_short(),
                ..Rounds::of(&self.limits, self.live(), self.is_stopping())
            };
            watched.retain_mut(|watched| {
                let slot = watched.slot.upgrade();
                slot.inspect(|slot| watched.observe(slot, &limits, &*self.clock)).is_some()
            });
        }
        let newcomers: Vec<_> = self.newcomers().drain(..).collect();
        for slot in watched.into_iter().map(|watched| watched.slot).chain(newcomers) {
            if let Some(slot) = slot.upgrade() {
                shut(slot.socket().as_ref(), Shutdown::Both);
            }
        }
    }

    fn newcomers(&self) -> MutexGuard<'_, Vec<Weak<Slot>>> {
        self.newcomers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The limits of one round, in rounds.
struct Rounds {
    head_bytes_max: u64,
    room_is_short: bool,
    head: u32,
    body: u32,
    idle: u32,
    send: u32,
}

impl Rounds {
    fn of(limits: &HttpLimits, live: usize, stopping: bool) -> Self {
        let rounds = |seconds: u32| seconds.saturating_mul(ROUNDS_PER_SECOND);
        let idle = match (stopping, live > limits.connections_max / 4 * 3) {
            (true, _) => STOPPING_IDLE_ROUNDS,
            // Nearly full: whoever only sits there must make room for others.
            (false, true) => rounds(limits.idle_seconds_max.min(limits.head_seconds_max)),
            (false, false) => rounds(limits.idle_seconds_max),
        };
        Self {
            head_bytes_max: limits.head_bytes_max as u64,
            room_is_short: false,
            head: rounds(limits.head_seconds_max),
            body: rounds(limits.body_seconds_max),
            idle,
            send: rounds(limits.send_seconds_max),
        }
    }
}

/// What a connection looks like from outside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Observation {
    Idle,
    HeadUnderWay,
    AnswerUnderWay,
    BodyUnderWay,
    Busy,
}

/// A connection, and what the supervisor saw of it before.
struct Watched {
    slot: Weak<Slot>,
    sight: Observation,
    /// For how many rounds it has looked like this.
    rounds: u32,
    answered_bytes: u64,
    /// What had been received when its last answer was noticed. More than that is the beginning of a new head.
    received_bytes_before: u64,
    /// What had been received in the round before, and for how many rounds little came.
    received_bytes: u64,
    quiet_rounds: u32,
}

impl Watched {
    fn new(slot: Weak<Slot>) -> Self {
        Self {
            slot,
            sight: Observation::Idle,
            rounds: 0,
            answered_bytes: 0,
            received_bytes_before: 0,
            received_bytes: 0,
            quiet_rounds: 0,
        }
    }

    fn observe(&mut self, slot: &Slot, limits: &Rounds, clock: &dyn Clock) {
        let word = slot.word();
        let guard = slot.socket();
        let Some(socket) = guard.as_ref() else { return };
        let answered_bytes = word.answered_bytes();
        // Without the kernel's counts nothing seems to move, and only the limit on idling is left.
        let traffic = socket.traffic();
        let counted = traffic.is_some();
        let traffic = traffic
            .unwrap_or(Traffic { received_bytes: self.received_bytes_before, written_bytes: answered_bytes });
        let sight = self.recognise(word, traffic);
        match sight {
            Observation::Idle if self.rounds >= limits.idle && slot.shift(word, Phase::Closing) => {
                shut(Some(socket), Shutdown::Both);
            }
            Observation::Idle if self.rounds == IDLE_ROUNDS_TO_REST => slot.rest(),
            Observation::HeadUnderWay => {
                if let Some(status) = self.error_in_head(socket, traffic, limits)
                    && slot.shift(word, Phase::Closing)
                {
                    send_and_shutdown(socket, &encode_closing(&error_response(status), clock));
                }
            }
            Observation::BodyUnderWay
                if (self.rounds >= limits.body || self.is_in_the_way(slot, limits))
                    && slot.shift(word, Phase::BodyLate) =>
            {
                shut(Some(socket), Shutdown::Read);
            }
            Observation::AnswerUnderWay if self.rounds >= limits.send && slot.shift(word, Phase::Closing) => {
                shut(Some(socket), Shutdown::Both);
            }
            Observation::Busy
                if word.phase() == Phase::Handling
                    && self.rounds >= PROBE_ROUNDS
                    && counted
                    && traffic.written_bytes >= answered_bytes
                    && slot.has_heard_the_end(socket) =>
            {
                slot.probe(word, socket);
            }
            _ => {}
        }
    }

    /// Whether its body holds room that others wait for, and hardly anything of it comes.
    fn is_in_the_way(&self, slot: &Slot, limits: &Rounds) -> bool {
        limits.room_is_short
            && self.quiet_rounds >= ROOM_QUIET_ROUNDS_MAX
            && slot.takes_room.load(Ordering::Acquire)
    }

    /// Names what the connection looks like, and counts for how long it has.
    fn recognise(&mut self, word: Word, traffic: Traffic) -> Observation {
        let answered_bytes = word.answered_bytes();
        let answered_since = answered_bytes != self.answered_bytes;
        if answered_since {
            self.answered_bytes = answered_bytes;
            self.received_bytes_before = traffic.received_bytes;
        }
        let is_written = traffic.written_bytes >= answered_bytes;
        let sight = match word.phase() {
            Phase::Waiting if !is_written => Observation::AnswerUnderWay,
            Phase::Waiting if traffic.received_bytes > self.received_bytes_before => {
                Observation::HeadUnderWay
            }
            Phase::Waiting => Observation::Idle,
            Phase::Body => Observation::BodyUnderWay,
            Phase::Handling | Phase::Probed | Phase::BodyLate | Phase::Closing => Observation::Busy,
        };
        self.rounds = if sight == self.sight && !answered_since { self.rounds.saturating_add(1) } else { 0 };
        self.sight = sight;
        let is_quiet = traffic.received_bytes < self.received_bytes + ROOM_BYTES_PER_ROUND_MIN;
        self.quiet_rounds = if is_quiet { self.quiet_rounds.saturating_add(1) } else { 0 };
        self.received_bytes = traffic.received_bytes;
        sight
    }

    /// The status to refuse an unfinished head with. Bytes that nobody has read yet are our delay, not the client's.
    fn error_in_head(&self, socket: &Socket, traffic: Traffic, limits: &Rounds) -> Option<u16> {
        let head_bytes = traffic.received_bytes.saturating_sub(self.received_bytes_before);
        let is_late = self.rounds >= limits.head;
        // A whole request that was read this moment looks the same until it is begun. It won't in the next round.
        let is_large = self.rounds > 0 && head_bytes > limits.head_bytes_max;
        if !is_late && !is_large {
            return None;
        }
        let unread_bytes = socket.unread_bytes();
        if is_large && head_bytes.saturating_sub(unread_bytes) > limits.head_bytes_max {
            return Some(431);
        }
        (is_late && unread_bytes == 0).then_some(408)
    }
}

/// Says a last word, as far as the socket takes it at once, and ends the connection.
fn send_and_shutdown(socket: &Socket, bytes: &[u8]) {
    // Whoever is sent away has no claim on the answer: if it cannot be written, the end alone must do.
    let _ = (&**socket).write(bytes);
    shut(Some(socket), Shutdown::Both);
}

fn shut(socket: Option<&Socket>, how: Shutdown) {
    if let Some(socket) = socket {
        // An error says that the connection is gone already, which is what was wanted.
        let _ = socket.shutdown(how);
    }
}
