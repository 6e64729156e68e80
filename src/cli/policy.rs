//! `authnzerver policy`: reads a permissions policy, shows what it permits, and says why.

pub(crate) mod diff;
pub(crate) mod expectations;

use super::accounts::{Question, Which, open};
use super::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_FAILED};
use super::load::load;
use super::output::{Cell, Paint, Style, Table, show};
use crate::policy::access::{Access, SharedWith};
use crate::policy::model::Policy;
use crate::problem::Problem;
use crate::server::boot::read_policy;
use crate::user_id::UserId;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Two users, for whom the numbers do not matter.
const ONE: UserId = UserId::new(10);
const OTHER: UserId = UserId::new(11);
/// What is not said about an item to be explained.
const VISIBILITY: &str = "private";

/// Tells whether a policy is valid.
///
/// # Errors
/// The settings that name it cannot be read.
pub fn check(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let file = policy_file(arguments, context)?;
    let read = read_policy(file.as_deref());
    let problem = read.as_ref().err().map(Problem::as_str);
    let text = match (&read, &file) {
        (Err(problem), _) => format!("{}\n", Cell::whole(problem.as_str()).text()),
        (Ok(policy), Some(file)) => {
            format!("{} is valid: {}\n", Cell::whole(&file.display().to_string()).text(), size(policy))
        }
        (Ok(policy), None) => format!("the built-in policy is valid: {}\n", size(policy)),
    };
    show(arguments, context, &json!({ "valid": problem.is_none(), "problem": problem }), &text);
    Ok(if problem.is_none() { EXIT_DONE } else { EXIT_FAILED })
}

/// Lists what each role may do with each kind of item.
///
/// # Errors
/// There is no valid policy.
pub fn table(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let file = policy_file(arguments, context)?;
    let policy = read_policy(file.as_deref()).map_err(CommandError::cannot_tell)?;
    let is_wanted = |option: &str, name: &str| arguments.option(option).is_none_or(|wanted| wanted == name);
    let (mut table, mut rows) = (Table::new(&["ROLE", "ITEM", "VISIBILITY", "OWN", "OTHERS'"]), Vec::new());
    for role in policy.roles().filter(|role| is_wanted("role", role)) {
        for item in policy.items().filter(|item| is_wanted("item", item)) {
            for visibility in policy.visibilities() {
                let of = |owner_id| actions(&policy, role, item, visibility, owner_id);
                let (own, others) = (of(ONE), of(OTHER));
                if own.is_empty() && others.is_empty() {
                    continue;
                }
                table.add(vec![
                    role.into(),
                    item.into(),
                    visibility.into(),
                    Cell::whole(&own.join(" ")),
                    Cell::whole(&others.join(" ")),
                ]);
                rows.push(json!({
                    "role": role, "item": item, "visibility": visibility, "own": own, "others": others,
                }));
            }
        }
    }
    let text = table.text(Style::of(context));
    show(arguments, context, &json!({ "permitted": rows }), &text);
    Ok(EXIT_DONE)
}

/// Says whether a user may do something with an item, and which rule decides.
///
/// # Errors
/// There is no such user.
pub fn explain(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let word = |place| arguments.word(place).unwrap_or_default();
    let accounts = open(arguments, context)?;
    let user = accounts.user(&Which::of(word(0)))?;
    let owner = match arguments.option("owner") {
        Some(owner) => accounts.user(&Which::of(owner))?,
        None => user.clone(),
    };
    let question = Question {
        user: &user,
        action: word(1),
        item: word(2),
        owner: &owner,
        visibility: arguments.option("visibility").unwrap_or(VISIBILITY),
        shared_with: arguments.option("shared"),
    };
    let why = accounts.denial(&question)?;
    let Question { action, item, visibility, .. } = question;
    let (role, number) =
        (user["user_role"].as_str().unwrap_or_default(), |user: &Value| user["user_id"].to_string());
    let verdict = match why {
        None => Cell::new("yes").painted(Paint::Green),
        Some(_) => Cell::new("no").painted(Paint::Red),
    };
    let mut table = Table::of_pairs();
    table.pair("permitted", verdict);
    table.pair("because", why.as_deref().unwrap_or("no rule stands in the way"));
    table.pair("user", format!("{} in the role {role}", number(&user)));
    table.pair("action", action);
    table.pair("item", format!("{item}, {visibility}, of user {}", number(&owner)));
    let text = table.text(Style::of(context));
    let document = json!({
        "permitted": why.is_none(), "because": why, "user_id": user["user_id"], "user_role": role,
        "action": action, "item": item, "owner_id": owner["user_id"], "visibility": visibility,
    });
    show(arguments, context, &document, &text);
    Ok(if why.is_none() { EXIT_DONE } else { EXIT_FAILED })
}

/// The file that the command line names, or else the one of the settings; nothing for the built-in policy.
fn policy_file(
    arguments: &Arguments,
    context: &mut Context<'_, '_>,
) -> Result<Option<PathBuf>, CommandError> {
    if let Some(file) = arguments.word(0) {
        return Ok(Some(context.environment.directory.join(file)));
    }
    Ok(load(arguments, context)?.config.permissions_file)
}

/// The policy of this file, or else the one of the settings.
fn policy_of(
    file: Option<&str>,
    arguments: &Arguments,
    context: &mut Context<'_, '_>,
) -> Result<Policy, CommandError> {
    let file = match file {
        Some(file) => Some(context.environment.directory.join(file)),
        None => load(arguments, context)?.config.permissions_file,
    };
    read_policy(file.as_deref()).map_err(CommandError::cannot_tell)
}

fn size(policy: &Policy) -> String {
    format!(
        "{} roles, {} items, {} actions",
        policy.roles().count(),
        policy.items().count(),
        policy.actions().count()
    )
}

/// What a role may do with an item of this owner's, which is shared with the user where it is shared at all.
fn actions<'p>(
    policy: &'p Policy,
    role: &str,
    item: &str,
    visibility: &str,
    owner_id: UserId,
) -> Vec<&'p str> {
    let shared_with = SharedWith::with(ONE);
    let permits = |action: &&str| {
        let access =
            Access { user_id: ONE, role, action, item, owner_id, visibility, shared_with: &shared_with };
        policy.judge(&access).is_ok()
    };
    policy.actions().filter(permits).collect()
}
