//! Notes about letters: made before a letter is sent, and taken back when it certainly was not.

use super::db::Tx;
use super::error::StoreError;
use super::query::query;
use crate::clock::Timestamp;
use rusqlite::named_params;

const FILE: &str = include_str!("../../sql/letters.sql");
const CLAIM_VERIFY: &str = query(FILE, "claim_verify");
const GIVE_BACK_VERIFY: &str = query(FILE, "give_back_verify");
const GIVE_BACK_FORGOTPASS: &str = query(FILE, "give_back_forgotpass");

/// Notes that the verification letter goes out now. `false` if none is due: none was asked for, or it went out already.
///
/// # Errors
///
/// A failing database.
pub fn claim_verify(tx: &Tx<'_>, user_id: i64) -> Result<bool, StoreError> {
    let params = named_params! { ":user_id": user_id, ":now": tx.now().stored() };
    Ok(tx.change(CLAIM_VERIFY, params)? == 1)
}

/// Takes the note of a verification letter back, unless something happened to the account since.
///
/// # Errors
///
/// A failing database.
pub fn give_back_verify(
    tx: &Tx<'_>,
    user_id: i64,
    claimed: Timestamp,
    before: Option<Timestamp>,
) -> Result<bool, StoreError> {
    give_back(tx, GIVE_BACK_VERIFY, user_id, claimed, before)
}

/// Takes the note of a forgotten-password letter back, unless a newer one was noted since.
///
/// # Errors
///
/// A failing database.
pub fn give_back_forgotpass(
    tx: &Tx<'_>,
    user_id: i64,
    claimed: Timestamp,
    before: Option<Timestamp>,
) -> Result<bool, StoreError> {
    give_back(tx, GIVE_BACK_FORGOTPASS, user_id, claimed, before)
}

fn give_back(
    tx: &Tx<'_>,
    statement: &str,
    user_id: i64,
    claimed: Timestamp,
    before: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let params = named_params! {
        ":user_id": user_id,
        ":claimed": claimed.stored(),
        ":before": before.map(Timestamp::stored),
    };
    Ok(tx.change(statement, params)? == 1)
}
