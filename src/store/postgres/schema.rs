//! The tables of today's schema, and the steps that lead to them.

use super::session::Session;
use crate::store::error::StoreError;
use crate::store::query::query;
use crate::store::sqlite::newest_version;

const FILE: &str = include_str!("../../../sql/postgres/migrate.sql");
const MAKE_VERSION: &str = query(FILE, "make_version");

/// Each step, under the number of the schema that it leads to. A released step is never edited; a change is a new step, here and
/// for SQLite.
const STEPS: &[(i64, &str)] = &[
    (11, include_str!("../../../sql/postgres/migrations/0011_first_tables.sql")),
    (12, include_str!("../../../sql/postgres/migrations/0012_sessions_by_start.sql")),
    (13, include_str!("../../../sql/postgres/migrations/0013_sessions_in_order.sql")),
];

/// Makes all tables in an empty schema.
pub(super) fn make_tables(session: &Session<'_>) -> Result<(), StoreError> {
    session.text(MAKE_VERSION)?;
    take_steps(session, 0)
}

/// Takes the steps that are missing after this version.
pub(super) fn take_steps(session: &Session<'_>, from: i64) -> Result<(), StoreError> {
    for (_, step) in STEPS.iter().filter(|(version, _)| *version > from) {
        session.text(step)?;
    }
    session.text(&format!("UPDATE authnzerver_schema SET version = {}", newest_version())).map(drop)
}

/// Whether the server says yes.
pub(super) fn is_true(session: &Session<'_>, question: &str) -> Result<bool, StoreError> {
    Ok(session.text(question)?.as_deref() == Some("t"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_have_come_to_the_same_schema() {
        assert_eq!(STEPS.last().map(|(version, _)| *version), Some(newest_version()), "a step is missing");
    }
}
