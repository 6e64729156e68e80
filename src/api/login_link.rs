//! A login without a password: one request has a code emailed, the other takes it.

use super::logged_in::{NO_SUCH_CLIENT, NO_SUCH_DAYS, Session, logged_in_as, session, usual_days};
use super::refusals::{BAD_CODE, BAD_PAGE, CODE_LOCKED, CODE_TOO_SOON, EMAILED_IF_KNOWN, code_refused};
use crate::accounts::codes::{next_step, valid_seconds};
use crate::accounts::email_queue::{GAP_SECONDS, contents};
use crate::accounts::join::{FinishRefused, LogIn};
use crate::accounts::log_in_by_code::{finish, start};
use crate::accounts::presented_code::PresentedCode;
use crate::app::Call;
use crate::guard::code::CodePurpose;
use crate::guard::token::StoredToken;
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::requests;

const NO_LINKS: Refusal = Refusal::new(
    "logging in by an emailed code is off",
    "You cannot log in by email here. Please use your password.",
);

requests! {
    /// Has an email sent with which somebody logs in without a password, if there is an account with this address that may.
    /// The answer never tells; the email is sent after it. One account gets an email a minute at most, and five a day. Only
    /// with `AUTHNZERVER_LOGINLINK`.
    "login-link-start" => login_link_start(LoginLinkStart), 5/min {
        /// The address of the account.
        email: str,
        /// The page of the site that the email links to, as `https://example.org/login`. The link has the code in its
        /// query, as `code`. Fetching the page must do nothing; a button on it sends the code with login-link-finish.
        link: str,
        /// What the site calls itself.
        site_name: str,
        /// The IP address of whoever asks.
        ip_address: str,
        /// What their browser calls itself.
        user_agent: str,
    } optional {
        /// The language that the user reads, as a tag such as `de-CH`; see docs/mail.md. One that is none counts as none.
        language: str,
    } answers LoginLinkStarted {
        /// What the page is to show next: `link`, that somebody opens the link in their email, or `code`, where they type
        /// the code of the email.
        next: String,
        /// For how many seconds the code will be good.
        code_seconds: i64,
        /// After how many seconds the next email can be asked for.
        resend_seconds: i64,
    } refuses [NO_LINKS, BAD_PAGE]

    /// Logs in whoever was emailed this code, which ends: ends the session that the visitor came with and starts the user's
    /// own, in one write. Set its token as the cookie. A lock that failed logins made ends. For somebody who never proved
    /// their address, this is the proof; a password from before it is not valid any more, since anybody may have set it.
    "login-link-finish" => login_link_finish(LoginLinkFinish), 10/min {
        /// The code of the email.
        code: secret,
        /// The user's IP address.
        ip_address: str,
        /// What the user's browser calls itself.
        user_agent: str,
    } optional {
        /// The address, for a code that was typed, and only then. Wrong ones are counted:
        /// `retry_after` says in how many seconds the next one from the same network will be looked at, and with a hundred
        /// of them, from wherever, the code ends.
        email: str,
        /// The session that the visitor came with.
        session_token: secret,
        /// Whether the user wants to be remembered: for 30 days instead of one. The cookie should last as long.
        remember: bool,
        /// How many days the session lives, instead of those; 1 to 36500.
        days: int,
        /// Anything to note about the session.
        extra_info_json: dict,
    } answers Session refuses [NO_LINKS, BAD_CODE, CODE_TOO_SOON, CODE_LOCKED, NO_SUCH_CLIENT, NO_SUCH_DAYS]
}

fn login_link_start(call: &mut Call<'_>, ask: LoginLinkStart) -> Outcome<LoginLinkStarted> {
    links_are_on(call)?;
    let contents =
        contents(call, &ask.site_name, ask.link, &ask.ip_address, &ask.user_agent, ask.language.as_deref());
    let contents = contents.ok_or_else(|| BAD_PAGE.to_failure())?;
    start(call, EmailAddress::folded(&ask.email), contents)?;
    let started = LoginLinkStarted {
        next: next_step(call.config()).to_owned(),
        code_seconds: valid_seconds(call.config(), CodePurpose::Login),
        resend_seconds: GAP_SECONDS,
    };
    Ok(Done::new(started, EMAILED_IF_KNOWN))
}

fn login_link_finish(call: &mut Call<'_>, ask: LoginLinkFinish) -> Outcome<Session> {
    links_are_on(call)?;
    let refused = || NO_SUCH_CLIENT.to_failure();
    let days = ask.days.unwrap_or(usual_days(ask.remember));
    let log_in = LogIn {
        starts: session(&ask.ip_address, ask.user_agent, days, ask.extra_info_json)?,
        ends: ask.session_token.map(|token| StoredToken::of(token.expose())),
    };
    let code = PresentedCode::new(CodePurpose::Login, &ask.code, ask.email.as_deref());
    let finished = finish(call, code, log_in).map_err(|error| {
        error.map_refusal(|why| -> Failure {
            match why {
                FinishRefused::Code(why) => code_refused(why),
                FinishRefused::NoSuchSession => refused(),
            }
        })
    });
    let (user, started) = finished?;
    Ok(logged_in_as(user, &started))
}

fn links_are_on(call: &Call<'_>) -> Result<(), Failure> {
    if call.config().login_link { Ok(()) } else { Err(NO_LINKS.to_failure()) }
}
