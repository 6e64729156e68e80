//! `authnzerver mail`: tries the mail server out, and looks after emails that were not sent.

pub(super) mod trial;

use super::accounts::open;
use super::ask::confirm;
use super::command::{Arguments, CommandError, Context, EXIT_DONE};
use super::output::{Cell, Paint, Style, Table, show};
use super::user::view::second;
use crate::config::shown;
use crate::files::{PUBLIC_FILE_MODE, create_private};
use crate::outbound::email_texts::built_in;
use serde_json::json;
use std::io;

/// Lists the emails that were not sent.
///
/// # Errors
/// They cannot be read.
pub fn list(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let emails = open(arguments, context)?.unsent_emails()?;
    let mut table =
        Table::new(&["NUMBER", "TO", "PURPOSE", "STATE", "TRIES", "NEXT TRY (UTC)", "ASKED FOR (UTC)"]);
    for email in &emails {
        let text = |key: &str| Cell::new(email[key].as_str().unwrap_or_default());
        let is_dead = email["next_try"].is_null();
        let next = if is_dead { "never".to_owned() } else { second(&email["next_try"]) };
        table.add(vec![
            email["number"].to_string().into(),
            text("email"),
            text("purpose"),
            if is_dead { text("state").painted(Paint::Red) } else { text("state") },
            email["tries"].to_string().into(),
            next.into(),
            second(&email["created"]).into(),
        ]);
    }
    let text = table.text(Style::of(context));
    show(arguments, context, &json!({ "emails": emails }), &text);
    Ok(EXIT_DONE)
}

/// Has emails tried again that wait or were given up on.
///
/// # Errors
/// There is none of that number.
pub fn retry(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let which = match (arguments.word(0), arguments.has("all")) {
        (Some(number), false) => Some(email_id(number)?),
        (None, true) => None,
        _ => return Err(CommandError::cannot_tell("which email? A number of `mail list`, or --all")),
    };
    let count = open(arguments, context)?.retry_emails(which)?;
    let plural = if count == 1 { "" } else { "s" };
    let text = format!("due now: {count} email{plural}; a running server sends within half a minute\n");
    show(arguments, context, &json!({ "done": "retry", "count": count }), &text);
    Ok(EXIT_DONE)
}

/// Takes an email out of the queue.
///
/// # Errors
/// There is none of that number.
pub fn drop(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let number = email_id(arguments.word(0).unwrap_or_default())?;
    let accounts = open(arguments, context)?;
    confirm(arguments, context, "Drop this email for good?")?;
    accounts.drop_email(number)?;
    show(
        arguments,
        context,
        &json!({ "done": "drop", "number": number }),
        &format!("dropped: email {number}\n"),
    );
    Ok(EXIT_DONE)
}

fn email_id(word: &str) -> Result<i64, CommandError> {
    let wrong = || CommandError::cannot_tell(format!("{} is no number of `mail list`", shown(word)));
    word.parse().map_err(|_| wrong())
}

/// Writes the built-in texts of emails into a directory, as a start for others. What is there stays.
///
/// # Errors
/// It cannot be written.
pub fn templates(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let directory = context.environment.directory.join(arguments.word(0).unwrap_or_default());
    let refuse = |error: io::Error| {
        CommandError::refused(format!("{} cannot be written to: {error}", directory.display()))
    };
    std::fs::create_dir_all(&directory).map_err(refuse)?;
    let (mut written, mut kept) = (Vec::new(), Vec::new());
    for (name, text) in built_in() {
        match create_private(&directory.join(&name), PUBLIC_FILE_MODE, text.as_bytes()) {
            Ok(()) => written.push(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => kept.push(name),
            Err(error) => return Err(refuse(error)),
        }
    }
    let line = |what: &str, names: &[String]| match names {
        [] => String::new(),
        names => format!("{what}: {}\n", names.join(", ")),
    };
    let text = line("written", &written) + &line("kept, for they are there already", &kept);
    show(arguments, context, &json!({ "written": written, "kept": kept }), &text);
    Ok(EXIT_DONE)
}
