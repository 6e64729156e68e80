//! Warnings about rate limits that have no effect: most likely something else was meant.

use super::router::HEALTH_REQUEST;
use crate::api::REQUESTS_BY_NAME;
use crate::config::{Config, closest};
use crate::log;

/// Names that a rate limit may have besides those of requests.
const RATE_LIMIT_GROUPS: [&str; 5] = ["ipaddr", "user", "session", "apikey", "burst"];

/// Warns of rate limits without effect: those for unknown requests, and those that a later one replaces.
pub fn warn_of_idle_rate_limits(config: &Config) {
    for name in config.rate_limits.repeated_names() {
        log::warning(
            "a rate limit is set more than once: the last one counts",
            &[("ratelimits", log::escaped(name))],
        );
    }
    let requests = || REQUESTS_BY_NAME.keys().copied().chain([HEALTH_REQUEST]);
    for name in config.rate_limits.request_names() {
        if name.starts_with("internal-") || requests().any(|known| known == name) {
            continue;
        }
        let known = requests().chain(RATE_LIMIT_GROUPS);
        let meant = closest(name, known).unwrap_or("(see `authnzerver schema`)");
        log::warning(
            "a rate limit without effect: there is no such request",
            &[("ratelimits", log::escaped(name)), ("perhaps", meant.into())],
        );
    }
}
