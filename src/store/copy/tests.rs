//! Copies there and back. Those of a PostgreSQL need the server that `make test-postgres` starts and names, and do nothing without.

use super::*;
use crate::clock::{ManualClock, Timestamp};
use crate::guard::password::PasswordHash;
use crate::policy::email::EmailAddress;
use crate::policy::roles::Role;
use crate::rng::SeededRng;
use crate::store::copy_end::{Kind, TABLES, Take, read_row, write_row};
use crate::store::events::{By, EventKind, NewEvent, Trail, newest};
use crate::store::value::Value;
use crate::store::{OpenError, Readers, Store, testing, users};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A row or more in each table, with whatever values can have: no text, long text, text in every script, no bytes, all bytes,
/// and the largest numbers.
const FULL: &str = "
    INSERT INTO roles VALUES ('authenticated', ''), ('superuser', 'may all \u{fc}\u{1f600}');
    INSERT INTO users (user_id, system_id, full_name, password, email, email_verified, is_active, failed_login_tries, extra_info,
                       created_on, last_updated, user_role, revocations)
    VALUES (1, 's1', NULL, '$argon2id$', 'admin@example.org', 1, 1, 0, NULL, 't', 't', 'superuser', 0),
           (4, 's4', '\u{5c71}\u{7530} ''\"\\\u{a}\u{9}\u{1}', '', 'yamada@example.org', 1, 1, 9223372036854775807, '{}', 't', 't',
            'authenticated', -9223372036854775808),
           (9, 's9', '', '', 'gone@example.org', 0, 0, NULL, NULL, 't', 't', 'authenticated', 0);
    DELETE FROM users WHERE user_id = 9;
    INSERT INTO sessions VALUES (zeroblob(32), '', '', 4, 't', 'u', NULL), (randomblob(32), '::1', 'B', 1, 't', 'u', '{\"a\": 1}');
    INSERT INTO apikeys SELECT randomblob(32), 't', 'u', 't', user_id, 'superuser', token_hash, NULL FROM sessions;
    INSERT INTO apikeys_nosession VALUES (randomblob(32), 't', 'u', 't', NULL, '$argon2', 't', 'u', 't', 4, 'authenticated', NULL);
    INSERT INTO role_history VALUES (4, 1, 'superuser');
    INSERT INTO locks VALUES (4, 'attempts', 't', 'u');
    INSERT INTO attempts VALUES (randomblob(32), '', 3, 't', NULL, NULL), (randomblob(32), '192.0.2.0/24', 1, 't', 'u', 's');
    INSERT INTO groups VALUES (3, 's', 'editors', 'public', 1, 1, 't', 't', 'authenticated', NULL);
    INSERT INTO user_groups VALUES (4, 3);
    INSERT INTO preferences VALUES (2, 4, 'colour', NULL);
    DELETE FROM preferences;
    INSERT INTO server_state VALUES ('note', 'value');
    INSERT INTO contested_addresses VALUES ('x@example.org');
    INSERT INTO codes VALUES (randomblob(32), 'email-undo', 4, 'old@example.org', 'u');
    INSERT INTO email_queue VALUES (7, 'reset', NULL, '', 'S', '', '', '', 'waiting', 0, 't', 't', 'de-CH'),
                                   (8, 'login', 4, '', 'S', '/', '', '', 'done', 1, 't', 't', '');
    INSERT INTO events VALUES (5, 't', 'user.added', 4, 'server', NULL, NULL, NULL, randomblob(32), zeroblob(0)),
                              (6, 't', 'user.edited', 4, 'user', 4, 'o', 'd', randomblob(32), NULL);
    INSERT INTO event_origins VALUES (5, 4, '192.0.2.0/24', 'r', NULL, randomblob(16));
    UPDATE events_removed SET seq = 4, hash = randomblob(32);
    INSERT INTO scoped_keys VALUES (randomblob(8), randomblob(32), NULL, NULL, 4, 'authenticated', 'ci', 'view:item', 't', NULL, NULL);
    INSERT INTO message_keys VALUES (randomblob(8), NULL, NULL, NULL);
