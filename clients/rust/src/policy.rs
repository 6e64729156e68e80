//! How patient a client is.

use crate::errors::Error;
use std::time::Duration;

/// Time-outs, tries and limits.
#[derive(Clone, Debug)]
pub struct Policy {
    /// For a connection, TLS included. Looking up a host name is not in it.
    pub connect_timeout: Duration,
    /// For a request and its whole answer. After failed logins, answers come up to 40 seconds later.
    pub answer_timeout: Duration,
    /// How often a request is sent at most. Only one that cannot have been done yet, or only reads, is sent again.
    pub tries: u32,
    /// The longest pause before the next try, whatever `Retry-After` says; beyond that the error is returned at once.
    pub wait_max: Duration,
    /// The longest answer that is read.
    pub answer_bytes_max: usize,
    /// For how long an idle connection is kept. The server closes them after 75 seconds.
    pub idle_max: Duration,
    /// How many idle connections are kept.
    pub connections_max: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            answer_timeout: Duration::from_secs(75),
            tries: 3,
            wait_max: Duration::from_secs(2),
            answer_bytes_max: 32 << 20,
            idle_max: Duration::from_secs(60),
            connections_max: 16,
        }
    }
}

impl Policy {
    /// How long to wait before another try; `None` if there is to be none.
    pub(crate) fn pause(&self, error: &Error, only_reads: bool, tried: u32) -> Option<Duration> {
        if tried >= self.tries {
            return None;
        }
        let wait = match error {
            Error::OverLimit { retry_after } => *retry_after,
            Error::Unavailable { maybe_done: true, .. } if !only_reads => return None,
            Error::Unavailable { retry_after: Some(wait), .. } => *wait,
            Error::Unavailable { .. } => {
                return Some(
                    (Duration::from_millis(50) * 4_u32.saturating_pow(tried.clamp(1, 10) - 1))
                        .min(self.wait_max),
                );
            }
            // A wrong answer does not get better, and whoever forges them would like us to ask again.
            _ => return None,
        };
        (wait <= self.wait_max).then_some(wait)
    }
}
