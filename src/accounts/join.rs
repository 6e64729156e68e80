//! A whole sign-up: an account and an email with a code, another such email, and the code that proves the address and
//! may log its owner in. Nothing but the emails tells whether an address has an account.

use super::actor::Performer;
use super::email_queue::{enqueue_for_signup, is_recipient, wake};
use super::error::OperationError;
use super::presented_code::{CodeRefused, GoodCode, PresentedCode};
use super::sessions::{Start, Started, log_in_within, prepare};
use super::sign_up::{SignUp, SignUpRefused, sign_up};
use super::verify_email::{self, VerifyRefused, note_proof};
use crate::app::Context;
use crate::guard::password::PasswordHash;
use crate::guard::token::StoredToken;
use crate::policy::email::EmailAddress;
use crate::store::email_queue::{EmailContents, EmailPurpose};
use crate::store::users::AuthUser;
use crate::store::{StoreError, Tx, users};
use crate::user_id::UserId;
use std::borrow::Cow;

/// Why no sign-up was begun. None of it depends on whether there is such an account.
pub(crate) enum StartRefused {
    /// The address may not sign up.
    BadEmail,
    /// The name cannot be used.
    BadName,
    /// The password breaks these rules.
    BadPassword(Vec<Cow<'static, str>>),
    /// What is to be noted is too much.
    TooMuch,
}

/// Makes an account that can be used once its address is verified, and has the email with the code for that sent. Where
/// there is one already, the email tells so, or has another code where it was never verified.
///
/// # Errors
///
/// Why not; a failing database, or too many passwords waiting.
pub(crate) fn start(
    context: &mut Context<'_>,
    asked: SignUp<'_>,
) -> Result<(), OperationError<StartRefused>> {
    context.refuse_instead_of_holding();
    let refused = match sign_up(context, &Performer::CallingServer, asked) {
        Ok(_) | Err(OperationError::Refused(SignUpRefused::Known { .. })) => None,
        Err(OperationError::Refused(SignUpRefused::BadEmail)) => Some(StartRefused::BadEmail),
        Err(OperationError::Refused(SignUpRefused::BadName)) => Some(StartRefused::BadName),
        Err(OperationError::Refused(SignUpRefused::BadPassword(_, broken))) => {
            Some(StartRefused::BadPassword(broken))
        }
        Err(OperationError::Refused(SignUpRefused::NotAdded)) => Some(StartRefused::TooMuch),
        Err(OperationError::Broken(error)) => return Err(OperationError::Broken(error)),
    };
    wake(context.app());
    refused.map_or(Ok(()), |refused| Err(OperationError::Refused(refused)))
}

/// Has the email of a sign-up sent once more. Neither the outcome nor the work tells what there is at the address.
///
/// # Errors
///
/// A failing database.
pub(crate) fn resend(
    context: &mut Context<'_>,
    email: EmailAddress,
    contents: EmailContents,
) -> Result<(), StoreError> {
    context.refuse_instead_of_holding();
    context.write(move |tx| enqueue_for_signup(tx, &email, &contents))?;
    wake(context.app());
    Ok(())
}

/// Why a sign-up was not finished.
pub(crate) enum FinishRefused {
    /// The code does nothing.
    Code(CodeRefused),
    /// The session cannot be started as asked.
    NoSuchSession,
}

const BAD_CODE: OperationError<FinishRefused> =
    OperationError::Refused(FinishRefused::Code(CodeRefused::Bad));

/// Somebody whose sign-up is finished.
pub(crate) struct Joined {
    /// Who it is.
    pub user: AuthUser,
    /// Their session, if they were to be logged in.
    pub started: Option<Started>,
    /// Whether a password of theirs is known. There is none where the address was signed up with several.
    pub has_password: bool,
}

/// A login that is to follow from the proof of an address.
pub(crate) struct LogIn {
    /// The session to start.
    pub starts: Start,
    /// The session that the visitor came with.
    pub ends: Option<StoredToken>,
}

/// Finishes the sign-up of whoever was emailed this code, which ends: the address is verified, and its owner is logged in,
/// if that is wanted, in one write.
///
/// # Errors
///
/// Why not; a failing database.
pub(crate) fn finish(
    context: &mut Context<'_>,
    code: PresentedCode,
    log_in: Option<LogIn>,
) -> Result<Joined, OperationError<FinishRefused>> {
    context.refuse_instead_of_holding();
    let (mut started, mut session) = (None, None);
    if let Some(LogIn { starts, ends }) = log_in {
        let prepared = prepare(context, starts);
        let (token, starts) = prepared.map_err(|_| OperationError::Refused(FinishRefused::NoSuchSession))?;
        (started, session) = (Some(token), Some((starts, ends)));
    }
    let (code, _turn) =
        code.look_up(context)?.map_err(|why| OperationError::Refused(FinishRefused::Code(why)))?;
    let no_password = context.no_password();
    let (given, trail) = (no_password.clone(), context.trail());
    let user = context.write(move |tx| {
        let (user_id, was_contested) = prove(tx, &code, &given)?;
        let by = Performer::CodeHolder(user_id);
        note_proof(tx, &trail, &by, user_id, was_contested)?;
        if let Some((starts, ends)) = &session {
            log_in_within(tx, &trail, &by, (user_id, *ends), starts)?;
        }
        users::credentials_by_id(tx, user_id)?.ok_or(BAD_CODE)
    })?;
    Performer::CodeHolder(user.user_id).log(context, "address verified", user.user_id);
    let has_password = !user.password.is(&no_password);
    Ok(Joined { user, started, has_password })
}

/// Has the address proven that the code was emailed to; tells whose it is, and whether they have lost their password.
fn prove(
    tx: &Tx<'_>,
    code: &GoodCode,
    no_password: &PasswordHash,
) -> Result<(UserId, bool), OperationError<FinishRefused>> {
    let user_id = code.consume(tx)?.ok_or(BAD_CODE)?;
    let user = users::by_id(tx, user_id)?.ok_or(BAD_CODE)?;
    // Locked, deactivated, or verified by other means meanwhile.
    if !is_recipient(tx, &user, EmailPurpose::SignUp)? {
        return Err(BAD_CODE);
    }
    let proven = verify_email::carry_out(tx, &user, no_password);
    let was_contested = proven.map_err(|error| match error {
        OperationError::Refused(VerifyRefused::Unknown | VerifyRefused::NotPossible) => BAD_CODE,
        OperationError::Broken(error) => OperationError::Broken(error),
    })?;
    Ok((user_id, was_contested))
}