";

/// A directory of its own, removed at the end; and schemas of its own, on the server for tests.
struct Room(tempfile::TempDir);

impl Room {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A database in which nothing is missing.
    fn full(&self) -> PathBuf {
        let path = self.path("full");
        drop(open(&path.clone().into()).expect("makes it"));
        testing::change(&path, FULL);
        path
    }

    /// What there is beside the locks.
    fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.0.path()).expect("reads");
        let names = names.map(|entry| entry.expect("reads").file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.filter(|name| !name.ends_with("-lock")).collect();
        names.sort();
        names
    }
}

/// A schema that is not there yet; nothing where no server is named.
fn schema() -> Option<Location> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var("TEST_POSTGRES").ok()?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let url = format!("{server}&search_path=copy_{}_{number}", std::process::id());
    Some(Location::postgres(&url).expect("is meant").unwrap_or_else(|problem| panic!("{problem}")))
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(Timestamp::parse("2026-11-23 15:00:00.000000").expect("a time")))
}

fn rng() -> Arc<dyn Rng> {
    Arc::new(SeededRng::new(1))
}

fn open(location: &Location) -> Result<Store, OpenError> {
    Store::open(location, Readers::of(1), clock(), rng()).map(|(store, _)| store)
}

fn copies(from: &Location, to: &Location) -> Result<Copied, String> {
    copy(from, to, &clock(), &rng()).map_err(|problem| problem.to_string())
}

/// All rows of a file, in some order, and the highest numbers.
fn contents(path: &Path) -> (Vec<Vec<Vec<u8>>>, Vec<i64>) {
    let (mut all, mut numbers) = (Vec::new(), Vec::new());
    let read = sqlite::copy::read(path, &mut |end| {
        for table in sqlite::copy::tables().expect("are known") {
            let mut rows = Vec::new();
            let read = end.rows(&table, &mut |row| {
                rows.push(row.to_vec());
                Ok(())
            });
            read.expect("reads");
            rows.sort();
            all.push(rows);
        }
        // What is queued is numbered by a number that may be given again in a file.
        let kept = NUMBERED.iter().filter(|(table, _)| *table != "email_queue");
        numbers.extend(kept.map(|(table, column)| end.highest(table, column).expect("reads")));
        Ok(())
    });
    read.unwrap_or_else(|problem| panic!("{problem}"));
    (all, numbers)
}

/// Where to copy to and back again: into a file, and into a PostgreSQL.
fn places(room: &Room) -> Vec<Location> {
    [Some(room.path("there").into()), schema()].into_iter().flatten().collect()
}

#[test]
fn all_that_there_is_arrives_and_comes_back_as_it_was() {
    let room = Room::new();
    let full = room.full();
    let before = contents(&full);
    assert!(before.0.iter().enumerate().all(|(at, rows)| !rows.is_empty() || TABLES[at] == "preferences"));
    assert_eq!(before.1, [9, 3, 2, 6], "of users, groups, preferences and events");
    for there in places(&room) {
        let copied = copies(&full.clone().into(), &there).expect("is copied");
        let counts: Vec<_> = copied.iter().map(|(_, rows)| usize::try_from(*rows).expect("few")).collect();
        assert_eq!(counts, before.0.iter().map(Vec::len).collect::<Vec<_>>());
        let back = room.path("back");
        assert_eq!(copies(&there, &back.clone().into()), Ok(copied));
        assert!(contents(&back) == before, "something has changed on the way");
        std::fs::remove_file(&back).expect("is there");
    }
}

fn newcomer() -> users::NewUser {
    users::NewUser {
        system_id: "new".to_owned(),
        full_name: String::new(),
        password: PasswordHash::stored(String::new()),
        email: EmailAddress::folded("new@example.org"),
        email_verified: true,
        is_active: true,
        emailverify_sent_datetime: None,
        extra_info: "{}".to_owned(),
        user_role: Role::AUTHENTICATED,
        verification_email_due: false,
    }
}

