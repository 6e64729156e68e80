//! Setting a password: by somebody who knows the one they have, or in place of a forgotten one. Whether the user may
//! do the latter is for the calling server or an operator to decide.

use super::actor::Performer;
use super::authenticate::{Authenticated, Authentication, Identifier, authenticate};
use super::error::OperationError;
use super::revocation;
use super::{codes, lock, new_password};
use crate::app::Context;
use crate::guard::password::{PasswordHash, Verification};
use crate::guard::secret::Password;
use crate::guard::token::StoredToken;
use crate::policy::email::EmailAddress;
use crate::policy::roles::is_system_user;
use crate::store::events::{EventKind, NewEvent, Trail};
use crate::store::users::AuthUser;
use crate::store::{Db, StoreError, Tx, sessions, users};
use crate::user_id::UserId;
use std::borrow::Cow;

/// A change of a password by somebody who knows it.
pub struct Change {
    /// Whose password it is.
    pub user_id: UserId,
    /// Their address.
    pub email: EmailAddress,
    /// Their name, beside the one that is stored; the new password must resemble neither.
    pub full_name: String,
    /// The password they have.
    pub current: Password,
    /// The password they want.
    pub new: Password,
    /// The session of theirs in which they ask, and which lives on; without one, API keys without a session end too.
    pub session: Option<StoredToken>,
}

