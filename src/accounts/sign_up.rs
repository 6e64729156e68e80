//! Signing up. Whether an address is known already is disclosed to the calling server, never to the visitor, and takes
//! the same time and the same write either way.

use super::actor::Performer;
use super::error::OperationError;
use super::lock::HISTORY_KEY;
use super::new_password::check_new_password;
use super::sign_up_attempt::{Attempt, AttemptResult, NotAdded, Worked};
use crate::app::Context;
use crate::guard::secret::Password;
use crate::guard::token::uuid4;
use crate::outcome::Error;
use crate::policy::email::EmailAddress;
use crate::policy::full_name::FullName;
use crate::policy::roles::Role;
use crate::store::email_queue::EmailContents;
use crate::store::users::{self, EXTRA_INFO_BYTES_MAX, NewUser};
use crate::wire::{Object, ascii_json};
use std::borrow::Cow;
use std::sync::Arc;

pub use super::sign_up_attempt::{Email, SignedUp};

/// Hours until the same address may be signed up again, unless the request says otherwise.
const RETRY_HOURS: i64 = 6;
/// The least and the most that a request may say.
const RETRY_HOURS_MIN: i64 = 1;
const RETRY_HOURS_MAX: i64 = 24 * 365 * 10;
/// How often a sign-up is retried when others with the same address get in between.
const ROUNDS_MAX: u32 = 4;
/// Characters of a public identifier.
const SYSTEM_ID_CHARACTERS_MAX: usize = 50;

/// What somebody signs up with.
pub struct SignUp<'a> {
    /// Their address, as it was typed.
    pub email: &'a str,
    /// Their name, as it was typed.
    pub full_name: &'a str,
    /// Their password.
    pub password: &'a Password,
    /// Anything to note about them.
    pub extra_info: Object,
    /// Hours until the same address may be signed up again, if it was not verified meanwhile.
    pub retry_hours: Option<i64>,
    /// A public identifier; one is made if there is none.
    pub system_id: Option<String>,
    /// What the server's own email to the address tells, unless the calling server has one sent.
    pub notice: Option<EmailContents>,
}

/// Why no account was made.
pub enum SignUpRefused {
    /// The address may not sign up.
    BadEmail,
    /// The name cannot be used.
    BadName,
    /// The password breaks these rules. The address comes with them.
    BadPassword(EmailAddress, Vec<Cow<'static, str>>),
    /// There is such an account already. What was written with this attempt stays.
    Known {
        /// The account.
        account: SignedUp,
        /// Whether a verification email is to be sent once more.
        email: Email,
    },
    /// What is to be noted is too much, or the public identifier is taken or too long.
    NotAdded,
}

/// Makes an account that can be used once its address is verified.
///
/// # Errors
///
/// Why not; a failing database, or too many passwords waiting.
pub fn sign_up(
    context: &mut Context<'_>,
    by: &Performer,
    asked: SignUp<'_>,
) -> Result<SignedUp, OperationError<SignUpRefused>> {
    let refused = |why| Err(OperationError::Refused(why));
    let Ok(email) = EmailAddress::accept_for_signup(asked.email) else {
        return refused(SignUpRefused::BadEmail);
    };
    let Ok(full_name) = FullName::accept(asked.full_name) else { return refused(SignUpRefused::BadName) };
    let retry_hours = asked.retry_hours.unwrap_or(RETRY_HOURS).clamp(RETRY_HOURS_MIN, RETRY_HOURS_MAX);
    let extra_info = noted(asked.extra_info, retry_hours);
    let given_id = asked.system_id.filter(|system_id| !system_id.is_empty());
    let too_long = |system_id: &String| system_id.chars().count() > SYSTEM_ID_CHARACTERS_MAX;
    if extra_info.len() > EXTRA_INFO_BYTES_MAX || given_id.as_ref().is_some_and(too_long) {
        return refused(SignUpRefused::NotAdded);
    }
    context.concerns(email.as_str());
    let new = NewUser {
        system_id: given_id.unwrap_or_else(|| uuid4(context.rng())),
        full_name: full_name.as_str().to_owned(),
        password: context.no_password(),
        email,
        email_verified: false,
        is_active: false,
        emailverify_sent_datetime: Some(context.now()),
        extra_info,
        user_role: Role::LOCKED,
        verification_email_due: asked.notice.is_none(),
    };
    let (trail, by_whom) = (context.trail(), by.clone());
    let attempt = Attempt { new, retry_hours, notice: asked.notice, trail, by: by_whom };
    let signed_up = carry_out(context, attempt, asked.password)?;
    by.log(context, "account signed up", signed_up.user_id);
    Ok(signed_up)
}

fn carry_out(
    context: &Context<'_>,
    attempt: Attempt,
    password: &Password,
) -> Result<SignedUp, OperationError<SignUpRefused>> {
    let attempt = Arc::new(attempt);
    for round in 0..ROUNDS_MAX {
        let known = context.read(|db| users::credentials_by_email(db, &attempt.new.email))?;
        // Hashed before it is checked, so that a bad password takes as long as a good one.
        let worked = Worked::on(context, password, known.as_ref())?;
        if round == 0 {
            let broken =
                check_new_password(context, password, attempt.new.email.as_str(), &[&attempt.new.full_name]);
            if !broken.is_empty() {
                let email = attempt.new.email.clone();
                return Err(OperationError::Refused(SignUpRefused::BadPassword(email, broken)));
            }
        }
        let this = Arc::clone(&attempt);
        let result = context.write(move |tx| this.run(tx, &worked)).map_err(|error| match error {
            OperationError::Refused(NotAdded) => OperationError::Refused(SignUpRefused::NotAdded),
            OperationError::Broken(error) => OperationError::Broken(error),
        })?;
        match result {
            AttemptResult::Made(signed_up) => return Ok(signed_up),
            AttemptResult::Known(known, email) => {
                let account =
                    SignedUp { email: known.email, user_id: known.user_id, system_id: known.system_id };
                return Err(OperationError::Refused(SignUpRefused::Known { account, email }));
            }
            AttemptResult::Overtaken => {}
        }
    }
    Err(Error::Busy("sign-ups with the same address").into())
}

/// What is noted about a new user. The role history is the server's own; nobody brings one along.
fn noted(mut extra_info: Object, retry_hours: i64) -> String {
    extra_info.remove(HISTORY_KEY);
    extra_info.insert("provenance".to_owned(), "request-created".into());
    extra_info.insert("type".to_owned(), "normal-user".into());
    extra_info.insert("verify_retry_wait".to_owned(), retry_hours.into());
    ascii_json(&extra_info)
}
