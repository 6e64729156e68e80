//! The chain of hashes through the events: each event's hash covers the one before it, so that none can be changed, taken
//! out or put in without all that follow it showing it.

use crate::clock::Timestamp;
use crate::user_id::UserId;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Stands before what is hashed, so that nothing else has the same hash: for events whose hash does not cover their origin.
const DOMAIN_WITHOUT_ORIGIN: &[u8] = b"authnzerver event 1";
/// The same for those whose hash does.
const DOMAIN: &[u8] = b"authnzerver event 2";
/// The same for origins.
const ORIGIN_DOMAIN: &[u8] = b"authnzerver event origin 1";

/// The hash of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventHash(pub(super) [u8; 32]);

/// What a hash covers, beside the hash before it.
#[derive(Clone, Copy)]
pub(super) struct Content<'e> {
    pub(super) seq: i64,
    pub(super) at: Timestamp,
    pub(super) kind: &'e str,
    pub(super) user_id: Option<UserId>,
    pub(super) actor: &'e str,
    pub(super) actor_id: Option<UserId>,
    pub(super) object: Option<&'e str>,
    pub(super) detail: Option<&'e str>,
    /// The hash of the origin, or nothing in it where there is none. `None` for an event from before origins were covered.
    pub(super) origin_hash: Option<&'e [u8]>,
}

/// Where an event came from. It may be erased while the event stays.
#[derive(Clone, Copy)]
pub(super) struct Origin<'e> {
    pub(super) network: Option<&'e str>,
    pub(super) request_id: Option<&'e str>,
    pub(super) operator: Option<&'e str>,
}

impl Origin<'_> {
    /// Whether it says nothing.
    pub(super) const fn is_empty(&self) -> bool {
        self.network.is_none() && self.request_id.is_none() && self.operator.is_none()
    }

    /// What the event's hash covers of it. Without the nonce, what it was cannot be found by trying.
    pub(super) fn hash(&self, nonce: &[u8; NONCE_BYTES]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(ORIGIN_DOMAIN);
        hash.update(nonce);
        add_text(&mut hash, self.network);
        add_text(&mut hash, self.request_id);
        add_text(&mut hash, self.operator);
        hash.finalize().into()
    }
}

/// Bytes of an origin's nonce.
pub(super) const NONCE_BYTES: usize = 16;

fn add_number(hash: &mut Sha256, number: Option<i64>) {
    match number {
        None => hash.update([0]),
        Some(number) => {
            hash.update([1]);
            hash.update(number.to_be_bytes());
        }
    }
}

fn add_bytes(hash: &mut Sha256, bytes: Option<&[u8]>) {
    match bytes {
        None => hash.update([0]),
        Some(bytes) => {
            hash.update([1]);
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(bytes);
        }
    }
}

fn add_text(hash: &mut Sha256, text: Option<&str>) {
    add_bytes(hash, text.map(str::as_bytes));
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
        hash.update(if event.origin_hash.is_some() { DOMAIN } else { DOMAIN_WITHOUT_ORIGIN });
        hash.update(self.hash.0);
        add_number(&mut hash, Some(event.seq));
        add_text(&mut hash, Some(&event.at.stored()));
        add_text(&mut hash, Some(event.kind));
        add_number(&mut hash, event.user_id.map(UserId::get));
        add_text(&mut hash, Some(event.actor));
        add_number(&mut hash, event.actor_id.map(UserId::get));
        add_text(&mut hash, event.object);
        add_text(&mut hash, event.detail);
        if event.origin_hash.is_some() {
            add_bytes(&mut hash, event.origin_hash);
        }
        Self { seq: event.seq, hash: EventHash(hash.finalize().into()) }
    }
}

/// In hexadecimal digits.
impl fmt::Display for EventHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}
