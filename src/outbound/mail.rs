//! Sends emails. Blocks; called on a thread for calls to the outside. What goes wrong is told in fixed words, never
//! with an address in them.

use super::smtp;
use super::templates::Email;
use crate::clock::{Clock, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};

pub use super::delivery::{MailError, MailSettings, Protection, Receipt, Watch};
pub use super::smtp::{probe, read_extra_roots};

/// Sends emails.
pub trait Mailer: Send + Sync {
    /// Sends an email and waits until the mail server has taken it.
    ///
    /// # Errors
    ///
    /// Why it was certainly not sent.
    fn send(
        &self,
        email: &Email,
        settings: &MailSettings,
        now: Timestamp,
        watch: &Watch<'_>,
    ) -> Result<Receipt, MailError>;
}

/// Sends one email at once, on the thread that asks.
///
/// # Errors
///
/// Why it was certainly not sent.
pub fn send_now(
    email: &Email,
    settings: &MailSettings,
    clock: &dyn Clock,
    watch: &Watch<'_>,
) -> Result<Receipt, MailError> {
    smtp::deliver(email, settings, clock.now(), clock, watch)
}

/// Keeps emails in memory instead of sending them, for tests.
#[derive(Default)]
pub struct MemoryMailer(Mutex<Vec<Email>>);

impl MemoryMailer {
    /// Takes out the emails that were sent since the last time.
    pub fn take(&self) -> Vec<Email> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Mailer for MemoryMailer {
    fn send(
        &self,
        email: &Email,
        _settings: &MailSettings,
        _now: Timestamp,
        _watch: &Watch<'_>,
    ) -> Result<Receipt, MailError> {
        let email = Email {
            to: email.to.clone(),
            subject: email.subject.clone(),
            text: email.text.clone(),
            html: email.html.clone(),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(email);
        Ok(Receipt::Confirmed)
    }
}

/// Sends emails by SMTP.
pub struct SmtpMailer {
    /// Tells how long a step takes.
    pub clock: Arc<dyn Clock>,
}

impl Mailer for SmtpMailer {
    fn send(
        &self,
        email: &Email,
        settings: &MailSettings,
        now: Timestamp,
        watch: &Watch<'_>,
    ) -> Result<Receipt, MailError> {
        smtp::deliver(email, settings, now, &*self.clock, watch)
    }
}
