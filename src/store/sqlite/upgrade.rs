//! Brings a database of an older schema up to date: first a copy of what it was, then all steps and checks in one
//! transaction. An older program that meets the newer schema finds the copy by its name.

use super::backup::{Notes, Source, Unfinished};
use super::companions::{beside, copy_of};
use super::copying::Contents;
use super::look::newer;
use super::migrate;
use super::schema::{self, Object};
use crate::clock::Timestamp;
use crate::os::disk_free_bytes;
use crate::problem;
use crate::problem::Problem;
use crate::store::error::{OpenError, StoreError};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};

/// What people would miss. An upgrade never takes rows away from these.
const ACCOUNT_TABLES: [&str; 9] = [
    "roles",
    "users",
    "role_history",
    "locks",
    "groups",
    "user_groups",
    "preferences",
    "apikeys_nosession",
    "scoped_keys",
];
const KIB: u64 = 1024;

/// What an upgrade has done.
#[derive(Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The schema that the database had.
    pub from: i64,
    /// The one that it has now.
    pub to: i64,
    /// The copy of what it was. None of a database without users.
    pub copy: Option<PathBuf>,
    /// Copies from earlier upgrades that are still there.
    pub older_copies: Vec<PathBuf>,
}

/// Copies the database beside itself, and takes the steps that are missing. Nothing if another start has done so meanwhile.
///
/// # Errors
/// Why not. Then the database is as it was.
pub(super) fn upgrade(
    connection: &Connection,
    path: &Path,
    now: Timestamp,
) -> Result<Option<Upgrade>, OpenError> {
    // No other writer gets between the copy and the commit.
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let (from, to) = (version_of(&transaction)?, migrate::newest_version());
    if from > to {
        return Err(newer(path, from));
    }
    if from == to {
        return Ok(None);
    }
    let before = Before::of(&transaction, from)?;
    let has_users = before.contents.rows_of("users") > 0;
    let copy = if has_users { Some(copy_beside(&transaction, path, from, now)?) } else { None };
    take_steps(&transaction, path, &before, |connection| migrate::migrate_from(connection, from))?;
    // A copy stays also if this fails: what a failing disk has taken in shows when the database is opened again.
    transaction.commit()?;
    let older_copies =
        (1..from).rev().map(|version| copy_of(path, version)).filter(|copy| copy.is_file()).collect();
    Ok(Some(Upgrade { from, to, copy, older_copies }))
}

/// What was there before an upgrade.
pub(super) struct Before {
    contents: Contents,
    /// What somebody else made in it.
    others: Vec<Object>,
}

impl Before {
    /// What a database of schema `from` has.
    pub(super) fn of(connection: &Connection, from: i64) -> Result<Self, StoreError> {
        Ok(Self { contents: Contents::of(connection)?, others: schema::others(connection, from)? })
    }
}

/// Takes steps, and looks whether everything is still there. The caller commits, or forgets it all.
pub(super) fn take_steps(
    connection: &Transaction<'_>,
    path: &Path,
    before: &Before,
    steps: impl FnOnce(&Connection) -> Result<(), StoreError>,
) -> Result<(), OpenError> {
    // A row that refers to nothing moves into a table's new form, too. Until the commit, references are only counted.
    connection.execute_batch("PRAGMA defer_foreign_keys = ON")?;
    steps(connection)?;
    let refuse = |problem| Err(OpenError::NotUpgraded(path.to_owned(), problem));
    let after = Contents::of(connection)?;
    let Before { contents: before, others } = before;
    // A table of ours that is made anew takes along what hangs on it, and the rows that refer to it.
    let has_lost_rows = |((_, name), _): &&Object| after.rows_of(name) < before.rows_of(name);
    let changed = schema::changed(others, connection)?.or_else(|| others.iter().find(has_lost_rows));
    if let Some(((kind, name), _)) = changed {
        let (kind, name) = (problem::operator_name(kind), problem::operator_name(name));
        return refuse(problem!(
            "the {} {}, which is none of ours, would not be kept as it is; move it into a database of its own, \
             or drop it and make it again afterwards",
            kind,
            name
        ));
    }
    if let Some(table) = after.newly_orphaned(before) {
        let table = problem::operator_name(table);
        return refuse(problem!("afterwards a row of {} would refer to one that is not there", table));
    }
    for table in ACCOUNT_TABLES {
        if after.rows_of(table) < before.rows_of(table) {
            return refuse(problem!("afterwards rows of {} would be missing", table));
        }
    }
    Ok(())
}

