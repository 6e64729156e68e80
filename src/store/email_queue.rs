//! Emails that the server sends by itself: waiting, being sent, done with, or given up on.

use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::{column, moment, only, text, timestamp_or_null};
use super::value::params;
use crate::clock::{CLOCK_STEP_SECONDS_MAX, Timestamp};
use crate::policy::email::EmailAddress;
use crate::user_id::UserId;

const FILE: &str = include_str!("../../sql/email_queue.sql");
const INSERT: &str = query(FILE, "insert");
const SENT_LATELY: &str = query(FILE, "sent_lately");
const WITHDRAW: &str = query(FILE, "withdraw");
const WITHDRAW_ALL: &str = query(FILE, "withdraw_all");
const ANY_DUE: &str = query(FILE, "any_due");
const NEXT_DUE: &str = query(FILE, "next_due");
const NEXT_DUE_SHARED: &str = query(include_str!("../../sql/postgres/email_queue.sql"), "next_due");
const DELETE_NOBODYS: &str = query(FILE, "delete_nobodys");
const SET_SENDING: &str = query(FILE, "set_sending");
const SET_WAITING: &str = query(FILE, "set_waiting");
const SET_DONE: &str = query(FILE, "set_done");
const SET_DEAD: &str = query(FILE, "set_dead");
const ANY_SENDING: &str = query(FILE, "any_sending");
const RESUME: &str = query(FILE, "resume");
const DELETE_DONE_BEFORE: &str = query(FILE, "delete_done_before");

/// The longest time, in seconds, after which an email is tried again. What is to be tried later than that was written
/// under a wrong clock, and is due.
pub const RETRY_SECONDS_MAX: i64 = 6 * 3600;

/// What an email is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailPurpose {
    /// Somebody signed up, and is to prove their address.
    SignUp,
    /// Somebody signed up whose address has an account.
    AccountExists,
    /// Somebody forgot their password.
    Reset,
    /// Somebody wants to log in by a code.
    Login,
    /// An account is to have the address that this goes to.
    EmailChange,
    /// An account is to have another address than the one that this goes to.
    EmailUndo,
    /// Somebody wants an account to have an address that another one has.
    EmailTaken,
}

impl EmailPurpose {
    const ALL: [Self; 7] = [
        Self::SignUp,
        Self::AccountExists,
        Self::Reset,
        Self::Login,
        Self::EmailChange,
        Self::EmailUndo,
        Self::EmailTaken,
    ];

    /// Its name, here and in the log.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::SignUp => "signup",
            Self::AccountExists => "account-exists",
            Self::Reset => "reset",
            Self::Login => "login",
            Self::EmailChange => "email-change",
            Self::EmailUndo => "email-undo",
            Self::EmailTaken => "email-taken",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.text() == text)
    }
}

/// What an email tells, as far as somebody's request says.
pub struct EmailContents {
    /// What the site calls itself.
    pub site: String,
    /// The page of the site that takes the code.
    pub page: String,
    /// The browser that asked.
    pub browser: String,
    /// The address that asked.
    pub ip_address: String,
    /// The language that they read, as a tag; may be empty.
    pub language: String,
}

/// An email that is to be sent now.
pub struct DueEmail {
    /// Its number.
    pub email_id: i64,
    /// What it is sent for.
    pub purpose: EmailPurpose,
    /// Whose account it is about.
    pub user_id: UserId,
    /// Where it goes, if not to the account's address.
    pub address: Option<EmailAddress>,
    /// What it tells.
    pub contents: EmailContents,
    /// How often it was tried in vain.
    pub tries: u32,
    /// When it was asked for.
    pub created: Timestamp,
}

/// Puts an email into the queue, due now; for nobody, where there is nobody who gets it. It goes to the address that the
/// account has when it is sent, unless another is named.
///
/// # Errors
///
/// [`StoreError::ForeignKey`] when there is no such user; a failing database.
pub fn insert(
    tx: &Tx<'_>,
    purpose: EmailPurpose,
    user_id: Option<UserId>,
    address: Option<&EmailAddress>,
    contents: &EmailContents,
) -> Result<(), StoreError> {
    tx.execute(
        INSERT,
        params! {
            ":purpose": purpose.text(),
            ":user_id": user_id,
            ":address": address.map_or("", EmailAddress::as_str),
            ":site": contents.site,
            ":page": contents.page,
            ":browser": contents.browser,
            ":ip_address": contents.ip_address,
            ":language": contents.language,
            ":now": tx.now().stored(),
        },
    )?;
    Ok(())
}

/// How many emails a user was to get for a purpose after `since`, and when the last one was asked for.
///
/// # Errors
///
/// A failing database.
pub fn sent_lately(
    db: &Db<'_>,
    user_id: UserId,
    purpose: EmailPurpose,
    since: Timestamp,
) -> Result<(i64, Option<Timestamp>), StoreError> {
    let latest = db.now().plus_seconds(CLOCK_STEP_SECONDS_MAX).unwrap_or(Timestamp::MAX);
    let params = params! {
        ":user_id": user_id, ":purpose": purpose.text(), ":since": since.stored(), ":latest": latest.stored(),
    };
    let sent =
        db.one(SENT_LATELY, params, |row| Ok((column(row, "sent")?, timestamp_or_null(row, "latest")?)));
    Ok(sent?.unwrap_or((0, None)))
}