#[test]
fn a_copy_is_a_database_that_gives_no_number_twice() {
    let room = Room::new();
    let full = room.full();
    for there in places(&room) {
        copies(&full.clone().into(), &there).expect("is copied");
        let store = open(&there).expect("opens");
        let added = store.write(|tx| users::insert(tx, &newcomer())).expect("is added");
        assert_eq!(added.get(), 10, "9 was somebody else's");
        let event = move || NewEvent::about(EventKind::AccountAdded, added);
        store.write(move |tx| Trail::default().note(tx, By::SERVER, event())).expect("writes");
        store.number_events().expect("gives it a number");
        assert_eq!(store.read(newest).expect("reads").seq, 7);
    }
}

#[test]
fn nothing_is_copied_over_what_is_there() {
    let room = Room::new();
    let full: Location = room.full().into();
    for there in places(&room) {
        drop(open(&there).expect("makes it"));
        let told = copies(&full, &there).expect_err("is there");
        assert!(
            told.contains("TO: ")
                && (told.contains("is there already") || told.contains("holds tables already")),
            "{told}"
        );
    }
    let told = copies(&full, &full).expect_err("is there");
    assert!(told.contains("is there already"), "{told}");
}

#[test]
fn what_a_server_uses_is_not_copied_and_what_is_being_copied_is_not_used() {
    let room = Room::new();
    let full = room.full();
    for from in [Some(full.clone().into()), schema()].into_iter().flatten() {
        let store = open(&from).expect("opens");
        let to = room.path("to").into();
        let told = copies(&from, &to).expect_err("is in use");
        assert!(told.starts_with("FROM: ") && told.contains("stop it first"), "{told}");
        drop(store);
        let opened_meanwhile =
            during(&from, &to, |_| open(&from).map(drop).map_err(|error| error.to_string()));
        let told = opened_meanwhile.expect_err("is being copied");
        assert!(told.contains("stop it first") || told.contains("is being copied"), "{told}");
        std::fs::remove_file(room.path("to")).expect("is copied");
    }
    for to in places(&room) {
        let opened_meanwhile =
            during(&full.clone().into(), &to, |_| open(&to).map(drop).map_err(|error| error.to_string()));
        opened_meanwhile.expect_err("is being made");
    }
}

/// What comes of something that is done while a copy is under way.
fn during<T>(from: &Location, to: &Location, act: impl Fn(&mut dyn End) -> T) -> T {
    let mut came_of_it = None;
    let mut into = |source: &mut dyn End| {
        let mut fill = |target: &mut dyn End| {
            copy_tables(source, target, &sqlite::copy::tables().expect("are known"))?;
            came_of_it = Some(act(target));
            Ok(())
        };
        write(to, (&clock(), &rng()), &mut fill)
    };
    read(from, (&clock(), &rng()), &mut into).unwrap_or_else(|problem| panic!("{problem}"));
    came_of_it.expect("was under way")
}

#[test]
fn a_copy_that_fails_leaves_nothing() {
    let room = Room::new();
    let full = room.full();
    let from: Location = full.clone().into();
    // Somebody without this program's care has taken away what a row refers to.
    testing::change(&full, "PRAGMA foreign_keys = OFF; DELETE FROM users WHERE user_id = 1");
    let before = room.files();
    for to in places(&room) {
        let told = copies(&from, &to).expect_err("refers to nothing");
        assert!(told.starts_with("TO, ") && told.contains("lacks a row"), "{told}");
        assert_eq!(room.files(), before);
        drop(open(&to).expect("is as if nothing had been there"));
        let _ = std::fs::remove_file(room.path("there"));
    }
}

