//! A database of the Python authnzerver is taken over as a whole, once, or not at all. What its users find then is told by the
//! stories.

use super::super::pool::Pool;
use super::super::session::{Kind, Session};
use super::super::target::Target;
use super::{clock, open_target, rng, target};
use crate::guard::token::StoredToken;
use crate::store::*;
use crate::user_id::UserId;

const DUMP: &str = include_str!("../../../../tests/data/python-authdb-postgres/authdb.sql");

/// The dump's statements, for this schema. Rows that are copied become rows that are inserted.
fn statements(schema: &str) -> String {
    let mut text = format!("BEGIN READ WRITE; CREATE SCHEMA {schema};");
    let mut insert = None;
    for line in DUMP.lines() {
        if let Some(head) = line.strip_prefix("COPY ").and_then(|line| line.strip_suffix(" FROM stdin;")) {
            insert = Some(head.replace("public.", &format!("{schema}.")));
        } else if line == "\\." {
            insert = None;
        } else if let Some(head) = &insert {
            let values = line.split('\t').map(|value| {
                if value == "\\N" { "NULL".to_owned() } else { format!("'{}'", value.replace('\'', "''")) }
            });
            let values = values.collect::<Vec<_>>().join(", ");
            text.extend(["INSERT INTO ", head, " VALUES (", &values, ");"]);
        } else if !line.starts_with(['\\', '-']) && !line.contains("set_config") && !line.starts_with("SET ")
        {
            text += &line.replace("public.", &format!("{schema}."));
            text.push('\n');
        }
    }
    text + "COMMIT"
}

/// A schema that the Python authnzerver has made, and what looks into it.
struct Python {
    target: Target,
    pool: Pool,
}

impl Python {
    fn new(change: &str) -> Option<Self> {
        let target = target()?;
        let schema = target.schema.clone().expect("is named");
        let pool = Pool::new(target.clone(), clock(), rng()).expect("begins");
        let python = Self { target, pool };
        python.text(&statements(&schema));
        python.text(&format!("BEGIN READ WRITE; {change}; COMMIT"));
        Some(python)
    }

