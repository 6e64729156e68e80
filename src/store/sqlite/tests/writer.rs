//! The thread that writes, and the one beside it that keeps the log short.

use super::*;
use std::sync::Mutex;
use std::sync::mpsc::channel;

#[test]
fn a_refused_or_panicking_write_changes_nothing_and_harms_no_other() {
    let scratch = Scratch::new("undone");
    let (store, _) = open(&scratch.database()).expect("opens");
    let refused = store.write(|tx| {
        roles::insert(tx, "half-done")?;
        Err::<(), _>(StoreError::ForeignKey)
    });
    assert!(matches!(refused, Err(StoreError::ForeignKey)));
    let panicked: Result<(), StoreError> = store.write(|tx| {
        roles::insert(tx, "half-done")?;
        panic!("a fault in the code of a write")
    });
    assert!(matches!(panicked, Err(StoreError::Panicked)));
    store.write(|tx| roles::insert(tx, "whole")).expect("writes after both");
    assert_eq!(role_names(&store), ["whole"]);
    store.close();
    assert!(matches!(store.write(|tx| roles::insert(tx, "late")), Err(StoreError::Closed)));
}

#[test]
fn of_writes_that_share_a_commit_only_those_that_fail_are_undone() {
    let scratch = Scratch::new("shared");
    let (store, _) = open(&scratch.database()).expect("opens");
    let (queued, has_queued) = channel();
    let (go, may_go) = channel::<()>();
    let insert = |name: &'static str, then: fn() -> Result<(), StoreError>| {
        let work = move |tx: &Tx<'_>| roles::insert(tx, name).and_then(|_| then());
        job::write(Purpose::Request, work, |job| {
            store.engine.submit(job)?;
            queued.send(()).expect("somebody counts");
            Ok(())
        })
    };
    let may_go = Mutex::new(may_go);
    std::thread::scope(|scope| {
        // Holds the commit open until all of the others are in the queue.
        let first = scope.spawn(|| {
            store.write(move |tx| {
                let _ = may_go.lock().expect("one thread writes").recv();
                roles::insert(tx, "first")
            })
        });
        let before = scope.spawn(|| insert("before", || Ok(())));
        has_queued.recv().expect("queued");
        let failing = scope.spawn(|| insert("half-done", || Err(StoreError::ForeignKey)));
        let panicking = scope.spawn(|| insert("in-panic", || panic!("a fault in the code of a write")));
        let after = scope.spawn(|| insert("after", || Ok(())));
        (0..3).for_each(|_| has_queued.recv().expect("queued"));
        drop(go);
        assert!(matches!(first.join().expect("ends"), Ok(true)));
        assert!(matches!(before.join().expect("ends"), Ok(())));
        assert!(matches!(failing.join().expect("ends"), Err(StoreError::ForeignKey)));
        assert!(matches!(panicking.join().expect("ends"), Err(StoreError::Panicked)));
        assert!(matches!(after.join().expect("ends"), Ok(())));
    });
    assert_eq!(role_names(&store), ["after", "before", "first"]);
}

#[test]
fn the_log_is_moved_into_the_file_while_writes_go_on_and_stays_short() {
    let scratch = Scratch::new("log");
    let (store, _) = open(&scratch.database()).expect("opens");
    let write = |bytes: u32| {
        let written: Result<_, StoreError> = store.write(move |tx| {
            let sqlite = tx.sqlite();
            sqlite.execute_batch("CREATE TABLE IF NOT EXISTS large (x); DELETE FROM large;").expect("runs");
            Ok(sqlite.execute("INSERT INTO large VALUES (randomblob(?1))", [bytes]).expect("inserts"))
        });
        written.expect("writes");
    };
    let log = || scratch.0.join(".authdb.sqlite-wal").metadata().expect("a log").len();

    // Less than what is due for a new log; the thread beside the one that writes moves it nevertheless.
    write(6_000_000);
    let other = Connection::open(scratch.database()).expect("opens");
    let pages = |column| other.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get::<_, i64>(column));
    let is_moved = || pages(1).expect("counts") == pages(2).expect("counts");
    let patience = (0..6_000).find(|_| {
        std::thread::park_timeout(std::time::Duration::from_millis(10));
        is_moved()
    });
    assert!(patience.is_some(), "nothing was moved within a minute");
    assert!(pages(1).expect("counts") > 1_000, "the log began anew, although nothing was written");

    // Each time it begins anew, what is due for it does so, too.
    for _ in 0..80 {
        write(6_000_000);
    }
    assert!(log() < 42 * 1024 * 1024, "the log has {} bytes", log());
}

#[test]
fn many_writers_at_once_are_all_served() {
    let scratch = Scratch::new("many");
    let (store, _) = open(&scratch.database()).expect("opens");
    std::thread::scope(|scope| {
        for writer in 0..16 {
            let store = &store;
            scope.spawn(move || {
                for turn in 0..20 {
                    let name = format!("role-{writer}-{turn}");
                    assert!(store.write(move |tx| roles::insert(tx, &name)).expect("writes"));
                }
            });
        }
    });
    assert_eq!(store.read(roles::list).expect("reads").len(), 320);
}
