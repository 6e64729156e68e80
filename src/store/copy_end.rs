//! What the two ends of a copy have in common: which tables there are, and how a row travels. That is as PostgreSQL sends it: a
//! number of values, and for each its length and its bytes.

use super::error::StoreError;
use super::value::Value;
use crate::clock::Clock;
use crate::problem::Problem;
use crate::rng::Rng;
use std::sync::Arc;

/// Every table that both engines have. Each refers to none that comes after it.
pub(super) const TABLES: [&str; 20] = [
    "roles",
    "users",
    "sessions",
    "apikeys",
    "apikeys_nosession",
    "role_history",
    "locks",
    "attempts",
    "groups",
    "user_groups",
    "preferences",
    "server_state",
    "contested_addresses",
    "codes",
    "email_queue",
    "events",
    "event_origins",
    "events_removed",
    "scoped_keys",
    "message_keys",
];
/// Takes away what a new database holds before anything is copied into it.
pub(super) const SEEDED: &str = "DELETE FROM events_removed";
/// What the two ends are called.
pub(super) const FROM: &str = "FROM";
pub(super) const TO: &str = "TO";

/// A length that stands for null.
const NULL: i32 = -1;

/// A table of both engines.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The names of its columns, quoted and with commas between.
    pub(super) columns: String,
    /// What each of them holds.
    pub(super) kinds: Vec<Kind>,
}

impl Table {
    /// A statement that finds all rows.
    pub(super) fn select(&self) -> String {
        format!("SELECT {} FROM {}", self.columns, self.name)
    }
}

/// What a column holds, if not null.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Integer,
    Text,
    Blob,
}

/// What takes a row.
pub(super) type Take<'t> = dyn FnMut(&[u8]) -> Result<(), StoreError> + 't;

/// A database at either end of a copy.
pub(super) trait End {
    /// Hands over each row of a table.
    fn rows(&mut self, table: &Table, take: &mut Take<'_>) -> Result<(), StoreError>;
    /// Takes a row.
    fn insert(&mut self, table: &Table, row: &[u8]) -> Result<(), StoreError>;
    /// Puts away what it has taken of this table.
    fn finish(&mut self, table: &Table) -> Result<(), StoreError>;
    /// The highest number that a row of a table ever had.
    fn highest(&mut self, table: &str, column: &str) -> Result<i64, StoreError>;
    /// Sees to it that no number up to this one is given again.
    fn set_highest(&mut self, table: &str, column: &str, number: i64) -> Result<(), StoreError>;
    /// Ends the taking, so that what is read from now on is what will be there.
    fn settle(&mut self) -> Result<(), StoreError>;
}

/// Work with one end of a copy.
pub(super) type Work<'w> = dyn FnMut(&mut dyn End) -> Result<(), Problem> + 'w;

/// What tells the time and makes connections.
pub(super) type Parts<'p> = (&'p Arc<dyn Clock>, &'p Arc<dyn Rng>);

/// Writes a row; the values are those of the columns.
pub(super) fn write_row<'v>(
    row: &mut Vec<u8>,
    values: impl ExactSizeIterator<Item = Value<'v>>,
) -> Result<(), StoreError> {
    row.clear();
    row.extend(u16::try_from(values.len()).unwrap_or(u16::MAX).to_be_bytes());
    for value in values {
        let number;
        let bytes = match value {
            Value::Null => None,
            Value::Integer(integer) => {
                number = integer.to_be_bytes();
                Some(&number[..])
            }
            Value::Text(text) => Some(text.as_bytes()),
            Value::Blob(bytes) => Some(bytes),
            Value::Real(_) | Value::Unreadable => return Err(StoreError::Corrupt("value")),
        };
        let length = bytes.map_or(Ok(NULL), |bytes| i32::try_from(bytes.len()));
        row.extend(length.map_err(|_| StoreError::Corrupt("value"))?.to_be_bytes());
        row.extend(bytes.unwrap_or_default());
    }
    Ok(())
}

/// The values of a row.
pub(super) fn read_row<'r>(row: &'r [u8], kinds: &[Kind]) -> Result<Vec<Value<'r>>, StoreError> {
    read_values(row, kinds).ok_or(StoreError::Corrupt("row"))
}

fn read_values<'r>(row: &'r [u8], kinds: &[Kind]) -> Option<Vec<Value<'r>>> {
    let (count, mut rest) = row.split_first_chunk()?;
    if usize::from(u16::from_be_bytes(*count)) != kinds.len() {
        return None;
    }
    let mut values = Vec::with_capacity(kinds.len());
    for kind in kinds {
        let (length, after) = rest.split_first_chunk()?;
        rest = after;
        let length = i32::from_be_bytes(*length);
        if length == NULL {
            values.push(Value::Null);
            continue;
        }
        let (bytes, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        rest = after;
        values.push(match kind {
            Kind::Integer => Value::Integer(i64::from_be_bytes(bytes.try_into().ok()?)),
            Kind::Text => Value::Text(std::str::from_utf8(bytes).ok()?),
            Kind::Blob => Value::Blob(bytes),
        });
    }
    rest.is_empty().then_some(values)
}
