//! Whether a password is good enough, for everyone who sets one.

use crate::app::Call;
use crate::config::check::PwnedFail;
use crate::guard::secret::Secret;
use crate::log;
use crate::outbound::pwned::{Leak, password_sha1};
use crate::outcome::{Error, Failure};
use crate::policy::passwords::{BrokenRule, Context, truncated};
use std::borrow::Cow;
use std::sync::Arc;

/// What is told when nobody could say whether a password has leaked, and the operator wants to know.
const NOT_LOOKED_UP: &str =
    "It could not be checked whether this password has leaked. Please try again later.";

/// Judges a password by the operator's rules; returns a message for every rule that it breaks. Whether it has leaked
/// is looked up only when it breaks no other.
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
    let policy = &call.config().password_policy;
    let context = Context { server_name: &call.app().server_name, email, full_names };
    let broken = policy.judge(truncated(password.expose()), &context);
    if broken.is_empty() {
        return Ok(leaked(call, password)?.into_iter().collect());
    }
    Ok(broken.iter().map(|rule| Cow::Owned(rule.message())).collect())
}

/// The message for a password that has leaked too often, if it has.
fn leaked(call: &Call<'_>, password: &Secret<String>) -> Result<Option<Cow<'static, str>>, Failure> {
    let Some(leaks) = &call.app().leaks else { return Ok(None) };
    let leaks = Arc::clone(leaks);
    let hash = password_sha1(truncated(password.expose()).as_bytes());
    let found = call.app().outbound.run(move || leaks.leaked(hash.expose()));
    let found = found.ok_or(Error::Busy("the look-up of leaked passwords"))?;
    let message = |times| Cow::Owned(BrokenRule::Leaked { times }.message());
    Ok(match found {
        Leak::NotFound => None,
        Leak::Found { times: Some(times) } if times < call.config().password_policy.min_pwned_matches() => {
            None
        }
        Leak::Found { times } => Some(message(times)),
        Leak::Unknown(reason) => {
            log::warning("could not look up whether a password has leaked", &[("why", reason.text().into())]);
            (call.config().pwned_fail == PwnedFail::Closed).then_some(Cow::Borrowed(NOT_LOOKED_UP))
        }
    })
}
