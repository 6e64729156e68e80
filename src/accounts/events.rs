//! What has happened, for whoever follows it: events after a position, and whether the log is what was written down.

use super::actor::Operator;
use super::error::OperationError;
use crate::app::{App, Context};
use crate::clock::Timestamp;
use crate::outcome::Error;
use crate::store::events::follow::{Followed, Origins, follow};
use crate::store::events::{
    self, By, Event, EventKind, Link, Listed, NewEvent, Trail, Unreadable, hash_of, list, newest, removed,
};
use crate::store::{Db, Store, StoreError};
use crate::user_id::UserId;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Events that are read at once.
pub const EVENTS_MAX: i64 = 1000;
/// Times that as many are read for one answer, when few of them are wanted.
const ROUNDS_MAX: usize = 4;
/// How often to look for what other processes have written.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// Digits of a number, and of a hash, in a position.
const DIGITS: usize = 16;

/// Writes down that the server reads the permissions policy again.
///
/// # Errors
///
/// A failing database.
pub fn note_policy_reloaded(app: &App) -> Result<(), StoreError> {
    app.store.write(|tx| Trail::default().note(tx, By::SERVER, NewEvent::new(EventKind::PolicyReloaded)))
}

/// Writes down that a backup, made at this time, took the place of the database.
///
/// # Errors
///
/// A failing database.
pub fn note_restored(store: &Store, by: &Operator, made: Option<Timestamp>) -> Result<(), StoreError> {
    let made = made.map_or(Cow::Borrowed("unknown"), |made| made.wire().into());
    let by = By::operator(by.login.clone());
    store.write(move |tx| {
        let event = NewEvent::new(EventKind::Restored).detail(made.clone());
        Trail::default().note(tx, by.clone(), event)
    })
}

/// A place in the event log: after which event one goes on. It knows the event's hash, so that it does not fit another
/// log, such as one that was restored from a backup and went another way since.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Position {
    seq: i64,
    hash: String,
}

impl Position {
    /// Reads what [`Position`] writes; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 2 * DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (seq, hash) = is_hex.then(|| text.split_at(DIGITS))?;
        Some(Self { seq: i64::from_str_radix(seq, 16).ok()?, hash: hash.to_ascii_lowercase() })
    }

    /// The position after the event of this place.
    #[must_use]
    pub fn of(link: Link) -> Self {
        Self { seq: link.seq, hash: link.hash.to_string()[..DIGITS].to_owned() }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}{}", self.seq, self.hash)
    }
}

/// Where to begin.
pub enum After {
    /// With the first event that is kept.
    Beginning,
    /// With whatever happens from now on.
    Now,
    /// After this position.
    Position(Position),
}

/// What is wanted of the events.
pub struct Wanted {
    /// Where to begin.
    pub after: After,
    /// The kinds that are wanted; all of them if there are none.
    pub kinds: Vec<EventKind>,
    /// How many at most.
    pub limit: i64,
    /// How long to wait for one.
    pub wait: Duration,
}

/// Events, and how to go on.
pub struct Feed {
    /// Those that were found.
    pub events: Vec<Event>,
    /// After which position to go on.
    pub position: Position,
    /// The position is older than what is kept, or what came next cannot be read: something may have been missed.
    pub lost: bool,
    /// There may be more already.
    pub more: bool,
}

/// No event of this log has that position.
pub struct NoSuchPosition;

/// The next events. Where there is none yet, waits for one, for as long as the client does.
///
/// # Errors
///
/// [`NoSuchPosition`]; too many waiting; a failing database.
pub fn since(context: &Context<'_>, wanted: &Wanted) -> Result<Feed, OperationError<NoSuchPosition>> {
    context.app().store.number_events()?;
    let found = context.read(|db| begin(db, &wanted.after))?;
    let (mut from, lost) = found.ok_or(OperationError::Refused(NoSuchPosition))?;
    if lost {
        return Ok(Feed { events: Vec::new(), position: Position::of(from), lost, more: false });
    }
    let busy = |_| Error::Busy("events");
    let wait = if context.may_wait() { wanted.wait } else { Duration::ZERO };
    let watcher = if wait.is_zero() { None } else { Some(context.app().store.watch().map_err(busy)?) };
    let (begun, mut waited) = (context.app().clock.monotonic(), Duration::ZERO);
    loop {
        // Made before the look, so that what is committed after it is not missed.
        let next_commit = watcher.as_ref().map(|watcher| (watcher, watcher.next_commit()));
        context.app().store.number_events()?;
        let (feed, reached) = context.read(|db| look(db, from, wanted))?;
        let passed = context.app().clock.monotonic().saturating_sub(begun);
        if !feed.events.is_empty() || feed.lost || feed.more || waited.max(passed) >= wait {
            return Ok(feed);
        }
        from = reached;
        let Some((watcher, next_commit)) = next_commit else { return Ok(feed) };
        if watcher.is_over() || context.presence().is_gone() {
            return Ok(feed);
        }
        let step = LOOK_EVERY.min(wait.saturating_sub(waited));
        if next_commit.wait_for(step).is_err() {
            waited += step;
        }
    }
}

