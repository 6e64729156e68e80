//! What the server consists of, made once and shared by everything that is under way.

use super::delayed::DelayedResponses;
use super::measured::Metrics;
use super::remembered::Remembered;
use crate::clock::Clock;
use crate::config::Config;
use crate::guard::envelope::Keyring;
use crate::guard::guesses::Guesses;
use crate::guard::password::Hasher;
use crate::guard::ratelimit::Limiter;
use crate::log::{Repeated, RepeatedByCause};
use crate::outbound::email_texts::EmailTexts;
use crate::outbound::mail::{MailSettings, Mailer};
use crate::outbound::pwned::BreachLookup;
use crate::outbound::recent::RecentEmails;
use crate::policy::model::Policy;
use crate::pool::Pool;
use crate::rng::Rng;
use crate::store::Store;
use crate::wait::Delay;
use crate::wait::keyed_mutex::KeyedMutex;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// See [`App::before_write`].
pub type WriteHook = Arc<dyn Fn() + Send + Sync>;

/// The server's parts, each made and checked at start.
pub struct App {
    /// What the operator set.
    pub config: Config,
    /// The keys of messages; replaced when the operator reloads them.
    pub keys: ArcSwap<Keyring>,
    /// The database.
    pub store: Arc<Store>,
    /// Hashes and verifies passwords.
    pub hasher: Hasher,
    /// Counts requests.
    pub limiter: Limiter,
    /// The name that a new password must not resemble.
    pub server_name: String,
    /// Who may do what; replaced when the operator reloads it.
    pub policy: ArcSwap<Policy>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes tokens and salts.
    pub rng: Arc<dyn Rng>,
    /// Where leaked passwords are looked up, unless that is turned off.
    pub breached_passwords: Option<Arc<dyn BreachLookup>>,
    /// Threads for looking up leaked passwords.
    pub outbound: Pool,
    /// Sends emails.
    pub mailer: Arc<dyn Mailer>,
    /// Threads for sending emails: a mail server that stalls holds up nothing else.
    pub post: Pool,
    /// How to reach the mail server.
    pub mail_settings: MailSettings,
    /// What emails say; replaced when the operator reloads it.
    pub email_texts: ArcSwap<EmailTexts>,
    /// Requests that were refused because the server was busy, for the log.
    pub busy: Repeated,
    /// Requests that were refused before they were carried out, for the log.
    pub refused: RepeatedByCause,
    /// Checks of limits that the policy gives to no role, for the log.
    pub unknown_limits: Repeated,
    /// How an answer is delayed.
    pub delay: Delay,
    /// Lets one password check of an account pass at a time.
    pub attempts_mutex: KeyedMutex,
    /// Lets one stranger's password check pass at a time where an account has seen too many of them.
    pub slow_attempts: KeyedMutex,
    /// Password checks under way, which the database does not know of yet.
    pub guesses: Guesses,
    /// Runs before each write is queued. Only tests set it: what they do there happens after a request has read
    /// and before it writes.
    pub before_write: Option<WriteHook>,
    /// What is counted, for monitoring.
    pub metrics: Metrics,
    /// The answers that are being delayed.
    pub delayed: DelayedResponses,
    /// Who asked for emails lately.
    pub recent_emails: Arc<RecentEmails>,
    /// What requests leave behind for later ones, beside the database.
    pub remembered: Remembered,
    /// Set when emails that are under way should end.
    pub mail_stops: Arc<AtomicBool>,
}

impl App {
    /// Delays an answer. `false`, at once, when too many are delayed already.
    #[must_use]
    pub fn delay_response(&self, time: Duration) -> bool {
        let Some(_delayed) = self.delayed.one_more() else { return false };
        self.delay.wait(time);
        true
    }
}
