//! Whether a password is good enough, for everyone who sets one.

use crate::app::Context;
use crate::config::values::PwnedFail;
use crate::guard::secret::{Password, Secret};
use crate::log;
use crate::outbound::pwned::{Breach, BreachLookup, UnknownReason, password_sha1};
use crate::policy::passwords::{self, BrokenRule};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// The message when a password could not be looked up and the operator wants such passwords refused.
const NOT_LOOKED_UP: &str =
    "It could not be checked whether this password has leaked. Please try again later.";

/// How long a lookup may take, with the wait for its turn. Calling servers made for the original give up after five
/// seconds.
const LOOK_UP_MAX: Duration = Duration::from_secs(4);

/// Checks a password against the operator's rules; returns a message for every rule that it breaks. Whether it has
/// leaked is looked up only when it breaks no other.
#[must_use]
pub fn check_new_password(
    context: &Context<'_>,
    password: &Password,
    email: &str,
    full_names: &[&str],
) -> Vec<Cow<'static, str>> {
    let policy = &context.config().password_policy;
    let about = passwords::Context { server_name: &context.app().server_name, email, full_names };
    let broken = policy.check(password, &about);
    if broken.is_empty() {
        return check_breached(context, password).into_iter().collect();
    }
    broken.iter().map(|rule| Cow::Owned(rule.message())).collect()
}

/// The message for a password that has leaked too often, if it has.
fn check_breached(context: &Context<'_>, password: &Password) -> Option<Cow<'static, str>> {
    let breached_passwords = context.app().breached_passwords.as_ref()?;
    let hash = password_sha1(password.expose(context.config().password_policy.form()).as_bytes());
    let found = match breached_passwords.leaked_here(hash.expose()) {
        Some(found) => found,
        None => look_up(context, Arc::clone(breached_passwords), hash),
    };
    let message = |times| Cow::Owned(BrokenRule::Leaked { times }.message());
    match found {
        Breach::NotFound => None,
        Breach::Found { times: Some(times) }
            if times < context.config().password_policy.min_pwned_matches() =>
        {
            None
        }
        Breach::Found { times } => Some(message(times)),
        Breach::Unknown(reason) => {
            log::warning("could not look up whether a password has leaked", &[("why", reason.text().into())]);
            (context.config().pwned_fail == PwnedFail::Closed).then_some(Cow::Borrowed(NOT_LOOKED_UP))
        }
    }
}

/// Looks a password up elsewhere. However many others do so, whoever waits is answered in time, and a lookup whose
/// time is over, or whose caller is gone, is not begun.
fn look_up(
    context: &Context<'_>,
    breached_passwords: Arc<dyn BreachLookup>,
    hash: Secret<[u8; 20]>,
) -> Breach {
    let presence = context.presence().clone();
    let work = move || {
        if presence.is_gone() {
            Breach::Unknown(UnknownReason::Gone)
        } else {
            breached_passwords.leaked(hash.expose())
        }
    };
    match context.app().outbound.run_for(LOOK_UP_MAX, work) {
        None => Breach::Unknown(UnknownReason::Busy),
        Some(None) => Breach::Unknown(UnknownReason::TimedOut),
        Some(Some(leak)) => leak,
    }
}
