//! Many users, a slice at a time. No statement here looks at more rows than a slice has, so that none of them keeps the
//! log from shrinking, and whoever reads can stop after each.

use super::db::Db;
use super::error::StoreError;
use super::query::query;
use super::row::column;
use super::users::{self, User};
use super::value::{Params, params};
use crate::policy::email::EmailAddress;
use crate::user_id::UserId;
use std::borrow::Cow;

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

/// A value that a column is compared with, as the column's type has it: the text '1' equals the number 1 in a column of whole
/// numbers, and the number 1 the text '1' in one of texts.
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

impl ColumnValue {
    /// What it is in a column of whole numbers.
    fn number(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Real(number) => whole(*number),
            Self::Text(text) => {
                let text = text.trim_ascii();
                text.parse().ok().or_else(|| text.parse().ok().and_then(whole))
            }
            Self::Email(_) => None,
        }
    }

    /// What it is in a column of texts.
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => text.into(),
            Self::Email(address) => address.as_str().into(),
            Self::Integer(number) => number.to_string().into(),
            Self::Real(number) => format!("{number:?}").into(),
        }
    }
}

/// A number that is a whole one.
#[expect(clippy::cast_possible_truncation, reason = "nothing is cut off")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9.2e18).then_some(number as i64)
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
    let (number, text) = (value.number(), value.text());
    let by_number: Params<'_> = params! { ":number": number, ":after": after, ":rows": SLICE_USERS };
    let by_text: Params<'_> = params! { ":text": text, ":after": after, ":rows": SLICE_USERS };
    let (indexed, params) = match by {
        "user_id" => (BY_USER_ID, by_number),
        "system_id" => (BY_SYSTEM_ID, by_text),
        "email" => (BY_EMAIL, by_text),
        "user_role" => (BY_USER_ROLE, by_text),
        _ => return compared(db, by, value, after),
    };
    let found: Vec<UserId> = db.all(indexed, params, |row| column(row, "user_id"))?;
    Ok(Slice { users: of_these(db, &found)?, next: found.last().copied() })
}

/// Those of the next rows whose column, which has no index, equals the value.
fn compared(db: &Db<'_>, by: &str, value: &ColumnValue, after: UserId) -> Result<Slice, StoreError> {
    let params = params! { ":after": after, ":rows": SLICE_ROWS };
    let end = db.one(SLICE_END, params, |row| column::<Option<UserId>>(row, "user_id"))?.flatten();
    let Some(until) = end else { return Ok(Slice { users: Vec::new(), next: None }) };
    let params = params! {
        ":by": by, ":number": value.number(), ":text": value.text(), ":after": after, ":until": until,
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_the_column_has_it_as() {
        let text = |text: &str| ColumnValue::Text(text.to_owned());
        for (value, number, as_text) in [
            (text("1"), Some(1), "1"),
            (text(" 1.0 "), Some(1), " 1.0 "),
            (text("1.5"), None, "1.5"),
            (text("nan"), None, "nan"),
            (text("1e300"), None, "1e300"),
            (text("9223372036854775808"), None, "9223372036854775808"),
            (text(""), None, ""),
            (ColumnValue::Integer(i64::MIN), Some(i64::MIN), "-9223372036854775808"),
            (ColumnValue::Real(2.0), Some(2), "2.0"),
            (ColumnValue::Real(2.5), None, "2.5"),
            (ColumnValue::Real(f64::INFINITY), None, "inf"),
        ] {
            assert_eq!((value.number(), &*value.text()), (number, as_text));
        }
    }
}
