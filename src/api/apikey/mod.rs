//! API keys: those that end with a session, those without one, and those with scopes.

pub(crate) mod nosession;
pub(crate) mod scoped;
pub(crate) mod tied;
