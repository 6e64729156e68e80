//! Who knows the password. Every action that takes one asks here, so that guesses are counted in one place: each
//! attempt is written down before the password is looked at, one at a time per account, and costs one Argon2
//! computation whatever comes of it.

use super::locking;
use crate::app::Call;
use crate::config::check::LockMode;
use crate::guard::backoff::hold_seconds;
use crate::guard::password::Verification;
use crate::guard::secret::Secret;
use crate::log;
use crate::outcome::{Failure, Refusal};
use crate::policy::email::fold;
use crate::store::attempts::{AttemptKey, Attempts};
use crate::store::locks::{self, Lock};
use crate::store::users::{Credentials, LOCKED_ROLE};
use crate::store::{StoreError, Tx, attempts, users};
use std::time::Duration;

/// What is answered while an account takes no attempts; the same whether or not there is such an account.
pub const LOCKED: Refusal = Refusal::without_reason(
    "This account is locked for now after too many failed attempts. Try again later, or ask an administrator.",
)
.nulls(&["user_id"]);

/// Whose password it is said to be.
pub enum Claim {
    /// The user with this address, as it was typed.
    Email(String),
    /// The user of this number.
    User(i64),
    /// The user of this number, provided that this is their address.
    UserWithEmail(i64, String),
}

/// What came of looking at a password.
#[must_use]
pub enum Proof {
    /// It is right, and the account may do what was asked.
    Right(Proven),
    /// It is right, but the account may not.
    Barred(Credentials),
    /// It is wrong, or there is no such account.
    Wrong,
    /// It was not looked at: the account takes no attempts for now.
    Locked,
}

/// Somebody who knows the password.
pub struct Proven {
    /// What the user is.
    pub credentials: Credentials,
    /// Whether the stored hash was made with other than today's parameters.
    pub needs_rehash: bool,
}

/// Tests a password. `may` says whether an account that it fits may do what was asked; one that may not counts as
/// a failed attempt, so that nobody can tell it from a wrong password by waiting.
///
/// # Errors
///
/// A failing database, or too many passwords waiting.
pub fn prove(
    call: &mut Call<'_>,
    claim: &Claim,
    password: &Secret<String>,
    may: fn(&Credentials) -> bool,
) -> Result<Proof, Failure> {
    let account = account_of(call, claim)?;
    let _turn = call.app().turnstiles.enter(&account);
    let attempt = begin(call, &account)?;
    if attempt.locked {
        call.app().hasher.verify_dummy(password.expose())?;
        return Ok(Proof::Locked);
    }
    // Only now: beginning the attempt may have lifted a lock that has ended.
    let found = look_up(call, claim)?;
    let stored = found.as_ref().map(|user| user.password.expose().as_str());
    let verification = call.app().hasher.verify(password.expose(), stored)?;
    if let (Verification::Differs { stored_fault: Some(fault) }, Some(user)) = (verification, &found) {
        let user_id = call.config().pii_salt.redact(user.user_id);
        log::warning(
            "a stored password cannot be used",
            &[("user", user_id.into()), ("why", log::words(&fault))],
        );
    }
    let fits = matches!(verification, Verification::Matches { .. });
    match found.filter(|_| fits) {
        Some(credentials) if may(&credentials) => {
            let key = attempt.key;
            call.write(move |tx| Ok(attempts::delete(tx, &key)?))?;
            let needs_rehash = verification == Verification::Matches { needs_rehash: true };
            Ok(Proof::Right(Proven { credentials, needs_rehash }))
        }
        _ if fail(call, attempt, account)? == Consequence::Locked => Ok(Proof::Locked),
        Some(credentials) => Ok(Proof::Barred(credentials)),
        None => Ok(Proof::Wrong),
    }
}

/// An attempt that was written down.
struct Attempt {
    key: AttemptKey,
    failures: i64,
    locked: bool,
}

/// The folded address that attempts are counted under. A number without a user gets one that no user can have.
fn account_of(call: &Call<'_>, claim: &Claim) -> Result<String, Failure> {
    Ok(match claim {
        Claim::Email(email) | Claim::UserWithEmail(_, email) => fold(email).into_owned(),
        Claim::User(user_id) => {
            let user_id = *user_id;
            let user = call.read(|db| users::credentials_by_id(db, user_id))?;
            user.map_or_else(|| format!("#{user_id}"), |user| user.email)
        }
    })
}

