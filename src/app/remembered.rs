//! What the server remembers between requests.

use super::key_uses::KeyUses;
use super::no_lock_ends::NoLockEnds;

/// What is remembered between requests, empty at the start.
#[derive(Default)]
pub struct Remembered {
    /// When no lock ends, so that not each request has to find out.
    pub no_lock_ends: NoLockEnds,
    /// When API keys with scopes were last used.
    pub key_uses: KeyUses,
}
