//! What was issued to users, and what is locked, as an operator looks through it: of one user or of everybody, page by
//! page.

use super::attempt_locks::{self, AttemptLock, Locked};
use super::keys::{self, ListedKind};
use super::lock;
use super::sessions::{self, PAGE_ROWS_MAX, is_full_page};
use crate::app::Context;
use crate::clock::Timestamp;
use crate::guard::token::TokenId;
use crate::policy::email::EmailAddress;
use crate::shape;
use crate::store::locks::Lock;
use crate::store::sessions::{ListedSession, SessionPlace};
use crate::store::users::{self, User};
use crate::store::{StoreError, apikeys};
use crate::user_id::UserId;
use std::borrow::Cow;
use std::fmt;

/// Users that one page looks at.
const PAGE_USERS_MAX: i64 = 500;

shape! {
    /// A user's session.
    pub struct IssuedSession {
        /// What it is called. It proves nothing: the token cannot be had from it.
        id: String,
        /// Whose it is.
        user_id: UserId,
        /// That user's address.
        email: EmailAddress,
        /// The IP address that it was started from.
        ip_address: String,
        /// The browser that it was started by.
        user_agent: String,
        /// When it started.
        created: Timestamp,
        /// When it ends.
        expires: Timestamp,
    }
}

shape! {
    /// A user's API key.
    pub struct IssuedKey {
        /// What it is called. It proves nothing: the key cannot be had from it.
        id: String,
        /// `session` if it ends with the session that it was issued in, `no session`, or `scopes` for one from
        /// apikey-issue.
        kind: Cow<'static, str>,
        /// Whose it is.
        user_id: UserId,
        /// That user's address.
        email: EmailAddress,
        /// The role that it was issued for; it works only while its owner has that role.
        user_role: String,
        /// When it was issued.
        issued: Timestamp,
        /// When it begins to work.
        not_valid_before: Timestamp,
        /// When it ends, if ever.
        expires: Option<Timestamp>,
        /// When its refresh token ends, if it has one.
        refresh_expires: Option<Timestamp>,
        /// What its owner calls it, if it is one from apikey-issue.
        name: Option<String>,
        /// What such a key is good for.
        scopes: Option<Vec<String>>,
        /// When such a key was last used, as far as that is written.
        last_used: Option<Timestamp>,
    }
}

shape! {
    /// A lock in force.
    pub struct LockInForce {
        /// `person`, or `attempts` for failed ones.
        by: Cow<'static, str>,
        /// What is locked: `the account`, `passwords`, codes of one purpose (such as `reset codes`), `all codes`, or
        /// `an address without an account`.
        what: Cow<'static, str>,
        /// The network from where it is; null for everywhere.
        network: Option<String>,
        /// Whose account it is on.
        user_id: Option<UserId>,
        /// That user's address.
        email: Option<EmailAddress>,
        /// Since when.
        locked_on: Timestamp,
        /// Until when; null for a lock that a person has to end.
        until: Option<Timestamp>,
    }
}

/// Where a page begins: with which user, with which kind of what they have, and after which of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place<A> {
    user_id: UserId,
    kind: usize,
    after: Option<A>,
}

impl<A> Place<A> {
    const fn user(user_id: UserId) -> Self {
        Self { user_id, kind: 0, after: None }
    }

    /// Reads what a place is written as, with what reads the rest of it.
    fn parse(text: &str, after: fn(&str) -> Option<A>) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let user_id = UserId::new(parts.next()?.parse().ok()?);
        let Some(kind) = parts.next() else { return Some(Self::user(user_id)) };
        Some(Self { user_id, kind: kind.parse().ok()?, after: Some(after(parts.next()?)?) })
    }
}

impl Place<SessionPlace> {
    /// Reads what a place among sessions is written as; `None` for anything else.
    #[must_use]
    pub fn of_session(text: &str) -> Option<Self> {
        Self::parse(text, SessionPlace::parse)
    }
}

impl Place<TokenId> {
    /// Reads what a place among API keys is written as; `None` for anything else.
    #[must_use]
    pub fn of_key(text: &str) -> Option<Self> {
        Self::parse(text, TokenId::parse)
    }
}

