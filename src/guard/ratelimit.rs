//! How many requests one client may send in a minute. Counts are kept per request name and client, and for
//! requests about an e-mail address also per request name and address; the table of counts has a fixed size and
//! forgets the longest unused first.
//!
//! Nothing here knows which requests exist: the caller names the request and the limit that is built into it.

mod settings;

pub use settings::RateLimits;

use crate::client_address::{ClientAddress, LimitKey};
use lru::LruCache;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many counts are kept at once.
pub const COUNTERS_MAX: usize = 20_000;

/// A count starts anew this long after it began.
pub const WINDOW_SECONDS: u64 = 60;

const MICROS_PER_SECOND: u64 = 1_000_000;
const WINDOW_MICROS: u64 = WINDOW_SECONDS * MICROS_PER_SECOND;

/// Requests in the same instant count as this far apart, so that there is a rate to speak of.
const ELAPSED_MICROS_MIN: u64 = 1000;

/// Whether a request may go on.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Admitted,
    /// It may not: there were too many.
    Limited {
        /// After so many seconds the next one would be admitted, if none comes before it. At least one.
        retry_after_seconds: u64,
    },
}

/// Counts requests and says when there are too many.
pub struct Limiter {
    limits: RateLimits,
    /// Held for the time of a lookup only, never while anything waits.
    counters: Mutex<LruCache<u128, Counter>>,
    /// Two independent hashes make up a key; see [`Limiter::key`].
    hashes: [RandomState; 2],
}

/// The requests under one key since the count began.
#[derive(Clone, Copy)]
struct Counter {
    requests: u64,
    began: Duration,
}

/// What one count must keep to.
#[derive(Clone, Copy)]
struct Rule {
    per_minute: u64,
    /// So many requests pass before the rate is looked at.
    free: u64,
}

/// Names of counters: a client and an e-mail address never share one, whatever their texts are.
#[derive(Hash)]
enum Subject {
    Client(LimitKey),
    Email(String),
}

/// Whether requests of this name are limited per e-mail address too. Their callers owe one to
/// [`Limiter::admit`].
#[must_use]
pub fn is_tied_to_email(request_name: &str) -> bool {
    request_name.contains("email")
}

impl Limiter {
    /// A limiter that has seen no request.
    #[must_use]
    pub fn new(limits: RateLimits) -> Self {
        let counters_max = const { NonZeroUsize::new(COUNTERS_MAX).expect("the table is not empty") };
        Self {
            limits,
            counters: Mutex::new(LruCache::sparse(counters_max)),
            hashes: [RandomState::new(), RandomState::new()],
        }
    }

    /// The limits in force.
    #[must_use]
    pub const fn limits(&self) -> &RateLimits {
        &self.limits
    }

    /// Counts a request, and says whether it may go on. Refused ones count too.
    ///
    /// `builtin_per_minute` is the limit built into this request, which a setting for its name overrides;
    /// `client` the end user's address; `email` the address that
    /// the request is about, looked at only if [`is_tied_to_email`]; `now` the steady time.
    pub fn admit(
        &self,
        request_name: &str,
        builtin_per_minute: Option<u32>,
        client: &ClientAddress,
        email: Option<&str>,
        now: Duration,
    ) -> Admission {
        let Some(limits) = self.limits.in_force() else {
            return Admission::Admitted;
        };
        let own = limits.of_request(request_name).or(builtin_per_minute);
        let by_client = (Subject::Client(client.limit_key()), Rule::for_client(limits, request_name, own));
        let by_email = email.filter(|_| is_tied_to_email(request_name)).map(|email| {
            (Subject::Email(email.trim().to_lowercase()), Rule::exactly(own.unwrap_or(limits.user)))
        });

        // Both are counted before either is judged, so that a refusal by the one does not spare the other.
        let counts = [Some(by_client), by_email].map(|subject| {
            subject.map(|(subject, rule)| (rule, self.count(self.key(request_name, &subject), now)))
        });
        let over = counts.iter().flatten().any(|(rule, counter)| rule.is_broken_by(counter, now));
        if !over {
            return Admission::Admitted;
        }
        // The broken rule is a wait of its own, so this is never zero.
        let waits = counts.iter().flatten().map(|(rule, counter)| rule.wait_micros(counter, now));
        Admission::Limited { retry_after_seconds: waits.fold(0, u64::max).div_ceil(MICROS_PER_SECOND) }
    }

    /// Adds one request to a count.
    fn count(&self, key: u128, now: Duration) -> Counter {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = counters.get_or_insert_mut(key, || Counter { requests: 0, began: now });
        if counter.elapsed_micros(now) >= WINDOW_MICROS {
            *counter = Counter { requests: 0, began: now };
        }
        counter.requests += 1;
        *counter
    }

    /// The key of a count: 128 bits from two hashes with random keys, so that its size does not depend on what
    /// a stranger sent. Among 20,000 keys two would meet by chance once in 10^30 tables, and nobody can seek out
    /// such a pair without the random keys; if it happened, two clients would share a count for a minute.
    fn key(&self, request_name: &str, subject: &Subject) -> u128 {
        let [high, low] = self.hashes.each_ref().map(|hash| hash.hash_one((request_name, subject)));
        u128::from(high) << 64 | u128::from(low)
    }
}

impl Counter {
    fn elapsed_micros(&self, now: Duration) -> u64 {
        // Another thread may have begun the count a moment after this one read the clock.
        let elapsed = now.saturating_sub(self.began).as_micros();
        u64::try_from(elapsed).unwrap_or(u64::MAX).max(ELAPSED_MICROS_MIN)
    }
}

impl Rule {
    /// A limit of the request's own holds from the first request on; the limit of its group allows a burst.
    fn for_client(limits: &settings::Limits, request_name: &str, own: Option<u32>) -> Self {
        own.map_or_else(
            || Self { per_minute: limits.of_group(request_name).into(), free: limits.burst.into() },
            Self::exactly,
        )
    }

    fn exactly(per_minute: u32) -> Self {
        Self { per_minute: per_minute.into(), free: per_minute.into() }
    }

    /// The rate is that of the requests after the first one, over the time since then.
    fn is_broken_by(&self, counter: &Counter, now: Duration) -> bool {
        counter.requests > self.free
            && (counter.requests - 1) * WINDOW_MICROS > self.per_minute * counter.elapsed_micros(now)
    }

    /// How long until the next request would keep to this rule.
    fn wait_micros(&self, counter: &Counter, now: Duration) -> u64 {
        if counter.requests < self.free {
            return 0;
        }
        // The next request brings the rate to `requests` over the time elapsed by then.
        let kept_after = (counter.requests * WINDOW_MICROS).div_ceil(self.per_minute).min(WINDOW_MICROS);
        kept_after.saturating_sub(counter.elapsed_micros(now))
    }
}

#[cfg(test)]
mod tests;
