//! One attempt to sign somebody up: what is found out about the password before the write, and the write itself. Both are
//! the same work whether or not there is such an account.

use super::actor::Performer;
use super::email_queue::enqueue_for_signup;
use super::error::OperationError;
use crate::app::Context;
use crate::guard::password::{HasherBusy, PasswordHash, Verification};
use crate::guard::secret::Password;
use crate::outbound::recent::is_recent;
use crate::policy::email::EmailAddress;
use crate::policy::roles::is_system_user;
use crate::store::email_queue::EmailContents;
use crate::store::events::{EventKind, NewEvent, Trail};
use crate::store::users::{AuthUser, NewUser};
use crate::store::{StoreError, Tx, locks, users};
use crate::user_id::UserId;

const HOUR_SECONDS: i64 = 3600;

/// An account that was made.
pub struct SignedUp {
    /// Its address.
    pub email: EmailAddress,
    /// Its number.
    pub user_id: UserId,
    /// Its public identifier.
    pub system_id: String,
}

/// Whether a verification email is to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Email {
    /// It is.
    Send,
    /// It is not.
    DoNotSend,
}

/// The public identifier is taken, or the address all the same.
pub(super) struct NotAdded;

/// What one Argon2 computation found out about the password that was typed. There is exactly one for every sign-up,
/// and exactly one write, so that nobody can tell by the time whether an address is known.
pub(super) enum Worked {
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
    pub(super) fn on(
        context: &Context<'_>,
        password: &Password,
        known: Option<&AuthUser>,
    ) -> Result<Self, HasherBusy> {
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

/// Somebody who signs up.
pub(super) struct Attempt {
    /// The user if there is none yet, as yet without a valid password.
    pub(super) new: NewUser,
    /// Hours until the same address may be signed up again.
    pub(super) retry_hours: i64,
    /// What the server's own email tells, if it is to send one.
    pub(super) notice: Option<EmailContents>,
    /// Where it comes from.
    pub(super) trail: Trail,
    /// Who has it done.
    pub(super) by: Performer,
}

/// What became of an attempt. That the address is known is a refusal, but what was written with it stays.
pub(super) enum AttemptResult {
    Made(SignedUp),
    Known(AuthUser, Email),
    /// Somebody else has signed the address up, verified or deleted it meanwhile: what was worked on is something else.
    Overtaken,
}

impl Attempt {
    pub(super) fn run(
        &self,
        tx: &Tx<'_>,
        worked: &Worked,
    ) -> Result<AttemptResult, OperationError<NotAdded>> {
        match (users::credentials_by_email(tx, &self.new.email)?, worked) {
            (None, Worked::Hashed(password)) => self.insert(tx, password),
            (Some(known), worked) if is_waiting(&known) => match worked {
                Worked::Compared { with, is_same } if known.password.is(with) => {
                    let email = self.repeat(tx, &known, *is_same)?;
                    self.notify(tx)?;
                    Ok(AttemptResult::Known(known, email))
                }
                _ => Ok(AttemptResult::Overtaken),
            },
            (Some(known), _) => {
                // A sign-up that adds nobody reaches the disk as often as one that does.
                self.note(tx, EventKind::SignedUpAgain, known.user_id)?;
                self.notify(tx)?;
                Ok(AttemptResult::Known(known, Email::DoNotSend))
            }
            (None, Worked::Compared { .. }) => Ok(AttemptResult::Overtaken),
        }
    }

    fn insert(
        &self,
        tx: &Tx<'_>,
        password: &PasswordHash,
    ) -> Result<AttemptResult, OperationError<NotAdded>> {
        let new = NewUser { password: password.clone(), ..self.new.clone() };
        match users::insert(tx, &new) {
            Ok(user_id) => {
                self.note(tx, EventKind::SignedUp, user_id)?;
                self.notify(tx)?;
                Ok(AttemptResult::Made(SignedUp { email: new.email, user_id, system_id: new.system_id }))
            }
            Err(StoreError::Duplicate(_)) => Err(OperationError::Refused(NotAdded)),
            Err(other) => Err(other.into()),
        }
    }

    fn note(&self, tx: &Tx<'_>, kind: EventKind, user_id: UserId) -> Result<(), StoreError> {
        self.trail.note(tx, &self.by, NewEvent::about(kind, user_id))
    }

    /// Has the email sent that goes to an address where somebody signs up, if the server is to send one.
    fn notify(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let notice = self.notice.as_ref();
        notice.map_or(Ok(()), |notice| enqueue_for_signup(tx, &self.new.email, notice))
    }

    /// An address that nobody has verified was signed up once more. With another password, nobody knows whose is the
    /// owner's: then neither is valid, and whoever can read the address's mail sets one.
    fn repeat(&self, tx: &Tx<'_>, known: &AuthUser, is_same: bool) -> Result<Email, StoreError> {
        self.note(tx, EventKind::SignedUpAgain, known.user_id)?;
        if known.email_verified {
            // Moved here by its user, who may well own the address: their password counts until somebody proves that.
            if !is_same {
                users::contest_address(tx, &known.email)?;
            }
            return Ok(Email::DoNotSend);
        }
        if !is_same {
            users::set_no_password(tx, known.user_id, &self.new.password)?;
            self.note(tx, EventKind::PasswordRemoved, known.user_id)?;
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
