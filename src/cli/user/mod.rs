//! `authnzerver user`: looks at accounts and changes them.

pub(crate) mod change;
pub(crate) mod export;
pub(crate) mod import;
mod records;
pub(crate) mod view;

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
        after: whole_number(arguments, "after")?,
        limit: whole_number(arguments, "limit")?,
    };
    let users = open(arguments, context)?.list(&listing, &|_| true)?;
    show_users(arguments, context, &users);
    Ok(EXIT_DONE)
}

/// Lists the users who have a text in their address or name, or whose number or public identifier it is.
///
/// # Errors
/// They cannot be read.
pub fn find(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let text = arguments.word(0).unwrap_or_default();
    let (folded, number) = (casefold(text), text.parse::<i64>().ok());
    let fits = |user: &Value| {
        let is_in = |found: &str| casefold(found).contains(&folded);
        (number.is_some() && user["user_id"].as_i64() == number)
            || user["system_id"].as_str().is_some_and(|id| casefold(id) == folded)
            || user["email"].as_str().is_some_and(is_in)
            || is_in(&view::name(user))
    };
    let listing = Listing { limit: whole_number(arguments, "limit")?, ..Listing::default() };
    let users = open(arguments, context)?.list(&listing, &fits)?;
    let is_found = !users.is_empty();
    show_users(arguments, context, &users);
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
    let text = view::whole(&user, &details, context);
    let mut document = details;
    document["user"] = user;
    show(arguments, context, &document, &text);
    Ok(EXIT_DONE)
}

fn show_users(arguments: &Arguments, context: &mut Context<'_, '_>, users: &[Value]) {
    let text = view::list(users, context);
    show(arguments, context, &json!({ "users": users }), &text);
}

/// A whole number that an option gives.
fn whole_number<T: std::str::FromStr>(arguments: &Arguments, name: &str) -> Result<Option<T>, CommandError> {
    let wrong =
        |text: &str| CommandError::cannot_tell(format!("--{name}: {} is no whole number", shown(text)));
    arguments.option(name).map(|text| text.parse().map_err(|_| wrong(text))).transpose()
}