/// Where this begins, and whether something before it may have been missed.
fn begin(db: &Db<'_>, after: &After) -> Result<Option<(Link, bool)>, StoreError> {
    let position = match after {
        After::Beginning => return Ok(Some((removed(db)?, false))),
        After::Now => return Ok(Some((newest(db)?, false))),
        After::Position(position) => position,
    };
    let removed = removed(db)?;
    if position.seq < removed.seq {
        return Ok(Some((newest(db)?, true)));
    }
    let hash = if position.seq == removed.seq { Some(removed.hash) } else { hash_of(db, position.seq)? };
    let link = hash.map(|hash| Link { seq: position.seq, hash });
    Ok(link.filter(|link| Position::of(*link) == *position).map(|link| (link, false)))
}

/// What there is now after this place, and up to which place that goes.
fn look(db: &Db<'_>, mut from: Link, wanted: &Wanted) -> Result<(Feed, Link), StoreError> {
    let limit = wanted.limit.clamp(1, EVENTS_MAX);
    let names: Vec<&str> = wanted.kinds.iter().map(|kind| kind.name()).collect();
    let (mut found, mut more) = (Vec::new(), true);
    for _ in 0..ROUNDS_MAX {
        let rows = list(db, from.seq, EVENTS_MAX.min(limit.max(100)))?;
        more = !rows.is_empty();
        for listed in rows {
            let event = match listed {
                Ok(event) => event,
                // What was found before it comes first; the next look begins with it.
                Err(_) if !found.is_empty() => {
                    let position = Position::of(from);
                    return Ok((Feed { events: found, position, lost: false, more: true }, from));
                }
                Err(Unreadable(place)) => {
                    let position = Position::of(place);
                    let more = newest(db)?.seq > place.seq;
                    return Ok((Feed { events: found, position, lost: true, more }, place));
                }
            };
            from = event.link();
            if names.is_empty() || names.contains(&event.kind.as_str()) {
                found.push(event);
            }
            if i64::try_from(found.len()).is_ok_and(|count| count >= limit) {
                // Whether there is another one is looked at the next time.
                return Ok((
                    Feed { events: found, position: Position::of(from), lost: false, more: true },
                    from,
                ));
            }
        }
        if !more || !found.is_empty() {
            break;
        }
    }
    let more = more && newest(db)?.seq > from.seq;
    Ok((Feed { events: found, position: Position::of(from), lost: false, more }, from))
}

/// Events about an account, or all, after the one of this number: at most `rows` and never more than [`EVENTS_MAX`].
///
/// # Errors
///
/// A failing database.
pub fn page(
    context: &Context<'_>,
    user_id: Option<UserId>,
    after: i64,
    rows: i64,
) -> Result<Vec<Listed>, StoreError> {
    let rows = rows.clamp(0, EVENTS_MAX);
    context.app().store.number_events()?;
    context.read(|db| match user_id {
        Some(user_id) => events::list_of_user(db, user_id, after, rows),
        None => list(db, after, rows),
    })
}

/// What came of checking the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// It is what was written down, after the first place and up to the second.
    Sound(Link, Link, Origins),
    /// The event of this number was altered, or put there.
    Altered(i64),
    /// Where the event of this number came from was altered, or taken away while its user is there.
    OriginAltered(i64),
    /// The event of this number is gone.
    Missing(i64),
}

/// Follows the chain through all events that are kept.
///
/// # Errors
///
/// A failing database.
pub fn verify(context: &Context<'_>) -> Result<Verified, StoreError> {
    context.app().store.number_events()?;
    let first = context.read(removed)?;
    let (mut from, mut origins) = (first, Origins::default());
    loop {
        match context.read(|db| follow(db, from, EVENTS_MAX, &mut origins))? {
            Followed::Through(link) => from = link,
            Followed::End(link) => return Ok(Verified::Sound(first, link, origins)),
            Followed::OriginAltered(seq) => return Ok(Verified::OriginAltered(seq)),
            Followed::Altered(seq) => return Ok(Verified::Altered(seq)),
            Followed::Missing(seq) => return Ok(Verified::Missing(seq)),
        }
    }
}
