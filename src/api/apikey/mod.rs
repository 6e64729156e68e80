//! API keys: with a session that they end with, and without one.

pub mod nosession;
pub mod tied;
