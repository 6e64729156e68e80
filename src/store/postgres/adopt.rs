//! Takes over a database that the Python authnzerver made, as its SQLite files are taken over: one way, in one transaction. What it
//! was is kept in a schema of its own, which the operator may drop.

use super::schema::{is_true, make_tables};
use super::session::Session;
use crate::problem;
use crate::problem::operator_name;
use crate::store::error::{OpenError, StoreError};
use crate::store::query::query;
use std::path::PathBuf;

const FILE: &str = include_str!("../../../sql/postgres/adopt.sql");
const IS_PYTHON: &str = query(FILE, "is_python");
const UNEXPECTED: &str = query(FILE, "unexpected");
const NAME: &str = query(FILE, "name");
const SET_ASIDE: &str = query(FILE, "set_aside");
const COPY: &str = query(FILE, "copy");

/// What stands in these for the schema in which everything is kept.
const KEPT: &str = "of_python";
/// What else they name by a word.
const WORDS: [(&str, &str); 2] = [
    (":time", "'YYYY-MM-DD HH24:MI:SS.US'"),
    (":notes", r"regexp_replace(extra_info, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\u003f', 'g')::json"),
];

/// Takes the tables over, if they are those of the Python authnzerver; the schema in which they are kept. The caller has begun a
/// transaction, and commits.
pub(super) fn adopt(session: &Session<'_>) -> Result<Option<PathBuf>, OpenError> {
    if !is_true(session, IS_PYTHON)? {
        return Ok(None);
    }
    if let Some(what) = session.text(UNEXPECTED)? {
        return Err(OpenError::Postgres(problem!(
            "these tables of the Python authnzerver cannot be taken over: {}; change that, or move the accounts as \
             docs/moving.md says. Nothing was changed",
            operator_name(&what)
        )));
    }
    let kept = session.text(NAME)?.ok_or(StoreError::Corrupt("name"))?;
    take_over(session, &kept).map_err(|error| {
        OpenError::Postgres(problem!(
            "these tables of the Python authnzerver cannot be taken over: {}; nothing else may use them, and the URL's user \
             has to own them and may make schemas (GRANT CREATE ON DATABASE). Nothing was changed",
            error
        ))
    })?;
    Ok(Some(kept.into()))
}

fn take_over(session: &Session<'_>, kept: &str) -> Result<(), StoreError> {
    session.text(&words(SET_ASIDE, kept))?;
    make_tables(session)?;
    session.text(&words(COPY, kept)).map(drop)
}

fn words(statements: &str, kept: &str) -> String {
    let text = statements.replace(KEPT, kept);
    WORDS.iter().fold(text, |text, (word, meaning)| text.replace(word, meaning))
}
