//! What one piece of work does with a connection: it reads, each statement by itself, or it writes in a transaction.

use super::connection::{Answer, Connection, End, Prepared};
use super::error::PostgresError;
use super::message;
use super::pool::{Lent, Pool};
use super::value::PostgresRow;
use crate::store::error::StoreError;
use crate::store::row::Row;
use crate::store::value::Params;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What a transaction begins with. Reading and writing behave as if transactions ran one after another, or one of them fails and
/// is run again: as with the one writer of SQLite.
const BEGIN: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE";
/// For work that keeps its order by a lock of its own.
const BEGIN_LOCKED: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL synchronous_commit = off";

/// What a piece of work is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Statements that read, each by itself.
    Read,
    /// A transaction that reads and writes.
    Write,
    /// A transaction under a lock of its own, whose loss at a crash of the server loses nothing.
    Locked,
}

/// Why a transaction came to nothing without being at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Undone {
    /// Another one came in between.
    Conflict,
    /// The connection was lost.
    Lost,
}

/// A piece of work and its connection.
pub(crate) struct Session<'p> {
    pool: &'p Pool,
    kind: Kind,
    connection: Cell<Option<Lent>>,
    has_begun: Cell<bool>,
    has_changed: Cell<bool>,
    undone: Cell<Option<Undone>>,
}

impl<'p> Session<'p> {
    /// Takes no connection before the first statement.
    pub(super) const fn new(pool: &'p Pool, kind: Kind) -> Self {
        Self {
            pool,
            kind,
            connection: Cell::new(None),
            has_begun: Cell::new(false),
            has_changed: Cell::new(false),
            undone: Cell::new(None),
        }
    }

    /// Why the transaction came to nothing, if it is to be run again.
    pub(super) const fn undone(&self) -> Option<Undone> {
        self.undone.get()
    }

    /// Whether it has changed a row: a commit of nothing proves nothing.
    pub(super) const fn has_changed(&self) -> bool {
        self.has_changed.get()
    }

    /// Runs a statement and tells how many rows it changed.
    pub(crate) fn execute(&self, statement: &'static str, params: Params<'_>) -> Result<usize, StoreError> {
        let (connection, _, answer) = self.run(statement, params)?;
        self.connection.set(Some(connection));
        self.has_changed.set(self.has_changed.get() || answer.changed > 0);
        Ok(answer.changed)
    }

    /// Runs a statement and hands over each row that it finds, until told to stop.
    pub(crate) fn each(
        &self,
        statement: &'static str,
        params: Params<'_>,
        take: &mut dyn FnMut(&Row<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let (connection, prepared, answer) = self.run(statement, params)?;
        let columns = &prepared.columns;
        let mut taken = Ok(());
        let mut values = Vec::with_capacity(columns.names.len());
        for row in connection.rows(&answer) {
            if message::row(row, columns.names.len(), &mut values).is_err() {
                // Whatever comes next over this connection may belong to something else.
                return Err(self.lost(message::Malformed.into()).into());
            }
            let row = PostgresRow { values: &values, types: &columns.types };
            match take(&Row::of_postgres(&columns.names, row)) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(error) => {
                    taken = Err(error);
                    break;
                }
            }
        }
        drop(values);
        self.connection.set(Some(connection));
        taken
    }

    /// Runs a statement. One that reads by itself is run once more if the connection was lost since it was last used.
    fn run(
        &self,
        statement: &'static str,
        params: Params<'_>,
    ) -> Result<(Lent, Arc<Prepared>, Answer), StoreError> {
        let begin = match self.kind {
            Kind::Read => None,
            Kind::Write => Some(BEGIN),
            Kind::Locked => Some(BEGIN_LOCKED),
        };
        let mut may_try_again = self.kind == Kind::Read;
        loop {
            let (mut connection, was_used) = match self.connection.take() {
                Some(connection) => (connection, true),
                None if self.has_begun.get() => return Err(StoreError::Aborted),
                None => self.pool.lend()?,
            };
            let begin = begin.filter(|_| !self.has_begun.replace(true));
            match connection.run(begin, statement, params) {
                Ok((prepared, answer)) => return Ok((connection, prepared, answer)),
                Err(error) if error.is_lost() => {
                    drop(connection);
                    let error = self.lost(error);
                    if !(may_try_again && was_used) {
                        return Err(error.into());
                    }
                    may_try_again = false;
                }
                Err(error) => {
                    self.connection.set(Some(connection));
                    if error.is_conflict() {
                        self.undone.set(Some(Undone::Conflict));
                    }
                    return Err(error.into());
                }
            }
        }
    }

    /// The connection is of no more use, for this reason.
    fn lost(&self, error: PostgresError) -> PostgresError {
        self.pool.forget_idle();
        self.has_begun.set(self.kind != Kind::Read);
        self.undone.set(Some(Undone::Lost));
        error
    }

    /// Ends the transaction so that it stays. An error other than [`StoreError::Unknown`] says that nothing did.
    pub(super) fn commit(&self) -> Result<(), StoreError> {
        let Some(mut connection) = self.connection.take() else {
            return if self.has_begun.get() { Err(StoreError::Aborted) } else { Ok(()) };
        };
        match connection.simple("COMMIT") {
            Ok(answer) => {
                self.connection.set(Some(connection));
                match answer.end {
                    End::Commit => Ok(()),
                    End::Rollback => Err(StoreError::Aborted),
                    _ => Err(StoreError::Unknown),
                }
            }
            Err(error) if error.is_conflict() => {
                self.connection.set(Some(connection));
                self.undone.set(Some(Undone::Conflict));
                Err(error.into())
            }
            // It was sent, and nobody knows whether it arrived; or, as a server without its standby says, whether it will last.
            Err(error) if error.is_lost() => {
                drop(connection);
                self.pool.forget_idle();
                Err(StoreError::Unknown)
            }
            Err(error) => {
                self.connection.set(Some(connection));
                Err(error.into())
            }
        }
    }

    /// Ends the transaction so that nothing of it stays.
    pub(super) fn roll_back(&self) {
        if let Some(mut connection) = self.connection.take() {
            match connection.simple("ROLLBACK") {
                Ok(_) => self.connection.set(Some(connection)),
                Err(_) => drop(connection),
            }
        }
    }

    /// Runs statements without parameters, of which the first row's only value is returned as a text.
    pub(super) fn text(&self, statements: &str) -> Result<Option<String>, StoreError> {
        self.on_connection(|connection| {
            let answer = connection.simple(statements)?;
            Ok(connection.text(&answer)?.map(str::to_owned))
        })
    }

    /// Works on the connection itself.
    pub(super) fn on_connection<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, PostgresError>,
    ) -> Result<T, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.pool.lend()?.0,
        };
        let done = work(&mut connection);
        match &done {
            Err(error) if error.is_lost() => {
                drop(connection);
                self.pool.forget_idle();
            }
            _ => self.connection.set(Some(connection)),
        }
        done.map_err(StoreError::from)
    }
}

impl Drop for Session<'_> {
    /// A connection goes back unless something is left open on it, as after a panic: then it is closed, and the server undoes it.
    /// Nothing is waited for.
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && connection.status == b'I'
        {
            self.pool.take_back(connection);
        }
    }
}
