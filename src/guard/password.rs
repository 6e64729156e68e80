//! Hashes and verifies passwords with Argon2 on a fixed number of threads of its own, so that hashing neither
//! holds up other requests nor takes more memory than was planned for.
//!
//! This is the only file that knows Argon2. Every call costs exactly one computation, whatever is stored: nobody
//! can tell from the time whether an account exists, has a password or has a broken one. (A sound hash of another
//! cost takes the time that it takes, until the next log-in replaces it.) Nothing here may skip the computation
//! or keep a password longer than that takes.
//!
//! The crate offers no way to keep the memory from one computation to the next, so each takes it anew.

mod capacity;
mod phc;
#[cfg(test)]
mod tests;

pub use capacity::{memory_available_bytes, threads_for};
pub use phc::{Argon2Cost, CostError, HashCeilings};

use crate::chance::Chance;
use crate::guard::secret::Secret;
use crate::pool::Pool;
use argon2::{Config, ThreadMode};
use phc::{SALT_BYTES, StoredHash, TAG_BYTES, Variant, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fmt, io};

/// A password counts up to this many code points. What follows is ignored, as it was in every hash that
/// the original stored.
pub const PASSWORD_CHARACTERS_MAX: usize = 256;

/// How many computations may wait for a thread. At a tenth of a second each, the last of them waits a few
/// seconds, which is as long as somebody at a log-in form does.
pub const QUEUE_LENGTH_DEFAULT: usize = 64;

/// What a [`Hasher`] works with.
#[derive(Clone, Copy, Debug)]
pub struct HasherSettings {
    /// The cost of new hashes.
    pub cost: Argon2Cost,
    /// What verifying a stored hash may cost.
    pub ceilings: HashCeilings,
    /// How many threads hash; see [`threads_for`].
    pub threads: usize,
    /// How many computations may wait for one of them.
    pub queue_length: usize,
}

/// A new hash in its written form (PHC string format), for the database and nothing else.
pub struct PhcString(Secret<String>);

/// Whether a password is the one that was hashed.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It is.
    Matches {
        /// The stored hash differs from what a new one would look like, so it is time to replace it.
        needs_rehash: bool,
    },
    /// It is not, or there is nothing that could match. To a caller of the server both are the same.
    Differs {
        /// What is wrong with the stored hash, for the operator's log.
        stored_fault: Option<StoredFault>,
    },
}

/// Why no password can match what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredFault {
    /// Nothing is stored.
    Missing,
    /// It is not an Argon2 hash.
    Malformed,
    /// Computing it would exceed the [`HashCeilings`].
    OverCeiling,
}

/// The work was not done: more is waiting already than can be done in good time, or it broke down. Whoever asked
/// has learnt nothing and may try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HasherBusy;

/// Why a [`Hasher`] did not start.
#[derive(Debug)]
pub enum HasherStartError {
    /// New hashes would exceed the ceilings, so nobody could log in with them.
    CostOverCeilings,
    /// The system gave no thread.
    Thread(io::Error),
}

/// The hashing threads and the queue before them. Dropping it waits until what is queued is done.
pub struct Hasher {
    bench: Arc<Bench>,
    chance: Arc<dyn Chance>,
    pool: Pool,
}

impl Hasher {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the cost exceeds the ceilings, or the system gives no thread.
    pub fn start(settings: &HasherSettings, chance: Arc<dyn Chance>) -> Result<Self, HasherStartError> {
        if !settings.ceilings.allow(&settings.cost) {
            return Err(HasherStartError::CostOverCeilings);
        }
        let pool = Pool::start("hasher", settings.threads, settings.queue_length);
        let bench = Arc::new(Bench::new(settings, chance.as_ref()));
        Ok(Self { bench, chance, pool: pool.map_err(HasherStartError::Thread)? })
    }

    /// Hashes a password with a new salt.
    ///
    /// # Errors
    /// At once, if the queue is full.
    pub fn hash(&self, password: &str) -> Result<PhcString, HasherBusy> {
        let mut salt = [0; SALT_BYTES];
        self.chance.fill(&mut salt);
        let password = waiting(first_characters(password));
        let bench = Arc::clone(&self.bench);
        self.pool.run(move || bench.hash(password.expose(), &salt)).ok_or(HasherBusy)
    }

    /// Verifies a password against what is stored for it, if anything is.
    ///
    /// # Errors
    /// At once, if the queue is full.
    pub fn verify(&self, password: &str, stored: Option<&str>) -> Result<Verification, HasherBusy> {
        self.verify_untruncated(first_characters(password), stored)
    }

    /// The same for a text that is not a password and counts as a whole: a refresh token of the original's.
    ///
    /// # Errors
    /// At once, if the queue is full.
    pub fn verify_untruncated(&self, text: &str, stored: Option<&str>) -> Result<Verification, HasherBusy> {
        let stored = self.bench.read(stored);
        let text = waiting(text);
        let bench = Arc::clone(&self.bench);
        self.pool.run(move || bench.verify(text.expose(), stored.as_ref())).ok_or(HasherBusy)
    }

