//! What a user is now, as every check of a permission asks, and whatever issues something to them: no more than that is read
//! for it, and no password hash.

use super::db::Db;
use super::error::StoreError;
use super::query::query;
use super::row::column;
use super::row_cache::{Cacheable, RowKey};
use super::value::params;
use crate::policy::roles::Role;
use crate::user_id::UserId;
use std::sync::Arc;

const FILE: &str = include_str!("../../sql/standing.sql");
const BY_ID: &str = query(FILE, "by_id");

/// What a user is.
pub struct Standing {
    user_id: UserId,
    /// Whether they may do anything at all.
    pub is_active: bool,
    /// Their role.
    pub user_role: Role,
    /// How often everything that was issued to them was revoked.
    pub revocations: i64,
}

impl Standing {
    /// Whether the user is active and has this role.
    #[must_use]
    pub fn is_active_in(&self, role: &str) -> bool {
        self.is_active && self.user_role == *role
    }
}

impl Cacheable for Standing {
    fn owner(&self) -> UserId {
        self.user_id
    }

    fn heap_bytes(&self) -> usize {
        self.user_role.as_str().len()
    }
}

/// What the user of this number is.
///
/// # Errors
///
/// A failing database.
pub fn by_id(db: &Db<'_>, user_id: UserId) -> Result<Option<Arc<Standing>>, StoreError> {
    db.cached(
        RowKey::Standing(user_id),
        |_| true,
        || {
            db.one(BY_ID, params! { ":user_id": user_id }, |row| {
                Ok(Standing {
                    user_id,
                    is_active: column(row, "is_active")?,
                    user_role: column(row, "user_role")?,
                    revocations: column(row, "revocations")?,
                })
            })
        },
    )
}
