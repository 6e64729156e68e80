//! How much there is of what.

use super::db::Db;
use super::error::StoreError;
use super::query::query;
use super::row::column;
use super::value::params;

const FILE: &str = include_str!("../../sql/statistics.sql");
const USERS: &str = query(FILE, "users");
const OTHERS: &str = query(FILE, "others");

const UNSENT_EMAILS: &str = query(FILE, "unsent_emails");

/// So many rows are of this kind and in this state.
pub struct Count {
    /// What they are; of users, their role.
    pub kind: String,
    /// The state that they are in.
    pub state: String,
    /// How many.
    pub rows: i64,
}

/// Users by role and state.
///
/// # Errors
///
/// A failing database.
pub fn users(db: &Db<'_>) -> Result<Vec<Count>, StoreError> {
    db.all(USERS, &[], |row| {
        Ok(Count {
            kind: column(row, "user_role")?,
            state: column(row, "state")?,
            rows: column(row, "rows")?,
        })
    })
}

/// Sessions, API keys, codes, emails, locks and events by state.
///
/// # Errors
///
/// A failing database.
pub fn others(db: &Db<'_>) -> Result<Vec<Count>, StoreError> {
    let mut counts: Vec<Count> = Vec::new();
    for found in db.all(OTHERS, params! { ":now": db.now().stored() }, |row| {
        Ok(Count { kind: column(row, "kind")?, state: column(row, "state")?, rows: column(row, "rows")? })
    })? {
        // Several tables have API keys that expired.
        match counts.iter_mut().find(|count| (&count.kind, &count.state) == (&found.kind, &found.state)) {
            Some(count) => count.rows += found.rows,
            None => counts.push(found),
        }
    }
    Ok(counts)
}

/// Emails that are yet to be sent, and those that were given up on.
///
/// # Errors
///
/// A failing database.
pub fn unsent_emails(db: &Db<'_>) -> Result<(i64, i64), StoreError> {
    let found = db.one(UNSENT_EMAILS, &[], |row| Ok((column(row, "waiting")?, column(row, "dead")?)))?;
    Ok(found.unwrap_or_default())
}
