//! Setting a new password in place of a forgotten one. That the user may is for the calling server to know: it has
//! checked the code of a letter. A lock that failed log-ins made never stands in the way, and ends with it.

use crate::accounts::lock;
use crate::accounts::new_password::judge;
use crate::app::Call;
use crate::guard::secret::{Password, Secret};
use crate::guard::token::StoredToken;
use crate::outcome::{Done, Nothing, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::policy::roles::is_system_user;
use crate::requests;
use crate::store::locks::{self, Lock};
use crate::store::users::Credentials;
use crate::store::{Db, StoreError, Tx, attempts, sessions, users};

const NOT_RESET: &str = "The password could not be changed.";
const NO_SESSION: Refusal = Refusal::new("session does not exist", "There is no valid session.");
const UNKNOWN: Refusal = Refusal::new("user does not exist", NOT_RESET);
const INSECURE: Refusal = Refusal::new("invalid password", "");
const NOT_AS_REQUIRED: Refusal =
    Refusal::new("user does not exist or is_active was not as required", NOT_RESET);
const NOSESSION_INSECURE: Refusal = Refusal::new("invalid new password", "");
const NOT_STORED: Refusal = Refusal::new("password update failed in DB", NOT_RESET);

requests! {
    /// Sets a new password for an active account. The calling server has checked that the user may. All sessions and
    /// API keys of theirs end.
    "user-resetpass" => user_resetpass(UserResetpass), 5/min, broken NOT_STORED {
        /// The address of the account.
        email_address: str,
        /// The password the user wants.
        new_password: password,
        /// Any live session.
        session_token: secret,
    } refuses [NO_SESSION, UNKNOWN, INSECURE, NOT_STORED]

    /// Sets a new password for an account in a state that the calling server expects. All sessions and API keys of
    /// the user end.
    "user-resetpass-nosession" => user_resetpass_nosession(UserResetpassNosession), broken NOT_STORED {
        /// The address of the account.
        email_address: str,
        /// The password the user wants.
        new_password: password,
        /// Whether the account has to be active, or has to be inactive.
        required_active: bool,
    } refuses [NOT_AS_REQUIRED, NOSESSION_INSECURE, NOT_STORED]
}

fn user_resetpass(call: &mut Call<'_>, ask: UserResetpass) -> Outcome<Nothing> {
    let token = StoredToken::of(ask.session_token.expose());
    if call.read(|db| sessions::live_by_token(db, &token))?.is_none() {
        // Refused before anything is hashed: a token of 256 random bits tells nothing about accounts.
        return Err(NO_SESSION.refuse());
    }
    let account = Account { email: EmailAddress::folded(&ask.email_address), required_active: true };
    reset(call, account, &ask.new_password, Some(token), (UNKNOWN, INSECURE))
}

fn user_resetpass_nosession(call: &mut Call<'_>, ask: UserResetpassNosession) -> Outcome<Nothing> {
    let email = EmailAddress::folded(&ask.email_address);
    let account = Account { email, required_active: ask.required_active };
    reset(call, account, &ask.new_password, None, (NOT_AS_REQUIRED, NOSESSION_INSECURE))
}

/// Whose password is to be set, and in which state the account has to be.
struct Account {
    email: EmailAddress,
    required_active: bool,
}

impl Account {
    /// The user, if their password may be set now.
    fn find(&self, db: &Db<'_>) -> Result<Option<Credentials>, StoreError> {
        let Some(user) = users::credentials_by_email(db, &self.email)? else { return Ok(None) };
        let locked_by_attempts = matches!(locks::by_user(db, user.user_id)?, Some(Lock::ByAttempts(_)));
        let fits = user.is_active == self.required_active || locked_by_attempts;
        Ok(Some(user).filter(|user| fits && !is_system_user(user.user_id)))
    }
}

fn reset(
    call: &mut Call<'_>,
    account: Account,
    new: &Password,
    session: Option<StoredToken>,
    (unknown, insecure): (Refusal, Refusal),
) -> Outcome<Nothing> {
    call.concerns(account.email.as_str());
    let user = call.read(|db| account.find(db))?;
    // Hashed and judged for nobody too, so that an unknown address takes as long.
    let hash = call.hash(new)?;
    let name = user.as_ref().and_then(|user| user.full_name.as_deref()).unwrap_or_default();
    let broken = judge(call, new, account.email.as_str(), &[name])?;
    let user = user.ok_or_else(|| unknown.refuse())?;
    if !broken.is_empty() {
        let messages = std::iter::once("Please choose a safer password.".into()).chain(broken).collect();
        return Err(insecure.made().telling(messages).into());
    }
    let stored = call.write(move |tx| {
        let session_ended = match &session {
            Some(token) => sessions::live_by_token(tx, token)?.is_none(),
            None => false,
        };
        // Whether it is active may have changed: a lock after failed log-ins, or its end, is nothing to a reset.
        let now = account.find(tx)?.filter(|now| {
            now.user_id == user.user_id
                && now.password.matches(user.password.expose().as_bytes())
                && !session_ended
        });
        match now {
            Some(now) => Ok(store(tx, &now, &hash)?),
            None => Ok(false),
        }
    })?;
    if stored { Ok(Done::new(Nothing {}, "Your password was changed.")) } else { Err(NOT_STORED.refuse()) }
}

/// Stores the new hash, ends what was opened with the old password, and forgets the guesses at it.
fn store(tx: &Tx<'_>, user: &Credentials, hash: &Secret<String>) -> Result<bool, StoreError> {
    if !users::set_password(tx, user, hash)? {
        return Ok(false);
    }
    lock::end_everything(tx, user.user_id)?;
    attempts::delete_of_account(tx, &user.email)?;
    if matches!(locks::by_user(tx, user.user_id)?, Some(Lock::ByAttempts(_)))
        && let Some(locked) = users::by_id(tx, user.user_id)?
    {
        // Such a lock is put on active accounts only, so this one becomes active again.
        let _ = lock::unlock(tx, &locked)?;
    }
    Ok(true)
}
