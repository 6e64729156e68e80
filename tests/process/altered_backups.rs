//! Backups that somebody or a bad disk has changed, and backups that are made at once.

use crate::backups::{backs_up, does, fails, names, restores, with_backup};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use support::machine::Machine;

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn changes(path: &Path, statements: &str) {
    let connection = rusqlite::Connection::open(path).expect("opens");
    connection.execute_batch(statements).expect("changes");
}

#[test]
fn bits_that_changed_inside_a_value_are_seen() {
    let (machine, path) = with_backup();
    let sum = machine.path("copy.sqlite.sha256");
    let mut command = Command::new("sha256sum");
    let checked = command.args(["--check", text(&sum)]).current_dir(machine.path("")).stdout(Stdio::null());
    assert!(checked.status().expect("coreutils are there").success(), "sha256sum reads it, too");
    restores(&machine, &path);
    let mut bytes = fs::read(&path).expect("reads");
    let value =
        bytes.windows(10).position(|window| window == b"$argon2id$").expect("there is a password hash");
    bytes[value] ^= 1;
    fs::write(&path, &bytes).expect("writes");
    let told = fails(&machine, &["restore", text(&path)], 1);
    assert!(told.contains("its SHA-256 is not that in"), "{told}");
    for nonsense in ["", "\n", "x"] {
        fs::write(&sum, nonsense).expect("writes");
        fails(&machine, &["restore", text(&path)], 1);
    }
    // A file that is wanted all the same is put in place without its checksum.
    fs::remove_file(&sum).expect("removes");
    restores(&machine, &path);
    // A newer backup of the same name has a checksum of its own.
    backs_up(&machine, &path);
    restores(&machine, &path);
}

#[test]
fn what_this_program_does_not_make_is_refused_and_told() {
    for (statement, what) in [
        (
            "CREATE TRIGGER backdoor AFTER UPDATE ON users BEGIN UPDATE users SET user_role = 'superuser'; END",
            "the trigger backdoor is none of ours",
        ),
        ("CREATE VIEW v AS SELECT 1", "the view v is none of ours"),
        ("CREATE TABLE t (x)", "the table t is none of ours"),
        ("CREATE UNIQUE INDEX i ON users (full_name)", "the index i is none of ours"),
        ("CREATE INDEX i ON users (full_name) WHERE is_active", "the index i is none of ours"),
        ("CREATE INDEX i ON users (json_extract(extra_info, '$.x'))", "the index i is none of ours"),
        ("DROP INDEX events_by_user", "the index events_by_user is missing"),
        ("ALTER TABLE users ADD COLUMN more TEXT", "the table users is not as this program makes it"),
    ] {
        let (machine, path) = with_backup();
        fs::remove_file(machine.path("copy.sqlite.sha256")).expect("removes");
        assert_eq!(does(&machine, &["db", "check"])["sound"], true);
        let before = fs::read(machine.path(".authdb.sqlite")).expect("reads");
        changes(&path, statement);
        let told = fails(&machine, &["restore", text(&path)], 1);
        assert!(told.contains(what), "{told}");
        assert_eq!(fs::read(machine.path(".authdb.sqlite")).expect("reads"), before, "{what}");
        changes(&machine.path(".authdb.sqlite"), statement);
        let output = machine.command(&[]).args(["db", "check"]).output().expect("the program starts");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.code() == Some(1) && told.contains(what), "{told}");
    }
}

#[test]
fn an_index_that_an_operator_made_to_find_rows_sooner_is_restored() {
    let (machine, path) = with_backup();
    fs::remove_file(machine.path("copy.sqlite.sha256")).expect("removes");
    changes(&path, "CREATE INDEX i ON users (full_name COLLATE NOCASE, created_on DESC)");
    restores(&machine, &path);
    assert_eq!(does(&machine, &["db", "check"])["sound"], true);
    backs_up(&machine, &path);
    restores(&machine, &path);
}

#[test]
fn a_table_of_somebody_elses_is_named_and_breaks_nothing_whatever_it_is_called() {
    let (machine, _) = with_backup();
    changes(
        &machine.path(".authdb.sqlite"),
        r#"CREATE TABLE "a'b""c" ("d'""e" TEXT PRIMARY KEY); INSERT INTO "a'b""c" VALUES ('x')"#,
    );
    let server = machine.starts(&[]);
    assert!(server.session_is_live(&server.new_session()));
    assert_eq!(server.health().0, 200);
    assert_eq!(does(&machine, &["db", "size"])["rows"]["a'b\"c"], 1);
    let told = does_not(&machine, &["db", "check"]);
    assert!(told.contains("a'b\"c") && told.contains("none of ours"), "{told}");
    backs_up(&machine, &machine.path("again.sqlite"));
    server.stops();
}

