//! Brings a database to today's schema: the same numbered steps as SQLite's files take, all in one transaction, by one process at a
//! time.

use super::adopt::adopt;
use super::schema::{is_true, make_tables, take_steps};
use super::session::Session;
use crate::problem;
use crate::store::error::{OpenError, StoreError};
use crate::store::query::query;
use crate::store::sqlite::{Origin, Upgrade, newest_version};
use std::time::Duration;

const FILE: &str = include_str!("../../../sql/postgres/migrate.sql");
const LOCK: &str = query(FILE, "lock");
const HAS_VERSION: &str = query(FILE, "has_version");
const HAS_TABLES: &str = query(FILE, "has_tables");
const VERSION: &str = query(FILE, "version");
const SECONDS: &str = query(FILE, "seconds");
const IN_USE: &str = query(FILE, "in_use");

/// How long an answer may take where much is asked for.
pub(super) const PATIENT: Option<Duration> = Some(Duration::from_secs(600));

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// Makes the tables, or takes the steps that are missing.
pub(super) fn migrate(session: &Session<'_>, schema: Option<&str>) -> Result<Origin, OpenError> {
    if let Some(schema) = schema {
        let made = session.text(&format!("{BEGIN}; CREATE SCHEMA IF NOT EXISTS \"{schema}\"; COMMIT"));
        // Whoever may not make one may be at home in one that is there.
        if made.is_err() {
            session.roll_back();
        }
        // Until now there may have been nothing to be in use.
        session.text(IN_USE)?;
    }
    let usual = limit(session, PATIENT)?;
    session.text(BEGIN)?;
    let migrated = migrate_in_transaction(session);
    let ended = match &migrated {
        Ok(Origin::Found) | Err(_) => {
            session.roll_back();
            Ok(())
        }
        Ok(_) => session.commit(),
    };
    // One that was lost and made anew has that limit already.
    let _ = limit(session, usual);
    ended?;
    migrated
}

/// Has each answer take so long at most from now on; how long it was before.
pub(super) fn limit(session: &Session<'_>, limit: Option<Duration>) -> Result<Option<Duration>, StoreError> {
    session.on_connection(|connection| Ok(connection.limit(limit)))
}

fn migrate_in_transaction(session: &Session<'_>) -> Result<Origin, OpenError> {
    session.text(LOCK)?;
    let Some(from) = version(session)? else {
        if !is_true(session, HAS_TABLES)? {
            make_tables(session)?;
            return Ok(Origin::Made);
        }
        let Some(copy) = adopt(session)? else {
            return Err(OpenError::Postgres(
                "the schema holds tables, but not ours; name another by search_path. Nothing was changed"
                    .into(),
            ));
        };
        return Ok(Origin::Adopted { copy, mode_tightened: false });
    };
    let to = newest_version();
    if from == to {
        return Ok(Origin::Found);
    }
    check_not_newer(from)?;
    take_steps(session, from)?;
    Ok(Origin::Upgraded(Upgrade { from, to, copy: None, older_copies: Vec::new() }))
}

/// Makes a schema with all tables; the caller has begun a transaction. It must not be there, or be empty.
pub(super) fn make(session: &Session<'_>, schema: Option<&str>) -> Result<(), OpenError> {
    if let Some(schema) = schema
        && !is_true(session, &format!("SELECT to_regnamespace('\"{schema}\"') IS NOT NULL"))?
    {
        session.text(&format!("CREATE SCHEMA \"{schema}\""))?;
    }
    session.text(LOCK)?;
    if is_true(session, HAS_TABLES)? {
        return Err(OpenError::Postgres(
            "the schema holds tables already; name one by search_path that is empty, or not there yet".into(),
        ));
    }
    Ok(make_tables(session)?)
}

/// Sees that a server has made the database ready. Nothing is changed.
pub(super) fn check(session: &Session<'_>) -> Result<(), OpenError> {
    let found = version(session)?;
    check_not_newer(found.unwrap_or(0))?;
    if found == Some(newest_version()) {
        return Ok(());
    }
    let lacks = if found.is_some() { "has an older schema" } else { "has none of our tables" };
    Err(OpenError::Postgres(problem!("the database {}; start this version's server on it first", lacks)))
}

fn check_not_newer(version: i64) -> Result<(), OpenError> {
    if version <= newest_version() {
        return Ok(());
    }
    Err(OpenError::Postgres(
        "a newer authnzerver has changed the database; start that one. Nothing was changed".into(),
    ))
}

fn version(session: &Session<'_>) -> Result<Option<i64>, StoreError> {
    if !is_true(session, HAS_VERSION)? {
        return Ok(None);
    }
    let version = session.text(VERSION)?.and_then(|version| version.parse().ok());
    version.map(Some).ok_or(StoreError::Corrupt("schema's number"))
}

/// What the database's clock says, in seconds since 1970.
pub(super) fn seconds(session: &Session<'_>) -> Result<i64, StoreError> {
    let seconds = session.text(SECONDS)?.and_then(|seconds| seconds.parse().ok());
    seconds.ok_or(StoreError::Corrupt("clock"))
}
