//! Signing up. Whether an address is known here already is told to the calling server alone; the end user reads the
//! same text in both cases.

use super::super::judge::judge;
use super::super::locking::HISTORY_KEY;
use crate::app::Call;
use crate::guard::secret::Secret;
use crate::guard::token::uuid4;
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::policy::fullname::FullName;
use crate::requests;
use crate::store::users::{Credentials, EXTRA_INFO_BYTES_MAX, LOCKED_ROLE, NewUser};
use crate::store::{StoreError, Tx, locks, users};
use crate::wire::{Object, ascii_json};
use serde::Serialize;

/// Hours until the same address may be signed up again, unless the request says otherwise.
const RETRY_HOURS: i64 = 6;
/// The least and the most that a request may say.
const RETRY_HOURS_MIN: i64 = 1;
const RETRY_HOURS_MAX: i64 = 24 * 365 * 10;
const HOUR_SECONDS: i64 = 3600;
/// Characters of a public identifier.
const SYSTEM_ID_CHARACTERS_MAX: usize = 50;

const MADE: &str = "Your account was made. Please verify your e-mail address before you log in.";
const USER_EXISTS: Refusal = Refusal::new("user exists", MADE);
const NOT_ADDED: Refusal =
    Refusal::new("DB issue with user creation", "The account could not be made. Please try again later.")
        .nulls(&["user_email", "user_id"]);
const BAD_EMAIL: Refusal =
    Refusal::new("invalid email", "This e-mail address cannot be used to sign up here.")
        .nulls(&["user_email", "user_id"]);
const BAD_NAME: Refusal = Refusal::new(
    "invalid full name",
    "This name cannot be used: it is too long or looks like a web address.",
)
.nulls(&["user_email", "user_id"]);
const BAD_PASSWORD: Refusal = Refusal::new("invalid password", "").nulls(&["user_id"]);

requests! {
    /// Signs a user up. The account can be used once its address is verified. An address that is known already is
    /// refused with the same message; the calling server sends a verification letter whenever it is told to.
    "user-new" => user_new(UserNew), 5/min, broken NOT_ADDED {
        /// The user's name; may be empty.
        full_name: str,
        /// The user's address, which is what they log in with.
        email: str,
        /// The password the user chose.
        password: secret,
    } optional {
        /// Anything to note about the user.
        extra_info: dict|None,
        /// Hours until the same address may be signed up again, if it was not verified meanwhile.
        verify_retry_wait: int|None,
        /// A public identifier of the calling server's choice; one is made if there is none.
        system_id: str|None,
    } answers {
        /// The address in its folded form.
        user_email: "str",
        /// The user's number.
        user_id: "int",
        /// The user's public identifier.
        system_id: "str",
        /// Whether a verification letter is to be sent.
        send_verification: "bool",
    } refuses [BAD_EMAIL, BAD_NAME, BAD_PASSWORD, USER_EXISTS, NOT_ADDED]
}

#[derive(Serialize)]
struct SignedUp {
    user_email: String,
    user_id: i64,
    system_id: String,
    send_verification: bool,
}

fn user_new(call: &mut Call<'_>, ask: UserNew) -> Outcome<SignedUp> {
    let no_letter = |refusal: Refusal| refusal.made().with("send_verification", false);
    let email = EmailAddress::accept_for_signup(&ask.email).map_err(|_| no_letter(BAD_EMAIL))?;
    let full_name = FullName::accept(&ask.full_name).map_err(|_| no_letter(BAD_NAME))?;
    let retry_hours = ask.verify_retry_wait.flatten().unwrap_or(RETRY_HOURS);
    let retry_hours = retry_hours.clamp(RETRY_HOURS_MIN, RETRY_HOURS_MAX);
    let extra_info = noted(ask.extra_info.flatten().unwrap_or_default(), retry_hours);
    let given_id = ask.system_id.flatten().filter(|system_id| !system_id.is_empty());
    let too_long = |system_id: &String| system_id.chars().count() > SYSTEM_ID_CHARACTERS_MAX;
    if extra_info.len() > EXTRA_INFO_BYTES_MAX || given_id.as_ref().is_some_and(too_long) {
        return Err(no_letter(NOT_ADDED).into());
    }
    let password = hash_and_judge(call, &ask.password, email.as_str(), full_name.as_str())?;
    let sign_up = SignUp {
        new: NewUser {
            system_id: given_id.unwrap_or_else(|| uuid4(call.chance())),
            full_name: full_name.as_str().to_owned(),
            password,
            email: email.as_str().to_owned(),
            email_verified: false,
            is_active: false,
            emailverify_sent_datetime: Some(call.now()),
            extra_info,
            user_role: LOCKED_ROLE.to_owned(),
            verification_letter_due: true,
        },
        retry_hours,
    };
    match call.write(move |tx| sign_up.carry_out(tx))? {
        SignUpResult::Made(signed_up) => Ok(Done::new(signed_up, MADE)),
        SignUpResult::Known(known, letter) => Err(USER_EXISTS
            .made()
            .with("user_email", known.email)
            .with("user_id", known.user_id)
            .with("system_id", known.system_id)
            .with("send_verification", letter == Letter::Send)
            .into()),
    }
}

