//! What is counted while requests are answered.

use crate::metrics::{Counter, Histogram};
use std::collections::HashMap;
use std::time::Duration;

/// How a request came out, in the words of the metrics.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// The server said no.
    Refused,
    /// Its parameters did not fit, or there is no such request.
    Malformed,
    /// Its client had asked too often.
    OverLimit,
    /// So much was waiting already that it would have waited too long.
    Busy,
    /// The server could not find out.
    Broken,
}

impl Outcome {
    /// All of them, in the order of their counters.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Done, "done"),
        (Self::Refused, "refused"),
        (Self::Malformed, "malformed"),
        (Self::OverLimit, "over_limit"),
        (Self::Busy, "busy"),
        (Self::Broken, "broken"),
    ];
}

/// What is counted of one request.
#[derive(Default)]
pub struct RequestMetrics {
    /// How often it came out how.
    pub outcomes: [Counter; Outcome::ALL.len()],
    /// How long it took, with the time for which its answer was delayed.
    pub durations: Histogram,
}

/// What is counted.
pub struct Metrics {
    by_request: HashMap<&'static str, RequestMetrics>,
    unknown: RequestMetrics,
    /// Messages that could not be opened.
    pub unsealed: Counter,
    /// Passwords that were tested and are wrong.
    pub failed_attempts: Counter,
    /// Failures that were one too many.
    pub locks: Counter,
    /// How old the oldest event was in each answer that told of some.
    pub event_lag: Histogram,
}

impl Metrics {
    /// Nothing yet, about requests of these names.
    #[must_use]
    pub fn new(requests: impl Iterator<Item = &'static str>) -> Self {
        Self {
            by_request: requests.map(|name| (name, RequestMetrics::default())).collect(),
            unknown: RequestMetrics::default(),
            unsealed: Counter::default(),
            failed_attempts: Counter::default(),
            locks: Counter::default(),
            event_lag: Histogram::default(),
        }
    }

    /// Counts a request.
    pub fn count(&self, request: &str, outcome: Outcome, took: Duration) {
        let metrics = self.by_request.get(request).unwrap_or(&self.unknown);
        metrics.outcomes[outcome as usize].increment();
        metrics.durations.observe(took);
    }

    /// Requests by name, sorted; last those that there are not.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, &RequestMetrics)> {
        let mut all: Vec<_> = self.by_request.iter().map(|(name, metrics)| (*name, metrics)).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all.into_iter().chain([("unknown", &self.unknown)])
    }
}
