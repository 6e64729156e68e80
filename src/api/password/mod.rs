//! Passwords: checking, changing, resetting and validating them.

pub(crate) mod change;
pub(crate) mod check;
pub(crate) mod forgotten;
pub(crate) mod reset;
pub(crate) mod validate;
