//! What statements run on.

use super::error::StoreError;
use super::row::Row;
use super::sqlite::session::Session as Sqlite;
use super::value::Params;
use crate::clock::Timestamp;
use std::cell::Cell;
use std::ops::ControlFlow;

/// What statements run on: an engine's connection and the time at which the work began.
pub struct Db<'c> {
    engine: Engine<'c>,
    now: Timestamp,
    outage: Cell<bool>,
    /// Whether it is a transaction, which a statement that fails ends.
    is_transaction: bool,
    has_failed: Cell<bool>,
}

/// The connection of an engine.
#[derive(Clone, Copy)]
pub(super) enum Engine<'c> {
    Sqlite(Sqlite<'c>),
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
    pub(super) const fn new(engine: Engine<'c>, now: Timestamp) -> Self {
        Self(Db { is_transaction: true, ..Db::new(engine, now) })
    }

    /// Whether a statement failed because of the database, rather than because of what it was to do.
    pub(super) fn saw_outage(&self) -> bool {
        self.0.outage.get()
    }

    /// Whether a statement failed, so that nothing of the transaction may stay.
    pub(super) fn has_failed(&self) -> bool {
        self.0.has_failed.get()
    }

    /// Runs a statement and tells how many rows it changed.
    pub(super) fn execute(&self, statement: &'static str, params: Params<'_>) -> Result<usize, StoreError> {
        self.0.ensure_goes_on()?;
        let changed = match self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.execute(statement, params),
        };
        changed.inspect_err(|error| self.0.note(error))
    }
}

impl<'c> Db<'c> {
    pub(super) const fn new(engine: Engine<'c>, now: Timestamp) -> Self {
        Self { engine, now, outage: Cell::new(false), is_transaction: false, has_failed: Cell::new(false) }
    }

    /// The time at which this piece of work began.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The connection behind it, for tests of what SQLite itself does.
    #[cfg(test)]
    pub(super) const fn sqlite(&self) -> &'c super::sqlite::session::Statements {
        let Engine::Sqlite(sqlite) = self.engine;
        sqlite.connection()
    }

    /// Runs a statement and reads the first row that it finds.
    pub(super) fn one<T>(
        &self,
        statement: &'static str,
        params: Params<'_>,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut found = None;
        self.each(statement, params, &mut |row| {
            found = Some(read(row)?);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// Runs a statement and reads all rows that it finds.
    pub(super) fn all<T>(
        &self,
        statement: &'static str,
        params: Params<'_>,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.each(statement, params, &mut |row| {
            found.push(read(row)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    fn each(
        &self,
        statement: &'static str,
        params: Params<'_>,
        take: &mut dyn FnMut(&Row<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        self.ensure_goes_on()?;
        let run = match self.engine {
            Engine::Sqlite(sqlite) => sqlite.each(statement, params, take),
        };
        run.inspect_err(|error| self.note(error))
    }

    /// No statement runs after one that failed: an engine may not be able to, and what is only half done must not stay.
    fn ensure_goes_on(&self) -> Result<(), StoreError> {
        if self.is_transaction && self.has_failed.get() { Err(StoreError::Aborted) } else { Ok(()) }
    }

    /// Remembers that a statement failed, and whether the database itself did. Every statement's error comes by here; a value
    /// that cannot be read is no failed statement.
    fn note(&self, error: &StoreError) {
        self.has_failed.set(self.has_failed.get() || !matches!(error, StoreError::Corrupt(_)));
        self.outage.set(self.outage.get() || error.is_outage());
    }
}
