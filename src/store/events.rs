//! What has happened: written in the transaction of what it tells, chained by hashes, removed from the oldest on.

mod chain;
pub mod follow;
mod kind;
pub(super) mod numbering;

use chain::{Content, NONCE_BYTES, Origin};
pub use chain::{EventHash, Link};
pub use kind::EventKind;

use super::db::{Db, Tx};
use super::error::StoreError;
use super::postgres::events::{QUEUE, QUEUE_ORIGIN};
use super::query::query;
use super::row::{Row, column, moment, only};
use super::value::params;
use crate::clock::Timestamp;
use crate::guard::token::TokenId;
use crate::user_id::UserId;
use std::borrow::Cow;

const FILE: &str = include_str!("../../sql/events.sql");
const NEWEST: &str = query(FILE, "newest");
const REMOVED: &str = query(FILE, "removed");
const SET_REMOVED: &str = query(FILE, "set_removed");
const WAS_DELETED_AFTER: &str = query(FILE, "was_deleted_after");
const INSERT: &str = query(FILE, "insert");
const INSERT_ORIGIN: &str = query(FILE, "insert_origin");
const HASH_OF: &str = query(FILE, "hash_of");
const LIST: &str = query(FILE, "list");
const LIST_OF_USER: &str = query(FILE, "list_of_user");
const LOGINS_OF_USER: &str = query(FILE, "logins_of_user");
const OLDEST: &str = query(FILE, "oldest");
const DELETE_THROUGH: &str = query(FILE, "delete_through");

/// Bytes that are kept of a request's ID.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// What whoever holds the shared key is called.
const CALLING_SERVER: &str = "calling server";
/// What the actor is called whose origin belongs to no user.
const OPERATOR: &str = "operator";

/// Who did something.
#[derive(Clone, Debug)]
pub struct By {
    actor: &'static str,
    user_id: Option<UserId>,
    operator: Option<String>,
}

impl By {
    /// The server, by itself.
    pub const SERVER: Self = Self { actor: "server", user_id: None, operator: None };
    /// Whoever holds the shared key.
    pub const CALLING_SERVER: Self = Self { actor: CALLING_SERVER, user_id: None, operator: None };
    /// Nobody knows: they have proven nothing.
    pub const UNKNOWN: Self = Self { actor: "unknown", user_id: None, operator: None };

    /// A user, in a session of theirs.
    #[must_use]
    pub const fn session(user_id: UserId) -> Self {
        Self { actor: "session", user_id: Some(user_id), operator: None }
    }

    /// A user, by their password.
    #[must_use]
    pub const fn password(user_id: UserId) -> Self {
        Self { actor: "password", user_id: Some(user_id), operator: None }
    }

    /// A user, by a code that was emailed to them.
    #[must_use]
    pub const fn code(user_id: UserId) -> Self {
        Self { actor: "code", user_id: Some(user_id), operator: None }
    }

    /// Whoever holds the shared key, in the name of a user.
    #[must_use]
    pub const fn calling_server_for(user_id: UserId) -> Self {
        Self { actor: CALLING_SERVER, user_id: Some(user_id), operator: None }
    }

    /// Whoever has an API key of a user's, with what renews it.
    #[must_use]
    pub const fn api_key(user_id: UserId) -> Self {
        Self { actor: "API key", user_id: Some(user_id), operator: None }
    }

    /// Whether it is the calling server in nobody's name.
    fn is_calling_server(&self) -> bool {
        self.actor == CALLING_SERVER && self.user_id.is_none()
    }

