//! Why a filter was not built.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why no filter was built.
#[derive(Debug)]
pub enum BuildError {
    /// The list cannot be read.
    ListUnreadable(io::Error),
    /// This line is none of a list of hashes.
    BadLine(u64),
    /// The list is not sorted, and cannot be read a second time.
    ReadOnce,
    /// There is nothing in the list to take in.
    Empty,
    /// There are more hashes than a filter file may hold.
    TooMany,
    /// There is a file of that name already.
    Exists,
    /// That name belongs to a directory, a link or a device.
    NotAFile,
    /// A temporary file of another build is there.
    LeftOver(PathBuf),
    /// The filter, or a temporary file beside it, cannot be written or read back.
    Unwritable(io::Error),
    /// The hashes of a shard could not be arranged, which is next to impossible.
    Construction,
}

impl fmt::Display for BuildError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ListUnreadable(error) => write!(out, "the list cannot be read: {error}"),
            Self::BadLine(line) => {
                write!(
                    out,
                    "line {line} of the list is not a SHA-1 of 40 hexadecimal digits, a colon and a count"
                )
            }
            Self::ReadOnce => out.write_str(
                "the list is not sorted, and a pipe cannot be read twice: sort it, or give it as a file",
            ),
            Self::Empty => out.write_str("the list holds no hash with a count that high"),
            Self::TooMany => out.write_str("the list is too long for a filter; raise --min-count"),
            Self::Exists => out.write_str("the filter file exists already; --force replaces it"),
            Self::NotAFile => out.write_str("the filter cannot replace what is no regular file"),
            Self::LeftOver(path) => write!(
                out,
                "{} is there: another build is at work, or was interrupted; remove the file if it was",
                path.display()
            ),
            Self::Unwritable(error) => write!(out, "writing the filter failed: {error}"),
            Self::Construction => out.write_str("the filter could not be constructed from these hashes"),
        }
    }
}

impl std::error::Error for BuildError {}

/// Makes a file that nobody else writes to, for reading back and writing.
///
/// # Errors
/// There is a file of that name, or it cannot be made.
pub fn create_new(path: &Path) -> Result<File, BuildError> {
    OpenOptions::new().read(true).write(true).create_new(true).open(path).map_err(|error| {
        match error.kind() {
            ErrorKind::AlreadyExists => BuildError::LeftOver(path.to_owned()),
            _ => BuildError::Unwritable(error),
        }
    })
}
