//! Deleting accounts: one's own, with its password, or anybody's.

use super::actor::Performer;
use super::authenticate::{Authenticated, Authentication, Identifier, authenticate};
use super::error::OperationError;
use super::lock::keeping_an_administrator;
use crate::app::Context;
use crate::guard::secret::Password;
use crate::policy::email::EmailAddress;
use crate::policy::roles::{Role, is_system_user};
use crate::store::events::{EventKind, NewEvent, Trail};
use crate::store::{StoreError, Tx, attempts, users};
use crate::user_id::UserId;

/// Why an account was not deleted.
pub enum DeleteRefused {
    /// There is no account of that number with that address.
    Unknown,
    /// The password is wrong.
    WrongPassword,
    /// The account takes no attempts for now.
    Locked,
    /// Somebody has to wait after a failed attempt.
    TooSoon,
    /// Nobody deletes themselves who administers.
    Superuser,
    /// It is a system account.
    SystemUser,
    /// The account owns a group.
    OwnsGroup,
    /// No other active superuser would remain.
    LastAdministrator,
    /// The account is not what it was when its password was tested.
    Overtaken,
}

/// Deletes the account of somebody who proves it with their password.
///
/// # Errors
///
/// Why not; a failing database, or too many passwords waiting.
pub fn delete_own(
    context: &mut Context<'_>,
    user_id: UserId,
    email: EmailAddress,
    password: &Password,
) -> Result<(), OperationError<DeleteRefused>> {
    let tested = password_is_right(context, user_id, email, password)?.into_credentials();
    if tested.user_role == Role::SUPERUSER {
        return Err(OperationError::Refused(DeleteRefused::Superuser));
    }
    let by = Performer::PasswordHolder(tested.user_id);
    let (trail, noted_by) = (context.trail(), by.clone());
    context.write(move |tx| {
        // Only the account that the password was tested against, as it was then.
        let now = users::credentials_by_id(tx, tested.user_id)?;
        let unchanged =
            now.is_some_and(|now| now.user_role != Role::SUPERUSER && now.password.is(&tested.password));
        if unchanged {
            carry_out(tx, &trail, &noted_by, tested.user_id)
        } else {
            Err(OperationError::Refused(DeleteRefused::Overtaken))
        }
    })?;
    by.log(context, "account deleted", user_id);
    Ok(())
}

fn password_is_right(
    context: &mut Context<'_>,
    user_id: UserId,
    email: EmailAddress,
    password: &Password,
) -> Result<Authenticated, OperationError<DeleteRefused>> {
    let known = context.read(|db| users::id_by_email(db, &email))? == Some(user_id);
    let identifier = Identifier::UserWithEmail(user_id, email);
    let why = match authenticate(context, &identifier, password, |_| true)? {
        Authentication::Success(authenticated) => return Ok(authenticated),
        Authentication::NotAllowed(_) | Authentication::Failure if known => DeleteRefused::WrongPassword,
        Authentication::NotAllowed(_) | Authentication::Failure => DeleteRefused::Unknown,
        Authentication::Locked => DeleteRefused::Locked,
        Authentication::TooSoon => DeleteRefused::TooSoon,
    };
    Err(OperationError::Refused(why))
}

/// Deletes an account; tells whether there was one.
///
/// # Errors
///
/// Why not; a failing database.
pub fn delete(
    context: &Context<'_>,
    by: &Performer,
    user_id: UserId,
) -> Result<bool, OperationError<DeleteRefused>> {
    let (trail, noted_by) = (context.trail(), by.clone());
    let was_there = context.write(move |tx| carry_out(tx, &trail, &noted_by, user_id))?;
    if was_there {
        by.log(context, "account deleted", user_id);
    }
    Ok(was_there)
}

/// Deletes a user with everything that is theirs, if there is one. One who owns a group stays, and so does the last who
/// can administer. Tells whether there was one.
fn carry_out(
    tx: &Tx<'_>,
    trail: &Trail,
    by: &Performer,
    user_id: UserId,
) -> Result<bool, OperationError<DeleteRefused>> {
    if is_system_user(user_id) {
        return Err(OperationError::Refused(DeleteRefused::SystemUser));
    }
    let last = || OperationError::Refused(DeleteRefused::LastAdministrator);
    let Some(user) = users::credentials_by_id(tx, user_id)? else { return Ok(false) };
    keeping_an_administrator(tx, last, || {
        attempts::delete_by_account(tx, &user.email)?;
        match users::delete(tx, user_id) {
            Ok(deleted) => {
                trail.note(tx, by, NewEvent::about(EventKind::AccountDeleted, user_id))?;
                Ok(deleted)
            }
            Err(StoreError::ForeignKey) => Err(OperationError::Refused(DeleteRefused::OwnsGroup)),
            Err(other) => Err(other.into()),
        }
    })
}
