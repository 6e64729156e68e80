//! A database of an earlier schema goes on working: every row is kept, and whoever was somebody still is.

use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::parser::value_of;
use support::{GOOD_PASSWORD, TestServer, refreshing, session_body};

const NO_MATCH: &str = "user does not exist or password doesn't match";
const LOCK_TIME: Duration = Duration::from_secs(3600);
/// Failed attempts in a row that an account takes.
const TRIES_MAX: usize = 10;
/// Stands in the header of a database of ours.
const APPLICATION_ID: i64 = 0x4174_7a52;

/// The steps that lead from nothing to today's schema.
fn steps() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/migrations");
    let files = std::fs::read_dir(directory).expect("is there");
    let mut files: Vec<_> = files.map(|file| file.expect("reads").path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).expect("reads")).collect()
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).expect("prepares");
    let texts = statement.query_map([], |row| row.get(0)).expect("runs");
    texts.map(|text| text.expect("reads")).collect()
}

/// The tables of one of the databases that are attached, each with its columns.
fn columns(connection: &Connection, database: &str) -> BTreeMap<String, Vec<String>> {
    let of = |table: &String| {
        texts(connection, &format!("SELECT name FROM pragma_table_info('{table}', '{database}')"))
    };
    let tables = format!(
        "SELECT name FROM {database}.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%'"
    );
    texts(connection, &tables).into_iter().map(|table| (table.clone(), of(&table))).collect()
}

/// What stands in these columns, row by row.
fn rows(path: &Path, columns: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let connection = Connection::open(path).expect("opens");
    let quoted = |columns: &[String]| -> Vec<_> {
        columns.iter().map(|column| format!("quote(\"{column}\")")).collect()
    };
    let rows = columns.iter().flat_map(|(table, columns)| {
        let row = quoted(columns).join(" || ', ' || ");
        texts(&connection, &format!("SELECT '{table}: ' || {row} FROM {table} ORDER BY 1"))
    });
    rows.collect()
}

fn schema(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("opens");
    texts(
        &connection,
        "SELECT coalesce(sql, name) FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%' ORDER BY 1",
    )
}

