//! Failed attempts: how they are counted, how long they delay the answer, and when they lock the account. Only a password
//! that was tested and is wrong counts, and it is written down before the next is tested.

use super::{lock, sessions};
use crate::app::Context;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::config::values::{Backoff, LockMode};
use crate::guard::backoff::{STRANGERS_FAILURES_MAX, delay_seconds};
use crate::guard::token::StoredToken;
use crate::outcome::Error;
use crate::policy::email::EmailAddress;
use crate::policy::roles::is_system_user;
use crate::store::attempts::{AttemptKey, Attempts};
use crate::store::events::{By, EventKind, NewEvent, Trail};
use crate::store::locks::{self, Lock};
use crate::store::{Lease, StoreError, Tx, attempts, users};
use crate::user_id::UserId;
use std::time::Duration;

/// How an attempt is counted.
pub(super) struct Counted {
    /// The address, or what stands for it.
    pub(super) account: EmailAddress,
    /// Attempts that are counted together run one after another; this names them.
    pub(super) lane: String,
    /// What the failures, and the leases of processes that test a password, are kept under.
    pub(super) key: AttemptKey,
    rules: Rules,
}

/// What the operator set about failed attempts.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    by_client: bool,
    /// So many failures delay; the next one locks.
    pub(super) tries_max: i64,
    /// For how long.
    pub(super) lock_seconds: i64,
}

impl Counted {
    pub(super) fn new(context: &Context<'_>, account: EmailAddress) -> Self {
        let rules = Rules::of(context.config());
        let network = if rules.by_client { context.network() } else { String::new() };
        let lane = format!("{network} {}", account.as_str());
        Self { lane, key: AttemptKey::new(&account, network), account, rules }
    }

    pub(super) fn known(&self, context: &Context<'_>) -> Result<Known, StoreError> {
        context.read(|db| {
            let known = attempts::by_account(db, &self.key)?;
            let known = known.as_ref();
            Ok(Known {
                is_locked: known.is_some_and(|known| self.rules.is_locked(known, db.now())),
                wait: self.rules.wait(known, db.now()),
                is_at_home: known.is_some_and(|known| known.last_success.is_some()),
            })
        })
    }

    /// Whether the account has failed so often, from wherever, that strangers get to try only one after another and
    /// slowly. Those under way count as if they had failed, wherever they are.
    pub(super) fn is_slowed(
        &self,
        context: &Context<'_>,
        under_way: u32,
        lease: &Lease,
    ) -> Result<bool, StoreError> {
        if !self.rules.by_client {
            return Ok(false);
        }
        context.read(|db| {
            let under_way = i64::from(under_way) + lease.count_elsewhere(db)?;
            Ok(attempts::total_failures(db, &self.key)? + under_way >= STRANGERS_FAILURES_MAX)
        })
    }

    /// What strangers' slow attempts on the account are kept under: no address has a blank in it, so that this is nobody's.
    pub(super) fn slow_key(&self) -> AttemptKey {
        let slow = format!("slow attempts at {}", self.account.as_str());
        AttemptKey::new(&EmailAddress::folded(&slow), String::new())
    }

    /// What forgets the failures after a success.
    pub(super) fn success(&self, lease: Lease) -> Success {
        Success { key: self.key.clone(), by_client: self.rules.by_client, lease }
    }
}

/// A success, to be noted in the write that makes it one.
pub(super) struct Success {
    key: AttemptKey,
    by_client: bool,
    lease: Lease,
}

impl Success {
    /// Ends the lease under which the password was tested: whatever comes of it, it was tested.
    pub(super) fn end_lease(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.lease.end(tx)
    }

    /// Forgets the failures, and remembers where the success came from where that matters.
    pub(super) fn note(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        if self.by_client { attempts::upsert_success(tx, &self.key) } else { attempts::delete(tx, &self.key) }
    }
}

/// What is known about attempts that are counted together.
pub(super) struct Known {
    /// They are not looked at for now.
    pub(super) is_locked: bool,
    /// How long the next one has to wait, where nobody is held; nothing if it may come now.
    pub(super) wait: Option<Duration>,
    /// One from the same network succeeded before, so this one hardly comes from a stranger. Never known where all
    /// networks count together.
    pub(super) is_at_home: bool,
}

