//! What somebody who is logged in may see and end of what is theirs: sessions and API keys. Who they are is what the
//! session says that they show; visitors share one account, and so see nothing.

use super::actor::{Actor, Performer};
use super::error::OperationError;
use super::keys::{self, ListedKind, add_unwritten_uses};
use super::sessions::{DAY_SECONDS, PAGE_ROWS_MAX};
use crate::app::Context;
use crate::clock::Timestamp;
use crate::guard::token::{StoredToken, TokenId};
use crate::policy::roles::is_system_user;
use crate::store::apikeys::ListedKey;
use crate::store::events::{Event, EventKind, NewEvent, link_of, logins_of_user};
use crate::store::sessions::{ListedSession, LiveSession};
use crate::store::{Db, StoreError, Tx, sessions};
use std::sync::Arc;

/// A session is not prolonged for less than this, so that it is written at most so often.
const PROLONGED_SECONDS_MIN: i64 = 60;

/// The session is not live, or it is a visitor's.
pub struct NotLoggedIn;

/// The sessions of whoever shows this one: live ones, the newest first, at most [`PAGE_ROWS_MAX`].
///
/// # Errors
///
/// Nobody is logged in with it; a failing database.
pub fn list_sessions(
    context: &Context<'_>,
    token: &StoredToken,
) -> Result<Vec<ListedSession>, OperationError<NotLoggedIn>> {
    let listed = context.read(|db| {
        let owner = owner(db, token)?;
        owner.map(|owner| sessions::list(db, owner.user_id, None, PAGE_ROWS_MAX)).transpose()
    })?;
    listed.ok_or(OperationError::Refused(NotLoggedIn))
}

/// The API keys of whoever shows this session, which can still be used or renewed: at most [`PAGE_ROWS_MAX`] of each
/// kind, with each use that is not written down yet.
///
/// # Errors
///
/// Nobody is logged in with it; a failing database.
pub fn list_keys(
    context: &Context<'_>,
    token: &StoredToken,
) -> Result<Vec<(ListedKind, Vec<ListedKey>)>, OperationError<NotLoggedIn>> {
    let listed = context.read(|db| {
        let Some(owner) = owner(db, token)? else { return Ok(None) };
        let pages = ListedKind::ALL.map(|kind| {
            Ok::<_, StoreError>((kind, keys::page(db, kind, owner.user_id, None, PAGE_ROWS_MAX)?))
        });
        pages.into_iter().collect::<Result<Vec<_>, _>>().map(Some)
    })?;
    let mut listed = listed.ok_or(OperationError::Refused(NotLoggedIn))?;
    for (_, keys) in &mut listed {
        add_unwritten_uses(context, keys);
    }
    Ok(listed)
}

/// Part of a login history.
pub struct History {
    /// The newest events first.
    pub events: Vec<Event>,
    /// Before which event the next part begins, if there is one.
    pub next: Option<i64>,
}

/// How whoever shows this session logged in and failed to, the newest first: at most `limit` events before the one of this
/// number. An event that cannot be read is left out.
///
/// # Errors
///
/// Nobody is logged in with it; a failing database.
pub fn login_history(
    context: &Context<'_>,
    token: &StoredToken,
    before: i64,
    limit: i64,
) -> Result<History, OperationError<NotLoggedIn>> {
    let rows = usize::try_from(limit).unwrap_or(0);
    context.app().store.number_events()?;
    let found = context.read(|db| {
        let owner = owner(db, token)?;
        owner.map(|owner| logins_of_user(db, owner.user_id, before, limit.saturating_add(1))).transpose()
    })?;
    let mut found = found.ok_or(OperationError::Refused(NotLoggedIn))?;
    let has_more = found.len() > rows;
    found.truncate(rows);
    let next = found.last().filter(|_| has_more).map(|last| link_of(last).seq);
    Ok(History { events: found.into_iter().flatten().collect(), next })
}

/// Why nothing of one's own was ended.
pub enum EndRefused {
    /// See [`NotLoggedIn`].
    NotLoggedIn,
    /// There is nothing of that name, or it is somebody else's.
    NotFound,
}

/// Ends one of the sessions of whoever shows this one. It may be the same.
///
/// # Errors
///
/// Why not; a failing database.
pub fn end_session(
    context: &Context<'_>,
    token: StoredToken,
    id: TokenId,
) -> Result<(), OperationError<EndRefused>> {
    end(context, token, id, EventKind::SessionEnded, move |tx, owner| {
        Ok(sessions::delete_by_id(tx, id, Some(owner.user_id))?.is_some())
    })
}

