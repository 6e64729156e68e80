//! The memory that Argon2 works in, and the only place that calls the implementation. An arena's addresses are reserved
//! at the start, and the memory behind them is used again and again until there is nothing to do for a while. Between
//! two computations it is wiped, so that nothing derived from a password stays.

use super::Argon2Cost;
use super::phc::{Variant, Version};
use crate::os;
use argon2::{Algorithm, Argon2, Block, Params};
use std::hint::black_box;

/// Memory for one computation at a time.
pub(super) struct Arena(Vec<Block>);

/// There is not enough memory for an arena of this size.
#[derive(Debug)]
pub(super) struct NoMemory;

impl Arena {
    /// Reserves an arena for computations of up to this cost. Nothing is touched yet, so this takes no time.
    pub(super) fn reserve(cost: &Argon2Cost) -> Result<Self, NoMemory> {
        let mut blocks = Vec::new();
        let count = usize::try_from(cost.memory_kib()).map_err(|_| NoMemory)?;
        blocks.try_reserve_exact(count).map_err(|_| NoMemory)?;
        // A computation jumps about in all of it: with pages of 4 KiB, a tenth of its time goes into finding them.
        os::prefer_huge_pages(blocks.spare_capacity_mut());
        Ok(Self(blocks))
    }

    /// Whether it takes no memory at the moment.
    pub(super) fn is_at_rest(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets the system have the memory back, but keeps the addresses.
    pub(super) fn give_back(&mut self) {
        self.0.clear();
        os::give_back(self.0.spare_capacity_mut());
    }

    /// Computes a tag as long as `tag` is. The arena must have been reserved for this cost or a higher one.
    pub(super) fn compute(
        &mut self,
        (variant, version, cost): (Variant, Version, &Argon2Cost),
        text: &[u8],
        salt: &[u8],
        tag: &mut [u8],
    ) {
        let algorithm = match variant {
            Variant::Argon2d => Algorithm::Argon2d,
            Variant::Argon2i => Algorithm::Argon2i,
            Variant::Argon2id => Algorithm::Argon2id,
        };
        let version = match version {
            Version::V16 => argon2::Version::V0x10,
            Version::V19 => argon2::Version::V0x13,
        };
        let params = Params::new(cost.memory_kib(), cost.passes(), cost.lanes(), Some(tag.len()));
        let params = params.expect("a cost can be computed, and the length of the tag was checked");
        let blocks = params.block_count();
        if self.0.len() < blocks {
            self.0.resize(self.0.capacity(), Block::new());
        }
        let memory = &mut self.0[..blocks];
        Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(text, salt, tag, &mut *memory)
            .expect("the memory suffices, and the lengths of text, salt and tag were checked");
        wipe(memory);
    }
}

/// Overwrites all of it. The compiler must take it that somebody looks.
fn wipe(memory: &mut [Block]) {
    memory.fill(Block::new());
    black_box(memory);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    fn cost(text: &str) -> Argon2Cost {
        Argon2Cost::parse(text, true).expect("a cost for the test")
    }

    /// What the other implementation computes.
    fn reference(
        variant: Variant,
        version: Version,
        cost: &Argon2Cost,
        text: &[u8],
        salt: &[u8],
        tag_bytes: usize,
    ) -> Vec<u8> {
        let config = reference_argon2::Config {
            ad: &[],
            secret: &[],
            hash_length: u32::try_from(tag_bytes).expect("a short tag"),
            lanes: cost.lanes(),
            mem_cost: cost.memory_kib(),
            time_cost: cost.passes(),
            thread_mode: reference_argon2::ThreadMode::Sequential,
            variant: match variant {
                Variant::Argon2d => reference_argon2::Variant::Argon2d,
                Variant::Argon2i => reference_argon2::Variant::Argon2i,
                Variant::Argon2id => reference_argon2::Variant::Argon2id,
            },
            version: match version {
                Version::V16 => reference_argon2::Version::Version10,
                Version::V19 => reference_argon2::Version::Version13,
            },
        };
        reference_argon2::hash_raw(text, salt, &config).expect("good parameters")
    }

    #[test]
    fn two_implementations_agree_on_random_parameters() {
        let mut random = fastrand::Rng::with_seed(26);
        let mut arena = Arena::reserve(&cost("m=2048,t=1,p=1")).expect("two megabytes");
        for round in 0..400 {
            let lanes = random.u32(1..=16);
            let memory_kib = random.u32(8 * lanes..=1024.max(8 * lanes));
            let cost = cost(&format!("m={memory_kib},t={},p={lanes}", random.u32(1..=4)));
            let variant = [Variant::Argon2d, Variant::Argon2i, Variant::Argon2id][round % 3];
            let version = [Version::V16, Version::V19][random.usize(..2)];
            let bytes = |random: &mut fastrand::Rng, length: usize| -> Vec<u8> {
                (0..length).map(|_| random.u8(..)).collect()
            };
            let length = random.usize(..300);
            let text = bytes(&mut random, length);
            let length = random.usize(8..=48);
            let salt = bytes(&mut random, length);
            let mut tag = vec![0; random.usize(12..=64)];
            arena.compute((variant, version, &cost), &text, &salt, &mut tag);
            let expected = reference(variant, version, &cost, &text, &salt, tag.len());
            assert_eq!(tag, expected, "{variant:?} {version:?} {cost}");
        }
    }

    #[test]
    fn nothing_of_a_computation_stays_in_the_arena() {
        let cost = cost("m=64,t=1,p=1");
        let mut arena = Arena::reserve(&cost).expect("a little memory");
        let compute = |arena: &mut Arena| {
            let mut tag = [0; 32];
            arena.compute((Variant::Argon2id, Version::V19, &cost), b"password", b"somesalt", &mut tag);
            tag
        };
        let first = compute(&mut arena);
        assert_eq!(arena.0.len(), 64);
        assert!(arena.0.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)), "it is wiped");
        let place = arena.0.as_ptr();
        assert_eq!(compute(&mut arena), first);
        assert_eq!(arena.0.as_ptr(), place, "it is used again");
    }

    /// How many pages of the arena are in memory.
    fn pages_present(arena: &Arena) -> usize {
        const PAGE: usize = 4096;
        const ENTRY: usize = 8;
        let first = arena.0.as_ptr() as usize / PAGE;
        let mut entries = vec![0; arena.0.capacity() * size_of::<Block>() / PAGE * ENTRY];
        let pages = std::fs::File::open("/proc/self/pagemap").expect("Linux tells a process about its pages");
        pages.read_exact_at(&mut entries, (first * ENTRY) as u64).expect("all of them are mapped");
        // The highest bit of an entry says it, which is in the last of its bytes.
        entries.chunks(ENTRY).filter(|entry| entry[ENTRY - 1] & 0x80 != 0).count()
    }

    #[test]
    fn memory_is_taken_by_the_first_computation_and_given_back_on_demand() {
        let cost = cost("m=4096,t=1,p=1");
        let mut arena = Arena::reserve(&cost).expect("four megabytes");
        let few = 1024 / 8;
        assert!(arena.is_at_rest(), "nothing was computed yet");
        let mut tags = [[0; 32]; 2];
        for tag in &mut tags {
            arena.compute((Variant::Argon2id, Version::V19, &cost), b"password", b"somesalt", tag);
            assert!(pages_present(&arena) > 1024 - few && !arena.is_at_rest());
            arena.give_back();
            assert!(pages_present(&arena) < few && arena.is_at_rest());
        }
        assert_eq!(tags[0], tags[1]);
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        let most = cost("m=4294967295,t=1,p=1");
        let mut taken = Vec::new();
        // A few of them exceed what any process can address.
        while let Ok(arena) = Arena::reserve(&most) {
            taken.push(arena);
            assert!(taken.len() < 1 << 16, "memory has an end");
        }
    }
}
