//! Changing a password that one knows.

use crate::accounts::authenticate::{Claim, LOCKED, Proof, Proven, prove};
use crate::accounts::new_password::judge;
use crate::app::Call;
use crate::guard::password::Verification;
use crate::guard::secret::Password;
use crate::guard::token::StoredToken;
use crate::outcome::{Done, Failure, Outcome, Refusal, Refused};
use crate::policy::email::EmailAddress;
use crate::requests;
use crate::store::users::Credentials;
use crate::store::{Db, StoreError, apikeys_nosession, sessions, users};

const UNPROVEN: &str = "Your current password could not be confirmed.";
const NO_SESSION: Refusal = Refusal::new("session does not exist", UNPROVEN);
const UNKNOWN: Refusal = Refusal::new("user does not exist", UNPROVEN);
const WRONG_PASSWORD: Refusal = Refusal::new("user password does not match", UNPROVEN);
const UNCHANGED: Refusal =
    Refusal::new("password did not change", "The new password must differ from the old one.");
const INSECURE: Refusal = Refusal::new("new password is insecure", "");
const NOT_STORED: Refusal =
    Refusal::new("DB error when updating password", "The password could not be changed. Please try again.")
        .nulls(&["user_id", "email"]);

requests! {
    /// Changes the password of a session's owner. All other sessions of theirs end.
    "user-changepass" => user_changepass(UserChangepass), 5/min, broken NOT_STORED {
        /// Whose password it is.
        user_id: int,
        /// A session of theirs; it lives on.
        session_token: secret,
        /// Their name; the new password must not resemble it.
        full_name: str,
        /// Their address.
        email: str,
        /// The password they have.
        current_password: password,
        /// The password they want.
        new_password: password,
    } answers Changed {
        /// The user's number.
        user_id: i64,
        /// The address that was given.
        email: String,
    } refuses [NO_SESSION, UNKNOWN, WRONG_PASSWORD, UNCHANGED, INSECURE, NOT_STORED, LOCKED]

    /// Changes a user's password without a session. All sessions and API keys of theirs end.
    "user-changepass-nosession" => user_changepass_nosession(UserChangepassNosession), broken NOT_STORED {
        /// Whose password it is.
        user_id: int,
        /// Their name; the new password must not resemble it.
        full_name: str,
        /// Their address.
        email: str,
        /// The password they have.
        current_password: password,
        /// The password they want.
        new_password: password,
    } answers Changed refuses [UNKNOWN, WRONG_PASSWORD, UNCHANGED, INSECURE, NOT_STORED, LOCKED]
}

/// What both requests ask for.
struct Change {
    user_id: i64,
    full_name: String,
    email: String,
    current: Password,
    new: Password,
}

impl Change {
    fn echo(&self, refused: Refused) -> Failure {
        refused.with("user_id", self.user_id).with("email", self.email.as_str()).into()
    }
}

fn user_changepass(call: &mut Call<'_>, ask: UserChangepass) -> Outcome<Changed> {
    let token = StoredToken::of(ask.session_token.expose());
    let change = Change {
        user_id: ask.user_id,
        full_name: ask.full_name,
        email: ask.email,
        current: ask.current_password,
        new: ask.new_password,
    };
    if !call.read(|db| owns_session(db, change.user_id, &token))? {
        // Refused before anything is hashed: a token of 256 random bits tells nothing about accounts.
        return Err(change.echo(NO_SESSION.made()));
    }
    let done = carry_out(call, change, Some(token))?;
    Ok(done.and("You have been logged out everywhere else."))
}

fn user_changepass_nosession(call: &mut Call<'_>, ask: UserChangepassNosession) -> Outcome<Changed> {
    let change = Change {
        user_id: ask.user_id,
        full_name: ask.full_name,
        email: ask.email,
        current: ask.current_password,
        new: ask.new_password,
    };
    carry_out(call, change, None)
}

/// Changes the password if the current one is right and the new one is good; ends all sessions but `kept`.
fn carry_out(call: &mut Call<'_>, change: Change, kept: Option<StoredToken>) -> Outcome<Changed> {
    let proven = current_is_right(call, &change)?;
    let user = proven.credentials;
    let stored = user.password.expose().as_str();
    if let Verification::Matches { .. } = call.verify(&change.new, Some(stored))? {
        return Err(change.echo(UNCHANGED.made()));
    }
    let hash = call.hash(&change.new)?;
    let names = [change.full_name.as_str(), user.full_name.as_deref().unwrap_or_default()];
    let mut broken = judge(call, &change.new, user.email.as_str(), &names)?;
    if !broken.is_empty() {
        broken.push("Please choose a safer password.".into());
        return Err(change.echo(INSECURE.made().telling(broken)));
    }
    let stored = call.write(move |tx| {
        // Only for the account that the password was tested against, as it was then, and in a session that still is.
        let now = users::credentials_by_id(tx, user.user_id)?;
        let session_lives = match &kept {
            Some(token) => owns_session(tx, user.user_id, token)?,
            None => true,
        };
        if !session_lives || !now.is_some_and(|now| now.may_authenticate()) {
            return Ok(false);
        }
        if !users::set_password(tx, &user, &hash)? {
            return Ok(false);
        }
        users::count_revocation(tx, user.user_id)?;
        sessions::delete_of_user(tx, user.user_id, kept.as_ref())?;
        if kept.is_none() {
            apikeys_nosession::delete_of_user(tx, user.user_id)?;
        }
        Ok(true)
    })?;
    if !stored {
        return Err(change.echo(NOT_STORED.made()));
    }
    let changed = Changed { user_id: change.user_id, email: change.email };
    Ok(Done::new(changed, "Your password was changed."))
}

/// Whether a session is live and this user's.
fn owns_session(db: &Db<'_>, user_id: i64, token: &StoredToken) -> Result<bool, StoreError> {
    Ok(sessions::live_by_token(db, token)?.is_some_and(|session| session.user_id == user_id))
}

fn current_is_right(call: &mut Call<'_>, change: &Change) -> Result<Proven, Failure> {
    let address = EmailAddress::folded(&change.email);
    let known = call.read(|db| users::credentials_by_email(db, &address))?;
    let known = known.is_some_and(|user| user.user_id == change.user_id && user.may_authenticate());
    let claim = Claim::UserWithEmail(change.user_id, address);
    match prove(call, &claim, &change.current, Credentials::may_authenticate)? {
        Proof::Right(proven) => Ok(proven),
        Proof::Locked => Err(change.echo(LOCKED.made())),
        Proof::Barred(_) | Proof::Wrong if known => Err(change.echo(WRONG_PASSWORD.made())),
        Proof::Barred(_) | Proof::Wrong => Err(change.echo(UNKNOWN.made())),
    }
}
