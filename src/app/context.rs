//! What an operation on accounts works with: the server's parts, the time, and whose places in the queues it takes.

use super::state::App;
use crate::client_address::ClientAddress;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::config::values::Backoff;
use crate::guard::password::{Asker, HasherBusy, ImportedHash, PasswordHash, Verification};
use crate::guard::secret::{Password, Secret};
use crate::outcome::Error;
use crate::presence::Presence;
use crate::rng::Rng;
use crate::store::attempts::AttemptKey;
use crate::store::events::Trail;
use crate::store::{Db, Lease, StoreError, Tx};
use crate::wait::keyed_mutex::{KeyedGuard, KeyedMutex, LockError};
use crate::wait::pause;
use std::time::Duration;

/// How long what a process has for itself is kept from others should it end without a word: longer than a password takes to be
/// tested. Whoever takes longer has not tested it.
pub const LEASE_SECONDS: i64 = 20;
/// How often others look whether it is theirs to have, and how often at most: for somewhat longer than that.
const LEASE_PAUSE: Duration = Duration::from_millis(20);
const LEASE_TRIES_MAX: u32 = 1250;

/// One piece of work's view of the server. A request has one, and so has an operator's command.
pub struct Context<'a> {
    app: &'a App,
    client: Option<&'a ClientAddress>,
    request_id: Option<&'a str>,
    operator: Option<&'a str>,
    presence: Presence,
    account: Option<String>,
    now: Timestamp,
    backoff: Backoff,
    may_wait: bool,
    delay: Duration,
    retry_after: Option<Duration>,
}

impl<'a> Context<'a> {
    /// Work that begins now, for an end user at this address.
    #[must_use]
    pub fn of_client(
        app: &'a App,
        client: &'a ClientAddress,
        request_id: &'a str,
        presence: &Presence,
    ) -> Self {
        let (client, request_id) = (Some(client), Some(request_id));
        Self { client, request_id, presence: presence.clone(), ..Self::of_server(app) }
    }

    /// Work that begins now and has no client: an operator's command, or the server's own.
    #[must_use]
    pub fn of_server(app: &'a App) -> Self {
        let now = app.clock.now();
        Self {
            app,
            client: None,
            request_id: None,
            operator: None,
            presence: Presence::always(),
            account: None,
            now,
            backoff: app.config.backoff,
            may_wait: true,
            delay: Duration::ZERO,
            retry_after: None,
        }
    }

    /// When it began.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
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

    /// The network of the end user, as attempts are counted; empty where there is none.
    #[must_use]
    pub fn network(&self) -> String {
        self.client.map(|client| client.network().to_string()).unwrap_or_default()
    }

    /// Where this work comes from, for the events that it leaves.
    #[must_use]
    pub fn trail(&self) -> Trail {
        let trail = Trail::new(self.client.map(|client| client.network().to_string()), self.request_id);
        match self.operator {
            Some(login) => trail.asked_for_by(login),
            None => trail,
        }
    }

    /// Says for which operator the calling server asks, by the name that they are logged in under there: what it does by
    /// itself is noted as theirs.
    pub const fn asked_for_by(&mut self, login: &'a str) {
        self.operator = Some(login);
    }

