//! Sorts more keys than fit into memory: sorted runs go to a temporary file, and are merged from there.

use super::error::{BuildError, create_new};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How many keys a run usually has: 32 MiB of memory.
pub const RUN_KEYS_MAX: usize = 4 * 1024 * 1024;
/// The most runs: with full ones enough for 17 billion lines, and a bound to the memory for merging.
const RUNS_MAX: usize = 4096;
/// How much of each run is in memory while merging, and how much is written at a time.
const BUFFER_BYTES: usize = 32 * 1024;
const KEY_BYTES: usize = size_of::<u64>();

/// Keys on their way to being sorted.
pub struct Sorter {
    file: File,
    run_keys_max: usize,
    pending: Vec<u64>,
    /// Where in the file each finished run ends.
    ends: Vec<u64>,
}

impl Sorter {
    /// Sorts through a file at `path`, which must not exist yet and is gone as soon as nobody uses it.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn through(path: &Path, run_keys_max: usize) -> Result<Self, BuildError> {
        let file = create_new(path)?;
        std::fs::remove_file(path).map_err(BuildError::Unwritable)?;
        Ok(Self { file, run_keys_max, pending: Vec::new(), ends: Vec::new() })
    }

    /// Takes a key in.
    ///
    /// # Errors
    /// The temporary file cannot be written, or there are too many keys.
    pub fn push(&mut self, key: u64) -> Result<(), BuildError> {
        self.pending.push(key);
        if self.pending.len() >= self.run_keys_max { self.finish_run() } else { Ok(()) }
    }

    /// Hands out all keys in ascending order, equal ones more than once.
    ///
    /// # Errors
    /// The temporary file cannot be written or read, or `take` fails.
    pub fn merge(mut self, mut take: impl FnMut(u64) -> Result<(), BuildError>) -> Result<(), BuildError> {
        self.finish_run()?;
        self.pending = Vec::new();
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let mut runs: Vec<Run> = starts.zip(&self.ends).map(|(start, end)| Run::new(start, *end)).collect();
        let mut smallest = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            smallest.extend(
                run.next_key(&self.file).map_err(BuildError::Unwritable)?.map(|key| Reverse((key, number))),
            );
        }
        while let Some(Reverse((key, number))) = smallest.pop() {
            take(key)?;
            let next = runs[number].next_key(&self.file).map_err(BuildError::Unwritable)?;
            smallest.extend(next.map(|key| Reverse((key, number))));
        }
        Ok(())
    }

    fn finish_run(&mut self) -> Result<(), BuildError> {
        if self.ends.len() == RUNS_MAX {
            return Err(BuildError::TooMany);
        }
        self.pending.sort_unstable();
        let mut end = self.ends.last().copied().unwrap_or(0);
        for keys in self.pending.chunks(BUFFER_BYTES / KEY_BYTES) {
            let bytes: Vec<u8> = keys.iter().flat_map(|key| key.to_le_bytes()).collect();
            self.file.write_all_at(&bytes, end).map_err(BuildError::Unwritable)?;
            end += bytes.len() as u64;
        }
        self.pending.clear();
        self.ends.push(end);
        Ok(())
    }
}

/// A sorted stretch of the temporary file that is being read.
struct Run {
    position: u64,
    end: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Run {
    const fn new(start: u64, end: u64) -> Self {
        Self { position: start, end, buffer: Vec::new(), used: 0 }
    }

    fn next_key(&mut self, file: &File) -> io::Result<Option<u64>> {
        if self.used == self.buffer.len() {
            let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
            self.buffer.resize(left.min(BUFFER_BYTES), 0);
            file.read_exact_at(&mut self.buffer, self.position)?;
            self.position += self.buffer.len() as u64;
            self.used = 0;
        }
        let Some(key) = self.buffer[self.used..].first_chunk() else { return Ok(None) };
        self.used += KEY_BYTES;
        Ok(Some(u64::from_le_bytes(*key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_in_comes_out_in_order_whatever_the_number_of_runs() {
        for (keys, run_keys_max) in [(0, 10), (7, 10), (10, 10), (10_001, 10), (50_000, 20_000)] {
            let path = std::env::temp_dir().join(format!("authnzerver-sort-{}-{keys}", std::process::id()));
            let mut random = fastrand::Rng::with_seed(keys);
            let mut expected: Vec<u64> = (0..keys).map(|_| random.u64(..keys)).collect();
            let mut sorter = Sorter::through(&path, run_keys_max).expect("a new file");
            for key in &expected {
                sorter.push(*key).expect("room");
            }
            let mut sorted = Vec::new();
            sorter
                .merge(|key| {
                    sorted.push(key);
                    Ok(())
                })
                .expect("readable runs");
            expected.sort_unstable();
            assert_eq!(sorted, expected);
            assert!(!path.exists(), "the temporary file has gone");
        }
    }

    #[test]
    fn the_number_of_runs_is_bounded() {
        let path = std::env::temp_dir().join(format!("authnzerver-sort-{}-bounded", std::process::id()));
        let mut sorter = Sorter::through(&path, 1).expect("a new file");
        for key in 0..RUNS_MAX as u64 {
            sorter.push(key).expect("room");
        }
        assert!(matches!(sorter.push(0), Err(BuildError::TooMany)));
    }
}
