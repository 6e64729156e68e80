//! What is in the database: all of it, as text, so that two moments can be compared.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::ffi::OsString;
use std::path::Path;
use support::TestServer;

/// What a check of a password notes beside the request that it is for, in a commit of its own.
const ATTEMPTS: &[&str] = &[
    "attempts.*",
    "users.last_login_try",
    "users.failed_login_tries",
    "users.last_updated",
    "events.*",
    "event_origins.*",
    "sqlite_sequence.*",
];

/// Which part of the database is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Every column of every table.
    Everything,
    /// The same without what is noted about attempts to log in.
    WithoutAttempts,
}

impl Part {
    fn has(self, table: &str, column: &str) -> bool {
        let is = |name: &&str| **name == format!("{table}.{column}") || **name == format!("{table}.*");
        self == Self::Everything || !ATTEMPTS.iter().any(is)
    }
}

/// What the running server has.
pub fn of(server: &TestServer, part: Part) -> String {
    read(server.database(), part)
}

/// What a server would find that starts after this one was killed now: its files are copied and opened anew, so that
/// nothing counts but what stands in them.
pub fn after_a_crash(server: &TestServer, part: Part) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let with = |path: &Path, suffix: &str| {
        let mut name = OsString::from(path);
        name.push(suffix);
        name
    };
    let copy = directory.path().join("db");
    for suffix in ["", "-wal"] {
        std::fs::copy(with(server.database(), suffix), with(&copy, suffix)).expect("copies");
    }
    read(&copy, part)
}

fn read(path: &Path, part: Part) -> String {
    let connection = Connection::open(path).expect("opens");
    let tables = texts(
        &connection,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%' ORDER BY name",
    );
    tables.iter().map(|table| rows(&connection, table, part)).collect()
}

fn rows(connection: &Connection, table: &str, part: Part) -> String {
    let columns = texts(connection, &format!("SELECT name FROM pragma_table_info('{table}')"));
    let columns: Vec<_> = columns
        .iter()
        .filter(|column| part.has(table, column))
        .map(|column| format!("\"{column}\""))
        .collect();
    if columns.is_empty() {
        return String::new();
    }
    let columns_listed = columns.join(", ");
    let sql = format!("SELECT {columns_listed} FROM {table} ORDER BY {columns_listed}");
    let mut statement = connection.prepare(&sql).expect("prepares");
    let rows = statement
        .query_map([], |row| {
            let values: Vec<_> = (0..columns.len())
                .map(|at| Ok(shown(row.get_ref(at)?)))
                .collect::<Result<_, rusqlite::Error>>()?;
            Ok(format!("{table}: {}\n", values.join("|")))
        })
        .expect("runs");
    rows.map(|row| row.expect("reads")).collect()
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).expect("prepares");
    let texts = statement.query_map([], |row| row.get(0)).expect("runs");
    texts.map(|text| text.expect("reads")).collect()
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}
