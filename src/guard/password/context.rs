//! What the hashing threads share, and what they compute.

use super::arena::Arena;
use super::digest::PlainDigest;
use super::foreign::ForeignHash;
use super::phc::{Argon2Cost, HashLimits, SALT_BYTES, StoredHash, TAG_BYTES, Variant, Version};
use super::queue::{Next, Queue, Ticket};
use super::types::{HashError, HasherBusy, HasherSettings, PasswordHash, Verification};
use crate::clock::Clock;
use crate::guard::secret::{PasswordForm, Secret};
use crate::metrics::Histogram;
use crate::os;
use crate::rng::Rng;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// What a computation takes for each KiB and pass, as long as none was measured.
const NANOS_PER_KIB_AND_PASS: u64 = 1000;

/// What must stay free beside a computation that takes memory of its own.
const MEMORY_KEPT_BYTES: u64 = 16 * 1024 * 1024;

/// A thread with nothing to do keeps its arena's memory for so long: taking it again is a tenth of a computation.
const KEPT_WHILE_IDLE: Duration = Duration::from_secs(10);

/// What the threads share.
pub(super) struct HashContext {
    pub(super) queue: Queue,
    pub(super) cost: Argon2Cost,
    pub(super) form: PasswordForm,
    pub(super) ceilings: HashLimits,
    /// Looks like a new hash, but is just random bytes: comparing takes as long, and nothing matches.
    pub(super) dummy: StoredHash,
    pub(super) operations: AtomicU64,
    pub(super) durations: Histogram,
    pub(super) waits: Histogram,
    memory_free: fn() -> u64,
    /// Threads whose arena takes no memory at the moment, but may at any other.
    arenas_at_rest: AtomicU64,
    pub(super) clock: Arc<dyn Clock>,
}

