//! Accounts as they move in and out.

use super::db::{Db, Tx};
use super::error::StoreError;
use super::query::query;
use super::row::{column, json_or_null, moment, timestamp_or_null};
use super::value::params;
use crate::clock::Timestamp;
use crate::guard::password::PasswordHash;
use crate::json::JsonText;
use crate::policy::email::EmailAddress;
use crate::policy::roles::Role;
use crate::user_id::UserId;

const FILE: &str = include_str!("../../sql/user_transfer.sql");
const PAGE: &str = query(FILE, "page");
const SET_CREATED: &str = query(FILE, "set_created");

/// Accounts that are read at once.
const PAGE_USERS: i64 = 500;

/// An account with all that moves.
pub struct Account {
    /// The user's number.
    pub user_id: UserId,
    /// The user's public identifier.
    pub system_id: String,
    /// The address.
    pub email: EmailAddress,
    /// The name, HTML-escaped.
    pub full_name: Option<String>,
    /// The stored password hash.
    pub password: PasswordHash,
    /// The role that the account has, or gets back; none before its address is verified.
    pub role: Option<Role>,
    /// Whether the user proved to hold the address.
    pub verified: bool,
    /// Whether the account works.
    pub active: bool,
    /// Whether a person has locked it.
    pub locked: bool,
    /// When the user signed up.
    pub created: Timestamp,
    /// When the user last logged in.
    pub last_login: Option<Timestamp>,
    /// What is noted about the user.
    pub extra_info: Option<JsonText>,
}

/// The next accounts after the number `after`, some at a time.
///
/// # Errors
///
/// A failing database.
pub fn page(db: &Db<'_>, after: UserId) -> Result<Vec<Account>, StoreError> {
    db.all(PAGE, params! { ":after": after, ":limit": PAGE_USERS }, |row| {
        Ok(Account {
            user_id: column(row, "user_id")?,
            system_id: column(row, "system_id")?,
            email: column(row, "email")?,
            full_name: column(row, "full_name")?,
            password: column(row, "password")?,
            role: column(row, "role")?,
            verified: column(row, "email_verified")?,
            active: column(row, "active")?,
            locked: column(row, "lock")?,
            created: moment(row, "created_on")?,
            last_login: timestamp_or_null(row, "last_login_success")?,
            extra_info: json_or_null(row, "extra_info")?,
        })
    })
}

/// Sets when an account was made, for one that was made elsewhere.
///
/// # Errors
///
/// A failing database.
pub fn set_created(tx: &Tx<'_>, user_id: UserId, created: Timestamp) -> Result<bool, StoreError> {
    let params = params! { ":user_id": user_id, ":created_on": created.stored() };
    Ok(tx.execute(SET_CREATED, params)? == 1)
}
