//! Logging in and out. A login ends the session that it came with, whatever comes of it, so that nobody can go on
//! with a session that was planted before; the calling server then starts a new one.

use super::refusals::{LOCKED, TOO_SOON_FOR_USER};
use crate::accounts::authenticate::{Authentication, Identifier, SessionEnded, log_in};
use crate::accounts::sessions::{LogOutRefused, live, log_out};
use crate::app::Call;
use crate::guard::token::StoredToken;
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::policy::roles::Role;
use crate::requests;
use crate::store::users::AuthUser;
use crate::user_id::UserId;

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
    /// Answers to repeated failures are delayed longer and longer, and then lock the account for a time.
    "user-login" => user_login(UserLogin), 10/min {
        /// A live session, usually a visitor's.
        session_token: secret,
        /// The address the user signed up with.
        email: str,
        /// What the user typed.
        password: password,
    } answers LoggedIn {
        /// The user's number.
        user_id: UserId,
        /// The user's role.
        user_role: Role,
    } refuses [NO_SESSION, NO_MATCH, INACTIVE, LOCKED, TOO_SOON_FOR_USER]

    /// Logs a user out by ending their session.
    "user-logout" => user_logout(UserLogout), 10/min, broken LOGOUT_NOT_DELETED, repeat same {
        /// The session's token.
        session_token: secret,
        /// Whose session it is.
        user_id: UserId,
    } answers LoggedOut {
        /// The user's number.
        user_id: UserId,
    } refuses [LOGOUT_NO_SESSION, LOGOUT_OTHER_USER]
}

fn user_login(call: &mut Call<'_>, ask: UserLogin) -> Outcome<LoggedIn> {
    let token = StoredToken::of(ask.session_token.expose());
    if live(call, &token)?.is_none() {
        // Refused before anything is hashed: a token of 240 random bits tells nothing about accounts.
        return Err(NO_SESSION.to_failure());
    }
    let identifier = Identifier::Email(EmailAddress::folded(&ask.email));
    let authentication = log_in(call, &identifier, &ask.password, token);
    match authentication.map_err(|error| error.map_refusal(|SessionEnded| NO_SESSION.to_failure()))? {
        Authentication::Success(authenticated) => {
            let AuthUser { user_id, user_role, .. } = authenticated.into_credentials();
            Ok(Done::new(LoggedIn { user_id, user_role }, "You are logged in."))
        }
        Authentication::Locked => Err(LOCKED.to_failure()),
        Authentication::TooSoon => Err(TOO_SOON_FOR_USER.to_failure()),
        Authentication::NotAllowed(user)
            if user.is_active && user.email_verified && user.user_role.is_locked() =>
        {
            Err(INACTIVE.to_refused().with("user_id", user.user_id).into())
        }
        Authentication::NotAllowed(_) | Authentication::Failure => Err(NO_MATCH.to_failure()),
    }
}

fn user_logout(call: &mut Call<'_>, ask: UserLogout) -> Outcome<LoggedOut> {
    let user_id = ask.user_id;
    let ended = log_out(call, user_id, StoredToken::of(ask.session_token.expose()));
    ended.map_err(|error| {
        error.map_refusal(|why| -> Failure {
            let refusal = match why {
                LogOutRefused::NoSession => LOGOUT_NO_SESSION,
                LogOutRefused::OtherUser => LOGOUT_OTHER_USER,
            };
            refusal.to_refused().with("user_id", user_id).into()
        })
    })?;
    Ok(Done::new(LoggedOut { user_id }, "You are logged out."))
}