impl HashContext {
    pub(super) fn new(settings: &HasherSettings, rng: &dyn Rng, clock: Arc<dyn Clock>) -> Self {
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
            dummy: StoredHash {
                variant,
                version,
                cost,
                form: PasswordForm::AsTyped,
                digest: None,
                salt,
                tag,
            },
            operations: AtomicU64::new(0),
            durations: Histogram::default(),
            waits: Histogram::default(),
            memory_free: settings.memory_free,
            arenas_at_rest: AtomicU64::new(settings.threads.max(1) as u64),
            clock,
        }
    }

    /// What each thread does from its start to its end.
    pub(super) fn work(&self, mut arena: Arena) {
        // A hash takes ten thousand times as long as a check, which need not wait for it.
        os::step_back();
        // What was never touched need not be given back.
        let mut patience = None;
        loop {
            match self.queue.pop(patience) {
                Next::Work(ticket) => {
                    patience = Some(KEPT_WHILE_IDLE);
                    self.compute(ticket, &mut arena);
                }
                Next::Idle => {
                    patience = None;
                    if !arena.is_at_rest() {
                        arena.give_back();
                        self.arenas_at_rest.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Next::End => return,
            }
        }
    }

    fn compute(&self, Ticket { is_large, work, since, .. }: Ticket, arena: &mut Arena) {
        let begun = self.clock.monotonic();
        self.waits.observe(begun.saturating_sub(since));
        let was_at_rest = arena.is_at_rest();
        // A panic in one computation must not cost us the thread. What it leaves behind is gone with it.
        let _ = catch_unwind(AssertUnwindSafe(|| work(arena)));
        if was_at_rest && !arena.is_at_rest() {
            self.arenas_at_rest.fetch_sub(1, Ordering::Relaxed);
        }
        let took = self.clock.monotonic().saturating_sub(begun);
        self.durations.observe(took);
        if is_large {
            self.queue.large_is_done();
        } else {
            self.queue.learn(took);
        }
    }

    pub(super) fn read(&self, stored: Option<&str>) -> Result<Stored, HashError> {
        let stored = Stored::read(stored.ok_or(HashError::Missing)?).ok_or(HashError::Malformed)?;
        let is_allowed = match &stored {
            Stored::Argon2(hash) => self.ceilings.allow(&hash.cost),
            Stored::Foreign(hash) => {
                hash.is_affordable() && hash.memory_kib() <= u64::from(self.ceilings.memory_kib)
            }
        };
        if is_allowed { Ok(stored) } else { Err(HashError::OverCeiling) }
    }

    /// Whether a stored hash takes memory that a thread has not.
    pub(super) fn is_large(&self, stored: &Stored) -> bool {
        match stored {
            Stored::Argon2(hash) => hash.cost.memory_kib() > self.cost.memory_kib(),
            Stored::Foreign(hash) => hash.memory_kib() > 0,
        }
    }

    pub(super) fn hash(&self, arena: &mut Arena, password: &[u8], salt: &[u8]) -> PasswordHash {
        self.hash_marked(arena, password, salt, self.form, None)
    }

    /// Hashes a digest of a password, as an import finds it.
    pub(super) fn wrap(
        &self,
        arena: &mut Arena,
        digest: PlainDigest,
        hex: &[u8],
        salt: &[u8],
    ) -> PasswordHash {
        self.hash_marked(arena, hex, salt, PasswordForm::AsTyped, Some(digest))
    }

    fn hash_marked(
        &self,
        arena: &mut Arena,
        text: &[u8],
        salt: &[u8],
        form: PasswordForm,
        digest: Option<PlainDigest>,
    ) -> PasswordHash {
        let (variant, version, cost) = (Variant::Argon2id, Version::V19, self.cost);
        let (salt, tag) = (salt.to_vec(), vec![0; TAG_BYTES]);
        let mut hash = StoredHash { variant, version, cost, form, digest, salt, tag };
        self.operations.fetch_add(1, Ordering::Relaxed);
        arena.compute((variant, version, &cost), text, &hash.salt, &mut hash.tag);
        PasswordHash(Secret::new(hash.written()))
    }

    pub(super) fn verify(
        &self,
        arena: &mut Arena,
        text: &[u8],
        stored: Result<&Stored, &HashError>,
    ) -> Result<Verification, HasherBusy> {
        let foreign = match stored {
            Ok(Stored::Foreign(hash)) => Some(self.verify_foreign(hash, text)?),
            _ => None,
        };
        // Also beside a foreign hash, so that an account that has one is not known by a quicker answer.
        let against = if let Ok(Stored::Argon2(hash)) = stored { hash } else { &self.dummy };
        let is_large = against.cost.memory_kib() > self.cost.memory_kib();
        let mut own = if is_large { Some(self.own_arena(&against.cost)?) } else { None };
        let arena = own.as_mut().unwrap_or(arena);
        let mut tag = vec![0; against.tag.len()];
        let digest = against.digest.map(|digest| digest.hex(text));
        let text = digest.as_ref().map_or(text, |digest| digest.as_slice());
        self.operations.fetch_add(1, Ordering::Relaxed);
        arena.compute((against.variant, against.version, &against.cost), text, &against.salt, &mut tag);
        let equal: bool = tag.ct_eq(&against.tag).into();
        Ok(match stored {
            Ok(Stored::Argon2(hash)) if equal => {
                Verification::Matches { needs_rehash: hash.needs_rehash(&self.cost) }
            }
            Ok(_) if foreign == Some(true) => Verification::Matches { needs_rehash: true },
            Ok(_) => Verification::Differs { hash_error: None },
            Err(&error) => Verification::Differs { hash_error: Some(error) },
        })
    }

    /// Compares with a hash of other software, if there is the memory that it takes.
    fn verify_foreign(&self, hash: &ForeignHash, text: &[u8]) -> Result<bool, HasherBusy> {
        if hash.memory_kib() > 0 {
            let bytes = hash.memory_kib() * 1024;
            self.demand(bytes)?;
            // The implementation takes its memory itself, and ends the process where there is none.
            let mut probe: Vec<u8> = Vec::new();
            let bytes = usize::try_from(bytes).map_err(|_| HasherBusy::Memory)?;
            probe.try_reserve_exact(bytes).map_err(|_| HasherBusy::Memory)?;
        }
        Ok(hash.is_of(text))
    }

    /// Memory for one stored hash that was made with more of it, if there is as much.
    pub(super) fn own_arena(&self, cost: &Argon2Cost) -> Result<Arena, HasherBusy> {
        self.demand(u64::from(cost.memory_kib()) * 1024)?;
        Arena::reserve(cost).map_err(|_| HasherBusy::Memory)
    }

    /// Whether there is so much memory beside what must stay free, and what the arenas may take any time.
    fn demand(&self, bytes: u64) -> Result<(), HasherBusy> {
        let at_rest = self.arenas_at_rest.load(Ordering::Relaxed) * u64::from(self.cost.memory_kib()) * 1024;
        let is_there = (self.memory_free)() >= bytes + MEMORY_KEPT_BYTES + at_rest;
        is_there.then_some(()).ok_or(HasherBusy::Memory)
    }
}

/// What is stored for a password, in whatever form.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// A hash like new ones, but perhaps of another cost.
    Argon2(StoredHash),
    /// A hash that an account was imported with.
    Foreign(ForeignHash),
}

impl Stored {
    fn read(text: &str) -> Option<Self> {
        if text.starts_with("$argon2") {
            return StoredHash::read(text).map(Self::Argon2);
        }
        ForeignHash::read(text).map(Self::Foreign)
    }

    /// Which text of a password it was made from. A foreign one knows nothing of forms.
    pub(super) const fn form(&self) -> PasswordForm {
        match self {
            Self::Argon2(hash) => hash.form,
            Self::Foreign(_) => PasswordForm::AsTyped,
        }
    }
}
