//! Failed password checks and wrong codes in a row, per account and, where the server is set so, per client network.

use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::{column, moment, timestamp_or_null};
use super::value::params;
use crate::clock::{CLOCK_STEP_SECONDS_MAX, Timestamp};
use crate::guard::code::CodePurpose;
use crate::policy::email::EmailAddress;
use crate::user_id::UserId;
use sha2::{Digest, Sha256};

const FILE: &str = include_str!("../../sql/attempts.sql");
const BY_ACCOUNT: &str = query(FILE, "by_account");
const TOTAL_FAILURES: &str = query(FILE, "total_failures");
const LIST_LOCKED: &str = query(FILE, "list_locked");
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

/// Stands for all addresses where wrong codes are counted. None has a blank in it, so that this is nobody's.
const ALL_CODES: &str = "codes at any address";

/// Whose attempts are counted together: an account, known or not, and a network ('' for all networks).
#[derive(Clone, PartialEq, Eq, Hash)]
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

    /// The key of wrong codes for one purpose at an address.
    #[must_use]
    pub fn of_codes(purpose: CodePurpose, address: &EmailAddress, network: String) -> Self {
        // No address has a blank in it, so that this is nobody's.
        Self::new(&EmailAddress::folded(&format!("{} code of {}", purpose.text(), address.as_str())), network)
    }

    /// The key of all wrong codes from a network.
    #[must_use]
    pub fn of_all_codes(network: String) -> Self {
        Self::new(&EmailAddress::folded(ALL_CODES), network)
    }

    /// The key under which one process has the maintenance for itself.
    #[must_use]
    pub fn of_maintenance() -> Self {
        Self::new(&EmailAddress::folded("the maintenance"), String::new())
    }

    /// The key of emails to a user who forgot their password and asks from this network.
    #[must_use]
    pub fn of_forgotten(user_id: UserId, network: String) -> Self {
        Self::new(&EmailAddress::folded(&format!("forgotten by {user_id}")), network)
    }

    /// The same for another network.
    #[must_use]
    pub fn within(&self, network: String) -> Self {
        Self { network, ..self.clone() }
    }

    /// What stands for the account.
    pub(super) const fn account_hash(&self) -> &[u8; 32] {
        &self.account_hash
    }

    /// The network; empty for all of them.
    #[must_use]
    pub fn network(&self) -> &str {
        &self.network
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
    let params = params! { ":account_hash": key.account_hash, ":network": key.network };
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
    let params = params! {
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
        params! {
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
    let params = params! {
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
    tx.execute(DELETE, params! { ":account_hash": key.account_hash, ":network": key.network })?;
    Ok(())
}

/// Forgets the attempts on an account from everywhere, as an unlock does.
///
/// # Errors
///
/// A failing database.
pub fn delete_by_account(tx: &Tx<'_>, account: &EmailAddress) -> Result<bool, StoreError> {
    delete_everywhere(tx, &AttemptKey::new(account, String::new()))
}

/// Forgets the wrong codes at an address, from everywhere. Tells whether any of them locked something.
///
/// # Errors
///
/// A failing database.
pub fn delete_codes(tx: &Tx<'_>, address: &EmailAddress) -> Result<bool, StoreError> {
    let mut locked = false;
    for purpose in CodePurpose::ALL {
        locked |= delete_everywhere(tx, &AttemptKey::of_codes(purpose, address, String::new()))?;
    }
    Ok(locked)
}

fn delete_everywhere(tx: &Tx<'_>, key: &AttemptKey) -> Result<bool, StoreError> {
    let params = params! { ":account_hash": key.account_hash };
    let locks = tx.all(DELETE_OF_ACCOUNT, params, |row| timestamp_or_null(row, "locked_until"))?;
    Ok(locks.into_iter().flatten().any(|until| until > tx.now()))
}

/// A lock that failed attempts made, wherever it is in force.
pub struct LockedAttempts {
    /// What is locked.
    pub key: AttemptKey,
    /// When the last attempt failed: the one that locked.
    pub since: Timestamp,
    /// When the lock ends.
    pub until: Timestamp,
}

/// The locks in force that failed attempts made. One that is to last longer than any does was written under a wrong clock.
///
/// # Errors
///
/// A failing database.
pub fn list_locked(db: &Db<'_>, latest_end: Timestamp) -> Result<Vec<LockedAttempts>, StoreError> {
    let params = params! { ":now": db.now().stored(), ":latest": latest_end.stored(), ":rows": ROWS_MAX };
    db.all(LIST_LOCKED, params, |row| {
        let account_hash = column(row, "account_hash")?;
        Ok(LockedAttempts {
            key: AttemptKey { account_hash, network: column(row, "network")? },
            since: moment(row, "last_try")?,
            until: moment(row, "locked_until")?,
        })
    })
}

/// Removes attempts that were last tried before `cutoff` and lock nobody, at most `limit`; tells how many.
///
/// # Errors
///
/// A failing database.
pub fn delete_older_than(tx: &Tx<'_>, cutoff: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let now = tx.now().stored();
    tx.execute(DELETE_OLDER_THAN, params! { ":cutoff": cutoff.stored(), ":now": now, ":limit": limit })
}

/// Removes the oldest of what is more than the table may have, at most `limit`; tells how many.
///
/// # Errors
///
/// A failing database.
pub fn delete_surplus(tx: &Tx<'_>, limit: i64) -> Result<usize, StoreError> {
    let latest = latest(tx.now()).stored();
    tx.execute(DELETE_SURPLUS, params! { ":kept": ROWS_MAX, ":latest": latest, ":limit": limit })
}
