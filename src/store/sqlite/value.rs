//! Values as SQLite takes and holds them.

use crate::store::value::Value;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null | Self::Unreadable => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(number),
            Self::Real(number) => ValueRef::Real(number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A row as SQLite holds it.
pub(crate) struct SqliteRow<'r>(&'r rusqlite::Row<'r>);

impl<'r> SqliteRow<'r> {
    /// The row that was just found.
    pub(super) const fn new(row: &'r rusqlite::Row<'r>) -> Self {
        Self(row)
    }

    /// The value in a column, by its number.
    pub(crate) fn value(&self, index: usize) -> Value<'_> {
        match self.0.get_ref(index) {
            Ok(ValueRef::Null) => Value::Null,
            Ok(ValueRef::Integer(number)) => Value::Integer(number),
            Ok(ValueRef::Real(number)) => Value::Real(number),
            Ok(ValueRef::Text(text)) => std::str::from_utf8(text).map_or(Value::Unreadable, Value::Text),
            Ok(ValueRef::Blob(bytes)) => Value::Blob(bytes),
            Err(_) => Value::Unreadable,
        }
    }
}
