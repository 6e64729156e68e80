//! The tests of this client: the vectors that all clients pass, a hostile server, a real one, and a site as a browser
//! sees it.

mod accounts;
mod browser;
mod hostile;
mod live;
mod programs;
mod readme;
mod real;
mod scripted;
mod site;
mod strangers;
#[cfg(feature = "tls")]
mod tls;
mod vectors;

use crate::{Client, KeyRing, Policy};
use std::path::PathBuf;

/// The folder `clients`, where the vectors and the server's script are: the tests also run where this package was
/// unpacked, and are told then.
fn clients() -> PathBuf {
    let told = std::env::var_os("AUTHNZERVER_CLIENTS").map(PathBuf::from);
    told.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".."))
}

fn ring(text: &str) -> KeyRing {
    KeyRing::parse(text).unwrap()
}

fn client(url: &str, keys: &str, policy: Policy) -> Client {
    Client::new(url, ring(keys), policy).unwrap()
}

fn once() -> Policy {
    Policy { tries: 1, ..Policy::default() }
}
