//! `authnzerver session`, `apikey` and `lock`: what was issued to users, and who is locked.

use super::accounts::{Accounts, Which, open};
use super::ask::confirm;
use super::command::{Arguments, CommandError, Context, EXIT_DONE};
use super::output::{Cell, Paint, Style, Table, show};
use super::user::view::{minute, second};
use serde_json::{Value, json};

/// Lists the sessions of a user, or of everybody.
///
/// # Errors
/// They cannot be read.
pub fn list_sessions(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let accounts = open(arguments, context)?;
    let sessions = accounts.sessions(named(&*accounts, arguments.word(0))?.as_ref())?;
    let mut table = Table::new(&["ID", "USER", "EMAIL", "ADDRESS", "SINCE", "UNTIL", "BROWSER"]);
    for session in &sessions {
        table.add(vec![
            text(session, "id"),
            session["user_id"].to_string().into(),
            text(session, "email"),
            text(session, "ip_address"),
            minute(&session["created"]).into(),
            minute(&session["expires"]).into(),
            text(session, "user_agent"),
        ]);
    }
    let text = table.text(Style::of(context));
    show(arguments, context, &json!({ "sessions": sessions }), &text);
    Ok(EXIT_DONE)
}

/// Ends a session, those of a user, or all.
///
/// # Errors
/// There is none.
pub fn end_sessions(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let (id, user, all) = (arguments.word(0), arguments.option("user"), arguments.has("all"));
    let count = usize::from(id.is_some()) + usize::from(user.is_some()) + usize::from(all);
    if count != 1 {
        return Err(CommandError::cannot_tell("which session? An ID, --user=EMAIL or --all"));
    }
    let accounts = open(arguments, context)?;
    let ended = if let Some(id) = id {
        accounts.end_session(id).map(|()| 1)?
    } else if all {
        confirm(arguments, context, "End the sessions of all users?")?;
        accounts.end_sessions(None)?
    } else {
        accounts.end_sessions(named(&*accounts, user)?.as_ref())?
    };
    Ok(counted(arguments, context, "ended", ended, "session"))
}

/// Removes the sessions that have expired.
///
/// # Errors
/// A failing database.
pub fn purge_sessions(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let removed = open(arguments, context)?.purge_sessions()?;
    Ok(counted(arguments, context, "removed", removed, "expired session"))
}

/// Lists the API keys of a user, or of everybody.
///
/// # Errors
/// They cannot be read.
pub fn list_keys(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let accounts = open(arguments, context)?;
    let keys = accounts.api_keys(named(&*accounts, arguments.word(0))?.as_ref())?;
    let mut table = Table::new(&[
        "ID",
        "KIND",
        "NAME",
        "USER",
        "EMAIL",
        "ROLE",
        "ISSUED",
        "UNTIL",
        "RENEWABLE UNTIL",
        "LAST USED",
    ]);
    for key in &keys {
        table.add(vec![
            text(key, "id"),
            text(key, "kind"),
            text(key, "name"),
            key["user_id"].to_string().into(),
            text(key, "email"),
            text(key, "user_role"),
            minute(&key["issued"]).into(),
            minute(&key["expires"]).into(),
            minute(&key["refresh_expires"]).into(),
            minute(&key["last_used"]).into(),
        ]);
    }
    let text = table.text(Style::of(context));
    show(arguments, context, &json!({ "api_keys": keys }), &text);
    Ok(EXIT_DONE)
}

/// Revokes an API key.
///
/// # Errors
/// There is none.
pub fn revoke_key(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    open(arguments, context)?.revoke_key(arguments.word(0).unwrap_or_default())?;
    Ok(counted(arguments, context, "revoked", 1, "API key"))
}

/// Lists the locks in force.
///
/// # Errors
/// They cannot be read.
pub fn list_locks(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let locks = open(arguments, context)?.locks()?;
    let mut table = Table::new(&["USER", "EMAIL", "WHAT", "FROM", "BY", "SINCE", "UNTIL"]);
    for lock in &locks {
        let until = match lock["until"].as_str() {
            None => Cell::new("it is unlocked").painted(Paint::Red),
            Some(_) => second(&lock["until"]).into(),
        };
        let by = if lock["by"] == "person" { "a person" } else { "failed attempts" };
        table.add(vec![
            lock["user_id"].as_i64().map(|user_id| user_id.to_string()).unwrap_or_default().into(),
            text(lock, "email"),
            text(lock, "what"),
            lock["network"].as_str().unwrap_or("everywhere").into(),
            by.into(),
            minute(&lock["locked_on"]).into(),
            until,
        ]);
    }
    let text = table.text(Style::of(context));
    show(arguments, context, &json!({ "locks": locks }), &text);
    Ok(EXIT_DONE)
}

/// The user whom a word names, if there is one.
fn named(accounts: &dyn Accounts, word: Option<&str>) -> Result<Option<Value>, CommandError> {
    word.map(|word| accounts.user(&Which::of(word))).transpose()
}

fn text(row: &Value, key: &str) -> Cell {
    row[key].as_str().unwrap_or_default().into()
}

fn counted(arguments: &Arguments, context: &mut Context<'_, '_>, what: &str, count: u64, kind: &str) -> u8 {
    let plural = if count == 1 { "" } else { "s" };
    show(
        arguments,
        context,
        &json!({ "done": what, "count": count }),
        &format!("{what}: {count} {kind}{plural}\n"),
    );
    EXIT_DONE
}
