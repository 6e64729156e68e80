//! Going back to the Python authnzerver: its database is filled from an export.

use rusqlite::Connection;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use support::machine::Machine;
use support::parser::value_of;
use support::python::python;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The database that the Python authnzerver made, at this path.
fn python_database(path: &Path) -> Connection {
    std::fs::copy(repository("tests/data/python-authdb/authdb.sqlite"), path).expect("copies");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    Connection::open(path).expect("opens")
}

/// What decides who somebody is and what they may, a line a user.
fn users(database: &Connection) -> Vec<String> {
    let columns = "user_id || '|' || system_id || '|' || coalesce(full_name, '') || '|' || password || '|' || email \
                   || '|' || email_verified || '|' || is_active || '|' || created_on || '|' || user_role || '|' \
                   || coalesce(json_extract(extra_info, '$.previous_user_roles'), '')";
    let mut all =
        database.prepare(&format!("SELECT {columns} FROM users ORDER BY user_id")).expect("a query");
    let rows = all.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

/// Runs a command on the machine's base directory to a good end.
fn does(machine: &Machine, words: &[&str]) -> String {
    let output = machine.command(&[]).args(words).output().expect("the program starts");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn what_was_taken_over_from_python_goes_back_as_it_was() {
    let machine = Machine::new();
    let before = users(&python_database(&machine.path(".authdb.sqlite")));
    drop(machine.starts(&[]).stops());
    let imported = machine.path("more.jsonl");
    let hash = "$2b$04$Ke28IwLskXSAeSw13wcgVevl9zFRoEUR8gfhpt4qpsGb90MRezKTm";
    std::fs::write(&imported, json!({ "email": "new@fixture.test", "password_hash": hash }).to_string())
        .expect("written");
    does(&machine, &["user", "import", imported.to_str().expect("a text"), "--yes"]);
    let export = machine.path("users.jsonl");
    does(&machine, &["user", "export", export.to_str().expect("a text"), "--with-hashes"]);

    let back = machine.path("back.sqlite");
    python_database(&back).execute_batch("DELETE FROM apikeys; DELETE FROM apikeys_nosession; DELETE FROM sessions; \
                                          DELETE FROM users WHERE user_id > 3; DELETE FROM roles WHERE name = 'staff'")
        .expect("as after its first start");
    let run =
        || python().arg(repository("deploy/to-python.py")).args([&export, &back]).output().expect("starts");
    for _ in 0..2 {
        let output = run();
        let told = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(told.contains("11 accounts written") && told.ends_with("\n11\n"), "{told}");
        let database = Connection::open(&back).expect("opens");
        let after = users(&database);
        assert_eq!(after[..10], before[..]);
        assert!(
            after[10].contains("|$argon2id$v=19$m=65536,t=3,p=4$") && !after[10].contains("$2b$"),
            "{}",
            after[10]
        );
        let checks = "SELECT count(*) FROM pragma_foreign_key_check";
        assert_eq!(database.query_row(checks, [], |row| row.get(0)), Ok(0));
    }

    // What Python has then can be taken over again, people and all.
    let again = Machine::new();
    std::fs::copy(&back, again.path(".authdb.sqlite")).expect("copies");
    std::fs::set_permissions(again.path(".authdb.sqlite"), std::fs::Permissions::from_mode(0o600))
        .expect("its mode");
    let server = again.starts(&[]);
    let session = server.new_session();
    let alice = json!({ "session_token": session, "email": "alice@fixture.test", "password": "Zq1-vWx7!kJ9_bRt5-MuP3" });
    assert_eq!(server.ask("user-login", &alice)["success"], true);
    drop(server.stops());
    let listed = value_of(does(&again, &["user", "list", "--json"])).expect("JSON");
    assert_eq!(listed["users"].as_array().map(Vec::len), Some(11));
    let output = python()
        .arg(repository("deploy/to-python.py"))
        .args([&export, &again.path(".authdb.sqlite")])
        .output()
        .expect("starts");
    assert!(!output.status.success(), "only a database of Python's is filled");
}
