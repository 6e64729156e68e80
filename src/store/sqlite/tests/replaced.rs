//! Files that are moved away, replaced or removed under an open database.

use super::*;
use crate::store::sqlite::companions::{COMPANIONS, beside};

fn adds(store: &Store, role: &'static str) -> Result<bool, StoreError> {
    store.write(move |tx| roles::insert(tx, role))
}

#[track_caller]
fn refuses(store: &Store, what: &str) {
    assert!(matches!(adds(store, "lost"), Err(StoreError::Replaced(_))), "{what}: a write was acknowledged");
    assert!(matches!(store.check(), Err(StoreError::Replaced(_))), "{what}: it counts as sound");
}

/// Something done to a file.
type Deed = fn(&Path);

#[test]
fn nothing_is_written_into_a_file_that_was_replaced() {
    let replacements: [(&str, Deed); 5] = [
        ("another file moved over it", |path| {
            let copy = beside(path, ".copy");
            std::fs::copy(path, &copy).expect("copies");
            std::fs::rename(copy, path).expect("moves");
        }),
        ("removed", |path| std::fs::remove_file(path).expect("removes")),
        ("moved away", |path| std::fs::rename(path, beside(path, ".old")).expect("moves")),
        ("removed and made anew", |path| {
            std::fs::remove_file(path).expect("removes");
            std::fs::write(path, "").expect("writes");
        }),
        ("a directory in its place", |path| {
            std::fs::remove_file(path).expect("removes");
            std::fs::create_dir(path).expect("makes");
        }),
    ];
    for (number, (what, replace)) in replacements.into_iter().enumerate() {
        let scratch = Scratch::new(&format!("replaced-{number}"));
        let (store, _) = open(&scratch.database()).expect("opens");
        adds(&store, "before").expect("writes");
        store.check().expect("is sound");
        replace(&scratch.database());
        refuses(&store, what);
        assert_eq!(role_names(&store), ["before"], "{what}: reading goes on");
    }
}

#[test]
fn nothing_is_read_or_written_once_another_program_has_written_into_the_file() {
    let deeds: [(&str, Deed); 5] = [
        ("an old copy copied over it", |path| {
            std::fs::copy(beside(path, ".old"), path).expect("copies");
        }),
        ("the same copied over it", |path| {
            let same = std::fs::read(path).expect("reads");
            std::fs::write(path, same).expect("writes");
        }),
        ("emptied", |path| std::fs::write(path, "").expect("writes")),
        ("cut off", |path| {
            let file = std::fs::OpenOptions::new().write(true).open(path).expect("opens");
            file.set_len(file.metadata().expect("is there").len() / 2).expect("cuts");
        }),
        ("a page overwritten", |path| {
            use std::os::unix::fs::FileExt;
            let file = std::fs::OpenOptions::new().write(true).open(path).expect("opens");
            file.write_all_at(&[7; 4096], 4096).expect("writes");
        }),
    ];
    for (number, (what, deed)) in deeds.into_iter().enumerate() {
        let scratch = Scratch::new(&format!("overwritten-{number}"));
        let path = scratch.database();
        let (store, _) = open(&path).expect("opens");
        store.close();
        drop(store);
        std::fs::copy(&path, beside(&path, ".old")).expect("copies");
        let (store, _) = open(&path).expect("opens");
        adds(&store, "before").expect("writes");
        store.check().expect("is sound");
        deed(&path);
        let overwritten = |result| matches!(result, Err(StoreError::Overwritten(_)));
        assert!(overwritten(adds(&store, "lost").map(drop)), "{what}: a write was acknowledged");
        assert!(overwritten(adds(&store, "lost again").map(drop)), "{what}: a later one was");
        assert!(overwritten(store.check()), "{what}: it counts as sound");
        assert!(overwritten(store.read(|db| roles::list(db).map(drop))), "{what}: it is read");
        let left = std::fs::read(&path).expect("reads");
        store.close();
        drop(store);
        assert!(std::fs::read(&path).expect("reads") == left, "{what}: the stop wrote into it");
    }
}

#[test]
fn what_sqlite_itself_writes_into_the_file_is_no_fault_whoever_has_it_done() {
    let scratch = Scratch::new("checkpoints");
    let path = scratch.database();
    let (store, _) = open(&path).expect("opens");
    let other = Connection::open(&path).expect("opens");
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut looks = 0;
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                store.check().expect("is sound");
                looks += 1;
            }
            looks
        });
        for round in 0..30 {
            // More than what makes SQLite move pages into the file by itself.
            store.write(server_state::fill_probe).expect("writes");
            let deed = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"][round % 4];
            other
                .execute_batch(&format!("PRAGMA wal_checkpoint({deed}); CREATE TABLE t (x); DROP TABLE t;"))
                .or_else(|error| if StoreError::from(error).is_outage() { Err("fails") } else { Ok(()) })
                .expect("is busy at worst");
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(looks.join().expect("no look found a fault") > 0);
    });
    other.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);").expect("cleans up");
    adds(&store, "after").expect("writes");
    store.check().expect("is sound");
}

