//! The chain of hashes through the events: each event's hash covers the one before it, so that none can be changed, taken
//! out or put in without all that follow it showing it.

use crate::clock::Timestamp;
use crate::user_id::UserId;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Stands before what is hashed, so that nothing else has the same hash.
const DOMAIN: &[u8] = b"authnzerver event 1";

/// The hash of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventHash(pub(super) [u8; 32]);

/// What a hash covers, beside the hash before it.
pub(super) struct Content<'e> {
    pub(super) seq: i64,
    pub(super) at: Timestamp,
    pub(super) kind: &'e str,
    pub(super) user_id: Option<UserId>,
    pub(super) actor: &'e str,
    pub(super) actor_id: Option<UserId>,
    pub(super) object: Option<&'e str>,
    pub(super) detail: Option<&'e str>,
}

/// A place in the chain: an event's number, and its hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// The number; 0 before the first event.
    pub seq: i64,
    /// The hash; zeros before the first event.
    pub hash: EventHash,
}

impl Link {
    /// Before the first event.
    pub const START: Self = Self { seq: 0, hash: EventHash([0; 32]) };

    /// The place of an event that follows this one, by its content.
    pub(super) fn followed_by(&self, event: &Content<'_>) -> Self {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(self.hash.0);
        let number = |hash: &mut Sha256, number: Option<i64>| match number {
            None => hash.update([0]),
            Some(number) => {
                hash.update([1]);
                hash.update(number.to_be_bytes());
            }
        };
        let text = |hash: &mut Sha256, text: Option<&str>| match text {
            None => hash.update([0]),
            Some(text) => {
                hash.update([1]);
                hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
                hash.update(text.as_bytes());
            }
        };
        number(&mut hash, Some(event.seq));
        text(&mut hash, Some(&event.at.stored()));
        text(&mut hash, Some(event.kind));
        number(&mut hash, event.user_id.map(UserId::get));
        text(&mut hash, Some(event.actor));
        number(&mut hash, event.actor_id.map(UserId::get));
        text(&mut hash, event.object);
        text(&mut hash, event.detail);
        Self { seq: event.seq, hash: EventHash(hash.finalize().into()) }
    }
}

/// In hexadecimal digits.
impl fmt::Display for EventHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}
