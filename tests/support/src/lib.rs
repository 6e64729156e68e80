//! What several test binaries share: servers, with and without a process of their own; who asks them; and what tests
//! need from the machine.

#![allow(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "a test fails by panicking, and asks some things for what they do"
)]

mod door;
mod emails;
mod gate;
pub mod machine;
pub mod parser;
pub mod postgres;
mod program;
pub mod python;
mod reply;
mod schema;
pub mod second_run;
mod server;
pub mod test_ca;

pub use emails::{code_in, typed_code_in};
pub use program::program;
pub use reply::Reply;
pub use server::{
    ADMIN_EMAIL, ADMIN_PASSWORD, DELAYS_SHORTENED, GOOD_PASSWORD, KEY, Person, TestServer, refreshing,
    session_body,
};
