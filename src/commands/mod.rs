//! (module map)

pub mod pwned;
