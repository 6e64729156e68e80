//! The store by itself: opening, adopting, refusing, and that no write is half done.

use super::identity::OpenFiles;
use crate::clock::ManualClock;
use crate::guard::token::StoredToken;
use crate::policy::roles::Role;
use crate::rng::{Rng, SeededRng};
use crate::store::*;
use crate::user_id::UserId;
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

mod cache;
mod condition;
mod damage;
mod events;
mod removal;
mod replaced;
mod upgrade;
mod writer;

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("authnzerver-store-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory can be made");
        Self(path)
    }

    fn database(&self) -> PathBuf {
        self.0.join(".authdb.sqlite")
    }

    fn python_database(&self) -> PathBuf {
        std::fs::write(self.database(), include_bytes!("../../../tests/data/python-authdb/authdb.sqlite"))
            .expect("the fixture can be copied");
        self.database()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(Timestamp::parse("2026-11-23 15:00:00.000000").expect("a time")))
}

fn rng() -> Arc<dyn Rng> {
    Arc::new(SeededRng::new(1))
}

fn open(path: &Path) -> Result<(Store, Origin), OpenError> {
    Store::open(&path.into(), Readers::of(2), clock(), rng())
}

fn role_names(store: &Store) -> Vec<String> {
    let roles = store.read(roles::list).expect("reads");
    roles.into_iter().map(|role| role.name).collect()
}

fn refusal(path: &Path) -> String {
    match open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error.to_string(),
    }
}

fn schema(path: &Path) -> Vec<(String, String)> {
    let connection = Connection::open(path).expect("opens");
    let mut statement = connection
        .prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name")
        .expect("prepares");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("runs");
    rows.collect::<Result<_, _>>().expect("reads")
}

