//! Accounts that move into the local database and out of it.

use super::database::Local;
use crate::accounts::import::{self, Arrival, Described, Found};
use crate::cli::command::CommandError;
use crate::store::user_transfer::{self, Account};
use crate::user_id::UserId;

impl Local {
    /// Looks at what is said about an account; the inner error is all that is wrong with it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(crate) fn look_at(
        &self,
        described: &Described<'_>,
    ) -> Result<Result<Found, Vec<String>>, CommandError> {
        import::look_at(&self.context(), described).map_err(|error| self.broken(&error))
    }

    /// Takes accounts over, all or nothing; tells how many.
    ///
    /// # Errors
    /// They cannot be written down.
    pub(crate) fn take_over(&self, arrivals: Vec<Arrival>) -> Result<usize, CommandError> {
        import::take_over(&self.context(), &self.performer(), arrivals).map_err(|error| self.broken(&error))
    }

    /// The next accounts after the one of this number.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) fn page(&self, after: UserId) -> Result<Vec<Account>, CommandError> {
        self.read(|db| user_transfer::page(db, after))
    }
}
