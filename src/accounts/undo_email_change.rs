//! The undoing of a change of an account's address, by a code that was emailed to the old one. It works for days, whatever
//! happened meanwhile: whoever has somebody's session or password must not get their account.

use super::actor::Performer;
use super::change_email::give;
use super::codes::end_all_since;
use super::email_queue::is_recipient;
use super::error::OperationError;
use super::presented_code::PresentedCode;
use super::revocation;
use crate::app::Context;
use crate::guard::password::PasswordHash;
use crate::store::codes::CodeOwner;
use crate::store::email_queue::EmailPurpose;
use crate::store::events::{EventKind, NewEvent, Trail};
use crate::store::users::User;
use crate::store::{Tx, users};

/// Why a change was not undone.
pub(crate) enum UndoRefused {
    /// The code does nothing.
    BadCode,
    /// Somebody else has the address now, and has proven that it is theirs.
    Taken,
}

const NOT_UNDONE: OperationError<UndoRefused> = OperationError::Refused(UndoRefused::BadCode);

/// Gives an account back the address that this code was emailed to. The code ends, and with it all that was opened, all
/// changes that were asked for since, and the password, which whoever asked for them may know.
///
/// # Errors
///
/// Why not; a failing database.
pub(crate) fn undo(
    context: &mut Context<'_>,
    code: PresentedCode,
) -> Result<User, OperationError<UndoRefused>> {
    let (code, _) = code.look_up(context)?.map_err(|_| NOT_UNDONE)?;
    let (no_password, trail) = (context.no_password(), context.trail());
    let user = context.write(move |tx| {
        code.consume(tx)?.ok_or(NOT_UNDONE)?;
        take_back(tx, &code.owner, &no_password, &trail)
    })?;
    Performer::CodeHolder(user.user_id).log(context, "change of the address undone", user.user_id);
    Ok(user)
}

fn take_back(
    tx: &Tx<'_>,
    CodeOwner { user_id, address, expires }: &CodeOwner,
    no_password: &PasswordHash,
    trail: &Trail,
) -> Result<User, OperationError<UndoRefused>> {
    let user_id = *user_id;
    let by = Performer::CodeHolder(user_id);
    let old = address.clone().ok_or(NOT_UNDONE)?;
    let user = users::by_id(tx, user_id)?.ok_or(NOT_UNDONE)?;
    if !is_recipient(tx, &user, EmailPurpose::EmailUndo)? {
        return Err(NOT_UNDONE);
    }
    if let Some(other) = users::by_email(tx, &old)?.filter(|other| other.user_id != user_id) {
        // A sign-up that nobody verified does not keep an address from whoever has its emails.
        if !is_recipient(tx, &other, EmailPurpose::SignUp)? {
            return Err(OperationError::Refused(UndoRefused::Taken));
        }
        users::delete(tx, other.user_id)?;
        trail.note(tx, &by, NewEvent::about(EventKind::AccountDeleted, other.user_id))?;
    }
    let user = give(tx, user, old)?;
    trail.note(tx, &by, NewEvent::about(EventKind::EmailChangeUndone, user_id))?;
    users::set_no_password(tx, user_id, no_password)?;
    end_all_since(tx, user_id, *expires)?;
    revocation::everything(tx, user_id)?;
    Ok(user)
}
