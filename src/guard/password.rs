//! Hashes and verifies passwords with Argon2 on a fixed number of threads of its own, so that hashing neither
//! holds up other requests nor takes more memory than was planned for: each thread has room for one computation from
//! the start, and uses its memory again and again.
//!
//! This folder alone knows Argon2. Every call costs exactly one computation, whatever is stored: nobody
//! can tell from the time whether an account exists, has a password or has a broken one. (A sound hash of another
//! cost takes the time that it takes, until the next login replaces it. One that other software made takes its own time
//! besides.) Nothing here may skip the computation or keep a password longer than that takes.
//!
//! | file | does |
//! | --- | --- |
//! | `phc.rs` | reads and bounds what is stored |
//! | `context.rs` | what the threads share, and compute |
//! | `foreign.rs` | reads, bounds and computes hashes that other software made |
//! | `digest.rs` | plain digests, which are hashed before they are stored |
//! | `import.rs` | what an imported hash becomes |
//! | `types.rs` | what is asked and answered |
//! | `arena.rs` | computes, in memory that is there already |
//! | `queue.rs` | says who may wait for a thread |

mod arena;
mod context;
mod digest;
mod foreign;
mod import;
mod phc;
mod queue;
#[cfg(test)]
mod tests;
mod types;

pub use import::ImportedHash;
pub use phc::{Argon2Cost, HashLimits};
pub use queue::Asker;
pub use types::{HashError, HasherBusy, HasherSettings, PasswordHash, Verification};

use crate::clock::Clock;
use crate::guard::secret::{Password, PasswordForm, Secret};
use crate::metrics::Histogram;
use crate::problem::{Loggable, Shown};
use crate::rng::Rng;
use crate::wait::oneshot;
use arena::Arena;
use context::{HashContext, Stored};
use import::Form;
use phc::{SALT_BYTES, StoredHash};
use queue::Ticket;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::{fmt, io};

/// Why a [`Hasher`] did not start.
#[derive(Debug)]
pub enum HasherStartError {
    /// New hashes would exceed the ceilings, so nobody could log in with them.
    CostOverCeilings,
    /// There is not enough memory for the threads.
    Memory {
        /// What each of them takes.
        kib_each: u32,
        /// How many there were to be.
        threads: usize,
    },
    /// The system gave no thread.
    Thread(io::Error),
}

/// The hashing threads and the queue before them. Dropping it waits until what is queued is done.
pub struct Hasher {
    shared: Arc<HashContext>,
    rng: Arc<dyn Rng>,
    threads: Vec<JoinHandle<()>>,
}

