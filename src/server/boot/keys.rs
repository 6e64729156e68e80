//! The keys of messages, as the server takes them up at its start and whenever it is told to read them again.

use crate::accounts::message_keys;
use crate::api::REQUESTS_BY_NAME;
use crate::app::App;
use crate::guard::envelope::Keyring;
use crate::log;
use crate::problem;
use crate::problem::Problem;

/// Sees that keys are limited to requests that there are. A name that is mistyped would take away what was to be allowed.
///
/// # Errors
///
/// Which key names none.
pub fn check_keys(keys: &Keyring) -> Result<(), Problem> {
    keys.check_requests(|name| REQUESTS_BY_NAME.contains_key(name))
        .map_err(|error| problem!("secret: {}", error))
}

/// Leaves an event if the keys are others than before. A database that fails is no reason to go on with the old ones.
pub fn note_keys(app: &App) {
    if let Err(error) = message_keys::note_keys(app) {
        log::error("no event tells of changed keys", &[("cause", log::cause(&error))]);
    }
}
