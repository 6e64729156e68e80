//! The chain of events: what it catches, and what it outlives.

use super::{Scratch, open};
use crate::clock::Timestamp;
use crate::guard::token::TokenId;
use crate::store::events::follow::{Followed, Origins, follow};
use crate::store::events::{By, EventKind, Link, NewEvent, Trail, Unreadable, list, newest, removed};
use crate::store::{Removal, Store, StoreError, roles};
use crate::user_id::UserId;
use rusqlite::Connection;

const ALICE: UserId = UserId::new(7);
const BOB: UserId = UserId::new(8);

fn note(store: &Store, count: usize) {
    for _ in 0..count {
        let event = NewEvent::about(EventKind::KeyIssued, ALICE)
            .object(TokenId::parse("0123456789abcdef").expect("an ID"))
            .detail("some");
        store.write(move |tx| Trail::default().note(tx, By::password(ALICE), event.clone())).expect("writes");
    }
}

/// Follows the chain to where it ends, in small steps.
fn verified(store: &Store) -> Followed {
    verified_with_origins(store).0
}

fn verified_with_origins(store: &Store) -> (Followed, Origins) {
    let mut from = store.read(removed).expect("reads");
    let mut origins = Origins::default();
    loop {
        match store.read(|db| follow(db, from, 3, &mut origins)).expect("reads") {
            Followed::Through(link) => from = link,
            end => return (end, origins),
        }
    }
}

/// A store with four events that have an origin: two of users, of whom the second is deleted with the third event, and one
/// of an operator.
fn with_origins(scratch: &Scratch) -> Store {
    let (store, _) = open(&scratch.database()).expect("opens");
    store.write(|tx| roles::insert(tx, "authenticated")).expect("writes");
    for id in [7, 8] {
        changes(
            scratch,
            &format!(
                "INSERT INTO users (user_id, system_id, password, email, created_on, last_updated, user_role)
                 VALUES ({id}, '{id}', 'x', '{id}@example.org', '2026-01-01', '2026-01-01', 'authenticated')"
            ),
        );
    }
    let trail = || Trail::new(Some("192.0.2.0/24".to_owned()), Some("a request"));
    let noted = |by: By, event: NewEvent| {
        let trail = trail();
        store.write(move |tx| trail.note(tx, by.clone(), event.clone())).expect("writes");
    };
    noted(By::session(ALICE), NewEvent::about(EventKind::LoggedIn, ALICE));
    noted(By::session(BOB), NewEvent::about(EventKind::LoggedIn, BOB));
    changes(scratch, "PRAGMA foreign_keys = ON; DELETE FROM users WHERE user_id = 8");
    noted(By::CALLING_SERVER, NewEvent::about(EventKind::AccountDeleted, BOB));
    noted(By::operator("root".to_owned()), NewEvent::about(EventKind::AccountLocked, ALICE));
    store
}

/// What comes of following the chain after this was done to the events that have an origin.
fn after_origins_changed(statement: &str) -> Followed {
    let scratch = Scratch::new("origins");
    let store = with_origins(&scratch);
    changes(&scratch, statement);
    verified(&store)
}

#[test]
fn the_chain_covers_where_an_event_came_from() {
    for column in ["network", "request_id", "operator"] {
        let altered = format!("UPDATE event_origins SET {column} = 'x' WHERE seq = 1");
        assert_eq!(after_origins_changed(&altered), Followed::OriginAltered(1), "{column}");
    }
    let altered = "UPDATE event_origins SET operator = NULL WHERE seq = 4";
    assert_eq!(after_origins_changed(altered), Followed::OriginAltered(4));
    for statement in [
        "UPDATE event_origins SET nonce = zeroblob(16) WHERE seq = 1",
        "UPDATE event_origins SET nonce = NULL WHERE seq = 1",
        // Else it would go with another user.
        "UPDATE event_origins SET user_id = NULL WHERE seq = 1",
        "DELETE FROM event_origins WHERE seq = 1",
        "DELETE FROM event_origins",
    ] {
        assert_eq!(after_origins_changed(statement), Followed::OriginAltered(1), "{statement}");
    }
    assert_eq!(after_origins_changed("DELETE FROM event_origins WHERE seq = 4"), Followed::OriginAltered(4));
    let added = "INSERT INTO event_origins (seq, network) VALUES (3, 'x')";
    assert_eq!(after_origins_changed(added), Followed::OriginAltered(3));
    for value in ["NULL", "x''", "zeroblob(32)"] {
        let altered = format!("UPDATE events SET origin_hash = {value} WHERE seq = 1");
        assert_eq!(after_origins_changed(&altered), Followed::Altered(1), "{value}");
    }
}

#[test]
fn an_origin_may_be_gone_only_with_a_user_who_was_deleted_later() {
    let scratch = Scratch::new("erased");
    let store = with_origins(&scratch);
    let (followed, origins) = verified_with_origins(&store);
    assert!(matches!(followed, Followed::End(Link { seq: 4, .. })), "{followed:?}");
    assert_eq!(origins, Origins { erased: 1, uncovered: 0 });
    store
        .write(|tx| Trail::default().note(tx, By::SERVER, NewEvent::about(EventKind::AccountDeleted, ALICE)))
        .expect("writes");
    changes(&scratch, "DELETE FROM event_origins WHERE seq = 4");
    assert_eq!(verified(&store), Followed::OriginAltered(4), "an operator's goes with nobody");
}

#[test]
fn an_event_that_cannot_be_read_is_named_and_hides_no_other() {
    let scratch = Scratch::new("unreadable");
    let (store, _) = open(&scratch.database()).expect("opens");
    note(&store, 4);
    for broken in ["at = 'x'", "detail = CAST(x'ff' AS TEXT)"] {
        changes(&scratch, &format!("UPDATE events SET {broken} WHERE seq = 2"));
        assert_eq!(verified(&store), Followed::Altered(2), "{broken}");
        let listed = store.read(|db| list(db, 0, 10)).expect("reads");
        let readable: Vec<_> = listed.iter().flatten().map(|event| event.seq).collect();
        assert_eq!(readable, [1, 3, 4], "{broken}");
        assert!(matches!(listed[1], Err(Unreadable(Link { seq: 2, .. }))), "{broken}");
    }
}

#[test]
fn an_event_without_a_readable_time_goes_with_the_old_one_after_it() {
    let scratch = Scratch::new("timeless");
    let (store, _) = open(&scratch.database()).expect("opens");
    note(&store, 4);
    changes(
        &scratch,
        "UPDATE events SET at = '2001-01-01 00:00:00.000000' WHERE seq < 3; UPDATE events SET at = 'x' WHERE seq IN (1, 3)",
    );
    let cutoff = Timestamp::parse("2002-01-01 00:00:00.000000").expect("a time");
    assert_eq!(store.remove(Removal::Events(cutoff), 100).expect("removes"), 2);
    assert_eq!(store.read(removed).expect("reads").seq, 2);
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
    let more = "INSERT INTO events SELECT 11, at, kind, user_id, actor, actor_id, object, detail, hash, origin_hash FROM events WHERE seq = 10";
    assert_eq!(after(more), Followed::Altered(11));
    assert_eq!(after(&more.replace("SELECT 11", "SELECT -5")), Followed::Altered(-5), "before the first one");
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
