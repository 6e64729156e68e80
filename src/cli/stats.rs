//! `authnzerver stats`: how much there is of what, in numbers alone.

use super::accounts::{Counts, open};
use super::command::{Arguments, CommandError, Context, EXIT_DONE};
use super::output::{Style, Table, show};
use serde_json::{Map, Value, json};

/// Counts.
///
/// # Errors
/// The database cannot be read.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let accounts = open(arguments, context)?;
    let (users, others) = accounts.statistics()?;
    let sizes = accounts.file_sizes();
    let mut table = Table::new(&["WHAT", "STATE", "COUNT"]);
    for (kind, state, rows) in &users {
        table.add(vec![
            format!("users, {kind}").into(),
            state.replace('_', " ").into(),
            rows.to_string().into(),
        ]);
    }
    for (kind, state, rows) in &others {
        table.add(vec![
            kind.replace('_', " ").into(),
            state.replace('_', " ").into(),
            rows.to_string().into(),
        ]);
    }
    for (name, bytes) in &sizes {
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
    document.extend(sizes.into_iter().map(|(name, bytes)| (name.to_owned(), json!(bytes))));
    let text = table.text(Style::of(context));
    show(arguments, context, &document.into(), &text);
    Ok(EXIT_DONE)
}

fn nested(counts: &Counts) -> Value {
    let mut all = Map::new();
    for (kind, state, rows) in counts {
        let one = all.entry(kind.clone()).or_insert_with(|| json!({}));
        one[state.as_str()] = json!(rows);
    }
    all.into()
}
