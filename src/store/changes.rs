//! Wakes those who wait for something to be committed by this process.

use super::error::StoreError;
use crate::wait::{Receiver, Sender, oneshot};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Who may watch at a time; more are refused as [`StoreError::Busy`].
pub const WATCHERS_MAX: usize = 128;

/// Who waits for commits.
#[derive(Default)]
pub(super) struct Changes(Mutex<State>);

#[derive(Default)]
struct State {
    next: u64,
    /// Each watcher, with what wakes it while it waits.
    watchers: BTreeMap<u64, Option<Sender<()>>>,
    is_over: bool,
}

impl Changes {
    /// Wakes everybody who waits.
    pub(super) fn tell(&self) {
        let mut state = self.lock();
        let woken: Vec<_> = state.watchers.values_mut().filter_map(Option::take).collect();
        drop(state);
        for sender in woken {
            sender.send(());
        }
    }

    /// Wakes everybody for good.
    pub(super) fn end(&self) {
        self.lock().is_over = true;
        self.tell();
    }

    pub(super) fn watch(&self) -> Result<Watcher<'_>, StoreError> {
        let mut state = self.lock();
        if state.watchers.len() >= WATCHERS_MAX {
            return Err(StoreError::Busy);
        }
        let number = state.next;
        state.next += 1;
        state.watchers.insert(number, None);
        drop(state);
        Ok(Watcher { changes: self, number })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who may wait for commits.
pub struct Watcher<'s> {
    changes: &'s Changes,
    number: u64,
}

impl Watcher<'_> {
    /// What is sent at the next commit of this process from now on.
    #[must_use]
    pub fn next_commit(&self) -> Receiver<()> {
        let (sender, receiver) = oneshot();
        let before = self.changes.lock().watchers.insert(self.number, Some(sender));
        // What wakes nobody any more is dropped after the lock.
        drop(before);
        receiver
    }

    /// Whether the store is about to be closed, so that nobody should wait any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.changes.lock().is_over
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        let left = self.changes.lock().watchers.remove(&self.number);
        drop(left);
    }
}
