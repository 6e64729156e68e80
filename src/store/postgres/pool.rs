//! Connections that are lent to one piece of work each. There are never more than the operator allows: who finds none waits for
//! a while, and is refused then.

use super::connection::Connection;
use super::error::PostgresError;
use super::stream::tls_config;
use super::target::Target;
use crate::clock::Clock;
use crate::pool::Pool as Threads;
use crate::rng::Rng;
use crate::store::error::StoreError;
use crate::wait::{RecvError, Sender, oneshot};
use rustls::ClientConfig;
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Threads that make connections; names are looked up there, and passwords proven.
const CONNECTING_THREADS: usize = 2;
/// Who may wait for a connection; more are refused at once.
const WAITING_MAX: usize = 1024;
/// How long they wait.
const WAIT_LIMIT: Duration = Duration::from_secs(2);
/// How long a connection may take to be made, over all hosts.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How to make a connection.
struct Way {
    target: Target,
    tls: Option<Arc<ClientConfig>>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    /// The host that took writes last.
    best: AtomicUsize,
}

/// Connections to one database.
pub(super) struct Pool {
    way: Arc<Way>,
    threads: Threads,
    state: Arc<Mutex<State>>,
}

impl Drop for Pool {
    /// The connections know the pool that they come from.
    fn drop(&mut self) {
        self.close();
    }
}

/// A connection, and its place among those that may be open.
pub(super) struct Lent {
    connection: Box<Connection>,
    _place: Place,
}

impl Deref for Lent {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// A place among those that may be open. It is free again when this is dropped, with the connection or instead of one.
struct Place(Arc<Mutex<State>>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        match state.next() {
            Some(next) => {
                drop(state);
                next.send(Grant::Place(Self(Arc::clone(&self.0))));
            }
            None => state.open -= 1,
        }
    }
}

/// What somebody who waits gets: nobody who comes later can have it.
enum Grant {
    Connection(Lent),
    Place(Place),
}

#[derive(Default)]
struct State {
    idle: Vec<Lent>,
    /// All that there are, lent or not, and those that are being made.
    open: usize,
    waiting: VecDeque<Sender<Grant>>,
    is_closed: bool,
}

impl State {
    /// The one who has waited longest and still does. Nobody waits while a connection is idle.
    fn next(&mut self) -> Option<Sender<Grant>> {
        std::iter::from_fn(|| self.waiting.pop_front()).find(Sender::is_wanted)
    }
}

impl Pool {
    /// None is made yet.
    pub(super) fn new(
        target: Target,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, PostgresError> {
        let tls = if target.is_verified { Some(tls_config(&target)?) } else { None };
        let threads = Threads::start("store-connect", CONNECTING_THREADS, WAITING_MAX)?;
        Ok(Self {
            way: Arc::new(Way { target, tls, clock, rng, best: AtomicUsize::new(0) }),
            threads,
            state: Arc::default(),
        })
    }

    /// A connection. Whether it has been used before, so that it may have been lost since, is told, too.
    pub(super) fn lend(&self) -> Result<(Lent, bool), StoreError> {
        let place = match self.grant()? {
            Grant::Connection(connection) => return Ok((connection, true)),
            Grant::Place(place) => place,
        };
        let way = Arc::clone(&self.way);
        // The place is taken for as long as somebody connects, also when nobody waits for that any more.
        let make = move || {
            let clock = (&way.clock, CONNECT_LIMIT);
            let made = Connection::open(&way.target, way.tls.as_ref(), clock, &*way.rng, &way.best);
            made.map(|connection| Lent { connection: Box::new(connection), _place: place })
        };
        match self.threads.run_for(CONNECT_LIMIT, make) {
            None => Err(StoreError::Busy),
            Some(None) => Err(PostgresError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)).into()),
            Some(Some(made)) => Ok((made?, false)),
        }
    }

    /// A connection or a place for one, at once or after some time.
    fn grant(&self) -> Result<Grant, StoreError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(StoreError::Closed);
        }
        if let Some(connection) = state.idle.pop() {
            return Ok(Grant::Connection(connection));
        }
        if state.open < self.way.target.connections {
            state.open += 1;
            return Ok(Grant::Place(Place(Arc::clone(&self.state))));
        }
        if state.waiting.len() >= WAITING_MAX {
            return Err(StoreError::Busy);
        }
        let (sender, granted) = oneshot();
        state.waiting.push_back(sender);
        drop(state);
        granted.wait_for(WAIT_LIMIT).map_err(|why| match why {
            RecvError::TimedOut => StoreError::Busy,
            RecvError::SenderDropped => StoreError::Closed,
        })
    }

    /// Takes back a connection that is in order.
    pub(super) fn take_back(&self, connection: Lent) {
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            return drop(connection);
        }
        if let Some(next) = state.next() {
            drop(state);
            return next.send(Grant::Connection(connection));
        }
        state.idle.push(connection);
    }

    /// A connection turned out to be lost: those that nobody uses will be, too.
    pub(super) fn forget_idle(&self) {
        let mut state = self.lock();
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        drop(idle);
    }

    /// How many places are taken, and how many wait.
    #[cfg(test)]
    pub(super) fn taken_and_waiting(&self) -> (usize, usize) {
        let state = self.lock();
        (state.open, state.waiting.iter().filter(|sender| sender.is_wanted()).count())
    }

    /// Lends no more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
        self.forget_idle();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