/// What a command says that ends with 1.
fn does_not(machine: &Machine, words: &[&str]) -> String {
    let output = machine.command(&[]).args(words).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn rows_that_refer_to_nothing_keep_nobody_from_a_backup_and_are_told_after_a_restore() {
    let (machine, _) = with_backup();
    let orphan = "PRAGMA foreign_keys = OFF; INSERT INTO role_history VALUES (9, 1, 'authenticated')";
    changes(&machine.path(".authdb.sqlite"), orphan);
    let path = machine.path("again.sqlite");
    backs_up(&machine, &path);
    let told = restores(&machine, &path)["next"].to_string();
    assert!(told.contains("refer to ones that are not there"), "{told}");
    let output = machine.command(&[]).args(["db", "check"]).output().expect("the program starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("a row of role_history refers to a row of users that is not there"), "{told}");
}

#[test]
fn what_litestream_makes_is_restored_and_what_only_bears_its_name_is_refused() {
    let (machine, path) = with_backup();
    fs::remove_file(machine.path("copy.sqlite.sha256")).expect("removes");
    changes(
        &path,
        "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER); CREATE TABLE _litestream_lock (id INTEGER)",
    );
    restores(&machine, &path);
    assert_eq!(does(&machine, &["db", "check"])["sound"], true);
    for statement in [
        "ALTER TABLE _litestream_seq ADD COLUMN more",
        "CREATE TRIGGER t AFTER INSERT ON _litestream_lock BEGIN DELETE FROM users; END",
    ] {
        let altered = machine.path("altered.sqlite");
        fs::copy(&path, &altered).expect("copies");
        changes(&altered, statement);
        let told = fails(&machine, &["restore", text(&altered)], 1);
        assert!(told.contains("is none of ours"), "{told}");
    }
}

#[test]
fn an_altered_log_and_a_missing_superuser_are_told_after_a_restore() {
    let (machine, path) = with_backup();
    fs::remove_file(machine.path("copy.sqlite.sha256")).expect("removes");
    let sound = restores(&machine, &path);
    let events = does(&machine, &["events"])["events"].clone();
    let last = events.as_array().and_then(|events| events.last()).expect("some").clone();
    assert!(last["kind"] == "database.restored" && last["actor"] == "operator", "{last}");
    assert_eq!(last["detail"], sound["taken"], "when the backup was made");
    assert_eq!(does(&machine, &["events", "verify"])["sound"], true);
    let sound = sound["next"].to_string();
    assert!(!sound.contains("events verify") && !sound.contains("no active superuser"), "{sound}");
    changes(
        &path,
        "UPDATE event_origins SET request_id = 'x' WHERE seq = 2; UPDATE events SET kind = 'x' WHERE seq = 2",
    );
    changes(&path, "UPDATE users SET is_active = 0 WHERE user_role = 'superuser'");
    let told = restores(&machine, &path)["next"].to_string();
    assert!(told.contains("event 2 is gone or not what was written down"), "{told}");
    assert!(told.contains("there is no active superuser in it"), "{told}");
}

#[test]
fn backups_that_are_made_at_once_in_one_directory_are_all_made() {
    const AT_ONCE: usize = 6;
    let machine = Machine::new();
    let _server = machine.starts(&[]);
    let directory = machine.path("backups");
    fs::create_dir(&directory).expect("makes");
    let backup = |target: &Path| {
        let mut command = machine.command(&[]);
        command.args(["backup", text(target)]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    };
    let all: Vec<_> = (0..AT_ONCE).map(|_| backup(&directory)).collect();
    for one in all {
        let output = one.wait_with_output().expect("ends");
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(names(&directory).len(), 2 * AT_ONCE, "{:?}", names(&directory));
    assert!(!names(&directory).iter().any(|name| name.ends_with(".unfinished")));
    let file = machine.path("one.sqlite");
    let under_way = fs::File::create(machine.path("one.sqlite.unfinished")).expect("makes");
    under_way.lock().expect("locks");
    let told = fails(&machine, &["backup", text(&file)], 1);
    assert!(told.contains("another backup to ") && told.contains("one.sqlite is under way"), "{told}");
}
