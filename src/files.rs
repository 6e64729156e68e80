//! Files and directories that belong to the operator alone. A file gets its final mode at the moment it is
//! made, so that there is no time in which others could read it, and a file that exists is never overwritten.
//!
//! Whatever a setting names is read by [`read_small`] or opened by [`open_regular`]: regular files only, so that no
//! named pipe, device or terminal can hold up a start or a hang-up, or feed it without end.

pub(crate) mod unfinished;

use self::unfinished::Unfinished;
pub(crate) use self::unfinished::sync_directory_of;
pub use self::unfinished::with_suffix;
use crate::clock::Timestamp;
use crate::problem;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, fchown,
};
use std::path::{Path, PathBuf};

/// The mode of a key or of credentials: readable by the owner, writable by nobody.
pub const KEY_FILE_MODE: u32 = 0o400;
/// The mode of a file that the owner edits and others may not read.
pub const PRIVATE_FILE_MODE: u32 = 0o600;
/// The mode of a file that others may read.
pub const PUBLIC_FILE_MODE: u32 = 0o644;
/// The mode of the directory that holds all of these.
pub const PRIVATE_DIRECTORY_MODE: u32 = 0o700;

/// The administrator's number.
pub(crate) const ROOT: u32 = 0;

/// What the mode of a private file must not have: any right for the group or for others.
const OTHERS_MODE_BITS: u32 = 0o077;

/// Makes a file that did not exist, with its final mode, and puts it safely on the disk. Whoever finds it finds all
/// of it, even if this process is killed meanwhile. What root makes belongs to whom the directory belongs to: it is for the server,
/// which runs as that user.
///
/// # Errors
/// `AlreadyExists` if anything has that name, even a dangling link; otherwise what the file system says. A
/// file that could not be written whole is taken away again.
pub fn create_private(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let unfinished = Unfinished::create(path, mode)?;
    if path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    unfinished.file().write_all(bytes)?;
    // Where the system does not let it, it stays root's.
    let _ = give_to(unfinished.file(), owner_of(path));
    unfinished.place_new()
}

/// Whose a file is; without one, whose its directory is.
pub(crate) fn owner_of(path: &Path) -> Option<Metadata> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    std::fs::metadata(path).or_else(|_| std::fs::metadata(directory.unwrap_or(Path::new(".")))).ok()
}

/// What an administrator makes beside a server's files becomes the server's own.
pub(crate) fn give_to(file: &File, owner: Option<Metadata>) -> io::Result<()> {
    match owner {
        Some(owner) if our_user() == Some(ROOT) => fchown(file, Some(owner.uid()), Some(owner.gid())),
        _ => Ok(()),
    }
}

/// Whom the process runs as.
pub(crate) fn our_user() -> Option<u32> {
    std::fs::metadata("/proc/self").map(|metadata| metadata.uid()).ok()
}

/// Makes a file, with its final mode, and puts it safely on the disk, in place of one that may have its name. Whoever
/// looks finds the old one or the new one.
///
/// # Errors
/// What the file system says. Then the old file is still there.
pub fn replace_private(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    replace_private_of(path, mode, bytes, None)
}

/// The same for a file that will belong to whom something else belongs to.
///
/// # Errors
/// What the file system says. Then the old file is still there.
pub(crate) fn replace_private_of(
    path: &Path,
    mode: u32,
    bytes: &[u8],
    owner: Option<&Metadata>,
) -> io::Result<()> {
    let unfinished = Unfinished::create(path, mode)?;
    unfinished.file().write_all(bytes)?;
    if let Some(owner) = owner {
        let made = unfinished.file().metadata()?;
        if (made.uid(), made.gid()) != (owner.uid(), owner.gid()) {
            fchown(unfinished.file(), Some(owner.uid()), Some(owner.gid()))?;
        }
    }
    unfinished.place()
}

/// A file that is read, changed and replaced. Until this goes, nobody else who asks here does the same.
#[must_use]
pub(crate) struct Changing {
    /// What the file held.
    pub(crate) bytes: Vec<u8>,
    path: PathBuf,
    owner: Metadata,
    /// The lock is on what is replaced: whoever waits for it finds out then that another file has the name.
    _lock: File,
}

impl Changing {
    /// Reads a file of at most `bytes_max`, once nobody else is changing it. A link to it stays one.
    ///
    /// # Errors
    /// As [`read_small`].
    pub(crate) fn begin(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let path = std::fs::canonicalize(path)?;
        loop {
            let (lock, owner) = open_regular(&path)?;
            match lock.lock() {
                // Where files cannot be locked, two changes at a time are the operator's concern.
                Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
                _ => {}
            }
            let found = std::fs::metadata(&path)?;
            if (found.dev(), found.ino()) == (owner.dev(), owner.ino()) {
                let bytes = read_small(&path, bytes_max)?.bytes;
                return Ok(Self { bytes, path, owner, _lock: lock });
            }
        }
    }

