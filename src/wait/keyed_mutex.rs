//! Lets those who come with the same key pass one after another, as whoever tests an account's password does. A few may
//! wait for their turn, the rest is refused at once; who has hung up leaves the line.

use super::{Sender, oneshot};
use crate::presence::Presence;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many wait for their turn under one key at most.
pub const WAITING_MAX: usize = 4;

/// How often somebody who waits looks whether their client is still there.
const PRESENCE_EVERY: Duration = Duration::from_millis(500);

/// A line for each key under which somebody has their turn.
#[derive(Clone, Default)]
pub struct KeyedMutex(Arc<Mutex<HashMap<String, VecDeque<Waiting>>>>);

/// Somebody in a line.
struct Waiting {
    presence: Presence,
    /// Hands over the turn. Dropped, it tells that there won't be one.
    sender: Sender<KeyedGuard>,
}

/// The right to go on, while nobody else under the same key has it. Dropping it lets the next one pass.
pub struct KeyedGuard {
    mutex: KeyedMutex,
    key: String,
}

/// Too many are waiting already, or the client has hung up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockError;

impl KeyedMutex {
    /// Waits for a turn under this key.
    ///
    /// # Errors
    /// At once, if too many are waiting; and when the client is gone.
    pub fn lock(&self, key: &str, presence: &Presence) -> Result<KeyedGuard, LockError> {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(key) else {
            lines.insert(key.to_owned(), VecDeque::new());
            return Ok(KeyedGuard { mutex: self.clone(), key: key.to_owned() });
        };
        let (gone, present): (VecDeque<Waiting>, _) =
            line.drain(..).partition(|waiting| waiting.presence.is_gone());
        *line = present;
        let place = (line.len() < WAITING_MAX).then(|| {
            let (sender, turn) = oneshot();
            line.push_back(Waiting { presence: presence.clone(), sender });
            turn
        });
        drop(lines);
        // This wakes those who waited, which is none of the lock's business.
        drop(gone);
        place.ok_or(LockError)?.wait_while(PRESENCE_EVERY, || !presence.is_gone()).map_err(|_| LockError)
    }

    /// A turn under this key, if nobody has it.
    #[must_use]
    pub fn try_lock(&self, key: &str) -> Option<KeyedGuard> {
        let mut lines = self.lines();
        if lines.contains_key(key) {
            return None;
        }
        lines.insert(key.to_owned(), VecDeque::new());
        Some(KeyedGuard { mutex: self.clone(), key: key.to_owned() })
    }