    /// An operator, by the name that they are logged in under.
    #[must_use]
    pub const fn operator(login: String) -> Self {
        Self { actor: OPERATOR, user_id: None, operator: Some(login) }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub struct NewEvent {
    kind: EventKind,
    user_id: Option<UserId>,
    object: Option<String>,
    detail: Option<Cow<'static, str>>,
}

impl NewEvent {
    /// Something that concerns no account alone.
    #[must_use]
    pub const fn new(kind: EventKind) -> Self {
        Self { kind, user_id: None, object: None, detail: None }
    }

    /// Something about an account.
    #[must_use]
    pub const fn about(kind: EventKind, user_id: UserId) -> Self {
        Self { kind, user_id: Some(user_id), object: None, detail: None }
    }

    /// The session or API key that it is about.
    #[must_use]
    pub fn object(self, id: TokenId) -> Self {
        Self { object: Some(id.to_string()), ..self }
    }

    /// What else there is to say. It outlives the account, so it must not be personal.
    #[must_use]
    pub fn detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}

/// Where the work comes from that leaves an event.
#[derive(Clone, Default)]
pub struct Trail {
    network: Option<String>,
    request_id: Option<String>,
    operator: Option<String>,
}

impl Trail {
    /// Work for a client in this network, asked for by a request with this ID. The latter is cut if it is long.
    #[must_use]
    pub fn new(network: Option<String>, request_id: Option<&str>) -> Self {
        Self { network, request_id: request_id.map(cut), operator: None }
    }

    /// The same where the calling server asks for an operator, whom it names: what it does by itself is theirs.
    #[must_use]
    pub fn asked_for_by(self, login: &str) -> Self {
        Self { operator: Some(login.to_owned()), ..self }
    }

    /// Writes an event down.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn note(&self, tx: &Tx<'_>, by: impl Into<By>, new: NewEvent) -> Result<(), StoreError> {
        let By { actor, user_id: actor_id, operator } = match (by.into(), &self.operator) {
            (by, Some(login)) if by.is_calling_server() => By::operator(login.clone()),
            (by, _) => by,
        };
        let NewEvent { kind, user_id, object, detail } = new;
        // With the account goes whatever tells who used it. An operator's name is no user's.
        let is_last = kind == EventKind::AccountDeleted;
        let origin = Origin {
            network: self.network.as_deref().filter(|_| !is_last),
            request_id: self.request_id.as_deref().filter(|_| !is_last),
            operator: operator.as_deref(),
        };
        let nonce = if origin.is_empty() { [0; NONCE_BYTES] } else { tx.random() };
        let origin_hash = if origin.is_empty() { Vec::new() } else { origin.hash(&nonce).to_vec() };
        let event = Content {
            seq: 0,
            at: tx.now(),
            kind: kind.name(),
            user_id,
            actor,
            actor_id,
            object: object.as_deref(),
            detail: detail.as_deref(),
            origin_hash: Some(&origin_hash),
        };
        let (insert_origin, number) = if tx.is_shared() {
            let queued = params! {
                ":at": event.at.stored(), ":kind": event.kind, ":user_id": event.user_id, ":actor": event.actor,
                ":actor_id": event.actor_id, ":object": event.object, ":detail": event.detail,
                ":origin_hash": event.origin_hash,
            };
            (QUEUE_ORIGIN, tx.one(QUEUE, queued, only)?.ok_or(StoreError::Corrupt("events"))?)
        } else {
            let before = newest(tx)?;
            (INSERT_ORIGIN, insert(tx, before, &Content { seq: before.seq + 1, ..event })?.seq)
        };
        if origin.is_empty() {
            return Ok(());
        }
        let owner = owner_of_origin(kind.name(), actor, actor_id, user_id);
        let params = params! {
            ":number": number, ":user_id": owner, ":network": origin.network, ":request_id": origin.request_id,
            ":operator": origin.operator, ":nonce": nonce,
        };
        tx.execute(insert_origin, params)?;
        Ok(())
    }
}

/// Puts an event after the one before it, where its own number says that it is; tells its place.
fn insert(tx: &Tx<'_>, before: Link, event: &Content<'_>) -> Result<Link, StoreError> {
    let place = before.followed_by(event);
    let params = params! {
        ":seq": event.seq, ":at": event.at.stored(), ":kind": event.kind, ":user_id": event.user_id,
        ":actor": event.actor, ":actor_id": event.actor_id, ":object": event.object, ":detail": event.detail,
        ":origin_hash": event.origin_hash, ":hash": place.hash.0,
    };
    tx.execute(INSERT, params)?;
    Ok(place)
}

/// The user with whom an event's origin goes.
fn owner_of_origin(
    kind: &str,
    actor: &str,
    actor_id: Option<UserId>,
    user_id: Option<UserId>,
) -> Option<UserId> {
    let is_last = kind == EventKind::AccountDeleted.name();
    if actor == OPERATOR || is_last { None } else { actor_id.or(user_id) }
}

fn cut(request_id: &str) -> String {
    let mut end = request_id.len().min(REQUEST_ID_BYTES_MAX);
    while !request_id.is_char_boundary(end) {
        end -= 1;
    }
    request_id[..end].to_owned()
}

/// An event that was written down.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number: one more than that of the event before.
    pub seq: i64,
    /// When it happened.
    pub at: Timestamp,
    /// The name of its kind.
    pub kind: String,
    /// The account that it is about.
    pub user_id: Option<UserId>,
    /// Who did it: a kind of actor.
    pub actor: String,
    /// The actor's account.
    pub actor_id: Option<UserId>,
    /// The session or API key that it is about.
    pub object: Option<String>,
    /// What else there is to say.
    pub detail: Option<String>,
    /// The client's network, until the user is deleted.
    pub network: Option<String>,
    /// The request's ID, until the user is deleted.
    pub request_id: Option<String>,
    /// The operator's login name.
    pub operator: Option<String>,
    origin: StoredOrigin,
    hash: EventHash,
}

