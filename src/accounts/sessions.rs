//! Who may have a session, and who ends it.

use super::error::OperationError;
use crate::app::Context;
use crate::guard::token::StoredToken;
use crate::store::sessions::{self, NewSession};
use crate::store::users;
use crate::user_id::UserId;

/// The user of a session that was to be started may not act, or what they had was revoked meanwhile.
pub struct MayNotStart;

/// Starts a session for a user who may act, or for a visitor.
///
/// # Errors
///
/// Why not; a failing database.
pub fn start(context: &Context<'_>, session: NewSession) -> Result<(), OperationError<MayNotStart>> {
    let user_id = session.user_id;
    let revocations = context.read(|db| users::revocations(db, user_id))?;
    context.write(move |tx| {
        // What was revoked while this was under way is not issued anew.
        if users::revocations(tx, user_id)? != revocations {
            return Err(OperationError::Refused(MayNotStart));
        }
        let owner = users::credentials_by_id(tx, user_id)?;
        if !owner.is_some_and(|owner| owner.is_active && !owner.user_role.is_locked()) {
            return Err(OperationError::Refused(MayNotStart));
        }
        Ok(sessions::insert(tx, &session)?)
    })
}

/// Why a user was not logged out.
pub enum LogOutRefused {
    /// The session is not live.
    NoSession,
    /// It is somebody else's.
    OtherUser,
}

/// Ends a user's session.
///
/// # Errors
///
/// Why not; a failing database.
pub fn log_out(
    context: &Context<'_>,
    user_id: UserId,
    token: StoredToken,
) -> Result<(), OperationError<LogOutRefused>> {
    let ended = context.write(move |tx| {
        let session = sessions::live_by_token(tx, &token)?;
        let session = session.ok_or(OperationError::Refused(LogOutRefused::NoSession))?;
        if session.user_id != user_id {
            return Err(OperationError::Refused(LogOutRefused::OtherUser));
        }
        Ok(sessions::delete(tx, &token)?)
    })?;
    debug_assert!(ended, "a session that was just found in this transaction can be deleted");
    Ok(())
}
