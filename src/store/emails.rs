//! Notes about emails: made before an email is sent, and taken back when it certainly was not.

use super::db::Tx;
use super::error::StoreError;
use super::query::query;
use super::value::params;
use crate::clock::Timestamp;
use crate::user_id::UserId;

const FILE: &str = include_str!("../../sql/emails.sql");
const CLAIM_VERIFY: &str = query(FILE, "claim_verify");
const GIVE_BACK_VERIFY: &str = query(FILE, "give_back_verify");
const GIVE_BACK_FORGOTPASS: &str = query(FILE, "give_back_forgotpass");

/// Notes that the verification email goes out now. `false` if none is due: none was asked for, or it went out already.
///
/// # Errors
///
/// A failing database.
pub fn claim_verify(tx: &Tx<'_>, user_id: UserId) -> Result<bool, StoreError> {
    let params = params! { ":user_id": user_id, ":now": tx.now().stored() };
    Ok(tx.execute(CLAIM_VERIFY, params)? == 1)
}

/// Takes the note of a verification email back, unless something happened to the account since.
///
/// # Errors
///
/// A failing database.
pub fn give_back_verify(
    tx: &Tx<'_>,
    user_id: UserId,
    claimed: Timestamp,
    before: Option<Timestamp>,
) -> Result<bool, StoreError> {
    give_back(tx, GIVE_BACK_VERIFY, user_id, claimed, before)
}

/// Takes the note of a forgotten-password email back, unless a newer one was noted since.
///
/// # Errors
///
/// A failing database.
pub fn give_back_forgotpass(
    tx: &Tx<'_>,
    user_id: UserId,
    claimed: Timestamp,
    before: Option<Timestamp>,
) -> Result<bool, StoreError> {
    give_back(tx, GIVE_BACK_FORGOTPASS, user_id, claimed, before)
}

fn give_back(
    tx: &Tx<'_>,
    statement: &'static str,
    user_id: UserId,
    claimed: Timestamp,
    before: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let params = params! {
        ":user_id": user_id,
        ":claimed": claimed.stored(),
        ":before": before.map(Timestamp::stored),
    };
    Ok(tx.execute(statement, params)? == 1)
}
