//! How users are shown to people.

use crate::cli::command::Context;
use crate::cli::output::{Cell, Paint, Style, Table};
use crate::policy::full_name::unescaped;
use crate::policy::roles::Role;
use serde_json::Value;

/// Characters of a time that are shown in a list: down to the minute.
const MINUTE_CHARACTERS: usize = 16;
/// What stands for nothing.
const NOTHING: &str = "-";

/// The name as its user wrote it.
pub(super) fn name(user: &Value) -> String {
    unescaped(text(user, "full_name"))
}

/// A line for each user.
pub(super) fn list(users: &[Value], context: &Context<'_, '_>) -> String {
    let mut table = Table::new(&["NUMBER", "EMAIL", "NAME", "ROLE", "STATE", "LAST LOGIN"]);
    for user in users {
        table.add(vec![
            user["user_id"].to_string().into(),
            text(user, "email").into(),
            name(user).into(),
            text(user, "user_role").into(),
            state(user),
            minute(&user["last_login_success"]).into(),
        ]);
    }
    table.text(Style::of(context))
}

/// All that is known about a user.
pub(super) fn whole(user: &Value, details: &Value, context: &Context<'_, '_>) -> String {
    let mut table = Table::of_pairs();
    table.pair("number", user["user_id"].to_string());
    table.pair("system ID", text(user, "system_id"));
    table.pair("email", text(user, "email"));
    table.pair("email verified", yes_or_no(&user["email_verified"]));
    table.pair("name", Cell::whole(&name(user)));
    table.pair("role", text(user, "user_role"));
    table.pair("state", state(user));
    table.pair("lock", lock(&details["lock"]));
    for lock in details["attempt_locks"].as_array().into_iter().flatten() {
        let network = lock["network"].as_str().map(|network| format!(" from {network}"));
        let until = second(&lock["until"]);
        let network = network.unwrap_or_default();
        let line = format!("{}{network}, until {until}", text(lock, "what"));
        table.pair("lock of", Cell::new(&line).painted(Paint::Red));
    }
    for (key, name) in [("sessions", "sessions"), ("api_keys", "API keys")] {
        table.pair(name, details[key].to_string());
    }
    for (key, name) in [
        ("created_on", "signed up"),
        ("last_updated", "last changed"),
        ("last_login_success", "last login"),
        ("last_login_try", "last attempt"),
    ] {
        table.pair(name, second(&user[key]));
    }
    table.pair("failed attempts", user["failed_login_tries"].as_i64().unwrap_or(0).to_string());
    if !user["extra_info"].is_null() {
        table.pair("notes", Cell::whole(&user["extra_info"].to_string()));
    }
    table.text(Style::of(context))
}

/// A user in one line.
pub(super) fn line(user: &Value) -> String {
    let state = if is_active(user) { "active" } else { "inactive" };
    format!("user {}, {}, {}, {state}", user["user_id"], text(user, "email"), text(user, "user_role"))
}

fn text<'a>(user: &'a Value, key: &str) -> &'a str {
    user[key].as_str().unwrap_or(NOTHING)
}

fn is_active(user: &Value) -> bool {
    user["is_active"].as_bool().unwrap_or(false)
}

fn state(user: &Value) -> Cell {
    let is_locked = Role::LOCKED == *text(user, "user_role");
    let is_verified = user["email_verified"].as_bool().unwrap_or(false);
    match (is_active(user), is_locked, is_verified) {
        (true, ..) => Cell::new("active").painted(Paint::Green),
        (false, true, true) => Cell::new(Role::LOCKED.as_str()).painted(Paint::Red),
        (false, _, false) => Cell::new("unverified").painted(Paint::Yellow),
        (false, false, true) => Cell::new("inactive").painted(Paint::Yellow),
    }
}

fn lock(lock: &Value) -> Cell {
    match (lock.is_null(), lock["until"].as_str()) {
        (true, _) => Cell::new("none"),
        (false, None) => Cell::new("by a person, until it is unlocked").painted(Paint::Red),
        (false, Some(_)) => {
            Cell::new(&format!("after failed attempts, until {}", second(&lock["until"]))).painted(Paint::Red)
        }
    }
}

fn yes_or_no(value: &Value) -> Cell {
    if value.as_bool() == Some(true) { "yes".into() } else { Cell::new("no").painted(Paint::Yellow) }
}

/// A time down to the second, in UTC.
#[must_use]
pub fn second(time: &Value) -> String {
    let Some(time) = time.as_str() else { return NOTHING.to_owned() };
    let whole = time.split('.').next().unwrap_or_default();
    format!("{} UTC", whole.replace('T', " "))
}

/// A time down to the minute, in UTC.
#[must_use]
pub fn minute(time: &Value) -> String {
    let Some(time) = time.as_str() else { return NOTHING.to_owned() };
    time.chars().take(MINUTE_CHARACTERS).collect::<String>().replace('T', " ")
}
