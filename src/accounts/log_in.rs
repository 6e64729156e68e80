//! A whole login: the password is tested, the old session ends, and the user's own begins.

use super::authenticate::{Authentication, Identifier, log_in_anew};
use super::error::OperationError;
use super::sessions::{MayNotStart, Start, Started, prepare};
use crate::app::Context;
use crate::guard::secret::Password;
use crate::guard::token::StoredToken;
use crate::policy::email::EmailAddress;

/// Logs somebody in and starts their session. One that they come with ends, whatever comes of it. Failed attempts are
/// refused for a while instead of held.
///
/// # Errors
///
/// [`MayNotStart`], before the password is looked at; too many passwords waiting; a failing database.
pub fn log_in(
    context: &mut Context<'_>,
    email: EmailAddress,
    password: &Password,
    ends: Option<StoredToken>,
    asked: Start,
) -> Result<(Authentication, Started), OperationError<MayNotStart>> {
    context.refuse_instead_of_holding();
    let (started, session) = prepare(context, asked).map_err(OperationError::Refused)?;
    let authentication = log_in_anew(context, &Identifier::Email(email), password, ends, session)?;
    Ok((authentication, started))
}