impl Rules {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            by_client: config.lock_mode == LockMode::AccountAndClient,
            tries_max: i64::from(config.user_lock_tries),
            lock_seconds: i64::from(config.user_lock_seconds),
        }
    }

    /// A lock that would last longer than any does was written under a wrong clock.
    pub(super) fn is_locked(self, known: &Attempts, now: Timestamp) -> bool {
        known
            .locked_until
            .is_some_and(|until| until > now && until <= locks::latest_end(now, self.lock_seconds))
    }

    /// The failures that still count: none after a lock, and none from a time that lies ahead.
    pub(super) fn failures(self, known: Option<&Attempts>, now: Timestamp) -> i64 {
        let latest = attempts::latest(now);
        let counts = |known: &&Attempts| {
            known.last_try <= latest && (known.locked_until.is_none() || self.is_locked(known, now))
        };
        known.filter(counts).map_or(0, |known| known.failures)
    }

    /// Has whoever failed wait: for the delay of so many failures, or while the lock lasts.
    pub(super) fn slow_down(self, context: &mut Context<'_>, failures: i64, locks: bool) -> AttemptResult {
        context.app().metrics.failed_attempts.increment();
        if !locks {
            context.slow_down(delay(u32::try_from(failures).unwrap_or(u32::MAX)));
            return AttemptResult::Delayed;
        }
        context.app().metrics.locks.increment();
        if context.backoff() == Backoff::Refuse {
            context.slow_down(Duration::from_secs(self.lock_seconds.try_into().unwrap_or(0)));
        }
        AttemptResult::Locked
    }

    /// How long after now the delay is over that the last failure brought, or the lock.
    pub(super) fn wait(self, known: Option<&Attempts>, now: Timestamp) -> Option<Duration> {
        let failures = u32::try_from(self.failures(known, now)).unwrap_or(u32::MAX);
        let known = known.filter(|_| failures > 0)?;
        let over = match known.locked_until.filter(|_| self.is_locked(known, now)) {
            Some(until) => until,
            None => known.last_try.plus_seconds_f64(delay_seconds(failures))?,
        };
        let micros = over.micros().checked_sub(now.micros())?;
        u64::try_from(micros).ok().filter(|micros| *micros > 0).map(Duration::from_micros)
    }
}

/// How long the failure that makes it so many delays the next attempt, or its own answer.
fn delay(failures: u32) -> Duration {
    Duration::from_secs_f64(delay_seconds(failures))
}

/// What a failed attempt leads to.
#[derive(PartialEq, Eq)]
pub(super) enum AttemptResult {
    Delayed,
    Locked,
}

/// Counts a failed attempt: delays the answer, or locks the account when it was one too many. A session that the attempt
/// was to end ends in the same write, and so does the lease under which it was tested.
pub(super) fn fail(
    context: &mut Context<'_>,
    counted: &Counted,
    ends: Option<StoredToken>,
    lease: &Lease,
) -> Result<AttemptResult, Error> {
    let failures = write_down(context, counted, ends, lease.clone()).inspect_err(|_| {
        context.app().guesses.keep_unwritten(counted.lane.clone());
    })?;
    Ok(counted.rules.slow_down(context, failures, failures > counted.rules.tries_max))
}

/// A failure that the database did not take is written down before another password is looked at, so that guesses are
/// not for free while it fails.
pub(super) fn write_down_unwritten(context: &Context<'_>, counted: &Counted) -> Result<(), Error> {
    if context.app().guesses.is_unwritten(&counted.lane) {
        write_down(context, counted, None, Lease::ALONE)?;
        context.app().guesses.forget_unwritten(&counted.lane);
    }
    Ok(())
}

/// Writes down one more failure, and locks when it was one too many. Tells how many there are.
fn write_down(
    context: &Context<'_>,
    counted: &Counted,
    ends: Option<StoredToken>,
    lease: Lease,
) -> Result<i64, StoreError> {
    let (key, account, rules) = (counted.key.clone(), counted.account.clone(), counted.rules);
    let trail = context.trail();
    context.write(move |tx| {
        lease.end(tx)?;
        if let Some(session) = ends {
            sessions::delete(tx, &trail, &session)?;
        }
        let known = attempts::by_account(tx, &key)?;
        let failures = rules.failures(known.as_ref(), tx.now()) + 1;
        let locks = failures > rules.tries_max;
        let locked_until = if locks { tx.now().plus_seconds(rules.lock_seconds) } else { None };
        attempts::upsert(tx, &key, failures, locked_until)?;
        let user_id = users::id_by_email(tx, &account)?;
        let failed = match user_id {
            Some(user_id) => NewEvent::about(EventKind::LoginFailed, user_id),
            None => NewEvent::new(EventKind::LoginFailed),
        };
        trail.note(tx, By::UNKNOWN, failed)?;
        if let Some(user_id) = user_id {
            users::set_login_failure(tx, user_id, failures)?;
            if let Some(until) = locked_until.filter(|_| !rules.by_client) {
                lock_account(tx, &trail, user_id, until)?;
            }
        }
        Ok(failures)
    })
}

/// Locks an account for a time. One that is not active, or locked already, is left as it is.
fn lock_account(tx: &Tx<'_>, trail: &Trail, user_id: UserId, until: Timestamp) -> Result<(), StoreError> {
    match users::by_id(tx, user_id)? {
        Some(user) if user.is_active && !user.user_role.is_locked() && !is_system_user(user_id) => {
            lock::lock(tx, &user, Lock::Automatic(until))?;
            trail.note(tx, By::SERVER, NewEvent::about(EventKind::AccountSuspended, user_id))
        }
        _ => Ok(()),
    }
}
