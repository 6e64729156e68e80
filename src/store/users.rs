//! Users: who they are, and what they prove themselves with.

use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::{Row, column, json_or_null, moment, only, timestamp_or_null};
use super::value::params;
use crate::clock::Timestamp;
use crate::guard::password::PasswordHash;
use crate::json::JsonText;
use crate::policy::email::EmailAddress;
use crate::policy::roles::Role;
use crate::shape;
use crate::user_id::UserId;

const FILE: &str = include_str!("../../sql/users.sql");
const BY_ID: &str = query(FILE, "by_id");
const BY_EMAIL: &str = query(FILE, "by_email");
const ID_BY_EMAIL: &str = query(FILE, "id_by_email");
const CREDENTIALS_BY_EMAIL: &str = query(FILE, "credentials_by_email");
const CREDENTIALS_BY_ID: &str = query(FILE, "credentials_by_id");
const COUNT: &str = query(FILE, "count");
const ANY: &str = query(FILE, "any");
const INSERT: &str = query(FILE, "insert");
const REPLACE_PENDING: &str = query(FILE, "replace_pending");
const SET_NO_PASSWORD: &str = query(FILE, "set_no_password");
const SET_ADDRESS_UNPROVEN: &str = query(FILE, "set_address_unproven");
const CONTEST_ADDRESS: &str = query(FILE, "contest_address");
const END_CONTEST: &str = query(FILE, "end_contest");
const SET_VERIFIED: &str = query(FILE, "set_verified");
const SET_VERIFY_EMAIL_SENT: &str = query(FILE, "set_verify_email_sent");
const SET_FORGOTPASS_EMAIL_SENT: &str = query(FILE, "set_forgotpass_email_sent");
const VERIFICATION_EMAIL_IS_DUE: &str = query(FILE, "verification_email_is_due");
const SET_PASSWORD: &str = query(FILE, "set_password");
const SET_LOGIN_SUCCESS: &str = query(FILE, "set_login_success");
const SET_LOGIN_FAILURE: &str = query(FILE, "set_login_failure");
const SET_STATE: &str = query(FILE, "set_state");
const LIST: &str = query(FILE, "list");
const UPDATE: &str = query(FILE, "update");
const DELETE: &str = query(FILE, "delete");
const SOMEBODY_ADMINISTERS: &str = query(FILE, "somebody_administers");

/// Bytes of what may be noted about a user, as JSON text.
pub const EXTRA_INFO_BYTES_MAX: usize = 64 * 1024;

shape! {
    /// A user: everything but the password.
    #[derive(Clone)]
    pub struct User {
        /// The user's number.
        pub user_id: UserId,
        /// The user's public identifier.
        pub system_id: String,
        /// The name as it is shown, HTML-escaped.
        pub full_name: Option<String>,
        /// The address.
        pub email: EmailAddress,
        /// Whether the user proved to hold the address.
        pub email_verified: bool,
        /// Whether the user may do anything at all.
        pub is_active: bool,
        /// When somebody last tried to log in as this user.
        pub last_login_try: Option<Timestamp>,
        /// When the user last logged in.
        pub last_login_success: Option<Timestamp>,
        /// Failed tries since then.
        pub failed_login_tries: Option<i64>,
        /// When the user signed up.
        pub created_on: Timestamp,
        /// When the row was last changed by a request.
        pub last_updated: Timestamp,
        /// The user's role.
        pub user_role: Role,
        /// What is noted about the user.
        pub extra_info: Option<JsonText>,
        /// When the last verification email went out.
        pub emailverify_sent_datetime: Option<Timestamp>,
        /// When the last forgotten-password email went out.
        pub emailforgotpass_sent_datetime: Option<Timestamp>,
        /// When the last changed-password email went out.
        pub emailchangepass_sent_datetime: Option<Timestamp>,
    }
}

/// What decides whether somebody may log in.
pub struct AuthUser {
    /// The user's number.
    pub user_id: UserId,
    /// The user's public identifier.
    pub system_id: String,
    /// The stored password hash, in PHC form.
    pub password: PasswordHash,
    /// The address.
    pub email: EmailAddress,
    /// The name as it is shown, HTML-escaped.
    pub full_name: Option<String>,
    /// Whether the user may do anything at all.
    pub is_active: bool,
    /// Whether the user proved to hold the address.
    pub email_verified: bool,
    /// The user's role.
    pub user_role: Role,
    /// When the last verification email went out.
    pub emailverify_sent_datetime: Option<Timestamp>,
    /// Whether the account was moved to the address by an edit, and nobody has verified the address since.
    pub address_unproven: bool,
}

