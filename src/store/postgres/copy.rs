//! A PostgreSQL at either end of a copy.

use super::engine::Postgres;
use super::migrate;
use super::pool::Pool;
use super::schema::is_true;
use super::session::{Kind, Session};
use super::target::Target;
use crate::problem;
use crate::problem::Problem;
use crate::store::changes::Changes;
use crate::store::copy_end::{End, FROM, Parts, SEEDED, TO, Table, Take, Work};
use crate::store::error::{OpenError, StoreError};
use crate::store::query::query;
use std::sync::Arc;

const FILE: &str = include_str!("../../../sql/postgres/copy.sql");
const READ: &str = query(FILE, "read");
const WRITE: &str = query(FILE, "write");
const ALONE: &str = query(FILE, "alone");
const QUEUED: &str = query(FILE, "queued");

/// Bytes of rows that are sent at a time.
const CHUNK_BYTES: usize = 1024 * 1024;

struct Copy<'s> {
    session: &'s Session<'s>,
    /// Rows that were not sent yet.
    rows: Vec<u8>,
}

impl Copy<'_> {
    fn number(&self, question: &str) -> Result<i64, StoreError> {
        let number = self.session.text(question)?.and_then(|number| number.parse().ok());
        number.ok_or(StoreError::Corrupt("number"))
    }
}

impl End for Copy<'_> {
    fn rows(&mut self, table: &Table, take: &mut Take<'_>) -> Result<(), StoreError> {
        let mut refused = Ok(());
        let read = self.session.on_connection(|connection| {
            connection.stream(&table.select(), &mut |row| {
                refused = take(row);
                refused.is_ok()
            })
        });
        refused.and(read)
    }

    fn insert(&mut self, table: &Table, row: &[u8]) -> Result<(), StoreError> {
        self.rows.extend(row);
        if self.rows.len() >= CHUNK_BYTES { self.finish(table) } else { Ok(()) }
    }

    fn finish(&mut self, table: &Table) -> Result<(), StoreError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let statement = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", table.name, table.columns);
        let sent = self.session.on_connection(|connection| connection.send_rows(&statement, &self.rows));
        self.rows.clear();
        sent
    }

    fn highest(&mut self, table: &str, column: &str) -> Result<i64, StoreError> {
        let question = if table == "events" {
            "SELECT seq FROM events_highest".to_owned()
        } else {
            format!(
                "SELECT greatest(pg_sequence_last_value(pg_get_serial_sequence('{table}', '{column}')::regclass), \
                 max({column}), 0) FROM {table}"
            )
        };
        self.number(&question)
    }

    fn set_highest(&mut self, table: &str, column: &str, number: i64) -> Result<(), StoreError> {
        let statement = if table == "events" {
            format!("UPDATE events_highest SET seq = {number}")
        } else {
            format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), greatest({number}, 1), {number} > 0)"
            )
        };
        self.session.text(&statement).map(drop)
    }

    fn settle(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Has `work` read a database that a server has made ready and that nobody uses.
pub(crate) fn read(target: &Target, (clock, rng): Parts<'_>, work: &mut Work<'_>) -> Result<(), Problem> {
    let failed = |error: OpenError| problem!("{}: {}", FROM, error);
    let parts = (Arc::clone(clock), Arc::clone(rng));
    let opened = Postgres::open_prepared(target, parts, &Arc::<Changes>::default()).map_err(failed)?;
    // Events that wait for their numbers get them first.
    opened.number_events().map_err(|error| failed(error.into()))?;
    let begin = |session: &Session<'_>| {
        session.text(READ)?;
        ensure_alone(session)?;
        migrate::check(session)?;
        if is_true(session, QUEUED)? {
            return Err(OpenError::Postgres(
                "events wait for a transaction that goes on for long on this server; end it, and copy again"
                    .into(),
            ));
        }
        Ok(())
    };
    with(&opened.pool, FROM, &begin, work, &|session| {
        session.roll_back();
        Ok(())
    })
}

/// Has `work` fill a schema that is empty or not there. What it makes is there all at once, or not at all.
pub(crate) fn write(target: &Target, (clock, rng): Parts<'_>, work: &mut Work<'_>) -> Result<(), Problem> {
    let pool = Pool::new(target.clone(), Arc::clone(clock), Arc::clone(rng));
    let pool = pool.map_err(|error| problem!("{}: {}", TO, error))?;
    let begin = |session: &Session<'_>| {
        session.text(WRITE)?;
        migrate::make(session, target.schema.as_deref())?;
        session.text(SEEDED)?;
        ensure_alone(session)
    };
    with(&pool, TO, &begin, work, &|session| Ok(session.commit()?))
}

fn ensure_alone(session: &Session<'_>) -> Result<(), OpenError> {
    if is_true(session, ALONE)? {
        return Ok(());
    }
    Err(OpenError::Postgres("a server or a command is using this database; stop it first".into()))
}

fn with(
    pool: &Pool,
    end: &'static str,
    begin: &dyn Fn(&Session<'_>) -> Result<(), OpenError>,
    work: &mut Work<'_>,
    finish: &dyn Fn(&Session<'_>) -> Result<(), OpenError>,
) -> Result<(), Problem> {
    let failed = |error: OpenError| problem!("{}: {}", end, error);
    // A session of this kind begins nothing by itself.
    let session = Session::new(pool, Kind::Read);
    migrate::limit(&session, migrate::PATIENT).map_err(|error| failed(error.into()))?;
    begin(&session).map_err(failed)?;
    work(&mut Copy { session: &session, rows: Vec::new() })?;
    finish(&session).map_err(failed)
}
