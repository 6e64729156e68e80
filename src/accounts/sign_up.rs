//! Signing up. Whether an address is known already is disclosed to the calling server, never to the visitor, and takes
//! the same time and the same write either way.

use super::actor::Performer;
use super::error::OperationError;
use super::lock::HISTORY_KEY;
use super::new_password::check_new_password;
use crate::app::Context;
use crate::guard::password::{HasherBusy, PasswordHash, Verification};
use crate::guard::secret::Password;
use crate::guard::token::uuid4;
use crate::outbound::recent::is_recent;
use crate::outcome::Error;
use crate::policy::email::EmailAddress;
use crate::policy::full_name::FullName;
use crate::policy::roles::{Role, is_system_user};
use crate::store::users::{AuthUser, EXTRA_INFO_BYTES_MAX, NewUser};
use crate::store::{StoreError, Tx, locks, server_state, users};
use crate::user_id::UserId;
use crate::wire::{Object, ascii_json};
use std::borrow::Cow;

/// Hours until the same address may be signed up again, unless the request says otherwise.
const RETRY_HOURS: i64 = 6;
/// The least and the most that a request may say.
const RETRY_HOURS_MIN: i64 = 1;
const RETRY_HOURS_MAX: i64 = 24 * 365 * 10;
const HOUR_SECONDS: i64 = 3600;
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
}

/// An account that was made.
pub struct SignedUp {
    /// Its address.
    pub email: EmailAddress,
    /// Its number.
    pub user_id: UserId,
    /// Its public identifier.
    pub system_id: String,
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

/// Whether a verification email is to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Email {
    /// It is.
    Send,
    /// It is not.
    DoNotSend,
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
        verification_letter_due: true,
    };
    let signed_up = carry_out(context, Attempt { new, retry_hours }, asked.password)?;
    by.log(context, "account signed up", signed_up.user_id);
    Ok(signed_up)
}

