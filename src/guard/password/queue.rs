//! The queue before the hashing threads, and who may stand in it. It holds what can be done in good time. Client
//! networks take turns, so whoever asks for one computation waits for no more than one of each other network. As long as
//! there are places, one network may have them all; in a full queue it loses its newest to those who have fewer, down
//! to a quarter. An account never has more than a few. Who has hung up leaves the queue without work being done for
//! them, and never keeps out those who are still there.

use super::arena::Arena;
use crate::client_address::ClientNetwork;
use crate::presence::Presence;
use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The queue holds about as much work as is done in this time.
const QUEUE_SECONDS: u64 = 10;
/// So many places there are at least, and at most. However slow the machine, one network gets a few.
const PLACES_MIN: usize = 32;
const PLACES_MAX: usize = 1024;
/// This part of the places is a client network's own, however many others ask.
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

/// A ticket, and its turn.
struct Waiting {
    ticket: Ticket,
    /// Those of an earlier round go first. A network has one ticket in each.
    round: u64,
}

/// What came of waiting for work.
pub(super) enum Next {
    /// This is to be done.
    Work(Ticket),
    /// Nothing was to be done for as long as told.
    Idle,
    /// Nothing will ever be.
    End,
}

struct State {
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    /// The round of the last that was taken.
    round: u64,
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
            waiting: Vec::new(),
            round: 0,
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

    /// Adds work. Gives it back if its asker has no place.
    pub(super) fn push(&self, ticket: Ticket) -> Result<(), Ticket> {
        let mut state = self.lock();
        let mut left = Vec::new();
        if state.is_full() || !state.account_has_place(&ticket.asker) {
            left = state.take_out_the_gone();
        }
        let account_has_place = state.account_has_place(&ticket.asker);
        while account_has_place
            && state.is_full()
            && let Some(displaced) = state.displace_for(&ticket.asker)
        {
            left.push(displaced);
        }
        let result = if account_has_place && !state.is_full() {
            state.add(ticket);
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

    /// The next piece of work; waits until there is one, or for so long.
    pub(super) fn pop(&self, patience: Option<Duration>) -> Next {
        let mut state = self.lock();
        loop {
            let left = state.take_out_the_gone();
            if !left.is_empty() {
                drop(state);
                drop(left);
                state = self.lock();
                continue;
            }
            if let Some(ticket) = state.take_next() {
                return Next::Work(ticket);
            }
            if state.ended && state.waiting.is_empty() {
                return Next::End;
            }
            state = match patience {
                None => self.news.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let (state, waited) =
                        self.news.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() && state.waiting.is_empty() && !state.ended {
                        return Next::Idle;
                    }
                    state
                }
            };
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
    /// Whether there is no place. When computations take longer, more may wait for a while than there are places.
    fn is_full(&self) -> bool {
        self.waiting.len() >= self.places
    }

    fn account_has_place(&self, asker: &Asker) -> bool {
        let is_same_account = |other: &&Waiting| other.ticket.asker.account == asker.account;
        asker.account.is_none() || self.waiting.iter().filter(is_same_account).count() < ACCOUNT_PLACES_MAX
    }

    /// Takes out the newest ticket of the network that has most, if that is more than its share and than this asker's
    /// network would have.
    fn displace_for(&mut self, asker: &Asker) -> Option<Ticket> {
        let mut counts: HashMap<_, usize> = HashMap::new();
        for network in self.waiting.iter().filter_map(|waiting| waiting.ticket.asker.network) {
            *counts.entry(network).or_default() += 1;
        }
        let own = asker.network.and_then(|network| counts.get(&network).copied()).unwrap_or(0);
        let (most, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        let share = (self.places / NETWORK_SHARE).max(1);
        if count <= share || count <= own + 1 {
            return None;
        }
        let newest = self.waiting.iter().rposition(|waiting| waiting.ticket.asker.network == Some(most))?;
        Some(self.waiting.remove(newest).ticket)
    }

    /// Puts a ticket into the round after the last of its network's.
    fn add(&mut self, ticket: Ticket) {
        let network = ticket.asker.network;
        let last = self.waiting.iter().filter(|waiting| waiting.ticket.asker.network == network);
        let round = last.map(|waiting| waiting.round + 1).max().unwrap_or(self.round);
        self.waiting.push(Waiting { ticket, round });
    }

    /// Takes the first ticket of the earliest round that may be begun now.
    fn take_next(&mut self) -> Option<Ticket> {
        let may_begin = |waiting: &Waiting| !(waiting.ticket.is_large && self.large_is_under_way);
        let candidates = self.waiting.iter().enumerate().filter(|(_, waiting)| may_begin(waiting));
        let (index, _) = candidates.min_by_key(|(_, waiting)| waiting.round)?;
        let Waiting { ticket, round } = self.waiting.remove(index);
        self.round = self.round.max(round);
        self.large_is_under_way |= ticket.is_large;
        Some(ticket)
    }

    fn take_out_the_gone(&mut self) -> Vec<Ticket> {
        let is_gone = |waiting: &mut Waiting| waiting.ticket.asker.presence.is_gone();
        self.waiting.extract_if(.., is_gone).map(|waiting| waiting.ticket).collect()
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