/// What there is to check of an event's origin, beside what it says.
#[derive(Clone, Debug)]
struct StoredOrigin {
    hash: Option<Vec<u8>>,
    is_there: bool,
    owner: Option<UserId>,
    nonce: Option<[u8; NONCE_BYTES]>,
}

/// An event that cannot be read: something else than this program has written it. Its place is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub Link);

/// What an event says, or only its place.
pub type Listed = Result<Event, Unreadable>;

/// The place of an event.
#[must_use]
pub fn link_of(listed: &Listed) -> Link {
    listed.as_ref().map_or_else(|unreadable| unreadable.0, Event::link)
}

impl Event {
    fn content(&self) -> Content<'_> {
        Content {
            seq: self.seq,
            at: self.at,
            kind: &self.kind,
            user_id: self.user_id,
            actor: &self.actor,
            actor_id: self.actor_id,
            object: self.object.as_deref(),
            detail: self.detail.as_deref(),
            origin_hash: self.origin.hash.as_deref(),
        }
    }

    /// Its place in the chain, as it was written down.
    #[must_use]
    pub const fn link(&self) -> Link {
        Link { seq: self.seq, hash: self.hash }
    }
}

fn event(row: &Row<'_>) -> Result<Event, StoreError> {
    Ok(Event {
        seq: column(row, "seq")?,
        at: moment(row, "at")?,
        kind: column(row, "kind")?,
        user_id: column(row, "user_id")?,
        actor: column(row, "actor")?,
        actor_id: column(row, "actor_id")?,
        object: column(row, "object")?,
        detail: column(row, "detail")?,
        network: column(row, "network")?,
        request_id: column(row, "request_id")?,
        operator: column(row, "operator")?,
        origin: StoredOrigin {
            hash: column(row, "origin_hash")?,
            is_there: column::<Option<i64>>(row, "origin_seq")?.is_some(),
            owner: column(row, "origin_user_id")?,
            nonce: column(row, "nonce")?,
        },
        hash: EventHash(column(row, "hash")?),
    })
}

/// One event that cannot be read keeps nobody from reading the others.
fn listed(row: &Row<'_>) -> Result<Listed, StoreError> {
    let place = link(row)?;
    Ok(event(row).map_err(|_| Unreadable(place)))
}