impl<A: fmt::Display> fmt::Display for Place<A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.after {
            None => write!(out, "{}", self.user_id),
            Some(after) => write!(out, "{}.{}.{after}", self.user_id, self.kind),
        }
    }
}

/// A part of a list, and where the next one begins, if there is one.
pub struct Page<T, N> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where to go on.
    pub next: Option<N>,
}

/// The sessions of a user, or of everybody, that have not expired; the newest of each user first.
///
/// # Errors
///
/// A failing database.
pub fn sessions(
    context: &Context<'_>,
    of: Option<UserId>,
    from: Option<Place<SessionPlace>>,
) -> Result<Page<IssuedSession, Place<SessionPlace>>, StoreError> {
    let read = |owner: &User, (), after| {
        let listed = sessions::list(context, owner.user_id, after, PAGE_ROWS_MAX)?;
        let last = listed.last().map(ListedSession::place);
        Ok((listed.into_iter().map(|session| session_of(owner, session)).collect(), last))
    };
    page(context, of, from, &[()], &read)
}

/// The API keys of a user, or of everybody, that can be used or renewed.
///
/// # Errors
///
/// A failing database.
pub fn api_keys(
    context: &Context<'_>,
    of: Option<UserId>,
    from: Option<Place<TokenId>>,
) -> Result<Page<IssuedKey, Place<TokenId>>, StoreError> {
    let read = |owner: &User, kind, after| {
        let listed = keys::list(context, kind, owner.user_id, after, PAGE_ROWS_MAX)?;
        let last = listed.last().map(|key| key.id);
        Ok((listed.into_iter().map(|key| key_of(owner, kind, key)).collect(), last))
    };
    page(context, of, from, &ListedKind::ALL, &read)
}

/// The locks in force, from those of this user on. Those that failed attempts made on something else than an account as a
/// whole come last.
///
/// # Errors
///
/// A failing database.
pub fn locks(context: &Context<'_>, from: Option<UserId>) -> Result<Page<LockInForce, UserId>, StoreError> {
    let after = from.map_or(UserId::MIN, before);
    let listed = lock::list(context, after, PAGE_ROWS_MAX)?;
    let next = listed.last().filter(|_| is_full_page(listed.len())).map(|last| following(last.user_id));
    let mut rows: Vec<_> = listed
        .into_iter()
        .map(|locked| {
            let (by, until) = match locked.lock {
                Lock::Manual => ("person", None),
                Lock::Automatic(until) => ("attempts", Some(until)),
            };
            LockInForce {
                by: by.into(),
                what: "the account".into(),
                network: None,
                user_id: Some(locked.user_id),
                email: Some(locked.email),
                locked_on: locked.locked_on,
                until,
            }
        })
        .collect();
    if next.is_none() {
        rows.extend(attempt_locks::list(context, None)?.into_iter().map(attempt_lock));
    }
    Ok(Page { rows, next })
}

/// A lock that failed attempts made on something else than an account as a whole.
#[must_use]
pub fn attempt_lock(lock: AttemptLock) -> LockInForce {
    let (user_id, email) = lock.user.unzip();
    LockInForce {
        by: "attempts".into(),
        what: match lock.what {
            Locked::Passwords => "passwords".into(),
            Locked::Codes(purpose) => format!("{} codes", purpose.text()).into(),
            Locked::AllCodes => "all codes".into(),
            Locked::Unknown => "an address without an account".into(),
        },
        network: Some(lock.network).filter(|network| !network.is_empty()),
        user_id,
        email,
        locked_on: lock.since,
        until: Some(lock.until),
    }
}

fn session_of(owner: &User, session: ListedSession) -> IssuedSession {
    IssuedSession {
        id: session.id.to_string(),
        user_id: owner.user_id,
        email: owner.email.clone(),
        ip_address: session.ip_address,
        user_agent: session.user_agent,
        created: session.created,
        expires: session.expires,
    }
}

