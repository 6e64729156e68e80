//! `authnzerver user export`: writes all accounts to a file that an import reads.

use super::records::{COLUMNS, Format, no_formula, quoted};
use crate::cli::accounts::{Local, open_local};
use crate::cli::command::{Arguments, CommandError, Context, EXIT_DONE};
use crate::clock::Timestamp;
use crate::config::shown;
use crate::files::PRIVATE_FILE_MODE;
use crate::files::unfinished::Unfinished;
use crate::json::{self, Limits};
use crate::policy::full_name::unescaped;
use crate::policy::roles::Role;
use crate::store::user_transfer::Account;
use crate::user_id::UserId;
use crate::wire::ascii_json;
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// What is not written unless it is asked for.
const HASH: &str = "password_hash";
/// What an import takes and no database has.
const PASSWORD: &str = "password";

/// Writes all accounts to a file or to standard output.
///
/// # Errors
/// They cannot be read, or the file cannot be written.
pub fn export(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let name = arguments.word(0).filter(|name| *name != "-");
    let format = match (Format::of(arguments.option("format"), name), arguments.option("format"), name) {
        (Some(format), ..) => format,
        (None, None, None) => Format::Csv,
        _ => return Err(CommandError::cannot_tell("--format=csv or --format=jsonl is needed here")),
    };
    let with_hashes = arguments.has("with-hashes");
    if with_hashes && name.is_none() && context.streams.output_is_terminal {
        return Err(CommandError::cannot_tell("password hashes are not shown on a terminal; name a file"));
    }
    let columns: Vec<&str> = COLUMNS
        .into_iter()
        .filter(|column| *column != PASSWORD && (with_hashes || *column != HASH))
        .collect();
    let local = open_local(arguments, context)?;
    let Some(name) = name else {
        return match write(&local, &columns, format, &mut *context.streams.output) {
            // Whoever read this has left.
            Err(Failed::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(EXIT_DONE),
            Err(Failed::Write(error)) => Err(CommandError::cannot_tell(format!("standard output: {error}"))),
            Err(Failed::Read(error)) => Err(error),
            Ok(_) => Ok(EXIT_DONE),
        };
    };
    let path = context.environment.directory.join(name);
    let count = write_file(&local, &columns, format, &path).map_err(|failed| match failed {
        Failed::Read(error) => error,
        Failed::Write(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            CommandError::cannot_tell(format!("{} is there already", shown(name)))
        }
        Failed::Write(error) => CommandError::cannot_tell(format!("{}: {error}", shown(name))),
    })?;
    context.streams.print(&format!("{count} accounts written to {}\n", shown(name)));
    Ok(EXIT_DONE)
}

enum Failed {
    Read(CommandError),
    Write(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Makes a file that is for its owner alone. It has its name once all of it is written.
fn write_file(local: &Local, columns: &[&str], format: Format, path: &Path) -> Result<usize, Failed> {
    if path.symlink_metadata().is_ok() {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
    }
    let unfinished = Unfinished::create(path, PRIVATE_FILE_MODE)?;
    let count = fill(local, columns, format, unfinished.file())?;
    unfinished.place_new()?;
    Ok(count)
}

fn fill(local: &Local, columns: &[&str], format: Format, file: &File) -> Result<usize, Failed> {
    let mut output = BufWriter::new(file);
    let count = write(local, columns, format, &mut output)?;
    output.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(count)
}

fn write(local: &Local, columns: &[&str], format: Format, output: &mut dyn Write) -> Result<usize, Failed> {
    if format == Format::Csv {
        writeln!(output, "{}", columns.join(","))?;
    }
    let (mut after, mut count) = (UserId::MIN, 0);
    loop {
        let page = local.page(after).map_err(Failed::Read)?;
        let Some(last) = page.last() else { break };
        after = last.user_id;
        count += page.len();
        for account in &page {
            let values = columns.iter().map(|column| (*column, value(account, column)));
            match format {
                Format::Csv => {
                    let values: Vec<String> =
                        values.map(|(column, value)| quoted(&no_formula(column, in_csv(&value)))).collect();
                    writeln!(output, "{}", values.join(","))?;
                }
                Format::JsonLines => {
                    let values = values.map(|(column, value)| (column.to_owned(), value));
                    writeln!(output, "{}", ascii_json(&Value::Object(values.collect())))?;
                }
            }
        }
    }
    output.flush()?;
    Ok(count)
}

/// What an account has in a column.
fn value(account: &Account, column: &str) -> Value {
    match column {
        "user_id" => account.user_id.get().into(),
        "system_id" => account.system_id.as_str().into(),
        "email" => account.email.as_str().into(),
        "full_name" => account.full_name.as_deref().map(unescaped).into(),
        HASH => account.password.as_str().into(),
        "role" => account.role.as_ref().map(Role::as_str).into(),
        "verified" => account.verified.into(),
        "active" => account.active.into(),
        "lock" => account.locked.into(),
        "created" => account.created.wire().into(),
        "last_login" => account.last_login.map(Timestamp::wire).into(),
        "extra" => account.extra_info.as_ref().map_or(Value::Null, |noted| {
            // What is no object can't be read by an import either, and is left as it is for people.
            json::read_object(noted.as_str(), &Limits::NOTES)
                .map_or_else(|_| noted.as_str().into(), Value::Object)
        }),
        _ => Value::Null,
    }
}

fn in_csv(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(_) => ascii_json(value),
        other => other.to_string(),
    }
}
