//! What an operator can do about emails that were not sent. A running server sends what is due within half a minute.

use crate::app::Context;
use crate::store::StoreError;
use crate::store::unsent_emails::{self, UnsentEmail};

/// Emails that one page has.
const PAGE_ROWS_MAX: i64 = 500;

/// All emails that wait, are being sent, or were given up on, in the order in which they were asked for.
///
/// # Errors
///
/// A failing database.
pub(crate) fn list(context: &Context<'_>) -> Result<Vec<UnsentEmail>, StoreError> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = context.read(|db| unsent_emails::list(db, after, PAGE_ROWS_MAX))?;
        let Some(last) = page.last() else { return Ok(all) };
        after = last.email_id;
        all.extend(page);
    }
}

/// Has an email tried again now, with all its tries before it, or all of them; tells how many.
///
/// # Errors
///
/// A failing database.
pub(crate) fn retry(context: &Context<'_>, email_id: Option<i64>) -> Result<usize, StoreError> {
    context.write(move |tx| unsent_emails::retry(tx, email_id))
}

/// Takes an email out of the queue; whether there was one that waits or was given up on.
///
/// # Errors
///
/// A failing database.
pub(crate) fn drop(context: &Context<'_>, email_id: i64) -> Result<bool, StoreError> {
    context.write(move |tx| unsent_emails::drop(tx, email_id))
}
