//! How code waits: for one answer from elsewhere, or for time to pass.
//!
//! A request is handled on a coroutine, and a thread that runs coroutines must never stand still. So whoever waits,
//! waits here. Both functions know by themselves whether they were called on a coroutine or on a plain thread.
//! Behind a wait, a coroutine may run on another thread. So hold no lock and nothing thread-local across one. And no
//! `Drop` may wait: a coroutine that is put aside while it unwinds wakes up on a thread that knows nothing of the
//! panic.

pub mod keyed_mutex;

use may::coroutine;
use may::sync::Blocker;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The shortest wait: the timers below count whole milliseconds and take zero for "forever".
const WAIT_MIN: Duration = Duration::from_millis(1);
/// The longest wait with a limit, far below where the arithmetic of the timers would overflow.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// The time was over first. An answer that comes later is dropped.
    TimedOut,
    /// The sender went away without answering.
    SenderDropped,
}

/// A place for one answer, made on any thread and awaited on a coroutine or on a plain thread.
#[must_use]
pub fn oneshot<T: Send>() -> (Sender<T>, Receiver<T>) {
    let slot = Arc::new(Slot(Mutex::new(State::Empty)));
    (Sender(Arc::clone(&slot)), Receiver(slot))
}

/// Waits at least this long, up to a day, without holding up other coroutines.
pub fn pause(duration: Duration) {
    coroutine::sleep(duration.clamp(WAIT_MIN, WAIT_MAX));
    leave_timer_thread();
}

/// The side that answers. Dropping it unused wakes the other side with nothing.
pub struct Sender<T: Send>(Arc<Slot<T>>);

impl<T: Send> Sender<T> {
    /// Hands over the answer. It is dropped if nobody waits for it any more.
    pub fn send(self, answer: T) {
        self.0.settle(State::Answered(answer));
    }

    /// Whether an answer is still of use: not if the other side has given up.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !matches!(*self.0.lock(), State::Closed)
    }
}

impl<T: Send> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.settle(State::Closed);
    }
}

/// The side that waits.
pub struct Receiver<T: Send>(Arc<Slot<T>>);

impl<T: Send> Receiver<T> {
    /// Waits for the answer, for as long as it takes; `None` if the sender went away without one.
    #[must_use]
    pub fn wait(self) -> Option<T> {
        self.0.take(None, || true).ok()
    }

    /// Waits for the answer, but no longer than `limit` (at least a millisecond, at most a day).
    ///
    /// # Errors
    /// The time is over, or the sender went away without an answer.
    pub fn wait_for(self, limit: Duration) -> Result<T, RecvError> {
        self.0.take(Some(limit.clamp(WAIT_MIN, WAIT_MAX)), || false)
    }

    /// Waits for the answer for as long as `goes_on` says so, which is asked each time that `period` is over.
    ///
    /// # Errors
    /// It said no, or the sender went away without an answer.
    pub fn wait_while(self, period: Duration, goes_on: impl Fn() -> bool) -> Result<T, RecvError> {
        self.0.take(Some(period.clamp(WAIT_MIN, WAIT_MAX)), goes_on)
    }
}

impl<T: Send> Drop for Receiver<T> {
    /// Whoever goes without an answer, be it because its own caller hung up, wants none any more.
    fn drop(&mut self) {
        let mut state = self.0.lock();
        // An answer that nobody took is dropped after the lock, like any other.
        let before = mem::replace(&mut *state, State::Closed);
        drop(state);
        drop(before);
    }
}

struct Slot<T>(Mutex<State<T>>);

enum State<T> {
    Empty,
    Awaited(Arc<Blocker>),
    Answered(T),
    /// The sender is gone, or the receiver has had its answer or given up.
    Closed,
}

impl<T> Slot<T> {
    /// Moves to the sender's last state, unless an end was reached already, and wakes who waits.
    fn settle(&self, end: State<T>) {
        let mut state = self.lock();
        let before = match *state {
            State::Empty | State::Awaited(_) => mem::replace(&mut *state, end),
            // What was not stored is dropped after the lock: its `Drop` is none of our business.
            State::Answered(_) | State::Closed => end,
        };
        drop(state);
        if let State::Awaited(blocker) = before {
            blocker.unpark();
        }
    }

