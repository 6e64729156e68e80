//! How much there is of what, in numbers alone.

use crate::app::Context;
use crate::shape;
use crate::store::{StoreError, statistics};

shape! {
    /// How much there is of something.
    pub struct Count {
        /// What it is; of users, their role.
        pub kind: String,
        /// The state that it is in.
        pub state: String,
        /// How many.
        pub rows: i64,
    }
}

/// Users by role and state; then sessions, API keys, codes, emails, locks and events by state. It reads the whole database.
///
/// # Errors
///
/// A failing database.
pub fn all(context: &Context<'_>) -> Result<(Vec<Count>, Vec<Count>), StoreError> {
    // Each by itself, so that neither keeps the log from shrinking for the time of both.
    let (users, others) = (context.read(statistics::users)?, context.read(statistics::others)?);
    Ok((shown(users), shown(others)))
}

fn shown(found: Vec<statistics::Count>) -> Vec<Count> {
    found.into_iter().map(|count| Count { kind: count.kind, state: count.state, rows: count.rows }).collect()
}
