//! Whether anybody but SQLite has written into the database file. Copying another file over it (`cp`, a restore in
//! place) keeps its name and inode, and SQLite goes on with what it has in memory: the copy and the log beside it then
//! make up a database that is nobody's.
//!
//! While the log is in use, the file changes only when a checkpoint moves pages into it, whichever process does that,
//! and the log's index tells of each. So the file's length and time of change may change only together with that note.

use super::companions::beside;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Where the log's index keeps the salt of the log, which changes when the log begins anew (`aSalt` in SQLite's
/// `WalIndexHdr`), how many frames are in the file (`nBackfill`), and how many were about to be (`nBackfillAttempted`).
const SALT: usize = 32;
const BACKFILLED: usize = 96;
const BACKFILL_ATTEMPTED: usize = 128;
const INDEX_BYTES: usize = 136;

/// Watches one open database.
pub(super) struct ContentWatch {
    path: PathBuf,
    /// Open for as long as the database is: closing it would take SQLite's locks on it away.
    index: File,
    last: Mutex<Option<Seen>>,
}

/// What the file and the log's index looked like at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    file: Stamp,
    checkpoint: Checkpoint,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: (i64, i64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Checkpoint {
    salt: [u8; 8],
    backfilled: [u8; 4],
    attempted: [u8; 4],
}

impl Checkpoint {
    /// Whether pages may be on their way into the file right now.
    fn is_under_way(self) -> bool {
        self.backfilled != self.attempted
    }
}

impl ContentWatch {
    /// Begins to watch. SQLite must have made the log and its index.
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        // SQLite follows a symbolic link and keeps the log beside the file that it leads to.
        let index = File::open(beside(&std::fs::canonicalize(path)?, "-shm"))?;
        let watch = Self { path: path.to_owned(), index, last: Mutex::new(None) };
        // The first look has nothing to compare with.
        watch.is_sound();
        Ok(watch)
    }

    /// Whether all changes since the last look came out of the log. What cannot be found out counts as so: files that
    /// are gone are somebody else's finding.
    pub(super) fn is_sound(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (Ok(before), Ok(file), Ok(after)) = (self.checkpoint(), self.stamp(), self.checkpoint()) else {
            return true;
        };
        if before != after || after.is_under_way() {
            return true;
        }
        let seen = Seen { file, checkpoint: after };
        if last.is_some_and(|last| last.checkpoint == seen.checkpoint && last.file != seen.file) {
            // `last` stays, so that this is found at every look from now on.
            return false;
        }
        *last = Some(seen);
        true
    }

    fn stamp(&self) -> io::Result<Stamp> {
        let metadata = std::fs::metadata(&self.path)?;
        Ok(Stamp { bytes: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) })
    }

    fn checkpoint(&self) -> io::Result<Checkpoint> {
        let mut index = [0; INDEX_BYTES];
        self.index.read_exact_at(&mut index, 0)?;
        Ok(Checkpoint {
            salt: part(&index, SALT),
            backfilled: part(&index, BACKFILLED),
            attempted: part(&index, BACKFILL_ATTEMPTED),
        })
    }
}

fn part<const BYTES: usize>(index: &[u8; INDEX_BYTES], at: usize) -> [u8; BYTES] {
    std::array::from_fn(|number| index[at + number])
}
