//! Takes over a database that the Python authnzerver made: one way, in one transaction, after copying it.
//! Users, passwords, live sessions and API keys go on working; tokens are stored hashed from then on.

use super::open::OpenError;
use super::query::query;
use super::{StoreError, migrate};
use crate::clock::{Clock, Moment};
use crate::guard::token::StoredToken;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Error as SqliteError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const FILE: &str = include_str!("../../sql/adopt.sql");
const SET_ASIDE: &str = query(FILE, "set_aside");
const COPY: &str = query(FILE, "copy");
const DROP_ORIGINALS: &str = query(FILE, "drop_originals");

/// The tables of the Python authnzerver. The last one came late and may be missing.
const TABLES: [&str; 8] =
    ["roles", "users", "sessions", "apikeys", "groups", "user_groups", "preferences", "apikeys_nosession"];
/// Columns of `users` that no other program is likely to have together.
const TELLING_COLUMNS: [&str; 4] =
    ["system_id", "emailverify_sent_datetime", "emailforgotpass_sent_datetime", "failed_login_tries"];

/// Whether tables of these names are those of the Python authnzerver.
pub(super) fn recognises(connection: &Connection, tables: &[String]) -> Result<bool, StoreError> {
    let known = tables.iter().all(|table| TABLES.contains(&table.as_str()));
    let complete = TABLES[..7].iter().all(|wanted| tables.iter().any(|table| table == wanted));
    if !known || !complete {
        return Ok(false);
    }
    let columns = connection
        .prepare("SELECT name FROM pragma_table_info('users')")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    Ok(TELLING_COLUMNS.iter().all(|wanted| columns.iter().any(|column| column == wanted)))
}

/// Copies the file beside itself, then makes it ours. Returns the copy's path.
pub(super) fn adopt(connection: &Connection, path: &Path, clock: &dyn Clock) -> Result<PathBuf, OpenError> {
    let failed = |error: String| OpenError::Adoption(path.to_owned(), error);
    // Foreign keys cannot be switched inside a transaction; they are checked as a whole before the commit.
    // What is deleted is overwritten, since the tokens that stood there in clear must not stay in free pages.
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
    transaction.execute_batch(SET_ASIDE)?;
    migrate::climb(&transaction, 0)?;
    transaction.execute_batch(COPY).map_err(|error| failed(error.to_string()))?;
    transaction.execute_batch(DROP_ORIGINALS)?;
    let orphan: Option<String> =
        transaction.query_row("PRAGMA foreign_key_check", [], |row| row.get(0)).map_or_else(
            |error| if error == SqliteError::QueryReturnedNoRows { Ok(None) } else { Err(error) },
            |table| Ok(Some(table)),
        )?;
    if let Some(table) = orphan {
        return Err(failed(format!("a row of its table {table} refers to one that is not there")));
    }
    transaction.commit()?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| OpenError::File(path.to_owned(), error))?;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(copy)
}

fn define_functions(connection: &Connection) -> Result<(), OpenError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("token_hash", 1, flags, |context| {
        let token: String = context.get(0)?;
        Ok(StoredToken::of(&token).as_bytes().to_vec())
    })?;
    connection.create_scalar_function("stored_time", 1, flags, |context| {
        let Some(text) = context.get::<Option<String>>(0)? else { return Ok(None) };
        match Moment::parse(&text) {
            Some(moment) => Ok(Some(moment.stored())),
            None => Err(SqliteError::UserFunctionError("it holds an unreadable time".into())),
        }
    })?;
    Ok(())
}

/// A consistent copy, log included, that only the owner may read. An earlier copy is never overwritten.
fn copy_beside(path: &Path, now: Moment) -> Result<PathBuf, String> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".python-{}", now.unix_seconds()));
    let copy = path.with_file_name(name);
    let describe = |error: std::io::Error| format!("cannot make the copy {}: {error}", copy.display());
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy).map_err(describe)?;
    let backup = || -> rusqlite::Result<()> {
        let source = Connection::open(path)?;
        source.backup("main", &copy, None::<fn(rusqlite::backup::Progress)>)
    };
    if let Err(error) = backup() {
        // A half-made copy would only mislead.
        let _ = std::fs::remove_file(&copy);
        return Err(format!("cannot make the copy {}: {error}", copy.display()));
    }
    std::fs::File::open(&copy).and_then(|file| file.sync_all()).map_err(describe)?;
    Ok(copy)
}
