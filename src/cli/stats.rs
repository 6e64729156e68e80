//! `authnzerver stats`: how much there is of what, in numbers alone.

use super::accounts::open_local;
use super::command::{Arguments, CommandError, Context, EXIT_DONE};
use super::output::{Style, Table, show};
use crate::files::with_suffix;
use crate::store::statistics::Count;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Counts.
///
/// # Errors
/// The database cannot be read.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let local = open_local(arguments, context)?;
    let (users, others) = local.statistics()?;
    let path = local.app().store.path();
    let sizes = [("database_bytes", bytes(path)), ("wal_bytes", bytes(&with_suffix(path, "-wal")))];
    let mut table = Table::new(&["WHAT", "STATE", "COUNT"]);
    for Count { kind, state, rows } in &users {
        table.add(vec![
            format!("users, {kind}").into(),
            state.replace('_', " ").into(),
            rows.to_string().into(),
        ]);
    }
    for Count { kind, state, rows } in &others {
        table.add(vec![
            kind.replace('_', " ").into(),
            state.replace('_', " ").into(),
            rows.to_string().into(),
        ]);
    }
    for (name, bytes) in sizes {
        table.add(vec![
            name.trim_end_matches("_bytes").replace("wal", "write-ahead log").into(),
            "bytes".into(),
            bytes.to_string().into(),
        ]);
    }
    let mut document = Map::new();
    document.insert("users".to_owned(), nested(&users));
    if let Value::Object(others) = nested(&others) {
        document.extend(others);
    }
    document.extend(sizes.map(|(name, bytes)| (name.to_owned(), json!(bytes))));
    let text = table.text(Style::of(context));
    show(arguments, context, &document.into(), &text);
    Ok(EXIT_DONE)
}

fn nested(counts: &[Count]) -> Value {
    let mut all = Map::new();
    for Count { kind, state, rows } in counts {
        let one = all.entry(kind.clone()).or_insert_with(|| json!({}));
        one[state.as_str()] = json!(rows);
    }
    all.into()
}

fn bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}
