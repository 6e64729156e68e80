//! A line in which one after another has their turn.

use crate::wait::{Sender, oneshot};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One turn at a time.
#[derive(Clone, Default)]
pub(super) struct Line(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_taken: bool,
    waiting: VecDeque<Sender<Turn>>,
}

/// The right to go on. Dropping it lets the next one pass.
pub(super) struct Turn(Line);

impl Line {
    /// Waits for a turn, for so long at most.
    pub(super) fn turn(&self, limit: Duration) -> Option<Turn> {
        let mut state = self.lock();
        if !state.is_taken {
            state.is_taken = true;
            return Some(Turn(self.clone()));
        }
        let (sender, turn) = oneshot();
        state.waiting.push_back(sender);
        drop(state);
        turn.wait_for(limit).ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let next = state.waiting.pop_front();
        state.is_taken = next.is_some();
        drop(state);
        if let Some(next) = next {
            // To somebody who waits no more it goes through the hands of nobody: it is dropped, and lets the next one pass.
            next.send(Self(self.0.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_had_one_after_another_and_none_is_lost_on_who_has_gone() {
        let line = Line::default();
        let first = line.turn(Duration::ZERO).expect("nobody has it");
        assert!(line.turn(Duration::from_millis(1)).is_none(), "two have their turn");
        let next = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| line.turn(Duration::from_secs(60)));
            while line.lock().waiting.len() < 2 {
                std::thread::yield_now();
            }
            drop(first);
            waiting.join().expect("waits")
        });
        assert!(next.is_some() && line.turn(Duration::from_millis(1)).is_none());
        drop(next);
        assert!(line.turn(Duration::ZERO).is_some());
    }
}