#[test]
fn a_fresh_file_is_private_and_found_again() {
    let scratch = Scratch::new("fresh");
    let (store, origin) = open(&scratch.database()).expect("opens");
    assert_eq!(origin, Origin::Made);
    store.write(|tx| roles::insert(tx, "superuser")).expect("writes");
    store.close();
    assert!(!scratch.0.join(".authdb.sqlite-wal").exists(), "the log was moved into the file");
    drop(store);
    let mode = std::fs::metadata(scratch.database()).expect("is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let (store, origin) = open(&scratch.database()).expect("opens again");
    assert_eq!(origin, Origin::Found);
    assert_eq!(role_names(&store), ["superuser"]);
}

#[test]
fn a_python_file_is_adopted_with_everybody_in_it() {
    let scratch = Scratch::new("adopt");
    let path = scratch.python_database();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changes the mode");
    let (store, origin) = open(&path).expect("is adopted");
    let Origin::Adopted { copy, mode_tightened } = origin else { panic!("{origin:?}") };
    assert!(mode_tightened);
    for file in [&path, &copy] {
        let mode = std::fs::metadata(file).expect("is there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{}", file.display());
    }
    let alice = store.read(|db| users::by_id(db, UserId::new(4))).expect("reads").expect("alice is there");
    assert_eq!(alice.email.as_str(), "alice@fixture.test");
    assert_eq!(alice.full_name.as_deref(), Some("Alice Ärmel"));
    assert!(alice.extra_info.expect("has notes").as_str().contains(r#""nested": {"a": [1, 2, 3]}"#));

    let live = StoredToken::of("xtSAwkDaPvQAOLT7iskYQffeyFGNEDu5CuIqMoVfZ8g");
    let session = store.read(|db| sessions::live_by_token(db, &live)).expect("reads").expect("is live");
    assert_eq!(
        (session.user_id, session.expires.wire().as_str()),
        (UserId::new(4), "2099-01-01T00:00:00.123456")
    );
    let expired = StoredToken::of("IbUSN7kHPCR8xUUYrNWNal8wLfeM0DBbbfvzQtncy8w");
    assert!(store.read(|db| sessions::live_by_token(db, &expired)).expect("reads").is_none());

    let carol = store.read(|db| locks::by_user(db, UserId::new(6))).expect("reads");
    assert_eq!(carol, Some(locks::Lock::Manual));
    assert_eq!(
        store.read(|db| locks::roles_by_user(db, UserId::new(6))).expect("reads"),
        [Role::AUTHENTICATED]
    );
    assert_eq!(
        store.read(|db| locks::by_user(db, UserId::new(5))).expect("reads"),
        None,
        "bob is pending, not locked"
    );

    store.close();
    drop(store);
    let (_, origin) = open(&path).expect("opens again");
    assert_eq!(origin, Origin::Found);
}

#[test]
fn an_adopted_file_has_the_schema_of_a_fresh_one_and_no_token_in_clear() {
    let (adopted, fresh) = (Scratch::new("same-adopted"), Scratch::new("same-fresh"));
    let path = adopted.python_database();
    drop(open(&path).expect("is adopted"));
    drop(open(&fresh.database()).expect("is made"));
    assert_eq!(schema(&path), schema(&fresh.database()));
    let bytes = std::fs::read(&path).expect("reads");
    for token in
        ["xtSAwkDaPvQAOLT7iskYQffeyFGNEDu5CuIqMoVfZ8g", "pT2pMzxgwjsJujaCwyKrf2hJZ2yxEHLhr-ZN9fNYIYI"]
    {
        assert!(
            !bytes.windows(token.len()).any(|window| window == token.as_bytes()),
            "a token stayed in plaintext"
        );
    }
}

#[test]
fn a_failed_adoption_leaves_the_file_as_it_was() {
    let scratch = Scratch::new("failed-adoption");
    let path = scratch.python_database();
    let connection = Connection::open(&path).expect("opens");
    connection.execute_batch("UPDATE users SET created_on = 'yesterday' WHERE user_id = 4").expect("updates");
    drop(connection);
    let before = schema(&path);
    for _ in 0..2 {
        assert!(refusal(&path).contains("unreadable time"));
        assert_eq!(schema(&path), before);
        let names =
            std::fs::read_dir(&scratch.0).expect("reads").map(|file| file.expect("reads").file_name());
        let copies = names.filter(|name| name.to_string_lossy().contains(".python-"));
        assert_eq!(copies.count(), 0, "no copy stays of what was not changed");
    }
}

#[test]
fn what_is_not_ours_is_refused_and_left_alone() {
    let scratch = Scratch::new("refused");
    let path = scratch.database();
    let private = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("writes");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("changes the mode");
    };
    private(b"this is no database at all, but long enough to look at");
    assert!(refusal(&path).contains("is damaged"));

    private(b"");
    Connection::open(&path)
        .and_then(|db| db.execute_batch("CREATE TABLE recipes (x)"))
        .expect("makes another");
    let before = std::fs::read(&path).expect("reads");
    assert!(refusal(&path).contains("neither ours nor"));
    assert_eq!(std::fs::read(&path).expect("reads"), before);

    private(b"");
    drop(open(&path).expect("is made ours"));
    Connection::open(&path).and_then(|db| db.execute_batch("PRAGMA user_version = 99")).expect("ages");
    assert!(refusal(&path).contains("made by a newer authnzerver"));
    assert!(refusal(&path).contains("put back a backup from before the upgrade (authnzerver restore FILE)"));

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("changes the mode");
    assert!(refusal(&path).contains("chmod 600"));
    assert!(refusal(&scratch.0).contains("not a regular file"));
    assert!(refusal(&scratch.0.join("missing/db")).contains("missing: there is no such directory"));
}

#[test]
fn what_belongs_to_another_user_is_named_with_its_owner_and_the_remedy() {
    use std::os::unix::fs::MetadataExt;
    let scratch = Scratch::new("foreign");
    let (_store, _) = open(&scratch.database()).expect("opens");
    let us = std::fs::metadata(scratch.database()).expect("is there").uid();
    assert!(crate::store::sqlite::access::not_ours(&scratch.database(), us).is_none(), "all of it is ours");
    let told = crate::store::sqlite::access::not_ours(&scratch.database(), us + 1)
        .expect("none of it is")
        .to_string();
    assert!(told.contains(&format!("belongs to user {us}")), "{told}");
    assert!(told.contains(&format!("chown {} {}", us + 1, scratch.0.display())), "{told}");
    let log = crate::store::sqlite::companions::beside(&scratch.database(), "-wal");
    if std::os::unix::fs::chown(&log, Some(us + 1), None).is_ok() {
        let told = crate::store::sqlite::access::not_ours(&scratch.database(), us)
            .expect("the log is another's")
            .to_string();
        assert!(told.contains("-wal") && told.contains(&format!("belongs to user {}", us + 1)), "{told}");
    }
}

#[test]
fn damage_inside_the_file_is_noticed() {
    let scratch = Scratch::new("damaged");
    let path = scratch.database();
    drop(open(&path).expect("is made"));
    let mut bytes = std::fs::read(&path).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 3000].fill(0x5a);
    std::fs::write(&path, bytes).expect("writes");
    assert!(refusal(&path).contains("is damaged"));
}

#[test]
fn a_statement_that_failed_ends_its_transaction_whatever_the_code_makes_of_it() {
    let scratch = Scratch::new("aborted");
    let (store, _) = open(&scratch.database()).expect("opens");
    let went_on = store.write(|tx| {
        roles::insert(tx, "half-done")?;
        let nobody = locks::insert(tx, UserId::new(99), locks::Lock::Manual);
        assert!(matches!(nobody, Err(StoreError::ForeignKey)));
        Ok::<_, StoreError>(())
    });
    assert!(matches!(went_on, Err(StoreError::Aborted)), "a write with a failed statement was kept");
    let later = store.write(|tx| {
        let _ = locks::insert(tx, UserId::new(99), locks::Lock::Manual);
        assert!(matches!(roles::list(tx), Err(StoreError::Aborted)), "a statement ran after one that failed");
        Err::<(), _>(StoreError::ForeignKey)
    });
    assert!(matches!(later, Err(StoreError::ForeignKey)), "{later:?}");
    assert_eq!(role_names(&store), [""; 0]);
    store.write(|tx| roles::insert(tx, "whole")).expect("writes after both");
}

#[test]
fn a_full_disk_fails_the_write_and_keeps_what_was_there() {
    let scratch = Scratch::new("full");
    let (store, _) = open(&scratch.database()).expect("opens");
    store.write(|tx| roles::insert(tx, "before")).expect("writes");
    store
        .write(|tx| Ok::<_, StoreError>(tx.sqlite().execute_batch("PRAGMA max_page_count = 1")?))
        .expect("sets");
    let long = "x".repeat(1 << 20);
    let failed = store.write(move |tx| roles::insert(tx, &long));
    assert!(failed.is_err(), "a write that does not fit was acknowledged");
    assert_eq!(role_names(&store), ["before"]);
}

#[test]
fn room_for_small_writes_alone_is_not_yet_health() {
    let scratch = Scratch::new("small-room");
    let clock = Arc::new(ManualClock::at(clock().now()));
    let (store, _) =
        Store::open(&scratch.database().into(), Readers::of(2), clock.clone(), rng()).expect("opens");
    let allow = |pages: &'static str| {
        let limit = move |tx: &Tx<'_>| {
            Ok::<_, StoreError>(tx.sqlite().execute_batch(&format!("PRAGMA max_page_count = {pages}"))?)
        };
        store.write(limit).expect("sets");
    };
    store.check().expect("is well");
    // No more than there are.
    allow("1");
    for _ in 0..3 {
        let long = "x".repeat(1 << 20);
        store.write(move |tx| roles::insert(tx, &long)).expect_err("does not fit");
    }
    assert!(matches!(store.check(), Err(StoreError::WritesFail(3))));
    clock.advance(std::time::Duration::from_secs(60));
    assert!(store.check().is_err(), "a large request still does not fit");
    allow("100000");
    store.check().expect("is well again");
}