/// Why a password was not changed.
pub enum ChangeRefused {
    /// The session is not live, or not theirs.
    NoSession,
    /// There is no such account, or it may not authenticate.
    Unknown,
    /// The current password is wrong.
    WrongPassword,
    /// The account takes no attempts for now.
    Locked,
    /// Somebody has to wait after a failed attempt.
    TooSoon,
    /// The new password is the old one.
    Unchanged,
    /// The new password breaks these rules.
    Insecure(Vec<Cow<'static, str>>),
    /// The account or the session is not what it was when the password was tested.
    Overtaken,
}

/// Changes a password if the current one is right and the new one is good. All sessions of the user but that of the
/// change end.
///
/// # Errors
///
/// Why not; a failing database, or too many passwords waiting.
pub fn change(context: &mut Context<'_>, change: Change) -> Result<(), OperationError<ChangeRefused>> {
    let refused = |why| Err(OperationError::Refused(why));
    let Change { user_id, email, full_name, current, new, session } = change;
    if let Some(token) = &session
        && !context.read(|db| owns_session(db, user_id, token))?
    {
        // Refused before anything is hashed: a token of 240 random bits tells nothing about accounts.
        return refused(ChangeRefused::NoSession);
    }
    let user = current_is_right(context, user_id, email, &current)?.into_credentials();
    if let Verification::Matches { .. } = context.verify(&new, Some(&user.password))? {
        return refused(ChangeRefused::Unchanged);
    }
    let hash = context.hash(&new)?;
    let names = [full_name.as_str(), user.full_name.as_deref().unwrap_or_default()];
    let broken = new_password::check_new_password(context, &new, user.email.as_str(), &names);
    if !broken.is_empty() {
        return refused(ChangeRefused::Insecure(broken));
    }
    let by = Performer::PasswordHolder(user.user_id);
    let (trail, noted_by) = (context.trail(), by.clone());
    let stored = context.write(move |tx| {
        let stored = store_change(tx, &user, &hash, session.as_ref())?;
        if stored {
            trail.note(tx, &noted_by, NewEvent::about(EventKind::PasswordChanged, user_id))?;
        }
        Ok::<_, StoreError>(stored)
    })?;
    if !stored {
        return refused(ChangeRefused::Overtaken);
    }
    by.log(context, "password changed", user_id);
    Ok(())
}

/// Only for the account that the password was tested against, as it was then, and in a session that still is.
fn store_change(
    tx: &Tx<'_>,
    user: &AuthUser,
    hash: &PasswordHash,
    kept: Option<&StoredToken>,
) -> Result<bool, StoreError> {
    let now = users::credentials_by_id(tx, user.user_id)?;
    let session_lives = match kept {
        Some(token) => owns_session(tx, user.user_id, token)?,
        None => true,
    };
    if !session_lives || !now.is_some_and(|now| now.may_authenticate()) {
        return Ok(false);
    }
    if !users::set_password(tx, user, hash)? {
        return Ok(false);
    }
    codes::end_all(tx, user.user_id)?;
    match kept {
        Some(session) => revocation::sessions_but(tx, user.user_id, session)?,
        None => revocation::everything(tx, user.user_id)?,
    }
    Ok(true)
}

/// Whether a session is live and this user's.
fn owns_session(db: &Db<'_>, user_id: UserId, token: &StoredToken) -> Result<bool, StoreError> {
    Ok(sessions::live_by_token(db, token)?.is_some_and(|session| session.user_id == user_id))
}

fn current_is_right(
    context: &mut Context<'_>,
    user_id: UserId,
    email: EmailAddress,
    current: &Password,
) -> Result<Authenticated, OperationError<ChangeRefused>> {
    let known = context.read(|db| users::credentials_by_email(db, &email))?;
    let known = known.is_some_and(|user| user.user_id == user_id && user.may_authenticate());
    let identifier = Identifier::UserWithEmail(user_id, email);
    let why = match authenticate(context, &identifier, current, AuthUser::may_authenticate)? {
        Authentication::Success(authenticated) => return Ok(authenticated),
        Authentication::Locked => ChangeRefused::Locked,
        Authentication::TooSoon => ChangeRefused::TooSoon,
        Authentication::NotAllowed(_) | Authentication::Failure if known => ChangeRefused::WrongPassword,
        Authentication::NotAllowed(_) | Authentication::Failure => ChangeRefused::Unknown,
    };
    Err(OperationError::Refused(why))
}

/// A new password in place of a forgotten one.
pub struct Reset {
    /// Whose password it is.
    pub email: EmailAddress,
    /// Whether the account has to be active, or has to be inactive, if either. A lock that failed attempts made counts
    /// as both.
    pub required_active: Option<bool>,
    /// A session that has to be live, whosever it is.
    pub session: Option<StoredToken>,
}

/// Why a password was not reset.
pub enum ResetRefused {
    /// The session is not live.
    NoSession,
    /// There is no such account in the required state.
    Unknown,
    /// The new password breaks these rules.
    Insecure(Vec<Cow<'static, str>>),
    /// The account or the session is not what it was when this began.
    Overtaken,
}

/// Sets a new password. All sessions and API keys of the user end, and so does a lock that failed attempts made.
///
/// # Errors
///
/// Why not; a failing database, or too many passwords waiting.
pub fn reset(
    context: &mut Context<'_>,
    by: &Performer,
    reset: Reset,
    new: &Password,
) -> Result<(), OperationError<ResetRefused>> {
    let refused = |why| Err(OperationError::Refused(why));
    if let Some(token) = &reset.session
        && context.read(|db| sessions::live_by_token(db, token))?.is_none()
    {
        // Refused before anything is hashed: a token of 240 random bits tells nothing about accounts.
        return refused(ResetRefused::NoSession);
    }
    context.concerns(reset.email.as_str());
    let user = context.read(|db| reset.find(db))?;
    // Hashed and checked for unknown addresses too, so that they take as long.
    let hash = context.hash(new)?;
    let name = user.as_ref().and_then(|user| user.full_name.as_deref()).unwrap_or_default();
    let broken = new_password::check_new_password(context, new, reset.email.as_str(), &[name]);
    let Some(user) = user else { return refused(ResetRefused::Unknown) };
    if !broken.is_empty() {
        return refused(ResetRefused::Insecure(broken));
    }
    let user_id = user.user_id;
    let (trail, noted_by) = (context.trail(), by.clone());
    if !context.write(move |tx| reset.store(tx, &user, &hash, &trail, &noted_by))? {
        return refused(ResetRefused::Overtaken);
    }
    by.log(context, "password reset", user_id);
    Ok(())
}

impl Reset {
    /// The user, if their password may be set now.
    fn find(&self, db: &Db<'_>) -> Result<Option<AuthUser>, StoreError> {
        let Some(user) = users::credentials_by_email(db, &self.email)? else { return Ok(None) };
        let required = self.required_active.unwrap_or(user.is_active);
        let fits = user.is_active == required || lock::is_suspended(db, user.user_id)?;
        Ok(Some(user).filter(|user| fits && !is_system_user(user.user_id)))
    }

    /// Stores the new hash, ends what was opened with the old password, and forgets the guesses at it.
    fn store(
        &self,
        tx: &Tx<'_>,
        user: &AuthUser,
        hash: &PasswordHash,
        trail: &Trail,
        by: &Performer,
    ) -> Result<bool, StoreError> {
        let session_ended = match &self.session {
            Some(token) => sessions::live_by_token(tx, token)?.is_none(),
            None => false,
        };
        // Whether it is active may have changed: a reset does not depend on a lock after failed logins, or on its end.
        let now = self
            .find(tx)?
            .filter(|now| now.user_id == user.user_id && now.password.is(&user.password) && !session_ended);
        let Some(now) = now else { return Ok(false) };
        if !users::set_password(tx, &now, hash)? {
            return Ok(false);
        }
        trail.note(tx, by, NewEvent::about(EventKind::PasswordReset, now.user_id))?;
        lock::end_everything(tx, now.user_id)?;
        if lock::forgive_attempts(tx, now.user_id, &now.email)? {
            trail.note(tx, by, NewEvent::about(EventKind::AccountUnlocked, now.user_id))?;
        }
        Ok(true)
    }
}
