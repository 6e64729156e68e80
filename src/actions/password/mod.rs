//! Passwords: checking, changing, resetting and judging them.

pub mod check;
