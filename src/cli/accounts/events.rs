//! The event log of the local database.

use super::database::Local;
use crate::accounts::events::{self, Verified};
use crate::cli::command::CommandError;
use crate::store::events::Listed;
use crate::user_id::UserId;

impl Local {
    /// Events about an account, or all, after the one of this number.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) fn events(
        &self,
        user_id: Option<UserId>,
        after: i64,
        rows: i64,
    ) -> Result<Vec<Listed>, CommandError> {
        self.stored(events::page(&self.context(), user_id, after, rows))
    }

    /// Checks whether the log is what was written down.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn verify_events(&self) -> Result<Verified, CommandError> {
        self.stored(events::verify(&self.context()))
    }
}
