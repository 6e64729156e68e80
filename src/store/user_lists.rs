//! Many users, a slice at a time. No statement here looks at more rows than a slice has, so that none of them keeps the
//! log from shrinking, and whoever reads can stop after each.

use super::db::Db;
use super::error::StoreError;
use super::query::query;
use super::row::column;
use super::users::{self, User};
use super::value::{ToValue, params};
use crate::policy::email::EmailAddress;
use crate::user_id::UserId;

const FILE: &str = include_str!("../../sql/user_lists.sql");
const BY_USER_ID: &str = query(FILE, "by_user_id");
const BY_SYSTEM_ID: &str = query(FILE, "by_system_id");
const BY_EMAIL: &str = query(FILE, "by_email");
const BY_USER_ROLE: &str = query(FILE, "by_user_role");
const SLICE_END: &str = query(FILE, "slice_end");
const IN_SLICE: &str = query(FILE, "in_slice");

/// Users that are read in one slice.
pub const SLICE_USERS: i64 = 500;
/// Users that are compared in one slice, most of which will not be read.
const SLICE_ROWS: i64 = 2_000;

/// A value that a column is compared with.
pub enum ColumnValue {
    /// A text.
    Text(String),
    /// An address.
    Email(EmailAddress),
    /// A whole number; 1 and 0 for true and false.
    Integer(i64),
    /// Any other number.
    Real(f64),
}

/// Which users are wanted.
pub enum Wanted {
    /// All of them.
    All,
    /// Those whose column of this name equals a value. A column that does not exist equals nothing.
    Column(String, ColumnValue),
}

impl Wanted {
    /// Whether at most one user can be meant, who is found by an index.
    #[must_use]
    pub fn is_one_at_most(&self) -> bool {
        matches!(self, Self::Column(by, _) if ["user_id", "system_id", "email"].contains(&by.as_str()))
    }
}

/// Some users, in the order of their numbers.
pub struct Slice {
    /// The users.
    pub users: Vec<User>,
    /// The number after which the next slice begins; nothing when there is none.
    pub next: Option<UserId>,
}

/// The next users after the number `after`.
///
/// # Errors
///
/// A failing database.
pub fn slice(db: &Db<'_>, wanted: &Wanted, after: UserId) -> Result<Slice, StoreError> {
    let (by, value) = match wanted {
        Wanted::All => {
            let users = users::list(db, after, SLICE_USERS)?;
            let next = users.last().map(|user| user.user_id);
            return Ok(Slice { users, next });
        }
        Wanted::Column(by, value) => (by.as_str(), value),
    };
    let value: &dyn ToValue = match value {
        ColumnValue::Text(text) => text,
        ColumnValue::Email(address) => address,
        ColumnValue::Integer(number) => number,
        ColumnValue::Real(number) => number,
    };
    let indexed = match by {
        "user_id" => BY_USER_ID,
        "system_id" => BY_SYSTEM_ID,
        "email" => BY_EMAIL,
        "user_role" => BY_USER_ROLE,
        _ => return compared(db, by, value, after),
    };
    let params = params! { ":value": value, ":after": after, ":rows": SLICE_USERS };
    let found: Vec<UserId> = db.all(indexed, params, |row| column(row, "user_id"))?;
    Ok(Slice { users: of_these(db, &found)?, next: found.last().copied() })
}

/// Those of the next rows whose column, which has no index, equals the value.
fn compared(db: &Db<'_>, by: &str, value: &dyn ToValue, after: UserId) -> Result<Slice, StoreError> {
    let params = params! { ":after": after, ":rows": SLICE_ROWS };
    let end = db.one(SLICE_END, params, |row| column::<Option<UserId>>(row, "user_id"))?.flatten();
    let Some(until) = end else { return Ok(Slice { users: Vec::new(), next: None }) };
    let params = params! { ":by": by, ":value": value, ":after": after, ":until": until };
    let found: Vec<UserId> = db.all(IN_SLICE, params, |row| column(row, "user_id"))?;
    Ok(Slice { users: of_these(db, &found)?, next: Some(until) })
}

fn of_these(db: &Db<'_>, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
    let mut users = Vec::with_capacity(ids.len());
    for id in ids {
        // Nobody is missing but who was deleted just now.
        users.extend(users::by_id(db, *id)?);
    }
    Ok(users)
}
