//! What a lock does to an account and what undoes it, for everyone who locks: a person, or failed logins.
//! A lock by a person ends sessions, API keys and codes. One by failed logins only suspends them: nothing of the account
//! works meanwhile, because it is inactive and in no role of its own, and everything works again afterwards.

use super::actor::{Actor, Performer, Requester};
use super::codes;
use super::error::OperationError;
use super::revocation;
use super::sessions::PAGE_ROWS_MAX;
use crate::app::{App, Context};
use crate::json::JsonText;
use crate::policy::email::EmailAddress;
use crate::policy::roles::{Role, is_system_user};
use crate::store::events::{By, EventKind, NewEvent, Trail};
use crate::store::locks::{self, Lock, LockedUser};
use crate::store::users::User;
use crate::store::{Db, StoreError, Tx, attempts, users};
use crate::user_id::UserId;
use crate::wire::{Object, merge};
use serde_json::Value;

/// The key under which answers show a user's role history. It is shown only; the history itself is a table.
pub const HISTORY_KEY: &str = "previous_user_roles";

/// What is to become of an account.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LockChange {
    /// It is locked until somebody unlocks it.
    Lock,
    /// It works again.
    Unlock,
}

/// Why an account was not locked or unlocked.
pub enum LockRefused {
    /// The requester is not a superuser.
    NotSuperuser,
    /// It is the requester's own account.
    OwnAccount,
    /// It is a system account.
    SystemUser,
    /// The requester has no valid session.
    NoSession,
    /// There is no such account.
    NoSuchUser,
    /// No other active superuser would remain.
    LastAdministrator,
    /// It waits for its verification, so there is no lock to undo.
    NotLocked,
}

/// Locks or unlocks an account.
///
/// # Errors
///
/// Why not; a failing database.
pub fn set_locked(
    context: &Context<'_>,
    requester: Requester,
    user_id: UserId,
    change: LockChange,
) -> Result<User, OperationError<LockRefused>> {
    may_be_asked(&requester, user_id).map_err(OperationError::Refused)?;
    if is_system_user(user_id) {
        return Err(OperationError::Refused(LockRefused::SystemUser));
    }
    let trail = context.trail();
    let (by, user, changed) = context.write(move |tx| {
        let refused = |why| Err(OperationError::Refused(why));
        let by = match requester.authorize(tx)? {
            None => return refused(LockRefused::NoSession),
            Some(Performer::User(Actor { role, .. })) if role != Role::SUPERUSER => {
                return refused(LockRefused::NotSuperuser);
            }
            Some(by) => by,
        };
        let changed = carry_out(tx, user_id, change)?;
        if changed {
            let kind = match change {
                LockChange::Lock => EventKind::AccountLocked,
                LockChange::Unlock => EventKind::AccountUnlocked,
            };
            trail.note(tx, &by, NewEvent::about(kind, user_id))?;
        }
        let user = users::by_id(tx, user_id)?;
        Ok((by, user.ok_or(OperationError::Refused(LockRefused::NoSuchUser))?, changed))
    })?;
    if changed {
        let done = if change == LockChange::Lock { "account locked" } else { "account unlocked" };
        by.log(context, done, user_id);
    }
    Ok(user)
}

/// Whether the requester may lock or unlock this account, if their claim holds.
///
/// # Errors
///
/// Why not.
pub fn may_be_asked(requester: &Requester, user_id: UserId) -> Result<(), LockRefused> {
    match requester {
        Requester::User(claim) if Role::SUPERUSER != *claim.role => Err(LockRefused::NotSuperuser),
        Requester::User(claim) if claim.user_id == user_id => Err(LockRefused::OwnAccount),
        Requester::User(_) | Requester::CallingServer | Requester::Operator(_) => Ok(()),
    }
}

