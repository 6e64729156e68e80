//! Gives events their numbers, where each write leaves them in a queue without one.

use super::chain::Content;
use super::{insert, newest};
use crate::clock::Timestamp;
use crate::store::db::Tx;
use crate::store::error::StoreError;
use crate::store::postgres::events::{LOCK, QUEUED, REQUEUE, SET_HIGHEST, TAKE_ORIGIN, UNQUEUE};
use crate::store::row::{column, moment};
use crate::store::value::params;
use crate::user_id::UserId;

/// Events that get their numbers in one transaction.
pub const NUMBERED_MAX: usize = 200;

/// An event that waits for its number.
struct Numbered {
    at: Timestamp,
    kind: String,
    user_id: Option<UserId>,
    actor: String,
    actor_id: Option<UserId>,
    object: Option<String>,
    detail: Option<String>,
    origin_hash: Vec<u8>,
}

impl Numbered {
    /// What the event is under this number.
    fn content(&self, seq: i64) -> Content<'_> {
        Content {
            seq,
            at: self.at,
            kind: &self.kind,
            user_id: self.user_id,
            actor: &self.actor,
            actor_id: self.actor_id,
            object: self.object.as_deref(),
            detail: self.detail.as_deref(),
            origin_hash: Some(&self.origin_hash),
        }
    }
}

/// Gives events their numbers and their places in the chain, in the order of the transactions that left them; tells how many.
///
/// # Errors
///
/// A failing database.
pub fn number_queued(tx: &Tx<'_>) -> Result<usize, StoreError> {
    tx.execute(LOCK, &[])?;
    let limit = i64::try_from(NUMBERED_MAX).unwrap_or(i64::MAX);
    let queued = tx.all(QUEUED, params! { ":limit": limit }, |row| {
        let event = Numbered {
            at: moment(row, "at")?,
            kind: column(row, "kind")?,
            user_id: column(row, "user_id")?,
            actor: column(row, "actor")?,
            actor_id: column(row, "actor_id")?,
            object: column(row, "object")?,
            detail: column(row, "detail")?,
            origin_hash: column(row, "origin_hash")?,
        };
        Ok((column::<i64>(row, "number")?, event))
    })?;
    let mut last = newest(tx)?;
    for (number, event) in &queued {
        last = insert(tx, last, &event.content(last.seq + 1))?;
        if !event.origin_hash.is_empty() {
            tx.execute(TAKE_ORIGIN, params! { ":seq": last.seq, ":number": number })?;
        }
        tx.execute(UNQUEUE, params! { ":number": number })?;
    }
    if queued.is_empty() {
        tx.execute(REQUEUE, &[])?;
    } else {
        tx.execute(SET_HIGHEST, params! { ":seq": last.seq })?;
    }
    Ok(queued.len())
}
