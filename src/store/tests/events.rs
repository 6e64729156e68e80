//! The chain of events: what it catches, and what it outlives.

use super::{Scratch, open};
use crate::clock::Timestamp;
use crate::guard::token::TokenId;
use crate::store::events::{By, EventKind, Followed, Link, NewEvent, Trail, follow, list, newest, removed};
use crate::store::{Removal, Store, StoreError};
use crate::user_id::UserId;
use rusqlite::Connection;

const ALICE: UserId = UserId::new(7);

fn note(store: &Store, count: usize) {
    for _ in 0..count {
        let event = NewEvent::about(EventKind::KeyIssued, ALICE)
            .object(TokenId::parse("0123456789abcdef").expect("an ID"))
            .detail("some");
        store.write(move |tx| Trail::default().note(tx, By::password(ALICE), event)).expect("writes");
    }
}

/// Follows the chain to where it ends, in small steps.
fn verified(store: &Store) -> Followed {
    let mut from = store.read(removed).expect("reads");
    loop {
        match store.read(|db| follow(db, from, 3)).expect("reads") {
            Followed::Through(link) => from = link,
            end => return end,
        }
    }
}

fn changes(scratch: &Scratch, statement: &str) {
    Connection::open(scratch.database()).expect("opens").execute_batch(statement).expect("runs");
}

/// What comes of following the chain after this was done to ten events.
fn after(statement: &str) -> Followed {
    let scratch = Scratch::new("tampered");
    let (store, _) = open(&scratch.database()).expect("opens");
    note(&store, 10);
    assert!(matches!(verified(&store), Followed::End(Link { seq: 10, .. })));
    changes(&scratch, statement);
    verified(&store)
}

#[test]
fn the_chain_shows_what_was_altered_removed_or_put_in() {
    for column in ["kind", "actor", "object", "detail"] {
        assert_eq!(
            after(&format!("UPDATE events SET {column} = 'x' WHERE seq = 4")),
            Followed::Altered(4),
            "{column}"
        );
    }
    for column in ["user_id", "actor_id"] {
        assert_eq!(after(&format!("UPDATE events SET {column} = NULL WHERE seq = 4")), Followed::Altered(4));
        assert_eq!(after(&format!("UPDATE events SET {column} = 8 WHERE seq = 1")), Followed::Altered(1));
    }
    assert_eq!(
        after("UPDATE events SET at = '2020-01-01 00:00:00.000000' WHERE seq = 10"),
        Followed::Altered(10)
    );
    assert_eq!(after("UPDATE events SET hash = zeroblob(32) WHERE seq = 3"), Followed::Altered(3));
    assert_eq!(after("DELETE FROM events WHERE seq = 5"), Followed::Missing(5));
    assert_eq!(after("DELETE FROM events WHERE seq = 1"), Followed::Missing(1));
    assert_eq!(after("DELETE FROM events WHERE seq = 10"), Followed::Missing(10), "the last one");
    assert_eq!(after("DELETE FROM events"), Followed::Missing(1));
    let more = "INSERT INTO events SELECT 11, at, kind, user_id, actor, actor_id, object, detail, hash FROM events WHERE seq = 10";
    assert_eq!(after(more), Followed::Altered(11));
    let moved = "DELETE FROM events WHERE seq = 5; UPDATE events SET seq = seq - 1 WHERE seq > 5";
    assert_eq!(after(moved), Followed::Altered(5));
    let swapped = "UPDATE events SET seq = 100 WHERE seq = 5; UPDATE events SET seq = 5 WHERE seq = 6; UPDATE events SET seq = 6 WHERE seq = 100";
    assert_eq!(after(swapped), Followed::Altered(5));
}

#[test]
fn the_chain_can_be_followed_from_the_first_event_that_is_kept() {
    let scratch = Scratch::new("pruned");
    let (store, _) = open(&scratch.database()).expect("opens");
    note(&store, 10);
    changes(&scratch, "UPDATE events_removed SET seq = seq");
    assert_eq!(store.remove(Removal::SurplusEvents(6), 3).expect("removes"), 3, "so many at a time");
    assert_eq!(store.remove(Removal::SurplusEvents(6), 3).expect("removes"), 1);
    assert_eq!(store.remove(Removal::SurplusEvents(6), 3).expect("removes"), 0);
    assert!(matches!(verified(&store), Followed::End(Link { seq: 10, .. })));
    assert_eq!(store.remove(Removal::Events(Timestamp::MIN), 100).expect("removes"), 0);
    assert_eq!(store.remove(Removal::Events(Timestamp::MAX), 100).expect("removes"), 6);
    assert!(matches!(verified(&store), Followed::End(Link { seq: 10, .. })), "also when all are gone");
    note(&store, 1);
    assert!(matches!(verified(&store), Followed::End(Link { seq: 11, .. })), "no number comes again");
    changes(&scratch, "DELETE FROM events");
    assert_eq!(verified(&store), Followed::Missing(11));
}

#[test]
fn no_event_goes_before_one_that_stays() {
    let scratch = Scratch::new("steps");
    let (store, _) = open(&scratch.database()).expect("opens");
    note(&store, 3);
    // As by a clock that was wrong for a while.
    changes(&scratch, "UPDATE events SET at = '2001-01-01 00:00:00.000000' WHERE seq <> 2");
    let cutoff = Timestamp::parse("2002-01-01 00:00:00.000000").expect("a time");
    assert_eq!(store.remove(Removal::Events(cutoff), 100).expect("removes"), 1);
    assert_eq!(store.read(|db| list(db, 0, 10)).expect("reads").len(), 2);
}

#[test]
fn an_event_of_a_write_that_fails_leaves_no_gap() {
    let scratch = Scratch::new("undone");
    let (store, _) = open(&scratch.database()).expect("opens");
    note(&store, 1);
    let undone = store.write(|tx| {
        Trail::default().note(tx, By::SERVER, NewEvent::new(EventKind::PolicyReloaded))?;
        Err::<(), _>(StoreError::Busy)
    });
    assert!(undone.is_err());
    note(&store, 1);
    assert_eq!(store.read(newest).expect("reads").seq, 2);
    assert!(matches!(verified(&store), Followed::End(Link { seq: 2, .. })));
}

#[test]
fn two_processes_that_write_at_once_make_one_chain() {
    let scratch = Scratch::new("two");
    let (first, _) = open(&scratch.database()).expect("opens");
    let (second, _) = open(&scratch.database()).expect("opens");
    std::thread::scope(|scope| {
        for store in [&first, &second, &first, &second] {
            scope.spawn(|| note(store, 25));
        }
    });
    assert!(matches!(verified(&first), Followed::End(Link { seq: 100, .. })));
    assert_eq!(verified(&first), verified(&second));
}
