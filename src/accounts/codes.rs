//! Codes that were emailed: what they are good for, for how long, and what ends them.

use crate::clock::Timestamp;
use crate::config::Config;
use crate::guard::code::{CodeForm, CodePurpose};
use crate::store::{StoreError, Tx, codes, email_queue};
use crate::user_id::UserId;

/// Seconds for which a code is good.
#[must_use]
pub(crate) fn valid_seconds(config: &Config, purpose: CodePurpose) -> i64 {
    match purpose {
        CodePurpose::SignUp => i64::from(config.signup_code_hours) * 3600,
        CodePurpose::Reset => i64::from(config.reset_code_minutes) * 60,
    }
}

/// What a page shows once a code is on its way: `link`, or `code` for one that is typed.
#[must_use]
pub(crate) fn next_step(config: &Config) -> &'static str {
    match config.code_form {
        CodeForm::Link => "link",
        CodeForm::Typed => "code",
    }
}

/// When a code that is made now expires.
#[must_use]
pub(super) fn expiry(now: Timestamp, valid_seconds: i64) -> Timestamp {
    now.plus_seconds(valid_seconds).unwrap_or(Timestamp::MAX)
}

/// Ends all codes of a user, and withdraws the emails that would bring them new ones: their password or their address
/// has changed.
///
/// # Errors
///
/// A failing database.
pub(super) fn end_all(tx: &Tx<'_>, user_id: UserId) -> Result<(), StoreError> {
    codes::delete_by_user(tx, user_id)?;
    email_queue::withdraw(tx, user_id, None)
}
