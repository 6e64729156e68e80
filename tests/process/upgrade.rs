//! An upgrade that is undone, as an operator does it.

use rusqlite::Connection;
use std::path::Path;
use support::machine::Machine;

/// Makes a database of an older schema of one of today's: what the last steps have brought goes away.
fn write_old(path: &Path, newer: &Path, version: usize) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/migrations");
    let files = std::fs::read_dir(directory).expect("is there").map(|file| file.expect("reads").path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    let old = Connection::open(path).expect("opens");
    old.execute_batch("PRAGMA foreign_keys = OFF").expect("is set");
    for file in &files[..version] {
        old.execute_batch(&std::fs::read_to_string(file).expect("reads")).expect("runs");
    }
    old.pragma_update(None, "application_id", 0x4174_7a52).expect("is set");
    old.pragma_update(None, "user_version", version.cast_signed()).expect("is set");
    old.execute("ATTACH ?1 AS newer", [newer.to_str().expect("UTF-8")]).expect("attaches");
    let columns = "user_id, system_id, full_name, password, email, email_verified, is_active, created_on, \
                   last_updated, user_role";
    let copy = format!(
        "INSERT INTO main.roles SELECT * FROM newer.roles;
         INSERT INTO main.users ({columns}) SELECT {columns} FROM newer.users;"
    );
    old.execute_batch(&copy).expect("copies");
}

#[test]
fn an_older_binary_says_how_to_undo_an_upgrade_and_that_works() {
    let machine = Machine::new();
    machine.starts(&[]).stops();
    let (path, newer) = (machine.path(".authdb.sqlite"), machine.path("newer"));
    std::fs::rename(&path, &newer).expect("moves");
    write_old(&path, &newer, 6);
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("is set");

    let told = machine.command(&[]).args(["db", "migrate", "--dry-run"]).output().expect("runs");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("from schema 6 on") && told.contains(".authdb.sqlite.schema-6"), "{told}");
    let server = machine.starts(&[]);
    let lost = server.new_session();
    let log = server.stops();
    assert!(log.contains("brought the database's schema up to date") && log.contains("from=6"), "{log}");
    assert!(log.contains(".authdb.sqlite.schema-6"), "{log}");

    // The copy stays until somebody removes it, so that somebody has to be able to find it.
    let sizes = machine.command(&[]).args(["db", "size"]).output().expect("runs");
    let told = String::from_utf8_lossy(&sizes.stdout).into_owned();
    assert!(told.contains(".authdb.sqlite.schema-6"), "{told}");

    // To this program, a database with one step more is what today's is to an older one.
    Connection::open(&path).and_then(|db| db.execute_batch("PRAGMA user_version = 99")).expect("ages");
    let (status, log) = machine.fails(&[]);
    assert_ne!(status, 0);
    let (_, command) = log.split_once("(authnzerver restore ").expect("names the command");
    let (copy, _) = command.split_once(')').expect("ends");
    assert_eq!(log.lines().filter(|line| line.contains("made by a newer authnzerver")).count(), 1, "{log}");

    let restored = machine.command(&[]).args(["restore", copy]).output().expect("runs");
    let (told, errors) =
        (String::from_utf8_lossy(&restored.stdout), String::from_utf8_lossy(&restored.stderr));
    assert!(restored.status.success(), "{errors}");
    assert!(told.contains("what was done since is not in it"), "{told}");
    assert!(!told.contains("belongs to another key"), "{told}");
    let server = machine.starts(&[]);
    assert!(!server.session_is_live(&lost));
    server.stops();
}
