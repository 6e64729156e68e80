//! What follows when an address was proven. Whether it was is for the calling server or an operator to decide.

use super::actor::Performer;
use super::error::OperationError;
use super::revocation;
use crate::app::Context;
use crate::guard::password::PasswordHash;
use crate::policy::email::EmailAddress;
use crate::policy::roles::{Role, is_system_user};
use crate::store::events::{EventKind, NewEvent, Trail};
use crate::store::users::User;
use crate::store::{StoreError, Tx, locks, users};
use crate::user_id::UserId;

/// Why an address was not marked as proven.
pub enum VerifyRefused {
    /// Nobody has it.
    Unknown,
    /// The account is locked, was deactivated, or is a system account.
    NotPossible,
}

/// Marks an address as proven and makes its account active.
///
/// # Errors
///
/// Why not; a failing database.
pub fn verify_email(
    context: &Context<'_>,
    by: &Performer,
    email: EmailAddress,
) -> Result<User, OperationError<VerifyRefused>> {
    let no_password = context.no_password();
    let (trail, noted_by) = (context.trail(), by.clone());
    let user = context.write(move |tx| {
        let user = users::by_email(tx, &email)?.ok_or(OperationError::Refused(VerifyRefused::Unknown))?;
        let user_id = user.user_id;
        let was_contested = carry_out(tx, &user, &no_password)?;
        note_proof(tx, &trail, &noted_by, user_id, was_contested)?;
        users::by_id(tx, user_id)?.ok_or(OperationError::Refused(VerifyRefused::NotPossible))
    })?;
    by.log(context, "address verified", user.user_id);
    Ok(user)
}

/// Marks a user's address as proven, in a transaction. Tells whether the account has lost its password by that.
///
/// # Errors
///
/// [`VerifyRefused::NotPossible`]; a failing database.
pub(super) fn carry_out(
    tx: &Tx<'_>,
    user: &User,
    no_password: &PasswordHash,
) -> Result<bool, OperationError<VerifyRefused>> {
    if user.is_active && user.email_verified {
        return Ok(settle_address(tx, user, no_password)?);
    }
    // An inactive account with a role of its own was deactivated by somebody; a proven address undoes no decision.
    let deactivated = !user.is_active && !user.user_role.is_locked();
    let locked = locks::by_user(tx, user.user_id)?.is_some();
    if deactivated || locked || user.email_verified || is_system_user(user.user_id) {
        return Err(OperationError::Refused(VerifyRefused::NotPossible));
    }
    // A role that an active, never verified account was given stays; a pending one starts as everybody does.
    let given = user.is_active && !user.user_role.is_locked();
    let role = if given { &user.user_role } else { &Role::AUTHENTICATED };
    // Whoever opened something before the address was proven need not be its owner.
    revocation::everything(tx, user.user_id)?;
    let was_contested = settle_address(tx, user, no_password)?;
    users::set_verified(tx, user.user_id, role)?;
    Ok(was_contested)
}

/// Writes down that an address was proven, and that a password went with it if so.
///
/// # Errors
///
/// A failing database.
pub(super) fn note_proof(
    tx: &Tx<'_>,
    trail: &Trail,
    by: &Performer,
    user_id: UserId,
    was_contested: bool,
) -> Result<(), StoreError> {
    trail.note(tx, by, NewEvent::about(EventKind::AccountVerified, user_id))?;
    if was_contested {
        trail.note(tx, by, NewEvent::about(EventKind::PasswordRemoved, user_id))?;
    }
    Ok(())
}

/// The address was proven. If somebody signed it up after an account had been moved there, nobody knows whose password
/// the account has: then it has none, and whatever was opened with it ends. Tells whether that was so.
///
/// # Errors
///
/// A failing database.
pub(super) fn settle_address(
    tx: &Tx<'_>,
    user: &User,
    no_password: &PasswordHash,
) -> Result<bool, StoreError> {
    users::set_address_unproven(tx, user.user_id, false)?;
    let was_contested = users::end_contest(tx, &user.email)?;
    if was_contested {
        users::set_no_password(tx, user.user_id, no_password)?;
        revocation::everything(tx, user.user_id)?;
    }
    Ok(was_contested)
}
