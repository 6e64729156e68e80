//! What stands between a request and what it asks for.

pub(crate) mod backoff;
pub(crate) mod code;
pub mod envelope;
pub mod guesses;
pub mod password;
pub mod ratelimit;
pub mod redact;
pub mod secret;
pub mod token;
