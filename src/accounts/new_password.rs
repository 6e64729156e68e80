//! Whether a password is good enough, for everyone who sets one.

use crate::app::Call;
use crate::config::check::PwnedFail;
use crate::guard::secret::{Password, Secret};
use crate::log;
use crate::outbound::pwned::{Leak, LeakLookup, UnknownReason, password_sha1};
use crate::outcome::Failure;
use crate::policy::passwords::{BrokenRule, Context};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// What is told when nobody could say whether a password has leaked, and the operator wants to know.
const NOT_LOOKED_UP: &str =
    "It could not be checked whether this password has leaked. Please try again later.";

/// How long a look-up may take, with the wait for its turn. Calling servers made for the original give up after five
/// seconds.
const LOOK_UP_MAX: Duration = Duration::from_secs(4);

/// Judges a password by the operator's rules; returns a message for every rule that it breaks. Whether it has leaked
/// is looked up only when it breaks no other.
///
/// # Errors
///
/// When too much is waiting.
pub fn judge(
    call: &Call<'_>,
    password: &Password,
    email: &str,
    full_names: &[&str],
) -> Result<Vec<Cow<'static, str>>, Failure> {
    let policy = &call.config().password_policy;
    let context = Context { server_name: &call.app().server_name, email, full_names };
    let broken = policy.judge(password, &context);
    if broken.is_empty() {
        return Ok(leaked(call, password).into_iter().collect());
    }
    Ok(broken.iter().map(|rule| Cow::Owned(rule.message())).collect())
}

/// The message for a password that has leaked too often, if it has.
fn leaked(call: &Call<'_>, password: &Password) -> Option<Cow<'static, str>> {
    let leaks = call.app().leaks.as_ref()?;
    let hash = password_sha1(password.expose(call.config().password_policy.form()).as_bytes());
    let found = match leaks.leaked_here(hash.expose()) {
        Some(found) => found,
        None => look_up(call, Arc::clone(leaks), hash),
    };
    let message = |times| Cow::Owned(BrokenRule::Leaked { times }.message());
    match found {
        Leak::NotFound => None,
        Leak::Found { times: Some(times) } if times < call.config().password_policy.min_pwned_matches() => {
            None
        }
        Leak::Found { times } => Some(message(times)),
        Leak::Unknown(reason) => {
            log::warning("could not look up whether a password has leaked", &[("why", reason.text().into())]);
            (call.config().pwned_fail == PwnedFail::Closed).then_some(Cow::Borrowed(NOT_LOOKED_UP))
        }
    }
}

/// Looks a password up elsewhere. However many others do so, whoever waits is answered in time, and a look-up whose
/// time is over, or whose caller is gone, is not begun.
fn look_up(call: &Call<'_>, leaks: Arc<dyn LeakLookup>, hash: Secret<[u8; 20]>) -> Leak {
    let presence = call.presence().clone();
    let work = move || {
        if presence.is_gone() { Leak::Unknown(UnknownReason::Gone) } else { leaks.leaked(hash.expose()) }
    };
    match call.app().outbound.run_for(LOOK_UP_MAX, work) {
        None => Leak::Unknown(UnknownReason::Busy),
        Some(None) => Leak::Unknown(UnknownReason::TimedOut),
        Some(Some(leak)) => leak,
    }
}
