//! Who knows the password. Every operation that takes one asks here, so that guesses are counted in one place. Only a
//! password that was tested and is wrong counts: one at a time per account, and written down before the next is
//! tested, so that many guesses at once get no more tries than one after another. Whatever keeps a password from being
//! tested (busy hashers, a failing database, a crash) leaves no trace. Each test costs one Argon2 computation, and
//! whatever comes of it a single write.

use super::attempts::{AttemptResult, Counted, Known, Success, fail, write_down_unwritten};
use super::error::OperationError;
use super::sessions;
use crate::app::{Context, LEASE_SECONDS};
use crate::config::values::Backoff;
use crate::guard::backoff::SLOWED_SECONDS;
use crate::guard::guesses::UnderWay;
use crate::guard::password::{PasswordHash, Verification};
use crate::guard::secret::Password;
use crate::guard::token::StoredToken;
use crate::log;
use crate::outcome::Error;
use crate::policy::email::EmailAddress;
use crate::store::events::{By, EventKind, NewEvent, Trail};
use crate::store::sessions::NewSession;
use crate::store::users::AuthUser;
use crate::store::{Lease, StoreError, Tx, users};
use crate::user_id::UserId;
use crate::wait::keyed_mutex::KeyedGuard;
use std::time::Duration;

/// Whose password it is said to be.
pub enum Identifier {
    /// The user with this address.
    Email(EmailAddress),
    /// The user of this number.
    User(UserId),
    /// The user of this number, provided that this is their address.
    UserWithEmail(UserId, EmailAddress),
}

/// What came of looking at a password.
#[must_use]
pub enum Authentication {
    /// It is right, and the account may do what was asked.
    Success(Authenticated),
    /// It is right, but the account may not.
    NotAllowed(AuthUser),
    /// It is wrong, or there is no such account.
    Failure,
    /// It was not looked at: the account takes no attempts for now.
    Locked,
    /// It was not looked at, nor counted: it came too soon after one that failed.
    TooSoon,
}

/// Why a password was not looked at.
enum NotLookedAt {
    Locked,
    TooSoon,
}

impl From<NotLookedAt> for Authentication {
    fn from(why: NotLookedAt) -> Self {
        match why {
            NotLookedAt::Locked => Self::Locked,
            NotLookedAt::TooSoon => Self::TooSoon,
        }
    }
}

/// Somebody who has just given the right password.
#[must_use]
pub struct Authenticated {
    credentials: AuthUser,
}

impl Authenticated {
    /// Who they are, for what they have done then.
    #[must_use]
    pub fn into_credentials(self) -> AuthUser {
        self.credentials
    }
}

/// Which accounts may do what was asked. One that may not counts as a failed attempt, so that nobody can tell it from a
/// wrong password by waiting.
type Allowed = fn(&AuthUser) -> bool;

/// Tests a password for an account that is `allowed` to do what was asked.
///
/// # Errors
///
/// A failing database, or too many passwords waiting. The attempt was not counted then.
pub fn authenticate(
    context: &mut Context<'_>,
    identifier: &Identifier,
    password: &Password,
    allowed: Allowed,
) -> Result<Authentication, Error> {
    let tested = match test(context, identifier, password, allowed)? {
        Ok(tested) => tested,
        Err(why) => return Ok(why.into()),
    };
    tested.conclude(context, None, |context, fits| {
        let trail = context.trail();
        let confirmed = context.write(move |tx| {
            let now = fits.confirm(tx)?;
            if let Some(user) = &now {
                let event = NewEvent::about(EventKind::PasswordConfirmed, user.user_id);
                trail.note(tx, By::password(user.user_id), event)?;
            }
            Ok(now)
        });
        confirmed.map_err(|error: StoreError| error.into())
    })
}

/// The session that somebody wants to log in with has ended.
pub struct SessionEnded;

/// Logs somebody in. The session that they come with ends, whatever comes of it, and in the same write.
///
/// # Errors
///
/// [`SessionEnded`] when the password is right and somebody else has ended the session meanwhile; else as
/// [`authenticate`].
pub fn log_in(
    context: &mut Context<'_>,
    identifier: &Identifier,
    password: &Password,
    session: StoredToken,
) -> Result<Authentication, OperationError<SessionEnded>> {
    // Of two who come with one session, only one finds it.
    let end = move |tx: &Tx<'_>, trail: &Trail| {
        let was_there = sessions::delete(tx, trail, &session)?;
        if was_there { Ok(()) } else { Err(OperationError::Refused(SessionEnded)) }
    };
    log_in_with(context, identifier, password, Some(session), end, |_, _, _| Ok(()))
}

