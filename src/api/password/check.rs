//! Checking a password again, before something that needs it.

use crate::accounts::authenticate::{Authentication, Identifier, authenticate};
use crate::accounts::sessions::live;
use crate::api::refusals::{LOCKED, TOO_SOON_FOR_USER};
use crate::app::Call;
use crate::guard::token::StoredToken;
use crate::outcome::{Done, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::policy::roles::Role;
use crate::requests;
use crate::store::users::AuthUser;
use crate::user_id::UserId;

const NO_SESSION: Refusal =
    Refusal::new("session does not exist", "There is no valid session to check the password with.")
        .nulls(&["user_id"]);
const MISMATCH: &str = "The password could not be confirmed.";
const NO_MATCH: Refusal =
    Refusal::new("user does not exist or password doesn't match", MISMATCH).nulls(&["user_id"]);
const INACTIVE: Refusal = Refusal::new("user exists but is inactive", MISMATCH);

requests! {
    /// Checks the password of a session's owner. The session lives on.
    "user-passcheck" => user_passcheck(UserPasscheck) {
        /// The session's token.
        session_token: secret,
        /// What the user typed.
        password: password,
    } answers Checked {
        /// The user's number.
        user_id: UserId,
        /// The user's role.
        user_role: Role,
    } refuses [NO_SESSION, NO_MATCH, INACTIVE, LOCKED, TOO_SOON_FOR_USER]

    /// Checks a user's password without a session.
    "user-passcheck-nosession" => user_passcheck_nosession(UserPasscheckNosession) {
        /// The address the user signed up with.
        email: str,
        /// What the user typed.
        password: password,
    } answers Checked refuses [NO_MATCH, INACTIVE, LOCKED, TOO_SOON_FOR_USER]
}

fn user_passcheck(call: &mut Call<'_>, ask: UserPasscheck) -> Outcome<Checked> {
    let token = StoredToken::of(ask.session_token.expose());
    let Some(session) = live(call, &token)? else {
        // Refused before anything is hashed: a token of 240 random bits tells nothing about accounts.
        return Err(NO_SESSION.to_failure());
    };
    answer(authenticate(call, &Identifier::User(session.user_id), &ask.password, AuthUser::may_authenticate)?)
}

fn user_passcheck_nosession(call: &mut Call<'_>, ask: UserPasscheckNosession) -> Outcome<Checked> {
    answer(authenticate(
        call,
        &Identifier::Email(EmailAddress::folded(&ask.email)),
        &ask.password,
        AuthUser::may_authenticate,
    )?)
}

fn answer(authentication: Authentication) -> Outcome<Checked> {
    match authentication {
        Authentication::Success(authenticated) => {
            let AuthUser { user_id, user_role, .. } = authenticated.into_credentials();
            Ok(Done::new(Checked { user_id, user_role }, "The password is right."))
        }
        Authentication::NotAllowed(user) => Err(INACTIVE.to_refused().with("user_id", user.user_id).into()),
        Authentication::Failure => Err(NO_MATCH.to_failure()),
        Authentication::Locked => Err(LOCKED.to_failure()),
        Authentication::TooSoon => Err(TOO_SOON_FOR_USER.to_failure()),
    }
}
