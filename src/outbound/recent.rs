//! Who asked for a forgotten-password email lately, and from which network. Kept in memory, bounded: after a restart
//! only the short wait between two emails to one account is left.

use crate::clock::Timestamp;
use crate::user_id::UserId;
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

/// Emails that are remembered; older ones may be sent again.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// Whether an email was sent so short a time ago that the next one has to wait. A time in the future is not recent: a
/// clock was wrong then, and nobody waits thirty years for that.
#[must_use]
pub fn is_recent(sent: Timestamp, wait_seconds: i64, now: Timestamp) -> bool {
    wait_seconds > 0 && sent <= now && sent.plus_seconds(wait_seconds).is_none_or(|until| until >= now)
}

/// Emails by account and network.
pub struct RecentEmails(Mutex<LruCache<(UserId, String), Timestamp>>);

impl Default for RecentEmails {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED_MAX)))
    }
}

/// An email that was noted, and what was noted before it.
pub struct Noted {
    key: (UserId, String),
    at: Timestamp,
    before: Option<Timestamp>,
}

impl RecentEmails {
    /// Notes an email, unless one was noted within the last `wait_seconds`. Of several who ask at once, one gets it.
    #[must_use]
    pub fn claim(&self, user_id: UserId, network: &str, wait_seconds: i64, now: Timestamp) -> Option<Noted> {
        let mut emails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (user_id, network.to_owned());
        let before = emails.get(&key).copied();
        if before.is_some_and(|sent| is_recent(sent, wait_seconds, now)) {
            return None;
        }
        emails.put(key.clone(), now);
        Some(Noted { key, at: now, before })
    }

    /// Takes a note back: the email was not sent.
    pub fn give_back(&self, noted: Noted) {
        let mut emails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if emails.peek(&noted.key) != Some(&noted.at) {
            return;
        }
        match noted.before {
            Some(before) => drop(emails.put(noted.key, before)),
            None => drop(emails.pop(&noted.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).expect("a time")
    }

    #[test]
    fn times_in_the_future_are_not_recent() {
        assert!(is_recent(at(100), 10, at(100)) && is_recent(at(100), 10, at(110)));
        assert!(!is_recent(at(100), 10, at(111)) && !is_recent(at(101), 10, at(100)));
        assert!(!is_recent(at(100), 0, at(100)), "no wait at all");
        assert!(!is_recent(Timestamp::MAX, 10, at(100)) && is_recent(Timestamp::MAX, 10, Timestamp::MAX));
    }

    #[test]
    fn a_note_that_was_taken_back_leaves_what_was_there() {
        let emails = RecentEmails::default();
        let first = emails.claim(UserId::new(1), "net", 10, at(100)).expect("the first one");
        assert!(emails.claim(UserId::new(1), "net", 10, at(105)).is_none());
        assert!(
            emails.claim(UserId::new(1), "other", 10, at(105)).is_some()
                && emails.claim(UserId::new(2), "net", 10, at(105)).is_some()
        );
        emails.give_back(first);
        let second = emails.claim(UserId::new(1), "net", 10, at(105)).expect("the first one was not sent");
        let third = emails.claim(UserId::new(1), "net", 10, at(120)).expect("long after");
        emails.give_back(second);
        assert!(emails.claim(UserId::new(1), "net", 10, at(121)).is_none(), "the third one still counts");
        emails.give_back(third);
        assert!(
            emails.claim(UserId::new(1), "net", 20, at(121)).is_none(),
            "and so does the second one again"
        );
    }
}
