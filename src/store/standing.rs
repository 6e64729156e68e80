//! What a user is now, as every check of a permission asks: no more than that is read for it, and no password hash.

use super::db::Db;
use super::error::StoreError;
use super::query::query;
use super::row::column;
use super::value::params;
use crate::policy::roles::Role;
use crate::user_id::UserId;

const FILE: &str = include_str!("../../sql/standing.sql");
const BY_ID: &str = query(FILE, "by_id");

/// What a user is.
pub struct Standing {
    /// Whether they may do anything at all.
    pub is_active: bool,
    /// Their role.
    pub user_role: Role,
}

impl Standing {
    /// Whether the user is active and has this role.
    #[must_use]
    pub fn is_active_in(&self, role: &str) -> bool {
        self.is_active && self.user_role == *role
    }
}

/// What the user of this number is.
///
/// # Errors
///
/// A failing database.
pub fn by_id(db: &Db<'_>, user_id: UserId) -> Result<Option<Standing>, StoreError> {
    db.one(BY_ID, params! { ":user_id": user_id }, |row| {
        Ok(Standing { is_active: column(row, "is_active")?, user_role: column(row, "user_role")? })
    })
}