    /// Replaces it. The file keeps its owner, who may be another one than whoever does this.
    ///
    /// # Errors
    /// What the file system says. Then the old file is still there.
    pub(crate) fn finish(&self, mode: u32, bytes: &[u8]) -> io::Result<()> {
        replace_private_of(&self.path, mode, bytes, Some(&self.owner))
    }
}

/// What [`create_beside`] did.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// The file is new.
    Made,
    /// The file was there, with the very same content.
    Kept,
    /// Another file has the name and stays; the content lies beside it.
    Beside(PathBuf),
}

/// Makes a file, or, if another one has its name, `<name>.new`, and at last `<name>.new-<UNIX seconds>`.
///
/// # Errors
/// What the file system says, or `AlreadyExists` if all three names are taken.
pub fn create_beside(path: &Path, mode: u32, bytes: &[u8], now: Timestamp) -> io::Result<Written> {
    let names = [String::new(), ".new".into(), format!(".new-{}", now.unix_seconds())];
    for (index, suffix) in names.iter().enumerate() {
        let candidate = with_suffix(path, suffix);
        match create_private(&candidate, mode, bytes) {
            Ok(()) if index == 0 => return Ok(Written::Made),
            Ok(()) => return Ok(Written::Beside(candidate)),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) if holds(&candidate, bytes) && index == 0 => return Ok(Written::Kept),
            Err(_) if holds(&candidate, bytes) => return Ok(Written::Beside(candidate)),
            Err(_) => {}
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Makes a directory that only its owner may enter, with its parents, unless it exists. An existing one keeps
/// its mode: it may be shared on purpose. Tells whether it was made.
///
/// # Errors
/// What the file system says, also if something that is no directory has the name.
pub fn ensure_private_directory(path: &Path) -> io::Result<bool> {
    if path.is_dir() {
        return Ok(false);
    }
    DirBuilder::new().recursive(true).mode(PRIVATE_DIRECTORY_MODE).create(path)?;
    Ok(true)
}

/// What a file held, and whether others may read it.
pub struct SmallFile {
    /// The whole content.
    pub bytes: Vec<u8>,
    /// Whether the group or others have any right on it.
    pub open_to_others: bool,
}

/// Reads a whole regular file of at most `bytes_max`, without the byte order mark that some editors put in front.
///
/// # Errors
/// `FileTooLarge` above `bytes_max`; `IsADirectory` for a directory and `InvalidInput` for anything else that is no
/// regular file; otherwise what the file system says.
pub fn read_small(path: &Path, bytes_max: u64) -> io::Result<SmallFile> {
    let (file, metadata) = open_regular(path)?;
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(SmallFile { bytes, open_to_others: is_open_to_others(&metadata) })
}

/// U+FEFF in UTF-8. It says nothing about a text that is UTF-8 anyway.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Opens a regular file for reading, without waiting for whatever else has the name.
///
/// # Errors
/// `IsADirectory` for a directory and `InvalidInput` for anything else that is no regular file; otherwise what the
/// file system says.
pub fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    // Some devices do something when they are opened; the second look is at what was really opened.
    ensure_regular(&std::fs::metadata(path)?)?;
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let metadata = file.metadata()?;
    ensure_regular(&metadata)?;
    Ok((file, metadata))
}

/// Whether the group or others have any right on what has this mode.
#[must_use]
pub fn is_open_to_others(metadata: &Metadata) -> bool {
    metadata.mode() & OTHERS_MODE_BITS != 0
}

/// Refuses what is no regular file.
///
/// # Errors
/// `IsADirectory` for a directory and `InvalidInput` for anything else.
pub fn ensure_regular(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem!("it is {}; a regular file is needed", what)))
}

