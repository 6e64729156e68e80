//! Logging in and out. A log-in ends the session that it came with, whatever comes of it, so that nobody can go on
//! with a session that was planted before; the calling server then starts a new one.

use crate::accounts::authenticate::{Claim, LOCKED, Proof, Proven, prove};
use crate::app::Call;
use crate::guard::secret::Password;
use crate::guard::token::StoredToken;
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::policy::roles::Role;
use crate::requests;
use crate::store::users::Credentials;
use crate::store::{sessions, users};

const NO_SESSION: Refusal =
    Refusal::new("session does not exist", "There is no valid session to log in with.").nulls(&["user_id"]);
const MISMATCH: &str = "This e-mail address and password do not fit together.";
const NO_MATCH: Refusal =
    Refusal::new("user does not exist or password doesn't match", MISMATCH).nulls(&["user_id"]);
const INACTIVE: Refusal = Refusal::new("user exists but is inactive", MISMATCH);
const NOT_LOGGED_OUT: &str = "Logging out did not work: the session is not valid for this user.";
const LOGOUT_NO_SESSION: Refusal = Refusal::new("session does not exist", NOT_LOGGED_OUT);
const LOGOUT_OTHER_USER: Refusal = Refusal::new("user does not exist", NOT_LOGGED_OUT);
const LOGOUT_NOT_DELETED: Refusal = Refusal::new("delete session failed", NOT_LOGGED_OUT);

requests! {
    /// Logs a user in. The session it is asked with ends in any case; start a new one for the user that is returned.
    /// Repeated failures are held back longer and longer, and then lock the account for a time.
    "user-login" => user_login(UserLogin), 10/min {
        /// A live session, usually a visitor's.
        session_token: secret,
        /// The address the user signed up with.
        email: str,
        /// What the user typed.
        password: password,
    } answers LoggedIn {
        /// The user's number.
        user_id: i64,
        /// The user's role.
        user_role: Role,
    } refuses [NO_SESSION, NO_MATCH, INACTIVE, LOCKED]

    /// Logs a user out by ending their session.
    "user-logout" => user_logout(UserLogout), 10/min, broken LOGOUT_NOT_DELETED {
        /// The session's token.
        session_token: secret,
        /// Whose session it is.
        user_id: int,
    } answers LoggedOut {
        /// The user's number.
        user_id: i64,
    } refuses [LOGOUT_NO_SESSION, LOGOUT_OTHER_USER]
}

fn user_login(call: &mut Call<'_>, ask: UserLogin) -> Outcome<LoggedIn> {
    let token = StoredToken::of(ask.session_token.expose());
    if call.read(|db| sessions::live_by_token(db, &token))?.is_none() {
        // Refused before anything is hashed: a token of 256 random bits tells nothing about accounts.
        return Err(NO_SESSION.refuse());
    }
    let proof = prove(
        call,
        &Claim::Email(EmailAddress::folded(&ask.email)),
        &ask.password,
        Credentials::may_authenticate,
    )?;
    if let Proof::Right(proven) = proof {
        return log_in(call, proven, &ask.password, token);
    }
    call.write(move |tx| Ok(sessions::delete(tx, &token)?))?;
    Err(match proof {
        Proof::Locked => LOCKED.refuse(),
        Proof::Barred(user) if user.is_active && user.email_verified && user.user_role.is_locked() => {
            INACTIVE.made().with("user_id", user.user_id).into()
        }
        _ => NO_MATCH.refuse(),
    })
}

/// Ends the old session and notes the log-in, provided that the account is still as it was when the password fitted.
fn log_in(call: &mut Call<'_>, proven: Proven, password: &Password, token: StoredToken) -> Outcome<LoggedIn> {
    // Best effort: whoever knows the password is not sent away because the hashers are busy.
    let rehashed = if proven.needs_rehash { call.hash(password).ok() } else { None };
    let user = proven.credentials;
    let logged_in = call.write(move |tx| {
        // Of two who come with one session, only one finds it.
        if !sessions::delete(tx, &token)? {
            return Err(NO_SESSION.refuse());
        }
        let now = users::credentials_by_id(tx, user.user_id)?;
        let unchanged = now
            .filter(|now| now.may_authenticate() && now.password.matches(user.password.expose().as_bytes()));
        let Some(now) = unchanged else { return Ok(None) };
        if let Some(rehashed) = &rehashed {
            users::set_password(tx, &now, rehashed)?;
        }
        users::set_login_success(tx, now.user_id)?;
        Ok(Some(LoggedIn { user_id: now.user_id, user_role: now.user_role }))
    })?;
    logged_in.map(|logged_in| Done::new(logged_in, "You are logged in.")).ok_or_else(|| NO_MATCH.refuse())
}

fn user_logout(call: &mut Call<'_>, ask: UserLogout) -> Outcome<LoggedOut> {
    let token = StoredToken::of(ask.session_token.expose());
    let user_id = ask.user_id;
    let ended = call.write(move |tx| {
        let refuse = |refusal: Refusal| -> Failure { refusal.made().with("user_id", user_id).into() };
        let session = sessions::live_by_token(tx, &token)?.ok_or_else(|| refuse(LOGOUT_NO_SESSION))?;
        if session.user_id != user_id {
            return Err(refuse(LOGOUT_OTHER_USER));
        }
        Ok(sessions::delete(tx, &token)?)
    })?;
    debug_assert!(ended, "a session that was just found in this transaction can be deleted");
    Ok(Done::new(LoggedOut { user_id }, "You are logged out."))
}
