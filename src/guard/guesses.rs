//! The password checks that the database does not know of: those under way, and failed ones that could not be written
//! down. Counts only; who is told what for it is decided elsewhere.

use lru::LruCache;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Failed checks that are remembered until they can be written down; of more, the oldest are forgotten.
const UNWRITTEN_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// Password checks by a key of the caller's choice, such as an account.
pub struct Guesses {
    under_way: Mutex<HashMap<String, u32>>,
    unwritten: Mutex<LruCache<String, ()>>,
}

/// A check that is under way until this goes.
#[must_use]
pub struct UnderWay<'g> {
    guesses: &'g Guesses,
    key: String,
    /// How many others with the same key were under way when it began.
    pub others: u32,
}

impl Guesses {
    /// Notes that a check begins.
    pub fn begin(&self, key: String) -> UnderWay<'_> {
        let mut under_way = lock(&self.under_way);
        let count = under_way.entry(key.clone()).or_insert(0);
        let others = *count;
        *count += 1;
        UnderWay { guesses: self, key, others }
    }

    /// Remembers a failed check that could not be written down. One a key suffices: no further one begins before.
    pub fn keep_unwritten(&self, key: String) {
        lock(&self.unwritten).put(key, ());
    }

    /// Whether a failed check waits to be written down.
    #[must_use]
    pub fn is_unwritten(&self, key: &str) -> bool {
        lock(&self.unwritten).contains(key)
    }

    /// Forgets a failed check, because it was written down.
    pub fn forget_unwritten(&self, key: &str) {
        lock(&self.unwritten).pop(key);
    }
}

impl Default for Guesses {
    fn default() -> Self {
        Self { under_way: Mutex::default(), unwritten: Mutex::new(LruCache::new(UNWRITTEN_MAX)) }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut under_way = lock(&self.guesses.under_way);
        if let Some(count) = under_way.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.key);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_is_counted_by_key_and_forgotten_with_the_last() {
        let guesses = Guesses::default();
        let first = guesses.begin("a".to_owned());
        let second = guesses.begin("a".to_owned());
        let other = guesses.begin("b".to_owned());
        assert_eq!([first.others, second.others, other.others], [0, 1, 0]);
        drop(first);
        assert_eq!(guesses.begin("a".to_owned()).others, 1);
        drop((second, other));
        assert!(lock(&guesses.under_way).is_empty());
    }

    #[test]
    fn what_is_unwritten_is_remembered_until_it_is_written() {
        let guesses = Guesses::default();
        guesses.keep_unwritten("a".to_owned());
        assert!(guesses.is_unwritten("a") && !guesses.is_unwritten("b"));
        guesses.forget_unwritten("a");
        assert!(!guesses.is_unwritten("a"));
        for number in 0..=UNWRITTEN_MAX.get() {
            guesses.keep_unwritten(number.to_string());
        }
        assert!(!guesses.is_unwritten("0"), "the oldest was forgotten");
        assert!(guesses.is_unwritten("1"));
    }
}
