//! Whole journeys in one request each. What used to take a frontend several requests, in the right order, is one here.

use super::logged_in::{NO_SUCH_CLIENT, NO_SUCH_DAYS, Session, logged_in_as, session, usual_days};
use super::refusals::TOO_SOON;
use crate::accounts::authenticate::Authentication;
use crate::accounts::log_in::log_in;
use crate::accounts::sessions::MayNotStart;
use crate::app::Call;
use crate::guard::token::StoredToken;
use crate::outcome::{Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::requests;

const NO_MATCH: Refusal = Refusal::new(
    "user does not exist or password doesn't match",
    "This e-mail address and password do not fit together.",
);
const LOCKED: Refusal = Refusal::new(
    "locked after too many failed attempts",
    "This account is locked for now after too many failed attempts. Try again later, or ask an administrator.",
);

requests! {
    /// Logs a user in: tests the password, ends the session that the visitor came with, whatever comes of it, and starts
    /// the user's own. Set its token as the cookie. Nobody waits: a failed attempt is answered at once, `retry_after`
    /// says in how many seconds the next one will be looked at, and until then none is looked at or counted.
    "login" => login(Login), 10/min {
        /// The address the user signed up with.
        email: str,
        /// What the user typed.
        password: password,
        /// The user's IP address.
        ip_address: str,
        /// What the user's browser calls itself.
        user_agent: str,
    } optional {
        /// The session that the visitor came with.
        session_token: secret,
        /// Whether the user wants to be remembered: for 30 days instead of one. The cookie should last as long.
        remember: bool,
        /// How many days the session lives, instead of those; 1 to 36500.
        days: int,
        /// Anything to note about the session.
        extra_info_json: dict,
    } answers Session refuses [NO_MATCH, TOO_SOON, LOCKED, NO_SUCH_CLIENT, NO_SUCH_DAYS]
}

fn login(call: &mut Call<'_>, ask: Login) -> Outcome<Session> {
    let refused = || NO_SUCH_CLIENT.to_failure();
    let days = ask.days.unwrap_or(usual_days(ask.remember));
    let asked = session(&ask.ip_address, ask.user_agent, days, ask.extra_info_json)?;
    let ends = ask.session_token.map(|token| StoredToken::of(token.expose()));
    let logged_in = log_in(call, EmailAddress::folded(&ask.email), &ask.password, ends, asked);
    let (authentication, started) =
        logged_in.map_err(|error| error.map_refusal(|MayNotStart| -> Failure { refused() }))?;
    match authentication {
        Authentication::Success(authenticated) => {
            Ok(logged_in_as(authenticated.into_credentials(), &started))
        }
        Authentication::Locked => Err(LOCKED.to_failure()),
        Authentication::TooSoon => Err(TOO_SOON.to_failure()),
        Authentication::NotAllowed(_) | Authentication::Failure => Err(NO_MATCH.to_failure()),
    }
}
