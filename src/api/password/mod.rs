//! Passwords: checking, changing, resetting and judging them.

pub mod change;
pub mod check;
pub mod reset;
pub mod validate;
