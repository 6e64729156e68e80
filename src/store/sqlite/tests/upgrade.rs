//! Upgrades that can be undone: a copy first, checks before the commit, and an older program that finds the copy.

use super::*;
use crate::store::sqlite::backup::{Notes, Source, Unfinished};
use crate::store::sqlite::inspect::try_migration;
use crate::store::sqlite::migrate::{APPLICATION_ID, migrate_to, newest_version};
use crate::store::sqlite::upgrade::{Before, take_steps};

const USER: &str = "INSERT INTO roles VALUES ('authenticated', '');
    INSERT INTO users (user_id, system_id, password, email, created_on, last_updated, user_role)
    VALUES (4, 's', 'p', 'e', '2026-11-23 14:00:00.000000', '2026-11-23 14:00:00.000000', 'authenticated');";

/// A database of this schema, with what `sql` puts into it.
fn write_old(path: &Path, version: i64, sql: &str) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(crate::store::sqlite::companions::beside(path, suffix));
    }
    let old = Connection::open(path).expect("opens");
    migrate_to(&old, version).expect("makes the tables");
    old.execute_batch(sql).expect("runs");
    old.pragma_update(None, "application_id", APPLICATION_ID).expect("is set");
    old.pragma_update(None, "user_version", version).expect("is set");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("changes the mode");
}

fn copy_of(path: &Path, version: i64) -> PathBuf {
    crate::store::sqlite::companions::beside(path, &format!(".schema-{version}"))
}

/// Upgrades it, after a try in memory, which must find the same.
fn upgrade(path: &Path) -> Upgrade {
    let steps = try_migration(path).expect("works on a copy in memory");
    match open(path).expect("is upgraded") {
        (_, Origin::Upgraded(upgrade)) => {
            assert_eq!(steps, upgrade.to - upgrade.from);
            upgrade
        }
        (_, other) => panic!("{other:?}"),
    }
}

fn name_of_user_4(path: &Path) -> String {
    let connection = Connection::open(path).expect("opens");
    connection.query_row("SELECT email FROM users WHERE user_id = 4", [], |row| row.get(0)).expect("is there")
}

#[test]
fn an_upgrade_keeps_one_copy_for_each_schema_and_tells_of_older_ones() {
    let scratch = Scratch::new("upgrade-copies");
    let path = scratch.database();
    write_old(&path, 3, USER);
    let copy = Some(copy_of(&path, 3));
    let to = newest_version();
    assert_eq!(upgrade(&path), Upgrade { from: 3, to, copy: copy.clone(), older_copies: Vec::new() });
    assert_eq!(open(&path).expect("opens").1, Origin::Found);

    // It was undone, went on, and is upgraded once more.
    write_old(&path, 3, &format!("{USER} UPDATE users SET email = 'later' WHERE user_id = 4"));
    assert_eq!(upgrade(&path).copy, copy);
    assert_eq!(name_of_user_4(&copy_of(&path, 3)), "later");
    write_old(&path, 5, USER);
    assert_eq!(upgrade(&path).older_copies, [copy_of(&path, 3)]);
}

#[test]
fn a_database_without_users_is_upgraded_without_a_copy() {
    let scratch = Scratch::new("upgrade-empty");
    write_old(&scratch.database(), 1, "INSERT INTO roles VALUES ('kept', '')");
    assert_eq!(upgrade(&scratch.database()).copy, None);
    assert!(!copy_of(&scratch.database(), 1).exists());
}

#[test]
fn an_older_program_names_the_newest_copy_that_it_can_use() {
    let scratch = Scratch::new("upgrade-undone");
    let path = scratch.database();
    for version in [2, 4] {
        write_old(&path, version, USER);
        upgrade(&path);
    }
    let newer = newest_version() + 1;
    std::fs::copy(&path, copy_of(&path, newer)).expect("copies");
    let ages = format!("PRAGMA user_version = {}", newer + 1);
    Connection::open(&path).and_then(|db| db.execute_batch(&ages)).expect("ages");
    let link = scratch.0.join("link");
    std::os::unix::fs::symlink(&path, &link).expect("links");
    for name in [&path, &link] {
        let told = refusal(name);
        let target = std::fs::canonicalize(&path).expect("is there");
        let command = format!("(authnzerver restore {})", copy_of(&target, 4).display());
        assert!(told.contains("start the newer one") && told.ends_with(&command), "{told}");
    }
}

#[test]
fn starts_at_the_same_time_upgrade_once() {
    let scratch = Scratch::new("upgrade-twice");
    let path = scratch.database();
    for _ in 0..4 {
        write_old(&path, 1, USER);
        let origins: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..4).map(|_| scope.spawn(|| open(&path).map(|(_, origin)| origin))).collect();
            starts.into_iter().map(|start| start.join().expect("no panic").expect("opens")).collect()
        });
        let upgrades = origins.iter().filter(|origin| matches!(origin, Origin::Upgraded(_))).count();
        assert_eq!(upgrades, 1, "{origins:?}");
        let copy = Connection::open(copy_of(&path, 1)).expect("opens");
        let version: i64 = copy.pragma_query_value(None, "user_version", |row| row.get(0)).expect("has one");
        assert_eq!(version, 1, "the copy is of before");
    }
}

