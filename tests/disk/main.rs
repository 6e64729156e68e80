//! A database on a disk that fails: every request that writes, and opening and closing.

#![allow(clippy::disallowed_methods, reason = "a test may read its own server's answers with any parser")]

#[path = "../support/mod.rs"]
mod support;

mod faults;
mod requests;
mod vfs;

/// Requests go straight into the pipeline.
const OVER_THE_EDGE: bool = false;
