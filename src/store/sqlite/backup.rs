//! Backups: copies of the database that are found whole before they get their name, and say of themselves when they were
//! made and which key and salt they belong to.

use super::checksum;
use super::companions::beside;
use super::connection::{connect, refusal};
use super::copying::copy;
use super::in_use::{InUse, create_private};
use super::look::open_to_copy;
use crate::clock::Timestamp;
use crate::files::{give_to, owner_of, sync_directory_of};
use crate::store::error::{OpenError, StoreError};
use crate::store::query::query;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, named_params};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const FILE: &str = include_str!("../../../sql/sqlite/backup.sql");
const SET_NOTE: &str = query(FILE, "set_note");
const NOTE: &str = query(FILE, "note");
const FORGET_NOTES: &str = query(FILE, "forget_notes");

/// The names of what a backup notes about itself, and of what a database notes about its backups.
const TAKEN: &str = "backup_taken";
const BELONGS_TO: &str = "backup_belongs_to";
const LAST_BACKUP: &str = "last_backup";

/// Stands at the end of a backup's name until it is whole.
const UNFINISHED_SUFFIX: &str = ".unfinished";
/// What SQLite may have left beside a copy whose maker was killed.
const LEFTOVER_SUFFIXES: [&str; 3] = ["-journal", "-wal", "-shm"];
/// Tries to get a name under which others may be working.
const NAME_TRIES_MAX: u32 = 3;

/// What a backup says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notes {
    /// The moment that it is of, or shortly before.
    pub(crate) taken: Timestamp,
    /// The fingerprints of the keys with the salt of then.
    pub(crate) belongs_to: Vec<String>,
}

impl Notes {
    pub(super) fn read(connection: &Connection) -> Result<Option<Self>, StoreError> {
        let note = |name: &str| -> Result<Option<String>, StoreError> {
            let mut statement = connection.prepare(NOTE)?;
            Ok(statement.query_row(named_params! { ":name": name }, |row| row.get(0)).optional()?)
        };
        let Some(taken) = note(TAKEN)?.as_deref().and_then(Timestamp::parse) else { return Ok(None) };
        let belongs_to = note(BELONGS_TO)?.unwrap_or_default();
        Ok(Some(Self { taken, belongs_to: belongs_to.split_whitespace().map(str::to_owned).collect() }))
    }

    fn write(&self, connection: &Connection) -> Result<(), StoreError> {
        set_note(connection, TAKEN, &self.taken.stored())?;
        set_note(connection, BELONGS_TO, &self.belongs_to.join(" "))
    }

    /// Makes a database of a backup, which this was its last backup.
    pub(super) fn settle(notes: Option<&Self>, connection: &Connection) -> Result<(), StoreError> {
        connection.execute(FORGET_NOTES, [])?;
        notes.map_or(Ok(()), |notes| set_note(connection, LAST_BACKUP, &notes.taken.stored()))
    }
}

fn set_note(connection: &Connection, name: &str, value: &str) -> Result<(), StoreError> {
    connection.execute(SET_NOTE, named_params! { ":name": name, ":value": value })?;
    Ok(())
}

/// A database that is to be backed up. A server may be using it.
pub(crate) struct Source {
    connection: Connection,
    path: PathBuf,
    _in_use: Option<InUse>,
}

impl Source {
    /// Opens it. Nothing in it is changed, also where a newer schema is known here.
    ///
    /// # Errors
    /// There is none, it is damaged, or not ours.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let (connection, in_use) = open_to_copy(path).map_err(|error| error.about(path))?;
        Ok(Self { connection, path: path.to_owned(), _in_use: in_use })
    }

    /// Whether this name leads to the database itself.
    pub(crate) fn is(&self, other: &Path) -> bool {
        let id = |path: &Path| std::fs::metadata(path).ok().map(|about| (about.dev(), about.ino()));
        id(&self.path).is_some_and(|ours| id(other) == Some(ours))
    }

    /// Where a copy lies until it has been written to standard output: beside the database, which has a place for it that
    /// others do not see.
    pub(crate) fn scratch(&self) -> PathBuf {
        beside(&self.path, ".backup")
    }

    /// Makes a file that lies elsewhere belong to whom the database belongs to.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn give_file(&self, path: &Path) -> io::Result<()> {
        give_to(&File::open(path)?, owner_of(&self.path))
    }

    /// Notes down that there is a backup of that time.
    ///
    /// # Errors
    /// A failing database.
    pub(crate) fn note_backup(&self, taken: Timestamp) -> Result<(), OpenError> {
        let noted = set_note(&self.connection, LAST_BACKUP, &taken.stored());
        noted.map_err(|error| OpenError::from(error).about(&self.path))
    }
}

/// A backup that is whole and safely on the disk, but has not got its name. It is removed unless it gets it.
pub(crate) struct Unfinished {
    path: PathBuf,
    target: PathBuf,
    /// Its size.
    pub(crate) bytes: u64,
    /// How many rows it has.
    pub(crate) rows: i64,
    /// To whom the database belongs.
    database: PathBuf,
    has_its_name: bool,
    /// Keeps others from working under the same name.
    _lock: File,
}