    /// Gives up when `limit` is over, unless `goes_on` says that it begins anew.
    fn take(&self, limit: Option<Duration>, goes_on: impl Fn() -> bool) -> Result<T, RecvError> {
        let mut blocker = None;
        let mut timed_out = false;
        loop {
            let mut state = self.lock();
            match mem::replace(&mut *state, State::Closed) {
                State::Answered(answer) => return Ok(answer),
                State::Closed => return Err(RecvError::SenderDropped),
                State::Empty | State::Awaited(_) if timed_out => return Err(RecvError::TimedOut),
                State::Empty | State::Awaited(_) => {}
            }
            let blocker = blocker.get_or_insert_with(Blocker::current);
            *state = State::Awaited(Arc::clone(blocker));
            drop(state);
            if blocker.park(limit).is_err() {
                leave_timer_thread();
                timed_out = !goes_on();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Every state is valid at every moment, so a panic elsewhere cannot have left a broken one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A timer wakes a coroutine on the thread that serves all timers, and what the coroutine then does would hold them
/// up. Going to the back of the queue moves it to one of the workers.
fn leave_timer_thread() {
    coroutine::yield_now();
}

/// How a response is delayed.
#[derive(Clone)]
pub enum Delay {
    /// For real; only the coroutine waits.
    Real,
    /// As a test wants it: it is told for how long.
    Staged(Arc<dyn Fn(Duration) + Send + Sync>),
}

impl Delay {
    /// Waits for so long.
    pub fn wait(&self, time: Duration) {
        match self {
            Self::Real => pause(time),
            Self::Staged(stage) => stage(time),
        }
    }

    /// Keeps something for so long, while whoever had it goes on.
    pub fn keep<T: Send + 'static>(&self, kept: T, time: Duration) {
        match self {
            Self::Real => {
                may::go!(move || {
                    pause(time);
                    drop(kept);
                });
            }
            Self::Staged(stage) => {
                stage(time);
                drop(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Runs it on a coroutine and hands back what it returns.
    fn on_a_coroutine<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
        may::go!(body).join().expect("the coroutine ends well")
    }

    #[test]
    fn an_answer_travels_from_a_thread_to_a_thread() {
        let (sender, receiver) = oneshot();
        let other = thread::spawn(move || sender.send(7));
        assert_eq!(receiver.wait(), Some(7));
        other.join().expect("the sender ends well");
    }

    #[test]
    fn an_answer_travels_from_a_thread_to_a_coroutine() {
        for round in 0..2_000 {
            let (sender, receiver) = oneshot();
            let waiting = may::go!(move || receiver.wait());
            let other = thread::spawn(move || sender.send(round));
            assert_eq!(waiting.join().expect("the coroutine ends well"), Some(round));
            other.join().expect("the sender ends well");
        }
    }

    #[test]
    fn one_thread_answers_many_coroutines_that_have_a_limit() {
        let (senders, waiting): (Vec<_>, Vec<_>) = (0..500)
            .map(|_| {
                let (sender, receiver) = oneshot::<usize>();
                (sender, may::go!(move || receiver.wait_for(Duration::from_secs(60))))
            })
            .unzip();
        let worker = thread::spawn(move || {
            for (number, sender) in senders.into_iter().enumerate() {
                sender.send(number);
            }
        });
        for (number, waiting) in waiting.into_iter().enumerate() {
            assert_eq!(waiting.join().expect("the coroutine ends well"), Ok(number));
        }
        worker.join().expect("the worker ends well");
    }

    #[test]
    fn an_answer_that_is_there_already_is_taken_at_once() {
        let (sender, receiver) = oneshot();
        sender.send("early");
        assert_eq!(receiver.wait_for(Duration::ZERO), Ok("early"));
        let (sender, receiver) = oneshot();
        sender.send("early");
        assert_eq!(on_a_coroutine(move || receiver.wait()), Some("early"));
    }

    #[test]
    fn a_sender_that_goes_away_is_noticed() {
        let (sender, receiver) = oneshot::<u8>();
        drop(sender);
        assert_eq!(receiver.wait_for(Duration::from_secs(60)), Err(RecvError::SenderDropped));

        let (sender, receiver) = oneshot::<u8>();
        let waiting = may::go!(move || receiver.wait());
        thread::spawn(move || drop(sender)).join().expect("the sender ends well");
        assert_eq!(waiting.join().expect("the coroutine ends well"), None);

        let (sender, receiver) = oneshot::<u8>();
        let panicking = thread::spawn(move || {
            let _sender = sender;
            std::panic::resume_unwind(Box::new("a worker that breaks"));
        });
        assert_eq!(receiver.wait(), None);
        assert!(panicking.join().is_err());
    }

    #[test]
    fn a_limit_ends_the_wait_and_a_late_answer_is_dropped() {
        let (sender, receiver) = oneshot::<Arc<()>>();
        assert_eq!(receiver.wait_for(Duration::from_millis(5)), Err(RecvError::TimedOut));
        let late = Arc::new(());
        sender.send(Arc::clone(&late));
        assert_eq!(Arc::strong_count(&late), 1);

        let (sender, receiver) = oneshot::<u8>();
        let result = on_a_coroutine(move || receiver.wait_for(Duration::from_millis(5)));
        assert_eq!(result, Err(RecvError::TimedOut));
        sender.send(1);
    }

    #[test]
    fn a_receiver_that_goes_away_is_no_trouble() {
        let (sender, receiver) = oneshot();
        drop(receiver);
        sender.send(1);
    }

    #[test]
    fn a_pause_holds_up_no_other_coroutine() {
        let sleepers: Vec<_> = (0..200).map(|_| may::go!(move || pause(Duration::from_millis(50)))).collect();
        assert_eq!(on_a_coroutine(|| 2 + 2), 4);
        for sleeper in sleepers {
            sleeper.join().expect("the coroutine ends well");
        }
        pause(Duration::ZERO);
    }
}
