//! Who knows the password. Every action that takes one asks here, so that guesses are counted in one place. Only a
//! password that was tested and is wrong counts: one at a time per account, and written down before the next is
//! tested, so that many guesses at once get no more tries than one after another. Whatever keeps a password from being
//! tested (busy hashers, a failing database, a crash) leaves no trace. Each test costs one Argon2 computation, and a
//! failed one a single write, whatever is wrong.

use super::lock;
use crate::app::Call;
use crate::clock::Moment;
use crate::config::check::LockMode;
use crate::guard::backoff::{SLOWED_SECONDS, STRANGERS_FAILURES_MAX, hold_seconds};
use crate::guard::password::Verification;
use crate::guard::secret::Password;
use crate::log;
use crate::outcome::{Failure, Refusal};
use crate::policy::email::EmailAddress;
use crate::policy::roles::is_system_user;
use crate::store::attempts::{AttemptKey, Attempts};
use crate::store::locks::{self, Lock};
use crate::store::users::Credentials;
use crate::store::{StoreError, Tx, attempts, users};
use std::time::Duration;

/// What is answered while an account takes no attempts; the same whether or not there is such an account.
pub const LOCKED: Refusal = Refusal::without_reason(
    "This account is locked for now after too many failed attempts. Try again later, or ask an administrator.",
)
.nulls(&["user_id"]);

/// Whose password it is said to be.
pub enum Claim {
    /// The user with this address.
    Email(EmailAddress),
    /// The user of this number.
    User(i64),
    /// The user of this number, provided that this is their address.
    UserWithEmail(i64, EmailAddress),
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
/// A failing database, or too many passwords waiting. The attempt was not counted then.
pub fn prove(
    call: &mut Call<'_>,
    claim: &Claim,
    password: &Password,
    may: fn(&Credentials) -> bool,
) -> Result<Proof, Failure> {
    let counted = Counted::new(call, account_of(call, claim)?);
    let known = counted.known(call)?;
    // Strangers share an account's few places in the queue of the hashers. The owner is not to wait for one of them.
    call.concerns(if known.is_at_home { &counted.lane } else { counted.account.as_str() });
    // Before the queue too: where nothing is tested, nobody is to wait for anybody.
    if known.is_locked {
        return Ok(locked(call, &counted, password));
    }
    let turn = call.enter(&call.app().turnstiles, &counted.lane)?;
    write_down_unwritten(call, &counted)?;
    if counted.known(call)?.is_locked {
        drop(turn);
        return Ok(locked(call, &counted, password));
    }
    let under_way = call.app().guesses.begin(counted.account.as_str().to_owned());
    let is_slowed = !known.is_at_home && counted.is_slowed(call, under_way.others)?;
    let slow_turn = if is_slowed {
        Some(call.enter(&call.app().slow_turnstiles, counted.account.as_str())?)
    } else {
        None
    };
    let proof = test(call, claim, &counted, password, may)?;
    if slow_turn.is_some() && !matches!(proof, Proof::Right(_)) {
        // Whoever is next waits for this too.
        call.app().pause.pause(Duration::from_secs(SLOWED_SECONDS));
    }
    Ok(proof)
}

fn test(
    call: &mut Call<'_>,
    claim: &Claim,
    counted: &Counted,
    password: &Password,
    may: fn(&Credentials) -> bool,
) -> Result<Proof, Failure> {
    let found = look_up(call, claim)?;
    let stored = found.as_ref().map(|user| user.password.expose().as_str());
    let verification = call.verify(password, stored)?;
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
            let needs_rehash = verification == Verification::Matches { needs_rehash: true };
            let credentials = succeed(call, counted, credentials, may)?;
            Ok(credentials
                .map_or(Proof::Wrong, |credentials| Proof::Right(Proven { credentials, needs_rehash })))
        }
        _ if fail(call, counted)? == Consequence::Locked => Ok(Proof::Locked),
        Some(credentials) => Ok(Proof::Barred(credentials)),
        None => Ok(Proof::Wrong),
    }
}

