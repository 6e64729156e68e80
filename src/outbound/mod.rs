//! (module map)

pub mod pwned;
pub mod pwned_filter;
