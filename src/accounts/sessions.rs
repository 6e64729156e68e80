//! Sessions: who may have one, how long it lives, what is noted about it, and who ends it.

use super::actor::Performer;
use super::error::OperationError;
use crate::app::Context;
use crate::clock::{CLOCK_STEP_SECONDS_MAX, Timestamp};
use crate::guard::token::{StoredToken, Token, TokenId};
use crate::json::JsonText;
use crate::policy::roles::ANONYMOUS_ID;
use crate::store::events::{By, EventKind, NewEvent, Trail};
use crate::store::sessions::{self, ListedSession, LiveSession, NewSession, SessionPlace};
use crate::store::{StoreError, Tx, revocations, users};
use crate::user_id::UserId;
use crate::wire::{Object, ascii_json, merge};
use std::sync::Arc;

/// Rows that somebody gets at once.
pub const PAGE_ROWS_MAX: i64 = 500;
/// Bytes of what may be noted about a session, as JSON text.
const EXTRA_INFO_BYTES_MAX: usize = 64 * 1024;
/// Seconds of a day.
pub const DAY_SECONDS: i64 = 86_400;

/// Whether so many rows are all that somebody gets at once, so that there may be more.
#[must_use]
pub fn is_full_page(rows: usize) -> bool {
    i64::try_from(rows).is_ok_and(|rows| rows >= PAGE_ROWS_MAX)
}

/// A session that somebody wants to have.
pub struct Start {
    /// The visitor's address in canonical form.
    pub ip_address: String,
    /// What the visitor's browser calls itself.
    pub user_agent: String,
    /// Whose session it is; nothing for a visitor who is not logged in.
    pub user_id: Option<UserId>,
    /// When it is to end.
    pub end: End,
    /// Anything to note about it.
    pub extra_info: Option<Object>,
}

/// When a session is to end.
#[derive(Clone, Copy)]
pub enum End {
    /// After so many days.
    InDays(i64),
    /// At this time.
    At(Timestamp),
}

/// A session that was started.
pub struct Started {
    /// Its token.
    pub token: Token,
    /// When it ends.
    pub expires: Timestamp,
}

/// No session was started: it cannot end then, too much is to be noted about it, its user may not act, or what they had
/// was revoked meanwhile.
pub struct MayNotStart;

/// Starts a session for a user who may act, or for a visitor.
///
/// # Errors
///
/// Why not; a failing database.
pub fn start(context: &Context<'_>, asked: Start) -> Result<Started, OperationError<MayNotStart>> {
    let refused = || OperationError::Refused(MayNotStart);
    let (started, session) = prepare(context, asked).map_err(OperationError::Refused)?;
    let user_id = session.user_id;
    let before = context.read(|db| revocations::of_user(db, user_id))?;
    let trail = context.trail();
    context.write(move |tx| {
        // What was revoked while this was under way is not issued anew.
        let now = revocations::of_active_user(tx, user_id)?;
        if now.is_none() || now != before {
            return Err(refused());
        }
        Ok(insert(tx, &trail, By::CALLING_SERVER, &session)?)
    })?;
    Ok(started)
}

/// Starts a session. Those of visitors leave no events: there are many of them, and nobody acts in one.
pub(super) fn insert(
    tx: &Tx<'_>,
    trail: &Trail,
    by: impl Into<By>,
    session: &NewSession,
) -> Result<(), StoreError> {
    sessions::insert(tx, session)?;
    note_of_session(tx, trail, by, EventKind::SessionStarted, session.user_id, session.token.id())
}

/// Logs somebody in by this: the session that they come with ends, and their own begins.
pub(super) fn log_in_within(
    tx: &Tx<'_>,
    trail: &Trail,
    by: &Performer,
    (user_id, ends): (UserId, Option<StoredToken>),
    starts: &NewSession,
) -> Result<(), StoreError> {
    if let Some(ends) = ends {
        delete(tx, trail, &ends)?;
    }
    users::set_login_success(tx, user_id)?;
    trail.note(tx, by, NewEvent::about(EventKind::LoggedIn, user_id))?;
    insert(tx, trail, by, &NewSession { user_id, ..starts.clone() })
}

/// Ends a session on behalf of whoever holds it, live or expired. Tells whether there was one.
pub(super) fn delete(tx: &Tx<'_>, trail: &Trail, token: &StoredToken) -> Result<bool, StoreError> {
    let Some(owner) = sessions::delete(tx, token)? else { return Ok(false) };
    note_of_session(tx, trail, By::session(owner), EventKind::SessionEnded, owner, token.id())?;
    Ok(true)
}

