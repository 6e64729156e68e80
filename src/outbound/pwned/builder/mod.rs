//! Turns a list of leaked hashes into a filter file, in little memory. A sorted list is read once; for any
//! other it is read anew and sorted through a temporary file beside the filter. The filter gets its name only
//! when it is complete and on the disk.

mod error;
mod list;
mod sort;

pub use error::BuildError;

use super::filter::{self, HEADER_BYTES, SHARDS_MAX, Shard};
use list::List;
use sort::{RUN_KEYS_MAX, Sorter};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use xorf::BinaryFuse16;

/// The most keys in a shard: 34 MiB of memory while it is built, and 2.26 bytes a key in the file.
const SHARD_KEYS_MAX: usize = 1024 * 1024;
/// How much of the list is read at a time.
const READ_BYTES: usize = 256 * 1024;
/// After how many lines it is told how far it has come.
const PROGRESS_LINES: u64 = 100_000_000;

/// What to build, and from what.
pub struct Order<'a> {
    /// The list. It is read from its start; to be read twice, it has to be a regular file.
    pub list: &'a File,
    /// The name of the filter file.
    pub out: &'a Path,
    /// The smallest count with which a hash is taken in.
    pub min_count: u64,
    /// Whether a file of that name is replaced.
    pub force: bool,
}

/// What was built.
#[derive(Debug, PartialEq, Eq)]
pub struct Built {
    /// How many lines the list has.
    pub lines: u64,
    /// How many different hashes are in the filter.
    pub hashes: u64,
    /// The length of the filter file.
    pub bytes: u64,
}

/// How much is held in memory at a time.
#[derive(Clone, Copy)]
pub struct Portions {
    /// The most keys in a shard.
    pub shard_keys_max: usize,
    /// The most keys that are sorted in memory.
    pub run_keys_max: usize,
}

impl Default for Portions {
    fn default() -> Self {
        Self { shard_keys_max: SHARD_KEYS_MAX, run_keys_max: RUN_KEYS_MAX }
    }
}

/// Builds the filter; `tell` is told how it goes.
///
/// # Errors
/// The list cannot be read or is none, or the filter cannot be written. Nothing incomplete is left behind then.
pub fn build(order: &Order<'_>, portions: Portions, tell: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    match order.out.symlink_metadata() {
        // Renaming would fail at the very end for a directory, and do harm to a device.
        Ok(metadata) if !metadata.is_file() => return Err(BuildError::NotAFile),
        Ok(_) if !order.force => return Err(BuildError::Exists),
        _ => {}
    }
    let partial = beside(order.out, ".partial");
    let writer = FilterWriter::new(error::create_new(&partial)?, portions.shard_keys_max)?;
    let built = fill(order, writer, portions, tell).and_then(|built| {
        std::fs::rename(&partial, order.out).map_err(BuildError::Unwritable)?;
        sync_directory(order.out)?;
        Ok(built)
    });
    if built.is_err() {
        // Nothing better can be done about a file that cannot be removed; the next build names it.
        let _ = std::fs::remove_file(&partial);
    }
    built
}

fn fill(
    order: &Order<'_>,
    mut writer: FilterWriter,
    portions: Portions,
    tell: &mut dyn FnMut(&str),
) -> Result<Built, BuildError> {
    let mut list = List::new(BufReader::with_capacity(READ_BYTES, order.list), order.min_count);
    if !copy_sorted(&mut list, &mut writer, tell)? {
        tell("The list is not sorted. Reading it anew, sorting through a temporary file.");
        let mut source = list.into_source();
        source.rewind().map_err(|_| BuildError::ReadOnce)?;
        list = List::new(source, order.min_count);
        writer.restart()?;
        let mut sorter = Sorter::through(&beside(order.out, ".sorting"), portions.run_keys_max)?;
        while let Some(key) = next_key(&mut list, tell)? {
            sorter.push(key)?;
        }
        tell("Merging.");
        sorter.merge(|key| writer.push(key).map(drop))?;
    }
    let (hashes, bytes) = writer.finish(order.min_count)?;
    Ok(Built { lines: list.lines(), hashes, bytes })
}

type FileList<'a> = List<BufReader<&'a File>>;

