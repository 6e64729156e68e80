//! Whether a database has the tables, indexes, triggers and views that this program makes, and no others: a foreign trigger
//! would act on every write. A plain index that an operator made changes no answer and no write, and may be there.

use super::migrate::migrate_to;
use crate::store::error::StoreError;
use crate::store::query::query;
use rusqlite::{Connection, named_params};
use std::collections::BTreeMap;

const FILE: &str = include_str!("../../../sql/sqlite/schema.sql");
const SCHEMA: &str = query(FILE, "schema");
const IS_PLAIN_INDEX: &str = query(FILE, "is_plain_index");

/// What SQLite keeps for itself.
const SQLITES_TABLES: [&str; 5] =
    ["sqlite_sequence", "sqlite_stat1", "sqlite_stat2", "sqlite_stat3", "sqlite_stat4"];
/// What Litestream, which replicates a running server's database, makes in it: a row that it writes to, and a table that
/// stays empty. No trigger hangs on them, so they change nothing; under these names, just these statements are accepted.
const LITESTREAMS_TABLES: [(&str, &str); 2] = [
    ("_litestream_seq", "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)"),
    ("_litestream_lock", "CREATE TABLE _litestream_lock (id INTEGER)"),
];
const SQLITES_INDEXES: &str = "sqlite_autoindex_";

/// What SQLite was told to make: a type and a name, and the statement.
pub(super) type Object = ((String, String), String);
type Schema = BTreeMap<(String, String), String>;

/// How a database of this version differs from one that was only ever this program's, a sentence each.
pub(super) fn differences(connection: &Connection, version: i64) -> Result<Vec<String>, StoreError> {
    let (expected, found) = (ours(version)?, read(connection)?);
    let mut differences = Vec::new();
    for ((kind, name), statement) in &found {
        match expected.get(&(kind.clone(), name.clone())) {
            None if kind == "index" && is_plain(connection, name)? => {}
            None => differences.push(format!("the {kind} {name} is none of ours")),
            Some(ours) if ours != statement => {
                differences.push(format!("the {kind} {name} is not as this program makes it"));
            }
            Some(_) => {}
        }
    }
    let missing = expected.keys().filter(|key| !found.contains_key(key));
    differences.extend(missing.map(|(kind, name)| format!("the {kind} {name} is missing")));
    Ok(differences)
}

/// The tables, views and triggers of a database of this version that are none of ours, each with its statement.
pub(super) fn others(connection: &Connection, version: i64) -> Result<Vec<Object>, StoreError> {
    let (ours, found) = (ours(version)?, read(connection)?);
    Ok(found.into_iter().filter(|(key, _)| key.0 != "index" && !ours.contains_key(key)).collect())
}

fn ours(version: i64) -> Result<Schema, StoreError> {
    let made = Connection::open_in_memory()?;
    migrate_to(&made, version)?;
    read(&made)
}

/// Whether an index does nothing but find rows sooner: it refuses none, computes nothing, and compares as SQLite itself does.
fn is_plain(connection: &Connection, index: &str) -> Result<bool, StoreError> {
    Ok(connection.query_row(IS_PLAIN_INDEX, named_params! { ":name": index }, |row| row.get(0))?)
}

/// One that is not in a database as it was.
pub(super) fn changed<'a>(before: &'a [Object], now: &Connection) -> Result<Option<&'a Object>, StoreError> {
    let now = read(now)?;
    Ok(before.iter().find(|(key, statement)| now.get(key) != Some(statement)))
}

fn read(connection: &Connection) -> Result<Schema, StoreError> {
    let mut statement = connection.prepare(SCHEMA)?;
    let rows = statement.query_map([], |row| {
        Ok(((row.get("type")?, row.get("name")?), row.get::<_, Option<String>>("sql")?))
    })?;
    let mut schema = Schema::new();
    for row in rows {
        let ((kind, name), sql): ((String, String), _) = row?;
        let is_known = match kind.as_str() {
            "table" => {
                SQLITES_TABLES.contains(&name.as_str())
                    || sql.as_deref().is_some_and(|sql| LITESTREAMS_TABLES.contains(&(name.as_str(), sql)))
            }
            "index" => sql.is_none() && name.starts_with(SQLITES_INDEXES),
            _ => false,
        };
        if !is_known {
            schema.insert((kind, name), without_comments(&sql.unwrap_or_default()));
        }
    }
    Ok(schema)
}

/// A statement without its comments, and with one space wherever there is white space: what SQLite makes of it. Quoted texts
/// stay as they are.
fn without_comments(sql: &str) -> String {
    let mut plain = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' | '`' => end_of_quoted(rest, first),
            '[' => end_of_quoted(rest, ']'),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest[2..].find("*/").map_or(rest.len(), |end| end + 4),
            other => other.len_utf8(),
        };
        let (piece, after) = rest.split_at(length);
        let is_blank = first.is_ascii_whitespace() || piece.starts_with("--") || piece.starts_with("/*");
        if !is_blank {
            plain.push_str(piece);
        } else if !plain.ends_with(' ') {
            plain.push(' ');
        }
        rest = after;
    }
    plain.truncate(plain.trim_end().len());
    plain
}

/// Where a quoted text at the beginning ends. A doubled quote begins the next one, which makes no difference here.
fn end_of_quoted(text: &str, end: char) -> usize {
    text[1..].find(end).map_or(text.len(), |place| place + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_white_space_make_no_difference_and_quoted_text_does() {
        let ours = "CREATE TABLE a (\n    -- What it's for.\n    b TEXT, /* or */\n\tc TEXT\n)";
        assert_eq!(without_comments(ours), "CREATE TABLE a ( b TEXT, c TEXT )");
        for (one, other) in [
            ("CHECK (a <> '--'), b", "CHECK (a <> '--'), c"),
            ("CHECK (a <> '/*'), b", "CHECK (a <> '/*'), c"),
            ("CHECK (a <> 'it''s --'), b", "CHECK (a <> 'it''s --'), c"),
            ("\"a--\" b", "\"a--\" c"),
            ("[a--] b", "[a--] c"),
            ("'a  b'", "'a b'"),
        ] {
            assert_ne!(without_comments(one), without_comments(other), "{one}");
        }
        assert_eq!(without_comments("a -- open"), "a");
        assert_eq!(without_comments("a /* open"), "a");
        assert_eq!(without_comments("a 'open"), "a 'open");
    }
}
