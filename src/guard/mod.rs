//! What stands between a request and what it asks for.

pub mod secret;
pub mod token;