    /// How many wait under this key.
    #[must_use]
    #[cfg(test)]
    fn waiting(&self, key: &str) -> usize {
        self.lines().get(key).map_or(0, VecDeque::len)
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<String, VecDeque<Waiting>>> {
        // Every state is valid at every moment, so a panic elsewhere cannot have left a broken one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KeyedGuard {
    fn drop(&mut self) {
        let mut gone = Vec::new();
        let mut lines = self.mutex.lines();
        let next = lines.get_mut(&self.key).and_then(|line| {
            while let Some(waiting) = line.pop_front() {
                if !waiting.presence.is_gone() {
                    return Some(waiting);
                }
                gone.push(waiting);
            }
            None
        });
        if next.is_none() {
            lines.remove(&self.key);
        }
        drop(lines);
        drop(gone);
        if let Some(next) = next {
            // If they left the line in this very moment, this drops the turn, and it goes to the one behind.
            next.sender.send(Self { mutex: self.mutex.clone(), key: std::mem::take(&mut self.key) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::Peer;
    use crate::wait::pause;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::mpsc;

    /// A client that hangs up when told to.
    #[derive(Default)]
    struct Client(AtomicBool);

    impl Client {
        fn leave(&self) {
            self.0.store(true, Ordering::Release);
        }
    }

    impl Peer for Client {
        fn is_gone(&self) -> bool {
            self.0.load(Ordering::Acquire)
        }
    }

    /// Enters on a coroutine of its own; the outcome comes through the channel.
    fn enters(mutex: &KeyedMutex, presence: Presence) -> mpsc::Receiver<Result<KeyedGuard, LockError>> {
        let (sender, receiver) = mpsc::channel();
        let mutex = mutex.clone();
        let before = mutex.waiting("alice");
        let other = mutex.clone();
        may::go!(move || {
            let _ = sender.send(other.lock("alice", &presence));
        });
        // Whoever is admitted stands in the line before the next one comes.
        let mut rounds = 0;
        while mutex.waiting("alice") == before && rounds < 2_000 {
            rounds += 1;
            if let Ok(outcome) = receiver.try_recv() {
                let (again, received) = mpsc::channel();
                let _ = again.send(outcome);
                return received;
            }
            pause(Duration::from_millis(1));
        }
        receiver
    }

    fn is_refused(outcome: &mpsc::Receiver<Result<KeyedGuard, LockError>>) -> bool {
        outcome.recv_timeout(Duration::from_secs(60)).expect("an outcome").is_err()
    }

    #[test]
    fn one_at_a_time_passes_under_a_key_and_others_do_not_wait() {
        let mutex = KeyedMutex::default();
        let inside = Arc::new(AtomicUsize::new(0));
        let passing: Vec<_> = (0..WAITING_MAX)
            .map(|_| {
                let (mutex, inside) = (mutex.clone(), inside.clone());
                may::go!(move || {
                    let _turn = mutex.lock("alice", &Presence::always()).expect("a place");
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "nobody else is inside");
                    pause(Duration::from_millis(3));
                    inside.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        for one in passing {
            one.join().expect("it passes");
        }
        let alice = mutex.lock("alice", &Presence::always()).expect("nobody is there");
        let bob = mutex.lock("bob", &Presence::always()).expect("nobody is there");
        drop((alice, bob));
        assert!(mutex.lines().is_empty(), "a line that nobody stands in takes no memory");
    }

    #[test]
    fn a_few_wait_in_order_and_the_rest_is_refused_at_once() {
        let mutex = KeyedMutex::default();
        let first = mutex.lock("alice", &Presence::always()).expect("nobody is there");
        let waiting: Vec<_> = (0..WAITING_MAX).map(|_| enters(&mutex, Presence::always())).collect();
        assert_eq!(mutex.waiting("alice"), WAITING_MAX);
        assert!(is_refused(&enters(&mutex, Presence::always())));
        assert!(mutex.lock("bob", &Presence::always()).is_ok(), "the line is that of one key");
        drop(first);
        for next in waiting {
            let turn = next.recv_timeout(Duration::from_secs(60)).expect("an outcome");
            drop(turn.expect("their turn"));
        }
        assert!(mutex.lines().is_empty());
    }

    #[test]
    fn who_is_gone_leaves_a_full_line_to_the_next_one() {
        let mutex = KeyedMutex::default();
        let first = mutex.lock("alice", &Presence::always()).expect("nobody is there");
        let clients: Vec<Arc<Client>> = (0..WAITING_MAX).map(|_| Arc::default()).collect();
        let gone: Vec<_> =
            clients.iter().map(|client| enters(&mutex, Presence::of(client.clone()))).collect();
        assert!(is_refused(&enters(&mutex, Presence::always())), "it is full");
        for client in &clients {
            client.leave();
        }
        let owner = enters(&mutex, Presence::always());
        assert!(gone.iter().all(is_refused), "they are told");
        drop(first);
        let turn = owner.recv_timeout(Duration::from_secs(60)).expect("an outcome");
        assert!(turn.is_ok(), "the owner has their turn");
    }

    #[test]
    fn who_is_gone_leaves_the_line_though_nothing_moves_in_it() {
        let mutex = KeyedMutex::default();
        let _first = mutex.lock("alice", &Presence::always()).expect("nobody is there");
        let client: Arc<Client> = Arc::default();
        let gone = enters(&mutex, Presence::of(client.clone()));
        client.leave();
        assert!(is_refused(&gone), "nobody came and nobody passed, and yet they left");
    }

    #[test]
    fn a_turn_that_comes_to_somebody_who_has_just_left_goes_on_to_the_next() {
        let mutex = KeyedMutex::default();
        for _ in 0..200 {
            let first = mutex.lock("alice", &Presence::always()).expect("nobody is there");
            let client: Arc<Client> = Arc::default();
            let leaving = enters(&mutex, Presence::of(client.clone()));
            let staying = enters(&mutex, Presence::always());
            let other = may::go!(move || client.leave());
            drop(first);
            drop(leaving.recv_timeout(Duration::from_secs(60)).expect("an outcome"));
            let turn = staying.recv_timeout(Duration::from_secs(60)).expect("an outcome");
            drop(turn.expect("their turn"));
            other.join().expect("it ends well");
        }
        assert!(mutex.lines().is_empty());
    }
}
