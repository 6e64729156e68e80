//! What can come instead of an answer.

use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// The request has no answer that can be used.
///
/// None shows a parameter, a key or an answer: they may hold passwords and tokens.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The server says no.
    Refused(Box<Refused>),
    /// The end user asks too often. Nothing was done.
    OverLimit {
        /// When to try again.
        retry_after: Duration,
    },
    /// There is no answer for now, which is never a verdict: let nobody in, and tell nobody that they may not.
    Unavailable {
        /// Whether the request may have been carried out all the same.
        maybe_done: bool,
        /// When to try again, where the server says so.
        retry_after: Option<Duration>,
        /// What happened.
        why: String,
    },
    /// What came back is not the answer to this request, or was not made by who has the key. The request may have been
    /// carried out; otherwise it is as [`Self::Unavailable`].
    BadAnswer {
        /// What is wrong with it.
        why: String,
    },
    /// The server has none of our keys. A person has to look at it.
    BadKey,
    /// The key may not ask this request. A person has to look at it.
    NotAllowed {
        /// The request.
        request: &'static str,
    },
    /// This program and the server do not fit together; nothing was done. A person has to look at it.
    Misconfigured {
        /// What is wrong.
        why: String,
    },
}

/// What the server says instead of yes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Refused {
    /// The request.
    pub request: &'static str,
    /// Why, for this program and not for the end user; `None` where there is nothing to tell.
    pub reason: Option<String>,
    /// What may be shown to the end user.
    pub messages: Vec<String>,
    /// The answer's own keys.
    pub response: Map<String, Value>,
    /// When the next attempt at this password or code is looked at, where there were failed ones.
    pub retry_after: Option<Duration>,
}

impl Refused {
    /// Whether parameters are missing or of a wrong type: a mistake of this program.
    pub fn is_invalid(&self) -> bool {
        self.reason.as_deref() == Some("invalid request parameters")
    }
}

impl Error {
    /// Whether there is no verdict for now: [`Self::Unavailable`] or [`Self::BadAnswer`].
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::BadAnswer { .. })
    }

    /// Whether the request may have been carried out although there is no answer.
    pub fn maybe_done(&self) -> bool {
        matches!(self, Self::Unavailable { maybe_done: true, .. } | Self::BadAnswer { .. })
    }

    /// What the server refused, if that is what it is.
    pub fn refused(&self) -> Option<&Refused> {
        if let Self::Refused(refused) = self { Some(refused) } else { None }
    }

    /// What a status other than 200 means.
    pub(crate) fn of_status(request: &'static str, status: i64, retry_after: Option<Duration>) -> Self {
        match status {
            401 => Self::BadKey,
            403 => Self::NotAllowed { request },
            429 => Self::OverLimit { retry_after: retry_after.unwrap_or(Duration::from_secs(1)) },
            404 | 405 => {
                let why = "no authnzerver is at this address, or it does not allow this host name".to_owned();
                Self::Misconfigured { why }
            }
            400 | 411 | 413 => {
                let why = format!("the server does not take {request} as it was sent (HTTP {status})");
                Self::Misconfigured { why }
            }
            _ => {
                let why = format!("the server answers HTTP {status}");
                Self::Unavailable { maybe_done: true, retry_after, why }
            }
        }
    }
}

pub(crate) fn bad_answer(why: impl Into<String>) -> Error {
    Error::BadAnswer { why: why.into() }
}

pub(crate) fn unavailable(why: impl Into<String>, maybe_done: bool) -> Error {
    Error::Unavailable { maybe_done, retry_after: None, why: why.into() }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => {
                let reason = refused.reason.as_deref().unwrap_or("no reason given");
                write!(formatter, "{} was refused: {reason}", refused.request)
            }
            Self::OverLimit { retry_after } => write!(formatter, "over a rate limit for {retry_after:?}"),
            Self::Unavailable { why, .. } | Self::BadAnswer { why } | Self::Misconfigured { why } => {
                formatter.write_str(why)
            }
            Self::BadKey => formatter
                .write_str("the server has another key: compare this program's key with the server's"),
            Self::NotAllowed { request } => {
                write!(formatter, "the key may not ask {request}: see `authnzerver secret list`")
            }
        }
    }
}

impl std::error::Error for Error {}
