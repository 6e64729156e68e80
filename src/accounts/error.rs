//! Why an operation was not carried out.

use crate::guard::password::HasherBusy;
use crate::outcome::Error;
use crate::store::StoreError;
use crate::wait::keyed_mutex::LockError;

/// An operation says no for a reason `R` of its own, or something broke. What was begun is undone.
pub enum OperationError<R> {
    /// The operation says no.
    Refused(R),
    /// The server could not find out, or could not do it: never a verdict.
    Broken(Error),
}

impl<R> OperationError<R> {
    /// The same for a caller who has words of their own for each refusal.
    pub fn map_refusal<F: From<Error>>(self, told: impl FnOnce(R) -> F) -> F {
        match self {
            Self::Refused(refused) => told(refused),
            Self::Broken(error) => error.into(),
        }
    }
}

macro_rules! broken_by {
    ($($cause:ty),+) => {$(
        impl<R> From<$cause> for OperationError<R> {
            fn from(cause: $cause) -> Self {
                Self::Broken(cause.into())
            }
        }
    )+};
}
broken_by!(Error, StoreError, HasherBusy, LockError);
