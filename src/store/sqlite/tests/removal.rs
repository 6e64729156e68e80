//! What is removed when it is old, a few rows at a time.

use super::*;
use crate::policy::email::EmailAddress;
use crate::policy::roles::ANONYMOUS_ID;
use crate::store::attempts::AttemptKey;
use crate::store::sessions::NewSession;

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

/// A database with the user whose sessions these are.
fn with_sessions(scratch: &Scratch, expiring: &'static [&'static str]) -> Store {
    let (store, _) = open(&scratch.database()).expect("opens");
    store
        .write(move |tx| {
            roles::insert(tx, "anonymous")?;
            tx.sqlite().execute(
                "INSERT INTO users (user_id, system_id, password, email, created_on, last_updated, user_role)
                 VALUES (2, 's', 'p', 'e', '2026-11-23 14:00:00.000000', '2026-11-23 14:00:00.000000', 'anonymous')",
                [],
            )?;
            for (number, expires) in expiring.iter().enumerate() {
                let session = NewSession {
                    token: StoredToken::of(&number.to_string()),
                    ip_address: "192.0.2.1".to_owned(),
                    user_agent: "x".to_owned(),
                    user_id: ANONYMOUS_ID,
                    expires: time(expires),
                    extra_info: None,
                };
                sessions::insert(tx, &session)?;
            }
            Ok::<_, StoreError>(())
        })
        .expect("writes");
    store
}

fn left(store: &Store, table: &str) -> i64 {
    let count = format!("SELECT count(*) FROM {table}");
    store.read(|db| Ok::<_, StoreError>(db.sqlite().query_row(&count, [], |row| row.get(0))?)).expect("reads")
}

#[test]
fn expired_sessions_go_in_slices_and_others_stay() {
    let scratch = Scratch::new("slices");
    let store = with_sessions(
        &scratch,
        &["2026-11-01 00:00:00", "2026-11-02 00:00:00", "2026-11-03 00:00:00", "2026-11-23 16:00:00"],
    );
    let removal = Removal::Sessions(time("2026-11-23 15:00:00"));
    let slices: Vec<_> = (0..3).map(|_| store.remove(removal, 2).expect("removes")).collect();
    assert_eq!(slices, [2, 1, 0]);
    assert_eq!(left(&store, "sessions"), 1);
}

#[test]
fn attempts_go_by_age_and_by_number() {
    let scratch = Scratch::new("attempts");
    let (store, _) = open(&scratch.database()).expect("opens");
    store
        .write(|tx| {
            for number in 0..5 {
                let key =
                    AttemptKey::new(&EmailAddress::folded(&format!("{number}@example.org")), String::new());
                attempts::upsert(tx, &key, 1, None)?;
            }
            tx.sqlite().execute_batch(
                "UPDATE attempts SET last_try = '2026-09-01 00:00:00.000000' WHERE account_hash IN
                     (SELECT account_hash FROM attempts LIMIT 2);
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100002)
                 INSERT INTO attempts (account_hash, network, failures, last_try)
                 SELECT randomblob(32), i, 1, '2026-11-23 14:00:00.000000' FROM n;",
            )?;
            Ok::<_, StoreError>(())
        })
        .expect("writes");
    assert_eq!(store.remove(Removal::Attempts(time("2026-11-01 00:00:00")), 10).expect("removes"), 2);
    assert_eq!(left(&store, "attempts"), 100_005);
    assert_eq!(store.remove(Removal::SurplusAttempts, 3).expect("removes"), 3, "no more than was allowed");
    assert_eq!(store.remove(Removal::SurplusAttempts, 10).expect("removes"), 2);
    assert_eq!(left(&store, "attempts"), 100_000);
    let newest = left(&store, "attempts WHERE last_try > '2026-11-23 14:30:00'");
    assert_eq!(newest, 3, "the oldest go first");
}

#[test]
fn the_time_last_seen_is_remembered_and_guessed_where_it_is_not() {
    let scratch = Scratch::new("last-seen");
    let store = with_sessions(&scratch, &[]);
    assert_eq!(store.last_seen_time().expect("reads"), time("2026-11-23 14:00:00"));
    store.set_last_seen_time(time("2026-11-23 15:00:00")).expect("writes");
    assert_eq!(store.last_seen_time().expect("reads"), time("2026-11-23 15:00:00"));
}

#[test]
fn expired_codes_and_emails_that_are_done_with_go_and_what_waits_stays() {
    let scratch = Scratch::new("codes");
    let store = with_sessions(&scratch, &[]);
    store
        .write(|tx| {
            for (purpose, expires) in [("signup", "2026-11-22"), ("reset", "2026-11-24")] {
                tx.sqlite().execute(
                    "INSERT INTO codes (code_hash, purpose, user_id, expires)
                     VALUES (randomblob(32), ?1, 2, ?2 || ' 15:00:00.000000')",
                    [purpose, expires],
                )?;
            }
            for state in ["waiting", "sending", "done", "dead"] {
                tx.sqlite().execute(
                    "INSERT INTO email_queue (purpose, user_id, site, page, browser, ip_address, state, tries, next_try, created)
                     VALUES ('reset', 2, '', '', '', '', ?1, 0, '2026-11-01 00:00:00.000000', '2026-11-01 00:00:00.000000')",
                    [state],
                )?;
            }
            Ok::<_, StoreError>(())
        })
        .expect("writes");
    let now = time("2026-11-23 15:00:00");
    for (removal, table, after) in [
        (Removal::Codes(now), "codes", 1),
        (Removal::EmailsDone(now), "email_queue", 3),
        (Removal::EmailsDead(now), "email_queue", 2),
    ] {
        assert_eq!((store.remove(removal, 9).expect("removes"), left(&store, table)), (1, after));
    }
}
