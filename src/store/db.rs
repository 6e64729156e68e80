//! What statements run on, and how their rows are read.

use super::error::StoreError;
use super::sqlite::condition::Condition;
use crate::clock::Timestamp;
use crate::json::JsonText;
use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row};
use std::cell::Cell;

/// What statements run on: a connection and the time at which the work began.
pub struct Db<'c> {
    pub(super) connection: &'c Connection,
    condition: &'c Condition,
    now: Timestamp,
    outage: Cell<bool>,
}

/// A [`Db`] that may write, inside a transaction.
pub struct Tx<'c>(Db<'c>);

impl<'c> std::ops::Deref for Tx<'c> {
    type Target = Db<'c>;

    fn deref(&self) -> &Db<'c> {
        &self.0
    }
}

impl<'c> Tx<'c> {
    pub(super) fn new(connection: &'c Connection, condition: &'c Condition, now: Timestamp) -> Self {
        Self(Db::new(connection, condition, now))
    }

    /// Whether a statement failed because of the database, rather than because of what it was to do.
    pub(super) fn saw_outage(&self) -> bool {
        self.0.outage.get()
    }

    pub(super) fn connection(&self) -> &'c Connection {
        self.0.connection
    }

    /// Runs a statement and tells how many rows it changed.
    pub(super) fn execute(&self, statement: &str, params: impl Params) -> Result<usize, StoreError> {
        self.0.noting(|| Ok(self.0.connection.prepare_cached(statement)?.execute(params)?))
    }
}

impl<'c> Db<'c> {
    pub(super) const fn new(connection: &'c Connection, condition: &'c Condition, now: Timestamp) -> Self {
        Self { connection, condition, now, outage: Cell::new(false) }
    }

    /// The time at which this piece of work began.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn one<T>(
        &self,
        statement: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.noting(|| {
            let mut statement = self.connection.prepare_cached(statement)?;
            let mut rows = statement.query(params)?;
            rows.next()?.map(read).transpose()
        })
    }

    pub(super) fn all<T>(
        &self,
        statement: &str,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.noting(|| {
            let mut statement = self.connection.prepare_cached(statement)?;
            let mut rows = statement.query(params)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(read(row)?);
            }
            Ok(found)
        })
    }

    /// Remembers whether the database itself failed. Every statement runs in here.
    fn noting<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        work().inspect_err(|error| {
            self.condition.note(error);
            self.outage.set(self.outage.get() || error.is_outage());
        })
    }
}

/// A column of a row, by name.
pub(super) fn column<T: FromSql>(row: &Row<'_>, name: &str) -> Result<T, StoreError> {
    Ok(row.get(name)?)
}

/// A column that holds a time.
pub(super) fn moment(row: &Row<'_>, name: &str) -> Result<Timestamp, StoreError> {
    timestamp_or_null(row, name)?.ok_or(StoreError::Corrupt("time"))
}

pub(super) fn timestamp_or_null(row: &Row<'_>, name: &str) -> Result<Option<Timestamp>, StoreError> {
    let text = row.get_ref(name)?.as_str_or_null().map_err(|_| StoreError::Corrupt("time"))?;
    text.map(|text| Timestamp::parse(text).ok_or(StoreError::Corrupt("time"))).transpose()
}

/// A column that holds JSON text, which is not looked into here: a reader is in use, and the text may be long.
pub(super) fn json_or_null(row: &Row<'_>, name: &str) -> Result<Option<JsonText>, StoreError> {
    let text: Option<String> = row.get(name)?;
    Ok(text.map(JsonText::new))
}