impl Unfinished {
    /// Takes the place of a backup that will have this name. Until it goes, nobody else makes one of that name.
    ///
    /// # Errors
    /// [`OpenError::InUse`] with this name if somebody does already; what the file system says.
    pub(crate) fn begin(source: &Source, target: &Path) -> Result<Self, OpenError> {
        let path = beside(target, UNFINISHED_SUFFIX);
        let lock = claim(&path).map_err(|error| match error {
            OpenError::InUse(_) => OpenError::InUse(target.to_owned()),
            other => other,
        })?;
        let given = give_to(&lock, owner_of(&source.path));
        let unfinished = Self {
            path,
            target: target.to_owned(),
            bytes: 0,
            rows: 0,
            database: source.path.clone(),
            has_its_name: false,
            _lock: lock,
        };
        given.map_err(|error| OpenError::File(unfinished.path.clone(), error))?;
        Ok(unfinished)
    }

    /// Copies the database, and reads the copy to its end.
    ///
    /// # Errors
    /// What kept it from being made, or is wrong with it.
    pub(crate) fn fill(&mut self, source: &Source, notes: &Notes) -> Result<(), OpenError> {
        let contents = copy(&source.connection, &source.path, &self.path, |copy| notes.write(copy))?;
        self.rows = contents.rows.iter().map(|(_, rows)| rows).sum();
        let about = std::fs::metadata(&self.path);
        self.bytes = about.map_err(|error| OpenError::File(self.path.clone(), error))?.len();
        Ok(())
    }

    /// Gives it its name, in place of an older backup that may have it, and puts its checksum beside it.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn place(mut self) -> Result<(), OpenError> {
        let refuse = |error| OpenError::File(self.target.clone(), error);
        let digits = checksum::digits_of(&self.path).map_err(refuse)?;
        // A backup without a checksum is one; with that of another it would be none.
        checksum::remove(&self.target).map_err(refuse)?;
        std::fs::rename(&self.path, &self.target).map_err(refuse)?;
        // Whoever comes next may have made another file of the old name by now.
        self.has_its_name = true;
        sync_directory_of(&self.target)
            .and_then(|()| checksum::write(&self.target, &digits, &self.database))
            .map_err(|error| OpenError::File(self.target.clone(), error))
    }

    /// Writes it out instead, and removes it.
    ///
    /// # Errors
    /// What either side says.
    pub(crate) fn send(self, out: &mut dyn Write) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        io::copy(&mut file, out)?;
        out.flush()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.has_its_name {
            remove_leftovers(&self.path);
        }
    }
}

/// Makes an empty file that nobody else works on. One that a killed process left makes way.
fn claim(path: &Path) -> Result<File, OpenError> {
    let refuse = |error| OpenError::File(path.to_owned(), error);
    for _ in 0..NAME_TRIES_MAX {
        match create_private(path) {
            Ok(file) => {
                hold(&file, path)?;
                if is_at(&file, path).map_err(refuse)? {
                    return Ok(file);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
                match OpenOptions::new().read(true).custom_flags(flags).open(path) {
                    Ok(found) => remove_if_left(&found, path)?,
                    // Its maker has given it its name meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(refuse(error)),
                }
            }
            Err(error) => return Err(refuse(error)),
        }
    }
    Err(OpenError::InUse(path.to_owned()))
}

/// Removes what was found under this name, if a killed process left it. Its maker may have given it its name meanwhile: then
/// what lies here now is somebody else's.
fn remove_if_left(found: &File, path: &Path) -> Result<(), OpenError> {
    hold(found, path)?;
    if is_at(found, path).map_err(|error| OpenError::File(path.to_owned(), error))? {
        remove_leftovers(path);
    }
    Ok(())
}

/// Whether this name leads to the file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let id = |about: &std::fs::Metadata| (about.dev(), about.ino());
    let ours = id(&file.metadata()?);
    Ok(path.symlink_metadata().is_ok_and(|found| id(&found) == ours))
}

fn hold(file: &File, path: &Path) -> Result<(), OpenError> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        // Where files cannot be locked, two backups at a time are the operator's concern.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

pub(super) fn remove_leftovers(path: &Path) {
    // What is not there need not be removed, and what cannot be is told by whoever comes next.
    let _ = std::fs::remove_file(path);
    for suffix in LEFTOVER_SUFFIXES {
        let _ = std::fs::remove_file(beside(path, suffix));
    }
}

/// What a file says about itself as a backup; nothing if it is something else, such as a database in use.
///
/// # Errors
/// It cannot be read.
pub(crate) fn notes_of(path: &Path) -> Result<Option<Notes>, OpenError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let has_log = std::fs::exists(beside(path, "-wal")).unwrap_or(true);
    if has_log { Ok(None) } else { Notes::read(&connection).map_err(|error| refusal(path, error)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_for_a_leftover_is_not_what_somebody_else_has_begun_since() {
        let room = tempfile::tempdir().expect("a directory");
        let (path, target) = (room.path().join("b.unfinished"), room.path().join("b"));
        let first = claim(&path).expect("is free");
        let found = File::open(&path).expect("is there");
        // Just now the first backup gets its name, and somebody begins a second one.
        std::fs::rename(&path, &target).expect("moves");
        drop(first);
        let second = claim(&path).expect("is free");
        remove_if_left(&found, &path).expect("is nobody's");
        assert!(is_at(&second, &path).expect("looks"), "the second backup keeps its place");
        assert!(matches!(claim(&path), Err(OpenError::InUse(_))));
        drop(second);
        assert!(is_at(&claim(&path).expect("a leftover makes way"), &path).expect("looks"));
    }
}
