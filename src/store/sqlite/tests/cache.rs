//! Rows that are kept: each is what a read would find, whoever writes.

use super::*;
use crate::store::row_cache::{Cacheable, RowKey};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

const ALICE: UserId = UserId::new(4);
/// Alice's session in the fixture.
const TOKEN: &str = "xtSAwkDaPvQAOLT7iskYQffeyFGNEDu5CuIqMoVfZ8g";

/// Stands for whatever was read.
struct Kept(UserId);

impl Cacheable for Kept {
    fn owner(&self) -> UserId {
        self.0
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

/// A store of the fixture, and how often what is kept under a key had to be read.
struct Reads {
    store: Store,
    path: PathBuf,
    _scratch: Scratch,
}

impl Reads {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let path = scratch.python_database();
        let (store, _) = open(&path).expect("is adopted");
        Self { store, path, _scratch: scratch }
    }

    /// Asks for a row; whether it had to be read.
    fn is_read(&self, key: RowKey, owner: UserId) -> bool {
        let mut is_read = false;
        let found = self.store.read(|db| {
            db.cached(
                key,
                |_| true,
                || {
                    is_read = true;
                    Ok(Some(Kept(owner)))
                },
            )
        });
        assert_eq!(found.expect("reads").map(|kept| kept.0), Some(owner));
        is_read
    }

    /// The same of three rows: a session of Alice's, what she is, and a session of somebody else's.
    fn are_read(&self) -> [bool; 3] {
        [
            self.is_read(RowKey::Session(*StoredToken::of(TOKEN).as_bytes()), ALICE),
            self.is_read(RowKey::Standing(ALICE), ALICE),
            self.is_read(RowKey::Session([7; 32]), UserId::new(5)),
        ]
    }

    fn write(&self, work: impl Fn(&Tx<'_>) -> Result<(), StoreError> + Send + 'static) {
        self.store.write(work).expect("writes");
    }
}

const NONE: [bool; 3] = [false; 3];
const ALL: [bool; 3] = [true; 3];

#[test]
fn a_row_is_read_again_once_it_was_changed_and_only_then() {
    let reads = Reads::new("cached");
    assert_eq!((reads.are_read(), reads.are_read()), (ALL, NONE));
    let new = sessions::NewSession {
        token: StoredToken::of("another"),
        ip_address: "192.0.2.7".to_owned(),
        user_agent: "Browser/1.0".to_owned(),
        user_id: ALICE,
        expires: Timestamp::MAX,
        extra_info: None,
    };
    reads.write(move |tx| sessions::insert(tx, &new));
    assert_eq!(reads.are_read(), NONE, "a new session changes none of the others");
    let token = StoredToken::of(TOKEN);
    reads.write(move |tx| sessions::set_expires(tx, &token, Timestamp::MAX));
    assert_eq!(reads.are_read(), [true, false, false]);
    reads.write(move |tx| sessions::set_extra_info(tx, &token, "{}").map(drop));
    assert_eq!(reads.are_read(), [true, false, false]);
    reads.write(|tx| users::set_login_success(tx, ALICE));
    assert_eq!(reads.are_read(), [true, true, false]);
    reads.write(move |tx| sessions::delete(tx, &token).map(drop));
    assert_eq!(reads.are_read(), [true, false, false]);
    reads.write(|tx| users::delete(tx, ALICE).map(drop));
    assert_eq!(reads.are_read(), [true, true, false]);
    assert_eq!(reads.are_read(), NONE);
}

#[test]
fn of_very_many_changes_none_is_overlooked() {
    let reads = Reads::new("cached-many");
    reads.write(|tx| {
        let insert = "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers LIMIT 3000) \
             INSERT INTO sessions (token_hash, ip_address, user_agent, user_id, created, expires) \
             SELECT CAST(printf('%032d', number) AS BLOB), '', '', 5, '2020', '2099' FROM numbers";
        tx.sqlite().execute(insert, []).expect("inserts");
        Ok(())
    });
    assert_eq!((reads.are_read(), reads.are_read()), (ALL, NONE));
    let last = RowKey::Session(format!("{:032}", 3000).into_bytes().try_into().expect("32 bytes"));
    let is_read = || reads.is_read(last, UserId::new(5));
    assert_eq!((is_read(), is_read()), (true, false));
    reads.write(|tx| sessions::delete_by_user(tx, UserId::new(5), None).map(drop));
    assert_eq!((is_read(), is_read()), (true, false));
}

#[test]
fn an_api_key_is_read_again_once_it_was_changed_or_is_gone() {
    let reads = Reads::new("cached-key");
    let is_read = || reads.is_read(RowKey::ApiKey([9; 32]), ALICE);
    reads.write(|tx| {
        let insert = "INSERT INTO apikeys_nosession (token_hash, issued, expires, not_valid_before, refresh_hash, \
             refresh_issued, refresh_expires, refresh_nbf, user_id, user_role, claims_hash) \
             VALUES (?1, '2020', '2099', '2020', ?1, '2020', '2099', '2020', 4, 'authenticated', ?1)";
        tx.sqlite().execute(insert, [[9_u8; 32]]).expect("inserts");
        Ok(())
    });
    assert_eq!((is_read(), is_read()), (true, false));
    reads.write(|tx| {
        tx.sqlite().execute("UPDATE apikeys_nosession SET expires = '2098'", []).expect("updates");
        Ok(())
    });
    assert_eq!((is_read(), is_read()), (true, false));
    reads.write(|tx| apikeys_nosession::delete_by_user(tx, ALICE).map(drop));
    assert_eq!((is_read(), is_read()), (true, false));
}

#[test]
fn what_another_process_commits_makes_all_rows_be_read_again() {
    let reads = Reads::new("cached-elsewhere");
    assert_eq!((reads.are_read(), reads.are_read()), (ALL, NONE));
    let other = Connection::open(&reads.path).expect("opens");
    other.execute("UPDATE users SET full_name = 'y' WHERE user_id = 5", []).expect("updates");
    assert_eq!((reads.are_read(), reads.are_read()), (ALL, NONE));
    other.execute_batch("BEGIN IMMEDIATE; UPDATE users SET full_name = 'x'; ROLLBACK").expect("runs");
    assert_eq!(reads.are_read(), NONE, "what was rolled back was never there");
    other.execute("INSERT INTO server_state (name, value) VALUES ('test', '1')", []).expect("inserts");
    reads.write(|tx| roles::insert(tx, "after").map(drop));
    assert_eq!((reads.are_read(), reads.are_read()), (ALL, NONE), "a write of ours does not hide another's");
}

#[test]
fn writes_that_fail_or_come_to_nothing_hide_nothing() {
    let reads = Reads::new("cached-undone");
    assert_eq!(reads.are_read(), ALL);
    let refused: Result<(), StoreError> = reads.store.write(|tx| {
        users::set_login_success(tx, ALICE)?;
        Err(StoreError::ForeignKey)
    });
    assert!(refused.is_err());
    assert!(!reads.are_read()[2], "what is undone may be read once more, but nothing else");
    assert_eq!(reads.are_read(), NONE);
    reads.write(|_| Ok(()));
    assert_eq!(reads.are_read(), NONE);
    let other = Connection::open(&reads.path).expect("opens");
    other.execute("UPDATE users SET full_name = 'x' WHERE user_id = 4", []).expect("updates");
    reads.write(|_| Ok(()));
    assert_eq!(reads.are_read(), ALL, "a transaction that changed nothing stands for nobody else's");
}

#[test]
fn a_row_counts_only_as_long_as_it_is_valid_and_a_closed_store_has_none() {
    let reads = Reads::new("cached-invalid");
    assert_eq!(reads.are_read(), ALL);
    let found = reads.store.read(|db| {
        db.cached(RowKey::Standing(ALICE), |_: &Kept| false, || Ok::<Option<Kept>, StoreError>(None))
    });
    assert!(found.expect("reads").is_none());
    reads.store.close();
    assert_eq!((reads.are_read(), reads.are_read()), (ALL, ALL));
}

/// A clock that somebody sets, back as well as forward.
struct SetClock(AtomicI64);

impl SetClock {
    fn set(&self, now: Timestamp) {
        self.0.store(now.micros(), Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed)).expect("a time")
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

#[test]
fn a_kept_session_or_key_ends_when_its_time_is_over() {
    let scratch = Scratch::new("cached-expiry");
    let path = scratch.python_database();
    let clock = Arc::new(SetClock(AtomicI64::new(clock().now().micros())));
    let (store, _) =
        Store::open(&path.as_path().into(), Readers::of(2), clock.clone(), rng()).expect("is adopted");
    let now = clock.now();
    let (token, ends) = (StoredToken::of(TOKEN), now.plus_seconds(10).expect("a time"));
    let name = apikeys::KeyName { token, user_id: ALICE, user_role: "authenticated".to_owned() };
    let new = name.clone();
    let added: Result<(), StoreError> = store.write(move |tx| {
        sessions::set_expires(tx, &token, ends)?;
        let times = apikeys::KeyTimes { issued: now, not_valid_before: now, expires: ends };
        let refresh = apikeys_nosession::NewRefresh { token, not_valid_before: now, expires: ends };
        apikeys_nosession::insert(tx, &new, times, &[1; 32], &refresh)
    });
    added.expect("writes");
    let are_there = |name: &apikeys::KeyName| {
        let session = store.read(|db| sessions::live_by_token(db, &token)).expect("reads");
        let key = store.read(|db| apikeys_nosession::valid(db, name)).expect("reads");
        [session.is_some(), key.is_some()]
    };
    assert_eq!(are_there(&name), [true, false], "a key is not good before it was issued");
    clock.set(now.plus_seconds(9).expect("a time"));
    assert_eq!((are_there(&name), are_there(&name)), ([true; 2], [true; 2]));
    let others = apikeys::KeyName { user_id: UserId::new(5), ..name.clone() };
    assert_eq!(are_there(&others), [true, false], "it is not anybody else's");
    clock.set(now);
    assert_eq!(are_there(&name), [true, false], "a clock was put back");
    clock.set(ends);
    assert_eq!(are_there(&name), [false; 2]);
}

/// Whoever reads finds what was acknowledged before, whoever wrote it: this process or another one.
#[test]
fn nobody_finds_less_than_was_acknowledged() {
    const WRITES: i64 = 400;
    let reads = Reads::new("cached-race");
    let (store, path) = (&reads.store, &reads.path);
    let [ours, theirs] = [AtomicI64::new(0), AtomicI64::new(0)];
    let is_over = AtomicBool::new(false);
    let token = StoredToken::of(TOKEN);
    let number = |text: &str| text.trim_matches(['{', '"', 'n', ':', '}']).parse::<i64>().unwrap_or(0);
    let read = |last: &AtomicI64, noted: &dyn Fn(&sessions::LiveSession) -> String| {
        let before = last.load(Ordering::Acquire);
        let session = store.read(|db| sessions::live_by_token(db, &token)).expect("reads").expect("is live");
        let found = number(&noted(&session));
        assert!(found >= before, "{before} was acknowledged, and {found} was found");
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Acquire) {
                    read(&ours, &|session| {
                        session.extra_info_json.as_ref().expect("notes").as_str().to_owned()
                    });
                    read(&theirs, &|session| session.full_name.clone().unwrap_or_default());
                }
            });
        }
        let elsewhere = scope.spawn(|| {
            let other = Connection::open(path).expect("opens");
            other.busy_timeout(Duration::from_secs(30)).expect("is set");
            for number in 1..=WRITES {
                let update = "UPDATE users SET full_name = ?1 WHERE user_id = 4";
                other.execute(update, [number.to_string()]).expect("updates");
                theirs.store(number, Ordering::Release);
            }
        });
        for number in 1..=WRITES {
            let notes = format!(r#"{{"n":{number}}}"#);
            reads.write(move |tx| sessions::set_extra_info(tx, &token, &notes).map(drop));
            ours.store(number, Ordering::Release);
        }
        elsewhere.join().expect("ends");
        is_over.store(true, Ordering::Release);
    });
}
