//! API keys: those that end with a session, and those without one.

pub mod nosession;
pub mod tied;
