//! A file at either end of a copy.

use super::backup::remove_leftovers;
use super::companions::beside;
use super::connection::connect;
use super::copying::orphans;
use super::in_use::{InUse, create_private};
use super::look::{Found, IS_EMPTY, Kind as Holds, MADE_BY_PYTHON, look};
use super::migrate;
use super::schema::differences;
use super::value::SqliteRow;
use crate::files::{give_to, owner_of, sync_directory_of};
use crate::problem;
use crate::problem::Problem;
use crate::store::copy_end::{End, FROM, Kind, SEEDED, TABLES, TO, Table, Take, Work, read_row, write_row};
use crate::store::error::{OpenError, StoreError};
use crate::store::query::query;
use rusqlite::{Connection, OpenFlags, named_params, params_from_iter};
use std::path::Path;

const FILE: &str = include_str!("../../../sql/sqlite/copy.sql");
const COLUMNS: &str = query(FILE, "columns");
const GIVEN: &str = query(FILE, "given");
const FORGET_GIVEN: &str = query(FILE, "forget_given");
const SET_GIVEN: &str = query(FILE, "set_given");

/// For a file that is worth nothing until it is whole.
const FAST: &str = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; \
                    PRAGMA cache_size = -65536; BEGIN";

/// What stands at the end of the name of a copy that is not whole yet.
const UNFINISHED_SUFFIX: &str = ".copying";

/// What the tables of both engines consist of: what this program makes in an empty file.
pub(crate) fn tables() -> Result<Vec<Table>, StoreError> {
    let made = Connection::open_in_memory()?;
    migrate::migrate_from(&made, 0)?;
    let mut columns_of = made.prepare(COLUMNS)?;
    let mut of = |name| {
        let (mut columns, mut kinds) = (String::new(), Vec::new());
        let mut rows = columns_of.query(named_params! { ":table": name })?;
        while let Some(row) = rows.next()? {
            let (column, kind): (String, String) = (row.get("name")?, row.get("type")?);
            columns.push_str(if kinds.is_empty() { "\"" } else { ", \"" });
            columns.push_str(&column);
            columns.push('"');
            kinds.push(match kind.as_str() {
                "INTEGER" => Kind::Integer,
                "TEXT" => Kind::Text,
                _ => Kind::Blob,
            });
        }
        Ok(Table { name, columns, kinds })
    };
    TABLES.into_iter().map(&mut of).collect()
}

struct File(Connection);

impl End for File {
    fn rows(&mut self, table: &Table, take: &mut Take<'_>) -> Result<(), StoreError> {
        let mut statement = self.0.prepare(&table.select())?;
        let mut rows = statement.query([])?;
        let mut bytes = Vec::new();
        while let Some(row) = rows.next()? {
            let row = SqliteRow::new(row);
            write_row(&mut bytes, (0..table.kinds.len()).map(|column| row.value(column)))?;
            take(&bytes)?;
        }
        Ok(())
    }

    fn insert(&mut self, table: &Table, row: &[u8]) -> Result<(), StoreError> {
        let values = read_row(row, &table.kinds)?;
        let places = vec!["?"; values.len()].join(", ");
        let statement = format!("INSERT INTO {} ({}) VALUES ({places})", table.name, table.columns);
        self.0.prepare_cached(&statement)?.execute(params_from_iter(values))?;
        Ok(())
    }

    fn finish(&mut self, _: &Table) -> Result<(), StoreError> {
        Ok(())
    }

    fn highest(&mut self, table: &str, column: &str) -> Result<i64, StoreError> {
        let there = format!("SELECT coalesce(max({column}), 0) FROM {table}");
        let there: i64 = self.0.query_row(&there, [], |row| row.get(0))?;
        let given: i64 = self.0.query_row(GIVEN, named_params! { ":table": table }, |row| row.get(0))?;
        Ok(there.max(given))
    }

