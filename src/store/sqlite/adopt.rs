//! Takes over a database that the Python authnzerver made: one way, in one transaction, after copying it.
//! Users, passwords, live sessions and API keys go on working; tokens are stored hashed from then on.

use super::companions::beside;
use super::copying::orphans;
use super::error::SqliteError;
use super::migrate;
use crate::clock::{Clock, Timestamp};
use crate::guard::token::StoredToken;
use crate::problem;
use crate::problem::{Problem, operator_name};
use crate::store::error::{OpenError, StoreError};
use crate::store::query::query;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const FILE: &str = include_str!("../../../sql/sqlite/adopt.sql");
const SET_ASIDE: &str = query(FILE, "set_aside");
const COPY: &str = query(FILE, "copy");
const DROP_ORIGINALS: &str = query(FILE, "drop_originals");
const ADD_USERS_EXTRA_INFO: &str = query(FILE, "add_users_extra_info");
const ADD_GROUPS_EXTRA_INFO: &str = query(FILE, "add_groups_extra_info");
const ADD_GROUPS_SYSTEM_ID: &str = query(FILE, "add_groups_system_id");
const ADD_GROUPS_GROUP_ROLE: &str = query(FILE, "add_groups_group_role");

/// The tables that every version of the Python authnzerver makes.
const TABLES: [&str; 6] = ["roles", "users", "sessions", "apikeys", "groups", "preferences"];
/// The tables that came later.
const LATER_TABLES: [&str; 2] = ["user_groups", "apikeys_nosession"];
/// The columns that came later, and how a database is given one that lacks it.
const LATER_COLUMNS: [(&str, &str, &str); 4] = [
    ("users", "extra_info", ADD_USERS_EXTRA_INFO),
    ("groups", "extra_info", ADD_GROUPS_EXTRA_INFO),
    ("groups", "system_id", ADD_GROUPS_SYSTEM_ID),
    ("groups", "group_role", ADD_GROUPS_GROUP_ROLE),
];
/// Columns of `users` that no other program is likely to have together.
const TELLING_COLUMNS: [&str; 4] =
    ["system_id", "emailverify_sent_datetime", "emailforgotpass_sent_datetime", "failed_login_tries"];

/// Whether tables of these names are those of the Python authnzerver.
pub(super) fn recognises(connection: &Connection, tables: &[String]) -> Result<bool, StoreError> {
    let known = tables.iter().all(|table| TABLES.iter().chain(&LATER_TABLES).any(|name| name == table));
    let complete = TABLES.iter().all(|wanted| tables.iter().any(|table| table == wanted));
    if !known || !complete {
        return Ok(false);
    }
    let columns = columns(connection, "users")?;
    Ok(TELLING_COLUMNS.iter().all(|wanted| columns.iter().any(|column| column == wanted)))
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let columns = statement.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(columns)
}

/// Copies the file beside itself, then makes it ours. Returns the copy's path.
pub(super) fn adopt(connection: &Connection, path: &Path, clock: &dyn Clock) -> Result<PathBuf, OpenError> {
    let failed = |error: Problem| OpenError::Adoption(path.to_owned(), error);
    // Foreign keys cannot be switched inside a transaction; they are checked as a whole before the commit.
    // What is deleted is overwritten, since the tokens that stood there in plaintext must not stay in free pages.
    connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA secure_delete = ON;")?;
    define_functions(connection)?;
    let transaction = connection.unchecked_transaction()?;
    // Writing first keeps every other writer out until the copy is made and the change is committed.
    transaction
        .execute_batch("CREATE TABLE adoption_under_way (x); DROP TABLE adoption_under_way;")
        .map_err(|error| match StoreError::from(error) {
            StoreError::Busy => OpenError::InUse(path.to_owned()),
            other => other.into(),
        })?;
    let copy = copy_beside(path, clock.now()).map_err(&failed)?;
    if let Err(error) = take_over(&transaction, path).and_then(|()| Ok(transaction.commit()?)) {
        // Nothing was changed, so the copy is of no use; without this, each further try would leave another one.
        let _ = std::fs::remove_file(&copy);
        return Err(error);
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| OpenError::File(path.to_owned(), error))?;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(copy)
}

/// Moves everything into our tables. The caller commits, or forgets it all.
fn take_over(transaction: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error: Problem| OpenError::Adoption(path.to_owned(), error);
    for (table, column, statement) in LATER_COLUMNS {
        if !columns(transaction, table)?.iter().any(|name| name == column) {
            transaction.execute_batch(statement)?;
        }
    }
    transaction.execute_batch(SET_ASIDE)?;
    migrate::migrate_from(transaction, 0)?;
    transaction.execute_batch(COPY).map_err(|error| failed(Problem::of(&SqliteError(error))))?;
    transaction.execute_batch(DROP_ORIGINALS)?;
    match orphans(transaction)?.into_keys().next() {
        Some((table, _)) => Err(failed(problem!(
            "a row of its table {} refers to one that is not there",
            operator_name(&table)
        ))),
        None => Ok(()),
    }
}

fn define_functions(connection: &Connection) -> Result<(), OpenError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("token_hash", 1, flags, |context| {
        let token: String = context.get(0)?;
        Ok(StoredToken::of(&token).as_bytes().to_vec())
    })?;
    connection.create_scalar_function("stored_time", 1, flags, |context| {
        let Some(text) = context.get::<Option<String>>(0)? else { return Ok(None) };
        match Timestamp::parse(&text) {
            Some(moment) => Ok(Some(moment.stored())),
            None => Err(rusqlite::Error::UserFunctionError("it holds an unreadable time".into())),
        }
    })?;
    Ok(())
}

/// A consistent copy, log included, that only the owner may read. An earlier copy is never overwritten.
fn copy_beside(path: &Path, now: Timestamp) -> Result<PathBuf, Problem> {
    let copy = beside(path, &format!(".python-{}", now.unix_seconds()));
    // Under this name, so that a start that is killed while it copies leaves one file and not one each time.
    let unfinished = beside(path, ".python-unfinished");
    let describe = |error: std::io::Error| problem!("cannot make the copy {}: {}", copy.display(), error);
    if copy.exists() {
        return Err(describe(std::io::ErrorKind::AlreadyExists.into()));
    }
    let _ = std::fs::remove_file(&unfinished);
    let make = || -> Result<(), Problem> {
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(describe)?;
        Connection::open(path)
            .and_then(|source| source.backup("main", &unfinished, None::<fn(rusqlite::backup::Progress)>))
            .map_err(|error| problem!("cannot make the copy {}: {}", copy.display(), SqliteError(error)))?;
        std::fs::File::open(&unfinished).and_then(|file| file.sync_all()).map_err(describe)?;
        std::fs::rename(&unfinished, &copy).map_err(describe)
    };
    make().inspect_err(|_| {
        // A half-made copy would only mislead.
        let _ = std::fs::remove_file(&unfinished);
    })?;
    Ok(copy)
}
