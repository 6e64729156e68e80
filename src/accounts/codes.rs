//! Codes that were emailed: what they are good for, for how long, and what ends them.

use crate::clock::Timestamp;
use crate::config::Config;
use crate::guard::code::{CodeForm, CodePurpose};
use crate::policy::email::EmailAddress;
use crate::store::attempts::AttemptKey;
use crate::store::email_queue::EmailPurpose;
use crate::store::{StoreError, Tx, attempts, codes, email_queue};
use crate::user_id::UserId;

/// Seconds for which somebody can log in by a code.
const LOGIN_CODE_SECONDS: i64 = 15 * 60;
/// Seconds for which whoever had an address before can have it back: 7 days.
const UNDO_CODE_SECONDS: i64 = 7 * 86_400;

/// Seconds for which a code is good.
#[must_use]
pub(crate) fn valid_seconds(config: &Config, purpose: CodePurpose) -> i64 {
    match purpose {
        CodePurpose::SignUp | CodePurpose::EmailChange => i64::from(config.signup_code_hours) * 3600,
        CodePurpose::Reset => i64::from(config.reset_code_minutes) * 60,
        CodePurpose::Login => LOGIN_CODE_SECONDS,
        CodePurpose::EmailUndo => UNDO_CODE_SECONDS,
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
/// has changed. What undoes a change of the address stays: whoever made that change must not get rid of it so.
///
/// # Errors
///
/// A failing database.
pub(super) fn end_all(tx: &Tx<'_>, user_id: UserId) -> Result<(), StoreError> {
    codes::delete_by_user(tx, user_id, Some(CodePurpose::EmailUndo))?;
    email_queue::withdraw_all(tx, user_id, Some(EmailPurpose::EmailUndo))
}

/// Until when a user can have this address back, by undoing a change.
///
/// # Errors
///
/// A failing database.
pub(super) fn undo_expiry(
    tx: &Tx<'_>,
    user_id: UserId,
    address: &EmailAddress,
) -> Result<Option<Timestamp>, StoreError> {
    codes::expiry_for_address(tx, user_id, CodePurpose::EmailUndo, address)
}

/// Ends all codes of a user after a change of the address was undone by a code that expires then: those of changes before it
/// stay, since whoever made these must not get rid of them by undoing a later one.
///
/// # Errors
///
/// A failing database.
pub(super) fn end_all_since(tx: &Tx<'_>, user_id: UserId, expires: Timestamp) -> Result<(), StoreError> {
    end_all(tx, user_id)?;
    codes::delete_since(tx, user_id, CodePurpose::EmailUndo, expires)?;
    let asked = expires.plus_seconds(-UNDO_CODE_SECONDS).unwrap_or(Timestamp::MIN);
    email_queue::withdraw(tx, user_id, EmailPurpose::EmailUndo, asked)
}

/// The same as [`end_all`], with what undoes changes of the address: a person has decided which one the account has.
///
/// # Errors
///
/// A failing database.
pub(super) fn end_all_with_undo(tx: &Tx<'_>, user_id: UserId) -> Result<(), StoreError> {
    codes::delete_by_user(tx, user_id, None)?;
    email_queue::withdraw_all(tx, user_id, None)
}

/// Whether another account than this one can still have this address back, by undoing a change.
///
/// # Errors
///
/// A failing database.
pub(super) fn is_kept_for_another(
    tx: &Tx<'_>,
    user_id: UserId,
    address: &EmailAddress,
) -> Result<bool, StoreError> {
    codes::any_for_another(tx, user_id, CodePurpose::EmailUndo, address)
}

/// Begins the count of wrong codes anew for one that is made now, and goes to this address.
///
/// # Errors
///
/// A failing database.
pub(super) fn forget_wrong_ones(
    tx: &Tx<'_>,
    purpose: CodePurpose,
    address: &EmailAddress,
) -> Result<(), StoreError> {
    attempts::delete(tx, &AttemptKey::of_codes(purpose, address, String::new()))
}