#[test]
fn what_has_changed_on_the_way_is_noticed() {
    let room = Room::new();
    let full: Location = room.full().into();
    let tables = sqlite::copy::tables().expect("are known");
    let before = room.files();
    for to in places(&room) {
        let mut into = |source: &mut dyn End| {
            let mut fill =
                |target: &mut dyn End| copy_tables(source, &mut Forgetful(target), &tables).map(drop);
            write(&to, (&clock(), &rng()), &mut fill)
        };
        let told = read(&full, (&clock(), &rng()), &mut into).expect_err("is not the same").to_string();
        assert_eq!(told, "TO, role_history: what has arrived is not what was read; nothing was copied");
        assert_eq!(room.files(), before);
        drop(open(&to).expect("is as if nothing had been there"));
        let _ = std::fs::remove_file(room.path("there"));
    }
}

/// An end that loses a letter on the way.
struct Forgetful<'e>(&'e mut dyn End);

impl End for Forgetful<'_> {
    fn rows(&mut self, table: &Table, take: &mut Take<'_>) -> Result<(), StoreError> {
        self.0.rows(table, take)
    }

    fn insert(&mut self, table: &Table, row: &[u8]) -> Result<(), StoreError> {
        let mut row = row.to_vec();
        if table.name == "role_history"
            && let Some(last) = row.last_mut()
        {
            *last = b'?';
        }
        self.0.insert(table, &row)
    }

    fn finish(&mut self, table: &Table) -> Result<(), StoreError> {
        self.0.finish(table)
    }

    fn highest(&mut self, table: &str, column: &str) -> Result<i64, StoreError> {
        self.0.highest(table, column)
    }

    fn set_highest(&mut self, table: &str, column: &str, number: i64) -> Result<(), StoreError> {
        self.0.set_highest(table, column, number)
    }

    fn settle(&mut self) -> Result<(), StoreError> {
        self.0.settle()
    }
}

#[test]
fn what_this_program_does_not_make_is_not_left_out_in_silence() {
    let room = Room::new();
    let full = room.full();
    testing::change(&full, "CREATE TABLE notes (note TEXT)");
    let told = copies(&full.into(), &room.path("to").into()).expect_err("would be left out");
    assert!(told.contains("the table notes is none of ours"), "{told}");
}

#[test]
fn a_leftover_of_a_killed_copy_makes_way() {
    let room = Room::new();
    let full = room.full();
    std::fs::write(room.path("to.copying"), "half").expect("is written");
    copies(&full.into(), &room.path("to").into()).expect("is copied");
    assert!(!room.files().contains(&"to.copying".to_owned()), "{:?}", room.files());
}

#[test]
fn what_one_engine_cannot_hold_is_refused() {
    let room = Room::new();
    let full = room.full();
    testing::change(&full, "UPDATE users SET full_name = 'a' || char(0) WHERE user_id = 4");
    let Some(to) = schema() else { return };
    let told = copies(&full.into(), &to).expect_err("has a zero in a text");
    assert!(told.starts_with("TO, users: PostgreSQL reports 22021"), "{told}");
}

#[test]
fn a_row_is_read_as_it_was_written_or_not_at_all() {
    let values = [Value::Integer(i64::MIN), Value::Null, Value::Text("\u{e9}"), Value::Blob(&[0, 255])];
    let kinds = [Kind::Integer, Kind::Integer, Kind::Text, Kind::Blob];
    let mut row = Vec::new();
    write_row(&mut row, values.into_iter()).expect("fits");
    assert_eq!(read_row(&row, &kinds).expect("is whole"), values);
    for end in 0..row.len() {
        read_row(&row[..end], &kinds).expect_err("is cut off");
    }
    read_row(&[&row[..], &[0]].concat(), &kinds).expect_err("goes on");
    read_row(&row, &kinds[1..]).expect_err("has more");
    let mut random = fastrand::Rng::with_seed(10);
    for _ in 0..10_000 {
        let mut other = row.clone();
        let at = random.usize(..other.len());
        other[at] = random.u8(..);
        // It is read, or refused.
        let _ = read_row(&other, &kinds);
    }
}