    /// The operator for whom the calling server asks.
    #[must_use]
    pub const fn operator(&self) -> Option<&'a str> {
        self.operator
    }

    /// Whether somebody still waits for the outcome.
    #[must_use]
    pub const fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Where tokens and salts come from.
    #[must_use]
    pub fn rng(&self) -> &'a dyn Rng {
        &*self.app.rng
    }

    /// Hashes a password with a new salt.
    ///
    /// # Errors
    ///
    /// Too many passwords waiting.
    pub fn hash(&self, password: &Password) -> Result<PasswordHash, HasherBusy> {
        self.app.hasher.hash(&self.asker(), password)
    }

    /// What to store for a hash that an import brings along.
    ///
    /// # Errors
    ///
    /// Too many passwords waiting.
    pub fn store_imported(&self, hash: ImportedHash) -> Result<PasswordHash, HasherBusy> {
        self.app.hasher.store_imported(&self.asker(), hash)
    }

    /// A hash that no password matches.
    #[must_use]
    pub fn no_password(&self) -> PasswordHash {
        self.app.hasher.no_password()
    }

    /// Verifies a password against what is stored for it, if anything is.
    ///
    /// # Errors
    ///
    /// Too many passwords waiting.
    pub fn verify(
        &self,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verification, HasherBusy> {
        self.app.hasher.verify(&self.asker(), password, stored.map(PasswordHash::as_str))
    }

    /// The same for a refresh token of the original's, which counts as a whole.
    ///
    /// # Errors
    ///
    /// Too many passwords waiting.
    pub fn verify_token(&self, token: &Secret<String>, stored: &str) -> Result<Verification, HasherBusy> {
        self.app.hasher.verify_text(&self.asker(), token.expose(), Some(stored))
    }

    /// Does the work of a verification where there is nothing to verify against.
    ///
    /// # Errors
    ///
    /// Too many passwords waiting.
    pub fn verify_dummy(&self, password: &Password) -> Result<(), HasherBusy> {
        self.app.hasher.verify_dummy(&self.asker(), password)
    }

    /// Says which account this is about: whatever is hashed from now on takes a place of that account's few.
    pub fn concerns(&mut self, account: &str) {
        self.account = Some(account.to_owned());
    }

    /// Waits for the lock of this key.
    ///
    /// # Errors
    ///
    /// Too many waiting for it.
    pub fn lock_attempts(&self, mutex: &KeyedMutex, key: &str) -> Result<KeyedGuard, LockError> {
        mutex.lock(key, &self.presence)
    }

    /// Waits until no other process has what this stands for, and takes it; see [`crate::store::Store::lease`]. Within a process others wait for a
    /// turn.
    ///
    /// # Errors
    ///
    /// It took too long, or the client is gone; a failing database.
    pub fn lease(&self, key: &AttemptKey) -> Result<Lease, Error> {
        for _ in 0..LEASE_TRIES_MAX {
            if let Some(lease) = self.app.store.lease(key, LEASE_SECONDS)? {
                return Ok(lease);
            }
            if self.presence.is_gone() {
                break;
            }
            pause(LEASE_PAUSE);
        }
        Err(LockError.into())
    }

    /// Whose share of the hashing queue this work takes.
    fn asker(&self) -> Asker {
        Asker {
            network: self.client.map(ClientAddress::customer_network),
            account: self.account.clone(),
            presence: self.presence.clone(),
        }
    }

    /// Reads from the database.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn read<T>(&self, work: impl FnOnce(&Db<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.app.store.read(work)
    }

    /// Changes the database; see [`crate::store::Store::write`].
    ///
    /// # Errors
    ///
    /// What `work` returns; a failing database.
    pub fn write<T, E>(&self, work: impl Fn(&Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        if let Some(hook) = &self.app.before_write {
            hook();
        }
        self.app.store.write(work)
    }

    /// Has nobody wait for the outcome of a failed attempt, whatever the operator set: the next one is refused.
    pub const fn refuse_instead_of_holding(&mut self) {
        self.backoff = Backoff::Refuse;
    }

    /// The same, and nothing waits for what has not happened yet: others wait behind this.
    pub const fn never_wait(&mut self) {
        self.refuse_instead_of_holding();
        self.may_wait = false;
    }

    /// Whether it may wait for what has not happened yet.
    #[must_use]
    pub const fn may_wait(&self) -> bool {
        self.may_wait
    }

    /// How failed attempts are slowed down.
    #[must_use]
    pub const fn backoff(&self) -> Backoff {
        self.backoff
    }

    /// Slows down whoever failed an attempt, or came too soon after one: has them wait for so long at least, or tells
    /// them when to come again.
    pub fn slow_down(&mut self, time: Duration) {
        match self.backoff {
            Backoff::Hold => self.delay(time),
            Backoff::Refuse => self.retry_after = self.retry_after.max(Some(time)),
        }
    }

    /// Delays the response by at least this much, as after a failed password check.
    pub fn delay(&mut self, time: Duration) {
        self.delay = self.delay.max(time);
    }

    /// After how many seconds the next attempt is looked at, if that is to be told.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(|time| time.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
    }

    /// How long the outcome is to be delayed.
    #[must_use]
    pub const fn delayed_by(&self) -> Duration {
        self.delay
    }
}