fn carry_out(
    context: &Context<'_>,
    mut attempt: Attempt,
    password: &Password,
) -> Result<SignedUp, OperationError<SignUpRefused>> {
    for round in 0..ROUNDS_MAX {
        let known = context.read(|db| users::credentials_by_email(db, &attempt.new.email))?;
        // Hashed before it is checked, so that a bad password takes as long as a good one.
        let worked = Worked::on(context, password, known.as_ref())?;
        if round == 0 {
            let broken =
                check_new_password(context, password, attempt.new.email.as_str(), &[&attempt.new.full_name]);
            if !broken.is_empty() {
                return Err(OperationError::Refused(SignUpRefused::BadPassword(attempt.new.email, broken)));
            }
        }
        match context.write(move |tx| attempt.run(tx, worked))? {
            AttemptResult::Made(signed_up) => return Ok(signed_up),
            AttemptResult::Known(known, email) => {
                let account =
                    SignedUp { email: known.email, user_id: known.user_id, system_id: known.system_id };
                return Err(OperationError::Refused(SignUpRefused::Known { account, email }));
            }
            AttemptResult::Overtaken(again) => attempt = again,
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

/// What one Argon2 computation found out about the password that was typed. There is exactly one for every sign-up,
/// and exactly one write, so that nobody can tell by the time whether an address is known.
enum Worked {
    /// No sign-up was waiting for its verification: this is the password's hash.
    Hashed(PasswordHash),
    /// One was waiting, and this is whether it has the same password.
    Compared {
        /// What was stored for it.
        with: PasswordHash,
        is_same: bool,
    },
}

impl Worked {
    fn on(context: &Context<'_>, password: &Password, known: Option<&AuthUser>) -> Result<Self, HasherBusy> {
        let Some(waiting) = known.filter(|known| is_waiting(known)) else {
            return Ok(Self::Hashed(context.hash(password)?));
        };
        let verification = context.verify(password, Some(&waiting.password))?;
        let is_same = matches!(verification, Verification::Matches { .. });
        Ok(Self::Compared { with: waiting.password.clone(), is_same })
    }
}

/// Whether nobody has proved yet that the address is theirs: never, or not since the account was moved there.
fn is_waiting(known: &AuthUser) -> bool {
    (!known.email_verified || known.address_unproven) && !is_system_user(known.user_id)
}

struct Attempt {
    /// The user if there is none yet, as yet without a valid password.
    new: NewUser,
    retry_hours: i64,
}

/// What became of an attempt. That the address is known is a refusal, but what was written with it stays.
enum AttemptResult {
    Made(SignedUp),
    Known(AuthUser, Email),
    /// Somebody else has signed the address up, verified or deleted it meanwhile: what was worked on is something else.
    Overtaken(Attempt),
}

impl Attempt {
    fn run(self, tx: &Tx<'_>, worked: Worked) -> Result<AttemptResult, OperationError<SignUpRefused>> {
        match (users::credentials_by_email(tx, &self.new.email)?, worked) {
            (None, Worked::Hashed(password)) => self.insert(tx, password),
            (Some(known), worked) if is_waiting(&known) => match worked {
                Worked::Compared { with, is_same } if known.password.is(&with) => {
                    let email = self.repeat(tx, &known, is_same)?;
                    Ok(AttemptResult::Known(known, email))
                }
                _ => Ok(AttemptResult::Overtaken(self)),
            },
            (Some(known), _) => {
                // A sign-up that adds nobody reaches the disk as often as one that does.
                server_state::count_repeated_sign_up(tx)?;
                Ok(AttemptResult::Known(known, Email::DoNotSend))
            }
            (None, Worked::Compared { .. }) => Ok(AttemptResult::Overtaken(self)),
        }
    }

    fn insert(
        self,
        tx: &Tx<'_>,
        password: PasswordHash,
    ) -> Result<AttemptResult, OperationError<SignUpRefused>> {
        let new = NewUser { password, ..self.new };
        match users::insert(tx, &new) {
            Ok(user_id) => {
                Ok(AttemptResult::Made(SignedUp { email: new.email, user_id, system_id: new.system_id }))
            }
            Err(StoreError::Duplicate(_)) => Err(OperationError::Refused(SignUpRefused::NotAdded)),
            Err(other) => Err(other.into()),
        }
    }

    /// An address that nobody has verified was signed up once more. With another password, nobody knows whose is the
    /// owner's: then neither is valid, and whoever can read the address's mail sets one.
    fn repeat(&self, tx: &Tx<'_>, known: &AuthUser, is_same: bool) -> Result<Email, StoreError> {
        server_state::count_repeated_sign_up(tx)?;
        if known.email_verified {
            // Moved here by its user, who may well own the address: their password counts until somebody proves that.
            if !is_same {
                users::contest_address(tx, &known.email)?;
            }
            return Ok(Email::DoNotSend);
        }
        if !is_same {
            users::set_no_password(tx, known.user_id, &self.new.password)?;
        }
        let sends = self.is_due(tx, known)?
            && users::replace_pending(tx, known.user_id, &self.new.full_name, &self.new.extra_info)?;
        Ok(if sends { Email::Send } else { Email::DoNotSend })
    }

    /// Only an account that waits for its verification, and that no lock holds, takes over what was typed now; and
    /// only after a while, so that nobody can be flooded with emails.
    fn is_due(&self, tx: &Tx<'_>, known: &AuthUser) -> Result<bool, StoreError> {
        let wait_seconds = self.retry_hours * HOUR_SECONDS;
        let waited =
            known.emailverify_sent_datetime.is_some_and(|sent| !is_recent(sent, wait_seconds, tx.now()));
        Ok(!known.is_active
            && waited
            && locks::by_user(tx, known.user_id)?.is_none()
            && locks::roles_by_user(tx, known.user_id)?.is_empty())
    }
}