fn link(row: &Row<'_>) -> Result<Link, StoreError> {
    Ok(Link { seq: column(row, "seq")?, hash: EventHash(column(row, "hash")?) })
}

/// The place of the last event.
///
/// # Errors
///
/// A failing database.
pub fn newest(db: &Db<'_>) -> Result<Link, StoreError> {
    db.one(NEWEST, &[], link)?.ok_or(StoreError::Corrupt("events"))
}

/// The place of the last event that was removed; events after it are kept.
///
/// # Errors
///
/// A failing database.
pub fn removed(db: &Db<'_>) -> Result<Link, StoreError> {
    db.one(REMOVED, &[], link)?.ok_or(StoreError::Corrupt("events"))
}

/// The hash of the event of this number, if it is kept.
///
/// # Errors
///
/// A failing database.
pub fn hash_of(db: &Db<'_>, seq: i64) -> Result<Option<EventHash>, StoreError> {
    db.one(HASH_OF, params! { ":seq": seq }, |row| Ok(EventHash(column(row, "hash")?)))
}

/// Events after this number, in their order, at most `limit`.
///
/// # Errors
///
/// A failing database.
pub fn list(db: &Db<'_>, after: i64, limit: i64) -> Result<Vec<Listed>, StoreError> {
    db.all(LIST, params! { ":after": after, ":limit": limit }, listed)
}

/// The same for events about one account.
///
/// # Errors
///
/// A failing database.
pub fn list_of_user(db: &Db<'_>, user_id: UserId, after: i64, limit: i64) -> Result<Vec<Listed>, StoreError> {
    let params = params! { ":user_id": user_id, ":after": after, ":limit": limit };
    db.all(LIST_OF_USER, params, listed)
}

/// Logins to an account, failed ones, and what became of its password, the newest first: those before the event of this
/// number, at most `limit`.
///
/// # Errors
///
/// A failing database.
pub fn logins_of_user(
    db: &Db<'_>,
    user_id: UserId,
    before: i64,
    limit: i64,
) -> Result<Vec<Listed>, StoreError> {
    let params = params! { ":user_id": user_id, ":before": before, ":limit": limit };
    db.all(LOGINS_OF_USER, params, listed)
}

/// Removes events that happened before `cutoff`, at most `limit`: from the oldest on, up to the first that is to stay.
/// Tells how many.
///
/// # Errors
///
/// A failing database.
pub fn delete_older_than(tx: &Tx<'_>, cutoff: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let oldest =
        tx.all(OLDEST, params! { ":limit": limit }, |row| Ok((moment(row, "at").ok(), link(row)?)))?;
    let up_to_new: Vec<_> =
        oldest.into_iter().take_while(|(at, _)| at.is_none_or(|at| at < cutoff)).collect();
    // One whose time cannot be read goes with an old one after it.
    let count = up_to_new.iter().rposition(|(at, _)| at.is_some()).map_or(0, |last| last + 1);
    let old: Vec<Link> = up_to_new[..count].iter().map(|(_, link)| *link).collect();
    delete(tx, &old)
}

/// Removes the oldest events beyond the `kept` newest, at most `limit`. Tells how many.
///
/// # Errors
///
/// A failing database.
pub fn delete_surplus(tx: &Tx<'_>, kept: i64, limit: i64) -> Result<usize, StoreError> {
    // Their numbers leave no gaps.
    let surplus = newest(tx)?.seq - removed(tx)?.seq - kept;
    if surplus <= 0 {
        return Ok(0);
    }
    let old = tx.all(OLDEST, params! { ":limit": surplus.min(limit) }, link)?;
    delete(tx, &old)
}

fn delete(tx: &Tx<'_>, old: &[Link]) -> Result<usize, StoreError> {
    let Some(last) = old.last() else { return Ok(0) };
    tx.execute(SET_REMOVED, params! { ":seq": last.seq, ":hash": last.hash.0 })?;
    tx.execute(DELETE_THROUGH, params! { ":seq": last.seq })
}
