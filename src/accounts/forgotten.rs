//! A forgotten password, from an address to a new password. Who may choose a new one is shown by a code that was
//! emailed. It works for accounts that failed attempts have locked; and for those that never proved their address it is
//! the proof.

use super::actor::Performer;
use super::email_queue::{is_recipient, send_to_recipient};
use super::error::OperationError;
use super::lock::end_everything;
use super::presented_code::{CodeRefused, PresentedCode};
use super::verify_email::{self, VerifyRefused};
use super::{lock, new_password};
use crate::app::Context;
use crate::guard::password::PasswordHash;
use crate::guard::secret::Password;
use crate::policy::email::EmailAddress;
use crate::store::email_queue::{EmailContents, EmailPurpose};
use crate::store::events::{EventKind, NewEvent, Trail};
use crate::store::users::User;
use crate::store::{StoreError, Tx, users};
use crate::user_id::UserId;
use std::borrow::Cow;

/// Has an email with a code sent to this address, if it is that of somebody who may choose a new password. Neither the
/// outcome nor the work tells whether it is.
///
/// # Errors
///
/// A failing database.
pub(crate) fn start(
    context: &mut Context<'_>,
    email: EmailAddress,
    contents: EmailContents,
) -> Result<(), StoreError> {
    send_to_recipient(context, email, EmailPurpose::Reset, contents)
}

/// Why no new password was set.
pub(crate) enum FinishRefused {
    /// The code does nothing.
    Code(CodeRefused),
    /// The new password breaks these rules. The code is still good.
    Insecure(Vec<Cow<'static, str>>),
}

/// Sets a new password for whoever was emailed this code, which ends. So do all sessions and API keys of theirs, and a
/// lock that failed attempts made. An address that was not proven is now.
///
/// # Errors
///
/// Why not; a failing database, or too many passwords waiting.
pub(crate) fn finish(
    context: &mut Context<'_>,
    code: PresentedCode,
    new: &Password,
) -> Result<User, OperationError<FinishRefused>> {
    context.refuse_instead_of_holding();
    // Refused before anything is hashed, for known and unknown addresses.
    let (code, _turn) =
        code.look_up(context)?.map_err(|why| OperationError::Refused(FinishRefused::Code(why)))?;
    let owner = context.read(|db| users::by_id(db, code.owner.user_id))?.ok_or(BAD_CODE)?;
    context.concerns(owner.email.as_str());
    let hash = context.hash(new)?;
    let name = owner.full_name.as_deref().unwrap_or_default();
    let broken = new_password::check_new_password(context, new, owner.email.as_str(), &[name]);
    if !broken.is_empty() {
        return Err(OperationError::Refused(FinishRefused::Insecure(broken)));
    }
    let no_password = context.no_password();
    let trail = context.trail();
    let user = context.write(move |tx| {
        let user_id = code.consume(tx)?.ok_or(BAD_CODE)?;
        set(tx, user_id, &hash, &no_password, &trail)
    })?;
    Performer::CodeHolder(user.user_id).log(context, "password reset", user.user_id);
    Ok(user)
}

const BAD_CODE: OperationError<FinishRefused> =
    OperationError::Refused(FinishRefused::Code(CodeRefused::Bad));

/// Sets the password, with all that follows, unless the account is not one any more whose password may be set.
fn set(
    tx: &Tx<'_>,
    user_id: UserId,
    hash: &PasswordHash,
    no_password: &PasswordHash,
    trail: &Trail,
) -> Result<User, OperationError<FinishRefused>> {
    let user = users::by_id(tx, user_id)?.ok_or(BAD_CODE)?;
    if !is_recipient(tx, &user, EmailPurpose::Reset)? {
        return Err(BAD_CODE);
    }
    let by = Performer::CodeHolder(user_id);
    let was_proven = user.email_verified;
    if lock::forgive_attempts(tx, user_id, &user.email)? {
        trail.note(tx, &by, NewEvent::about(EventKind::AccountUnlocked, user_id))?;
    }
    let user = users::by_id(tx, user_id)?.ok_or(BAD_CODE)?;
    verify_email::carry_out(tx, &user, no_password).map_err(|error| match error {
        OperationError::Refused(VerifyRefused::Unknown | VerifyRefused::NotPossible) => BAD_CODE,
        OperationError::Broken(error) => OperationError::Broken(error),
    })?;
    if !was_proven {
        trail.note(tx, &by, NewEvent::about(EventKind::AccountVerified, user_id))?;
    }
    let now = users::credentials_by_id(tx, user_id)?.ok_or(BAD_CODE)?;
    if !users::set_password(tx, &now, hash)? {
        return Err(BAD_CODE);
    }
    trail.note(tx, &by, NewEvent::about(EventKind::PasswordReset, user_id))?;
    end_everything(tx, user_id)?;
    users::by_id(tx, user_id)?.ok_or(BAD_CODE)
}
