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
use crate::wait::{Sender, oneshot};
use rustls::ClientConfig;
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
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
    connection: Connection,
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
        state.open -= 1;
        wake_next(state);
    }
}

#[derive(Default)]
struct State {
    idle: Vec<Lent>,
    /// All that there are, lent or not, and those that are being made.
    open: usize,
    waiting: VecDeque<Sender<()>>,
    is_closed: bool,
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
        Ok(Self { way: Arc::new(Way { target, tls, clock, rng }), threads, state: Arc::default() })
    }

    /// A connection. Whether it has been used before, so that it may have been lost since, is told, too.
    pub(super) fn lend(&self) -> Result<(Lent, bool), StoreError> {
        let mut may_wait = true;
        let place = loop {
            let awaited = {
                let mut state = self.lock();
                if state.is_closed {
                    return Err(StoreError::Closed);
                }
                if let Some(connection) = state.idle.pop() {
                    return Ok((connection, true));
                }
                if state.open < self.way.target.connections {
                    state.open += 1;
                    break Place(Arc::clone(&self.state));
                }
                if !may_wait || state.waiting.len() >= WAITING_MAX {
                    return Err(StoreError::Busy);
                }
                let (sender, receiver) = oneshot();
                state.waiting.push_back(sender);
                receiver
            };
            may_wait = awaited.wait_for(WAIT_LIMIT).is_ok();
        };
        let way = Arc::clone(&self.way);
        let make = move || Connection::open(&way.target, way.tls.as_ref(), &way.clock, &*way.rng);
        let made = self.threads.run_for(CONNECT_LIMIT, make);
        let made = match made {
            None => Err(StoreError::Busy),
            Some(None) => Err(PostgresError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)).into()),
            Some(Some(made)) => made.map_err(StoreError::from),
        };
        made.map(|connection| (Lent { connection, _place: place }, false))
    }

    /// Takes back a connection that is in order.
    pub(super) fn take_back(&self, connection: Lent) {
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            return drop(connection);
        }
        state.idle.push(connection);
        wake_next(state);
    }

    /// A connection turned out to be lost: those that nobody uses will be, too.
    pub(super) fn forget_idle(&self) {
        let mut state = self.lock();
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        drop(idle);
    }

    /// Lends no more.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.forget_idle();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes the one who has waited longest and still does.
fn wake_next(mut state: MutexGuard<'_, State>) {
    let mut gone = Vec::new();
    let next = loop {
        match state.waiting.pop_front() {
            Some(sender) if !sender.is_wanted() => gone.push(sender),
            next => break next,
        }
    };
    drop(state);
    if let Some(sender) = next {
        sender.send(());
    }
}
