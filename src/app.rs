//! What a request may use: [`App`], built once, and [`Call`], one request's view of it.

use crate::chance::Chance;
use crate::client_address::ClientAddress;
use crate::clock::{Clock, Moment};
use crate::config::Config;
use crate::guard::guesses::Guesses;
use crate::guard::password::{Asker, Hasher, Verification};
use crate::guard::ratelimit::Limiter;
use crate::guard::secret::{Password, Secret};
use crate::log::Repeated;
use crate::outbound::mail::{MailSettings, Mailer};
use crate::outbound::pwned::LeakLookup;
use crate::outbound::recent::RecentLetters;
use crate::outcome::Failure;
use crate::policy::model::Policy;
use crate::pool::Pool;
use crate::presence::Presence;
use crate::store::{Db, Store, StoreError, Tx};
use crate::wait::Pause;
use crate::wait::turnstile::{Turn, Turnstiles};
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
    pub chance: Arc<dyn Chance>,
    /// Where leaked passwords are looked up, unless that is turned off.
    pub leaks: Option<Arc<dyn LeakLookup>>,
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

/// One request's view of the server.
pub struct Call<'a> {
    app: &'a App,
    client: &'a ClientAddress,
    presence: &'a Presence,
    account: Option<String>,
    now: Moment,
    hold: Duration,
}

impl<'a> Call<'a> {
    /// A call that begins now, made for the end user at this address.
    #[must_use]
    pub fn new(app: &'a App, client: &'a ClientAddress, presence: &'a Presence) -> Self {
        Self { app, client, presence, account: None, now: app.clock.now(), hold: Duration::ZERO }
    }

    /// When the request came.
    #[must_use]
    pub const fn now(&self) -> Moment {
        self.now
    }

    /// The server's parts.
    #[must_use]
    pub const fn app(&self) -> &'a App {
        self.app
    }

    /// What the operator set.
    #[must_use]
    pub const fn config(&self) -> &'a Config {
        &self.app.config
    }

    /// Where the end user is.
    #[must_use]
    pub const fn client(&self) -> &'a ClientAddress {
        self.client
    }

    /// Whether the caller still waits for the answer.
    #[must_use]
    pub const fn presence(&self) -> &'a Presence {
        self.presence
    }

    /// Where tokens and salts come from.
    #[must_use]
    pub fn chance(&self) -> &'a dyn Chance {
        &*self.app.chance
    }

    /// Hashes a password with a new salt.
    ///
    /// # Errors
    ///
    /// Too many passwords waiting.
    pub fn hash(&self, password: &Password) -> Result<Secret<String>, Failure> {
        let hash = self.app.hasher.hash(&self.asker(), password)?;
        Ok(Secret::new(hash.as_str().to_owned()))
    }

    /// Verifies a password against what is stored for it, if anything is.
    ///
    /// # Errors
    ///
    /// Too many passwords waiting.
    pub fn verify(&self, password: &Password, stored: Option<&str>) -> Result<Verification, Failure> {
        Ok(self.app.hasher.verify(&self.asker(), password, stored)?)
    }

    /// The same for a refresh token of the original's, which counts as a whole.
    ///
    /// # Errors
    ///
    /// Too many passwords waiting.
    pub fn verify_token(&self, token: &Secret<String>, stored: &str) -> Result<Verification, Failure> {
        Ok(self.app.hasher.verify_text(&self.asker(), token.expose(), Some(stored))?)
    }

    /// Does the work of a verification where there is nothing to verify against.
    ///
    /// # Errors
    ///
    /// Too many passwords waiting.
    pub fn verify_dummy(&self, password: &Password) -> Result<(), Failure> {
        Ok(self.app.hasher.verify_dummy(&self.asker(), password)?)
    }

    /// Says which account this is about: whatever is hashed from now on takes a place of that account's few.
    pub fn concerns(&mut self, account: &str) {
        self.account = Some(account.to_owned());
    }

    /// Waits for the turn under this key.
    ///
    /// # Errors
    ///
    /// Too many waiting under it.
    pub fn enter(&self, turnstiles: &Turnstiles, key: &str) -> Result<Turn, Failure> {
        Ok(turnstiles.enter(key, self.presence)?)
    }

    /// Whose share of the hashing queue this call takes.
    fn asker(&self) -> Asker {
        Asker {
            network: Some(self.client.customer_network()),
            account: self.account.clone(),
            presence: self.presence.clone(),
        }
    }

    /// Reads from the database.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn read<T>(&self, work: impl FnOnce(&Db<'_>) -> Result<T, StoreError>) -> Result<T, Failure> {
        Ok(self.app.store.read(work)?)
    }

    /// Changes the database; see [`Store::write`].
    ///
    /// # Errors
    ///
    /// What `work` returns; a failing database.
    pub fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        if let Some(hook) = &self.app.before_write {
            hook();
        }
        self.app.store.write(work)
    }

    /// Has the answer held back for so long, as after a failed password check.
    pub fn hold_answer_for(&mut self, time: Duration) {
        self.hold = self.hold.max(time);
    }

    /// How long the answer is to be held back.
    #[must_use]
    pub const fn hold(&self) -> Duration {
        self.hold
    }
}
