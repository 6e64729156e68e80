//! `authnzerver db`: looks after the database file.

use super::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_FAILED};
use super::load::load;
use super::output::{Cell, Style, Table, show};
use crate::store::OpenError;
use crate::store::companions::copy_of;
use crate::store::inspect::{self, Holds};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

const KIB: u64 = 1024;

/// Checks the whole file for damage.
///
/// # Errors
/// It cannot be read.
pub fn check(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let path = database(arguments, context)?;
    let problems = inspect::check(&path).map_err(|error| cannot(&error))?;
    let mut table = Table::of_pairs();
    for problem in &problems {
        table.add(vec![Cell::whole(problem)]);
    }
    if problems.is_empty() {
        table.add(vec![Cell::whole(&format!("{}: no damage was found", path.display()))]);
    }
    let text = table.text(Style::of(context));
    show(arguments, context, &json!({ "sound": problems.is_empty(), "problems": problems }), &text);
    Ok(if problems.is_empty() { EXIT_DONE } else { EXIT_FAILED })
}

/// Tells how large the file is, what takes the room, and which copies of it upgrades have left.
///
/// # Errors
/// It cannot be read.
pub fn size(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let path = database(arguments, context)?;
    let found = inspect::measure(&path).map_err(|error| cannot(&error))?;
    if found.holds == Holds::Nothing {
        return Err(cannot(&OpenError::Missing(path)));
    }
    let mut table = Table::of_pairs();
    table.pair("file", kib(found.file_bytes));
    table.pair("free within it", kib(found.free_bytes));
    table.pair("log beside it", kib(found.log_bytes));
    let mut rows = Map::new();
    for (name, count) in &found.rows {
        table.pair(name, format!("{count} rows"));
        rows.insert(name.clone(), Value::from(*count));
    }
    let mut copies = Vec::new();
    let newest = if let Holds::Schema { newest, .. } = found.holds { newest } else { 0 };
    for copy in (1..newest).map(|version| copy_of(&path, version)) {
        let Ok(about) = std::fs::metadata(&copy) else { continue };
        let copy = copy.to_string_lossy().into_owned();
        table.pair(&copy, kib(about.len()));
        copies.push(json!({ "path": copy, "bytes": about.len() }));
    }
    let text = table.text(Style::of(context));
    let document = json!({
        "file_bytes": found.file_bytes, "free_bytes": found.free_bytes, "log_bytes": found.log_bytes, "rows": rows,
        "copies": copies,
    });
    show(arguments, context, &document, &text);
    Ok(EXIT_DONE)
}

/// Writes the file anew without the room that it no longer needs.
///
/// # Errors
/// It cannot be written.
pub fn compact(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let path = database(arguments, context)?;
    let bytes = || std::fs::metadata(&path).map_or(0, |file| file.len());
    let before = bytes();
    inspect::compact(&path).map_err(|error| cannot(&error))?;
    let after = bytes();
    let text = format!("before: {}, now: {}\n", kib(before), kib(after));
    show(arguments, context, &json!({ "bytes_before": before, "bytes": after }), &text);
    Ok(EXIT_DONE)
}

/// Tells what a start of this version would do to the schema, after trying it on a copy in memory.
///
/// # Errors
/// A start would not use the file.
pub fn migrate(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    if !arguments.has("dry-run") {
        let problem =
            "a start of the server brings the database up to date; --dry-run tells what that would do";
        return Err(CommandError::cannot_tell(problem));
    }
    let path = database(arguments, context)?;
    let found = inspect::look(&path).map_err(|error| cannot(&error))?;
    let (holds, version, newest) = match found.holds {
        Holds::Nothing => return Err(cannot(&OpenError::Missing(path))),
        Holds::Schema { version, newest } => ("authnzerver", Some(version), Some(newest)),
        Holds::PythonTables => ("Python authnzerver", None, None),
    };
    let steps = inspect::try_migration(&path).map_err(|error| CommandError::refused(error.to_string()))?;
    let text = match (version, steps) {
        (None, _) => {
            "a start would copy this database of the Python authnzerver, and take it over\n".to_owned()
        }
        (Some(version), 0) => format!("nothing to do: the schema is {version}, the newest\n"),
        (Some(version), steps) => format!(
            "a start would copy the database to {} and take {steps} steps, from schema {version} on; they were tried on a \
             copy in memory, and work\n",
            copy_of(&path, version).display()
        ),
    };
    let document = json!({ "made_by": holds, "schema": version, "newest": newest, "steps": steps });
    show(arguments, context, &document, &text);
    Ok(EXIT_DONE)
}

/// The file that the settings name.
fn database(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<PathBuf, CommandError> {
    let loaded = load(arguments, context)?;
    let file = loaded.config.database.file(&context.environment.directory);
    file.map_err(|problem| CommandError::cannot_tell(problem.to_string()))
}

fn cannot(error: &OpenError) -> CommandError {
    CommandError::cannot_tell(error.to_string())
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(KIB))
}
