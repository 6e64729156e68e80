//! Signing up. Whether an address is known here already is told to the calling server alone; the end user reads the
//! same text in both cases.

use crate::accounts::lock::HISTORY_KEY;
use crate::accounts::new_password::judge;
use crate::app::Call;
use crate::guard::password::Verification;
use crate::guard::secret::{Password, Secret};
use crate::guard::token::uuid4;
use crate::outbound::recent::is_recent;
use crate::outcome::{Done, Error, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::policy::fullname::FullName;
use crate::policy::roles::{Role, is_system_user};
use crate::requests;
use crate::store::users::{Credentials, EXTRA_INFO_BYTES_MAX, NewUser};
use crate::store::{StoreError, Tx, locks, server_state, users};
use crate::wire::{Object, ascii_json};

/// Hours until the same address may be signed up again, unless the request says otherwise.
const RETRY_HOURS: i64 = 6;
/// The least and the most that a request may say.
const RETRY_HOURS_MIN: i64 = 1;
const RETRY_HOURS_MAX: i64 = 24 * 365 * 10;
const HOUR_SECONDS: i64 = 3600;
/// How often a sign-up begins anew when others with the same address get in between.
const ROUNDS_MAX: u32 = 4;
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
        password: password,
    } optional {
        /// Anything to note about the user.
        extra_info: dict|None,
        /// Hours until the same address may be signed up again, if it was not verified meanwhile.
        verify_retry_wait: int|None,
        /// A public identifier of the calling server's choice; one is made if there is none.
        system_id: str|None,
    } answers SignedUp {
        /// The address in its folded form.
        user_email: EmailAddress,
        /// The user's number.
        user_id: i64,
        /// The user's public identifier.
        system_id: String,
        /// Whether a verification letter is to be sent.
        send_verification: bool,
    } refuses [BAD_EMAIL, BAD_NAME, BAD_PASSWORD, USER_EXISTS, NOT_ADDED]
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
    call.concerns(email.as_str());
    let sign_up = SignUp {
        new: NewUser {
            system_id: given_id.unwrap_or_else(|| uuid4(call.chance())),
            full_name: full_name.as_str().to_owned(),
            password: Secret::new(call.app().hasher.no_password().as_str().to_owned()),
            email,
            email_verified: false,
            is_active: false,
            emailverify_sent_datetime: Some(call.now()),
            extra_info,
            user_role: Role::LOCKED,
            verification_letter_due: true,
        },
        retry_hours,
    };
    carry_out(call, sign_up, &ask.password)
}

