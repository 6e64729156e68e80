//! Transactions: run again when they have to be, undone when they fail, and events in the order of commits.

use super::{engine, open};
use crate::policy::email::EmailAddress;
use crate::store::attempts::{self, AttemptKey};
use crate::store::events::{By, EventKind, Listed, NewEvent, Trail, link_of, list};
use crate::store::locks::Lock;
use crate::store::*;
use crate::user_id::UserId;

#[test]
fn of_many_who_count_at_once_each_is_counted() {
    const WRITERS: i64 = 12;
    let Some((store, _)) = open() else { return };
    let key = AttemptKey::new(&EmailAddress::folded("alice@example.org"), String::new());
    let count = |store: &Store| {
        let key = key.clone();
        let counted = store.write(move |tx| {
            let before = attempts::by_account(tx, &key)?.map_or(0, |known| known.failures);
            attempts::upsert(tx, &key, before + 1, None)
        });
        counted.expect("is counted, at once or again");
    };
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| count(&store));
        }
    });
    let counted = store.read(|db| attempts::by_account(db, &key)).expect("reads").expect("is there");
    assert_eq!(counted.failures, WRITERS);
}

#[test]
fn a_statement_that_failed_ends_its_transaction_and_a_reader_cannot_write() {
    let Some((store, _)) = open() else { return };
    let went_on = store.write(|tx| {
        roles::insert(tx, "half-done")?;
        let nobody = locks::insert(tx, UserId::new(99), Lock::Manual);
        assert!(matches!(nobody, Err(StoreError::ForeignKey)), "{nobody:?}");
        assert!(matches!(roles::list(tx), Err(StoreError::Aborted)));
        Ok::<_, StoreError>(())
    });
    assert!(matches!(went_on, Err(StoreError::Aborted)), "{went_on:?}");
    let panicked: Result<(), StoreError> = store.write(|tx| {
        roles::insert(tx, "half-done")?;
        panic!("a fault in the code of a write")
    });
    assert!(matches!(panicked, Err(StoreError::Panicked)));
    let (mut connection, _) = engine(&store).pool.lend().expect("connects");
    assert!(connection.simple("INSERT INTO roles VALUES ('x', 'y')").is_err(), "a reader has written");
    assert_eq!(store.read(roles::list).expect("reads").len(), 0);
}

#[test]
fn a_connection_that_was_lost_is_replaced() {
    let Some((store, _)) = open() else { return };
    let Some((other, _)) = open() else { return };
    let end_connection = || {
        let session = engine(&store).reader();
        let pid = session.text("SELECT pg_backend_pid()").expect("reads").expect("has a number");
        drop(session);
        let ended = engine(&other).reader().text(&format!("SELECT pg_terminate_backend({pid}, 10000)"));
        assert_eq!(ended.expect("reads").as_deref(), Some("t"));
    };
    end_connection();
    assert_eq!(store.read(roles::list).expect("reads on another").len(), 0);
    end_connection();
    assert!(store.write(|tx| roles::insert(tx, "whole")).expect("writes on another"));
}

/// So many events, once they have their numbers: transactions of other tests on the same server hold them up for a while.
fn numbered(store: &Store, count: usize) -> Vec<Listed> {
    for _ in 0..60 {
        store.number_events().expect("gives up after a while");
        let found = store.read(|db| list(db, 0, 9)).expect("reads");
        if found.len() >= count {
            return found;
        }
    }
    panic!("an event waits for what is over");
}

#[test]
fn events_come_in_the_order_of_commits() {
    let Some((store, _)) = open() else { return };
    let (mut slow, _) = engine(&store).pool.lend().expect("connects");
    slow.simple(
        "BEGIN READ WRITE; INSERT INTO event_queue (at, kind, actor, origin_hash) \
         VALUES ('2026-11-23 15:00:00.000000', 'policy.reloaded', 'server', '')",
    )
    .expect("leaves an event");
    let event = || NewEvent::about(EventKind::AccountAdded, UserId::new(7));
    store.write(move |tx| Trail::default().note(tx, By::SERVER, event())).expect("writes");
    store.number_events().expect("gives up after a while");
    assert!(
        store.read(|db| list(db, 0, 9)).expect("reads").is_empty(),
        "an event passed one that may come before it"
    );
    slow.simple("COMMIT").expect("commits");
    let found = numbered(&store, 2);
    let places: Vec<_> = found.iter().map(|listed| link_of(listed).seq).collect();
    let kinds: Vec<_> = found.iter().map(|listed| listed.as_ref().expect("can be read").user_id).collect();
    assert_eq!((places, kinds), (vec![1, 2], vec![None, Some(UserId::new(7))]));
}

#[test]
fn events_of_another_server_that_a_dump_brought_here_get_their_numbers() {
    let Some((store, _)) = open() else { return };
    let (mut other, _) = engine(&store).pool.lend().expect("connects");
    other
        .simple(
            "BEGIN READ WRITE; INSERT INTO event_queue (xid, at, kind, actor, origin_hash) \
             VALUES ('9000000000000', '2026-11-23 15:00:00.000000', 'policy.reloaded', 'server', ''); COMMIT",
        )
        .expect("leaves an event");
    assert_eq!(numbered(&store, 1).len(), 1);
}
