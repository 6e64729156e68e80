//! A sign-up in two requests, and one more where the email got lost: the server makes the code, sends it, and takes it.

use super::logged_in::{LoggedInUser, NO_SUCH_CLIENT, NO_SUCH_DAYS, session, usual_days};
use super::refusals::{BAD_CODE, BAD_PAGE, CODE_LOCKED, CODE_TOO_SOON, code_refused};
use crate::accounts::codes::{next_step, valid_seconds};
use crate::accounts::email_queue::{GAP_SECONDS, contents};
use crate::accounts::join::{self, FinishRefused, LogIn, StartRefused};
use crate::accounts::presented_code::PresentedCode;
use crate::accounts::sign_up::SignUp;
use crate::app::Call;
use crate::clock::Timestamp;
use crate::guard::code::CodePurpose;
use crate::guard::token::StoredToken;
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::requests;

/// What the end user reads, whoever has the address.
const STARTED: &str = "An email is on its way to this address. If none comes, please check the address and ask for another one in a minute.";
const BAD_EMAIL: Refusal =
    Refusal::new("invalid email", "This e-mail address cannot be used to sign up here.");
const BAD_NAME: Refusal = Refusal::new(
    "invalid full name",
    "This name cannot be used: it is too long or looks like a web address.",
);
const BAD_PASSWORD: Refusal = Refusal::new("invalid password", "");
const TOO_MUCH: Refusal = Refusal::new("invalid request: too much to note", "The account could not be made.");

requests! {
    /// Signs a user up and has an email sent with which they verify their address. Whoever has an account with it gets an
    /// email that says so. The answer never tells which; the email is sent after it. One account gets an email a minute
    /// at most, and five a day. An address that was never verified may be signed up again, by anybody: with another
    /// password, neither is valid.
    "signup-start" => signup_start(SignupStart), 5/min {
        /// The user's name; may be empty.
        full_name: str,
        /// The user's address, which is what they log in with.
        email: str,
        /// The password the user chose.
        password: password,
        /// The page of the site that the email links to, as `https://example.org/verify`. The link has the code in its
        /// query, as `code`. Fetching the page must do nothing; a button on it sends the code with signup-finish.
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
        /// Anything to note about the user.
        extra_info: dict,
    } answers SignupStarted {
        /// What the page is to show next: `link`, that somebody opens the link in their email, or `code`, where they type
        /// the code of the email.
        next: String,
        /// For how many seconds the code will be good.
        code_seconds: i64,
        /// After how many seconds the next email can be asked for.
        resend_seconds: i64,
    } refuses [BAD_EMAIL, BAD_NAME, BAD_PASSWORD, TOO_MUCH, BAD_PAGE]

    /// Has the email of a sign-up sent once more; only the newest one works. It may be asked at any time; what is too much
    /// is not sent. The answer is the same for every address.
    "signup-resend" => signup_resend(SignupResend), 5/min {
        /// The address that was signed up.
        email: str,
        /// The page of the site that the email links to; see signup-start.
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
    } answers SignupResent {
        /// What the page is to show next: `link`, that somebody opens the link in their email, or `code`, where they type
        /// the code of the email.
        next: String,
        /// For how many seconds the code will be good.
        code_seconds: i64,
        /// After how many seconds the next email can be asked for.
        resend_seconds: i64,
    } refuses [BAD_PAGE]

    /// Verifies the address of whoever was emailed this code, which ends. With an IP address and a browser, they are logged
    /// in as well, in the same write; set the token as the cookie.
    "signup-finish" => signup_finish(SignupFinish), 10/min {
        /// The code of the email.
        code: secret,
    } optional {
        /// The address, for a code that was typed, and only then. Wrong ones are counted:
        /// `retry_after` says in how many seconds the next one from the same network will be looked at, and with a hundred
        /// of them, from wherever, the code ends.
        email: str,
        /// To log the user in: their IP address.
        ip_address: str,
        /// To log the user in: what their browser calls itself.
        user_agent: str,
        /// The session that the visitor came with; it ends when they are logged in.
        session_token: secret,
        /// Whether the user wants to be remembered: for 30 days instead of one.
        remember: bool,
        /// How many days the session lives, instead of those; 1 to 36500.
        days: int,
        /// Anything to note about the session.
        extra_info_json: dict,
    } answers Verified {
        /// What the page is to show next: `home` for somebody who is logged in, `login`, or `reset`: that the user asks for
        /// a new password, because the address was signed up with several, and nobody knows whose is theirs.
        next: String,
        /// Who it is.
        user: LoggedInUser,
        /// The token of the user's session, if they were logged in. It is shown this once.
        session_token: Option<String>,
        /// When it ends.
        expires: Option<Timestamp>,
    } refuses [BAD_CODE, CODE_TOO_SOON, CODE_LOCKED, NO_SUCH_CLIENT, NO_SUCH_DAYS]
}