/// Logs somebody in and starts their session, in one write. The session that they come with ends, whatever comes of it.
///
/// # Errors
///
/// As [`authenticate`].
pub fn log_in_anew(
    context: &mut Context<'_>,
    identifier: &Identifier,
    password: &Password,
    ends: Option<StoredToken>,
    starts: NewSession,
) -> Result<Authentication, Error> {
    let end = move |tx: &Tx<'_>, trail: &Trail| {
        ends.map_or(Ok(()), |ends| sessions::delete(tx, trail, &ends).map(drop)).map_err(Error::from)
    };
    let start = move |tx: &Tx<'_>, trail: &Trail, user: &AuthUser| {
        let session = NewSession { user_id: user.user_id, ..starts.clone() };
        sessions::insert(tx, trail, By::password(user.user_id), &session)
    };
    log_in_with(context, identifier, password, ends, end, start)
}

/// Logs somebody in. In the write of a right password goes `end` before it is confirmed, and `start` after it. With a
/// wrong one, or one that is not looked at, the session `ends` goes.
fn log_in_with<E>(
    context: &mut Context<'_>,
    identifier: &Identifier,
    password: &Password,
    ends: Option<StoredToken>,
    end: impl Fn(&Tx<'_>, &Trail) -> Result<(), E> + Send + 'static,
    start: impl Fn(&Tx<'_>, &Trail, &AuthUser) -> Result<(), StoreError> + Send + 'static,
) -> Result<Authentication, E>
where
    E: From<Error> + From<StoreError> + Send + 'static,
{
    let tested = match test(context, identifier, password, AuthUser::may_authenticate)? {
        Ok(tested) => tested,
        Err(why) => {
            if let Some(ends) = ends {
                let trail = context.trail();
                context.write(move |tx| sessions::delete(tx, &trail, &ends))?;
            }
            return Ok(why.into());
        }
    };
    tested.conclude(context, ends, |context, fits| {
        // Best effort: whoever knows the password is not sent away because the hashers are busy.
        let rehashed = if fits.needs_rehash { context.hash(password).ok() } else { None };
        let trail = context.trail();
        context.write(move |tx| {
            end(tx, &trail)?;
            let Some(now) = fits.confirm(tx)? else { return Ok(None) };
            note_login(tx, &trail, &now, rehashed.as_ref())?;
            start(tx, &trail, &now)?;
            Ok(Some(now))
        })
    })
}

fn note_login(
    tx: &Tx<'_>,
    trail: &Trail,
    user: &AuthUser,
    rehashed: Option<&PasswordHash>,
) -> Result<(), StoreError> {
    let event = NewEvent::about(EventKind::LoggedIn, user.user_id);
    trail.note(tx, By::password(user.user_id), event)?;
    if let Some(rehashed) = rehashed {
        users::set_password(tx, user, rehashed)?;
    }
    users::set_login_success(tx, user.user_id)
}

/// A password that was tested, while others at the same account wait for what comes of it.
struct Tested<'a> {
    counted: Counted,
    /// Whom it fits, and whether the stored hash was made with other than today's parameters.
    found: Option<(AuthUser, bool)>,
    allowed: Allowed,
    /// Strangers go one after another here, and slowly.
    slow_turn: Option<(KeyedGuard, Lease)>,
    /// Keeps other processes from testing one that is counted together with this.
    lease: Lease,
    _under_way: UnderWay<'a>,
    _turn: KeyedGuard,
}

/// A password that fits an account which may do what was asked: a success once that is confirmed in the write.
struct Fits {
    tested: AuthUser,
    needs_rehash: bool,
    allowed: Allowed,
    success: Success,
}

/// Tests a password, unless the account takes no attempts for now.
fn test<'a>(
    context: &mut Context<'a>,
    identifier: &Identifier,
    password: &Password,
    allowed: Allowed,
) -> Result<Result<Tested<'a>, NotLookedAt>, Error> {
    let counted = Counted::new(context, account_of(context, identifier)?);
    let known = counted.known(context)?;
    // Strangers share an account's few places in the queue of the hashers. The owner is not to wait for one of them.
    context.concerns(if known.is_at_home { &counted.lane } else { counted.account.as_str() });
    // Before the queue too: where nothing is tested, nobody is to wait for anybody.
    if let Some(why) = not_now(context, &known) {
        return Ok(Err(refuse(context, &counted, password, why)));
    }
    let turn = context.lock_attempts(&context.app().attempts_mutex, &counted.lane)?;
    let lease = context.lease(&counted.key)?;
    let may = may_test(context, &counted, &known, &lease);
    let end_lease = || context.app().store.end_lease(&lease);
    let (under_way, slow_turn) = match may.inspect_err(|_| end_lease())? {
        Ok(may) => may,
        Err(why) => {
            end_lease();
            drop(turn);
            return Ok(Err(refuse(context, &counted, password, why)));
        }
    };
    let found = verify(context, identifier, password).inspect_err(|_| {
        end_lease();
        if let Some((_, slow)) = &slow_turn {
            context.app().store.end_lease(slow);
        }
    })?;
    Ok(Ok(Tested { counted, found, allowed, slow_turn, lease, _under_way: under_way, _turn: turn }))
}