/// An attempt that is not looked at. It costs what a wrong password does, but of all such attempts on an account only
/// one at a time: they are not to fill the queue of those who can still log in.
fn locked(call: &Call<'_>, counted: &Counted, password: &Password) -> Proof {
    let under_way = call.app().guesses.begin(format!("locked {}", counted.account.as_str()));
    if under_way.others == 0 {
        // Where there is no room for this, nobody waits for it either.
        let _ = call.verify_dummy(password);
    }
    Proof::Locked
}

/// How an attempt is counted.
struct Counted {
    /// The address, or what stands for it.
    account: EmailAddress,
    /// Who goes one after another: the attempts that are counted together.
    lane: String,
    key: AttemptKey,
    rules: Rules,
}

/// What the operator set about failed attempts.
#[derive(Clone, Copy)]
struct Rules {
    by_client: bool,
    tries_max: i64,
    lock_seconds: i64,
}

impl Counted {
    fn new(call: &Call<'_>, account: EmailAddress) -> Self {
        let config = call.config();
        let rules = Rules {
            by_client: config.lock_mode == LockMode::AccountAndClient,
            tries_max: i64::from(config.user_lock_tries),
            lock_seconds: i64::from(config.user_lock_seconds),
        };
        let network = if rules.by_client { call.client().network().to_string() } else { String::new() };
        let lane = format!("{network} {}", account.as_str());
        Self { lane, key: AttemptKey::new(&account, network), account, rules }
    }

    fn known(&self, call: &Call<'_>) -> Result<Known, Failure> {
        call.read(|db| {
            let known = attempts::by_account(db, &self.key)?;
            let known = known.as_ref();
            Ok(Known {
                is_locked: known.is_some_and(|known| self.rules.is_locked(known, db.now())),
                is_at_home: known.is_some_and(|known| known.last_success.is_some()),
            })
        })
    }

    /// Whether the account has failed so often, from wherever, that strangers get to try only one after another and
    /// slowly. Those under way count as if they had failed.
    fn is_slowed(&self, call: &Call<'_>, under_way: u32) -> Result<bool, Failure> {
        if !self.rules.by_client {
            return Ok(false);
        }
        call.read(|db| {
            Ok(attempts::total_failures(db, &self.key)? + i64::from(under_way) >= STRANGERS_FAILURES_MAX)
        })
    }
}

/// What is known about attempts that are counted together.
struct Known {
    /// They are not looked at for now.
    is_locked: bool,
    /// One from the same network succeeded before, so this one hardly comes from a stranger. Never known where all
    /// networks count together.
    is_at_home: bool,
}

impl Rules {
    /// A lock that would last longer than any does was written under a wrong clock.
    fn is_locked(self, known: &Attempts, now: Moment) -> bool {
        known
            .locked_until
            .is_some_and(|until| until > now && until <= locks::latest_end(now, self.lock_seconds))
    }

    /// The failures that still count: none after a lock, and none from a time that lies ahead.
    fn failures(self, known: Option<&Attempts>, now: Moment) -> i64 {
        let latest = attempts::latest(now);
        let counts = |known: &&Attempts| {
            known.last_try <= latest && (known.locked_until.is_none() || self.is_locked(known, now))
        };
        known.filter(counts).map_or(0, |known| known.failures)
    }
}

/// The address that attempts are counted under. A number without a user gets one that no user can have.
fn account_of(call: &Call<'_>, claim: &Claim) -> Result<EmailAddress, Failure> {
    Ok(match claim {
        Claim::Email(email) | Claim::UserWithEmail(_, email) => email.clone(),
        Claim::User(user_id) => {
            let user_id = *user_id;
            let user = call.read(|db| users::credentials_by_id(db, user_id))?;
            user.map_or_else(|| EmailAddress::folded(&format!("#{user_id}")), |user| user.email)
        }
    })
}

