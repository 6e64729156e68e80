//! The server's parts, made once and shared by everything that is under way.

use crate::clock::Clock;
use crate::config::Config;
use crate::guard::guesses::Guesses;
use crate::guard::password::Hasher;
use crate::guard::ratelimit::Limiter;
use crate::log::Repeated;
use crate::outbound::mail::{MailSettings, Mailer};
use crate::outbound::pwned::BreachLookup;
use crate::outbound::recent::RecentLetters;
use crate::policy::model::Policy;
use crate::pool::Pool;
use crate::rng::Rng;
use crate::store::Store;
use crate::wait::Pause;
use crate::wait::turnstile::Turnstiles;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// See [`App::before_write`].
pub type WriteHook = Arc<dyn Fn() + Send + Sync>;

/// The server's parts, each made and checked at start.
pub struct App {
    /// What the operator set.
    pub config: Config,
    /// The database.
    pub store: Arc<Store>,
    /// Hashes and verifies passwords.
    pub hasher: Hasher,
    /// Counts requests.
    pub limiter: Limiter,
    /// The name that a new password must not resemble.
    pub server_name: String,
    /// Who may do what; swapped when the operator has it read again.
    pub policy: ArcSwap<Policy>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes tokens and salts.
    pub rng: Arc<dyn Rng>,
    /// Where leaked passwords are looked up, unless that is turned off.
    pub leaks: Option<Arc<dyn BreachLookup>>,
    /// Threads for looking up leaked passwords.
    pub outbound: Pool,
    /// Sends letters.
    pub mailer: Arc<dyn Mailer>,
    /// Threads for sending letters: a mail server that stalls holds up nothing else.
    pub post: Pool,
    /// How to reach the mail server.
    pub mail_settings: MailSettings,
    /// Requests that were told to come again, for the log.
    pub busy: Repeated,
    /// Checks of limits that the policy gives to no role, for the log.
    pub unknown_limits: Repeated,
    /// How an answer is held back.
    pub pause: Pause,
    /// Lets one password check of an account pass at a time.
    pub turnstiles: Turnstiles,
    /// Lets one stranger's password check pass at a time where an account has seen too many of them.
    pub slow_turnstiles: Turnstiles,
    /// Password checks that the database does not know of.
    pub guesses: Guesses,
    /// Runs before each write is queued. Only tests set it: what they do there happens after a request has read
    /// and before it writes.
    pub before_write: Option<WriteHook>,
    /// The answers that are being held back.
    pub held: HeldAnswers,
    /// Who asked for letters lately.
    pub recent_letters: Arc<RecentLetters>,
    /// Set when letters that are under way should end.
    pub mail_stops: Arc<AtomicBool>,
}

impl App {
    /// Holds an answer back. `false`, at once, when too many are held already.
    #[must_use]
    pub fn hold(&self, time: Duration) -> bool {
        let Some(_held) = self.held.one_more() else { return false };
        self.pause.pause(time);
        true
    }
}

/// Answers that may be held back at once after failed password checks.
pub const HELD_ANSWERS_MAX: usize = 2048;

/// How many answers are being held back.
#[derive(Default)]
pub struct HeldAnswers(AtomicUsize);

/// An answer that is being held back until this goes.
#[must_use]
pub struct HeldAnswer<'h>(&'h HeldAnswers);

impl HeldAnswers {
    /// Holds one more back, unless there are [`HELD_ANSWERS_MAX`] already.
    pub fn one_more(&self) -> Option<HeldAnswer<'_>> {
        // The place is given back by the drop, also when there was none.
        let place = HeldAnswer(self);
        (self.0.fetch_add(1, Ordering::Relaxed) < HELD_ANSWERS_MAX).then_some(place)
    }
}

impl Drop for HeldAnswer<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
