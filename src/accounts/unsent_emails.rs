//! What an operator can do about emails that were not sent. A running server sends what is due within half a minute.

use super::sessions::{PAGE_ROWS_MAX, is_full_page};
use crate::app::Context;
use crate::clock::Timestamp;
use crate::policy::email::EmailAddress;
use crate::shape;
use crate::store::StoreError;
use crate::store::unsent_emails::{self, UnsentEmail};
use crate::user_id::UserId;

/// The state of an email that was given up on.
const DEAD: &str = "dead";

shape! {
    /// An email that was not sent.
    pub struct QueuedEmail {
        /// Its number.
        number: i64,
        /// Who gets it.
        user_id: UserId,
        /// The address that it would go to now.
        email: EmailAddress,
        /// What it is sent for.
        purpose: String,
        /// `waiting`, `sending`, or `dead`: given up on.
        state: String,
        /// How often it was tried in vain.
        tries: u64,
        /// When it was asked for.
        created: Timestamp,
        /// When it is tried again; null if it was given up on.
        next_try: Option<Timestamp>,
    }
}

/// Emails that wait, are being sent, or were given up on, in the order in which they were asked for: those after the one of
/// this number. The second is the number to go on from, if there may be more.
///
/// # Errors
///
/// A failing database.
pub(crate) fn page(context: &Context<'_>, after: i64) -> Result<(Vec<QueuedEmail>, Option<i64>), StoreError> {
    let listed = context.read(|db| unsent_emails::list(db, after, PAGE_ROWS_MAX))?;
    let next = listed.last().map(|last| last.email_id).filter(|_| is_full_page(listed.len()));
    Ok((listed.into_iter().map(shown).collect(), next))
}

fn shown(email: UnsentEmail) -> QueuedEmail {
    QueuedEmail {
        number: email.email_id,
        user_id: email.user_id,
        email: email.email,
        purpose: email.purpose,
        next_try: Some(email.next_try).filter(|_| email.state != DEAD),
        state: email.state,
        tries: email.tries.into(),
        created: email.created,
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
