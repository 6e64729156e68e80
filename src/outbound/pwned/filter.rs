//! The offline filter of leaked passwords: its file format, and looking a password up in such a file.
//!
//! The file says of every hash it was built from that it is there, and of about one in 65,536 others too
//! (2^-16: fingerprints have 16 bits). It is cut into shards by the leading 64 bits of the SHA-1, its *key*; a
//! shard is a binary fuse filter over up to a million keys. A lookup takes three reads of two bytes, so
//! nothing but the list of shards (32 bytes each) stays in memory. The [`builder`](super::builder) makes them.
//!
//! All numbers are little endian, and there is nothing else in the file:
//!
//! | where | bytes | what |
//! | --- | --- | --- |
//! | header | 8 | [`MAGIC`] |
//! | | 4 | [`VERSION`] |
//! | | 4 | number of shards, 1 to [`SHARDS_MAX`] |
//! | | 8 | number of hashes |
//! | | 8 | smallest count with which a hash was taken in |
//! | | 32 | SHA-256 of the header so far and the whole index |
//! | data | 2 each | the fingerprints of each shard, one shard after another |
//! | index, up to the end | 24 a shard | smallest key 8, seed 8, segment length 4, length of all segments that a first position may lie in 4 |
//!
//! A shard of segment length `s` and first positions below `p` has `p + 2 s` fingerprints. The checksum covers
//! what positions are computed from; an error in the data can only make an answer wrong.
//! The file is not trusted: whatever it holds, opening and asking return, and read within it.

use super::{Breach, BreachLookup, UnknownReason};
use crate::files::open_regular;
use crate::problem::{Loggable, Shown};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How a filter file begins.
pub const MAGIC: [u8; 8] = *b"ANZPWNED";
/// The format that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// The most shards in a file: enough for eight billion hashes, and 256 KiB of memory.
pub const SHARDS_MAX: u32 = 8192;
/// The length of the header.
pub const HEADER_BYTES: usize = 64;
/// The length of a shard's entry in the index.
const ENTRY_BYTES: usize = 24;
/// Where the checksum begins in the header.
const CHECKSUM_OFFSET: usize = 32;
/// The most fingerprints in a shard; the builder's million keys need 1.2 million.
const SHARD_FINGERPRINTS_MAX: u64 = 1 << 22;
const FINGERPRINT_BYTES: usize = 2;

/// A filter file, opened for lookups.
pub struct PwnedFilter {
    file: File,
    shards: Vec<Placed>,
    hashes: u64,
}

/// A shard, and where in the file its fingerprints begin.
struct Placed {
    shard: Shard,
    offset: u64,
}

/// Why a file cannot be used as a filter.
#[derive(Debug)]
pub enum FilterError {
    /// It cannot be opened or read.
    Io(io::Error),
    /// It is something else.
    NotAFilter,
    /// It has a format that this program does not know.
    Version(u32),
    /// It was cut short, or changed, or written by a broken program.
    Damaged(&'static str),
}

impl Loggable for FilterError {}

impl fmt::Display for FilterError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(out, "the leaked-password filter cannot be read: {}", Shown(error)),
            Self::NotAFilter => {
                out.write_str("this is not a leaked-password filter; `pwned build` makes one")
            }
            Self::Version(version) => write!(
                out,
                "this leaked-password filter has format {version}, this program reads format {VERSION}; build it anew"
            ),
            Self::Damaged(what) => {
                write!(out, "this leaked-password filter is incomplete or damaged ({what}); build it anew")
            }
        }
    }
}

impl std::error::Error for FilterError {}

impl From<io::Error> for FilterError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl PwnedFilter {
    /// Opens a filter file and checks header and index. The file stays open, so replacing it by another of the
    /// same name (as `pwned build --force` does) takes effect when it is opened next.
    ///
    /// # Errors
    /// The file cannot be read, or is not a sound filter of a known format.
    pub fn open(path: &Path) -> Result<Self, FilterError> {
        let (file, metadata) = open_regular(path)?;
        let file_bytes = metadata.len();
        if file_bytes < HEADER_BYTES as u64 {
            return Err(FilterError::NotAFilter);
        }
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0)?;
        if header[..MAGIC.len()] != MAGIC {
            return Err(FilterError::NotAFilter);
        }
        let version = u32_at(&header, 8);
        if version != VERSION {
            return Err(FilterError::Version(version));
        }
        let shards = u32_at(&header, 12);
        if shards == 0 || shards > SHARDS_MAX {
            return Err(FilterError::Damaged("number of shards"));
        }
        let mut index = vec![0; shards as usize * ENTRY_BYTES];
        let index_offset = file_bytes
            .checked_sub(index.len() as u64)
            .filter(|offset| *offset >= HEADER_BYTES as u64)
            .ok_or(FilterError::Damaged("length"))?;
        file.read_exact_at(&mut index, index_offset)?;
        if header[CHECKSUM_OFFSET..] != checksum(&header, &index) {
            return Err(FilterError::Damaged("checksum"));
        }
        Ok(Self { file, shards: place(&index, index_offset)?, hashes: u64_at(&header, 16) })
    }

    /// How many hashes the file was built from.
    #[must_use]
    pub const fn hashes(&self) -> u64 {
        self.hashes
    }

    /// Whether the hash is among those the file was built from; wrongly yes for about one in 65,536 others.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn contains(&self, sha1: &[u8; 20]) -> io::Result<bool> {
        let key = key(sha1);
        let after = self.shards.partition_point(|placed| placed.shard.first_key <= key);
        let Some(placed) = after.checked_sub(1).and_then(|at| self.shards.get(at)) else {
            return Ok(false);
        };
        let (mut fingerprint, positions) = placed.shard.spot(key);
        for position in positions {
            let mut bytes = [0; FINGERPRINT_BYTES];
            self.file.read_exact_at(&mut bytes, placed.offset + position * FINGERPRINT_BYTES as u64)?;
            fingerprint ^= u16::from_le_bytes(bytes);
        }
        Ok(fingerprint == 0)
    }
}

