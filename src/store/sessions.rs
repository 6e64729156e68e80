//! Sessions. A token is never stored, only its SHA-256.

use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::{Row, column, json_or_null, moment, timestamp_or_null};
use super::row_cache::{Cacheable, RowKey, escaped_bytes};
use super::token_rows;
use super::value::params;
use crate::client_address::ClientAddress;
use crate::clock::Timestamp;
use crate::guard::token::{StoredToken, TokenId};
use crate::json::{JsonText, Template};
use crate::policy::roles::Role;
use crate::user_id::UserId;
use std::fmt;
use std::sync::Arc;

const FILE: &str = include_str!("../../sql/sessions.sql");
const INSERT: &str = query(FILE, "insert");
const LIVE_BY_TOKEN: &str = query(FILE, "live_by_token");
const SET_EXPIRES: &str = query(FILE, "set_expires");
const SET_EXTRA_INFO: &str = query(FILE, "set_extra_info");
const LIST: &str = query(FILE, "list");
const DELETE_BY_ID: &str = query(FILE, "delete_by_id");
const DELETE: &str = query(FILE, "delete");
const DELETE_OF_USER: &str = query(FILE, "delete_by_user");
const DELETE_ALL: &str = query(FILE, "delete_all");
const DELETE_EXPIRED_BEFORE: &str = query(FILE, "delete_expired_before");

/// Characters of a user agent that are kept; what a longer one says beyond that is dropped.
const USER_AGENT_CHARACTERS_MAX: usize = 280;

/// Bytes of an answer with a session beside the session's texts: its keys, and its times.
const ANSWER_BYTES: usize = 640;

/// A user agent as it is stored and compared.
#[must_use]
pub fn kept_user_agent(user_agent: &str) -> &str {
    let end = user_agent.char_indices().nth(USER_AGENT_CHARACTERS_MAX);
    end.map_or(user_agent, |(end, _)| &user_agent[..end])
}

/// A session about to be made.
#[derive(Clone)]
pub struct NewSession {
    /// What will be presented, hashed.
    pub token: StoredToken,
    /// The visitor's address in canonical form.
    pub ip_address: String,
    /// What the visitor's browser calls itself.
    pub user_agent: String,
    /// Whose session it is.
    pub user_id: UserId,
    /// When it ends.
    pub expires: Timestamp,
    /// A JSON object as text, or nothing.
    pub extra_info: Option<String>,
}

/// A session that has not expired and whose owner is active and not locked, with what its owner is.
pub struct LiveSession {
    /// Whose session it is.
    pub user_id: UserId,
    /// The owner's public identifier.
    pub system_id: String,
    /// The owner's name as it is shown, HTML-escaped.
    pub full_name: Option<String>,
    /// The owner's address in folded form.
    pub email: String,
    /// What is noted about the owner: JSON.
    pub extra_info: Option<JsonText>,
    /// Whether the owner proved to hold the address.
    pub email_verified: bool,
    /// When the last verification email went out.
    pub emailverify_sent_datetime: Option<Timestamp>,
    /// Always true here; carried because the answer has it.
    pub is_active: bool,
    /// When somebody last tried to log in as the owner.
    pub last_login_try: Option<Timestamp>,
    /// When the owner last logged in.
    pub last_login_success: Option<Timestamp>,
    /// When the owner signed up.
    pub created_on: Timestamp,
    /// The owner's role.
    pub user_role: Role,
    /// The visitor's address in canonical form.
    pub ip_address: String,
    /// What the visitor's browser calls itself.
    pub user_agent: String,
    /// When the session began.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// What is noted about the session: JSON.
    pub extra_info_json: Option<JsonText>,
    /// What it is answered with.
    pub answer: Template,
}

impl Cacheable for LiveSession {
    fn owner(&self) -> UserId {
        self.user_id
    }

    fn heap_bytes(&self) -> usize {
        let texts = [
            Some(self.system_id.as_str()),
            self.full_name.as_deref(),
            Some(self.email.as_str()),
            self.extra_info.as_ref().map(JsonText::as_str),
            Some(self.user_role.as_str()),
            Some(self.ip_address.as_str()),
            Some(self.user_agent.as_str()),
            self.extra_info_json.as_ref().map(JsonText::as_str),
        ];
        let bytes = |text: &str| text.len() + escaped_bytes(text);
        texts.into_iter().flatten().map(bytes).sum::<usize>() + ANSWER_BYTES
    }
}

/// Adds a session.
///
/// # Errors
///
/// [`StoreError::ForeignKey`] when there is no such user; a failing database.
pub fn insert(tx: &Tx<'_>, session: &NewSession) -> Result<(), StoreError> {
    tx.execute(
        INSERT,
        params! {
            ":token_hash": session.token.as_bytes(),
            ":ip_address": session.ip_address,
            ":user_agent": session.user_agent,
            ":user_id": session.user_id,
            ":now": tx.now().stored(),
            ":expires": session.expires.stored(),
            ":extra_info_json": session.extra_info,
        },
    )?;
    Ok(())
}

/// The session that a token belongs to, if it is live.
///
/// # Errors
///
/// A failing database.
pub fn live_by_token(db: &Db<'_>, token: &StoredToken) -> Result<Option<Arc<LiveSession>>, StoreError> {
    let is_live = |session: &LiveSession| session.expires > db.now();
    db.cached(RowKey::Session(*token.as_bytes()), is_live, || {
        let params =
            params! { ":token_hash": token.as_bytes(), ":now": db.now().stored(), ":locked": Role::LOCKED };
        db.one(LIVE_BY_TOKEN, params, live_session)
    })
}

