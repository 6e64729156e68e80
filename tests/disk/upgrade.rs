//! An upgrade on a disk that fails or is full, and one that is killed at each point.

use crate::failures::{clock, disk, rng};
use crate::vfs::{self, Operation};
use authnzerver::store::roles;
use authnzerver::store::{Readers, Store};
use rusqlite::Connection;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tells a process of this test which database to upgrade, and after how many calls it dies.
const DYING: &str = "UPGRADE_DIES";
/// Every so many calls a process is killed.
const STRIDE: usize = 3;

fn write_old(path: &Path) {
    let old = Connection::open(path).expect("opens");
    old.execute_batch(include_str!("../../sql/migrations/0001_first_tables.sql")).expect("runs");
    old.execute_batch(
        "INSERT INTO roles VALUES ('kept', '');
         INSERT INTO users (user_id, system_id, password, email, created_on, last_updated, user_role)
         VALUES (4, 's', 'p', 'kept@example.org', '2026-11-23 14:00:00.000000', '2026-11-23 14:00:00.000000', 'kept');",
    )
    .expect("runs");
    old.pragma_update(None, "application_id", 0x4174_7a52).expect("is set");
    old.pragma_update(None, "user_version", 1).expect("is set");
    drop(old);
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).expect("changes the mode");
}

/// How many steps the schema of this file has taken, and whether the row that it had is there.
fn version_of(path: &Path) -> i64 {
    let connection = Connection::open(path).expect("opens");
    let kept: String = connection
        .query_row("SELECT email FROM users WHERE user_id = 4", [], |row| row.get(0))
        .expect("is there");
    assert_eq!(kept, "kept@example.org");
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("has a version")
}

fn copy_of(path: &Path) -> PathBuf {
    path.with_file_name("db.schema-1")
}

/// That a database that was upgraded can be put back.
fn is_whole_with_copy(path: &Path) -> i64 {
    let version = version_of(path);
    if version > 1 || copy_of(path).exists() {
        assert_eq!(version_of(&copy_of(path)), 1, "what it was is beside it");
    }
    version
}

#[test]
fn an_upgrade_on_a_failing_disk_is_whole_or_not_at_all_and_works_the_next_time() {
    let _turn = disk();
    for operation in [Operation::Open, Operation::Read, Operation::Write, Operation::Sync, Operation::Grow] {
        for good in 0.. {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("db");
            write_old(&path);
            vfs::fail(operation, good);
            let opened = Store::open(&path.clone().into(), Readers::of(2), clock(), rng()).map(drop);
            let failed = vfs::heal();
            let version = is_whole_with_copy(&path);
            assert!(!directory.path().join("db.schema-1.unfinished").exists(), "half a copy stays");
            assert!(opened.is_err() || version > 1, "{operation:?} after {good}: it is not upgraded");
            assert!(opened.is_ok() || failed > 0, "{operation:?} after {good}: {opened:?}");
            let (store, _) = Store::open(&path.clone().into(), Readers::of(2), clock(), rng())
                .expect("opens the next time");
            store.write(|tx| roles::insert(tx, "more")).expect("writes");
            drop(store);
            if failed == 0 {
                break;
            }
        }
    }
}

#[test]
fn a_disk_that_is_full_stops_an_upgrade_before_anything_is_changed() {
    let _turn = disk();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    write_old(&path);
    // The first page written is the copy's, and so the first for which there is no room.
    drop(Connection::open(&path).and_then(|db| db.execute_batch("PRAGMA journal_mode = WAL")));
    let before = std::fs::read(&path).expect("reads");
    vfs::fail(Operation::Grow, 0);
    let told = Store::open(&path.clone().into(), Readers::of(2), clock(), rng())
        .map(drop)
        .expect_err("there is no room")
        .to_string();
    assert!(vfs::heal() > 0);
    assert!(told.contains("cannot be upgraded: the copy that is made first has failed"), "{told}");
    assert!(told.contains("free room") && told.ends_with("nothing was changed"), "{told}");
    assert!(std::fs::read(&path).expect("reads") == before, "the database was changed");
    assert!(!copy_of(&path).exists());
}

#[test]
fn an_upgrade_that_is_killed_anywhere_works_the_next_time_and_can_be_undone() {
    let _turn = disk();
    if let Some(told) = std::env::var_os(DYING) {
        let told = told.into_string().expect("UTF-8");
        let (path, good) = told.split_once('\n').expect("two lines");
        vfs::die_after(good.parse().expect("a number"));
        drop(Store::open(&Path::new(path).into(), Readers::of(2), clock(), rng()).expect("opens"));
        return;
    }
    let (mut before_the_steps, mut after_them) = (0, 0);
    for good in (0..).step_by(STRIDE) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("db");
        write_old(&path);
        let name = "upgrade::an_upgrade_that_is_killed_anywhere_works_the_next_time_and_can_be_undone";
        let told = format!("{}\n{good}", path.display());
        let mut child = Command::new(std::env::current_exe().expect("is known"));
        child.args(["--exact", name]).env(DYING, told).stdout(Stdio::null()).stderr(Stdio::null());
        let status = child.status().expect("runs");
        if status.success() {
            break;
        }
        assert_eq!(status.signal(), Some(libc::SIGKILL), "after {good}");
        match is_whole_with_copy(&path) {
            1 if copy_of(&path).exists() => before_the_steps += 1,
            1 => {}
            _ => after_them += 1,
        }
        drop(
            Store::open(&path.clone().into(), Readers::of(2), clock(), rng())
                .unwrap_or_else(|error| panic!("after {good}: {error}")),
        );
        assert!(is_whole_with_copy(&path) > 1, "after {good}");
        assert!(!directory.path().join("db.schema-1.unfinished").exists(), "after {good}");
    }
    assert!(before_the_steps > 0 && after_them > 0, "{before_the_steps} {after_them}");
}
