//! `authnzerver backup`: copies the database, of a running server too, to where the operator wants it.

pub(super) mod directory;

use super::command::{Arguments, CommandError, Context, EXIT_DONE};
use super::output::{JSON, show};
use crate::clock::Timestamp;
use crate::config::arguments::OptionRow;
use crate::config::{self, Config};
use crate::files::{self, PRIVATE_FILE_MODE, with_suffix};
use crate::store::OpenError;
use crate::store::backup::{Notes, Source, Unfinished, notes_of};
use directory::SECRET_SUFFIXES;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The option that says how many backups of a directory are kept.
pub(super) const KEEP: OptionRow =
    OptionRow::with_value("keep", "=N", "in a directory: keep the newest N backups, and remove the others");
/// The option that has key and salt copied, too.
pub(super) const WITH_SECRETS: OptionRow =
    OptionRow::flag("with-secrets", "put copies of key and salt beside it: FILE.secret and FILE.piisalt");

/// Names in one directory that are tried for one backup.
const NAMES_TRIED_MAX: usize = 100;

/// Where a backup goes.
enum Target {
    StandardOutput,
    File(PathBuf),
    /// This directory, whose older backups beyond so many are removed.
    Directory(PathBuf, Option<usize>),
}

/// Backs the database up.
///
/// # Errors
/// What kept it from being made, found whole or put in its place.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let target = target(arguments, context)?;
    let loaded = config::load(&arguments.invocation, context.environment).map_err(CommandError::usage)?;
    for warning in arguments.invocation.warnings.iter().chain(&loaded.warnings) {
        context.streams.warn(warning.as_str());
    }
    let config = loaded.config;
    let file = config.database.file(&context.environment.directory);
    let file = file.map_err(|problem| CommandError::cannot_tell(problem.to_string()))?;
    let source = Source::open(&file).map_err(failed)?;
    let now = context.parts.clock.now();
    let notes = Notes { taken: now, belongs_to: config.secret.fingerprints(&config.pii_salt) };
    let with_secrets = arguments.has(WITH_SECRETS.name).then_some(&config);
    match target {
        Target::StandardOutput => send(&source, &notes, context)?,
        Target::File(path) => {
            ensure_replaceable(&source, &path)?;
            let unfinished = Unfinished::begin(&source, &path).map_err(failed_to_begin)?;
            let told = write(&source, unfinished, &path, &notes, with_secrets)?;
            tell(arguments, context, &path, &told);
        }
        Target::Directory(directory, keep) => {
            // A mistyped name, or that of a disk which is not there, must not become a directory by itself.
            if keep.is_some() {
                make_directory(&directory)?;
            }
            let (unfinished, path) = begin_in(&source, &directory, now)?;
            let mut told = write(&source, unfinished, &path, &notes, with_secrets)?;
            let removed = match keep {
                Some(keep) => directory::remove_older(&directory, keep, &path).map_err(|error| {
                    failed_at(&directory, "is backed up to, but older backups stay", &error)
                })?,
                None => 0,
            };
            told["removed"] = removed.into();
            tell(arguments, context, &path, &told);
        }
    }
    // The server tells of it; the backup is there in any case.
    if let Err(error) = source.note_backup(now) {
        context.streams.warn(&format!("the backup is made, but the server does not know of it: {error}"));
    }
    Ok(EXIT_DONE)
}

fn target(arguments: &Arguments, context: &Context<'_, '_>) -> Result<Target, CommandError> {
    let word = arguments.word(0).unwrap_or_default();
    let keep = match arguments.option(KEEP.name).map(str::parse) {
        None => None,
        Some(Ok(keep)) if keep > 0 => Some(keep),
        Some(_) => return Err(CommandError::cannot_tell("--keep must be a number above zero")),
    };
    if word == "-" {
        if keep.is_some() || arguments.has(WITH_SECRETS.name) || arguments.has(JSON.name) {
            return Err(CommandError::cannot_tell("standard output takes the backup and nothing else"));
        }
        if context.streams.output_is_terminal {
            return Err(CommandError::cannot_tell(
                "a terminal is no place for a backup; put a | or > behind -",
            ));
        }
        return Ok(Target::StandardOutput);
    }
    if word.is_empty() {
        return Err(CommandError::cannot_tell("FILE is empty; `.` stands for the current directory"));
    }
    let path = context.environment.directory.join(word);
    let is_file = path.symlink_metadata().is_ok() && !path.is_dir();
    if keep.is_some() && is_file {
        let problem = format!("--keep is for a directory, and {} is none", path.display());
        return Err(CommandError::cannot_tell(problem));
    }
    let is_directory = keep.is_some() || word.ends_with('/') || path.is_dir();
    Ok(if is_directory { Target::Directory(path, keep) } else { Target::File(path) })
}

fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::refused(error.to_string())
}

fn failed_at(path: &Path, what: &str, error: &std::io::Error) -> CommandError {
    CommandError::refused(format!("{} {what}: {error}", path.display()))
}

fn make_directory(path: &Path) -> Result<(), CommandError> {
    files::ensure_private_directory(path).map_err(|error| failed_at(path, "cannot be made", &error))?;
    Ok(())
}

/// Only an older backup is replaced.
fn ensure_replaceable(source: &Source, path: &Path) -> Result<(), CommandError> {
    let Ok(about) = path.symlink_metadata() else { return Ok(()) };
    let refuse = |why: &str| {
        CommandError::refused(format!("{} {why}; nothing was changed, name another file", path.display()))
    };
    if source.is(path) {
        return Err(refuse("is the database itself"));
    }
    if !about.is_file() {
        return Err(refuse("is not a regular file"));
    }
    match notes_of(path) {
        Ok(Some(_)) => Ok(()),
        _ => Err(refuse("is there already, and is no backup of ours")),
    }
}

fn failed_to_begin(error: OpenError) -> CommandError {
    match error {
        OpenError::InUse(path) => CommandError::refused(format!(
            "another backup to {} is under way; try again when it is done, or name another file",
            path.display()
        )),
        other => failed(other),
    }
}

/// Begins a backup in a directory under a name that nobody else has or is about to have.
fn begin_in(
    source: &Source,
    directory: &Path,
    now: Timestamp,
) -> Result<(Unfinished, PathBuf), CommandError> {
    let names = directory::free_names(directory, now)
        .map_err(|error| failed_at(directory, "cannot be read", &error))?;
    for path in names.take(NAMES_TRIED_MAX) {
        match Unfinished::begin(source, &path) {
            // Whoever had the name before may have given it to their backup meanwhile.
            Ok(unfinished) if path.symlink_metadata().is_err() => return Ok((unfinished, path)),
            Ok(_) | Err(OpenError::InUse(_)) => {}
            Err(other) => return Err(failed(other)),
        }
    }
    Err(CommandError::refused(format!("too many backups to {} are under way", directory.display())))
}

fn write(
    source: &Source,
    mut unfinished: Unfinished,
    path: &Path,
    notes: &Notes,
    with_secrets: Option<&Config>,
) -> Result<Value, CommandError> {
    unfinished.fill(source, notes).map_err(failed)?;
    let (bytes, rows) = (unfinished.bytes, unfinished.rows);
    if let Some(config) = with_secrets {
        // First, so that no backup has its name without them.
        let [secret, salt] = SECRET_SUFFIXES.map(|suffix| with_suffix(path, suffix));
        write_secret(source, &secret, config.secret.written().expose())?;
        write_secret(source, &salt, config.pii_salt.written())?;
    }
    unfinished.place().map_err(failed)?;
    Ok(json!({
        "backup": path.display().to_string(), "taken": notes.taken.wire(), "bytes": bytes, "rows": rows,
        "belongs_to": notes.belongs_to, "with_secrets": with_secrets.is_some(),
    }))
}

fn write_secret(source: &Source, path: &Path, text: &str) -> Result<(), CommandError> {
    files::replace_private(path, PRIVATE_FILE_MODE, text.as_bytes())
        .and_then(|()| source.give_file(path))
        .map_err(|error| failed_at(path, "cannot be written", &error))
}

fn send(source: &Source, notes: &Notes, context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let mut unfinished = Unfinished::begin(source, &source.scratch()).map_err(failed_to_begin)?;
    unfinished.fill(source, notes).map_err(failed)?;
    unfinished
        .send(context.streams.output)
        .map_err(|error| CommandError::refused(format!("standard output: {error}")))
}

fn tell(arguments: &Arguments, context: &mut Context<'_, '_>, path: &Path, told: &Value) {
    let belongs_to = told["belongs_to"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut lines = vec![
        format!("backed up {} rows, {} bytes: {}", told["rows"], told["bytes"], path.display()),
        format!("belongs to the key and salt {}", belongs_to.collect::<Vec<_>>().join(", ")),
    ];
    if told["with_secrets"] == true {
        lines.push(
            "copies of key and salt lie beside it: who has them can ask the server anything".to_owned(),
        );
    }
    if let Some(removed) = told["removed"].as_u64().filter(|count| *count > 0) {
        lines.push(format!("removed older backups: {removed}"));
    }
    show(arguments, context, told, &(lines.join("\n") + "\n"));
}
