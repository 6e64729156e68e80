//! Hashes and verifies passwords with Argon2 on a fixed number of threads of its own, so that hashing neither
//! holds up other requests nor takes more memory than was planned for: each thread has the memory for one computation
//! from the start, and uses it again and again.
//!
//! This folder alone knows Argon2. Every call costs exactly one computation, whatever is stored: nobody
//! can tell from the time whether an account exists, has a password or has a broken one. (A sound hash of another
//! cost takes the time that it takes, until the next login replaces it.) Nothing here may skip the computation
//! or keep a password longer than that takes.
//!
//! | file | does |
//! | --- | --- |
//! | `phc.rs` | reads and bounds what is stored |
//! | `arena.rs` | computes, in memory that is there already |
//! | `queue.rs` | says who may wait for a thread |

mod arena;
mod phc;
mod queue;
#[cfg(test)]
mod tests;

pub use phc::{Argon2Cost, HashLimits};
pub use queue::Asker;

use crate::clock::Clock;
use crate::guard::secret::{Password, PasswordForm, Secret};
use crate::metrics::Histogram;
use crate::rng::Rng;
use crate::wait::oneshot;
use arena::Arena;
use phc::{SALT_BYTES, StoredHash, TAG_BYTES, Variant, Version};
use queue::{Queue, Ticket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};
use subtle::ConstantTimeEq;

/// What a computation takes for each KiB and pass, as long as none was measured.
const NANOS_PER_KIB_AND_PASS: u64 = 1000;

/// What must stay free beside a computation that takes memory of its own.
const MEMORY_KEPT_BYTES: u64 = 16 * 1024 * 1024;