fn live_session(row: &Row<'_>) -> Result<LiveSession, StoreError> {
    Ok(LiveSession {
        user_id: column(row, "user_id")?,
        system_id: column(row, "system_id")?,
        full_name: column(row, "full_name")?,
        email: column(row, "email")?,
        extra_info: json_or_null(row, "extra_info")?,
        email_verified: column(row, "email_verified")?,
        emailverify_sent_datetime: timestamp_or_null(row, "emailverify_sent_datetime")?,
        is_active: column(row, "is_active")?,
        last_login_try: timestamp_or_null(row, "last_login_try")?,
        last_login_success: timestamp_or_null(row, "last_login_success")?,
        created_on: moment(row, "created_on")?,
        user_role: column(row, "user_role")?,
        // A row from before may have another spelling.
        ip_address: ClientAddress::canonical(column(row, "ip_address")?),
        user_agent: column(row, "user_agent")?,
        created: moment(row, "created")?,
        expires: moment(row, "expires")?,
        extra_info_json: json_or_null(row, "extra_info_json")?,
        answer: Template::default(),
    })
}

/// Replaces what is noted about a session.
///
/// # Errors
///
/// A failing database.
pub fn set_extra_info(tx: &Tx<'_>, token: &StoredToken, extra_info: &str) -> Result<bool, StoreError> {
    let params = params! { ":token_hash": token.as_bytes(), ":extra_info_json": extra_info };
    Ok(tx.execute(SET_EXTRA_INFO, params)? == 1)
}

/// Has a session end at another time.
///
/// # Errors
///
/// A failing database.
pub fn set_expires(tx: &Tx<'_>, token: &StoredToken, expires: Timestamp) -> Result<(), StoreError> {
    let params = params! { ":token_hash": token.as_bytes(), ":expires": expires.stored() };
    tx.execute(SET_EXPIRES, params)?;
    Ok(())
}

/// A session as its owner and an operator see it.
pub struct ListedSession {
    /// What it is called.
    pub id: TokenId,
    /// The visitor's address in canonical form.
    pub ip_address: String,
    /// What the visitor's browser calls itself.
    pub user_agent: String,
    /// When the session began.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// Which session was the last of a page. The next page begins after it, whether it is still there or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionPlace {
    created: Timestamp,
    id: TokenId,
}

impl SessionPlace {
    /// Reads what it is written as; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (micros, id) = text.split_once('.')?;
        let created = Timestamp::from_micros(micros.parse().ok()?)?;
        Some(Self { created, id: TokenId::parse(id)? })
    }
}

impl fmt::Display for SessionPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.created.micros(), self.id)
    }
}

impl ListedSession {
    /// Where the page goes on of which this is the last one.
    #[must_use]
    pub const fn place(&self) -> SessionPlace {
        SessionPlace { created: self.created, id: self.id }
    }
}

/// Sessions of a user that have not expired, the newest first: those after `after`, at most `limit`. Of those that
/// started at the same time, the one with the greatest identifier comes first.
///
/// # Errors
///
/// A failing database.
pub fn list(
    db: &Db<'_>,
    user_id: UserId,
    after: Option<SessionPlace>,
    limit: i64,
) -> Result<Vec<ListedSession>, StoreError> {
    // A page goes on before the first row that the identifier can stand for, and the first page with the last of all.
    let (created, token_hash) = match after {
        Some(SessionPlace { created, id }) => (created, id.range()[0]),
        None => (Timestamp::MAX, [0xff; 32]),
    };
    let params = params! {
        ":user_id": user_id, ":now": db.now().stored(), ":created": created.stored(),
        ":token_hash": token_hash, ":limit": limit
    };
    db.all(LIST, params, |row| {
        Ok(ListedSession {
            id: StoredToken::from_bytes(column(row, "token_hash")?).id(),
            ip_address: ClientAddress::canonical(column(row, "ip_address")?),
            user_agent: column(row, "user_agent")?,
            created: moment(row, "created")?,
            expires: moment(row, "expires")?,
        })
    })
}

/// Ends the session of this identifier, and with it the API keys tied to it. Tells whose it was. With an
/// `owner`, it is left alone unless it is theirs.
///
/// # Errors
///
/// A failing database.
pub fn delete_by_id(tx: &Tx<'_>, id: TokenId, owner: Option<UserId>) -> Result<Option<UserId>, StoreError> {
    token_rows::delete_by_id(tx, DELETE_BY_ID, id, owner)
}

/// Ends a session, live or expired, and with it the API keys tied to it. Tells whose it was, if there was one.
///
/// # Errors
///
/// A failing database.
pub fn delete(tx: &Tx<'_>, token: &StoredToken) -> Result<Option<UserId>, StoreError> {
    tx.one(DELETE, params! { ":token_hash": token.as_bytes() }, |row| column(row, "user_id"))
}

/// Ends all sessions of a user, but for one that may be kept. Tells how many ended.
///
/// # Errors
///
/// A failing database.
pub fn delete_by_user(tx: &Tx<'_>, user_id: UserId, kept: Option<&StoredToken>) -> Result<usize, StoreError> {
    let kept = kept.map(StoredToken::as_bytes);
    tx.execute(DELETE_OF_USER, params! { ":user_id": user_id, ":kept_token_hash": kept })
}

/// Ends the sessions of all users. Tells how many ended.
///
/// # Errors
///
/// A failing database.
pub fn delete_all(tx: &Tx<'_>) -> Result<usize, StoreError> {
    tx.execute(DELETE_ALL, &[])
}

/// Removes the sessions that had expired before `cutoff`. Tells how many went.
///
/// # Errors
///
/// A failing database.
pub fn delete_expired_before(tx: &Tx<'_>, cutoff: Timestamp, limit: i64) -> Result<usize, StoreError> {
    tx.execute(DELETE_EXPIRED_BEFORE, params! { ":cutoff": cutoff.stored(), ":limit": limit })
}