    fn set_highest(&mut self, table: &str, _: &str, number: i64) -> Result<(), StoreError> {
        self.0.execute(FORGET_GIVEN, named_params! { ":table": table })?;
        self.0.execute(SET_GIVEN, named_params! { ":table": table, ":number": number })?;
        Ok(())
    }

    fn settle(&mut self) -> Result<(), StoreError> {
        self.0.execute_batch("COMMIT")?;
        if !orphans(&self.0)?.is_empty() {
            return Err(StoreError::ForeignKey);
        }
        let verdict: String = self.0.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if verdict == "ok" { Ok(()) } else { Err(StoreError::Damaged(verdict)) }
    }
}

/// Has `work` read a file that a server has made ready and that nobody uses.
pub(crate) fn read(path: &Path, work: &mut Work<'_>) -> Result<(), Problem> {
    let failed = |error: OpenError| problem!("{}: {}", FROM, error.about(path));
    let open = || -> Result<(InUse, Connection), OpenError> {
        let alone = InUse::alone(path)?;
        let Found { connection, kind, .. } = look(path)?;
        let lacks = match kind {
            Holds::Ours(version) if version == migrate::newest_version() => {
                // What this program does not make would be left out.
                return match differences(&connection, version)?.into_iter().next() {
                    None => Ok((alone, connection)),
                    Some(difference) => Err(OpenError::OtherSchema(path.to_owned(), difference)),
                };
            }
            Holds::Ours(_) => "has an older schema",
            Holds::Python => MADE_BY_PYTHON,
            Holds::Empty | Holds::Unknown => IS_EMPTY,
        };
        Err(OpenError::NotPrepared(path.to_owned(), lacks))
    };
    // A file that is not there gets no lock beside it.
    if !path.exists() {
        return Err(failed(OpenError::Missing(path.to_owned())));
    }
    let (_alone, connection) = open().map_err(failed)?;
    connection.execute_batch("BEGIN").map_err(|error| failed(error.into()))?;
    work(&mut File(connection))
}

/// Has `work` fill a file, which gets its name when it is whole and on the disk.
pub(crate) fn write(path: &Path, work: &mut Work<'_>) -> Result<(), Problem> {
    let failed = |error: OpenError| problem!("{}: {}", TO, error.about(path));
    if std::fs::metadata(path).is_ok_and(|file| file.len() > 0) || path.is_dir() {
        return Err(problem!("{}: {} is there already; name a file that is not", TO, path.display()));
    }
    let _alone = InUse::alone(path).map_err(failed)?;
    let unfinished = beside(path, UNFINISHED_SUFFIX);
    // A killed copy may have left one.
    remove_leftovers(&unfinished);
    let done = fill(path, &unfinished, work);
    remove_leftovers(&unfinished);
    done
}

fn fill(path: &Path, unfinished: &Path, work: &mut Work<'_>) -> Result<(), Problem> {
    let failed = |error: OpenError| problem!("{}: {}", TO, error.about(path));
    let refuse = |error| failed(OpenError::File(path.to_owned(), error));
    let stored = |error: rusqlite::Error| failed(error.into());
    let file = create_private(unfinished).map_err(refuse)?;
    give_to(&file, owner_of(path)).map_err(refuse)?;
    let connection = connect(unfinished, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    connection.execute_batch(FAST).map_err(stored)?;
    migrate::migrate_from(&connection, 0).map_err(|error| failed(error.into()))?;
    connection.execute_batch(SEEDED).map_err(stored)?;
    work(&mut File(connection))?;
    file.sync_all()
        .and_then(|()| std::fs::rename(unfinished, path))
        .and_then(|()| sync_directory_of(path))
        .map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_table_is_left_out() {
        let made = Connection::open_in_memory().expect("opens");
        migrate::migrate_from(&made, 0).expect("makes the tables");
        let mut there = super::super::tables::tables(&made).expect("reads");
        there.retain(|table| !table.starts_with("sqlite_"));
        let mut copied = TABLES.map(str::to_owned);
        copied.sort();
        assert_eq!(there, copied);
        assert!(tables().expect("are known").iter().all(|table| !table.kinds.is_empty()));
    }
}