fn version_of(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// A whole copy that only the owner may read, safely on the disk. An earlier one of the same schema makes way for it: the
/// database has gone on since.
fn copy_beside(
    connection: &Connection,
    path: &Path,
    version: i64,
    now: Timestamp,
) -> Result<PathBuf, OpenError> {
    let copy = copy_of(path, version);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let bytes = pragma("page_count")?.saturating_mul(pragma("page_size")?).cast_unsigned();
    // What cannot be found out shows when the copy is made.
    let free = copy.parent().and_then(|place| disk_free_bytes(place).ok()).unwrap_or(u64::MAX);
    let log = std::fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
    ensure_room(bytes, free, log, &copy)
        .map_err(|problem| OpenError::NotUpgraded(path.to_owned(), problem))?;
    // Which key and salt it belongs to is not known here.
    let notes = Notes { taken: now, belongs_to: Vec::new() };
    let make = || -> Result<(), OpenError> {
        let source = Source::open(path)?;
        let mut unfinished = Unfinished::begin(&source, &copy)?;
        unfinished.fill(&source, &notes)?;
        unfinished.place()
    };
    match make() {
        Ok(()) => Ok(copy),
        Err(error @ (OpenError::Damaged(..) | OpenError::InUse(_))) => Err(error),
        Err(error) => Err(OpenError::NotUpgraded(
            path.to_owned(),
            problem!("the copy that is made first has failed: {}", error.about(&copy)),
        )),
    }
}

/// Refuses to fill the disk up. The log begins where one of `log` bytes lies already, such as that of a try that was killed.
fn ensure_room(bytes: u64, free: u64, log: u64, copy: &Path) -> Result<(), Problem> {
    let for_log = bytes.saturating_sub(log);
    let needed = bytes.saturating_add(for_log);
    if free >= needed {
        return Ok(());
    }
    // A copy makes way once there is another, not before: should the disk be failing, it may be the last that can be read.
    let advice = if copy.is_file() {
        problem!("make room, for instance by deleting {}, which an earlier try has left,", copy.display())
    } else {
        Problem::from("make room,")
    };
    Err(problem!(
        "the copy that is made first, and the upgrade's log, take {} KiB, and the disk has {} KiB left; {} and start again",
        needed.div_ceil(KIB),
        free / KIB,
        advice
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_for_copy_and_log_is_not_filled_up() {
        let scratch = tempfile::tempdir().expect("a folder");
        let copy = scratch.path().join("copy");
        assert!(ensure_room(4096, 8192, 0, &copy).is_ok());
        let told =
            |free, log| ensure_room(4096, free, log, &copy).expect_err("is too little").as_str().to_owned();
        assert!(told(8191, 0).contains("take 8 KiB, and the disk has 7 KiB left; make room, and start"));
        assert!(ensure_room(4096, 5120, 3072, &copy).is_ok(), "the log lies in its place");
        assert!(told(5119, 3072).contains("take 5 KiB, and the disk has 4 KiB left"));
        assert!(told(4095, u64::MAX).contains("take 4 KiB"), "the copy has no place yet");
        std::fs::write(&copy, "").expect("is written");
        let named = format!("deleting {}, which", copy.display());
        assert!(told(8191, 0).contains(&named), "{}", told(8191, 0));
    }
}
