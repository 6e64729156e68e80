//! `authnzerver restore`: puts a backup in the place of the database, and says what is left to do.

use super::backup::directory::SECRET_SUFFIXES;
use super::command::{Arguments, CommandError, Context, EXIT_DONE};
use super::operator::operator;
use super::output::show;
use crate::accounts::events::note_restored;
use crate::config::base_directory::{PII_SALT_FILE, SECRET_FILE};
use crate::config::{self, RestoreSettings};
use crate::files::with_suffix;
use crate::rng::OsRng;
use crate::store::restore::{Restored, restore};
use crate::store::{OpenError, Store};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// Restores the database.
///
/// # Errors
/// Why not; then nothing was changed.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let settings =
        config::load_for_restore(&arguments.invocation, context.environment).map_err(CommandError::usage)?;
    for warning in arguments.invocation.warnings.iter().chain(&settings.warnings) {
        context.streams.warn(warning.as_str());
    }
    let backup = context.environment.directory.join(arguments.word(0).unwrap_or_default());
    let done = restore(&backup, &settings.database, context.parts.clock.now());
    let done = done.map_err(|error| refused(&error, &backup))?;
    note(&settings.database, &done, context);
    let next = what_to_do(&backup, &settings, &done);
    let mut lines = vec![format!("restored {}", settings.database.display())];
    let taken = done.notes.as_ref().map(|notes| notes.taken.wire());
    match &taken {
        Some(taken) => {
            lines.push(format!("the backup was made at {taken} UTC; what was done since is not in it"));
        }
        None => lines.push("it does not say when it was made".to_owned()),
    }
    let kept = done.kept.as_ref().map(|path| path.display().to_string());
    if let Some(kept) = &kept {
        lines.push(format!("kept what was there: {kept}"));
    }
    lines.extend(next.iter().map(|step| format!("next: {step}")));
    let document = json!({
        "database": settings.database.display().to_string(), "taken": taken, "kept": kept, "next": next,
    });
    show(arguments, context, &document, &(lines.join("\n") + "\n"));
    Ok(EXIT_DONE)
}

/// Leaves an event. A backup of an older schema has no place for it yet.
fn note(database: &Path, done: &Restored, context: &mut Context<'_, '_>) {
    if done.is_older {
        return;
    }
    let made = done.notes.as_ref().map(|notes| notes.taken);
    let noted = Store::open_prepared(&database.into(), Arc::clone(context.parts.clock), Arc::new(OsRng))
        .map_err(|error| error.to_string())
        .and_then(|store| {
            note_restored(&store, &operator(), made).map_err(|error| error.about(database).to_string())
        });
    if let Err(error) = noted {
        context.streams.warn(&format!("it is restored, but no event tells of it: {error}"));
    }
}

fn refused(error: &OpenError, backup: &Path) -> CommandError {
    CommandError::refused(match error {
        OpenError::InUse(database) => format!(
            "a server or a command is using {}; stop the server (`systemctl stop authnzerver`) and restore again",
            database.display()
        ),
        OpenError::NotPrepared(_, lacks) => {
            format!("{} {lacks}, so it is no backup of ours; nothing was changed", backup.display())
        }
        other => other.to_string(),
    })
}

/// What is left to do, a line each.
fn what_to_do(backup: &Path, settings: &RestoreSettings, done: &Restored) -> Vec<String> {
    let mut next = Vec::new();
    let belongs_to = done.notes.as_ref().map(|notes| notes.belongs_to.join(", ")).unwrap_or_default();
    let base = settings.base_directory.display();
    let copies = SECRET_SUFFIXES.map(|suffix| with_suffix(backup, suffix));
    let how = if copies.iter().all(|copy| copy.exists()) {
        format!(
            "copy {} to {base}/{SECRET_FILE} and {} to {base}/{PII_SALT_FILE}, mode 0400",
            copies[0].display(),
            copies[1].display()
        )
    } else {
        "give the server the key and the salt that it had then".to_owned()
    };
    // A copy from before an upgrade does not say.
    let said = done.notes.as_ref().map(|notes| &notes.belongs_to).filter(|said| !said.is_empty());
    let is_same = |found: &[String]| said.is_none_or(|said| found.iter().any(|one| said.contains(one)));
    match &settings.secrets {
        None if said.is_none() => next.push(format!("there is no key or no salt: {how}")),
        None => next.push(format!("there is no key or no salt; the backup belongs to {belongs_to}: {how}")),
        Some((keys, salt)) => {
            let found = keys.fingerprints(salt);
            if !is_same(&found) {
                let found = found.join(", ");
                next.push(format!(
                    "the backup belongs to another key or salt ({belongs_to}) than the server has ({found}): {how}, \
                     unless you changed them since"
                ));
            }
        }
    }
    if let Some(seq) = done.altered_event {
        next.push(format!(
            "somebody has changed the backup's log of events: event {seq} is gone or not what was written down; find out \
             who (`authnzerver events verify`)"
        ));
    }
    if !done.is_administered {
        next.push(
            "there is no active superuser in it; make one (`authnzerver user set-role EMAIL superuser`)"
                .to_owned(),
        );
    }
    if done.has_orphans {
        next.push(
            "rows in it refer to ones that are not there, left by other hands; `authnzerver db check` names their tables"
                .to_owned(),
        );
    }
    if done.is_older {
        next.push("the backup has an older schema, which the next start brings up to date".to_owned());
    }
    next.push("start the server (`systemctl start authnzerver`)".to_owned());
    next.push(
        "sessions that were ended since the backup are live again; `authnzerver session end --all` ends all"
            .to_owned(),
    );
    next
}
