//! Failed password checks in a row, per account and, where the server is set so, per client network.

use super::db::{Db, Tx, column, moment, timestamp_or_null};
use super::error::StoreError;
use super::query::query;
use crate::clock::{CLOCK_STEP_SECONDS_MAX, Timestamp};
use crate::policy::email::EmailAddress;
use rusqlite::named_params;
use sha2::{Digest, Sha256};

const FILE: &str = include_str!("../../sql/attempts.sql");
const BY_ACCOUNT: &str = query(FILE, "by_account");
const TOTAL_FAILURES: &str = query(FILE, "total_failures");
const UPSERT: &str = query(FILE, "upsert");
const UPSERT_SUCCESS: &str = query(FILE, "upsert_success");
const DELETE: &str = query(FILE, "delete");
const DELETE_OF_ACCOUNT: &str = query(FILE, "delete_by_account");
const DELETE_OLDER_THAN: &str = query(FILE, "delete_older_than");
const DELETE_SURPLUS: &str = query(FILE, "delete_surplus");

/// Rows kept when the table is trimmed; the oldest go first.
const ROWS_MAX: i64 = 100_000;
/// Networks of one account that are looked at to add up its failures: far more than any ceiling needs.
const NETWORKS_ADDED_UP_MAX: i64 = 10_000;

/// Whose attempts are counted together: an account, known or not, and a network ('' for all networks).
#[derive(Clone)]
pub struct AttemptKey {
    account_hash: [u8; 32],
    network: String,
}

impl AttemptKey {
    /// The key of an address and a client's network.
    #[must_use]
    pub fn new(account: &EmailAddress, network: String) -> Self {
        Self { account_hash: Sha256::digest(account.as_str()).into(), network }
    }
}

/// What is known about an account's attempts.
pub struct Attempts {
    /// Attempts in a row that did not succeed.
    pub failures: i64,
    /// When the last of them was.
    pub last_try: Timestamp,
    /// Until when no attempt is looked at.
    pub locked_until: Option<Timestamp>,
    /// When one last succeeded, as far as that is kept.
    pub last_success: Option<Timestamp>,
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
            last_try: moment(row, "last_try")?,
            locked_until: timestamp_or_null(row, "locked_until")?,
            last_success: timestamp_or_null(row, "last_success")?,
        })
    })
}

/// The failures on an account from all networks.
///
/// # Errors
///
/// A failing database.
pub fn total_failures(db: &Db<'_>, key: &AttemptKey) -> Result<i64, StoreError> {
    let params = named_params! {
        ":account_hash": key.account_hash, ":latest": latest(db.now()).stored(), ":rows": NETWORKS_ADDED_UP_MAX
    };
    Ok(db.one(TOTAL_FAILURES, params, |row| column(row, "total"))?.unwrap_or(0))
}

/// Notes the state after another attempt that failed now.
///
/// # Errors
///
/// A failing database.
pub fn upsert(
    tx: &Tx<'_>,
    key: &AttemptKey,
    failures: i64,
    locked_until: Option<Timestamp>,
) -> Result<(), StoreError> {
    tx.execute(
        UPSERT,
        named_params! {
            ":account_hash": key.account_hash,
            ":network": key.network,
            ":failures": failures,
            ":now": tx.now().stored(),
            ":locked_until": locked_until.map(Timestamp::stored),
        },
    )?;
    Ok(())
}

/// The latest time that can have been written by now; what lies ahead of it was written under a wrong clock.
#[must_use]
pub fn latest(now: Timestamp) -> Timestamp {
    now.plus_seconds(CLOCK_STEP_SECONDS_MAX).unwrap_or(Timestamp::MAX)
}

/// Forgets the failures from a network after a success, and remembers that success.
///
/// # Errors
///
/// A failing database.
pub fn upsert_success(tx: &Tx<'_>, key: &AttemptKey) -> Result<(), StoreError> {
    let params = named_params! {
        ":account_hash": key.account_hash, ":network": key.network, ":now": tx.now().stored()
    };
    tx.execute(UPSERT_SUCCESS, params)?;
    Ok(())
}

/// Forgets the attempts after a success.
///
/// # Errors
///
/// A failing database.
pub fn delete(tx: &Tx<'_>, key: &AttemptKey) -> Result<(), StoreError> {
    tx.execute(DELETE, named_params! { ":account_hash": key.account_hash, ":network": key.network })?;
    Ok(())
}

/// Forgets the attempts on an account from everywhere, as an unlock does.
///
/// # Errors
///
/// A failing database.
pub fn delete_by_account(tx: &Tx<'_>, account: &EmailAddress) -> Result<(), StoreError> {
    let key = AttemptKey::new(account, String::new());
    tx.execute(DELETE_OF_ACCOUNT, named_params! { ":account_hash": key.account_hash })?;
    Ok(())
}

/// Removes attempts that were last tried before `cutoff` and lock nobody, at most `limit`; tells how many.
///
/// # Errors
///
/// A failing database.
pub fn delete_older_than(tx: &Tx<'_>, cutoff: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let now = tx.now().stored();
    tx.execute(DELETE_OLDER_THAN, named_params! { ":cutoff": cutoff.stored(), ":now": now, ":limit": limit })
}

/// Removes the oldest of what is more than the table may have, at most `limit`; tells how many.
///
/// # Errors
///
/// A failing database.
pub fn delete_surplus(tx: &Tx<'_>, limit: i64) -> Result<usize, StoreError> {
    let latest = latest(tx.now()).stored();
    tx.execute(DELETE_SURPLUS, named_params! { ":kept": ROWS_MAX, ":latest": latest, ":limit": limit })
}
