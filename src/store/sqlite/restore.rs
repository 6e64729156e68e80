//! Puts a backup in the place of the database, while nobody uses it. What was there is kept beside it.

mod findings;

use super::backup::{Notes, remove_leftovers};
use super::checksum;
use super::companions::beside;
use super::connection::{connect, refusal};
use super::copying::copy;
use super::in_use::{InUse, create_private};
use super::look::open_backup;
use super::migrate::newest_version;
use super::schema::differences;
use crate::clock::Timestamp;
use crate::files::{ROOT, ensure_regular, give_to, our_user, owner_of, sync_directory_of};
use crate::problem::Problem;
use crate::store::error::OpenError;
use findings::{Findings, look_into};
use rusqlite::OpenFlags;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What stands at the end of the name of a database that is being put in place.
const UNFINISHED_SUFFIX: &str = ".restoring";
/// What SQLite may keep beside a database, with writes that the database has not taken in yet.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Names for what is kept that are tried in one second.
const NAMES_TRIED_MAX: u32 = 1000;

/// What was done.
pub(crate) struct Restored {
    /// What the backup said about itself.
    pub(crate) notes: Option<Notes>,
    /// Where the database lies that was there before.
    pub(crate) kept: Option<PathBuf>,
    /// Whether rows in it refer to ones that are not there, as hands other than the server's may have left them.
    pub(crate) has_orphans: bool,
    /// Whether the next start brings its schema up to date.
    pub(crate) is_older: bool,
    /// The first event of its log that is not what was written down, or is gone. That of an older schema is not looked at.
    pub(crate) altered_event: Option<i64>,
    /// Whether somebody in it can administer, as far as that was looked at.
    pub(crate) is_administered: bool,
}

/// Puts a backup in the place of the database.
///
/// # Errors
/// Why not. Then the database is the one that it was.
pub(crate) fn restore(backup: &Path, database: &Path, now: Timestamp) -> Result<Restored, OpenError> {
    // Whichever name leads to the database, it is the file that is replaced.
    let database = &std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let _alone = InUse::alone(database)?;
    check_file(backup, database)?;
    checksum::check(backup)?;
    let (source, version) = open_backup(backup).map_err(|error| error.about(backup))?;
    let notes = Notes::read(&source).map_err(|error| refusal(backup, error).about(backup))?;
    let in_it = |error| refusal(backup, error).about(backup);
    if let Some(difference) = differences(&source, version).map_err(in_it)?.into_iter().next() {
        return Err(OpenError::OtherSchema(backup.to_owned(), difference));
    }
    let unfinished = beside(database, UNFINISHED_SUFFIX);
    let put_in_place = || -> Result<(Option<PathBuf>, bool), OpenError> {
        let refuse = |error| OpenError::File(unfinished.clone(), error);
        remove_leftovers(&unfinished);
        let file = create_private(&unfinished).map_err(refuse)?;
        give_to(&file, owner_of(database)).map_err(refuse)?;
        let contents = copy(&source, backup, &unfinished, |copy| Notes::settle(notes.as_ref(), copy))?;
        let kept = keep(database, now)?;
        std::fs::rename(&unfinished, database)
            .and_then(|()| sync_directory_of(database))
            .map_err(|error| OpenError::File(database.clone(), error))?;
        Ok((kept, !contents.orphans.is_empty()))
    };
    let placed = put_in_place();
    remove_leftovers(&unfinished);
    let (kept, has_orphans) = placed?;
    let is_older = version < newest_version();
    let Findings { altered_event, is_administered } = if is_older {
        Findings { altered_event: None, is_administered: true }
    } else {
        look_into(source, backup, now).map_err(in_it)?
    };
    Ok(Restored { notes, kept, has_orphans, is_older, altered_event, is_administered })
}

/// Refuses what others may have changed, and the database itself.
fn check_file(backup: &Path, database: &Path) -> Result<(), OpenError> {
    let refuse = |error| OpenError::File(backup.to_owned(), error);
    let about = std::fs::metadata(backup).map_err(refuse)?;
    ensure_regular(&about).map_err(refuse)?;
    let owner = owner_of(database);
    if let (Some(us), Some(owner)) = (our_user(), &owner)
        && ![ROOT, us, owner.uid()].contains(&about.uid())
    {
        return Err(OpenError::NotOurs(backup.to_owned(), about.uid(), us));
    }
    match std::fs::metadata(database) {
        Ok(there) if (there.dev(), there.ino()) == (about.dev(), about.ino()) => {
            Err(refuse(io::Error::other(Problem::from("it is the database itself"))))
        }
        _ => Ok(()),
    }
}

/// Keeps the database that is there under a second name.
fn keep(database: &Path, now: Timestamp) -> Result<Option<PathBuf>, OpenError> {
    if !database.symlink_metadata().is_ok_and(|about| about.is_file()) {
        return Ok(None);
    }
    take_log_in(database)?;
    let kept = unused_name(database, now);
    let refuse = |error| OpenError::File(kept.clone(), error);
    // Until the new one takes the name, the old one has it: whoever starts after a crash finds either.
    std::fs::hard_link(database, &kept).map_err(refuse)?;
    for suffix in COMPANIONS {
        match std::fs::rename(beside(database, suffix), beside(&kept, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refuse(error)),
            _ => {}
        }
    }
    sync_directory_of(&kept).map_err(refuse)?;
    Ok(Some(kept))
}

/// Has a database take in what stands in its log. A damaged one does not, and is kept with it.
fn take_log_in(database: &Path) -> Result<(), OpenError> {
    let read = connect(database, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|connection| {
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))?;
        Ok(())
    });
    let is_sound = read.is_ok();
    // Whoever closes it last takes the log away.
    let has_log = beside(database, "-wal").exists();
    if is_sound && has_log { Err(OpenError::InUse(database.to_owned())) } else { Ok(()) }
}

/// A name that nothing has; of a second in which there was no end of restoring, the last one tried.
fn unused_name(database: &Path, now: Timestamp) -> PathBuf {
    let name = |number: u32| {
        let more = if number == 1 { String::new() } else { format!("-{number}") };
        beside(database, &format!(".before-restore-{}{more}", now.file_stamp()))
    };
    (1..NAMES_TRIED_MAX)
        .map(name)
        .find(|name| name.symlink_metadata().is_err())
        .unwrap_or_else(|| name(NAMES_TRIED_MAX))
}
