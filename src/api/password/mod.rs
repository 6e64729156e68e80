//! Passwords: checking, changing, resetting and validating them.

pub mod change;
pub mod check;
pub mod reset;
pub mod validate;
