//! When keys were last used: API keys, and those of messages. A use is not worth a write: it is remembered here and written down once a minute.

use crate::clock::Timestamp;
use crate::guard::token::TokenId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keys of which a use is remembered at a time. Of one more it is not, until those are written down.
const KEYS_MAX: usize = 16_384;
/// Uses that are written down in one write.
const USES_IN_ONE_WRITE: usize = 200;

/// Which key was last used when.
pub type Use = (TokenId, Timestamp);

/// The last uses that are not written down yet. What is here when the server is killed is lost.
#[derive(Default)]
pub struct KeyUses(Mutex<HashMap<TokenId, Timestamp>>);

impl KeyUses {
    /// Remembers a use.
    pub fn note(&self, id: TokenId, at: Timestamp) {
        let mut uses = self.uses();
        if uses.len() < KEYS_MAX || uses.contains_key(&id) {
            uses.entry(id).and_modify(|last| *last = at.max(*last)).or_insert(at);
        }
    }

    /// The last use of a key, if it is remembered.
    #[must_use]
    pub fn last(&self, id: TokenId) -> Option<Timestamp> {
        self.uses().get(&id).copied()
    }

    /// Has what is remembered written down by `write`, some at a time. What could not be written stays remembered.
    ///
    /// # Errors
    ///
    /// The first one of `write`, which is not called again then.
    pub fn write_down<E>(&self, write: &mut dyn FnMut(Vec<Use>) -> Result<(), E>) -> Result<(), E> {
        let uses = self.take();
        let mut result = Ok(());
        for slice in uses.chunks(USES_IN_ONE_WRITE) {
            if result.is_ok() {
                result = write(slice.to_vec());
            }
            if result.is_err() {
                for (id, at) in slice {
                    self.note(*id, *at);
                }
            }
        }
        result
    }

    fn take(&self) -> Vec<Use> {
        std::mem::take(&mut *self.uses()).into_iter().collect()
    }

    fn uses(&self) -> MutexGuard<'_, HashMap<TokenId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> TokenId {
        TokenId::from_bytes((number as u64).to_be_bytes())
    }

    #[test]
    fn the_last_use_of_each_key_is_remembered_until_it_is_taken() {
        let uses = KeyUses::default();
        let (early, late) = (Timestamp::MIN, Timestamp::MAX);
        for (number, at) in [(1, early), (1, late), (1, early), (2, early)] {
            uses.note(id(number), at);
        }
        assert_eq!([1, 2, 3].map(|number| uses.last(id(number))), [Some(late), Some(early), None]);
        assert_eq!(uses.take().len(), 2);
        assert_eq!(uses.take(), []);
    }

    #[test]
    fn no_more_keys_are_remembered_than_the_limit() {
        let uses = KeyUses::default();
        (0..=KEYS_MAX).for_each(|number| uses.note(id(number), Timestamp::MIN));
        uses.note(id(0), Timestamp::MAX);
        assert_eq!(uses.last(id(KEYS_MAX)), None);
        assert_eq!(uses.last(id(0)), Some(Timestamp::MAX), "one that is there already goes on");
        assert_eq!(uses.take().len(), KEYS_MAX);
    }
}