impl AuthUser {
    /// The one test of whether an account may authenticate: active, verified and not locked.
    #[must_use]
    pub fn may_authenticate(&self) -> bool {
        self.is_active && self.email_verified && !self.user_role.is_locked()
    }
}

/// A user about to be added.
#[derive(Clone)]
pub struct NewUser {
    /// A public identifier that nobody else has.
    pub system_id: String,
    /// The name, HTML-escaped.
    pub full_name: String,
    /// The password hash, in PHC form.
    pub password: PasswordHash,
    /// The address.
    pub email: EmailAddress,
    /// Whether the address counts as proven.
    pub email_verified: bool,
    /// Whether the user may act at once.
    pub is_active: bool,
    /// When a verification email was asked for.
    pub emailverify_sent_datetime: Option<Timestamp>,
    /// A JSON object as text.
    pub extra_info: String,
    /// The user's role.
    pub user_role: Role,
    /// Whether a verification email is still to be sent.
    pub verification_email_due: bool,
}

/// The user of this number.
///
/// # Errors
///
/// A failing database.
pub fn by_id(db: &Db<'_>, user_id: UserId) -> Result<Option<User>, StoreError> {
    db.one(BY_ID, params! { ":user_id": user_id }, user)
}

/// The user with this address.
///
/// # Errors
///
/// A failing database.
pub fn by_email(db: &Db<'_>, email: &EmailAddress) -> Result<Option<User>, StoreError> {
    db.one(BY_EMAIL, params! { ":email": email }, user)
}

/// The number of the user with this address.
///
/// # Errors
///
/// A failing database.
pub fn id_by_email(db: &Db<'_>, email: &EmailAddress) -> Result<Option<UserId>, StoreError> {
    db.one(ID_BY_EMAIL, params! { ":email": email }, |row| column(row, "user_id"))
}

/// What the user with this address proves themselves with.
///
/// # Errors
///
/// A failing database.
pub fn credentials_by_email(db: &Db<'_>, email: &EmailAddress) -> Result<Option<AuthUser>, StoreError> {
    db.one(CREDENTIALS_BY_EMAIL, params! { ":email": email }, credentials)
}

/// What the user of this number proves themselves with.
///
/// # Errors
///
/// A failing database.
pub fn credentials_by_id(db: &Db<'_>, user_id: UserId) -> Result<Option<AuthUser>, StoreError> {
    db.one(CREDENTIALS_BY_ID, params! { ":user_id": user_id }, credentials)
}

/// How many users there are.
///
/// # Errors
///
/// A failing database.
pub fn count(db: &Db<'_>) -> Result<i64, StoreError> {
    Ok(db.one(COUNT, &[], only)?.unwrap_or(0))
}

/// Whether there is any user.
///
/// # Errors
///
/// A failing database.
pub fn any(db: &Db<'_>) -> Result<bool, StoreError> {
    Ok(db.one(ANY, &[], only)?.unwrap_or(false))
}

/// Adds a user and returns the new number.
///
/// # Errors
///
/// [`StoreError::Duplicate`] for an address or public identifier that is taken; a failing database.
pub fn insert(tx: &Tx<'_>, user: &NewUser) -> Result<UserId, StoreError> {
    let params = params! {
        ":system_id": user.system_id,
        ":full_name": user.full_name,
        ":password": user.password,
        ":email": user.email,
        ":email_verified": user.email_verified,
        ":is_active": user.is_active,
        ":emailverify_sent_datetime": user.emailverify_sent_datetime.map(Timestamp::stored),
        ":extra_info": user.extra_info,
        ":now": tx.now().stored(),
        ":user_role": user.user_role,
        ":verification_email_due": user.verification_email_due,
    };
    let added = tx.one(INSERT, params, |row| column(row, "user_id"))?;
    added.ok_or(StoreError::Corrupt("user_id"))
}

/// Replaces what a user signed up with, but for the password.
///
/// # Errors
///
/// A failing database.
pub fn replace_pending(
    tx: &Tx<'_>,
    user_id: UserId,
    full_name: &str,
    extra_info: &str,
) -> Result<bool, StoreError> {
    let params = params! {
        ":user_id": user_id,
        ":full_name": full_name,
        ":extra_info": extra_info,
        ":now": tx.now().stored(),
    };
    Ok(tx.execute(REPLACE_PENDING, params)? == 1)
}

