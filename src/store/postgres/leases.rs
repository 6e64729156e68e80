//! Leases: what one of several processes on a database has for itself for a while. A lease that ends by itself may go to another
//! process while its holder is still at work. So whoever writes what they did under one ends it in that write, and has done nothing
//! if it was not theirs any more.

use super::engine::Postgres;
use super::session::Kind;
use crate::clock::{CLOCK_STEP_SECONDS_MAX, Timestamp};
use crate::store::attempts::AttemptKey;
use crate::store::db::{Db, Tx};
use crate::store::error::StoreError;
use crate::store::job::{self, Purpose};
use crate::store::query::query;
use crate::store::row::only;
use crate::store::value::params;

const FILE: &str = include_str!("../../../sql/postgres/leases.sql");
const TAKE: &str = query(FILE, "take");
const END: &str = query(FILE, "end");
const COUNT_ELSEWHERE: &str = query(FILE, "count_elsewhere");
const DELETE_ENDED: &str = query(FILE, "delete_ended");

/// What tells a process from others.
pub(super) type Holder = [u8; 16];

/// What this process has for itself for a while. Where it is the only one, that takes nothing.
#[derive(Clone)]
#[must_use]
pub struct Lease(Option<(AttemptKey, Holder)>);

impl Lease {
    /// Of a process that is the only one.
    pub(crate) const ALONE: Self = Self(None);

    /// Ends it, in the write of what was done under it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when it was over and another process has it; a failing database.
    pub fn end(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        if let Some((key, holder)) = &self.0
            && delete(tx, key, holder)? == 0
        {
            return Err(StoreError::Busy);
        }
        Ok(())
    }

    /// Leases of other processes for the same account, from whatever network.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn count_elsewhere(&self, db: &Db<'_>) -> Result<i64, StoreError> {
        let Some((key, holder)) = &self.0 else { return Ok(0) };
        let params = params! {
            ":account_hash": key.account_hash(), ":holder": holder, ":now": db.now().stored()
        };
        Ok(db.one(COUNT_ELSEWHERE, params, only)?.unwrap_or(0))
    }
}

fn delete(tx: &Tx<'_>, key: &AttemptKey, holder: &Holder) -> Result<usize, StoreError> {
    let params =
        params! { ":account_hash": key.account_hash(), ":network": key.network(), ":holder": holder };
    tx.execute(END, params)
}

fn take(tx: &Tx<'_>, key: &AttemptKey, holder: &Holder, seconds: i64) -> Result<usize, StoreError> {
    let after = |seconds: i64| tx.now().plus_seconds(seconds).unwrap_or(Timestamp::MAX).stored();
    let (ends, latest) = (after(seconds), after(seconds.saturating_add(CLOCK_STEP_SECONDS_MAX)));
    let params = params! {
        ":account_hash": key.account_hash(), ":network": key.network(), ":holder": holder, ":ends": ends,
        ":now": tx.now().stored(), ":latest": latest,
    };
    tx.execute(TAKE, params)
}

/// Removes leases that were over before `cutoff`, at most `limit`; tells how many.
pub(crate) fn delete_ended_before(tx: &Tx<'_>, cutoff: Timestamp, limit: i64) -> Result<usize, StoreError> {
    if tx.is_shared() {
        tx.execute(DELETE_ENDED, params! { ":cutoff": cutoff.stored(), ":limit": limit })
    } else {
        Ok(0)
    }
}

impl Postgres {
    /// Takes a lease for so long, or has it go on for so long; nothing if another process has it.
    pub(crate) fn lease(&self, key: &AttemptKey, seconds: i64) -> Result<Option<Lease>, StoreError> {
        let (holder, key) = (self.holder, key.clone());
        let taken = Lease(Some((key.clone(), holder)));
        Ok((self.write_lease(move |tx| take(tx, &key, &holder, seconds))? == 1).then_some(taken))
    }

    /// Ends a lease under which nothing is written.
    pub(crate) fn end_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        let Some((key, holder)) = lease.0.clone() else { return Ok(()) };
        self.write_lease(move |tx| delete(tx, &key, &holder)).map(drop)
    }

    fn write_lease(
        &self,
        work: impl Fn(&Tx<'_>) -> Result<usize, StoreError> + Send + 'static,
    ) -> Result<usize, StoreError> {
        job::write(Purpose::Probe, work, |job| {
            self.submit_as(Kind::Locked, job);
            Ok(())
        })
    }
}