    /// Does the work of a verification where there is nothing to verify against, so that it takes as long.
    ///
    /// # Errors
    /// At once, if the queue is full.
    pub fn verify_dummy(&self, password: &str) -> Result<(), HasherBusy> {
        self.verify(password, None).map(|_| ())
    }

    /// What is stored for an account without a valid password: no password matches it, and finding that out costs
    /// what it costs for any other. Always the same text, made without a computation.
    #[must_use]
    pub fn no_password(&self) -> PhcString {
        PhcString(Secret::new(StoredHash::of_no_password(self.bench.cost).written()))
    }

    /// How many computations were begun since the start.
    #[must_use]
    pub fn hash_operations(&self) -> u64 {
        self.bench.operations.load(Ordering::Relaxed)
    }
}

impl PhcString {
    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Display for StoredFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Missing => "there is no stored hash",
            Self::Malformed => "the stored hash is not one of Argon2",
            Self::OverCeiling => "the stored hash would cost more to compute than is allowed",
        })
    }
}

impl fmt::Display for HasherBusy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "too many passwords are waiting to be hashed")
    }
}

impl std::error::Error for HasherBusy {}

impl fmt::Display for HasherStartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CostOverCeilings => write!(out, "new password hashes would cost more than stored ones may"),
            Self::Thread(error) => write!(out, "no thread for hashing passwords: {error}"),
        }
    }
}

impl std::error::Error for HasherStartError {}

/// What the computations share.
struct Bench {
    cost: Argon2Cost,
    ceilings: HashCeilings,
    /// Looks like a new hash, but is just random bytes: comparing takes as long, and nothing matches.
    dummy: StoredHash,
    operations: AtomicU64,
}

impl Bench {
    fn new(settings: &HasherSettings, chance: &dyn Chance) -> Self {
        let (mut salt, mut tag) = (vec![0; SALT_BYTES], vec![0; TAG_BYTES]);
        chance.fill(&mut salt);
        chance.fill(&mut tag);
        let (variant, version, cost) = (Variant::Argon2id, Version::V19, settings.cost);
        Self {
            cost,
            ceilings: settings.ceilings,
            dummy: StoredHash { variant, version, cost, salt, tag },
            operations: AtomicU64::new(0),
        }
    }

    fn read(&self, stored: Option<&str>) -> Result<StoredHash, StoredFault> {
        let hash = StoredHash::read(stored.ok_or(StoredFault::Missing)?).ok_or(StoredFault::Malformed)?;
        if self.ceilings.allow(&hash.cost) { Ok(hash) } else { Err(StoredFault::OverCeiling) }
    }

    fn hash(&self, password: &[u8], salt: &[u8]) -> PhcString {
        self.operations.fetch_add(1, Ordering::Relaxed);
        let config = config(Variant::Argon2id, Version::V19, &self.cost);
        let written = argon2::hash_encoded(password, salt, &config);
        PhcString(Secret::new(written.expect("a cost can be computed, and the salt is long enough")))
    }

    fn verify(&self, text: &[u8], stored: Result<&StoredHash, &StoredFault>) -> Verification {
        let against = stored.unwrap_or(&self.dummy);
        self.operations.fetch_add(1, Ordering::Relaxed);
        let config = config(against.variant, against.version, &against.cost);
        let equal = argon2::verify_raw(text, &against.salt, &against.tag, &config)
            .expect("a cost can be computed, and the lengths of salt and tag were checked");
        match stored {
            Ok(hash) if equal => Verification::Matches { needs_rehash: hash.needs_rehash(&self.cost) },
            Ok(_) => Verification::Differs { stored_fault: None },
            Err(&fault) => Verification::Differs { stored_fault: Some(fault) },
        }
    }
}

fn config(variant: Variant, version: Version, cost: &Argon2Cost) -> Config<'static> {
    Config {
        ad: &[],
        secret: &[],
        hash_length: TAG_BYTES as u32, // for a new hash; a stored one is computed to the length it has
        lanes: cost.lanes(),
        mem_cost: cost.memory_kib(),
        time_cost: cost.passes(),
        // One after the other: the number of threads is ours to choose.
        thread_mode: ThreadMode::Sequential,
        variant: match variant {
            Variant::Argon2d => argon2::Variant::Argon2d,
            Variant::Argon2i => argon2::Variant::Argon2i,
            Variant::Argon2id => argon2::Variant::Argon2id,
        },
        version: match version {
            Version::V16 => argon2::Version::Version10,
            Version::V19 => argon2::Version::Version13,
        },
    }
}

/// The part of a password that counts.
fn first_characters(password: &str) -> &str {
    let end = password.char_indices().nth(PASSWORD_CHARACTERS_MAX).map_or(password.len(), |(end, _)| end);
    &password[..end]
}

/// A copy for the queue, wiped when its turn is over.
fn waiting(text: &str) -> Secret<Vec<u8>> {
    Secret::new(text.as_bytes().to_vec())
}
