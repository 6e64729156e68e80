//! Locks in force, and the roles that locks took away.

use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::{Row, column, moment, timestamp_or_null};
use super::value::params;
use crate::clock::{CLOCK_STEP_SECONDS_MAX, Timestamp};
use crate::policy::email::EmailAddress;
use crate::policy::roles::Role;
use crate::user_id::UserId;

const FILE: &str = include_str!("../../sql/locks.sql");
const BY_USER: &str = query(FILE, "by_user");
const LIST: &str = query(FILE, "list");
const INSERT: &str = query(FILE, "insert");
const DELETE: &str = query(FILE, "delete");
const ENDS: &str = query(FILE, "ends");
const EXPIRED: &str = query(FILE, "ended");
const PUSH_ROLE: &str = query(FILE, "push_role");
const ROLES_OF_USER: &str = query(FILE, "roles_by_user");
const POP_ROLE: &str = query(FILE, "pop_role");
const TRIM_ROLES: &str = query(FILE, "trim_roles");

/// Roles remembered per user; older ones go.
const ROLES_PER_USER_MAX: i64 = 32;
/// Ended locks that are lifted in one transaction.
const ENDED_LOCKS_MAX: i64 = 500;

/// Why an account is locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lock {
    /// A person did it; only a person undoes it.
    Manual,
    /// Failed password checks did it; it ends at this time.
    Automatic(Timestamp),
}

/// The lock in force on a user, if any.
///
/// # Errors
///
/// A failing database.
pub fn by_user(db: &Db<'_>, user_id: UserId) -> Result<Option<Lock>, StoreError> {
    db.one(BY_USER, params! { ":user_id": user_id }, lock)
}

/// A locked user as an operator sees them.
pub struct LockedUser {
    /// The user's number.
    pub user_id: UserId,
    /// The user's address.
    pub email: EmailAddress,
    /// When the lock was put in force.
    pub locked_on: Timestamp,
    /// Why, and for how long.
    pub lock: Lock,
}

/// Locked users in the order of their numbers, those after `after`, at most `limit`.
///
/// # Errors
///
/// A failing database.
pub fn list(db: &Db<'_>, after: UserId, limit: i64) -> Result<Vec<LockedUser>, StoreError> {
    db.all(LIST, params! { ":after": after, ":limit": limit }, |row| {
        Ok(LockedUser {
            user_id: column(row, "user_id")?,
            email: column(row, "email")?,
            locked_on: moment(row, "locked_on")?,
            lock: lock(row)?,
        })
    })
}

fn lock(row: &Row<'_>) -> Result<Lock, StoreError> {
    Ok(timestamp_or_null(row, "locked_until")?.map_or(Lock::Manual, Lock::Automatic))
}

/// Puts a lock in force, in place of an earlier one.
///
/// # Errors
///
/// [`StoreError::ForeignKey`] when there is no such user; a failing database.
pub fn insert(tx: &Tx<'_>, user_id: UserId, lock: Lock) -> Result<(), StoreError> {
    let (cause, until) = match lock {
        Lock::Manual => ("person", None),
        Lock::Automatic(until) => ("attempts", Some(until.stored())),
    };
    let params = params! {
        ":user_id": user_id, ":cause": cause, ":now": tx.now().stored(), ":locked_until": until
    };
    tx.execute(INSERT, params)?;
    Ok(())
}

/// Takes the lock on a user away; tells whether there was one.
///
/// # Errors
///
/// A failing database.
pub fn delete(tx: &Tx<'_>, user_id: UserId) -> Result<bool, StoreError> {
    Ok(tx.execute(DELETE, params! { ":user_id": user_id })? == 1)
}

/// When locks end.
#[derive(Clone, Copy, Debug)]
pub struct LockEnds {
    /// Whether one has ended by now. One that is to last longer than any lock does was written under a wrong clock, and
    /// counts as ended too.
    pub any_ended: bool,
    /// The earliest end, past or to come.
    pub next: Option<Timestamp>,
}

/// When locks end.
///
/// # Errors
///
/// A failing database.
pub fn ends(db: &Db<'_>, longest_seconds: i64) -> Result<LockEnds, StoreError> {
    let params = params! {
        ":now": db.now().stored(), ":latest": latest_end(db.now(), longest_seconds).stored()
    };
    let ends = db.one(ENDS, params, |row| {
        Ok(LockEnds { any_ended: column(row, "any_ended")?, next: timestamp_or_null(row, "next_end")? })
    })?;
    Ok(ends.unwrap_or(LockEnds { any_ended: false, next: None }))
}

/// The latest time at which a lock that was put in force by now can end.
#[must_use]
pub fn latest_end(now: Timestamp, longest_seconds: i64) -> Timestamp {
    now.plus_seconds(longest_seconds.saturating_add(CLOCK_STEP_SECONDS_MAX)).unwrap_or(Timestamp::MAX)
}

/// Users whose lock has ended by now, as [`ends`] sees it, some at a time.
///
/// # Errors
///
/// A failing database.
pub fn expired(db: &Db<'_>, longest_seconds: i64) -> Result<Vec<UserId>, StoreError> {
    let params = params! {
        ":now": db.now().stored(),
        ":latest": latest_end(db.now(), longest_seconds).stored(),
        ":limit": ENDED_LOCKS_MAX,
    };
    db.all(EXPIRED, params, |row| column(row, "user_id"))
}

/// Remembers the role that a lock takes away.
///
/// # Errors
///
/// A failing database.
pub fn push_role(tx: &Tx<'_>, user_id: UserId, role: &Role) -> Result<(), StoreError> {
    tx.execute(PUSH_ROLE, params! { ":user_id": user_id, ":role": role })?;
    tx.execute(TRIM_ROLES, params! { ":user_id": user_id, ":kept": ROLES_PER_USER_MAX })?;
    Ok(())
}

/// The roles that locks took away from a user, the latest last.
///
/// # Errors
///
/// A failing database.
pub fn roles_by_user(db: &Db<'_>, user_id: UserId) -> Result<Vec<Role>, StoreError> {
    db.all(ROLES_OF_USER, params! { ":user_id": user_id }, |row| column(row, "role"))
}

/// Takes the latest of those roles out of memory and returns it.
///
/// # Errors
///
/// A failing database.
pub fn pop_role(tx: &Tx<'_>, user_id: UserId) -> Result<Option<Role>, StoreError> {
    tx.one(POP_ROLE, params! { ":user_id": user_id }, |row| column(row, "role"))
}
