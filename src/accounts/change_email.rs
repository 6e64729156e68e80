//! A change of an account's address that the new address proves. Somebody who has logged in not long ago asks for it; a
//! code that is emailed to the new address makes it, in a session of theirs.

use super::actor::{Actor, Performer};
use super::codes::{end_all, end_all_since, undo_expiry};
use super::email_queue::{enqueue_for_change, is_recipient, wake};
use super::error::OperationError;
use super::own;
use super::presented_code::{CodeRefused, PresentedCode};
use super::revocation;
use super::sessions::is_fresh;
use crate::app::Context;
use crate::guard::token::StoredToken;
use crate::policy::email::EmailAddress;
use crate::store::email_queue::{EmailContents, EmailPurpose};
use crate::store::events::{EventKind, NewEvent};
use crate::store::sessions::LiveSession;
use crate::store::users::User;
use crate::store::{StoreError, Tx, users};

/// Why no change was begun. None of it depends on who has the new address.
pub(crate) enum StartRefused {
    /// The session is not live, or a visitor's.
    NoSession,
    /// Its owner logged in too long ago.
    NotFresh,
    /// The new address cannot be used.
    BadEmail,
    /// It is the one that the account has.
    Unchanged,
}

/// Has the emails sent that a change of the address takes: a code to the new address, and one that undoes it to the old.
/// Where the new address belongs to somebody else, they are told. Neither the outcome nor the work tells whether it does.
///
/// # Errors
///
/// Why not; a failing database.
pub(crate) fn start(
    context: &Context<'_>,
    session: StoredToken,
    new: &str,
    contents: EmailContents,
    to_undo: EmailContents,
) -> Result<(), OperationError<StartRefused>> {
    let new = EmailAddress::accept_for_signup(new);
    let new = new.map_err(|_| OperationError::Refused(StartRefused::BadEmail))?;
    let trail = context.trail();
    context.write(move |tx| {
        let refused = |why| Err(OperationError::Refused(why));
        let Some(session) = own::owner(tx, &session)? else { return refused(StartRefused::NoSession) };
        if !is_fresh(&session, tx.now()) {
            return refused(StartRefused::NotFresh);
        }
        let user = users::by_id(tx, session.user_id)?;
        let user = user.ok_or(OperationError::Refused(StartRefused::NoSession))?;
        if user.email == new {
            return refused(StartRefused::Unchanged);
        }
        enqueue_for_change(tx, &user, &new, &contents, &to_undo)?;
        let event = NewEvent::about(EventKind::EmailChangeRequested, user.user_id);
        trail.note(tx, &performer(&session), event)?;
        Ok(())
    })?;
    wake(context.app());
    Ok(())
}

fn performer(session: &LiveSession) -> Performer {
    Performer::User(Actor { user_id: session.user_id, role: session.user_role.clone() })
}

/// Why an address was not changed.
pub(crate) enum FinishRefused {
    /// The session is not live, or a visitor's.
    NoSession,
    /// The code does nothing, or nothing in this session.
    Code(CodeRefused),
}

const BAD_CODE: OperationError<FinishRefused> =
    OperationError::Refused(FinishRefused::Code(CodeRefused::Bad));

/// Gives the owner of this session the address that this code was emailed to. The code ends, and so do all others of
/// theirs but those that undo changes, and their other sessions.
///
/// # Errors
///
/// Why not; a failing database.
pub(crate) fn finish(
    context: &mut Context<'_>,
    token: StoredToken,
    code: PresentedCode,
) -> Result<User, OperationError<FinishRefused>> {
    let no_session = || OperationError::Refused(FinishRefused::NoSession);
    context.refuse_instead_of_holding();
    // Refused before the code is looked at.
    let session = context.read(|db| own::owner(db, &token))?.ok_or_else(no_session)?;
    let (code, _turn) = code
        .of_account(session.user_id)
        .look_up(context)?
        .map_err(|why| OperationError::Refused(FinishRefused::Code(why)))?;
    let trail = context.trail();
    let (by, user) = context.write(move |tx| {
        let session = own::owner(tx, &token)?.ok_or_else(no_session)?;
        let user_id = code.consume(tx)?.filter(|owner| *owner == session.user_id).ok_or(BAD_CODE)?;
        let user = users::by_id(tx, user_id)?.ok_or(BAD_CODE)?;
        let new = code.owner.address.clone().ok_or(BAD_CODE)?;
        // Somebody may have got the address meanwhile.
        if !is_recipient(tx, &user, EmailPurpose::EmailChange)? || users::id_by_email(tx, &new)?.is_some() {
            return Err(BAD_CODE);
        }
        let by = performer(&session);
        let before = undo_expiry(tx, user_id, &new)?;
        let user = give(tx, user, new)?;
        trail.note(tx, &by, NewEvent::about(EventKind::EmailChanged, user_id))?;
        match before {
            // Back at an address that it had: whoever had it moved away meanwhile must not get it back.
            Some(expires) => end_all_since(tx, user_id, expires)?,
            None => end_all(tx, user_id)?,
        }
        revocation::sessions_but(tx, user_id, &token)?;
        Ok::<_, OperationError<FinishRefused>>((by, user))
    })?;
    by.log(context, "address changed", user.user_id);
    Ok(user)
}

/// Gives an account an address that was proven and that nobody has.
///
/// # Errors
///
/// A failing database.
pub(super) fn give(tx: &Tx<'_>, user: User, new: EmailAddress) -> Result<User, StoreError> {
    let user = User { email: new, email_verified: true, ..user };
    users::update(tx, &user)?;
    users::set_address_unproven(tx, user.user_id, false)?;
    users::end_contest(tx, &user.email)?;
    Ok(user)
}