#[test]
fn steps_that_lose_accounts_or_what_they_refer_to_are_not_committed() {
    let scratch = Scratch::new("upgrade-checks");
    let path = scratch.database();
    write_old(&path, 1, &format!("{USER} CREATE TABLE theirs AS SELECT 1"));
    let connection = Connection::open(&path).expect("opens");
    connection.execute_batch("PRAGMA foreign_keys = OFF").expect("is set");
    let told = |steps: &str| {
        let transaction = connection.unchecked_transaction().expect("begins");
        let before = Before::of(&transaction, 1).expect("counts");
        let taken =
            take_steps(&transaction, &path, &before, |connection| Ok(connection.execute_batch(steps)?));
        taken.expect_err("is refused").to_string()
    };
    for (steps, cause) in [
        ("DELETE FROM users", "rows of users would be missing"),
        ("DROP TABLE locks; DELETE FROM role_history; DROP TABLE users", "rows of users would be missing"),
        ("DELETE FROM theirs", "the table theirs, which is none of ours, would not be kept"),
        ("DELETE FROM roles", "a row of users would refer to one that is not there"),
    ] {
        let told = told(steps);
        assert!(told.contains(cause) && told.ends_with("nothing was changed"), "{told}");
    }
    assert_eq!(name_of_user_4(&path), "e");
}

#[test]
fn what_others_made_in_a_database_is_kept_or_keeps_it_from_being_upgraded() {
    let scratch = Scratch::new("upgrade-others");
    let path = scratch.database();
    let table = "CREATE TABLE carts (token BLOB REFERENCES sessions (token_hash) ON DELETE CASCADE)";
    let session = "INSERT INTO sessions (token_hash, ip_address, user_agent, user_id, created, expires)
        VALUES (zeroblob(32), '', '', 4, '', '')";
    for (what, others) in [
        ("the table carts", format!("{table}; {session}; INSERT INTO carts VALUES (zeroblob(32))")),
        ("the view live", "CREATE VIEW live AS SELECT user_id FROM sessions".to_owned()),
        ("the trigger seen", "CREATE TRIGGER seen AFTER INSERT ON sessions BEGIN SELECT 1; END".to_owned()),
    ] {
        write_old(&path, 12, &format!("{USER} {others}"));
        let expected = format!("{what}, which is none of ours, would not be kept as it is; move it");
        for told in [refusal(&path), try_migration(&path).expect_err("is refused").to_string()] {
            assert!(told.contains(&expected) && told.ends_with("nothing was changed"), "{told}");
        }
        let old = Connection::open(&path).expect("opens");
        let version: i64 = old.pragma_query_value(None, "user_version", |row| row.get(0)).expect("has one");
        assert_eq!(version, 12);
    }
    // What has nothing to do with the tables that are made anew stays.
    let apart = "CREATE TABLE notes (user_id INTEGER REFERENCES users (user_id) ON DELETE CASCADE);
        INSERT INTO notes VALUES (4); CREATE VIEW names AS SELECT email FROM users";
    write_old(&path, 12, &format!("{USER} {apart}"));
    upgrade(&path);
    let kept = Connection::open(&path).expect("opens");
    let found = "SELECT count(*) FROM notes JOIN names";
    assert_eq!(kept.query_row(found, [], |row| row.get::<_, i64>(0)).expect("counts"), 1);
}

#[test]
fn rows_that_other_hands_left_without_what_they_refer_to_keep_nobody_from_a_copy_or_an_upgrade() {
    let scratch = Scratch::new("upgrade-orphans");
    let path = scratch.database();
    let orphans = "PRAGMA foreign_keys = OFF;
        INSERT INTO role_history VALUES (9, 1, 'authenticated');
        INSERT INTO codes (code_hash, purpose, user_id, expires) VALUES (zeroblob(32), 'reset', 9, '2999-01-01');
        INSERT INTO email_queue (purpose, user_id, site, page, browser, ip_address, state, tries, next_try, created)
        VALUES ('reset', 9, '', '', '', '', 'done', 0, '', '');
        INSERT INTO sessions (token_hash, ip_address, user_agent, user_id, created, expires)
        VALUES (zeroblob(32), '', '', 9, '', '');
        INSERT INTO apikeys (token_hash, issued, expires, not_valid_before, user_id, user_role, session_hash)
        VALUES (zeroblob(32), '', '', '', 9, 'authenticated', randomblob(32));";
    write_old(&path, 5, &format!("{USER} {orphans}"));
    assert_eq!(upgrade(&path).copy, Some(copy_of(&path, 5)));
    let rows = |path: &Path| {
        let connection = Connection::open(path).expect("opens");
        ["role_history", "codes", "email_queue", "sessions", "apikeys"].map(|table| {
            let count = format!("SELECT count(*) FROM {table} WHERE user_id = 9");
            connection.query_row(&count, [], |row| row.get::<_, i64>(0)).expect("counts")
        })
    };
    assert_eq!((rows(&path), rows(&copy_of(&path, 5))), ([1; 5], [1; 5]), "none was taken away");
    let backup = scratch.0.join("backup");
    let source = Source::open(&path).expect("opens");
    let mut unfinished = Unfinished::begin(&source, &backup).expect("begins");
    let notes = Notes { taken: clock().now(), belongs_to: Vec::new() };
    unfinished.fill(&source, &notes).expect("a copy with such rows is whole");
    unfinished.place().expect("is placed");
    assert_eq!(rows(&backup), [1; 5]);
}
