//! Whether the files that SQLite has open are still those under their names.
//!
//! Whoever moves another file over the database, or removes it or the log beside it, leaves the server writing into a
//! file that nobody will find again. So each file's device and inode are remembered and compared before a write is
//! acknowledged. The files are looked at by name only: opening and closing one here would take away the locks that
//! SQLite has on it.

use super::companions::{COMPANIONS, beside};
use super::overwritten::ContentWatch;
use crate::os;
use crate::store::error::StoreError;
use std::io;
use std::path::{Path, PathBuf};

/// A file, whatever its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file that this name leads to now.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let (device, inode) = os::file_numbers(path)?;
        Ok(Self { device, inode })
    }
}

/// The files of an open database.
pub(crate) struct OpenFiles {
    names: Vec<(PathBuf, FileId)>,
    content: Option<ContentWatch>,
}

impl OpenFiles {
    /// The files that lie under these names now: the database, and what SQLite has made beside it.
    pub(crate) fn find(path: &Path) -> io::Result<Self> {
        // SQLite follows a symbolic link and keeps the log beside the file that it leads to.
        let target = std::fs::canonicalize(path)?;
        let companions = COMPANIONS.iter().map(|suffix| beside(&target, suffix));
        let names = std::iter::once(path.to_owned()).chain(companions);
        let names = names.map(|name| FileId::of(&name).map(|id| (name, id))).collect::<io::Result<_>>()?;
        Ok(Self { names, content: Some(ContentWatch::begin(path)?) })
    }

    /// The file of a database that nobody writes to.
    pub(crate) fn alone(path: &Path) -> io::Result<Self> {
        let names = vec![(path.to_owned(), FileId::of(path)?)];
        Ok(Self { names, content: None })
    }

    /// Whether every name still leads to its file, and nobody else has written into the database.
    ///
    /// # Errors
    ///
    /// [`StoreError::Replaced`] with the first name that does not; [`StoreError::Overwritten`].
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let moved = |(name, id): &&(PathBuf, FileId)| FileId::of(name).ok() != Some(*id);
        if let Some((name, _)) = self.names.iter().find(moved) {
            return Err(StoreError::Replaced(name.clone()));
        }
        let (database, _) = &self.names[0];
        if self.content.as_ref().is_none_or(ContentWatch::is_sound) {
            Ok(())
        } else {
            Err(StoreError::Overwritten(database.clone()))
        }
    }
}