impl BreachLookup for PwnedFilter {
    fn leaked(&self, password_sha1: &[u8; 20]) -> Breach {
        match self.contains(password_sha1) {
            Ok(true) => Breach::Found { times: None },
            Ok(false) => Breach::NotFound,
            Err(error) => Breach::Unknown(UnknownReason::FilterUnreadable(error.kind())),
        }
    }

    fn leaked_here(&self, password_sha1: &[u8; 20]) -> Option<Breach> {
        Some(self.leaked(password_sha1))
    }
}

/// What the filter knows a hash by. That two leaked hashes agree in it is unlikely, and does no harm.
///
/// # Panics
///
/// Never: a SHA-1 is longer than eight bytes.
#[must_use]
pub fn key(sha1: &[u8; 20]) -> u64 {
    let (leading, _) = sha1.split_first_chunk().expect("a SHA-1 is longer than eight bytes");
    u64::from_be_bytes(*leading)
}

/// One shard's entry in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The smallest key in the shard. It reaches up to the next shard's.
    pub first_key: u64,
    /// What keys are mixed with.
    pub seed: u64,
    /// The distance between the windows of a key's three positions; a power of two.
    pub segment_length: u32,
    /// First positions are below this; a multiple of the segment length.
    pub first_positions: u32,
}

impl Shard {
    const fn fingerprints(&self) -> u64 {
        self.first_positions as u64 + 2 * self.segment_length as u64
    }

    fn is_sound(&self) -> bool {
        self.segment_length.is_power_of_two()
            && self.first_positions > 0
            && self.first_positions.is_multiple_of(self.segment_length)
            && self.fingerprints() <= SHARD_FINGERPRINTS_MAX
    }

    /// A key's fingerprint, and the three positions whose fingerprints together give it. Has to agree with how
    /// `xorf` fills a binary fuse filter: the key plus the seed goes through the final mix of MurmurHash3;
    /// the hash, taken as a fraction, picks the first position, and low bits move the other two in their segments.
    fn spot(&self, key: u64) -> (u16, [u64; 3]) {
        let mut hash = key.wrapping_add(self.seed);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^= hash >> 33;
        let segment = u64::from(self.segment_length);
        let first = ((u128::from(hash) * u128::from(self.first_positions)) >> 64) as u64;
        let second = (first + segment) ^ ((hash >> 18) & (segment - 1));
        let third = (first + 2 * segment) ^ (hash & (segment - 1));
        #[expect(clippy::cast_possible_truncation, reason = "the fingerprint is the low bits")]
        let fingerprint = (hash ^ (hash >> 32)) as u16;
        (fingerprint, [first, second, third])
    }
}

/// Header and index of a file with these shards, which follow each other in this order.
///
/// # Panics
///
/// With more shards than the builder makes.
#[must_use]
pub fn encode(shards: &[Shard], hashes: u64, min_count: u64) -> ([u8; HEADER_BYTES], Vec<u8>) {
    let mut index = Vec::with_capacity(shards.len() * ENTRY_BYTES);
    for shard in shards {
        index.extend_from_slice(&shard.first_key.to_le_bytes());
        index.extend_from_slice(&shard.seed.to_le_bytes());
        index.extend_from_slice(&shard.segment_length.to_le_bytes());
        index.extend_from_slice(&shard.first_positions.to_le_bytes());
    }
    let count = u32::try_from(shards.len()).expect("the builder makes no more shards than SHARDS_MAX");
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&count.to_le_bytes());
    header[16..24].copy_from_slice(&hashes.to_le_bytes());
    header[24..32].copy_from_slice(&min_count.to_le_bytes());
    let checksum = checksum(&header, &index);
    header[CHECKSUM_OFFSET..].copy_from_slice(&checksum);
    (header, index)
}

fn checksum(header: &[u8; HEADER_BYTES], index: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(&header[..CHECKSUM_OFFSET]).chain_update(index).finalize().into()
}

/// Reads the index, and checks that its shards are sound, in order, and fill the file up to the index.
fn place(index: &[u8], index_offset: u64) -> Result<Vec<Placed>, FilterError> {
    let mut shards: Vec<Placed> = Vec::with_capacity(index.len() / ENTRY_BYTES);
    let mut offset = HEADER_BYTES as u64;
    for entry in index.chunks_exact(ENTRY_BYTES) {
        let shard = Shard {
            first_key: u64_at(entry, 0),
            seed: u64_at(entry, 8),
            segment_length: u32_at(entry, 16),
            first_positions: u32_at(entry, 20),
        };
        if !shard.is_sound() {
            return Err(FilterError::Damaged("shard"));
        }
        if shards.last().is_some_and(|last| last.shard.first_key >= shard.first_key) {
            return Err(FilterError::Damaged("order of shards"));
        }
        let next = offset + shard.fingerprints() * FINGERPRINT_BYTES as u64;
        shards.push(Placed { shard, offset });
        offset = next;
    }
    if offset == index_offset { Ok(shards) } else { Err(FilterError::Damaged("length")) }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn array_at<const LENGTH: usize>(bytes: &[u8], at: usize) -> [u8; LENGTH] {
    *bytes[at..].first_chunk().expect("header and index entries are longer than the fields read from them")
}

#[cfg(test)]
mod tests;
