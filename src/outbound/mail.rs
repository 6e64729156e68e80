//! Sends letters. Blocks; called on a thread for calls to the outside. What goes wrong is told in fixed words, never
//! with an address in them.

use super::letters::Letter;
use super::smtp;
use crate::clock::{Clock, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};

pub use super::delivery::{MailError, MailSettings, Protection, Receipt, Watch};
pub use super::smtp::read_extra_roots;

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
        now: Timestamp,
        watch: &Watch<'_>,
    ) -> Result<Receipt, MailError>;
}

/// Keeps letters in memory instead of sending them, for tests.
#[derive(Default)]
pub struct MemoryMailer(Mutex<Vec<Letter>>);

impl MemoryMailer {
    /// Takes out the letters that were sent since the last time.
    pub fn take(&self) -> Vec<Letter> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Mailer for MemoryMailer {
    fn send(
        &self,
        letter: &Letter,
        _settings: &MailSettings,
        _now: Timestamp,
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
        now: Timestamp,
        watch: &Watch<'_>,
    ) -> Result<Receipt, MailError> {
        smtp::deliver(letter, settings, now, &*self.clock, watch)
    }
}
