//! Whether a password is known to have leaked: what can be asked, and what can be the answer. A `filter` is a file on
//! this machine, a `range_api` is somewhere else. Both block the calling thread, so they belong on the threads for
//! outbound calls.

pub(crate) mod builder;
pub(crate) mod chain;
pub(crate) mod filter;
pub(crate) mod range_api;

use crate::guard::secret::Secret;
use sha1::{Digest, Sha1};
use std::fmt;
use std::io::ErrorKind;

/// What is known about a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Breach {
    /// It has leaked.
    Found {
        /// How often; `None` if the source keeps no count, only that it is at least the smallest count that
        /// the source was made with.
        times: Option<u64>,
    },
    /// It is not among the leaked passwords that the source knows.
    NotFound,
    /// Nobody could tell. Whether such a password is accepted is the caller's to decide.
    Unknown(UnknownReason),
}

/// Why nobody could tell. Safe to log: it holds nothing of the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownReason {
    /// No answer, or not the whole of one, in time.
    TimedOut,
    /// The name did not resolve, or the connection failed or broke.
    NoConnection,
    /// TLS could not be agreed on, or no trusted root vouches for the server.
    Tls,
    /// An HTTP status other than 200.
    Status(u16),
    /// Sent elsewhere too often, or from `https` to `http`.
    Redirect,
    /// The answer is longer than any real one.
    TooLong,
    /// An answer, but not one of a range API: a login page of the network, for example.
    Malformed,
    /// Too many lookups are waiting already.
    Busy,
    /// Nobody waits for the answer any more.
    Gone,
    /// The filter file could not be read.
    FilterUnreadable(ErrorKind),
}

impl UnknownReason {
    /// The reason without its number, for a log that takes fixed text.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::TimedOut => "no answer in time",
            Self::NoConnection => "no connection",
            Self::Tls => "no trusted TLS connection",
            Self::Status(_) => "an HTTP status other than 200",
            Self::Redirect => "redirected too often or to plain http",
            Self::TooLong => "an answer that is too long",
            Self::Malformed => "an answer that is not one of the range API",
            Self::Busy => "too many lookups at once",
            Self::Gone => "the client has hung up",
            Self::FilterUnreadable(_) => "the filter file cannot be read",
        }
    }
}

impl fmt::Display for UnknownReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(out, "{}: {status}", self.text()),
            Self::FilterUnreadable(kind) => write!(out, "{}: {kind}", self.text()),
            _ => out.write_str(self.text()),
        }
    }
}

/// Knows leaked passwords by their SHA-1.
pub trait BreachLookup: Send + Sync {
    /// What is known about the password with this hash. May wait for a disk or for the network.
    fn leaked(&self, password_sha1: &[u8; 20]) -> Breach;

    /// What can be told without waiting for anybody else; `None` where only [`BreachLookup::leaked`] can tell. So a file
    /// is asked also while the network is silent.
    fn leaked_here(&self, _password_sha1: &[u8; 20]) -> Option<Breach> {
        None
    }
}

/// The name under which lists of leaked passwords know a password.
#[must_use]
pub fn password_sha1(password: &[u8]) -> Secret<[u8; 20]> {
    Secret::new(Sha1::digest(password).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_for_the_log_are_fixed_text_and_a_number() {
        assert_eq!(UnknownReason::Status(503).to_string(), "an HTTP status other than 200: 503");
        assert_eq!(
            UnknownReason::FilterUnreadable(ErrorKind::UnexpectedEof).to_string(),
            "the filter file cannot be read: unexpected end of file"
        );
        assert_eq!(UnknownReason::TimedOut.to_string(), UnknownReason::TimedOut.text());
    }
}