/// Revokes one of the API keys of whoever shows this session, of whichever kind it is.
///
/// # Errors
///
/// Why not; a failing database.
pub fn end_key(
    context: &Context<'_>,
    token: StoredToken,
    id: TokenId,
) -> Result<(), OperationError<EndRefused>> {
    end(context, token, id, EventKind::KeyRevoked, move |tx, owner| {
        Ok(keys::delete_by_id(tx, id, Some(owner.user_id))?.is_some())
    })
}

fn end(
    context: &Context<'_>,
    token: StoredToken,
    id: TokenId,
    kind: EventKind,
    delete: impl Fn(&Tx<'_>, &LiveSession) -> Result<bool, StoreError> + Send + 'static,
) -> Result<(), OperationError<EndRefused>> {
    let refused = OperationError::Refused;
    let trail = context.trail();
    let owner = context.write(move |tx| {
        let owner = owner(tx, &token)?.ok_or_else(|| refused(EndRefused::NotLoggedIn))?;
        if !delete(tx, &owner)? {
            return Err(refused(EndRefused::NotFound));
        }
        let owner = Actor { user_id: owner.user_id, role: owner.user_role.clone() };
        let by = Performer::User(owner.clone());
        trail.note(tx, &by, NewEvent::about(kind, owner.user_id).object(id))?;
        Ok(owner)
    })?;
    let user_id = owner.user_id;
    let what = if kind == EventKind::SessionEnded { "session ended" } else { "API key revoked" };
    Performer::User(owner).log(context, what, user_id);
    Ok(())
}

/// How long a session is to go on.
#[derive(Clone, Copy)]
pub struct Prolong {
    /// Days from now.
    pub days: i64,
    /// Days from its start after which it ends in any case.
    pub days_max: Option<i64>,
}

/// Why a session was not prolonged.
pub enum ProlongRefused {
    /// It is not live.
    NoSession,
    /// The days are fewer than none, or more than the calendar has.
    Days,
}

/// Has a session end later, a visitor's too: so many days from now, but within what the operator allows from its start,
/// and never sooner than it would anyway. Tells when. What would add less than a minute is not written.
///
/// # Errors
///
/// Why not; a failing database.
pub fn prolong(
    context: &Context<'_>,
    token: StoredToken,
    asked: Prolong,
) -> Result<Timestamp, OperationError<ProlongRefused>> {
    let operators_max = match context.config().session_days_max {
        0 => None,
        days => Some(i64::from(days)),
    };
    let limits = (asked, operators_max, context.now());
    // Most of the time there is nothing to write.
    let looked = context.read(|db| outlook(db, &token, limits))?.map_err(OperationError::Refused)?;
    if !looked.is_later {
        return Ok(looked.expires);
    }
    context.write(move |tx| {
        let found = outlook(tx, &token, limits)?.map_err(OperationError::Refused)?;
        if found.is_later {
            sessions::set_expires(tx, &token, found.expires)?;
        }
        Ok(found.expires)
    })
}

/// When a session ends, and whether that has to be written first.
struct Outlook {
    expires: Timestamp,
    is_later: bool,
}

fn outlook(
    db: &Db<'_>,
    token: &StoredToken,
    (asked, operators_max, now): (Prolong, Option<i64>, Timestamp),
) -> Result<Result<Outlook, ProlongRefused>, StoreError> {
    let Some(session) = sessions::live_by_token(db, token)? else {
        return Ok(Err(ProlongRefused::NoSession));
    };
    let Some(end) = end_of(&session, asked, operators_max, now) else {
        return Ok(Err(ProlongRefused::Days));
    };
    let least = session.expires.plus_seconds(PROLONGED_SECONDS_MIN);
    let is_later = least.is_some_and(|least| end >= least);
    Ok(Ok(Outlook { expires: if is_later { end } else { session.expires }, is_later }))
}

fn end_of(
    session: &LiveSession,
    asked: Prolong,
    operators_max: Option<i64>,
    now: Timestamp,
) -> Option<Timestamp> {
    let after = |start: Timestamp, days: i64| match days {
        0.. => start.plus_seconds(days.checked_mul(DAY_SECONDS)?),
        _ => None,
    };
    let mut end = after(now, asked.days)?;
    for days in [asked.days_max, operators_max].into_iter().flatten() {
        end = end.min(after(session.created, days)?);
    }
    Some(end)
}

/// Whose session it is, unless it is a visitor's.
pub(super) fn owner(db: &Db<'_>, token: &StoredToken) -> Result<Option<Arc<LiveSession>>, StoreError> {
    let session = sessions::live_by_token(db, token)?;
    Ok(session.filter(|session| !is_system_user(session.user_id)))
}
