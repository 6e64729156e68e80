//! A connection with its prepared statements, and what one piece of work does with it.

use super::cache::Cache;
use super::condition::Condition;
use super::value::SqliteRow;
use super::wal_index::{Indexed, WalIndex};
use crate::store::error::StoreError;
use crate::store::row::Row;
use crate::store::row_cache::{Cacheable, RowKey};
use crate::store::value::Params;
use rusqlite::{CachedStatement, Connection};
use std::cell::RefCell;
use std::ops::{ControlFlow, Deref};
use std::sync::Arc;

/// A connection, and what is known about the statements that ran on it.
pub(crate) struct Statements {
    connection: Indexed,
    /// In the order of the statements' places.
    names: RefCell<Vec<Arc<Names>>>,
}

/// The names in a statement, in the order of their numbers, so that none is asked for again.
struct Names {
    /// Where the statement's text lies in the program, and how long it is.
    place: (usize, usize),
    columns: Box<[Box<str>]>,
    parameters: Box<[Box<str>]>,
}

impl Statements {
    /// A connection on which nothing ran yet.
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection: Indexed::without(connection), names: RefCell::default() }
    }

    /// The same, and which commit it is at can be asked.
    pub(crate) fn with_wal_index(connection: Connection) -> Self {
        Self { connection: Indexed::new(connection), names: RefCell::default() }
    }

    /// Which commit it is at, if that can be told.
    pub(super) const fn wal_index(&self) -> Option<&WalIndex> {
        self.connection.index()
    }

    fn prepare(&self, text: &'static str) -> Result<(CachedStatement<'_>, Arc<Names>), StoreError> {
        let statement = self.connection.prepare_cached(text)?;
        let place = (text.as_ptr().addr(), text.len());
        let mut known = self.names.borrow_mut();
        let index = known.binary_search_by_key(&place, |names| names.place).unwrap_or_else(|index| {
            known.insert(index, names_in(&statement, place).into());
            index
        });
        let names = Arc::clone(&known[index]);
        drop(known);
        Ok((statement, names))
    }
}

impl Deref for Statements {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

fn names_in(statement: &CachedStatement<'_>, place: (usize, usize)) -> Names {
    let parameters = 1..=statement.parameter_count();
    Names {
        place,
        columns: statement.column_names().map(Box::from).collect(),
        parameters: parameters.map(|at| statement.parameter_name(at).unwrap_or_default().into()).collect(),
    }
}

impl Names {
    /// The number of a parameter, which is mostly the one after that of the parameter before.
    fn parameter(&self, name: &str, expected: usize) -> Option<usize> {
        if self.parameters.get(expected).is_some_and(|there| **there == *name) {
            return Some(expected);
        }
        self.parameters.iter().position(|there| **there == *name)
    }
}

/// A connection while a piece of work has it.
#[derive(Clone, Copy)]
pub(crate) struct Session<'c> {
    statements: &'c Statements,
    condition: &'c Condition,
    cache: Option<&'c Cache>,
}

impl<'c> Session<'c> {
    pub(crate) const fn new(statements: &'c Statements, condition: &'c Condition) -> Self {
        Self { statements, condition, cache: None }
    }

    /// The same, where rows may come from this cache.
    pub(crate) const fn with_cache(self, cache: &'c Cache) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// The connection.
    #[cfg(test)]
    pub(crate) const fn connection(self) -> &'c Statements {
        self.statements
    }

    /// As [`super::super::db::Db::cached`] says.
    pub(crate) fn cached<T: Cacheable>(
        self,
        key: RowKey,
        is_valid: impl FnOnce(&T) -> bool,
        read: impl FnOnce() -> Result<Option<T>, StoreError>,
    ) -> Result<Option<Arc<T>>, StoreError> {
        match (self.cache, self.statements.wal_index()) {
            (Some(cache), Some(index)) => cache.read(index, key, is_valid, read),
            _ => Ok(read()?.map(Arc::new)),
        }
    }

    /// Runs a statement and tells how many rows it changed.
    pub(crate) fn execute(self, statement: &'static str, params: Params<'_>) -> Result<usize, StoreError> {
        let run = || {
            let (mut statement, names) = self.statements.prepare(statement)?;
            bind(&mut statement, &names, params)?;
            Ok(statement.raw_execute()?)
        };
        self.noting(run())
    }

    /// Runs a statement and hands over each row that it finds, until told to stop.
    pub(crate) fn each(
        self,
        statement: &'static str,
        params: Params<'_>,
        take: &mut dyn FnMut(&Row<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut run = || {
            let (mut statement, names) = self.statements.prepare(statement)?;
            bind(&mut statement, &names, params)?;
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                if take(&Row::of_sqlite(&names.columns, SqliteRow::new(row)))?.is_break() {
                    break;
                }
            }
            Ok(())
        };
        self.noting(run())
    }

    fn noting<T>(self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        result.inspect_err(|error| self.condition.note(error))
    }
}

fn bind(statement: &mut CachedStatement<'_>, names: &Names, params: Params<'_>) -> Result<(), StoreError> {
    for (expected, (name, value)) in params.iter().enumerate() {
        let at = names.parameter(name, expected);
        let at = at.ok_or_else(|| rusqlite::Error::InvalidParameterName((*name).to_owned()))?;
        statement.raw_bind_parameter(at + 1, value.to_value())?;
    }
    Ok(())
}
