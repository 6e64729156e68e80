//! What a delivery of mail is told, and what becomes of it.

use crate::guard::secret::Secret;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How to reach the mail server, and as whom to send.
#[derive(Clone)]
pub struct MailSettings {
    /// The server's name or address.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// What to call ourselves towards it, where that is settled.
    pub client_name: Option<String>,
    /// Who logs in; nobody does where this or the password is empty.
    pub user: String,
    /// The password.
    pub password: Secret<String>,
    /// `Name <address>` or just an address.
    pub sender: String,
    /// How the connection is protected.
    pub protection: Protection,
    /// Whether the server's certificate must be good.
    pub verify: bool,
    /// Certificates that are trusted beside the built-in ones, as PEM.
    pub extra_roots: Option<Vec<u8>>,
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// TLS on port 465, STARTTLS on every other one; in plaintext only to this very machine.
    Automatic,
    /// Begins in plaintext and must change to TLS.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// In clear, because the operator says so.
    None,
}

/// Why an email was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailError {
    /// The sender or the recipient is no address, or the text cannot be sent as it is.
    InvalidMessage,
    /// There is no way to the server.
    Unreachable,
    /// The server took too long.
    TimedOut,
    /// The connection could not be protected as it must be.
    Tls,
    /// The server refused for good, with this code.
    Refused(u16),
    /// The server refused for now, with this code.
    Deferred(u16),
    /// The server or this side did something unexpected.
    Protocol,
    /// The server closed the connection.
    Closed,
    /// The recipient's address is not ASCII, and the server takes no other.
    NeedsUtf8,
    /// This server was told to stop before the email was handed over.
    Stopped,
}

impl MailError {
    /// The error in fixed words, for the log.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::InvalidMessage => "the email cannot be written",
            Self::Unreachable => "the mail server cannot be reached",
            Self::TimedOut => "the mail server took too long",
            Self::Tls => "the connection could not be protected",
            Self::Refused(_) => "the mail server refused",
            Self::Deferred(_) => "the mail server refused for now",
            Self::Protocol => "the mail server did not follow the protocol",
            Self::Closed => "the mail server closed the connection",
            Self::NeedsUtf8 => "the mail server takes no address like the recipient's",
            Self::Stopped => "this server stops",
        }
    }

    /// The mail server's code, or 0.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Refused(code) | Self::Deferred(code) => code,
            _ => 0,
        }
    }
}

/// What ends a delivery early, and who wants to know how it goes.
pub struct Watch<'a> {
    /// The server stops: what is not handed over yet is not sent.
    pub stopping: &'a AtomicBool,
    /// Somebody waits: no step takes longer than this, whatever the protocol allows.
    pub patience: Option<Duration>,
    /// Called once when the email is handed over and the server takes longer than `patience` to say that it has it.
    pub handed_over: &'a dyn Fn(),
    /// Is told each step, for an operator who wants to see where it fails. Never a password or a code.
    pub trace: Option<&'a dyn Fn(String)>,
}

impl Watch<'_> {
    /// Whether this server stops.
    pub(super) fn is_over(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Tells a step, if anybody wants to know.
    pub(super) fn tell(&self, step: impl FnOnce() -> String) {
        if let Some(trace) = self.trace {
            trace(step());
        }
    }

    /// How long a step may take for which the protocol allows so much.
    pub(super) fn at_most(&self, limit: Duration) -> Duration {
        self.patience.map_or(limit, |patience| patience.min(limit))
    }
}

/// How sure it is that an email was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The mail server said that it has it.
    Confirmed,
    /// It got the whole email and said nothing that could be understood.
    Unconfirmed,
}
