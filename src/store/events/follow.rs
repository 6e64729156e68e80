//! Follows the chain: whether the log is what was written down, with what it says about origins.

use super::chain::{Link, Origin};
use super::{
    Event, EventKind, OLDEST, Unreadable, WAS_DELETED_AFTER, list, newest, owner_of_origin, removed,
};
use crate::store::db::Db;
use crate::store::error::StoreError;
use crate::store::postgres::events::HIGHEST as POSTGRES_HIGHEST;
use crate::store::row::column;
use crate::store::sqlite::events::HIGHEST as SQLITE_HIGHEST;
use crate::store::value::params;

/// What came of following the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// All is well up to here, and there may be more.
    Through(Link),
    /// All is well up to here, the last event.
    End(Link),
    /// The event of this number is not what was written down, or it is not the one that was written down there.
    Altered(i64),
    /// Where the event of this number came from is not what was written down, or was taken away.
    OriginAltered(i64),
    /// The event of this number is gone.
    Missing(i64),
}

/// Origins that cannot be checked, while all is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// Those that went with a user who was deleted after the event.
    pub erased: u64,
    /// Those of events from before origins were covered.
    pub uncovered: u64,
}

/// Follows the chain through the next events, at most `limit`, from a place where all is well.
///
/// # Errors
///
/// A failing database.
pub fn follow(db: &Db<'_>, from: Link, limit: i64, origins: &mut Origins) -> Result<Followed, StoreError> {
    let events = list(db, from.seq, limit)?;
    if events.is_empty() {
        let highest = db.either(SQLITE_HIGHEST, POSTGRES_HIGHEST);
        let highest = db.one(highest, &[], |row| column::<i64>(row, "seq"))?.unwrap_or(0);
        // Others may have written meanwhile.
        let is_end = newest(db)?.seq == from.seq;
        // Before the first one that is kept, nobody would come upon one.
        let first = removed(db)?.seq + 1;
        let oldest = db.one(OLDEST, params! { ":limit": 1_i64 }, |row| column::<i64>(row, "seq"))?;
        return Ok(match () {
            () if !is_end => Followed::Through(from),
            () if oldest.is_some_and(|oldest| oldest < first) => Followed::Altered(oldest.unwrap_or(first)),
            () if highest > from.seq => Followed::Missing(from.seq + 1),
            () => Followed::End(from),
        });
    }
    let mut last = from;
    for listed in events {
        let seq = super::link_of(&listed).seq;
        if seq != last.seq + 1 {
            let removed = removed(db)?;
            let was_removed = removed.seq > last.seq && removed.seq < seq;
            return Ok(if was_removed {
                Followed::Through(removed)
            } else {
                Followed::Missing(last.seq + 1)
            });
        }
        let event = match listed {
            Ok(event) => event,
            Err(Unreadable(_)) => return Ok(Followed::Altered(seq)),
        };
        let next = last.followed_by(&event.content());
        if next.hash != event.hash {
            return Ok(Followed::Altered(seq));
        }
        match origin_state(db, &event)? {
            OriginState::AsWritten => {}
            OriginState::Erased => origins.erased += 1,
            OriginState::Uncovered => origins.uncovered += 1,
            OriginState::Altered => return Ok(Followed::OriginAltered(seq)),
        }
        last = next;
    }
    Ok(Followed::Through(last))
}

/// How an event's origin compares with what the event's hash covers of it.
enum OriginState {
    AsWritten,
    Erased,
    Uncovered,
    Altered,
}

fn origin_state(db: &Db<'_>, event: &Event) -> Result<OriginState, StoreError> {
    let stored = &event.origin;
    let Some(hash) = &stored.hash else { return Ok(OriginState::Uncovered) };
    let owner = owner_of_origin(&event.kind, &event.actor, event.actor_id, event.user_id);
    let is_as_written = match (stored.is_there, stored.nonce) {
        (false, _) if hash.is_empty() => true,
        (false, _) => {
            let was_deleted = match owner {
                Some(owner) => {
                    let kind = EventKind::AccountDeleted.name();
                    let params = params! { ":user_id": owner, ":seq": event.seq, ":kind": kind };
                    db.one(WAS_DELETED_AFTER, params, |row| column(row, "was_deleted"))?.unwrap_or(false)
                }
                None => false,
            };
            return Ok(if was_deleted { OriginState::Erased } else { OriginState::Altered });
        }
        (true, None) => false,
        (true, Some(nonce)) => {
            let origin = Origin {
                network: event.network.as_deref(),
                request_id: event.request_id.as_deref(),
                operator: event.operator.as_deref(),
            };
            stored.owner == owner && origin.hash(&nonce)[..] == hash[..]
        }
    };
    Ok(if is_as_written { OriginState::AsWritten } else { OriginState::Altered })
}
