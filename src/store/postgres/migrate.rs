//! Brings a database to today's schema: the same numbered steps as SQLite's files take, all in one transaction, by one process at a
//! time.

use super::session::Session;
use crate::problem;
use crate::store::error::{OpenError, StoreError};
use crate::store::query::query;
use crate::store::sqlite::{Origin, Upgrade, newest_version};

const FILE: &str = include_str!("../../../sql/postgres/migrate.sql");
const LOCK: &str = query(FILE, "lock");
const HAS_VERSION: &str = query(FILE, "has_version");
const HAS_TABLES: &str = query(FILE, "has_tables");
const MAKE_VERSION: &str = query(FILE, "make_version");
const VERSION: &str = query(FILE, "version");
const SECONDS: &str = query(FILE, "seconds");

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// Each step, under the number of the schema that it leads to. A released step is never edited; a change is a new step, here and
/// for SQLite.
const STEPS: &[(i64, &str)] = &[(11, include_str!("../../../sql/postgres/migrations/0011_first_tables.sql"))];

/// Makes the tables, or takes the steps that are missing.
pub(super) fn migrate(session: &Session<'_>, schema: Option<&str>) -> Result<Origin, OpenError> {
    if let Some(schema) = schema {
        let made = session.text(&format!("{BEGIN}; CREATE SCHEMA IF NOT EXISTS {schema}; COMMIT"));
        // Whoever may not make one may be at home in one that is there.
        if made.is_err() {
            session.roll_back();
        }
    }
    session.text(BEGIN)?;
    let migrated = migrate_in_transaction(session);
    match &migrated {
        Ok(Origin::Made | Origin::Upgraded(_)) => session.commit()?,
        _ => session.roll_back(),
    }
    migrated
}

fn migrate_in_transaction(session: &Session<'_>) -> Result<Origin, OpenError> {
    session.text(LOCK)?;
    let before = version(session)?;
    if before.is_none() {
        if is_true(session, HAS_TABLES)? {
            return Err(OpenError::Postgres(
                "the schema holds tables, but not ours; name another by search_path. Nothing was changed"
                    .into(),
            ));
        }
        session.text(MAKE_VERSION)?;
    }
    let (from, to) = (before.unwrap_or(0), newest_version());
    if from == to {
        return Ok(Origin::Found);
    }
    check_not_newer(from)?;
    for (_, step) in STEPS.iter().filter(|(version, _)| *version > from) {
        session.text(step)?;
    }
    session.text(&format!("UPDATE authnzerver_schema SET version = {to}"))?;
    Ok(match before {
        None => Origin::Made,
        Some(from) => Origin::Upgraded(Upgrade { from, to, copy: None, older_copies: Vec::new() }),
    })
}

/// Sees that a server has made the database ready. Nothing is changed.
pub(super) fn check(session: &Session<'_>) -> Result<(), OpenError> {
    let found = version(session)?;
    check_not_newer(found.unwrap_or(0))?;
    if found == Some(newest_version()) {
        return Ok(());
    }
    let lacks = if found.is_some() { "has an older schema" } else { "is empty" };
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

fn is_true(session: &Session<'_>, question: &str) -> Result<bool, StoreError> {
    Ok(session.text(question)?.as_deref() == Some("t"))
}

/// What the database's clock says, in seconds since 1970.
pub(super) fn seconds(session: &Session<'_>) -> Result<i64, StoreError> {
    let seconds = session.text(SECONDS)?.and_then(|seconds| seconds.parse().ok());
    seconds.ok_or(StoreError::Corrupt("clock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_have_come_to_the_same_schema() {
        assert_eq!(STEPS.last().map(|(version, _)| *version), Some(newest_version()), "a step is missing");
    }
}
