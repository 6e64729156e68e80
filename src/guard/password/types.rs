//! What a hasher works with, and what comes of its work.

use super::phc::{Argon2Cost, HashLimits};
use crate::guard::secret::{PasswordForm, Secret};
use crate::problem::Loggable;
use std::fmt;

/// What a [`Hasher`](super::Hasher) works with.
#[derive(Clone, Copy, Debug)]
pub struct HasherSettings {
    /// The cost of new hashes.
    pub cost: Argon2Cost,
    /// Which text of a password new hashes are made from.
    pub form: PasswordForm,
    /// What verifying a stored hash may cost.
    pub ceilings: HashLimits,
    /// How many threads hash. Each takes the memory of one new hash.
    pub threads: usize,
    /// How many computations may wait for one of them. None: as many as are worked off in about ten seconds.
    pub places: Option<usize>,
    /// Tells how many bytes this process may still take. Asked before a stored hash is computed that needs more
    /// memory than a new one.
    pub memory_free: fn() -> u64,
}

/// A password's hash in its written form (PHC string format), for the database and nothing else. No other text is one.
#[derive(Clone)]
pub struct PasswordHash(pub(super) Secret<String>);

/// Whether a password is the one that was hashed.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It is.
    Matches {
        /// The stored hash differs from what a new one of this password would look like, so it is time to replace it.
        needs_rehash: bool,
    },
    /// It is not, or there is nothing that could match. To a caller of the server both are the same.
    Differs {
        /// What is wrong with the stored hash, for the operator's log.
        hash_error: Option<HashError>,
    },
}

/// Why no password can match what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashError {
    /// Nothing is stored.
    Missing,
    /// It is of no known form.
    Malformed,
    /// Computing it would exceed the [`HashLimits`].
    OverCeiling,
}

/// The work was not done. Whoever asked has learnt nothing and may try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HasherBusy {
    /// More is waiting already than can be done in good time or than one asker may have waiting; or the asker has
    /// gone; or the work broke down.
    Queue,
    /// The stored hash takes more memory than there is at the moment.
    Memory,
}

impl PasswordHash {
    /// What the database has as a hash. Whether any password can match it is found out when one is verified.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// Whether it is this very hash, and so the password was not set anew since.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.matches(other.0.expose().as_bytes())
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.expose()
    }
}

impl Loggable for HashError {}

impl fmt::Display for HashError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Missing => "there is no stored hash",
            Self::Malformed => "the stored hash has no known form",
            Self::OverCeiling => "the stored hash would cost more to compute than is allowed",
        })
    }
}

impl fmt::Display for HasherBusy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Queue => "too many passwords are waiting to be hashed",
            Self::Memory => "there is no memory for a stored password hash of this cost",
        })
    }
}

impl std::error::Error for HasherBusy {}
