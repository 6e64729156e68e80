//! API keys: those that end with a session, and those without one.

pub(crate) mod nosession;
pub(crate) mod tied;
