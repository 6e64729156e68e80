//! Sends letters. Blocks; called on a thread for calls to the outside. What goes wrong is told in fixed words, never
//! with an address in them.

use super::letters::Letter;
use super::smtp::{self, Reply};
use crate::clock::{Clock, Moment};
use crate::guard::secret::Secret;
use std::sync::{Arc, Mutex, PoisonError};

pub use super::smtp::{Receipt, Watch, read_extra_roots};

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
    /// TLS on port 465, STARTTLS on every other one; in clear only to this very machine.
    Automatic,
    /// Begins in clear and must change to TLS.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// In clear, because the operator says so.
    None,
}

/// Why a letter was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailError {
    /// The sender or the recipient is no address, or the text cannot be sent as it is.
    Unwritable,
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
    /// This server was told to stop before the letter was handed over.
    Stopped,
}

impl MailError {
    /// The error in fixed words, for the log.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unwritable => "the letter cannot be written",
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

    /// What a reply says that is not the one hoped for.
    pub(super) const fn of(reply: &Reply) -> Self {
        match reply.code / 100 {
            4 => Self::Deferred(reply.code),
            5 => Self::Refused(reply.code),
            _ => Self::Protocol,
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

/// Sends letters.
pub trait Mailer: Send + Sync {
    /// Sends a letter and waits until the mail server has taken it.
    ///
    /// # Errors
    ///
    /// Why it was certainly not sent.
    fn send(
        &self,
        letter: &Letter,
        settings: &MailSettings,
        now: Moment,
        watch: &Watch<'_>,
    ) -> Result<Receipt, MailError>;
}

/// Keeps letters in memory instead of sending them, for tests.
#[derive(Default)]
pub struct Outbox(Mutex<Vec<Letter>>);

impl Outbox {
    /// Takes out the letters that were sent since the last time.
    pub fn take(&self) -> Vec<Letter> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Mailer for Outbox {
    fn send(
        &self,
        letter: &Letter,
        _settings: &MailSettings,
        _now: Moment,
        _watch: &Watch<'_>,
    ) -> Result<Receipt, MailError> {
        let letter =
            Letter { to: letter.to.clone(), subject: letter.subject.clone(), text: letter.text.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
        Ok(Receipt::Confirmed)
    }
}

/// Sends letters by SMTP.
pub struct SmtpMailer {
    /// Tells how long a step takes.
    pub clock: Arc<dyn Clock>,
}

impl Mailer for SmtpMailer {
    fn send(
        &self,
        letter: &Letter,
        settings: &MailSettings,
        now: Moment,
        watch: &Watch<'_>,
    ) -> Result<Receipt, MailError> {
        smtp::deliver(letter, settings, now, &*self.clock, watch)
    }
}