/// What a [`Hasher`] works with.
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
pub struct PasswordHash(Secret<String>);

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
    /// It is not an Argon2 hash.
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
    /// Takes the memory and starts the threads.
    ///
    /// # Errors
    /// If the cost exceeds the ceilings, or the system gives no memory or no thread.
    pub fn start(
        settings: &HasherSettings,
        rng: Arc<dyn Rng>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, HasherStartError> {
        Self::start_threads(settings, rng, clock, Arena::touch)
    }

    /// The same for somebody who may have nothing to hash: memory is taken for the first computation.
    ///
    /// # Errors
    /// See [`Hasher::start`].
    pub fn start_idle(
        settings: &HasherSettings,
        rng: Arc<dyn Rng>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, HasherStartError> {
        Self::start_threads(settings, rng, clock, |_| {})
    }

    fn start_threads(
        settings: &HasherSettings,
        rng: Arc<dyn Rng>,
        clock: Arc<dyn Clock>,
        prepare: fn(&mut Arena),
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
        for (number, mut arena) in arenas.into_iter().enumerate() {
            let shared = Arc::clone(&hasher.shared);
            let thread = thread::Builder::new().name(format!("hasher-{number}"));
            let thread = thread
                .spawn(move || {
                    prepare(&mut arena);
                    shared.work(arena);
                })
                .map_err(HasherStartError::Thread)?;
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
        let form = stored.as_ref().map_or(PasswordForm::AsTyped, |hash| hash.form);
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
        stored: Result<StoredHash, HashError>,
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

impl fmt::Display for HashError {
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
        out.write_str(match self {
            Self::Queue => "too many passwords are waiting to be hashed",
            Self::Memory => "there is no memory for a stored password hash of this cost",
        })
    }
}

impl std::error::Error for HasherBusy {}

impl fmt::Display for HasherStartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CostOverCeilings => write!(out, "new password hashes would cost more than stored ones may"),
            Self::Memory { kib_each, threads } => write!(
                out,
                "no memory for hashing passwords: {threads} threads take {kib_each} KiB each (hashthreads, argon2)"
            ),
            Self::Thread(error) => write!(out, "no thread for hashing passwords: {error}"),
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

/// What the threads share.
struct HashContext {
    queue: Queue,
    cost: Argon2Cost,
    form: PasswordForm,
    ceilings: HashLimits,
    /// Looks like a new hash, but is just random bytes: comparing takes as long, and nothing matches.
    dummy: StoredHash,
    operations: AtomicU64,
    durations: Histogram,
    waits: Histogram,
    memory_free: fn() -> u64,
    clock: Arc<dyn Clock>,
}

impl HashContext {
    fn new(settings: &HasherSettings, rng: &dyn Rng, clock: Arc<dyn Clock>) -> Self {
        let (mut salt, mut tag) = (vec![0; SALT_BYTES], vec![0; TAG_BYTES]);
        rng.fill(&mut salt);
        rng.fill(&mut tag);
        let (variant, version, cost) = (Variant::Argon2id, Version::V19, settings.cost);
        let nanos = u64::from(cost.memory_kib()) * u64::from(cost.passes()) * NANOS_PER_KIB_AND_PASS;
        Self {
            queue: Queue::new(settings.threads.max(1), settings.places, Duration::from_nanos(nanos)),
            cost,
            form: settings.form,
            ceilings: settings.ceilings,
            dummy: StoredHash { variant, version, cost, form: PasswordForm::AsTyped, salt, tag },
            operations: AtomicU64::new(0),
            durations: Histogram::default(),
            waits: Histogram::default(),
            memory_free: settings.memory_free,
            clock,
        }
    }

    /// What each thread does from its start to its end.
    fn work(&self, mut arena: Arena) {
        while let Some(Ticket { is_large, work, since, .. }) = self.queue.pop() {
            let begun = self.clock.monotonic();
            self.waits.observe(begun.saturating_sub(since));
            // A panic in one computation must not cost us the thread. What it leaves behind is gone with it.
            let _ = catch_unwind(AssertUnwindSafe(|| work(&mut arena)));
            let took = self.clock.monotonic().saturating_sub(begun);
            self.durations.observe(took);
            if is_large {
                self.queue.large_is_done();
            } else {
                self.queue.learn(took);
            }
        }
    }

    fn read(&self, stored: Option<&str>) -> Result<StoredHash, HashError> {
        let hash = StoredHash::read(stored.ok_or(HashError::Missing)?).ok_or(HashError::Malformed)?;
        if self.ceilings.allow(&hash.cost) { Ok(hash) } else { Err(HashError::OverCeiling) }
    }

    /// Whether a stored hash takes more memory than a thread has.
    fn is_large(&self, stored: &StoredHash) -> bool {
        stored.cost.memory_kib() > self.cost.memory_kib()
    }

    fn hash(&self, arena: &mut Arena, password: &[u8], salt: &[u8]) -> PasswordHash {
        let (variant, version, cost, form) = (Variant::Argon2id, Version::V19, self.cost, self.form);
        let (salt, tag) = (salt.to_vec(), vec![0; TAG_BYTES]);
        let mut hash = StoredHash { variant, version, cost, form, salt, tag };
        self.operations.fetch_add(1, Ordering::Relaxed);
        arena.compute((variant, version, &cost), password, &hash.salt, &mut hash.tag);
        PasswordHash(Secret::new(hash.written()))
    }

    fn verify(
        &self,
        arena: &mut Arena,
        text: &[u8],
        stored: Result<&StoredHash, &HashError>,
    ) -> Result<Verification, HasherBusy> {
        let against = stored.unwrap_or(&self.dummy);
        let mut own = if self.is_large(against) { Some(self.large_arena(against)?) } else { None };
        let arena = own.as_mut().unwrap_or(arena);
        let mut tag = vec![0; against.tag.len()];
        self.operations.fetch_add(1, Ordering::Relaxed);
        arena.compute((against.variant, against.version, &against.cost), text, &against.salt, &mut tag);
        let equal: bool = tag.ct_eq(&against.tag).into();
        Ok(match stored {
            Ok(hash) if equal => Verification::Matches { needs_rehash: hash.needs_rehash(&self.cost) },
            Ok(_) => Verification::Differs { hash_error: None },
            Err(&error) => Verification::Differs { hash_error: Some(error) },
        })
    }

    /// Memory for one stored hash that was made with more of it, if there is as much.
    fn large_arena(&self, stored: &StoredHash) -> Result<Arena, HasherBusy> {
        let bytes = u64::from(stored.cost.memory_kib()) * 1024;
        if (self.memory_free)() < bytes + MEMORY_KEPT_BYTES {
            return Err(HasherBusy::Memory);
        }
        Arena::reserve(&stored.cost).map_err(|_| HasherBusy::Memory)
    }
}

/// A copy for the queue, wiped when its turn is over.
fn queued(text: &str) -> Secret<Vec<u8>> {
    Secret::new(text.as_bytes().to_vec())
}