fn holds(path: &Path, bytes: &[u8]) -> bool {
    read_small(path, bytes.len() as u64).is_ok_and(|file| file.bytes == bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("the file exists").mode() & 0o7777
    }

    #[test]
    fn what_root_makes_in_the_directory_of_another_user_is_that_users() {
        let directory = tempfile::tempdir().expect("a directory");
        // Only root may do this; for anybody else, what they make is theirs.
        let _ = std::os::unix::fs::chown(directory.path(), Some(65_534), Some(65_534));
        let path = directory.path().join("key");
        create_private(&path, KEY_FILE_MODE, b"key").expect("a new file");
        let made = std::fs::metadata(&path).expect("is there");
        let owner = std::fs::metadata(directory.path()).expect("is there");
        assert_eq!((made.uid(), made.gid()), (owner.uid(), owner.gid()));
    }

    #[test]
    fn a_key_file_is_private_from_the_start_and_made_once() {
        let room = tempfile::tempdir().expect("a directory");
        let path = room.path().join("key");
        create_private(&path, KEY_FILE_MODE, b"first").expect("a new file");
        assert_eq!(mode(&path), 0o400);
        let again = create_private(&path, KEY_FILE_MODE, b"second").expect_err("the name is taken");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).expect("readable"), b"first");
    }

    #[test]
    fn whoever_finds_a_file_finds_all_of_it() {
        let room = tempfile::tempdir().expect("a directory");
        let content = vec![b'x'; 16 * 1024 * 1024];
        for number in 0..4 {
            let path = room.path().join(format!("key{number}"));
            let first_seen = || loop {
                match std::fs::metadata(&path) {
                    Ok(found) => break found.len(),
                    Err(_) => std::thread::yield_now(),
                }
            };
            let found = std::thread::scope(|scope| {
                let looking = scope.spawn(first_seen);
                create_private(&path, KEY_FILE_MODE, &content).expect("a new file");
                looking.join().expect("no panic")
            });
            assert_eq!(found, content.len() as u64);
        }
    }

    #[test]
    fn a_dangling_link_is_not_followed() {
        let room = tempfile::tempdir().expect("a directory");
        let (link, target) = (room.path().join("link"), room.path().join("target"));
        std::os::unix::fs::symlink(&target, &link).expect("a link");
        assert!(create_private(&link, KEY_FILE_MODE, b"x").is_err());
        assert!(!target.exists());
    }

    #[test]
    fn what_exists_stays_and_the_new_content_lies_beside_it() {
        let room = tempfile::tempdir().expect("a directory");
        let path = room.path().join(".env");
        let now = Timestamp::parse("2026-11-23 14:06:11").expect("a time");
        let put = |bytes: &[u8]| create_beside(&path, PRIVATE_FILE_MODE, bytes, now).expect("written");
        assert_eq!(put(b"1"), Written::Made);
        assert_eq!(put(b"1"), Written::Kept);
        assert_eq!(put(b"2"), Written::Beside(room.path().join(".env.new")));
        assert_eq!(put(b"2"), Written::Beside(room.path().join(".env.new")));
        assert_eq!(put(b"3"), Written::Beside(room.path().join(".env.new-1795442771")));
        assert_eq!(std::fs::read(&path).expect("readable"), b"1");
    }

    #[test]
    fn directories_are_private_with_their_parents() {
        let room = tempfile::tempdir().expect("a directory");
        let inner = room.path().join("outer/inner");
        assert!(ensure_private_directory(&inner).expect("made"));
        assert!(!ensure_private_directory(&inner).expect("there"));
        assert_eq!((mode(&room.path().join("outer")), mode(&inner)), (0o700, 0o700));
        std::fs::write(room.path().join("file"), "").expect("a file");
        assert!(ensure_private_directory(&room.path().join("file")).is_err());
    }

    #[test]
    fn reads_up_to_the_limit_and_no_directory() {
        let room = tempfile::tempdir().expect("a directory");
        let path = room.path().join("note");
        create_private(&path, PRIVATE_FILE_MODE, b"1234").expect("a new file");
        assert!(!read_small(&path, 4).expect("fits").open_to_others);
        assert!(read_small(&path, 3).is_err());
        assert!(read_small(room.path(), 100).is_err());
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).expect("owned");
        assert!(read_small(&path, 4).expect("fits").open_to_others);
    }

    #[test]
    fn only_regular_files_are_read_and_nothing_is_waited_for() {
        let room = tempfile::tempdir().expect("a directory");
        let pipe = room.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there");
        assert!(made.success());
        let socket = room.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        for (path, what) in [
            (pipe.as_path(), "it is a pipe"),
            (socket.as_path(), "it is a socket"),
            (Path::new("/dev/zero"), "it is a device"),
            (Path::new("/dev/null"), "it is a device"),
        ] {
            let error = read_small(path, 100).err().expect("refused").to_string();
            assert!(error.starts_with(what), "{error}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_text() {
        let room = tempfile::tempdir().expect("a directory");
        let path = room.path().join("note");
        std::fs::write(&path, "\u{feff}x\u{feff}").expect("written");
        assert_eq!(read_small(&path, 100).expect("fits").bytes, "x\u{feff}".as_bytes());
    }
}
