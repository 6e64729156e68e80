//! A database on a disk that fails: every request, and opening and closing.

#![allow(clippy::needless_pass_by_value, reason = "what is asked is written where it is asked")]
#![allow(clippy::disallowed_methods, reason = "a test may read its own server's answers with any parser")]

mod contents;
mod emailed;
mod events;
mod every_request;
mod failures;
mod guesses;
mod issued;
mod reading;
mod upgrade;
mod vfs;
mod writing;
