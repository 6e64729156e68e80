//! What the server removes by itself when it is old enough, a few rows at a time.

use super::db::Tx;
use super::error::StoreError;
use super::postgres::leases::delete_ended_before;
use super::{apikeys, apikeys_nosession, attempts, codes, email_queue, events, scoped_keys, sessions};
use crate::clock::Timestamp;

/// Which rows may go.
#[derive(Clone, Copy)]
pub enum Removal {
    /// Attempts that were last tried before this.
    Attempts(Timestamp),
    /// Attempts beyond the number that is kept.
    SurplusAttempts,
    /// API keys that expired before this.
    ApiKeys(Timestamp),
    /// Those without a session that can be neither used nor renewed since before this.
    ApiKeysNosession(Timestamp),
    /// Those with scopes that expired before this.
    ScopedKeys(Timestamp),
    /// Sessions that expired before this.
    Sessions(Timestamp),
    /// Codes that expired before this.
    Codes(Timestamp),
    /// Emails from before this that are done with.
    EmailsDone(Timestamp),
    /// Emails from before this that were given up on.
    EmailsDead(Timestamp),
    /// Events from before this, but none after one that stays.
    Events(Timestamp),
    /// The oldest events beyond so many.
    SurplusEvents(i64),
    /// Leases that were over before this.
    Leases(Timestamp),
}

impl Removal {
    pub(super) const fn is_of_events(self) -> bool {
        matches!(self, Self::Events(_) | Self::SurplusEvents(_))
    }

    /// Removes at most `limit` of them; tells how many.
    pub(super) fn run(self, tx: &Tx<'_>, limit: i64) -> Result<usize, StoreError> {
        match self {
            Self::Attempts(cutoff) => attempts::delete_older_than(tx, cutoff, limit),
            Self::SurplusAttempts => attempts::delete_surplus(tx, limit),
            Self::ApiKeys(cutoff) => apikeys::delete_expired_before(tx, cutoff, limit),
            Self::ApiKeysNosession(cutoff) => apikeys_nosession::delete_expired_before(tx, cutoff, limit),
            Self::ScopedKeys(cutoff) => scoped_keys::delete_expired_before(tx, cutoff, limit),
            Self::Sessions(cutoff) => sessions::delete_expired_before(tx, cutoff, limit),
            Self::Codes(cutoff) => codes::delete_expired_before(tx, cutoff, limit),
            Self::EmailsDone(cutoff) => email_queue::delete_done_before(tx, false, cutoff, limit),
            Self::EmailsDead(cutoff) => email_queue::delete_done_before(tx, true, cutoff, limit),
            Self::Events(cutoff) => events::delete_older_than(tx, cutoff, limit),
            Self::SurplusEvents(kept) => events::delete_surplus(tx, kept, limit),
            Self::Leases(cutoff) => delete_ended_before(tx, cutoff, limit),
        }
    }
}
