//! A database of an earlier schema gets the steps that it lacks, and statements find what they need then.

use super::super::pool::Pool;
use super::super::session::{Kind, Session};
use super::{clock, open_target, rng, target};
use crate::store::query::query;
use crate::store::sqlite::newest_version;
use crate::store::*;

const MIGRATE: &str = include_str!("../../../../sql/postgres/migrate.sql");
const FIRST_TABLES: &str = include_str!("../../../../sql/postgres/migrations/0011_first_tables.sql");
const SESSIONS: &str = include_str!("../../../../sql/sessions.sql");

/// A user who has most of the sessions, of which some began at the same time, and another one.
const SESSIONS_OF_TWO: &str = "INSERT INTO roles VALUES ('r', '');
    INSERT INTO users (user_id, system_id, password, email, created_on, last_updated, user_role)
    SELECT i, i::text, '', i::text, '', '', 'r' FROM generate_series(7, 8) AS i;
    INSERT INTO sessions (token_hash, ip_address, user_agent, user_id, created, expires)
    SELECT sha256(i::text::bytea), '', '', 7 + (i % 10) / 9, '2026-11-23 15:00:00.' || lpad((i / 2)::text, 6, '0'), '2999'
    FROM generate_series(1, 5000) AS i;";

#[test]
fn a_database_of_the_first_schema_is_upgraded_once_and_keeps_its_rows() {
    let Some(target) = target() else { return };
    let pool = Pool::new(target.clone(), clock(), rng()).expect("begins");
    let text = |statement: &str| {
        let session = Session::new(&pool, Kind::Read);
        session.text(statement).unwrap_or_else(|error| panic!("{statement}: {error}"))
    };
    let schema = target.schema.as_deref().expect("is named");
    let make_version = query(MIGRATE, "make_version");
    text(&format!(
        "BEGIN READ WRITE; CREATE SCHEMA {schema}; {make_version} {FIRST_TABLES} {SESSIONS_OF_TWO}
         UPDATE authnzerver_schema SET version = 11; COMMIT"
    ));
    let rows = || text("SELECT string_agg(s::text, ' ' ORDER BY token_hash) FROM sessions AS s");
    let before = rows();
    let origin = open_target(&target).unwrap_or_else(|error| panic!("{error}")).1;
    let upgrade = Upgrade { from: 11, to: newest_version(), copy: None, older_copies: Vec::new() };
    assert_eq!(origin, Origin::Upgraded(upgrade));
    assert_eq!(open_target(&target).unwrap_or_else(|error| panic!("{error}")).1, Origin::Found);
    assert_eq!(rows(), before);

    text("ANALYZE sessions");
    let page = [
        (":user_id", "7"),
        (":now", "'2026-11-23 15:00:00.000000'"),
        (":created", "'2026-11-23 15:00:00.002000'"),
        (":token_hash", r"'\x55'"),
        (":limit", "500"),
    ];
    let page =
        page.iter().fold(query(SESSIONS, "list").to_owned(), |text, (name, value)| text.replace(name, value));
    let plan = text(&format!("EXPLAIN (FORMAT JSON) {page}")).expect("is explained");
    for part in [
        r#""Scan Direction": "Backward""#,
        r#""Index Name": "sessions_by_user""#,
        "(user_id = 7) AND (created <= ",
        r#""Presorted Key": ["created"]"#,
    ] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
}
