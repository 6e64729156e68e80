//! The queue before the hashing threads, and who may stand in it. It holds what can be done in good time, of which
//! nobody takes more than a share: a client network a quarter, an account a few places. Who has hung up leaves it
//! without work being done for them, and never keeps out those who are still there.

use super::arena::Arena;
use crate::client_address::ClientNetwork;
use crate::presence::Presence;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The queue holds about as much work as is done in this time.
const QUEUE_SECONDS: u64 = 10;
/// So many places there are at least, and at most. However slow the machine, one network gets a few.
const PLACES_MIN: usize = 32;
const PLACES_MAX: usize = 1024;
/// One client network gets this part of the places at most.
const NETWORK_SHARE: usize = 4;
/// One account gets so many places at most.
const ACCOUNT_PLACES_MAX: usize = 4;

/// How much the newest measurement counts in the mean, as a divisor.
const MEASUREMENT_WEIGHT: u64 = 8;

/// For whom something is computed.
#[derive(Clone)]
pub struct Asker {
    /// The network whose share of the queue it takes; none for what the server does by itself.
    pub network: Option<ClientNetwork>,
    /// The account whose share of the queue it takes, if it concerns one.
    pub account: Option<String>,
    /// Whether anybody still waits for it.
    pub presence: Presence,
}

impl Asker {
    /// The server itself, as at its first start.
    #[must_use]
    pub const fn server() -> Self {
        Self { network: None, account: None, presence: Presence::always() }
    }
}

/// Work that waits for a thread. Dropping it undone tells whoever waits for its result.
pub(super) struct Ticket {
    pub(super) asker: Asker,
    /// Needs more memory than the threads have reserved, so only one of these is under way at a time.
    pub(super) is_large: bool,
    /// When it joined the queue, by the steady clock.
    pub(super) since: Duration,
    pub(super) work: Box<dyn FnOnce(&mut Arena) + Send>,
}

/// The queue.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something may be taken now, or the end has come.
    news: Condvar,
    threads: u64,
}

struct State {
    waiting: VecDeque<Ticket>,
    places: usize,
    /// The mean time of a computation. None: the number of places is fixed.
    mean_micros: Option<u64>,
    large_is_under_way: bool,
    ended: bool,
}

impl Queue {
    /// A queue with a fixed number of places, or with as many as are worked off in good time. For that, `mean` is
    /// what a computation takes, as far as one can say before the first.
    pub(super) fn new(threads: usize, places: Option<usize>, mean: Duration) -> Self {
        let mut state = State {
            waiting: VecDeque::new(),
            places: places.unwrap_or(PLACES_MIN),
            mean_micros: None,
            large_is_under_way: false,
            ended: false,
        };
        let threads = threads as u64;
        if places.is_none() {
            state.set_mean(micros(mean), threads);
        }
        Self { state: Mutex::new(state), news: Condvar::new(), threads }
    }

    /// Adds work to the end. Gives it back if its asker has no place.
    pub(super) fn push(&self, ticket: Ticket) -> Result<(), Ticket> {
        let mut state = self.lock();
        let mut left = Vec::new();
        if !state.has_place_for(&ticket.asker) {
            left = state.take_out_the_gone();
        }
        let result = if state.has_place_for(&ticket.asker) {
            state.waiting.push_back(ticket);
            self.news.notify_one();
            Ok(())
        } else {
            Err(ticket)
        };
        // What is dropped here wakes others, which is none of the lock's business.
        drop(state);
        drop(left);
        result
    }

    /// The next piece of work; waits until there is one. None at the end.
    pub(super) fn pop(&self) -> Option<Ticket> {
        let mut state = self.lock();
        loop {
            let left = state.take_out_the_gone();
            if !left.is_empty() {
                drop(state);
                drop(left);
                state = self.lock();
                continue;
            }
            let next = state.waiting.iter().position(|ticket| !(ticket.is_large && state.large_is_under_way));
            if let Some(ticket) = next.and_then(|index| state.waiting.remove(index)) {
                state.large_is_under_way |= ticket.is_large;
                return Some(ticket);
            }
            if state.ended && state.waiting.is_empty() {
                return None;
            }
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the next large piece of work begin.
    pub(super) fn large_is_done(&self) {
        self.lock().large_is_under_way = false;
        self.news.notify_all();
    }

    /// Learns how long a computation took, and how many may wait because of it.
    pub(super) fn learn(&self, took: Duration) {
        let mut state = self.lock();
        if let Some(mean) = state.mean_micros {
            let mean = mean - mean / MEASUREMENT_WEIGHT + micros(took) / MEASUREMENT_WEIGHT;
            state.set_mean(mean, self.threads);
        }
    }

    /// Lets the threads end when all work is done.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.news.notify_all();
    }

    /// How many may wait.
    pub(super) fn places(&self) -> usize {
        self.lock().places
    }

    /// How many wait.
    pub(super) fn queued(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every state is valid at every moment, so a panic elsewhere cannot have left a broken one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_place_for(&self, asker: &Asker) -> bool {
        let share = (self.places / NETWORK_SHARE).max(1);
        let taken =
            |same: &dyn Fn(&Asker) -> bool| self.waiting.iter().filter(|ticket| same(&ticket.asker)).count();
        self.waiting.len() < self.places
            && (asker.network.is_none() || taken(&|other| other.network == asker.network) < share)
            && (asker.account.is_none()
                || taken(&|other| other.account == asker.account) < ACCOUNT_PLACES_MAX)
    }

    fn take_out_the_gone(&mut self) -> Vec<Ticket> {
        if !self.waiting.iter().any(|ticket| ticket.asker.presence.is_gone()) {
            return Vec::new();
        }
        let (gone, present) = self.waiting.drain(..).partition(|ticket| ticket.asker.presence.is_gone());
        self.waiting = present;
        Vec::from(gone)
    }

    fn set_mean(&mut self, mean_micros: u64, threads: u64) {
        let mean_micros = mean_micros.max(1);
        let places = QUEUE_SECONDS * 1_000_000 * threads / mean_micros;
        self.mean_micros = Some(mean_micros);
        self.places = usize::try_from(places).unwrap_or(PLACES_MAX).clamp(PLACES_MIN, PLACES_MAX);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 2)
}