impl Hasher {
    /// Reserves the memory and starts the threads.
    ///
    /// # Errors
    /// If the cost exceeds the ceilings, or the system gives no memory or no thread.
    pub fn start(
        settings: &HasherSettings,
        rng: Arc<dyn Rng>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, HasherStartError> {
        if !settings.ceilings.allow(&settings.cost) {
            return Err(HasherStartError::CostOverCeilings);
        }
        let count = settings.threads.max(1);
        let no_memory = |_| HasherStartError::Memory { kib_each: settings.cost.memory_kib(), threads: count };
        let arenas: Result<Vec<Arena>, _> = (0..count).map(|_| Arena::reserve(&settings.cost)).collect();
        let arenas = arenas.map_err(no_memory)?;
        let shared = Arc::new(HashContext::new(settings, &*rng, clock));
        let mut hasher = Self { shared, rng, threads: Vec::with_capacity(count) };
        for (number, arena) in arenas.into_iter().enumerate() {
            let shared = Arc::clone(&hasher.shared);
            let thread = thread::Builder::new().name(format!("hasher-{number}"));
            let thread = thread.spawn(move || shared.work(arena)).map_err(HasherStartError::Thread)?;
            hasher.threads.push(thread);
        }
        Ok(hasher)
    }

    /// Hashes a password with a new salt.
    ///
    /// # Errors
    /// At once, if there is no place in the queue.
    pub fn hash(&self, asker: &Asker, password: &Password) -> Result<PasswordHash, HasherBusy> {
        let mut salt = [0; SALT_BYTES];
        self.rng.fill(&mut salt);
        let password = queued(password.expose(self.shared.form));
        let shared = Arc::clone(&self.shared);
        self.run(asker, false, move |arena| shared.hash(arena, password.expose(), &salt))
    }

    /// Verifies a password against what is stored for it, if anything is.
    ///
    /// # Errors
    /// At once, if there is no place in the queue; or if there is no memory for what is stored.
    pub fn verify(
        &self,
        asker: &Asker,
        password: &Password,
        stored: Option<&str>,
    ) -> Result<Verification, HasherBusy> {
        let stored = self.shared.read(stored);
        // What a hash was made from, it says itself. So it stays good whatever new ones are made from.
        let form = stored.as_ref().map_or(PasswordForm::AsTyped, Stored::form);
        let lacks_mark =
            password.has_forms() && form == PasswordForm::AsTyped && self.shared.form == PasswordForm::Nfkc;
        Ok(match self.verify_read(asker, password.expose(form), stored)? {
            Verification::Matches { needs_rehash } => {
                Verification::Matches { needs_rehash: needs_rehash || lacks_mark }
            }
            differs @ Verification::Differs { .. } => differs,
        })
    }

    /// The same for a text that is not a password and counts as a whole: a refresh token of the original's.
    ///
    /// # Errors
    /// At once, if there is no place in the queue; or if there is no memory for what is stored.
    pub fn verify_text(
        &self,
        asker: &Asker,
        text: &str,
        stored: Option<&str>,
    ) -> Result<Verification, HasherBusy> {
        self.verify_read(asker, text, self.shared.read(stored))
    }

    fn verify_read(
        &self,
        asker: &Asker,
        text: &str,
        stored: Result<Stored, HashError>,
    ) -> Result<Verification, HasherBusy> {
        let is_large = stored.as_ref().is_ok_and(|hash| self.shared.is_large(hash));
        let text = queued(text);
        let shared = Arc::clone(&self.shared);
        self.run(asker, is_large, move |arena| shared.verify(arena, text.expose(), stored.as_ref()))?
    }

    /// Does the work of a verification where there is nothing to verify against, so that it takes as long.
    ///
    /// # Errors
    /// At once, if there is no place in the queue.
    pub fn verify_dummy(&self, asker: &Asker, password: &Password) -> Result<(), HasherBusy> {
        self.verify(asker, password, None).map(|_| ())
    }

    /// Looks at a hash that an import brings along.
    ///
    /// # Errors
    /// It has no known form, or would cost more than is allowed at each login.
    pub fn read_imported(&self, text: &str) -> Result<ImportedHash, HashError> {
        ImportedHash::read(&self.shared, text)
    }

    /// What to store for it.
    ///
    /// # Errors
    /// At once, if it has to be hashed and there is no place in the queue.
    pub fn store_imported(&self, asker: &Asker, hash: ImportedHash) -> Result<PasswordHash, HasherBusy> {
        let (digest, hex) = match hash.form {
            Form::Kept(hash) => return Ok(hash),
            Form::Wrapped(digest, hex) => (digest, queued(hex.as_str())),
        };
        let mut salt = [0; SALT_BYTES];
        self.rng.fill(&mut salt);
        let shared = Arc::clone(&self.shared);
        self.run(asker, false, move |arena| shared.wrap(arena, digest, hex.expose(), &salt))
    }

    /// What is stored for an account without a valid password: no password matches it, and finding that out costs
    /// what it costs for any other. Always the same text, made without a computation.
    #[must_use]
    pub fn no_password(&self) -> PasswordHash {
        PasswordHash(Secret::new(StoredHash::of_no_password(self.shared.cost).written()))
    }

    /// How many computations were begun since the start.
    #[must_use]
    pub fn hash_operations(&self) -> u64 {
        self.shared.operations.load(Ordering::Relaxed)
    }

    /// What is counted, for monitoring.
    #[must_use]
    pub fn counts(&self) -> HashCounts<'_> {
        HashCounts {
            operations: self.hash_operations(),
            queued: self.shared.queue.queued(),
            places: self.shared.queue.places(),
            durations: &self.shared.durations,
            waits: &self.shared.waits,
        }
    }

    /// Has work done on one of the threads and waits for its result.
    fn run<T: Send + 'static>(
        &self,
        asker: &Asker,
        is_large: bool,
        work: impl FnOnce(&mut Arena) -> T + Send + 'static,
    ) -> Result<T, HasherBusy> {
        let (sender, answer) = oneshot();
        let work = Box::new(move |arena: &mut Arena| sender.send(work(arena)));
        let since = self.shared.clock.monotonic();
        let ticket = Ticket { asker: asker.clone(), is_large, since, work };
        self.shared.queue.push(ticket).map_err(|_| HasherBusy::Queue)?;
        answer.wait().ok_or(HasherBusy::Queue)
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.shared.queue.end();
        for thread in self.threads.drain(..) {
            // A panic inside a computation was caught; there is nothing else that could have ended it early.
            let _ = thread.join();
        }
    }
}

impl Loggable for HasherStartError {}

impl fmt::Display for HasherStartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CostOverCeilings => write!(out, "new password hashes would cost more than stored ones may"),
            Self::Memory { kib_each, threads } => write!(
                out,
                "no memory for hashing passwords: {threads} threads take {kib_each} KiB each (hashthreads, argon2)"
            ),
            Self::Thread(error) => write!(out, "no thread for hashing passwords: {}", Shown(error)),
        }
    }
}

impl std::error::Error for HasherStartError {}

/// What is counted about hashing.
pub struct HashCounts<'h> {
    /// Computations that were begun.
    pub operations: u64,
    /// Passwords that wait for a thread.
    pub queued: usize,
    /// As many may wait.
    pub places: usize,
    /// How long the threads took.
    pub durations: &'h Histogram,
    /// How long passwords waited before.
    pub waits: &'h Histogram,
}

/// A copy for the queue, wiped when its turn is over.
fn queued(text: &str) -> Secret<Vec<u8>> {
    Secret::new(text.as_bytes().to_vec())
}