/// What is noted about a new user. The role history is the server's own; nobody brings one along.
fn noted(mut extra_info: Object, retry_hours: i64) -> String {
    extra_info.remove(HISTORY_KEY);
    extra_info.insert("provenance".to_owned(), "request-created".into());
    extra_info.insert("type".to_owned(), "normal-user".into());
    extra_info.insert("verify_retry_wait".to_owned(), retry_hours.into());
    ascii_json(&extra_info)
}

/// Hashes the password before judging it, so that a bad one takes as long as a good one.
fn hash_and_judge(
    call: &Call<'_>,
    password: &Secret<String>,
    email: &str,
    full_name: &str,
) -> Result<Secret<String>, Failure> {
    let hash = call.hash(password)?;
    let broken = judge(call, password, email, &[full_name])?;
    if broken.is_empty() {
        return Ok(hash);
    }
    let refused = BAD_PASSWORD.made().telling(broken);
    Err(refused.with("user_email", email).with("send_verification", false).into())
}

struct SignUp {
    new: NewUser,
    retry_hours: i64,
}

/// What became of a sign-up. That the address is known is a refusal, but what was written with it stays.
enum SignUpResult {
    Made(SignedUp),
    Known(Credentials, Letter),
}

/// Whether a verification letter is to be sent.
#[derive(PartialEq, Eq)]
enum Letter {
    Send,
    DoNotSend,
}

impl SignUp {
    fn carry_out(self, tx: &Tx<'_>) -> Result<SignUpResult, Failure> {
        if let Some(known) = users::credentials_by_email(tx, &self.new.email)? {
            let letter = if self.may_replace(tx, &known)? && self.replace(tx, &known)? {
                Letter::Send
            } else {
                Letter::DoNotSend
            };
            return Ok(SignUpResult::Known(known, letter));
        }
        match users::insert(tx, &self.new) {
            Ok(user_id) => Ok(SignUpResult::Made(SignedUp {
                user_email: self.new.email,
                user_id,
                system_id: self.new.system_id,
                send_verification: true,
            })),
            Err(StoreError::Duplicate(_)) => Err(NOT_ADDED.made().with("send_verification", false).into()),
            Err(other) => Err(other.into()),
        }
    }

    /// Only an account that was never verified, and that no lock holds, takes over what was typed now; and only
    /// after a while, so that nobody can be flooded with letters.
    fn may_replace(&self, tx: &Tx<'_>, known: &Credentials) -> Result<bool, StoreError> {
        let never_verified = !known.is_active && !known.email_verified;
        let waited = known
            .emailverify_sent_datetime
            .and_then(|sent| sent.plus_seconds(self.retry_hours * HOUR_SECONDS))
            .is_some_and(|until| until < tx.now());
        Ok(never_verified
            && waited
            && locks::by_user(tx, known.user_id)?.is_none()
            && locks::roles_of_user(tx, known.user_id)?.is_empty())
    }

    fn replace(&self, tx: &Tx<'_>, known: &Credentials) -> Result<bool, StoreError> {
        users::sign_up_again(tx, known, &self.new.full_name, &self.new.password, &self.new.extra_info)
    }
}