/// Tells whether anything was changed: to lock twice, or to unlock what works, changes nothing.
fn carry_out(tx: &Tx<'_>, user_id: UserId, change: LockChange) -> Result<bool, OperationError<LockRefused>> {
    let user = users::by_id(tx, user_id)?.ok_or(OperationError::Refused(LockRefused::NoSuchUser))?;
    let is_locked = user.user_role.is_locked();
    match change {
        LockChange::Lock => {
            let changes = !is_locked || locks::by_user(tx, user_id)? != Some(Lock::Manual);
            let last = || OperationError::Refused(LockRefused::LastAdministrator);
            keeping_an_administrator(tx, last, || Ok(lock(tx, &user, Lock::Manual)?))?;
            Ok(changes)
        }
        LockChange::Unlock => {
            // Such locks are on no account as a whole, so a sign-up that waits for its verification can have one, too.
            let was_locked =
                attempts::delete_codes(tx, &user.email)? | attempts::delete_by_account(tx, &user.email)?;
            if unlock(tx, &user)? == Unlocked::NotLocked && !was_locked {
                // A sign-up that was never verified becomes active by its verification only.
                return Err(OperationError::Refused(LockRefused::NotLocked));
            }
            Ok(was_locked || is_locked || !user.is_active)
        }
    }
}

/// Locks an account: inactive, role `locked`, its role remembered. A lock by a person ends its sessions, API keys and codes,
/// also when failed logins had locked it before, and then lasts.
///
/// # Errors
///
/// A failing database.
pub(super) fn lock(tx: &Tx<'_>, user: &User, lock: Lock) -> Result<(), StoreError> {
    if lock == Lock::Manual {
        end_everything(tx, user.user_id)?;
    }
    let is_locked = user.user_role.is_locked();
    if !is_locked {
        locks::push_role(tx, user.user_id, &user.user_role)?;
        let extra_info = with_role_history(tx, user)?;
        users::set_state(tx, user.user_id, false, &Role::LOCKED, extra_info.as_deref())?;
    }
    if !is_locked || lock == Lock::Manual {
        locks::insert(tx, user.user_id, lock)?;
    }
    Ok(())
}

/// Ends all sessions, API keys and codes of a user.
///
/// # Errors
///
/// A failing database.
pub(super) fn end_everything(tx: &Tx<'_>, user_id: UserId) -> Result<(), StoreError> {
    revocation::everything(tx, user_id)?;
    codes::end_all(tx, user_id)
}

/// Whether failed logins have locked this user for a time.
///
/// # Errors
///
/// A failing database.
pub(super) fn is_suspended(db: &Db<'_>, user_id: UserId) -> Result<bool, StoreError> {
    Ok(matches!(locks::by_user(db, user_id)?, Some(Lock::Automatic(_))))
}

/// Makes a change to accounts, unless no other active superuser would remain. Everything that could lock the last
/// administrator out goes through here: edits, locks and deletions. One whom failed logins have suspended counts,
/// since they will be back.
///
/// # Errors
///
/// What `change` returns; `refused` when no other active superuser would remain; a failing database. The caller's
/// transaction undoes the change then.
pub(super) fn keeping_an_administrator<T, E: From<StoreError>>(
    tx: &Tx<'_>,
    refused: impl FnOnce() -> E,
    change: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let was_there = users::somebody_administers(tx)?;
    let done = change()?;
    if was_there && !users::somebody_administers(tx)? {
        return Err(refused());
    }
    Ok(done)
}

/// How an unlock came out.
#[derive(PartialEq, Eq, Debug)]
#[must_use]
pub(super) enum Unlocked {
    /// The account is active again, in the role it had, or was so already.
    Active,
    /// The account was never verified; it is no longer locked, but has to be verified first.
    Pending,
    /// The account was never verified and not locked either, so there is nothing to undo.
    NotLocked,
}