    fn text(&self, statement: &str) -> Option<String> {
        let session = Session::new(&self.pool, Kind::Read);
        session.text(statement).unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    fn starts(&self) -> Result<(Store, Origin), String> {
        open_target(&self.target).map_err(|error| error.to_string())
    }

    /// What a refused start says; it has left everything as it was.
    fn is_refused(&self) -> String {
        let before = self.text(EVERYTHING);
        let told = self.starts().map(drop).expect_err("is not to be taken over");
        assert_eq!(self.text(EVERYTHING), before, "a refused start has changed something");
        told
    }
}

/// The tables that there are in this schema, and how many users.
const EVERYTHING: &str = "SELECT string_agg(relname, ' ' ORDER BY relname) || (SELECT count(password) FROM users) FROM pg_class \
     WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')";

#[test]
fn it_is_taken_over_once_and_kept_in_a_schema_of_its_own() {
    let Some(python) = Python::new("") else { return };
    let (_, origin) = python.starts().expect("is taken over");
    let Origin::Adopted { copy, .. } = origin else { panic!("{origin:?}") };
    let kept = copy.display().to_string();
    let count = |table: &str| python.text(&format!("SELECT count(*) FROM {table}"));
    assert_eq!(count(&format!("{kept}.users")), count("users"));
    assert_eq!(count(&format!("{kept}.sessions")).as_deref(), Some("5"));
    assert_eq!(python.starts().expect("is ours").1, Origin::Found);
    assert_eq!(count("users").as_deref(), Some("10"));
}

#[test]
fn its_tokens_are_found_however_they_end() {
    // Real ones are random bytes in base64, and the last character of those has two bits that are zero. Others can be made by hand.
    let tokens =
        ["t".repeat(43), "-_9".repeat(14) + "B", "x".repeat(42) + "A", "t".repeat(44), "é".repeat(43)];
    let add = |token: &String| {
        format!(
            "INSERT INTO sessions SELECT '{token}', ip_address, user_agent, user_id, created, '2099-01-01', extra_info_json \
             FROM sessions WHERE user_id = 4 LIMIT 1;"
        )
    };
    let Some(python) = Python::new(&tokens.iter().map(add).collect::<String>()) else { return };
    let (store, _) = python.starts().expect("is taken over");
    for token in tokens {
        let stored = StoredToken::of(&token);
        let found = store.read(|db| sessions::live_by_token(db, &stored)).expect("reads");
        assert_eq!(found.map(|session| session.user_id), Some(UserId::new(4)), "{token}");
    }
}

#[test]
fn of_two_starts_at_a_time_one_takes_it_over_and_both_go_on() {
    let Some(python) = Python::new("") else { return };
    let origins = std::thread::scope(|scope| {
        [scope.spawn(|| python.starts()), scope.spawn(|| python.starts())]
            .map(|start| start.join().expect("does not panic").expect("goes on").1)
    });
    let count = |is: fn(&Origin) -> bool| origins.iter().filter(|origin| is(origin)).count();
    assert_eq!(count(|origin| matches!(origin, Origin::Adopted { .. })), 1, "{origins:?}");
    assert_eq!(count(|origin| *origin == Origin::Found), 1, "{origins:?}");
}

#[test]
fn what_is_not_as_the_python_authnzerver_makes_it_is_refused() {
    for (change, what) in [
        ("CREATE TABLE invoices (id INTEGER)", "it does not make invoices"),
        ("CREATE VIEW names AS SELECT email FROM users", "it does not make names"),
        ("ALTER TABLE users ADD COLUMN phone TEXT", "it does not make the column users.phone like this"),
        (
            "ALTER TABLE sessions ALTER expires TYPE TIMESTAMP WITH TIME ZONE",
            "it does not make the column sessions.expires like this",
        ),
        ("ALTER TABLE sessions DROP COLUMN user_agent", "the column sessions.user_agent is missing"),
        (
            "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
             CREATE TRIGGER watch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION nothing()",
            "the trigger watch acts on users",
        ),
    ] {
        let Some(python) = Python::new(change) else { return };
        let told = python.is_refused();
        assert!(told.contains(what) && told.contains("Nothing was changed"), "{told}");
    }
}

#[test]
fn what_other_schemas_do_with_its_tables_is_not_cut_off_in_silence() {
    for (change, what) in [
        ("CREATE TABLE @.invoices (payer INTEGER REFERENCES users (user_id))", ".invoices refers to users"),
        ("CREATE VIEW @.names AS SELECT email FROM users", ".names reads users"),
    ] {
        let Some(other) = target() else { return };
        let other = other.schema.expect("is named");
        let change = format!("CREATE SCHEMA {other}; {}", change.replace('@', &other));
        let Some(python) = Python::new(&change) else { return };
        let told = python.is_refused();
        assert!(told.contains(what), "{told}");
    }
}

#[test]
fn a_start_that_comes_upon_what_it_cannot_keep_changes_nothing() {
    for (change, code) in [
        ("UPDATE users SET last_login_try = 'infinity' WHERE user_id = 4", "22008"),
        ("UPDATE sessions SET expires = '12026-01-01 00:00:00'", "22008"),
        (
            "ALTER TABLE sessions DROP CONSTRAINT sessions_user_id_fkey; UPDATE sessions SET user_id = 99 WHERE user_id = 9",
            "lacks a row",
        ),
    ] {
        let Some(python) = Python::new(change) else { return };
        let told = python.is_refused();
        assert!(told.contains(code) && told.contains("Nothing was changed"), "{told}");
    }
}

#[test]
fn tables_that_somebody_else_has_locked_are_left_alone() {
    let Some(python) = Python::new("") else { return };
    let session = Session::new(&python.pool, Kind::Read);
    session.text("BEGIN READ WRITE; LOCK TABLE users IN ROW EXCLUSIVE MODE").expect("locks");
    let told = python.starts().map(drop).expect_err("is in use");
    assert!(told.contains("55P03") && told.contains("nothing else may use them"), "{told}");
    session.roll_back();
    python.starts().expect("is free now");
}

#[test]
fn notes_that_postgresql_cannot_read_are_kept_and_a_lock_is_still_found_in_them() {
    let notes = r#"{"nul": "\u0000", "half": "\ud83d", "whole": "\ud83d\ude00", "path": "C:\\u0000", "previous_user_roles": ["locked", "staff"]}"#;
    let change = format!("UPDATE users SET extra_info = '{notes}' WHERE user_id IN (5, 6)");
    let Some(python) = Python::new(&change) else { return };
    python.starts().expect("is taken over");
    let text = |statement: &str| python.text(statement);
    assert_eq!(text("SELECT extra_info FROM users WHERE user_id = 6").as_deref(), Some(notes));
    assert_eq!(text("SELECT role FROM role_history WHERE user_id = 6").as_deref(), Some("staff"));
    assert_eq!(
        text("SELECT string_agg(user_id::text, ' ' ORDER BY user_id) FROM locks").as_deref(),
        Some("5 6")
    );
}
