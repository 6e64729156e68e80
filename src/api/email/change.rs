//! A change of a user's address in two requests, and a third that undoes it.

use crate::accounts::change_email::{FinishRefused, StartRefused, finish, start};
use crate::accounts::codes::{next_step, valid_seconds};
use crate::accounts::email_queue::{GAP_SECONDS, contents};
use crate::accounts::presented_code::PresentedCode;
use crate::accounts::undo_email_change::{UndoRefused, undo};
use crate::api::refusals::{BAD_CODE, BAD_PAGE, CODE_LOCKED, CODE_TOO_SOON, NOT_LOGGED_IN, code_refused};
use crate::app::Call;
use crate::guard::code::CodePurpose;
use crate::guard::token::StoredToken;
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::requests;
use crate::user_id::UserId;

/// What the end user reads, whoever has the new address.
const STARTED: &str = "An email is on its way to this address. Until you have followed it, nothing changes. If none comes, please check the address and try again in a minute.";
const NOT_FRESH: Refusal = Refusal::new(
    "the login is not fresh enough",
    "Please log in once more before you change your e-mail address.",
);
const BAD_EMAIL: Refusal = Refusal::new("invalid email", "This e-mail address cannot be used here.");
const UNCHANGED: Refusal =
    Refusal::new("the account has this address already", "This is the e-mail address that you have.");
const TAKEN: Refusal = Refusal::new(
    "another account has the address now",
    "This e-mail address belongs to another account now. Please ask an administrator.",
);

requests! {
    /// Has the emails sent that a change of a user's address takes: a code to the new address, with which the change is
    /// made, and one to the old address, with which it is undone. The user has to have logged in within the last 15
    /// minutes: see `authenticated_at` of session-info. Where the new address belongs to somebody else, they get an email
    /// that says so; the answer never tells. One account gets such emails once a minute at most, and five times a day.
    "email-change-start" => email_change_start(EmailChangeStart), 5/min {
        /// The user's session.
        session_token: secret,
        /// The address that the user wants.
        email: str,
        /// The page of the site that the email to the new address links to, as `https://example.org/new-address`. The link
        /// has the code in its query, as `code`. Fetching the page must do nothing; a button on it sends the code with
        /// email-change-finish.
        link: str,
        /// The same of the email to the old address: a button on this page sends the code with email-change-undo.
        undo_link: str,
        /// What the site calls itself.
        site_name: str,
        /// The IP address of whoever asks.
        ip_address: str,
        /// What their browser calls itself.
        user_agent: str,
    } optional {
        /// The language that the user reads, as a tag such as `de-CH`; see docs/mail.md. One that is none counts as none.
        language: str,
    } answers EmailChangeStarted {
        /// What the page is to show next: `link`, that somebody opens the link in their email, or `code`, where they type
        /// the code of the email.
        next: String,
        /// For how many seconds the code will be good.
        code_seconds: i64,
        /// For how many seconds the change can be undone.
        undo_seconds: i64,
        /// After how many seconds the next email can be asked for.
        resend_seconds: i64,
    } refuses [NOT_LOGGED_IN, NOT_FRESH, BAD_EMAIL, UNCHANGED, BAD_PAGE]

    /// Gives a user the address that this code was emailed to. The code ends. So do the user's other sessions, and codes
    /// for a reset, for a login and for other changes; their API keys stay.
    "email-change-finish" => email_change_finish(EmailChangeFinish), 10/min {
        /// A session of the user, which lives on.
        session_token: secret,
        /// The code of the email.
        code: secret,
    } optional {
        /// The new address, for a code that was typed, and only then. Wrong ones are counted:
        /// `retry_after` says in how many seconds the next one from the same network will be looked at, and with a hundred
        /// of them, from wherever, the code ends.
        email: str,
    } answers EmailChangeFinished {
        /// The user's number.
        user_id: UserId,
        /// The address that the user has now.
        email: EmailAddress,
    } refuses [NOT_LOGGED_IN, BAD_CODE, CODE_TOO_SOON, CODE_LOCKED]

    /// Gives an account back the address that this code was emailed to, or keeps it there. The code ends, and so do all
    /// sessions and API keys of the account, its password, and every change that was asked for since. For 7 days after it
    /// was asked for, a change can be undone so, whatever happened meanwhile, unless a person locked the account, or
    /// decided which address it has.
    "email-change-undo" => email_change_undo(EmailChangeUndo), 10/min {
        /// The code of the email.
        code: secret,
    } answers EmailChangeUndone {
        /// What the page is to show next: `reset`, that the user asks for a new password.
        next: String,
        /// The user's number.
        user_id: UserId,
        /// The address that the account has now.
        email: EmailAddress,
    } refuses [BAD_CODE, TAKEN]
}

fn email_change_start(call: &mut Call<'_>, ask: EmailChangeStart) -> Outcome<EmailChangeStarted> {
    let session = StoredToken::of(ask.session_token.expose());
    let linking_to = |page| {
        contents(call, &ask.site_name, page, &ask.ip_address, &ask.user_agent, ask.language.as_deref())
    };
    let both = linking_to(ask.link).zip(linking_to(ask.undo_link));
    let (change, to_undo) = both.ok_or_else(|| BAD_PAGE.to_failure())?;
    start(call, session, &ask.email, change, to_undo).map_err(|error| {
        error.map_refusal(|why| -> Failure {
            match why {
                StartRefused::NoSession => NOT_LOGGED_IN,
                StartRefused::NotFresh => NOT_FRESH,
                StartRefused::BadEmail => BAD_EMAIL,
                StartRefused::Unchanged => UNCHANGED,
            }
            .to_failure()
        })
    })?;
    let started = EmailChangeStarted {
        next: next_step(call.config()).to_owned(),
        code_seconds: valid_seconds(call.config(), CodePurpose::EmailChange),
        undo_seconds: valid_seconds(call.config(), CodePurpose::EmailUndo),
        resend_seconds: GAP_SECONDS,
    };
    Ok(Done::new(started, STARTED))
}

fn email_change_finish(call: &mut Call<'_>, ask: EmailChangeFinish) -> Outcome<EmailChangeFinished> {
    let session = StoredToken::of(ask.session_token.expose());
    let code = PresentedCode::new(CodePurpose::EmailChange, &ask.code, ask.email.as_deref());
    let user = finish(call, session, code).map_err(|error| {
        error.map_refusal(|why| match why {
            FinishRefused::NoSession => NOT_LOGGED_IN.to_failure(),
            FinishRefused::Code(why) => code_refused(why),
        })
    })?;
    let finished = EmailChangeFinished { user_id: user.user_id, email: user.email };
    Ok(Done::new(finished, "Your e-mail address was changed."))
}

fn email_change_undo(call: &mut Call<'_>, ask: EmailChangeUndo) -> Outcome<EmailChangeUndone> {
    let code = PresentedCode::new(CodePurpose::EmailUndo, &ask.code, None);
    let user = undo(call, code).map_err(|error| {
        error.map_refusal(|why| -> Failure {
            match why {
                UndoRefused::BadCode => BAD_CODE,
                UndoRefused::Taken => TAKEN,
            }
            .to_failure()
        })
    })?;
    let undone = EmailChangeUndone { next: "reset".to_owned(), user_id: user.user_id, email: user.email };
    Ok(Done::new(undone, "Your account has this e-mail address. Please choose a new password."))
}