fn key_of(owner: &User, kind: ListedKind, mut key: apikeys::ListedKey) -> IssuedKey {
    let (name, scopes, last_used) = key.take_scoped();
    IssuedKey {
        id: key.id.to_string(),
        kind: match kind {
            ListedKind::InSession => "session",
            ListedKind::WithoutSession => "no session",
            ListedKind::Scoped => "scopes",
        }
        .into(),
        user_id: owner.user_id,
        email: owner.email.clone(),
        user_role: key.user_role,
        issued: key.issued,
        not_valid_before: key.not_valid_before,
        expires: key.expires,
        refresh_expires: key.refresh_expires,
        name,
        scopes,
        last_used,
    }
}

/// Reads rows of one kind that a user has, after one of them; with where the last one is.
type ReadRows<'r, K, T, A> = dyn Fn(&User, K, Option<A>) -> Result<(Vec<T>, Option<A>), StoreError> + 'r;

/// What users have, of all kinds: as much as one read of each has, until that is enough for a page.
fn page<K: Copy, T, A: Copy>(
    context: &Context<'_>,
    of: Option<UserId>,
    from: Option<Place<A>>,
    kinds: &[K],
    read: &ReadRows<'_, K, T, A>,
) -> Result<Page<T, Place<A>>, StoreError> {
    let from = from.unwrap_or(Place::user(of.unwrap_or(UserId::MIN)));
    let owners = context.read(|db| match of {
        Some(user_id) => Ok(users::by_id(db, user_id)?.into_iter().collect()),
        None => users::list(db, before(from.user_id), PAGE_USERS_MAX),
    })?;
    let mut rows = Vec::new();
    for owner in &owners {
        let is_begun = owner.user_id == from.user_id;
        for (number, kind) in kinds.iter().enumerate().skip(if is_begun { from.kind } else { 0 }) {
            let after = from.after.filter(|_| is_begun && number == from.kind);
            let (more, last) = read(owner, *kind, after)?;
            let is_more = is_full_page(more.len());
            rows.extend(more);
            if is_more {
                return Ok(Page {
                    rows,
                    next: Some(Place { user_id: owner.user_id, kind: number, after: last }),
                });
            }
        }
        if of.is_none() && is_full_page(rows.len()) {
            return Ok(Page { rows, next: Some(Place::user(following(owner.user_id))) });
        }
    }
    let is_more = of.is_none() && i64::try_from(owners.len()).is_ok_and(|count| count == PAGE_USERS_MAX);
    let next = owners.last().filter(|_| is_more).map(|last| Place::user(following(last.user_id)));
    Ok(Page { rows, next })
}

const fn before(user_id: UserId) -> UserId {
    UserId::new(user_id.get().saturating_sub(1))
}

const fn following(user_id: UserId) -> UserId {
    UserId::new(user_id.get().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is_one() {
        let id = TokenId::from_bytes([7; 8]);
        for place in [
            Place::user(UserId::new(12)),
            Place::user(UserId::MIN),
            Place { user_id: UserId::new(4), kind: 2, after: Some(id) },
        ] {
            assert_eq!(Place::of_key(&place.to_string()), Some(place));
        }
        for text in ["12", "4.0.1795752371930944.0707070707070707", "4.0.-62135596800000000.ffffffffffffffff"]
        {
            assert_eq!(Place::of_session(text).map(|place| place.to_string()).as_deref(), Some(text));
            assert_eq!(Place::of_key(text).is_some(), text == "12", "{text}");
        }
        for text in ["", "x", "1.", "1.2", "1.2.", "1.2.x", "1.-1.0707070707070707", "1.0.0707070707070707.1"]
        {
            assert_eq!(Place::of_key(text), None, "{text}");
            assert_eq!(Place::of_session(text), None, "{text}");
        }
        for text in [
            "4.0.0707070707070707",
            "4.0..0707070707070707",
            "4.0.1.",
            "4.0.1.07",
            "4.0.1.1.0707070707070707",
            "4.0.x.0707070707070707",
            "4.0.-62135596800000001.0707070707070707",
            "4.0.253402300800000000.0707070707070707",
            "4.0.99999999999999999999.0707070707070707",
        ] {
            assert_eq!(Place::of_session(text), None, "{text}");
        }
    }
}
