//! Finding accounts. Who may see them is for the calling server to decide.

use crate::app::Context;
use crate::policy::email::EmailAddress;
use crate::store::user_lists::{self, Wanted};
use crate::store::users::{self, User};
use crate::store::{Db, StoreError};
use crate::user_id::UserId;

/// Whether whoever looks through accounts wants another one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// They do.
    Wanted,
    /// They have enough.
    NotWanted,
}

/// The account of this number.
///
/// # Errors
///
/// A failing database.
pub fn by_id(context: &Context<'_>, user_id: UserId) -> Result<Option<User>, StoreError> {
    context.read(|db| users::by_id(db, user_id))
}

/// The account with this address.
///
/// # Errors
///
/// A failing database.
pub fn by_email(context: &Context<'_>, email: &EmailAddress) -> Result<Option<User>, StoreError> {
    context.read(|db| users::by_email(db, email))
}

/// Has `take` look at the wanted accounts with a higher number than `after`, in the order of their numbers, until it
/// wants no more; hands back what it has `gathered`. That runs at once where it is quick, and otherwise where it keeps
/// no request waiting.
///
/// # Errors
///
/// What `take` returns; a failing database, or too many who look.
pub fn each<T, E>(
    context: &Context<'_>,
    wanted: Wanted,
    after: UserId,
    gathered: T,
    take: impl FnMut(&mut T, &User) -> Result<More, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    if wanted.is_one_at_most() {
        context.app().store.read(|db| look_through(db, &wanted, after, gathered, take))
    } else {
        context.app().store.scan(move |db| look_through(db, &wanted, after, gathered, take))
    }
}

fn look_through<T, E: From<StoreError>>(
    db: &Db<'_>,
    wanted: &Wanted,
    after: UserId,
    mut gathered: T,
    mut take: impl FnMut(&mut T, &User) -> Result<More, E>,
) -> Result<T, E> {
    let mut next = Some(after);
    while let Some(after) = next {
        // What is noted is read when the database is no longer in use for it.
        let slice = user_lists::slice(db, wanted, after)?;
        for user in &slice.users {
            if take(&mut gathered, user)? == More::NotWanted {
                return Ok(gathered);
            }
        }
        next = slice.next.filter(|_| !wanted.is_one_at_most());
    }
    Ok(gathered)
}
