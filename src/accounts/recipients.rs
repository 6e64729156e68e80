//! Who may get which email, and when. It is decided where it is noted that the email goes out, so that two requests
//! cannot both send one.

use super::delivery::{Claim, ClaimKind};
use super::error::OperationError;
use super::lock::is_suspended;
use crate::app::Context;
use crate::clock::Timestamp;
use crate::outbound::recent::is_recent;
use crate::policy::email::{EmailAddress, is_valid_syntax};
use crate::policy::roles::Role;
use crate::store::attempts::AttemptKey;
use crate::store::users::User;
use crate::store::{Db, emails, users};
use crate::user_id::UserId;

/// Seconds that always lie between two forgotten-password emails to one account.
const FORGOTPASS_GAP_SECONDS: i64 = 300;
const HOUR_SECONDS: i64 = 3600;

/// Why somebody who signed up gets no verification email.
pub enum VerificationRefused {
    /// Nobody of that number signed up with that address.
    Unknown,
    /// The account is verified, or works without.
    Verified,
    /// No sign-up said that one is to be sent, or it was.
    NotDue,
}

/// Whether somebody who signed up with this address is still to get their email. It is checked once more in the write of
/// [`claim_verification`].
///
/// # Errors
///
/// Why not; a failing database.
pub fn verification_is_due(
    context: &Context<'_>,
    user_id: UserId,
    address: &EmailAddress,
) -> Result<(), OperationError<VerificationRefused>> {
    context.app().store.read(|db| last_verification(db, user_id, address)).map(drop)
}

/// When an email that is still due was last sent or asked for.
fn last_verification(
    db: &Db<'_>,
    user_id: UserId,
    address: &EmailAddress,
) -> Result<Option<Timestamp>, OperationError<VerificationRefused>> {
    let refused = |why| Err(OperationError::Refused(why));
    let user = users::by_id(db, user_id)?.filter(|user| user.email == *address);
    let Some(user) = user else { return refused(VerificationRefused::Unknown) };
    if user.is_active || user.email_verified || !user.user_role.is_locked() {
        return refused(VerificationRefused::Verified);
    }
    if !users::verification_email_is_due(db, user_id)? {
        return refused(VerificationRefused::NotDue);
    }
    Ok(user.emailverify_sent_datetime)
}

/// Notes that the verification email goes out, if it is due.
///
/// # Errors
///
/// Why not; a failing database.
pub fn claim_verification(
    context: &Context<'_>,
    user_id: UserId,
    address: EmailAddress,
) -> Result<Claim, OperationError<VerificationRefused>> {
    context.write(move |tx| {
        let before = last_verification(tx, user_id, &address)?;
        if !emails::claim_verify(tx, user_id)? {
            return Err(OperationError::Refused(VerificationRefused::NotDue));
        }
        Ok(Claim { user_id, at: tx.now(), before, kind: ClaimKind::Verify })
    })
}

/// Why no forgotten-password email is sent.
pub enum ForgotpassRefused {
    /// There is no account of that address, or not one that may.
    Unknown,
    /// One was sent not long ago.
    TooSoon,
}

/// Notes that a forgotten-password email goes out to this address, if it may. The long wait between two is for the one
/// who asked before: somebody else, who may be the owner, waits only the short one.
///
/// # Errors
///
/// Why not; a failing database.
pub fn claim_forgotpass(
    context: &Context<'_>,
    address: &EmailAddress,
) -> Result<Claim, OperationError<ForgotpassRefused>> {
    let too_soon = || OperationError::Refused(ForgotpassRefused::TooSoon);
    let (user_id, _) = context.app().store.read(|db| forgotpass_recipient(db, address))?;
    let wait_seconds = i64::from(context.config().mail_wait_hours) * HOUR_SECONDS;
    let recent = &context.app().recent_emails;
    let noted = recent.claim(user_id, &context.network(), wait_seconds, context.app().clock.now());
    let noted = noted.ok_or_else(too_soon)?;
    let key = AttemptKey::of_forgotten(user_id, context.network());
    let lease = match context.app().store.lease(&key, wait_seconds) {
        Ok(Some(lease)) => lease,
        other => {
            recent.give_back(noted);
            other?;
            return Err(too_soon());
        }
    };
    let address = address.clone();
    let claimed = context.write(move |tx| {
        let (user_id, before) = forgotpass_recipient(tx, &address)?;
        let gap_seconds = FORGOTPASS_GAP_SECONDS.min(wait_seconds);
        if before.is_some_and(|sent| is_recent(sent, gap_seconds, tx.now())) {
            return Err(too_soon());
        }
        users::set_forgotpass_email_sent(tx, user_id)?;
        Ok((user_id, tx.now(), before))
    });
    match claimed {
        Ok((user_id, at, before)) => {
            Ok(Claim { user_id, at, before, kind: ClaimKind::Forgotpass(noted, lease) })
        }
        Err(error) => {
            recent.give_back(noted);
            context.app().store.end_lease(&lease);
            Err(error)
        }
    }
}

/// Who may choose a new password by an email to this address, and when one was last sent. A lock that failed attempts
/// made does not keep the owner from it.
fn forgotpass_recipient(
    db: &Db<'_>,
    address: &EmailAddress,
) -> Result<(UserId, Option<Timestamp>), OperationError<ForgotpassRefused>> {
    let unknown = || OperationError::Refused(ForgotpassRefused::Unknown);
    let user = if is_valid_syntax(address.as_str()) { users::by_email(db, address)? } else { None };
    let user = user.filter(|user| user.user_role != Role::ANONYMOUS).ok_or_else(unknown)?;
    let may_act = user.is_active && !user.user_role.is_locked();
    if may_act || is_suspended(db, user.user_id)? {
        return Ok((user.user_id, user.emailforgotpass_sent_datetime));
    }
    Err(unknown())
}

/// The emails that are sent to accounts.
#[derive(Clone, Copy)]
pub enum EmailKind {
    /// The email that verifies a sign-up.
    Signup,
    /// The email that lets somebody choose a new password.
    ForgotPassword,
}

/// No account has the address.
pub struct NobodyHasIt;

/// Notes that an email was sent by other means than this server's. Tells what the account is then.
///
/// # Errors
///
/// [`NobodyHasIt`]; a failing database.
pub fn note_sent(
    context: &Context<'_>,
    address: EmailAddress,
    kind: EmailKind,
) -> Result<User, OperationError<NobodyHasIt>> {
    let unknown = || OperationError::Refused(NobodyHasIt);
    context.write(move |tx| {
        let user_id = users::id_by_email(tx, &address)?.ok_or_else(unknown)?;
        match kind {
            EmailKind::Signup => users::set_verify_email_sent(tx, user_id)?,
            EmailKind::ForgotPassword => users::set_forgotpass_email_sent(tx, user_id)?,
        };
        users::by_id(tx, user_id)?.ok_or_else(unknown)
    })
}