/// Whether the password is tested now, as one whose turn it is among those that are counted together; with the turn among strangers
/// where there is one.
#[expect(clippy::type_complexity, reason = "it is what its one caller needs")]
fn may_test<'a>(
    context: &mut Context<'a>,
    counted: &Counted,
    known: &Known,
    lease: &Lease,
) -> Result<Result<(UnderWay<'a>, Option<(KeyedGuard, Lease)>), NotLookedAt>, Error> {
    write_down_unwritten(context, counted)?;
    let known_now = counted.known(context)?;
    if let Some(why) = not_now(context, &known_now) {
        return Ok(Err(why));
    }
    let (account, slow) = (counted.account.as_str(), &context.app().slow_attempts);
    let under_way = context.app().guesses.begin(account.to_owned());
    if known.is_at_home || !counted.is_slowed(context, under_way.others, lease)? {
        return Ok(Ok((under_way, None)));
    }
    let slow_turn = match context.backoff() {
        Backoff::Hold => {
            let turn = context.lock_attempts(slow, account)?;
            (turn, context.lease(&counted.slow_key())?)
        }
        Backoff::Refuse => {
            let slow_turn = match slow.try_lock(account) {
                Some(turn) => {
                    let lease = context.app().store.lease(&counted.slow_key(), LEASE_SECONDS)?;
                    lease.map(|lease| (turn, lease))
                }
                None => None,
            };
            let Some(slow_turn) = slow_turn else {
                context.slow_down(Duration::from_secs(SLOWED_SECONDS));
                return Ok(Err(NotLookedAt::TooSoon));
            };
            slow_turn
        }
    };
    Ok(Ok((under_way, Some(slow_turn))))
}

/// Why the account takes no attempt now, if so.
fn not_now(context: &mut Context<'_>, known: &Known) -> Option<NotLookedAt> {
    if let (Backoff::Refuse, Some(wait)) = (context.backoff(), known.wait) {
        context.slow_down(wait);
        return Some(if known.is_locked { NotLookedAt::Locked } else { NotLookedAt::TooSoon });
    }
    known.is_locked.then_some(NotLookedAt::Locked)
}

/// What an attempt costs that is not looked at: where nobody is told when to come again, as much as a wrong password.
fn refuse(context: &Context<'_>, counted: &Counted, password: &Password, why: NotLookedAt) -> NotLookedAt {
    if context.backoff() == Backoff::Hold {
        do_the_work(context, counted, password);
    }
    why
}

/// Whom the password fits, and whether the stored hash was made with other than today's parameters.
fn verify(
    context: &Context<'_>,
    identifier: &Identifier,
    password: &Password,
) -> Result<Option<(AuthUser, bool)>, Error> {
    let found = look_up(context, identifier)?;
    let verification = context.verify(password, found.as_ref().map(|user| &user.password))?;
    if let (Verification::Differs { hash_error: Some(error) }, Some(user)) = (verification, &found) {
        let user_id = context.config().pii_salt.redact(user.user_id);
        log::warning(
            "a stored password cannot be used",
            &[("user", user_id.into()), ("why", log::cause(&error))],
        );
    }
    let Verification::Matches { needs_rehash } = verification else { return Ok(None) };
    Ok(found.map(|user| (user, needs_rehash)))
}

