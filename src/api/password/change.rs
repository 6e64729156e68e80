//! Changing one's password, given the current one.

use crate::accounts::set_password::{self, Change, ChangeRefused};
use crate::api::refusals::{LOCKED, TOO_SOON_FOR_USER};
use crate::app::Call;
use crate::guard::token::StoredToken;
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::requests;
use crate::user_id::UserId;

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
        user_id: UserId,
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
        user_id: UserId,
        /// The address that was given.
        email: String,
    } refuses [NO_SESSION, UNKNOWN, WRONG_PASSWORD, UNCHANGED, INSECURE, NOT_STORED, LOCKED, TOO_SOON_FOR_USER]

    /// Changes a user's password without a session. All sessions and API keys of theirs end.
    "user-changepass-nosession" => user_changepass_nosession(UserChangepassNosession), broken NOT_STORED {
        /// Whose password it is.
        user_id: UserId,
        /// Their name; the new password must not resemble it.
        full_name: str,
        /// Their address.
        email: str,
        /// The password they have.
        current_password: password,
        /// The password they want.
        new_password: password,
    } answers Changed refuses [UNKNOWN, WRONG_PASSWORD, UNCHANGED, INSECURE, NOT_STORED, LOCKED, TOO_SOON_FOR_USER]
}

fn user_changepass(call: &mut Call<'_>, ask: UserChangepass) -> Outcome<Changed> {
    let (user_id, email) = (ask.user_id, ask.email);
    let change = Change {
        user_id,
        email: EmailAddress::folded(&email),
        full_name: ask.full_name,
        current: ask.current_password,
        new: ask.new_password,
        session: Some(StoredToken::of(ask.session_token.expose())),
    };
    let done = carry_out(call, change, email)?;
    Ok(done.and("You have been logged out everywhere else."))
}

fn user_changepass_nosession(call: &mut Call<'_>, ask: UserChangepassNosession) -> Outcome<Changed> {
    let (user_id, email) = (ask.user_id, ask.email);
    let change = Change {
        user_id,
        email: EmailAddress::folded(&email),
        full_name: ask.full_name,
        current: ask.current_password,
        new: ask.new_password,
        session: None,
    };
    carry_out(call, change, email)
}

/// Changes the password; the answer has the address as it was given.
fn carry_out(call: &mut Call<'_>, change: Change, email: String) -> Outcome<Changed> {
    let user_id = change.user_id;
    let changed = set_password::change(call, change);
    changed.map_err(|error| error.map_refusal(|why| refused(why, user_id, &email)))?;
    Ok(Done::new(Changed { user_id, email }, "Your password was changed."))
}

fn refused(why: ChangeRefused, user_id: UserId, email: &str) -> Failure {
    let refused = match why {
        ChangeRefused::NoSession => NO_SESSION.to_refused(),
        ChangeRefused::Unknown => UNKNOWN.to_refused(),
        ChangeRefused::WrongPassword => WRONG_PASSWORD.to_refused(),
        ChangeRefused::Locked => LOCKED.to_refused(),
        ChangeRefused::TooSoon => TOO_SOON_FOR_USER.to_refused(),
        ChangeRefused::Unchanged => UNCHANGED.to_refused(),
        ChangeRefused::Insecure(mut broken) => {
            broken.push("Please choose a safer password.".into());
            INSECURE.to_refused().with_messages(broken)
        }
        ChangeRefused::Overtaken => NOT_STORED.to_refused(),
    };
    refused.with("user_id", user_id).with("email", email).into()
}
