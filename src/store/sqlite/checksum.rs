//! The SHA-256 of a backup, in a file beside it that `sha256sum --check` reads, too. SQLite does not see bits that have
//! changed inside a value.

use super::companions::beside;
use crate::files::{PRIVATE_FILE_MODE, owner_of, read_small, replace_private_of};
use crate::store::error::OpenError;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// What the name of the file ends in.
pub(crate) const CHECKSUM_SUFFIX: &str = ".sha256";

/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Bytes of a file with a checksum: the digits, and a file's name.
const CHECKSUM_FILE_BYTES_MAX: u64 = 8 * 1024;
const DIGITS: usize = 64;

/// The SHA-256 of a file's content, in hexadecimal digits.
pub(super) fn digits_of(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            bytes => hash.update(&piece[..bytes]),
        }
    }
    let mut digits = String::with_capacity(DIGITS);
    for byte in hash.finalize() {
        write!(digits, "{byte:02x}").expect("a String takes all that is written to it");
    }
    Ok(digits)
}

/// Writes the file beside a backup. It belongs to whom the database belongs to.
pub(super) fn write(backup: &Path, digits: &str, database: &Path) -> io::Result<()> {
    let name = backup.file_name().unwrap_or_default().to_string_lossy();
    // As sha256sum does with names that would break the line.
    let escaped = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let mark = if escaped == name { "" } else { "\\" };
    let line = format!("{mark}{digits}  {escaped}\n");
    let owner = owner_of(database);
    replace_private_of(&beside(backup, CHECKSUM_SUFFIX), PRIVATE_FILE_MODE, line.as_bytes(), owner.as_ref())
}

/// Takes away the file beside a backup that is about to be replaced.
pub(super) fn remove(backup: &Path) -> io::Result<()> {
    match std::fs::remove_file(beside(backup, CHECKSUM_SUFFIX)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Refuses a backup that is not what its checksum was made of, if there is one.
pub(super) fn check(backup: &Path) -> Result<(), OpenError> {
    let beside_it: PathBuf = beside(backup, CHECKSUM_SUFFIX);
    if beside_it.symlink_metadata().is_err() {
        return Ok(());
    }
    let read = read_small(&beside_it, CHECKSUM_FILE_BYTES_MAX);
    let text = read.map_err(|error| OpenError::File(beside_it.clone(), error))?.bytes;
    let line = text.strip_prefix(b"\\").unwrap_or(&text);
    let expected = line.get(..DIGITS).map(<[u8]>::to_ascii_lowercase);
    let found = digits_of(backup).map_err(|error| OpenError::File(backup.to_owned(), error))?;
    if expected.as_deref() == Some(found.as_bytes()) {
        Ok(())
    } else {
        Err(OpenError::Checksum(backup.to_owned(), beside_it))
    }
}