#[test]
fn nothing_is_written_when_the_log_or_its_index_has_gone() {
    for suffix in COMPANIONS {
        for replaced in [false, true] {
            let scratch = Scratch::new(&format!("companion{suffix}-{replaced}"));
            let (store, _) = open(&scratch.database()).expect("opens");
            adds(&store, "before").expect("writes");
            let companion = beside(&scratch.database(), suffix);
            std::fs::remove_file(&companion).expect("is there");
            if replaced {
                std::fs::write(&companion, "").expect("writes");
            }
            refuses(&store, suffix);
            drop(store);
            assert_eq!(companion.exists(), replaced, "{suffix}: another's file was removed at the stop");
            let (store, _) = open(&scratch.database()).expect("opens again");
            assert_eq!(role_names(&store), ["before"], "{suffix}: what was acknowledged is not lost");
        }
    }
}

#[test]
fn a_file_that_was_moved_away_has_all_that_was_acknowledged_and_serves_again_when_it_is_back() {
    let scratch = Scratch::new("moved-back");
    let (path, away) = (scratch.database(), scratch.0.join("away.sqlite"));
    let (store, _) = open(&path).expect("opens");
    adds(&store, "before").expect("writes");
    std::fs::rename(&path, &away).expect("moves");
    refuses(&store, "moved away");
    let elsewhere = scratch.0.join("copy.sqlite");
    std::fs::copy(&away, &elsewhere).expect("copies");
    let copy = Connection::open(&elsewhere).expect("opens");
    let kept: String = copy.query_row("SELECT name FROM roles", [], |row| row.get(0)).expect("reads");
    assert_eq!(kept, "before", "the file is whole without its log");
    std::fs::rename(&away, &path).expect("moves back");
    adds(&store, "after").expect("writes again");
    store.check().expect("is sound again");
    assert_eq!(role_names(&store), ["after", "before"]);
}

#[test]
fn what_was_acknowledged_moves_into_the_file_whoever_notices_first_that_it_went() {
    let scratch = Scratch::new("noticed-elsewhere");
    let (path, away) = (scratch.database(), scratch.0.join("away.sqlite"));
    let (store, _) = open(&path).expect("opens");
    adds(&store, "before").expect("writes");
    std::fs::rename(&path, &away).expect("moves");
    // A health check does so, and has no connection to write with.
    let Opened::Sqlite(sqlite) = &*store.engine else { panic!("it is a file") };
    sqlite.condition.check_files().expect_err("it went");
    refuses(&store, "moved away");
    let copy = scratch.0.join("copy.sqlite");
    std::fs::copy(&away, &copy).expect("copies");
    let kept: String = Connection::open(&copy)
        .and_then(|copy| copy.query_row("SELECT name FROM roles", [], |row| row.get(0)))
        .expect("reads");
    assert_eq!(kept, "before", "the file is whole without its log");
}

#[test]
fn a_link_that_leads_elsewhere_and_a_directory_in_another_place_are_noticed() {
    let scratch = Scratch::new("linked");
    let (one, two, link) = (scratch.0.join("one"), scratch.0.join("two"), scratch.0.join("link"));
    drop(open(&one).expect("is made"));
    drop(open(&two).expect("is made"));
    std::os::unix::fs::symlink(&one, &link).expect("links");
    let (store, _) = open(&link).expect("opens");
    adds(&store, "before").expect("writes");
    std::fs::remove_file(&link).expect("removes");
    std::os::unix::fs::symlink(&two, &link).expect("links");
    refuses(&store, "a link to another file");
    drop(store);

    let (directory, moved) = (scratch.0.join("directory"), scratch.0.join("moved"));
    std::fs::create_dir(&directory).expect("makes");
    let (store, _) = open(&directory.join("db")).expect("opens");
    std::fs::rename(&directory, &moved).expect("moves");
    refuses(&store, "a directory that was moved");
}

#[test]
fn a_server_that_stops_leaves_the_files_of_its_successor_alone() {
    let scratch = Scratch::new("successor");
    let path = scratch.database();
    let (old, _) = open(&path).expect("opens");
    adds(&old, "before").expect("writes");
    std::fs::rename(&path, scratch.0.join("old.sqlite")).expect("moves");
    refuses(&old, "moved away");
    for suffix in COMPANIONS {
        std::fs::remove_file(beside(&path, suffix)).expect("removes");
    }
    let (new, _) = open(&path).expect("opens a new one");
    adds(&new, "new").expect("writes");
    old.close();
    drop(old);
    new.check().expect("its files are still there");
    adds(&new, "newer").expect("writes");
    assert_eq!(role_names(&new), ["new", "newer"]);
}

#[test]
fn a_write_during_which_the_file_goes_is_not_acknowledged() {
    let scratch = Scratch::new("meanwhile");
    let path = scratch.database();
    let (store, _) = open(&path).expect("opens");
    let gone = path.clone();
    let written = store.write(move |tx| {
        std::fs::remove_file(&gone).expect("removes");
        roles::insert(tx, "lost")
    });
    assert!(matches!(written, Err(StoreError::Replaced(_))));
}
