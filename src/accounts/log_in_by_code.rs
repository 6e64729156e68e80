//! A login by a code that was emailed, from an address to a session. It works for accounts that failed attempts have
//! locked, and proves the address of those that never did. A password that was set before the address was proven need
//! not be its owner's, and goes.

use super::actor::Performer;
use super::email_queue::{is_recipient, send_to_recipient};
use super::error::OperationError;
use super::join::{FinishRefused, LogIn};
use super::lock;
use super::presented_code::{CodeRefused, PresentedCode};
use super::revocation;
use super::sessions::{Started, log_in_within, prepare};
use super::verify_email::{self, VerifyRefused, note_proof};
use crate::app::Context;
use crate::guard::password::PasswordHash;
use crate::policy::email::EmailAddress;
use crate::store::email_queue::{EmailContents, EmailPurpose};
use crate::store::events::{EventKind, NewEvent, Trail};
use crate::store::users::AuthUser;
use crate::store::{StoreError, Tx, users};
use crate::user_id::UserId;

/// Has an email with a code sent to this address, if it is that of somebody who may log in. Neither the outcome nor the
/// work tells whether it is.
///
/// # Errors
///
/// A failing database.
pub(crate) fn start(
    context: &mut Context<'_>,
    email: EmailAddress,
    contents: EmailContents,
) -> Result<(), StoreError> {
    send_to_recipient(context, email, EmailPurpose::Login, contents)
}

const BAD_CODE: OperationError<FinishRefused> =
    OperationError::Refused(FinishRefused::Code(CodeRefused::Bad));

/// Logs in whoever was emailed this code, which ends: the session that they come with ends and theirs begins, in one
/// write. A lock that failed attempts made ends with it.
///
/// # Errors
///
/// Why not; a failing database.
pub(crate) fn finish(
    context: &mut Context<'_>,
    code: PresentedCode,
    LogIn { starts, ends }: LogIn,
) -> Result<(AuthUser, Started), OperationError<FinishRefused>> {
    context.refuse_instead_of_holding();
    let prepared = prepare(context, starts);
    let (started, session) = prepared.map_err(|_| OperationError::Refused(FinishRefused::NoSuchSession))?;
    let (code, _turn) =
        code.look_up(context)?.map_err(|why| OperationError::Refused(FinishRefused::Code(why)))?;
    let (no_password, trail) = (context.no_password(), context.trail());
    let user = context.write(move |tx| {
        let user_id = code.consume(tx)?.ok_or(BAD_CODE)?;
        let by = Performer::CodeHolder(user_id);
        admit(tx, user_id, &no_password, (&trail, &by))?;
        log_in_within(tx, &trail, &by, (user_id, ends), &session)?;
        users::credentials_by_id(tx, user_id)?.ok_or(BAD_CODE)
    })?;
    Performer::CodeHolder(user.user_id).log(context, "logged in by a code", user.user_id);
    Ok((user, started))
}

/// Has the account take a login by whoever holds its address, if it is one that may.
fn admit(
    tx: &Tx<'_>,
    user_id: UserId,
    no_password: &PasswordHash,
    (trail, by): (&Trail, &Performer),
) -> Result<(), OperationError<FinishRefused>> {
    let user = users::by_id(tx, user_id)?.ok_or(BAD_CODE)?;
    if !is_recipient(tx, &user, EmailPurpose::Login)? {
        return Err(BAD_CODE);
    }
    if lock::forgive_attempts(tx, user_id, &user.email)? {
        trail.note(tx, by, NewEvent::about(EventKind::AccountUnlocked, user_id))?;
    }
    let user = users::by_id(tx, user_id)?.ok_or(BAD_CODE)?;
    let before = users::credentials_by_id(tx, user_id)?.ok_or(BAD_CODE)?;
    let was_contested = verify_email::carry_out(tx, &user, no_password).map_err(|error| match error {
        OperationError::Refused(VerifyRefused::Unknown | VerifyRefused::NotPossible) => BAD_CODE,
        OperationError::Broken(error) => OperationError::Broken(error),
    })?;
    if user.email_verified && !before.address_unproven && !was_contested {
        return Ok(());
    }
    // Whoever signed the account up, or moved it here, did not show that the address is theirs.
    users::set_no_password(tx, user_id, no_password)?;
    revocation::everything(tx, user_id)?;
    let had_password = was_contested || !before.password.is(no_password);
    note_proof(tx, trail, by, user_id, had_password)?;
    Ok(())
}
