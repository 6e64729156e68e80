//! Emails that were not sent, and how much there is of what, in the local database.

use super::database::Local;
use crate::accounts::unsent_emails;
use crate::cli::command::CommandError;
use crate::store::statistics::{self, Count};
use crate::store::unsent_emails::UnsentEmail;

impl Local {
    /// All emails that wait, are being sent, or were given up on.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) fn unsent_emails(&self) -> Result<Vec<UnsentEmail>, CommandError> {
        self.stored(unsent_emails::list(&self.context()))
    }

    /// Has an email tried again, or all; tells how many.
    ///
    /// # Errors
    /// There is none of that number that could be.
    pub(crate) fn retry_emails(&self, email_id: Option<i64>) -> Result<usize, CommandError> {
        let count = self.stored(unsent_emails::retry(&self.context(), email_id))?;
        match email_id.filter(|_| count == 0) {
            Some(email_id) => Err(none(email_id)),
            None => Ok(count),
        }
    }

    /// Takes an email out of the queue.
    ///
    /// # Errors
    /// There is none of that number that could be.
    pub(crate) fn drop_email(&self, email_id: i64) -> Result<(), CommandError> {
        let is_dropped = self.stored(unsent_emails::drop(&self.context(), email_id))?;
        if is_dropped { Ok(()) } else { Err(none(email_id)) }
    }

    /// Users by role and state, and everything else by kind and state.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) fn statistics(&self) -> Result<(Vec<Count>, Vec<Count>), CommandError> {
        Ok((self.read(statistics::users)?, self.read(statistics::others)?))
    }
}

fn none(email_id: i64) -> CommandError {
    CommandError::refused(format!("no email {email_id} waits or was given up on"))
}
