//! Setting a new password in place of a forgotten one. Whether the user may is for the calling server to decide: it
//! has checked the code of an email. A lock that failed logins made never stands in the way, and ends with it.

use crate::accounts::actor::Performer;
use crate::accounts::set_password::{self, Reset, ResetRefused};
use crate::app::Call;
use crate::guard::secret::Password;
use crate::guard::token::StoredToken;
use crate::outcome::{Done, Empty, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::requests;

const NOT_RESET: &str = "The password could not be changed.";
const NO_SESSION: Refusal = Refusal::new("session does not exist", "There is no valid session.");
const UNKNOWN: Refusal = Refusal::new("user does not exist", NOT_RESET);
const INSECURE: Refusal = Refusal::new("invalid password", "");
const NOT_AS_REQUIRED: Refusal =
    Refusal::new("user does not exist or is_active was not as required", NOT_RESET);
const NOSESSION_INSECURE: Refusal = Refusal::new("invalid new password", "");
const NOT_STORED: Refusal = Refusal::new("password update failed in DB", NOT_RESET);

requests! {
    /// Sets a new password for an active account. The calling server has checked that the user may. All sessions and
    /// API keys of theirs end.
    "user-resetpass" => user_resetpass(UserResetpass), 5/min, broken NOT_STORED {
        /// The address of the account.
        email_address: str,
        /// The password the user wants.
        new_password: password,
        /// Any live session.
        session_token: secret,
    } refuses [NO_SESSION, UNKNOWN, INSECURE, NOT_STORED]

    /// Sets a new password for an account in a state that the calling server expects. All sessions and API keys of
    /// the user end.
    "user-resetpass-nosession" => user_resetpass_nosession(UserResetpassNosession), broken NOT_STORED {
        /// The address of the account.
        email_address: str,
        /// The password the user wants.
        new_password: password,
        /// Whether the account has to be active, or has to be inactive.
        required_active: bool,
    } refuses [NOT_AS_REQUIRED, NOSESSION_INSECURE, NOT_STORED]
}

fn user_resetpass(call: &mut Call<'_>, ask: UserResetpass) -> Outcome<Empty> {
    let reset = Reset {
        email: EmailAddress::folded(&ask.email_address),
        required_active: Some(true),
        session: Some(StoredToken::of(ask.session_token.expose())),
    };
    carry_out(call, reset, &ask.new_password, (UNKNOWN, INSECURE))
}

fn user_resetpass_nosession(call: &mut Call<'_>, ask: UserResetpassNosession) -> Outcome<Empty> {
    let reset = Reset {
        email: EmailAddress::folded(&ask.email_address),
        required_active: Some(ask.required_active),
        session: None,
    };
    carry_out(call, reset, &ask.new_password, (NOT_AS_REQUIRED, NOSESSION_INSECURE))
}

fn carry_out(
    call: &mut Call<'_>,
    reset: Reset,
    new: &Password,
    (unknown, insecure): (Refusal, Refusal),
) -> Outcome<Empty> {
    let done = set_password::reset(call, &Performer::CallingServer, reset, new);
    done.map_err(|error| {
        error.map_refusal(|why| -> Failure {
            match why {
                ResetRefused::NoSession => NO_SESSION.to_failure(),
                ResetRefused::Unknown => unknown.to_failure(),
                ResetRefused::Insecure(broken) => {
                    let told = std::iter::once("Please choose a safer password.".into()).chain(broken);
                    insecure.to_refused().with_messages(told.collect()).into()
                }
                ResetRefused::Overtaken => NOT_STORED.to_failure(),
            }
        })
    })?;
    Ok(Done::new(Empty {}, "Your password was changed."))
}
