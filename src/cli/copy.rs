//! `authnzerver db copy`: copies the database into a new one, also from one engine to the other.

use super::command::{Arguments, CommandError, Context, EXIT_DONE};
use super::load::load;
use super::output::{Style, Table, show};
use crate::config::values;
use crate::files::read_small;
use crate::rng::{OsRng, Rng};
use crate::store::{self, Location};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The largest file that can hold a URL.
const URL_FILE_BYTES_MAX: u64 = 4096;
/// Stands for the database of the settings, and before the name of a file with a URL.
const ELSEWHERE: char = '@';

/// Copies a database.
///
/// # Errors
/// Why not; then nothing is there.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let from = location(0, arguments, context)?;
    let to = location(1, arguments, context)?;
    let rng: Arc<dyn Rng> = Arc::new(OsRng);
    let copied = store::copy(&from, &to, context.parts.clock, &rng);
    let copied = copied.map_err(|problem| CommandError::refused(problem.to_string()))?;
    let mut table = Table::of_pairs();
    let mut rows = Map::new();
    for (name, count) in copied {
        table.pair(name, format!("{count} rows"));
        rows.insert(name.to_owned(), Value::from(count));
    }
    let text = format!("{}copied, read again and compared\n", table.text(Style::of(context)));
    show(arguments, context, &json!({ "rows": rows }), &text);
    Ok(EXIT_DONE)
}

/// Where the word at this place leads.
fn location(
    place: usize,
    arguments: &Arguments,
    context: &mut Context<'_, '_>,
) -> Result<Location, CommandError> {
    let word = arguments.word(place).unwrap_or_default();
    let directory = &context.environment.directory;
    let refuse = |why: &dyn std::fmt::Display| {
        let name = ["FROM", "TO"].get(place).copied().unwrap_or_default();
        CommandError::cannot_tell(format!("{name}: {why}"))
    };
    let Some(file) = word.strip_prefix(ELSEWHERE) else {
        let location = values::database(word).map_err(|allowed| refuse(&format!("it must be {allowed}")))?;
        if location.has_password() {
            return Err(refuse(
                &"everybody on this machine can read a password that is typed; put the URL into a file, and name that as @FILE",
            ));
        }
        return Ok(location.within(directory));
    };
    if file.is_empty() {
        return Ok(load(arguments, context)?.config.database.within(&context.environment.directory));
    }
    let path = directory.join(file);
    let read = read_small(&path, URL_FILE_BYTES_MAX)
        .map_err(|error| refuse(&format!("{}: {error}", path.display())))?;
    let text = std::str::from_utf8(&read.bytes).map(str::trim).unwrap_or_default();
    let location = values::database(text);
    location
        .map(|location| location.within(directory))
        .map_err(|allowed| refuse(&format!("{} must hold {allowed}", path.display())))
}