/// How SQLite goes about a statement of one of these files, or about another one.
fn plan(statement: &str) -> Vec<String> {
    let scratch = Scratch::new(&format!("plan-{}", statement.len()));
    let (store, _) = open(&scratch.database()).expect("opens");
    let plan = store.read(|db| {
        let mut statement = db.sqlite().prepare(&format!("EXPLAIN QUERY PLAN {statement}"))?;
        let rows = statement.raw_query().mapped(|row| row.get("detail"));
        Ok::<Vec<String>, StoreError>(rows.collect::<Result<_, _>>()?)
    });
    plan.expect("is explained")
}

#[test]
fn an_api_key_is_checked_by_one_statement_that_searches_by_keys_alone() {
    assert_eq!(
        plan(query::query(include_str!("../../../sql/scoped_keys.sql"), "valid")),
        ["SEARCH k USING PRIMARY KEY (key_id=?)", "SEARCH u USING INTEGER PRIMARY KEY (rowid=?)"]
    );
}

#[test]
fn a_login_history_searches_logins_alone() {
    assert_eq!(
        plan(query::query(include_str!("../../../sql/events.sql"), "logins_of_user")),
        [
            "SEARCH e USING INDEX events_of_logins (user_id=? AND seq<?)",
            "SEARCH o USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN"
        ]
    );
}