/// Takes the emails of a user for one purpose that were asked for at a time or later out of the queue, also those that are
/// being sent. They still count.
///
/// # Errors
///
/// A failing database.
pub fn withdraw(
    tx: &Tx<'_>,
    user_id: UserId,
    purpose: EmailPurpose,
    since: Timestamp,
) -> Result<(), StoreError> {
    let params = params! { ":user_id": user_id, ":purpose": purpose.text(), ":since": since.stored() };
    tx.execute(WITHDRAW, params)?;
    Ok(())
}

/// The same for all purposes, but for one that may be kept, and from all times.
///
/// # Errors
///
/// A failing database.
pub fn withdraw_all(tx: &Tx<'_>, user_id: UserId, kept: Option<EmailPurpose>) -> Result<(), StoreError> {
    let params = params! { ":user_id": user_id, ":kept": kept.map(EmailPurpose::text) };
    tx.execute(WITHDRAW_ALL, params)?;
    Ok(())
}

/// Whether there is anything to do now.
///
/// # Errors
///
/// A failing database.
pub fn any_due(db: &Db<'_>) -> Result<bool, StoreError> {
    let params = params! { ":now": db.now().stored(), ":latest": latest_try(db).stored() };
    Ok(db.one(ANY_DUE, params, only)?.unwrap_or(false))
}

/// The email that has waited longest for its turn.
///
/// # Errors
///
/// A failing database.
pub fn next_due(db: &Db<'_>) -> Result<Option<DueEmail>, StoreError> {
    let params = params! { ":now": db.now().stored(), ":latest": latest_try(db).stored() };
    db.one(db.either(NEXT_DUE, NEXT_DUE_SHARED), params, |row| {
        let purpose = EmailPurpose::parse(text(row, "purpose")?);
        let address = text(row, "address")?;
        Ok(DueEmail {
            email_id: column(row, "email_id")?,
            purpose: purpose.ok_or(StoreError::Corrupt("purpose of an email"))?,
            user_id: column(row, "user_id")?,
            address: (!address.is_empty()).then(|| EmailAddress::folded(address)),
            contents: EmailContents {
                site: column(row, "site")?,
                page: column(row, "page")?,
                browser: column(row, "browser")?,
                ip_address: column(row, "ip_address")?,
                language: column(row, "language")?,
            },
            tries: column(row, "tries")?,
            created: moment(row, "created")?,
        })
    })
}

fn latest_try(db: &Db<'_>) -> Timestamp {
    db.now().plus_seconds(RETRY_SECONDS_MAX + CLOCK_STEP_SECONDS_MAX).unwrap_or(Timestamp::MAX)
}

/// Removes the emails for nobody.
///
/// # Errors
///
/// A failing database.
pub fn delete_nobodys(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute(DELETE_NOBODYS, &[])?;
    Ok(())
}

/// Notes that an email is being sent, or still is. It is tried again at `next_try`, should nobody note how it went.
///
/// # Errors
///
/// A failing database.
pub fn set_sending(tx: &Tx<'_>, email_id: i64, next_try: Timestamp) -> Result<(), StoreError> {
    tx.execute(SET_SENDING, params! { ":email_id": email_id, ":next_try": next_try.stored() })?;
    Ok(())
}

/// Puts an email that is being sent back into the queue.
///
/// # Errors
///
/// A failing database.
pub fn set_waiting(tx: &Tx<'_>, email_id: i64, tries: u32, next_try: Timestamp) -> Result<(), StoreError> {
    let params = params! { ":email_id": email_id, ":tries": tries, ":next_try": next_try.stored() };
    tx.execute(SET_WAITING, params)?;
    Ok(())
}

/// Notes that an email that is being sent was sent, or needs not be any more. What it told is forgotten.
///
/// # Errors
///
/// A failing database.
pub fn set_done(tx: &Tx<'_>, email_id: i64) -> Result<(), StoreError> {
    tx.execute(SET_DONE, params! { ":email_id": email_id })?;
    Ok(())
}

/// Gives up on an email that is being sent.
///
/// # Errors
///
/// A failing database.
pub fn set_dead(tx: &Tx<'_>, email_id: i64, tries: u32) -> Result<(), StoreError> {
    tx.execute(SET_DEAD, params! { ":email_id": email_id, ":tries": tries })?;
    Ok(())
}

/// Whether any email is being sent that nobody here sends any more: where several processes share a database, another one may be
/// at it, and what is not noted as sent falls due by itself.
///
/// # Errors
///
/// A failing database.
pub fn any_sending(db: &Db<'_>) -> Result<bool, StoreError> {
    Ok(!db.is_shared() && db.one(ANY_SENDING, &[], only)?.unwrap_or(false))
}

/// Has what was being sent when the server ended tried again now; tells how many emails that are.
///
/// # Errors
///
/// A failing database.
pub fn resume(tx: &Tx<'_>) -> Result<usize, StoreError> {
    tx.execute(RESUME, params! { ":now": tx.now().stored() })
}

/// Removes emails from before `cutoff` that are done with (`dead`: that were given up on), at most `limit`; tells how
/// many.
///
/// # Errors
///
/// A failing database.
pub fn delete_done_before(
    tx: &Tx<'_>,
    dead: bool,
    cutoff: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    let state = if dead { "dead" } else { "done" };
    let params = params! { ":state": state, ":cutoff": cutoff.stored(), ":limit": limit };
    tx.execute(DELETE_DONE_BEFORE, params)
}
