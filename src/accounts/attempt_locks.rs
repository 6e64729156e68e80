//! The locks in force that failed attempts made, as an operator sees them: those of passwords, and of codes.

use crate::app::Context;
use crate::clock::Timestamp;
use crate::guard::code::CodePurpose;
use crate::policy::email::EmailAddress;
use crate::store::attempts::{self, AttemptKey, LockedAttempts};
use crate::store::locks::{self, latest_end};
use crate::store::user_lists::{self, Wanted};
use crate::store::users::User;
use crate::store::{Db, StoreError};
use crate::user_id::UserId;
use std::collections::HashMap;

/// What is not looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Locked {
    /// Passwords.
    Passwords,
    /// Codes that are typed, for this purpose.
    Codes(CodePurpose),
    /// All codes that are typed.
    AllCodes,
    /// Attempts at an address that no account has.
    Unknown,
}

/// A lock that failed attempts made.
pub struct AttemptLock {
    /// Whose account it is on.
    pub user: Option<(UserId, EmailAddress)>,
    /// What is not looked at.
    pub what: Locked,
    /// The network from where it is not; empty for everywhere.
    pub network: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Locks by what is counted there, whatever the network.
type Rows = HashMap<AttemptKey, Vec<LockedAttempts>>;

/// The locks in force that failed attempts made: those on one user, or all. One on an account as a whole is not among
/// them: [`super::lock::list`] has it.
///
/// # Errors
///
/// A failing database.
pub fn list(context: &Context<'_>, user: Option<&User>) -> Result<Vec<AttemptLock>, StoreError> {
    let longest_seconds = i64::from(context.config().user_lock_seconds);
    let mut rows = Rows::new();
    let locked = context.read(|db| attempts::list_locked(db, latest_end(db.now(), longest_seconds)))?;
    for row in locked {
        rows.entry(row.key.within(String::new())).or_default().push(row);
    }
    let mut found = Vec::new();
    if let Some(user) = user {
        context.read(|db| take_of(db, user, &mut rows, &mut found))?;
        return Ok(found);
    }
    // A slice at a time: however many users there are, nobody else waits for all of them.
    let mut next = Some(UserId::MIN).filter(|_| !rows.is_empty());
    while let Some(after) = next {
        next = context.read(|db| {
            let slice = user_lists::slice(db, &Wanted::All, after)?;
            for user in &slice.users {
                take_of(db, user, &mut rows, &mut found)?;
            }
            Ok(slice.next)
        })?;
    }
    take(&mut rows, &AttemptKey::of_all_codes(String::new()), Locked::AllCodes, None, &mut found);
    for key in rows.keys().cloned().collect::<Vec<_>>() {
        take(&mut rows, &key, Locked::Unknown, None, &mut found);
    }
    Ok(found)
}

/// Moves the locks of a user from `rows` to `found`.
fn take_of(
    db: &Db<'_>,
    user: &User,
    rows: &mut Rows,
    found: &mut Vec<AttemptLock>,
) -> Result<(), StoreError> {
    let passwords = AttemptKey::new(&user.email, String::new());
    if let Some(locked) = rows.get_mut(&passwords)
        && locks::by_user(db, user.user_id)?.is_some()
    {
        locked.retain(|row| !row.key.network().is_empty());
    }
    take(rows, &passwords, Locked::Passwords, Some(user), found);
    for purpose in CodePurpose::ALL {
        let codes = AttemptKey::of_codes(purpose, &user.email, String::new());
        take(rows, &codes, Locked::Codes(purpose), Some(user), found);
    }
    Ok(())
}

fn take(rows: &mut Rows, key: &AttemptKey, what: Locked, user: Option<&User>, found: &mut Vec<AttemptLock>) {
    for row in rows.remove(key).into_iter().flatten() {
        found.push(AttemptLock {
            user: user.map(|user| (user.user_id, user.email.clone())),
            what,
            network: row.key.network().to_owned(),
            since: row.since,
            until: row.until,
        });
    }
}
