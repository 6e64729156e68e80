//! The commands of `authnzerver user` that change something.

use super::view;
use crate::accounts::lock::LockChange;
use crate::cli::accounts::{Account, Accounts, Which, open};
use crate::cli::ask::{confirm, new_password};
use crate::cli::command::{Arguments, CommandError, Context, EXIT_DONE};
use crate::cli::output::{printable, show};
use crate::config::shown;
use crate::json::{self, Limits};
use crate::wire::Object;
use serde_json::{Value, json};

/// Makes an account that works at once.
///
/// # Errors
/// Why not.
pub fn add(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let Some(full_name) = arguments.option("name") else {
        return Err(CommandError::cannot_tell("--name=NAME is needed: how the user is called"));
    };
    let accounts = open(arguments, context)?;
    let password = new_password(arguments, context, true)?;
    let account = Account {
        email: arguments.word(0).unwrap_or_default(),
        full_name,
        role: arguments.option("role"),
        password: &password,
    };
    let user = accounts.add(&account)?;
    Ok(done(arguments, context, ("add", "account added"), &user))
}

/// Changes what is known about a user.
///
/// # Errors
/// Why not.
pub fn edit(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let mut update = Object::new();
    for (option, key) in [("name", "full_name"), ("email", "email")] {
        update.extend(arguments.option(option).map(|text| (key.to_owned(), Value::from(text))));
    }
    for (option, key) in [("verified", "email_verified"), ("active", "is_active")] {
        if let Some(text) = arguments.option(option) {
            update.insert(key.to_owned(), yes_or_no(option, text)?.into());
        }
    }
    if let Some(text) = arguments.option("notes") {
        let notes = json::read_object(text, &Limits::REQUEST);
        let wrong =
            |error| CommandError::cannot_tell(format!("--notes takes a JSON object; this is {error}"));
        update.insert("extra_info".to_owned(), Value::Object(notes.map_err(wrong)?));
    }
    if update.is_empty() {
        return Err(CommandError::cannot_tell(
            "there is nothing to change (see `authnzerver help user edit`)",
        ));
    }
    let (accounts, user) = meant(arguments, context)?;
    let user = accounts.edit(&user, update)?;
    Ok(done(arguments, context, ("edit", "account changed"), &user))
}

/// Gives a user another role.
///
/// # Errors
/// Why not.
pub fn set_role(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let (accounts, user) = meant(arguments, context)?;
    let role = arguments.word(1).unwrap_or_default();
    let user = accounts.edit(&user, Object::from_iter([("user_role".to_owned(), role.into())]))?;
    Ok(done(arguments, context, ("set-role", "role changed"), &user))
}

/// Locks an account.
///
/// # Errors
/// Why not.
pub fn lock(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let (accounts, user) = meant(arguments, context)?;
    let user = accounts.set_locked(&user, LockChange::Lock)?;
    Ok(done(arguments, context, ("lock", "account locked"), &user))
}

/// Unlocks an account.
///
/// # Errors
/// Why not.
pub fn unlock(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let (accounts, user) = meant(arguments, context)?;
    let user = accounts.set_locked(&user, LockChange::Unlock)?;
    Ok(done(arguments, context, ("unlock", "account unlocked"), &user))
}

/// Deletes an account with all that belongs to it.
///
/// # Errors
/// Why not.
pub fn delete(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let (accounts, user) = meant(arguments, context)?;
    let question =
        format!("Delete {}, with all sessions and API keys?", printable(&view::line(&user), usize::MAX));
    confirm(arguments, context, &question)?;
    accounts.delete(&user)?;
    Ok(done(arguments, context, ("delete", "account deleted"), &user))
}

/// Sets a password.
///
/// # Errors
/// Why not.
pub fn set_password(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let (accounts, user) = meant(arguments, context)?;
    let password = new_password(arguments, context, false)?;
    accounts.set_password(&user, &password)?;
    let user = accounts.user(&Which::of(&user["user_id"].to_string()))?;
    Ok(done(arguments, context, ("set-password", "password set, all sessions and API keys ended"), &user))
}

/// What is opened, and the user whom the first word names.
fn meant<'a>(
    arguments: &Arguments,
    context: &mut Context<'a, '_>,
) -> Result<(Box<dyn Accounts + 'a>, Value), CommandError> {
    let accounts = open(arguments, context)?;
    let user = accounts.user(&Which::of(arguments.word(0).unwrap_or_default()))?;
    Ok((accounts, user))
}

/// Tells what was done to whom: to programs by the command's name, to people in words.
fn done(
    arguments: &Arguments,
    context: &mut Context<'_, '_>,
    (command, words): (&str, &str),
    user: &Value,
) -> u8 {
    let text = format!("{words}: {}\n", printable(&view::line(user), usize::MAX));
    show(arguments, context, &json!({ "done": command, "user": user }), &text);
    EXIT_DONE
}

fn yes_or_no(option: &str, text: &str) -> Result<bool, CommandError> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        _ => Err(CommandError::cannot_tell(format!("--{option} is yes or no, not {}", shown(text)))),
    }
}
