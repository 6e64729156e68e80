//! A database on a disk that fails: every request, and opening and closing.

#![allow(clippy::disallowed_methods, reason = "a test may read its own server's answers with any parser")]

#[path = "../support/mod.rs"]
mod support;

mod contents;
mod every_request;
mod faults;
mod guesses;
mod reading;
mod vfs;
mod writing;

/// Requests go straight into the pipeline.
const OVER_THE_EDGE: bool = false;
