//! `authnzerver user`: looks at accounts and changes them.

pub mod change;
pub mod view;

use super::accounts::{Listing, Which, open};
use super::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_FAILED};
use super::output::show;
use crate::config::shown;
use crate::policy::text::casefold;
use serde_json::{Value, json};

/// Lists users in the order of their numbers.
///
/// # Errors
/// They cannot be read.
pub fn list(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let listing = Listing {
        role: arguments.option("role"),
        after: number(arguments, "after")?,
        limit: number(arguments, "limit")?,
    };
    let users = open(arguments, context)?.list(&listing, &|_| true)?;
    show_users(arguments, context, users);
    Ok(EXIT_DONE)
}

/// Lists the users who have a text in their address, name or public identifier, or have that number.
///
/// # Errors
/// They cannot be read.
pub fn find(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let text = arguments.word(0).unwrap_or_default();
    let folded = casefold(text);
    let fits = |user: &Value| {
        let texts = [user["email"].as_str(), user["system_id"].as_str()].into_iter().flatten();
        let is_in = |found: &str| casefold(found).contains(&folded);
        user["user_id"].to_string() == text || texts.chain([view::name(user).as_str()]).any(is_in)
    };
    let listing = Listing { limit: number(arguments, "limit")?, ..Listing::default() };
    let users = open(arguments, context)?.list(&listing, &fits)?;
    let is_found = !users.is_empty();
    show_users(arguments, context, users);
    Ok(if is_found { EXIT_DONE } else { EXIT_FAILED })
}

/// Shows all that is known about a user.
///
/// # Errors
/// There is none.
pub fn show_one(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let accounts = open(arguments, context)?;
    let user = accounts.user(&Which::of(arguments.word(0).unwrap_or_default()))?;
    let details = accounts.details(&user)?;
    let text = view::whole(&user, details.as_ref(), context);
    let mut document = details.unwrap_or_else(|| json!({}));
    document["user"] = user;
    show(arguments, context, &document, &text);
    Ok(EXIT_DONE)
}

fn show_users(arguments: &Arguments, context: &mut Context<'_, '_>, users: Vec<Value>) {
    let text = view::list(&users, context);
    show(arguments, context, &json!({ "users": users }), &text);
}

/// A whole number that an option gives.
fn number<T: std::str::FromStr>(arguments: &Arguments, name: &str) -> Result<Option<T>, CommandError> {
    let wrong =
        |text: &str| CommandError::cannot_tell(format!("--{name}: {} is no whole number", shown(text)));
    arguments.option(name).map(|text| text.parse().map_err(|_| wrong(text))).transpose()
}