/// Undoes a lock: the account is active again in the role that the lock took, and its failed attempts are forgotten.
///
/// # Errors
///
/// A failing database.
pub(super) fn unlock(tx: &Tx<'_>, user: &User) -> Result<Unlocked, StoreError> {
    let was_locked = locks::delete(tx, user.user_id)?;
    attempts::delete_by_account(tx, &user.email)?;
    if !user.user_role.is_locked() {
        // Only deactivated, or not even that: nothing was taken, and there is no history to show.
        if !user.is_active {
            let noted = user.extra_info.as_ref().map(JsonText::as_str);
            users::set_state(tx, user.user_id, true, &user.user_role, noted)?;
        }
        return Ok(Unlocked::Active);
    }
    let role = locks::pop_role(tx, user.user_id)?;
    let role = match role {
        Some(role) => role,
        None if !user.email_verified => {
            return Ok(if was_locked { Unlocked::Pending } else { Unlocked::NotLocked });
        }
        // Verified, locked, and nothing remembered: as after a verification.
        None => Role::AUTHENTICATED,
    };
    let extra_info = with_role_history(tx, user)?;
    users::set_state(tx, user.user_id, true, &role, extra_info.as_deref())?;
    Ok(Unlocked::Active)
}

/// Forgets the failed attempts on an account, and ends the lock that they made: whoever it is has shown by other means that
/// it is theirs. Tells whether there was such a lock.
///
/// # Errors
///
/// A failing database.
pub(super) fn forgive_attempts(
    tx: &Tx<'_>,
    user_id: UserId,
    email: &EmailAddress,
) -> Result<bool, StoreError> {
    attempts::delete_by_account(tx, email)?;
    if is_suspended(tx, user_id)?
        && let Some(locked) = users::by_id(tx, user_id)?
    {
        // Such a lock is put on active accounts only, so this one becomes active again.
        let _ = unlock(tx, &locked)?;
        return Ok(true);
    }
    Ok(false)
}

/// Locked users in the order of their numbers, each with the end of the lock: those after `after`, at most `rows` and
/// never more than [`PAGE_ROWS_MAX`].
///
/// # Errors
///
/// A failing database.
pub fn list(context: &Context<'_>, after: UserId, rows: i64) -> Result<Vec<LockedUser>, StoreError> {
    context.read(|db| locks::list(db, after, rows.clamp(0, PAGE_ROWS_MAX)))
}

/// Lifts the timed locks that have ended by now; tells how many. Asked before every request, so that an account works
/// again from the very moment at which its lock ends; it only reads, unless there is something to lift.
///
/// # Errors
///
/// A failing database. The accounts stay locked then.
pub fn release_expired(app: &App) -> Result<usize, StoreError> {
    let now = app.clock.now();
    if app.remembered.no_lock_ends.at(now) {
        return Ok(0);
    }
    let longest_seconds = i64::from(app.config.user_lock_seconds);
    let ends = app.store.read(|db| locks::ends(db, longest_seconds))?;
    if ends.any_ended {
        return app.store.write(move |tx| lift(tx, longest_seconds));
    }
    app.remembered.no_lock_ends.from(now, ends.next);
    Ok(0)
}

/// Whether a timed lock has ended by now and is not lifted yet.
///
/// # Errors
///
/// A failing database.
pub fn any_ended(app: &App) -> Result<bool, StoreError> {
    Ok(app.store.read(|db| locks::ends(db, i64::from(app.config.user_lock_seconds)))?.any_ended)
}

fn lift(tx: &Tx<'_>, longest_seconds: i64) -> Result<usize, StoreError> {
    let ended = locks::expired(tx, longest_seconds)?;
    for user_id in &ended {
        if let Some(user) = users::by_id(tx, *user_id)? {
            // Only verified accounts are locked for a time, so this one becomes active.
            let _ = unlock(tx, &user)?;
            let event = NewEvent::about(EventKind::AccountUnlocked, *user_id).detail("its time was over");
            Trail::default().note(tx, By::SERVER, event)?;
        }
    }
    Ok(ended.len())
}

/// What is noted about a user, with the role history as it is to be shown. What cannot be read stays as it is.
fn with_role_history(tx: &Tx<'_>, user: &User) -> Result<Option<String>, StoreError> {
    let roles = locks::roles_by_user(tx, user.user_id)?;
    let shown = std::iter::once(Role::LOCKED).chain(roles).map(|role| Value::from(role.as_str())).collect();
    let history = Object::from_iter([(HISTORY_KEY.to_owned(), shown)]);
    let noted = user.extra_info.as_ref();
    Ok(merge(noted, history).ok().or_else(|| noted.map(|noted| noted.as_str().to_owned())))
}