/// Leaves a user without a valid password: `no_password` is a hash that none matches.
///
/// # Errors
///
/// A failing database.
pub fn set_no_password(tx: &Tx<'_>, user_id: UserId, no_password: &PasswordHash) -> Result<bool, StoreError> {
    let params = params! { ":user_id": user_id, ":no_password": no_password };
    Ok(tx.execute(SET_NO_PASSWORD, params)? == 1)
}

/// Notes whether the account was moved to its address by an edit, and nobody has verified the address since.
///
/// # Errors
///
/// A failing database.
pub fn set_address_unproven(tx: &Tx<'_>, user_id: UserId, unproven: bool) -> Result<(), StoreError> {
    tx.execute(SET_ADDRESS_UNPROVEN, params! { ":user_id": user_id, ":unproven": unproven })?;
    Ok(())
}

/// Notes that somebody signed an address up to which an account had been moved.
///
/// # Errors
///
/// A failing database.
pub fn contest_address(tx: &Tx<'_>, email: &EmailAddress) -> Result<(), StoreError> {
    tx.execute(CONTEST_ADDRESS, params! { ":email": email })?;
    Ok(())
}

/// Forgets that again; tells whether it was so.
///
/// # Errors
///
/// A failing database.
pub fn end_contest(tx: &Tx<'_>, email: &EmailAddress) -> Result<bool, StoreError> {
    Ok(tx.execute(END_CONTEST, params! { ":email": email })? == 1)
}

/// Marks the address as proven and lets the user act in this role.
///
/// # Errors
///
/// A failing database.
pub fn set_verified(tx: &Tx<'_>, user_id: UserId, user_role: &Role) -> Result<bool, StoreError> {
    let params = params! { ":user_id": user_id, ":user_role": user_role, ":now": tx.now().stored() };
    Ok(tx.execute(SET_VERIFIED, params)? == 1)
}

/// Whether a sign-up said that a verification email is to be sent, and none was sent since.
///
/// # Errors
///
/// A failing database.
pub fn verification_email_is_due(db: &Db<'_>, user_id: UserId) -> Result<bool, StoreError> {
    let params = params! { ":user_id": user_id };
    Ok(db.one(VERIFICATION_EMAIL_IS_DUE, params, only)?.unwrap_or(false))
}

/// Notes that a verification email went out now.
///
/// # Errors
///
/// A failing database.
pub fn set_verify_email_sent(tx: &Tx<'_>, user_id: UserId) -> Result<bool, StoreError> {
    let params = params! { ":user_id": user_id, ":now": tx.now().stored() };
    Ok(tx.execute(SET_VERIFY_EMAIL_SENT, params)? == 1)
}

/// Notes that a forgotten-password email went out now.
///
/// # Errors
///
/// A failing database.
pub fn set_forgotpass_email_sent(tx: &Tx<'_>, user_id: UserId) -> Result<bool, StoreError> {
    let params = params! { ":user_id": user_id, ":now": tx.now().stored() };
    Ok(tx.execute(SET_FORGOTPASS_EMAIL_SENT, params)? == 1)
}

/// Replaces a password hash, provided that it and the account's state are still what was read and verified.
///
/// # Errors
///
/// A failing database.
pub fn set_password(tx: &Tx<'_>, verified: &AuthUser, password: &PasswordHash) -> Result<bool, StoreError> {
    let params = params! {
        ":user_id": verified.user_id,
        ":password": password,
        ":verified_password": verified.password,
        ":is_active": verified.is_active,
        ":now": tx.now().stored(),
    };
    Ok(tx.execute(SET_PASSWORD, params)? == 1)
}

/// Notes a login.
///
/// # Errors
///
/// A failing database.
pub fn set_login_success(tx: &Tx<'_>, user_id: UserId) -> Result<(), StoreError> {
    tx.execute(SET_LOGIN_SUCCESS, params! { ":user_id": user_id, ":now": tx.now().stored() })?;
    Ok(())
}

/// Notes an attempt and how many have failed in a row.
///
/// # Errors
///
/// A failing database.
pub fn set_login_failure(tx: &Tx<'_>, user_id: UserId, failures: i64) -> Result<(), StoreError> {
    let params = params! { ":user_id": user_id, ":failures": failures, ":now": tx.now().stored() };
    tx.execute(SET_LOGIN_FAILURE, params)?;
    Ok(())
}