fn carry_out(call: &Call<'_>, mut sign_up: SignUp, password: &Password) -> Outcome<SignedUp> {
    for round in 0..ROUNDS_MAX {
        let known = call.read(|db| users::credentials_by_email(db, &sign_up.new.email))?;
        // Worked on before it is judged, so that a bad password takes as long as a good one.
        let worked = Worked::on(call, password, known.as_ref())?;
        if round == 0 {
            let broken = judge(call, password, sign_up.new.email.as_str(), &[&sign_up.new.full_name])?;
            if !broken.is_empty() {
                let refused =
                    BAD_PASSWORD.made().telling(broken).with("user_email", sign_up.new.email.as_str());
                return Err(refused.with("send_verification", false).into());
            }
        }
        match call.write(move |tx| sign_up.attempt(tx, worked))? {
            SignUpResult::Made(signed_up) => return Ok(Done::new(signed_up, MADE)),
            SignUpResult::Known(known, letter) => {
                return Err(USER_EXISTS
                    .made()
                    .with("user_email", known.email.as_str())
                    .with("user_id", known.user_id)
                    .with("system_id", known.system_id)
                    .with("send_verification", letter == Letter::Send)
                    .into());
            }
            SignUpResult::Overtaken(again) => sign_up = again,
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
    Hashed(Secret<String>),
    /// One was waiting, and this is whether it has the same password.
    Compared {
        /// What was stored for it.
        with: Secret<String>,
        is_same: bool,
    },
}

impl Worked {
    fn on(call: &Call<'_>, password: &Password, known: Option<&Credentials>) -> Result<Self, Failure> {
        let Some(waiting) = known.filter(|known| is_waiting(known)) else {
            return Ok(Self::Hashed(call.hash(password)?));
        };
        let stored = waiting.password.expose();
        let verification = call.verify(password, Some(stored))?;
        let is_same = matches!(verification, Verification::Matches { .. });
        Ok(Self::Compared { with: Secret::new(stored.clone()), is_same })
    }
}

/// Whether nobody has proved yet that the address is theirs: never, or not since the account was moved there.
fn is_waiting(known: &Credentials) -> bool {
    (!known.email_verified || known.address_unproven) && !is_system_user(known.user_id)
}

struct SignUp {
    /// The user if there is none yet, as yet without a valid password.
    new: NewUser,
    retry_hours: i64,
}

/// What became of a sign-up. That the address is known is a refusal, but what was written with it stays.
enum SignUpResult {
    Made(SignedUp),
    Known(Credentials, Letter),
    /// Somebody else has signed the address up, verified or deleted it meanwhile: what was worked on is something else.
    Overtaken(SignUp),
}

/// Whether a verification letter is to be sent.
#[derive(PartialEq, Eq)]
enum Letter {
    Send,
    DoNotSend,
}

impl SignUp {
    fn attempt(self, tx: &Tx<'_>, worked: Worked) -> Result<SignUpResult, Failure> {
        match (users::credentials_by_email(tx, &self.new.email)?, worked) {
            (None, Worked::Hashed(password)) => self.insert(tx, password),
            (Some(known), worked) if is_waiting(&known) => match worked {
                Worked::Compared { with, is_same } if known.password.matches(with.expose().as_bytes()) => {
                    let letter = self.repeat(tx, &known, is_same)?;
                    Ok(SignUpResult::Known(known, letter))
                }
                _ => Ok(SignUpResult::Overtaken(self)),
            },
            (Some(known), _) => {
                // A sign-up that adds nobody reaches the disk as often as one that does.
                server_state::count_repeated_sign_up(tx)?;
                Ok(SignUpResult::Known(known, Letter::DoNotSend))
            }
            (None, Worked::Compared { .. }) => Ok(SignUpResult::Overtaken(self)),
        }
    }

    fn insert(self, tx: &Tx<'_>, password: Secret<String>) -> Result<SignUpResult, Failure> {
        let new = NewUser { password, ..self.new };
        match users::insert(tx, &new) {
            Ok(user_id) => Ok(SignUpResult::Made(SignedUp {
                user_email: new.email,
                user_id,
                system_id: new.system_id,
                send_verification: true,
            })),
            Err(StoreError::Duplicate(_)) => Err(NOT_ADDED.made().with("send_verification", false).into()),
            Err(other) => Err(other.into()),
        }
    }

    /// An address that nobody has verified was signed up once more. With another password, nobody knows whose is the
    /// owner's: then neither is valid, and whoever can read the address's mail sets one.
    fn repeat(&self, tx: &Tx<'_>, known: &Credentials, is_same: bool) -> Result<Letter, StoreError> {
        server_state::count_repeated_sign_up(tx)?;
        if known.email_verified {
            // Moved here by its user, who may well own the address: their password counts until somebody proves that.
            if !is_same {
                users::contest_address(tx, &known.email)?;
            }
            return Ok(Letter::DoNotSend);
        }
        if !is_same {
            users::set_no_password(tx, known.user_id, &self.new.password)?;
        }
        let sends = self.is_due(tx, known)?
            && users::sign_up_again(tx, known.user_id, &self.new.full_name, &self.new.extra_info)?;
        Ok(if sends { Letter::Send } else { Letter::DoNotSend })
    }

    /// Only an account that waits for its verification, and that no lock holds, takes over what was typed now; and
    /// only after a while, so that nobody can be flooded with letters.
    fn is_due(&self, tx: &Tx<'_>, known: &Credentials) -> Result<bool, StoreError> {
        let wait_seconds = self.retry_hours * HOUR_SECONDS;
        let waited =
            known.emailverify_sent_datetime.is_some_and(|sent| !is_recent(sent, wait_seconds, tx.now()));
        Ok(!known.is_active
            && waited
            && locks::by_user(tx, known.user_id)?.is_none()
            && locks::roles_of_user(tx, known.user_id)?.is_empty())
    }
}
