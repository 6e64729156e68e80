//! Brings a database to today's schema, one numbered step after the other, all in one transaction.

use crate::store::error::StoreError;
use rusqlite::Connection;

/// Stands in the file's header (`AtzR`), so that our files can be told from others.
pub const APPLICATION_ID: i64 = 0x4174_7a52;

/// Every step, in order. A released step is never edited; a change is a new step.
const STEPS: &[&str] = &[
    include_str!("../../../sql/migrations/0001_first_tables.sql"),
    include_str!("../../../sql/migrations/0002_known_networks.sql"),
    include_str!("../../../sql/migrations/0003_revocations.sql"),
    include_str!("../../../sql/migrations/0004_unproven_addresses.sql"),
    include_str!("../../../sql/migrations/0005_codes_and_emails.sql"),
    include_str!("../../../sql/migrations/0006_events.sql"),
    include_str!("../../../sql/migrations/0007_scoped_keys.sql"),
    include_str!("../../../sql/migrations/0008_email_changes_and_login_links.sql"),
    include_str!("../../../sql/migrations/0009_email_language.sql"),
    include_str!("../../../sql/migrations/0010_event_origins_in_the_chain.sql"),
    include_str!("../../../sql/migrations/0011_message_keys_and_login_history.sql"),
    include_str!("../../../sql/migrations/0012_sessions_by_start.sql"),
    include_str!("../../../sql/migrations/0013_sessions_in_order.sql"),
];

/// The schema that this program works with: the number of steps taken.
#[must_use]
pub const fn newest_version() -> i64 {
    #[expect(
        clippy::cast_possible_wrap,
        reason = "nobody writes that many steps, and `try_from` is not const"
    )]
    let steps = STEPS.len() as i64;
    steps
}

/// Makes the schema of this version in an empty database.
pub(super) fn migrate_to(connection: &Connection, version: i64) -> Result<(), StoreError> {
    for step in STEPS.iter().take(steps(version)) {
        connection.execute_batch(step)?;
    }
    Ok(())
}

fn steps(version: i64) -> usize {
    usize::try_from(version).unwrap_or(usize::MAX)
}

/// Takes the steps that are missing after `version`. The caller has begun a transaction.
///
/// # Errors
///
/// A failing database; the caller rolls back.
pub fn migrate_from(connection: &Connection, version: i64) -> Result<(), StoreError> {
    for step in STEPS.iter().skip(steps(version)) {
        connection.execute_batch(step)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", newest_version())?;
    Ok(())
}