/// Sets whether a user may act, in which role, and what is noted about them.
///
/// # Errors
///
/// [`StoreError::ForeignKey`] for a role that does not exist; a failing database.
pub fn set_state(
    tx: &Tx<'_>,
    user_id: UserId,
    is_active: bool,
    user_role: &Role,
    extra_info: Option<&str>,
) -> Result<bool, StoreError> {
    let params = params! {
        ":user_id": user_id,
        ":is_active": is_active,
        ":user_role": user_role,
        ":extra_info": extra_info,
        ":now": tx.now().stored(),
    };
    Ok(tx.execute(SET_STATE, params)? == 1)
}

/// Users in the order of their numbers, those after `after`, at most `limit`.
///
/// # Errors
///
/// A failing database.
pub fn list(db: &Db<'_>, after: UserId, limit: i64) -> Result<Vec<User>, StoreError> {
    db.all(LIST, params! { ":after": after, ":limit": limit }, user)
}

/// Writes what can be changed about a user.
///
/// # Errors
///
/// [`StoreError::Duplicate`] for an address that is taken, [`StoreError::ForeignKey`] for a role that does not exist;
/// a failing database.
pub fn update(tx: &Tx<'_>, user: &User) -> Result<bool, StoreError> {
    let params = params! {
        ":user_id": user.user_id,
        ":full_name": user.full_name,
        ":email": user.email,
        ":email_verified": user.email_verified,
        ":is_active": user.is_active,
        ":user_role": user.user_role,
        ":extra_info": user.extra_info.as_ref().map(JsonText::as_str),
        ":now": tx.now().stored(),
    };
    Ok(tx.execute(UPDATE, params)? == 1)
}

/// Removes a user and, with them, their sessions, API keys and everything else of theirs. Tells whether there was one.
///
/// # Errors
///
/// [`StoreError::ForeignKey`] when something that must not vanish refers to the user; a failing database.
pub fn delete(tx: &Tx<'_>, user_id: UserId) -> Result<bool, StoreError> {
    Ok(tx.execute(DELETE, params! { ":user_id": user_id })? == 1)
}

/// Whether there is a superuser who can log in, be it only once a lock after failed logins has ended.
///
/// # Errors
///
/// A failing database.
pub fn somebody_administers(db: &Db<'_>) -> Result<bool, StoreError> {
    let params = params! { ":superuser": Role::SUPERUSER, ":locked": Role::LOCKED };
    Ok(db.one(SOMEBODY_ADMINISTERS, params, only)?.unwrap_or(false))
}

fn user(row: &Row<'_>) -> Result<User, StoreError> {
    Ok(User {
        user_id: column(row, "user_id")?,
        system_id: column(row, "system_id")?,
        full_name: column(row, "full_name")?,
        email: column(row, "email")?,
        email_verified: column(row, "email_verified")?,
        is_active: column(row, "is_active")?,
        last_login_try: timestamp_or_null(row, "last_login_try")?,
        last_login_success: timestamp_or_null(row, "last_login_success")?,
        failed_login_tries: column(row, "failed_login_tries")?,
        created_on: moment(row, "created_on")?,
        last_updated: moment(row, "last_updated")?,
        user_role: column(row, "user_role")?,
        extra_info: json_or_null(row, "extra_info")?,
        emailverify_sent_datetime: timestamp_or_null(row, "emailverify_sent_datetime")?,
        emailforgotpass_sent_datetime: timestamp_or_null(row, "emailforgotpass_sent_datetime")?,
        emailchangepass_sent_datetime: timestamp_or_null(row, "emailchangepass_sent_datetime")?,
    })
}

fn credentials(row: &Row<'_>) -> Result<AuthUser, StoreError> {
    Ok(AuthUser {
        user_id: column(row, "user_id")?,
        system_id: column(row, "system_id")?,
        password: column(row, "password")?,
        email: column(row, "email")?,
        full_name: column(row, "full_name")?,
        is_active: column(row, "is_active")?,
        email_verified: column(row, "email_verified")?,
        user_role: column(row, "user_role")?,
        emailverify_sent_datetime: timestamp_or_null(row, "emailverify_sent_datetime")?,
        address_unproven: column(row, "address_unproven")?,
    })
}