/// An attempt that is not looked at costs what a wrong password does, but of all such attempts on an account only one at
/// a time: they are not to fill the queue of those who can still log in.
fn do_the_work(context: &Context<'_>, counted: &Counted, password: &Password) {
    let under_way = context.app().guesses.begin(format!("locked {}", counted.account.as_str()));
    if under_way.others == 0 {
        // Where there is no room for this, nobody waits for it either.
        let _ = context.verify_dummy(password);
    }
}

impl Tested<'_> {
    /// Writes down what came of it: by `succeed` if the password fits and the account may, and otherwise as a failure,
    /// with which the session `ends` goes.
    fn conclude<E: From<Error>>(
        mut self,
        context: &mut Context<'_>,
        ends: Option<StoredToken>,
        succeed: impl FnOnce(&Context<'_>, Fits) -> Result<Option<AuthUser>, E>,
    ) -> Result<Authentication, E> {
        let authentication = match self.found.take() {
            Some((tested, needs_rehash)) if (self.allowed)(&tested) => {
                let success = self.counted.success(self.lease.clone());
                let fits = Fits { tested, needs_rehash, allowed: self.allowed, success };
                let now =
                    succeed(context, fits).inspect_err(|_| context.app().store.end_lease(&self.lease))?;
                now.map_or(Authentication::Failure, |credentials| {
                    Authentication::Success(Authenticated { credentials })
                })
            }
            not_allowed => {
                let failed = fail(context, &self.counted, ends, &self.lease);
                match failed.inspect_err(|_| context.app().store.end_lease(&self.lease))? {
                    AttemptResult::Locked => Authentication::Locked,
                    AttemptResult::Delayed => not_allowed
                        .map_or(Authentication::Failure, |(user, _)| Authentication::NotAllowed(user)),
                }
            }
        };
        if let Some((turn, lease)) = self.slow_turn {
            let store = &context.app().store;
            if matches!(authentication, Authentication::Success(_)) {
                store.end_lease(&lease);
                return Ok(authentication);
            }
            let time = Duration::from_secs(SLOWED_SECONDS);
            // Whoever comes to another process waits for this too.
            let _ =
                store.lease(&self.counted.slow_key(), SLOWED_SECONDS.cast_signed()).map_err(Error::from)?;
            match context.backoff() {
                // Whoever is next waits for this too.
                Backoff::Hold => context.app().delay.wait(time),
                Backoff::Refuse => {
                    context.app().delay.keep(turn, time);
                    context.slow_down(time);
                }
            }
        }
        Ok(authentication)
    }
}

impl Fits {
    /// Notes the success and returns what the user is now: nothing if the password was changed while it was tested, or
    /// the account may not do any more what was asked.
    fn confirm(&self, tx: &Tx<'_>) -> Result<Option<AuthUser>, StoreError> {
        self.success.end_lease(tx)?;
        let now = users::credentials_by_id(tx, self.tested.user_id)?;
        let now = now.filter(|now| (self.allowed)(now) && now.password.is(&self.tested.password));
        if now.is_some() {
            self.success.note(tx)?;
        }
        Ok(now)
    }
}

/// The address that attempts are counted under. A number without a user gets one that no user can have.
fn account_of(context: &Context<'_>, identifier: &Identifier) -> Result<EmailAddress, StoreError> {
    Ok(match identifier {
        Identifier::Email(email) | Identifier::UserWithEmail(_, email) => email.clone(),
        Identifier::User(user_id) => {
            let user_id = *user_id;
            let user = context.read(|db| users::credentials_by_id(db, user_id))?;
            user.map_or_else(|| EmailAddress::folded(&format!("#{user_id}")), |user| user.email)
        }
    })
}

fn look_up(context: &Context<'_>, identifier: &Identifier) -> Result<Option<AuthUser>, StoreError> {
    context.read(|db| match identifier {
        Identifier::Email(email) => users::credentials_by_email(db, email),
        Identifier::User(user_id) => users::credentials_by_id(db, *user_id),
        Identifier::UserWithEmail(user_id, email) => {
            let found = users::credentials_by_email(db, email)?;
            Ok(found.filter(|user| user.user_id == *user_id))
        }
    })
}
