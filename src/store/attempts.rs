//! Failed password checks in a row, per account and, where the server is set so, per client network.

use super::query::query;
use super::{Db, StoreError, Tx, column, moment_or_null};
use crate::clock::Moment;
use rusqlite::named_params;
use sha2::{Digest, Sha256};

const FILE: &str = include_str!("../../sql/attempts.sql");
const BY_ACCOUNT: &str = query(FILE, "by_account");
const UPSERT: &str = query(FILE, "upsert");
const DELETE: &str = query(FILE, "delete");
const DELETE_OF_ACCOUNT: &str = query(FILE, "delete_of_account");
const DELETE_OLDER_THAN: &str = query(FILE, "delete_older_than");
const DELETE_SURPLUS: &str = query(FILE, "delete_surplus");

/// Rows kept when the table is trimmed; the oldest go first.
const ROWS_MAX: i64 = 100_000;

/// Whose attempts are counted together: an account, known or not, and a network ('' for all networks).
#[derive(Clone)]
pub struct AttemptKey {
    account_hash: [u8; 32],
    network: String,
}

impl AttemptKey {
    /// The key of a folded address and a client's network.
    #[must_use]
    pub fn new(folded_email: &str, network: String) -> Self {
        Self { account_hash: Sha256::digest(folded_email).into(), network }
    }
}

/// What is known about an account's attempts.
pub struct Attempts {
    /// Attempts in a row that did not succeed, those under way included.
    pub failures: i64,
    /// Until when no attempt is looked at.
    pub locked_until: Option<Moment>,
}

/// What is known about the attempts on an account.
///
/// # Errors
///
/// A failing database.
pub fn by_account(db: &Db<'_>, key: &AttemptKey) -> Result<Option<Attempts>, StoreError> {
    let params = named_params! { ":account_hash": key.account_hash, ":network": key.network };
    db.one(BY_ACCOUNT, params, |row| {
        Ok(Attempts {
            failures: column(row, "failures")?,
            locked_until: moment_or_null(row, "locked_until")?,
        })
    })
}

/// Notes the state after another attempt.
///
/// # Errors
///
/// A failing database.
pub fn upsert(tx: &Tx<'_>, key: &AttemptKey, attempts: &Attempts) -> Result<(), StoreError> {
    tx.change(
        UPSERT,
        named_params! {
            ":account_hash": key.account_hash,
            ":network": key.network,
            ":failures": attempts.failures,
            ":now": tx.now().stored(),
            ":locked_until": attempts.locked_until.map(Moment::stored),
        },
    )?;
    Ok(())
}

/// Forgets the attempts after a success.
///
/// # Errors
///
/// A failing database.
pub fn delete(tx: &Tx<'_>, key: &AttemptKey) -> Result<(), StoreError> {
    tx.change(DELETE, named_params! { ":account_hash": key.account_hash, ":network": key.network })?;
    Ok(())
}

/// Forgets the attempts on an account from everywhere, as an unlock does.
///
/// # Errors
///
/// A failing database.
pub fn delete_of_account(tx: &Tx<'_>, folded_email: &str) -> Result<(), StoreError> {
    let key = AttemptKey::new(folded_email, String::new());
    tx.change(DELETE_OF_ACCOUNT, named_params! { ":account_hash": key.account_hash })?;
    Ok(())
}

/// Removes what is older than `cutoff` and what exceeds the table's bound.
///
/// # Errors
///
/// A failing database.
pub fn trim(tx: &Tx<'_>, cutoff: Moment) -> Result<usize, StoreError> {
    let params = named_params! { ":cutoff": cutoff.stored(), ":now": tx.now().stored() };
    let old = tx.change(DELETE_OLDER_THAN, params)?;
    Ok(old + tx.change(DELETE_SURPLUS, named_params! { ":kept": ROWS_MAX })?)
}
