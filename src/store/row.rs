//! A row that a statement found, and how its columns are read: by name.

use super::error::StoreError;
use super::postgres::value::PostgresRow;
use super::sqlite::value::SqliteRow;
use super::value::{FromValue, Value};
use crate::clock::Timestamp;
use crate::json::JsonText;
use std::cell::Cell;

/// A row, valid until the next one is asked for.
pub(super) struct Row<'r> {
    columns: &'r [Box<str>],
    values: Values<'r>,
    /// The column after the one that was read last: who reads a row mostly goes through it from left to right.
    next: Cell<usize>,
}

/// A row as its engine holds it.
enum Values<'r> {
    Sqlite(SqliteRow<'r>),
    Postgres(PostgresRow<'r>),
}

impl<'r> Row<'r> {
    /// A row of SQLite's, with the names of its columns.
    pub(super) const fn of_sqlite(columns: &'r [Box<str>], row: SqliteRow<'r>) -> Self {
        Self { columns, values: Values::Sqlite(row), next: Cell::new(0) }
    }

    /// A row of PostgreSQL's, with the names of its columns.
    pub(super) const fn of_postgres(columns: &'r [Box<str>], row: PostgresRow<'r>) -> Self {
        Self { columns, values: Values::Postgres(row), next: Cell::new(0) }
    }

    fn value(&self, index: usize) -> Value<'_> {
        match &self.values {
            Values::Sqlite(row) => row.value(index),
            Values::Postgres(row) => row.value(index),
        }
    }

    /// The value in the column of this name.
    fn named(&self, name: &'static str) -> Result<Value<'_>, StoreError> {
        let next = self.next.get();
        let is_it = |column: &str| column == name;
        let index = match self.columns.get(next) {
            Some(column) if is_it(column) => next,
            _ => {
                let found = self.columns.iter().position(|column| is_it(column));
                found.ok_or(StoreError::Corrupt(name))?
            }
        };
        self.next.set(index + 1);
        Ok(self.value(index))
    }
}

/// A column of a row, by name.
pub(super) fn column<T: FromValue>(row: &Row<'_>, name: &'static str) -> Result<T, StoreError> {
    T::from_value(row.named(name)?).ok_or(StoreError::Corrupt(name))
}

/// The only column of a row.
pub(super) fn only<T: FromValue>(row: &Row<'_>) -> Result<T, StoreError> {
    T::from_value(row.value(0)).ok_or(StoreError::Corrupt("value"))
}

/// A column that holds a text, as it lies there.
pub(super) fn text<'r>(row: &'r Row<'_>, name: &'static str) -> Result<&'r str, StoreError> {
    text_or_null(row, name)?.ok_or(StoreError::Corrupt(name))
}

fn text_or_null<'r>(row: &'r Row<'_>, name: &'static str) -> Result<Option<&'r str>, StoreError> {
    match row.named(name)? {
        Value::Text(text) => Ok(Some(text)),
        Value::Null => Ok(None),
        _ => Err(StoreError::Corrupt(name)),
    }
}

/// A column that holds a time.
pub(super) fn moment(row: &Row<'_>, name: &'static str) -> Result<Timestamp, StoreError> {
    timestamp_or_null(row, name)?.ok_or(StoreError::Corrupt("time"))
}

pub(super) fn timestamp_or_null(row: &Row<'_>, name: &'static str) -> Result<Option<Timestamp>, StoreError> {
    let text = text_or_null(row, name).map_err(|_| StoreError::Corrupt("time"))?;
    text.map(|text| Timestamp::parse(text).ok_or(StoreError::Corrupt("time"))).transpose()
}

/// A column that holds JSON text, which is not looked into here: a reader is in use, and the text may be long.
pub(super) fn json_or_null(row: &Row<'_>, name: &'static str) -> Result<Option<JsonText>, StoreError> {
    Ok(column::<Option<String>>(row, name)?.map(JsonText::new))
}
