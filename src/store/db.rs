//! What statements run on.

use super::error::StoreError;
use super::postgres::session::Session as Postgres;
use super::row::Row;
use super::row_cache::{Cacheable, RowKey};
use super::sqlite::session::Session as Sqlite;
use super::value::Params;
use crate::clock::Timestamp;
use crate::rng::Rng;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;

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
    Postgres(&'c Postgres<'c>),
}

/// A [`Db`] that may write, inside a transaction.
pub struct Tx<'c> {
    db: Db<'c>,
    rng: &'c dyn Rng,
}

impl<'c> std::ops::Deref for Tx<'c> {
    type Target = Db<'c>;

    fn deref(&self) -> &Db<'c> {
        &self.db
    }
}

impl<'c> Tx<'c> {
    pub(super) const fn new(engine: Engine<'c>, now: Timestamp, rng: &'c dyn Rng) -> Self {
        Self { db: Db { is_transaction: true, ..Db::new(engine, now) }, rng }
    }

    /// Random bytes.
    pub(super) fn random<const BYTES: usize>(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        self.rng.fill(&mut bytes);
        bytes
    }

    /// Whether a statement failed because of the database, rather than because of what it was to do.
    pub(super) fn saw_outage(&self) -> bool {
        self.db.outage.get()
    }

    /// Whether a statement failed, so that nothing of the transaction may stay.
    pub(super) fn has_failed(&self) -> bool {
        self.db.has_failed.get()
    }

    /// Runs a statement and tells how many rows it changed.
    pub(super) fn execute(&self, statement: &'static str, params: Params<'_>) -> Result<usize, StoreError> {
        self.db.ensure_goes_on()?;
        let changed = match self.db.engine {
            Engine::Sqlite(sqlite) => sqlite.execute(statement, params),
            Engine::Postgres(postgres) => postgres.execute(statement, params),
        };
        changed.inspect_err(|error| self.db.note(error))
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

    /// The statement of the engine that it runs on, where the two need different ones.
    pub(super) const fn either(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self.engine {
            Engine::Sqlite(_) => sqlite,
            Engine::Postgres(_) => postgres,
        }
    }

    /// Whether several write at a time, each without knowing of the others before it is committed.
    #[must_use]
    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// The connection behind it, for tests of what SQLite itself does.
    #[cfg(test)]
    pub(super) const fn sqlite(&self) -> &'c super::sqlite::session::Statements {
        let Engine::Sqlite(sqlite) = self.engine else { panic!("this test is about SQLite") };
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

    /// What `read` finds, or the same row from an earlier time, if nothing was committed since that changes it and `is_valid`
    /// says that it still counts. A transaction always reads.
    pub(super) fn cached<T: Cacheable>(
        &self,
        key: RowKey,
        is_valid: impl FnOnce(&T) -> bool,
        read: impl FnOnce() -> Result<Option<T>, StoreError>,
    ) -> Result<Option<Arc<T>>, StoreError> {
        match self.engine {
            Engine::Sqlite(sqlite) => sqlite.cached(key, is_valid, read),
            // Other processes write, and nothing here hears of it.
            Engine::Postgres(_) => Ok(read()?.map(Arc::new)),
        }
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
            Engine::Postgres(postgres) => postgres.each(statement, params, take),
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