fn look_up(call: &Call<'_>, claim: &Claim) -> Result<Option<Credentials>, Failure> {
    call.read(|db| match claim {
        Claim::Email(email) => users::credentials_by_email(db, email),
        Claim::User(user_id) => users::credentials_by_id(db, *user_id),
        Claim::UserWithEmail(user_id, email) => {
            let found = users::credentials_by_email(db, email)?;
            Ok(found.filter(|user| user.user_id == *user_id))
        }
    })
}

/// Forgets the failures, remembers where the success came from where that matters, and returns what the user is now:
/// nothing if the password was changed while it was tested, or the account may not do any more what was asked.
fn succeed(
    call: &Call<'_>,
    counted: &Counted,
    tested: Credentials,
    may: fn(&Credentials) -> bool,
) -> Result<Option<Credentials>, Failure> {
    let (key, by_client) = (counted.key.clone(), counted.rules.by_client);
    call.write(move |tx| {
        let now = users::credentials_by_id(tx, tested.user_id)?;
        let now = now.filter(|now| may(now) && now.password.matches(tested.password.expose().as_bytes()));
        if now.is_none() {
            return Ok(None);
        }
        if by_client {
            attempts::upsert_success(tx, &key)?;
        } else {
            attempts::delete(tx, &key)?;
        }
        Ok(now)
    })
}

/// What a failed attempt leads to.
#[derive(PartialEq, Eq)]
enum Consequence {
    Held,
    Locked,
}

/// Counts a failed attempt: holds the answer back, or locks the account when it was one too many.
fn fail(call: &mut Call<'_>, counted: &Counted) -> Result<Consequence, Failure> {
    let failures = write_down(call, counted).inspect_err(|_| {
        call.app().guesses.keep_unwritten(counted.lane.clone());
    })?;
    if failures > counted.rules.tries_max {
        return Ok(Consequence::Locked);
    }
    let failures = u32::try_from(failures).unwrap_or(u32::MAX);
    call.hold_answer_for(Duration::from_secs_f64(hold_seconds(failures)));
    Ok(Consequence::Held)
}

/// A failure that the database did not take is written down before another password is looked at, so that guesses are
/// not for free while it fails.
fn write_down_unwritten(call: &Call<'_>, counted: &Counted) -> Result<(), Failure> {
    if call.app().guesses.is_unwritten(&counted.lane) {
        write_down(call, counted)?;
        call.app().guesses.forget_unwritten(&counted.lane);
    }
    Ok(())
}

/// Writes down one more failure, and locks when it was one too many. Tells how many there are.
fn write_down(call: &Call<'_>, counted: &Counted) -> Result<i64, Failure> {
    let (key, account, rules) = (counted.key.clone(), counted.account.clone(), counted.rules);
    call.write(move |tx| {
        let known = attempts::by_account(tx, &key)?;
        let failures = rules.failures(known.as_ref(), tx.now()) + 1;
        let locks = failures > rules.tries_max;
        let locked_until = if locks { tx.now().plus_seconds(rules.lock_seconds) } else { None };
        attempts::upsert(tx, &key, failures, locked_until)?;
        if let Some(user_id) = users::id_by_email(tx, &account)? {
            users::set_login_failure(tx, user_id, failures)?;
            if let Some(until) = locked_until.filter(|_| !rules.by_client) {
                lock_account(tx, user_id, until)?;
            }
        }
        Ok(failures)
    })
}

/// Locks an account for a time. One that is not active, or locked already, is left as it is.
fn lock_account(tx: &Tx<'_>, user_id: i64, until: Moment) -> Result<(), StoreError> {
    match users::by_id(tx, user_id)? {
        Some(user) if user.is_active && !user.user_role.is_locked() && !is_system_user(user_id) => {
            lock::lock(tx, &user, Lock::ByAttempts(until))
        }
        _ => Ok(()),
    }
}