pub(super) fn note_of_session(
    tx: &Tx<'_>,
    trail: &Trail,
    by: impl Into<By>,
    kind: EventKind,
    owner: UserId,
    id: TokenId,
) -> Result<(), StoreError> {
    if owner == ANONYMOUS_ID { Ok(()) } else { trail.note(tx, by, NewEvent::about(kind, owner).object(id)) }
}

/// Makes a session that is not in the database yet.
pub(super) fn prepare(context: &Context<'_>, asked: Start) -> Result<(Started, NewSession), MayNotStart> {
    let expires = expiry(context, asked.end).ok_or(MayNotStart)?;
    let extra_info = asked.extra_info.map(|extra_info| ascii_json(&extra_info));
    if extra_info.as_ref().is_some_and(|text| text.len() > EXTRA_INFO_BYTES_MAX) {
        return Err(MayNotStart);
    }
    let token = Token::with_locality(context.rng(), context.now());
    let session = NewSession {
        token: token.stored(),
        ip_address: asked.ip_address,
        user_agent: sessions::kept_user_agent(&asked.user_agent).to_owned(),
        user_id: asked.user_id.unwrap_or(ANONYMOUS_ID),
        expires,
        extra_info,
    };
    Ok((Started { token, expires }, session))
}

/// When a session ends, within what the operator allows.
fn expiry(context: &Context<'_>, end: End) -> Option<Timestamp> {
    let expires = match end {
        End::InDays(days) if days < 0 => return None,
        End::InDays(days) => context.now().plus_seconds(days.checked_mul(DAY_SECONDS)?)?,
        End::At(time) => time,
    };
    let days_max = i64::from(context.config().session_days_max);
    if days_max == 0 {
        return Some(expires);
    }
    Some(expires.min(context.now().plus_seconds(days_max * DAY_SECONDS)?))
}

/// The session of this token, if it is live.
///
/// # Errors
///
/// A failing database.
pub fn live(context: &Context<'_>, token: &StoredToken) -> Result<Option<Arc<LiveSession>>, StoreError> {
    context.read(|db| sessions::live_by_token(db, token))
}

/// Why nothing was noted about a session.
pub enum NoteRefused {
    /// The session is not live.
    NoSession,
    /// What is noted cannot be read, so it cannot be changed without losing something.
    NotesUnreadable,
    /// It would be too much.
    TooLong,
}

/// Changes what is noted about a session, key by key; tells what it is then.
///
/// # Errors
///
/// Why not; a failing database.
pub fn note(
    context: &Context<'_>,
    token: StoredToken,
    changes: Object,
) -> Result<(Arc<LiveSession>, JsonText), OperationError<NoteRefused>> {
    let refused = OperationError::Refused;
    let trail = context.trail();
    context.write(move |tx| {
        let session = sessions::live_by_token(tx, &token)?;
        let session = session.ok_or_else(|| refused(NoteRefused::NoSession))?;
        let merged = merge(session.extra_info_json.as_ref(), changes.clone());
        let merged = merged.map_err(|_| refused(NoteRefused::NotesUnreadable))?;
        if merged.len() > EXTRA_INFO_BYTES_MAX {
            return Err(refused(NoteRefused::TooLong));
        }
        sessions::set_extra_info(tx, &token, &merged)?;
        let kind = EventKind::SessionEdited;
        note_of_session(tx, &trail, By::CALLING_SERVER, kind, session.user_id, token.id())?;
        Ok((session, JsonText::new(merged)))
    })
}

/// Seconds after a login for which it is fresh.
const FRESH_SECONDS: i64 = 15 * 60;

/// Whether the owner of a session has proven who they are not long ago, as it takes to change what they log in with.
pub(super) fn is_fresh(session: &LiveSession, now: Timestamp) -> bool {
    let latest = now.plus_seconds(CLOCK_STEP_SECONDS_MAX).unwrap_or(Timestamp::MAX);
    let stale = session.created.plus_seconds(FRESH_SECONDS).unwrap_or(Timestamp::MIN);
    session.created <= latest && now < stale
}

/// Why a user was not logged out.
pub enum LogOutRefused {
    /// The session is not live.
    NoSession,
    /// It is somebody else's.
    OtherUser,
}

