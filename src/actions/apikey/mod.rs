//! API keys: with a session that they end with, and without one.

mod claims;
pub mod nosession;
pub mod tied;