#[test]
fn sessions_are_found_by_their_keys_and_a_page_of_them_with_hardly_any_sorting() {
    const FILE: &str = include_str!("../../../sql/sessions.sql");
    let by_user = "SEARCH sessions USING INDEX sessions_by_user (user_id=?)";
    let by_hash = "SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 (token_hash=?)";
    let by_hashes = "SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 (token_hash>? AND token_hash<?)";
    // A session that goes takes its API keys along.
    let by_session = "SEARCH apikeys USING INDEX apikeys_by_session (session_hash=?)";
    let in_order = "SEARCH sessions USING INDEX sessions_by_user (user_id=? AND created<?)";
    // Only those that began in the same microsecond.
    let sorted = "USE TEMP B-TREE FOR LAST TERM OF ORDER BY";
    for (name, expected) in [
        ("list", &[in_order, sorted][..]),
        ("delete_by_user", &[by_user, by_session]),
        ("delete_by_id", &[by_hashes, by_session]),
        ("delete", &[by_hash, by_session]),
        ("set_expires", &[by_hash]),
        (
            "delete_expired_before",
            &[
                "SEARCH sessions USING COVERING INDEX sqlite_autoindex_sessions_1 (token_hash=?)",
                "LIST SUBQUERY 1",
                "SEARCH sessions USING INDEX sessions_by_expiry (expires<?)",
                by_session,
            ],
        ),
    ] {
        assert_eq!(plan(query::query(FILE, name)), expected, "{name}");
    }
    let of_user = plan(query::query(include_str!("../../../sql/users.sql"), "delete"));
    let by_user = "SEARCH sessions USING COVERING INDEX sessions_by_user (user_id=?)";
    assert!(of_user.iter().any(|step| step == by_user), "{of_user:?}");
}

/// What only SQLite understands, or only it takes in this place.
const SQLITES_WORDS: [&str; 12] = [
    "INSERT OR ",
    "REPLACE INTO",
    "iif(",
    "ifnull(",
    "hex(",
    "zeroblob(",
    "IS :",
    "IS NOT :",
    "LIMIT -1",
    "GLOB",
    "rowid",
    "strftime(",
];

#[test]
fn statements_for_all_engines_have_no_words_of_sqlites_own() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("sql")).expect("sql/ is there")
    {
        let path = entry.expect("reads").path();
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("reads");
        let statements = text.lines().filter(|line| !line.starts_with("--"));
        found.extend(
            statements
                .filter(|line| SQLITES_WORDS.iter().any(|word| line.contains(word)))
                .map(|line| format!("{}: {line}", path.display())),
        );
    }
    assert_eq!(found, [""; 0], "give these a spelling that every engine takes");
}

#[test]
fn every_named_statement_prepares_and_is_used() {
    let scratch = Scratch::new("prepare");
    let (store, _) = open(&scratch.database()).expect("opens");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut checked = 0;
    for (folder, modules) in [("sql", "src/store"), ("sql/sqlite", "src/store/sqlite")] {
        for entry in std::fs::read_dir(directory.join(folder)).expect("is there") {
            let path = entry.expect("reads").path();
            let stem = path.file_stem().expect("has a name").to_string_lossy().into_owned();
            if path.is_dir() || ["pragmas", "adopt"].contains(&stem.as_str()) {
                continue;
            }
            let file: &'static str = std::fs::read_to_string(&path).expect("reads").leak();
            let code = std::fs::read_to_string(directory.join(format!("{modules}/{stem}.rs")))
                .expect("has its module");
            for name in query::names(file) {
                let statement = query::query(file, name);
                let prepared =
                    store.read(|db| Ok::<_, StoreError>(db.sqlite().prepare(statement).map(drop)?));
                prepared.unwrap_or_else(|error| panic!("{stem}.sql, {name}: {error}"));
                assert!(code.contains(&format!("\"{name}\"")), "{stem}.sql: nobody uses {name}");
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "only {checked} statements were found");
}