fn look_up(call: &Call<'_>, claim: &Claim) -> Result<Option<Credentials>, Failure> {
    call.read(|db| match claim {
        Claim::Email(email) => users::credentials_by_email(db, &fold(email)),
        Claim::User(user_id) => users::credentials_by_id(db, *user_id),
        Claim::UserWithEmail(user_id, email) => {
            let found = users::credentials_by_email(db, &fold(email))?;
            Ok(found.filter(|user| user.user_id == *user_id))
        }
    })
}

fn begin(call: &Call<'_>, account: &str) -> Result<Attempt, Failure> {
    let config = call.config();
    let (tries_max, lock_seconds) = (i64::from(config.user_lock_tries), i64::from(config.user_lock_seconds));
    let by_client = config.lock_mode == LockMode::AccountAndClient;
    let network = if by_client { call.client().network().to_string() } else { String::new() };
    let (key, account) = (AttemptKey::new(account, network), account.to_owned());
    call.write(move |tx| {
        let known = attempts::by_account(tx, &key)?;
        let (locked_until, mut failures) =
            known.map_or((None, 0), |known| (known.locked_until, known.failures));
        match locked_until {
            Some(until) if until > tx.now() => return Ok(Attempt { key, failures, locked: true }),
            Some(_) => {
                // The lock has ended: the count starts anew, and the account is as it was before.
                failures = 0;
                lift_if_ended(tx, &account)?;
            }
            None => {}
        }
        failures += 1;
        // More than the limit can only be there if the server was stopped while the last one was looked at.
        let locked = failures > tries_max + 1;
        let locked_until = if locked { tx.now().plus_seconds(lock_seconds) } else { None };
        attempts::upsert(tx, &key, &Attempts { failures, locked_until })?;
        if locked && !by_client {
            lock_account(tx, &account, lock_seconds)?;
        }
        Ok(Attempt { key, failures, locked })
    })
}

/// What a failed attempt leads to.
#[derive(PartialEq, Eq)]
enum Consequence {
    Held,
    Locked,
}

/// Notes that an attempt failed: holds the answer back, or locks the account when it was one too many.
fn fail(call: &mut Call<'_>, attempt: Attempt, account: String) -> Result<Consequence, Failure> {
    let config = call.config();
    let lock_seconds = i64::from(config.user_lock_seconds);
    let locks = attempt.failures > i64::from(config.user_lock_tries);
    let by_client = config.lock_mode == LockMode::AccountAndClient;
    if !locks {
        let failures = u32::try_from(attempt.failures).unwrap_or(u32::MAX);
        call.hold_answer_for(Duration::from_secs_f64(hold_seconds(failures)));
    }
    call.write(move |tx| {
        if let Some(user_id) = users::id_by_email(tx, &account)? {
            users::set_login_failure(tx, user_id, attempt.failures)?;
        }
        if locks {
            let locked_until = tx.now().plus_seconds(lock_seconds);
            attempts::upsert(tx, &attempt.key, &Attempts { failures: attempt.failures, locked_until })?;
            if !by_client {
                lock_account(tx, &account, lock_seconds)?;
            }
        }
        Ok(if locks { Consequence::Locked } else { Consequence::Held })
    })
}

/// Locks an account for a time. One that is not active, or locked already, is left as it is.
fn lock_account(tx: &Tx<'_>, account: &str, lock_seconds: i64) -> Result<(), StoreError> {
    let Some(user_id) = users::id_by_email(tx, account)? else { return Ok(()) };
    let Some(user) = users::by_id(tx, user_id)? else { return Ok(()) };
    let until = tx.now().plus_seconds(lock_seconds);
    match until {
        Some(until) if user.is_active && user.user_role != LOCKED_ROLE && !users::is_system_user(user_id) => {
            locking::lock(tx, &user, Lock::ByAttempts(until))
        }
        _ => Ok(()),
    }
}

fn lift_if_ended(tx: &Tx<'_>, account: &str) -> Result<(), StoreError> {
    let Some(user_id) = users::id_by_email(tx, account)? else { return Ok(()) };
    let ended = matches!(locks::by_user(tx, user_id)?, Some(Lock::ByAttempts(until)) if until <= tx.now());
    if let (true, Some(user)) = (ended, users::by_id(tx, user_id)?) {
        let _ = locking::unlock(tx, &user)?;
    }
    Ok(())
}