/// Makes a database as it was after so many steps, with the rows of a newer one as far as it has room for them.
fn write_old(path: &Path, version: usize, newer: &Path) -> BTreeMap<String, Vec<String>> {
    let old = Connection::open(path).expect("opens");
    old.execute_batch("PRAGMA foreign_keys = OFF").expect("is set");
    for step in &steps()[..version] {
        old.execute_batch(step).expect("runs");
    }
    old.pragma_update(None, "application_id", APPLICATION_ID).expect("is set");
    old.pragma_update(None, "user_version", version.cast_signed()).expect("is set");
    old.execute("ATTACH ?1 AS newer", [newer.to_str().expect("a text")]).expect("attaches");
    let columns = columns(&old, "main");
    for (table, columns) in &columns {
        let columns = columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
        let copy = format!(
            "DELETE FROM {table}; INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}"
        );
        old.execute_batch(&copy).expect("copies");
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("changes the mode");
    columns
}

/// People in every state, and what they have.
struct Furnished {
    path: PathBuf,
    session: String,
    key: Value,
    key_without_session: Value,
    refresh_token: String,
    suspended_session: String,
    ids: BTreeMap<&'static str, i64>,
}

fn furnish() -> (TestServer, Furnished) {
    let server = TestServer::start();
    let mut ids = BTreeMap::new();
    for name in ["alice", "carol", "dave", "eve", "frank", "gina", "hugo"] {
        ids.insert(name, server.member(name).1);
    }
    server.person("bob").signs_up().done();
    let edit = |name: &str, update: Value| {
        server.ask("internal-user-edit", json!({ "target_userid": ids[name], "update_dict": update })).done();
    };
    edit("alice", json!({ "extra_info": { "likes": ["ä", 1.50] } }));
    edit("carol", json!({ "user_role": "staff" }));
    server.ask("internal-user-lock", json!({ "target_userid": ids["carol"], "action": "lock" })).done();
    edit("eve", json!({ "is_active": false }));
    let reset = json!({ "email_address": "frank@example.org", "new_password": "Trout-Lamp-93-Quarry", "required_active": true });
    server.ask("user-resetpass-nosession", reset).done();
    server.ask("internal-user-delete", json!({ "target_userid": ids["gina"] })).done();
    let suspended_session = server.new_session(Some(ids["dave"]));
    for (name, failures) in [("dave", TRIES_MAX + 1), ("hugo", TRIES_MAX)] {
        (0..failures).for_each(|_| assert!(!server.person(name).tries("wrong").succeeded()));
    }
    let alice = ids["alice"];
    let session = server.new_session(Some(alice));
    let ask = json!({
        "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_days": 1, "not_valid_before": -1,
        "user_id": alice, "user_role": "authenticated", "ip_address": "192.0.2.1", "user_agent": "Browser/1.0",
        "session_token": session, "expires_seconds": 86_400, "refresh_expires": 86_400, "refresh_nbf": -1,
    });
    let text = |answer: &Value, key: &str| answer[key].as_str().expect("a text").to_owned();
    let key = text(server.ask("apikey-new", ask.clone()).done(), "apikey");
    let pair = server.ask("apikey-new-nosession", ask).done().clone();
    // Where networks are told apart, attempts are noted in another way.
    let server = server.restart(&[("LOCKMODE", "account-and-client")]);
    server.person("alice").logs_in().done();
    assert!(!server.person("alice").tries_from("198.51.100.9", "wrong").succeeded());
    server.app.store.close();
    let furnished = Furnished {
        path: server.database().to_owned(),
        session,
        key: value_of(key).expect("claims"),
        key_without_session: value_of(text(&pair, "apikey")).expect("claims"),
        refresh_token: text(&pair, "refresh_token"),
        suspended_session,
        ids,
    };
    (server, furnished)
}

impl Furnished {
    /// That everybody is who they were.
    fn lives_on(&self, server: &TestServer) {
        let alice = self.ids["alice"];
        server.person("alice").logs_in().done();
        let info =
            server.ask("session-exists", json!({ "session_token": self.session })).done()["session_info"]
                .clone();
        assert_eq!((&info["user_id"], &info["extra_info"]["likes"]), (&json!(alice), &json!(["ä", 1.50])));
        let with =
            |key: &Value| json!({ "apikey_dict": key, "user_id": alice, "user_role": "authenticated" });
        server.ask("apikey-verify", with(&self.key)).done();
        server.ask("apikey-verify-nosession", with(&self.key_without_session)).done();
        let refresh = refreshing(with(&self.key_without_session), &self.refresh_token);
        server.ask("apikey-refresh-nosession", refresh).done();

        assert!(!server.person("bob").logs_in().succeeded());
        server.ask("user-set-emailverified", json!({ "email": "bob@example.org" })).done();
        server.person("bob").logs_in().done();

        assert!(!server.person("carol").logs_in().succeeded());
        let unlock = json!({ "target_userid": self.ids["carol"], "action": "unlock" });
        assert_eq!(server.ask("internal-user-lock", unlock).done()["user_info"]["user_role"], "staff");

        server.person("eve").logs_in().refused(NO_MATCH);
        server.person("frank").tries(GOOD_PASSWORD).refused(NO_MATCH);
        server.person("frank").tries("Trout-Lamp-93-Quarry").done();
        let nobody = server.member("ivy").1;
        assert!(
            nobody > self.ids["gina"] && !self.ids.values().any(|id| *id == nobody),
            "a number was given twice"
        );

        // The attempts from before count: one more is one too many.
        assert!(!server.person("hugo").tries("wrong").succeeded());
        assert!(!server.person("hugo").logs_in().succeeded());
        assert!(!server.session_is_live(&self.suspended_session));
        server.later(LOCK_TIME);
        assert!(server.session_is_live(&self.suspended_session), "the timed lock ends as it was to");
        server.person("dave").logs_in().done();
    }
}

/// What came with the later steps, on accounts from before them.
fn what_is_new_works(server: &TestServer, user_id: i64) {
    let session = server.new_session(Some(user_id));
    let edit = json!({
        "user_id": user_id, "user_role": "authenticated", "session_token": session, "target_userid": user_id,
        "update_dict": { "email": "moved@example.org" },
    });
    server.ask("user-edit", edit).done();
    let sign_up =
        json!({ "full_name": "", "email": "moved@example.org", "password": "Trout-Lamp-93-Quarry" });
    server.ask("user-new", sign_up).refused("user exists");
    server.ask("user-set-emailverified", json!({ "email": "moved@example.org" })).done();
    let body = json!({ "email": "moved@example.org", "password": GOOD_PASSWORD });
    server.ask("user-passcheck-nosession", body).refused(NO_MATCH);
    server.ask("session-new", session_body(Some(user_id))).done();
    let session = server.new_session(Some(user_id));
    let key = json!({ "session_token": session, "name": "backup", "scopes": ["view:dataset"] });
    let key = server.ask("apikey-issue", key).done()["apikey"].clone();
    server.ask("apikey-check", json!({ "apikey": key })).done();
}

/// That the copy made before the upgrade has what the program of that schema wrote, and is its owner's alone.
fn is_copied(copy: &Path, version: usize, columns: &BTreeMap<String, Vec<String>>, before: &[String]) {
    let mode = std::fs::metadata(copy).expect("is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let connection = Connection::open(copy).expect("opens");
    let noted: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("reads");
    assert_eq!(usize::try_from(noted), Ok(version));
    // What the copy says of itself.
    let is_note = |row: &String| row.starts_with("server_state: 'backup_");
    let copied: Vec<_> = rows(copy, columns).into_iter().filter(|row| !is_note(row)).collect();
    assert!(copied == before, "the copy of schema {version} has other rows");
}

#[test]
fn a_database_of_any_earlier_schema_keeps_every_row_and_goes_on_working() {
    let (newest, furnished) = furnish();
    for version in 1..steps().len() {
        let directory =
            std::env::temp_dir().join(format!("authnzerver-upgraded-{}-{version}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a temporary directory can be made");
        let database = directory.join(".authdb.sqlite");
        let columns = write_old(&database, version, &furnished.path);
        let before = rows(&database, &columns);
        let schema_before = schema(&database);
        for table in [
            "users",
            "sessions",
            "apikeys",
            "apikeys_nosession",
            "role_history",
            "locks",
            "attempts",
            "sqlite_sequence",
        ] {
            assert!(before.iter().any(|row| row.starts_with(&format!("{table}: "))), "{table} is empty");
        }
        let server = TestServer::start_in(directory.clone(), &[]);
        assert_eq!(schema(&database), schema(&furnished.path), "from schema {version}");
        let is_as_before = || {
            let after = rows(&database, &columns);
            let differs = before.iter().zip(&after).find(|(before, after)| before != after);
            assert!(after.len() == before.len() && differs.is_none(), "from schema {version}: {differs:?}");
        };
        is_as_before();
        is_copied(&directory.join(format!(".authdb.sqlite.schema-{version}")), version, &columns, &before);
        assert_eq!(schema(&directory.join(format!(".authdb.sqlite.schema-{version}"))), schema_before);
        // The second start finds nothing left to do. By then, keys are good, and randomness is another.
        server.later(Duration::from_secs(1));
        let server = server.restart(&[]);
        is_as_before();
        furnished.lives_on(&server);
        what_is_new_works(&server, furnished.ids["alice"]);
    }
    drop(newest);
}
