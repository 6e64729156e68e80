//! Whether a password is good enough, for everyone who sets one.

use crate::app::Call;
use crate::guard::secret::Secret;
use crate::outcome::Failure;
use crate::policy::passwords::{Context, truncated};
use std::borrow::Cow;

/// Judges a password by the operator's rules; returns a message for every rule that it breaks.
///
/// # Errors
///
/// When too much is waiting.
pub fn judge(
    call: &Call<'_>,
    password: &Secret<String>,
    email: &str,
    full_names: &[&str],
) -> Result<Vec<Cow<'static, str>>, Failure> {
    let config = call.config();
    let context = Context { server_name: &call.app().server_name, email, full_names };
    let broken = config.password_policy.judge(truncated(password.expose()), &context);
    Ok(broken.iter().map(|rule| Cow::Owned(rule.message())).collect())
}
