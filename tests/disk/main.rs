//! A database on a disk that fails: every request that writes, and opening and closing.

#[path = "../support/mod.rs"]
mod support;

mod faults;
mod requests;
mod vfs;
