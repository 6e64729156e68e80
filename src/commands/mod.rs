//! The command that builds filters of leaked passwords.

pub mod pwned;
