//! A forgotten password in two requests: one has a code emailed, the other takes it with the new password.

use crate::accounts::codes::{next_step, valid_seconds};
use crate::accounts::email_queue::{GAP_SECONDS, contents};
use crate::accounts::forgotten::{FinishRefused, finish, start};
use crate::accounts::presented_code::PresentedCode;
use crate::api::refusals::{BAD_CODE, BAD_PAGE, CODE_LOCKED, CODE_TOO_SOON, EMAILED_IF_KNOWN, code_refused};
use crate::app::Call;
use crate::guard::code::CodePurpose;
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::requests;
use crate::user_id::UserId;

const INSECURE: Refusal = Refusal::new("invalid new password", "");

requests! {
    /// Has an email sent with which somebody who forgot their password chooses a new one, if there is an account with
    /// this address that may. The answer never tells; the email is sent after it. One account gets an email a minute at
    /// most, and five a day.
    "reset-start" => reset_start(ResetStart), 5/min {
        /// The address of the account.
        email: str,
        /// The page of the site that the email links to, as `https://example.org/reset`. The link has the code in its
        /// query, as `code`. Fetching the page must do nothing; once a new password was typed there, it sends both with
        /// reset-finish.
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
    } answers ResetStarted {
        /// What the page is to show next: `link`, that somebody opens the link in their email, or `code`, where they type
        /// the code of the email.
        next: String,
        /// For how many seconds the code will be good.
        code_seconds: i64,
        /// After how many seconds the next email can be asked for.
        resend_seconds: i64,
    } refuses [BAD_PAGE]

    /// Sets a new password for whoever was emailed this code, which ends. All sessions and API keys of theirs end, and
    /// so does a lock that failed logins made. For somebody who never proved their address, this is the proof. A
    /// password that is refused leaves the code as it is.
    "reset-finish" => reset_finish(ResetFinish), 10/min {
        /// The code of the email.
        code: secret,
        /// The password they want.
        new_password: password,
    } optional {
        /// The address, for a code that was typed, and only then. Wrong ones are counted:
        /// `retry_after` says in how many seconds the next one from the same network will be looked at, and with a hundred
        /// of them, from wherever, the code ends.
        email: str,
    } answers ResetFinished {
        /// What the page is to show next: `login`.
        next: String,
        /// The user's number.
        user_id: UserId,
        /// The address to log in with.
        email: EmailAddress,
    } refuses [BAD_CODE, CODE_TOO_SOON, CODE_LOCKED, INSECURE]
}

fn reset_start(call: &mut Call<'_>, ask: ResetStart) -> Outcome<ResetStarted> {
    let contents =
        contents(call, &ask.site_name, ask.link, &ask.ip_address, &ask.user_agent, ask.language.as_deref());
    let contents = contents.ok_or_else(|| BAD_PAGE.to_failure())?;
    start(call, EmailAddress::folded(&ask.email), contents)?;
    let started = ResetStarted {
        next: next_step(call.config()).to_owned(),
        code_seconds: valid_seconds(call.config(), CodePurpose::Reset),
        resend_seconds: GAP_SECONDS,
    };
    Ok(Done::new(started, EMAILED_IF_KNOWN))
}

fn reset_finish(call: &mut Call<'_>, ask: ResetFinish) -> Outcome<ResetFinished> {
    let code = PresentedCode::new(CodePurpose::Reset, &ask.code, ask.email.as_deref());
    let user = finish(call, code, &ask.new_password).map_err(|error| {
        error.map_refusal(|why| -> Failure {
            match why {
                FinishRefused::Code(why) => code_refused(why),
                FinishRefused::Insecure(broken) => {
                    let told = std::iter::once("Please choose a safer password.".into()).chain(broken);
                    INSECURE.to_refused().with_messages(told.collect()).into()
                }
            }
        })
    })?;
    let finished = ResetFinished { next: "login".to_owned(), user_id: user.user_id, email: user.email };
    Ok(Done::new(finished, "Your password was changed. Please log in with it."))
}