/// Copies the list as long as it is sorted; whether it is to the end.
fn copy_sorted(
    list: &mut FileList<'_>,
    writer: &mut FilterWriter,
    tell: &mut dyn FnMut(&str),
) -> Result<bool, BuildError> {
    while let Some(key) = next_key(list, tell)? {
        if !writer.push(key)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn next_key(list: &mut FileList<'_>, tell: &mut dyn FnMut(&str)) -> Result<Option<u64>, BuildError> {
    let before = list.lines() / PROGRESS_LINES;
    let key = list.next_key()?;
    if list.lines() / PROGRESS_LINES > before {
        tell(&format!("{} million lines read.", list.lines() / 1_000_000));
    }
    Ok(key)
}

/// `out` with something behind its name, hence in the same directory and on the same file system.
fn beside(out: &Path, ending: &str) -> PathBuf {
    let mut name = out.file_name().map(OsStr::to_owned).unwrap_or_default();
    name.push(ending);
    out.with_file_name(name)
}

/// A new name is safe from a power cut only when its directory is on the disk too.
fn sync_directory(out: &Path) -> Result<(), BuildError> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(BuildError::Unwritable)
}

/// Writes a filter file shard by shard, from keys in ascending order.
pub struct FilterWriter {
    file: File,
    shard_keys_max: usize,
    shards: Vec<Shard>,
    keys: Vec<u64>,
    hashes: u64,
    last: Option<u64>,
}

impl FilterWriter {
    /// Writes to `file`, which is empty.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn new(file: File, shard_keys_max: usize) -> Result<Self, BuildError> {
        let mut writer =
            Self { file, shard_keys_max, shards: Vec::new(), keys: Vec::new(), hashes: 0, last: None };
        writer.skip_header()?;
        Ok(writer)
    }

    /// Forgets everything taken in so far.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn restart(&mut self) -> Result<(), BuildError> {
        self.file.set_len(0).map_err(BuildError::Unwritable)?;
        self.shards.clear();
        self.keys.clear();
        self.hashes = 0;
        self.last = None;
        self.skip_header()
    }

    /// Takes a key in, once if it comes again; not (`false`) if it is smaller than the one before.
    ///
    /// # Errors
    /// The file cannot be written, or there are too many keys.
    pub fn push(&mut self, key: u64) -> Result<bool, BuildError> {
        if self.last.is_some_and(|last| key <= last) {
            return Ok(self.last == Some(key));
        }
        if self.keys.len() >= self.shard_keys_max {
            self.finish_shard()?;
        }
        self.keys.push(key);
        self.hashes += 1;
        self.last = Some(key);
        Ok(true)
    }

    /// Completes the file and waits until the disk has it. Gives the number of hashes, and of bytes.
    ///
    /// # Errors
    /// No key was taken in, or the file cannot be written.
    pub fn finish(mut self, min_count: u64) -> Result<(u64, u64), BuildError> {
        if self.hashes == 0 {
            return Err(BuildError::Empty);
        }
        self.finish_shard()?;
        let (header, index) = filter::encode(&self.shards, self.hashes, min_count);
        self.write(&index)?;
        let bytes = self.file.stream_position().map_err(BuildError::Unwritable)?;
        self.file.rewind().map_err(BuildError::Unwritable)?;
        self.write(&header)?;
        self.file.sync_all().map_err(BuildError::Unwritable)?;
        Ok((self.hashes, bytes))
    }

    /// The header comes last, so that a file without its end has no beginning either.
    fn skip_header(&mut self) -> Result<(), BuildError> {
        self.file.seek(SeekFrom::Start(HEADER_BYTES as u64)).map(drop).map_err(BuildError::Unwritable)
    }

    fn finish_shard(&mut self) -> Result<(), BuildError> {
        if self.shards.len() == SHARDS_MAX as usize {
            return Err(BuildError::TooMany);
        }
        let Some(first_key) = self.keys.first().copied() else { return Ok(()) };
        let filter = BinaryFuse16::try_from(&self.keys).map_err(|_| BuildError::Construction)?;
        self.keys.clear();
        self.shards.push(Shard {
            first_key,
            seed: filter.descriptor.seed,
            segment_length: filter.descriptor.segment_length,
            first_positions: filter.descriptor.segment_count_length,
        });
        let bytes: Vec<u8> =
            filter.fingerprints.iter().flat_map(|fingerprint| fingerprint.to_le_bytes()).collect();
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        self.file.write_all(bytes).map_err(BuildError::Unwritable)
    }
}
