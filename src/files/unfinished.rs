//! A file that has its name once all of it is written. Until then it has one of its own, beside that:
//! `<name>.unfinished-<process>-<number>`. Its maker holds a lock on it, so that whoever comes next can tell what others
//! are writing from what a killed process left.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Stands between a file's name and the number of whoever writes it.
const SUFFIX: &str = ".unfinished-";
/// Tries to make a file that nobody else takes for a leftover.
const TRIES_MAX: u32 = 8;

/// See the module. It is removed unless it gets its name.
#[must_use]
pub(crate) struct Unfinished {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Unfinished {
    /// Makes an empty file of this mode that will have the name `target`.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn create(target: &Path, mode: u32) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        remove_leftovers(target);
        for _ in 0..TRIES_MAX {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = with_suffix(target, &format!("{SUFFIX}{}-{number}", std::process::id()));
            let file = match OpenOptions::new().write(true).create_new(true).mode(mode).open(&path) {
                // Left by a process that had our number, and of somebody else, or it would be gone.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => opened?,
            };
            // Where files cannot be locked, nothing is taken for a leftover.
            let is_ours = !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && is_at(&file, &path);
            if is_ours {
                return Ok(Self { file, path, target: target.to_owned() });
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Where its content goes.
    pub(crate) const fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name, if nothing has that. What was written is on the disk first.
    ///
    /// # Errors
    /// `AlreadyExists` if anything has the name, even a dangling link; otherwise what the file system says.
    pub(crate) fn place_new(self) -> io::Result<()> {
        self.file.sync_all()?;
        match std::fs::hard_link(&self.path, &self.target) {
            // Some file systems know no second name for a file. There, whoever makes an empty one first has the name.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.target)?);
                let placed = self.rename();
                if placed.is_err() {
                    // The first error is the one to report.
                    let _ = std::fs::remove_file(&self.target);
                }
                placed
            }
            linked => linked.and_then(|()| sync_directory_of(&self.target)),
        }
    }

    /// Gives it its name, in place of what has it. What was written is on the disk first.
    ///
    /// # Errors
    /// What the file system says. Then the old file is still there.
    pub(crate) fn place(self) -> io::Result<()> {
        self.file.sync_all()?;
        self.rename()
    }

    fn rename(&self) -> io::Result<()> {
        std::fs::rename(&self.path, &self.target)?;
        sync_directory_of(&self.target)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It has its name, or failed to get it, which is the error to report.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let id = |about: &std::fs::Metadata| (about.dev(), about.ino());
    matches!((file.metadata(), std::fs::metadata(path)), (Ok(ours), Ok(found)) if id(&ours) == id(&found))
}

/// Removes what killed processes left of a file. What cannot be looked at is somebody else's, and stays.
fn remove_leftovers(target: &Path) {
    let (Some(name), Some(directory)) = (target.file_name(), target.parent()) else { return };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if !is_unfinished(&entry.file_name(), name) {
            continue;
        }
        let path = entry.path();
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(&path) else { continue };
        if file.try_lock().is_ok() && is_at(&file, &path) {
            let _ = std::fs::remove_file(&path);
        }
    }
}

fn is_unfinished(found: &OsStr, name: &OsStr) -> bool {
    let rest = found.as_bytes().strip_prefix(name.as_bytes());
    rest.is_some_and(|rest| rest.starts_with(SUFFIX.as_bytes()))
}

/// The path with something added to its file name.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A new file's name is part of its directory, which has to reach the disk as well.
///
/// # Errors
/// What the file system says.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn names(room: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(room).expect("reads").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn two_who_write_one_file_do_not_meet() {
        let room = tempfile::tempdir().expect("a directory");
        let path = room.path().join("key");
        let one = Unfinished::create(&path, 0o400).expect("made");
        let other = Unfinished::create(&path, 0o400).expect("made");
        one.file().write_all(b"one").expect("written");
        other.file().write_all(b"other").expect("written");
        one.place_new().expect("named");
        assert_eq!(std::fs::read(&path).expect("reads"), b"one");
        other.place().expect("named");
        assert_eq!(std::fs::read(&path).expect("reads"), b"other");
        assert_eq!(names(room.path()), ["key"]);
    }

    #[test]
    fn what_a_killed_process_left_goes_and_nothing_else_does() {
        let room = tempfile::tempdir().expect("a directory");
        let path = room.path().join("key");
        for name in ["key.unfinished-1-0", "key.unfinished-1-7", "key2.unfinished-1-0", "key.unfinished"] {
            std::fs::write(room.path().join(name), "half").expect("written");
        }
        let unfinished = Unfinished::create(&path, 0o400).expect("made");
        let own = format!("key.unfinished-{}-", std::process::id());
        let found = names(room.path());
        assert!(found[1].starts_with(&own) && found.len() == 3, "{found:?}");
        drop(unfinished);
        assert_eq!(names(room.path()), ["key.unfinished", "key2.unfinished-1-0"]);
    }
}
