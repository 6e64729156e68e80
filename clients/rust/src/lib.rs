//! A blocking client of authnzerver.
//!
//! A [`Client`] holds the connections to one server, for all threads of a program. Ask through [`Client::at`], which
//! names the end user on whose behalf it is; there is a method for each request, and its parameters are a struct that is
//! named after it.
//!
//! [`site`] is what a site needs around its own pages, whatever it is built with: cookies, guards, and protection against
//! forged forms.

mod batch;
mod call;
mod client;
mod connection;
mod errors;
mod fernet;
mod http;
mod keys;
mod policy;
#[rustfmt::skip]
mod requests;
pub mod site;
#[cfg(test)]
mod tests;
#[rustfmt::skip]
mod types;
mod value;

pub use batch::{Answers, Batch, Part};
pub use call::{About, Answer, Request};
pub use client::{Caller, Client};
pub use errors::{Error, Refused};
pub use keys::{KeyError, KeyRing};
pub use policy::Policy;
pub use requests::*;
#[cfg(feature = "tls")]
pub use rustls;
pub use serde_json;
pub use types::*;
pub use value::{FromJson, ToJson, Unfit};

/// The examples of the README, which are built with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