/// Ends a user's session.
///
/// # Errors
///
/// Why not; a failing database.
pub fn log_out(
    context: &Context<'_>,
    user_id: UserId,
    token: StoredToken,
) -> Result<(), OperationError<LogOutRefused>> {
    let trail = context.trail();
    let ended = context.write(move |tx| {
        let session = sessions::live_by_token(tx, &token)?;
        let session = session.ok_or(OperationError::Refused(LogOutRefused::NoSession))?;
        if session.user_id != user_id {
            return Err(OperationError::Refused(LogOutRefused::OtherUser));
        }
        Ok(delete(tx, &trail, &token)?)
    })?;
    debug_assert!(ended, "a session that was just found in this transaction can be deleted");
    Ok(())
}

/// Ends the session of this token, live or expired, on behalf of whoever holds it. Tells whether there was one.
///
/// # Errors
///
/// A failing database.
pub fn end(context: &Context<'_>, token: StoredToken) -> Result<bool, StoreError> {
    let trail = context.trail();
    context.write(move |tx| delete(tx, &trail, &token))
}

/// Ends all sessions of a user, but for one that may be kept. Tells how many.
///
/// # Errors
///
/// A failing database.
pub fn end_all(
    context: &Context<'_>,
    by: &Performer,
    user_id: UserId,
    kept: Option<StoredToken>,
) -> Result<usize, StoreError> {
    let (trail, noted_by) = (context.trail(), by.clone());
    let ended = context.write(move |tx| {
        let ended = sessions::delete_by_user(tx, user_id, kept.as_ref())?;
        if ended > 0 {
            trail.note(tx, &noted_by, NewEvent::about(EventKind::SessionsEnded, user_id))?;
        }
        Ok::<_, StoreError>(ended)
    })?;
    if ended > 0 {
        by.log(context, "sessions ended", user_id);
    }
    Ok(ended)
}

/// Ends the sessions of all users, and keeps requests that are under way from issuing more. Tells how many.
///
/// # Errors
///
/// A failing database.
pub fn end_everybodys(context: &Context<'_>, by: &Performer) -> Result<usize, StoreError> {
    let (trail, noted_by) = (context.trail(), by.clone());
    let ended = context.write(move |tx| {
        revocations::count_for_all(tx)?;
        trail.note(tx, &noted_by, NewEvent::new(EventKind::SessionsEnded))?;
        sessions::delete_all(tx)
    })?;
    by.log_of_all(context, "all sessions ended", ended);
    Ok(ended)
}

/// Ends the session of this identifier; tells whose it was.
///
/// # Errors
///
/// A failing database.
pub fn end_by_id(context: &Context<'_>, by: &Performer, id: TokenId) -> Result<Option<UserId>, StoreError> {
    let (trail, noted_by) = (context.trail(), by.clone());
    let owner = context.write(move |tx| {
        let owner = sessions::delete_by_id(tx, id, None)?;
        if let Some(owner) = owner {
            note_of_session(tx, &trail, &noted_by, EventKind::SessionEnded, owner, id)?;
        }
        Ok::<_, StoreError>(owner)
    })?;
    if let Some(user_id) = owner {
        by.log(context, "session ended", user_id);
    }
    Ok(owner)
}

/// Sessions that are removed in one write, so that a server beside this can write in between.
const PURGED_ROWS_MAX: i64 = 1000;

/// Removes all sessions that have expired; tells how many.
///
/// # Errors
///
/// A failing database.
pub fn purge(context: &Context<'_>, by: &Performer) -> Result<usize, StoreError> {
    let now = context.now();
    let mut purged = 0;
    loop {
        let (trail, noted_by) = (context.trail(), by.clone());
        let more = context.write(move |tx| {
            let more = sessions::delete_expired_before(tx, now, PURGED_ROWS_MAX)?;
            if more > 0 {
                let event = NewEvent::new(EventKind::SessionsPurged).detail(more.to_string());
                trail.note(tx, &noted_by, event)?;
            }
            Ok::<_, StoreError>(more)
        })?;
        purged += more;
        if more == 0 {
            return Ok(purged);
        }
    }
}

/// Sessions of a user that have not expired, the newest first: those after `after`, at most `rows` and never more than
/// [`PAGE_ROWS_MAX`].
///
/// # Errors
///
/// A failing database.
pub fn list(
    context: &Context<'_>,
    user_id: UserId,
    after: Option<SessionPlace>,
    rows: i64,
) -> Result<Vec<ListedSession>, StoreError> {
    context.read(|db| sessions::list(db, user_id, after, rows.clamp(0, PAGE_ROWS_MAX)))
}