fn signup_start(call: &mut Call<'_>, ask: SignupStart) -> Outcome<SignupStarted> {
    let notice =
        contents(call, &ask.site_name, ask.link, &ask.ip_address, &ask.user_agent, ask.language.as_deref());
    let asked = SignUp {
        email: &ask.email,
        full_name: &ask.full_name,
        password: &ask.password,
        extra_info: ask.extra_info.unwrap_or_default(),
        retry_hours: None,
        system_id: None,
        notice: Some(notice.ok_or_else(|| BAD_PAGE.to_failure())?),
    };
    join::start(call, asked).map_err(|error| {
        error.map_refusal(|why| -> Failure {
            match why {
                StartRefused::BadEmail => BAD_EMAIL.to_failure(),
                StartRefused::BadName => BAD_NAME.to_failure(),
                StartRefused::BadPassword(broken) => BAD_PASSWORD.to_refused().with_messages(broken).into(),
                StartRefused::TooMuch => TOO_MUCH.to_failure(),
            }
        })
    })?;
    let code_seconds = valid_seconds(call.config(), CodePurpose::SignUp);
    let started = SignupStarted {
        next: next_step(call.config()).to_owned(),
        code_seconds,
        resend_seconds: GAP_SECONDS,
    };
    Ok(Done::new(started, STARTED))
}

fn signup_resend(call: &mut Call<'_>, ask: SignupResend) -> Outcome<SignupResent> {
    let notice =
        contents(call, &ask.site_name, ask.link, &ask.ip_address, &ask.user_agent, ask.language.as_deref());
    let notice = notice.ok_or_else(|| BAD_PAGE.to_failure())?;
    join::resend(call, EmailAddress::folded(&ask.email), notice)?;
    let code_seconds = valid_seconds(call.config(), CodePurpose::SignUp);
    let resent =
        SignupResent { next: next_step(call.config()).to_owned(), code_seconds, resend_seconds: GAP_SECONDS };
    Ok(Done::new(resent, STARTED))
}

fn signup_finish(call: &mut Call<'_>, ask: SignupFinish) -> Outcome<Verified> {
    let refused = || NO_SUCH_CLIENT.to_failure();
    let days = ask.days.unwrap_or(usual_days(ask.remember));
    let log_in = match (ask.ip_address, ask.user_agent) {
        (None, None) => None,
        (Some(ip_address), Some(user_agent)) => Some(LogIn {
            starts: session(&ip_address, user_agent, days, ask.extra_info_json)?,
            ends: ask.session_token.map(|token| StoredToken::of(token.expose())),
        }),
        _ => return Err(refused()),
    };
    let code = PresentedCode::new(CodePurpose::SignUp, &ask.code, ask.email.as_deref());
    let joined = join::finish(call, code, log_in).map_err(|error| {
        error.map_refusal(|why| -> Failure {
            match why {
                FinishRefused::Code(why) => code_refused(why),
                FinishRefused::NoSuchSession => refused(),
            }
        })
    })?;
    let next = match (joined.has_password, &joined.started) {
        (false, _) => "reset",
        (true, Some(_)) => "home",
        (true, None) => "login",
    };
    let verified = Verified {
        next: next.to_owned(),
        user: LoggedInUser::of(joined.user),
        session_token: joined.started.as_ref().map(|started| started.token.reveal().to_owned()),
        expires: joined.started.map(|started| started.expires),
    };
    Ok(Done::new(verified, "Your e-mail address was verified."))
}
