//! `authnzerver events` and `user history`: what has happened.

use super::accounts::{Accounts, Which, open, open_local};
use super::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_FAILED};
use super::output::{Cell, JSON, Paint, Style, Table, show};
use super::user::view::second;
use crate::accounts::events::Verified;
use crate::clock::Timestamp;
use crate::config::shown;
use crate::store::events::follow::Origins;
use crate::store::events::{EventKind, Link};
use crate::wait::pause;
use crate::wire::ascii_escaped;
use serde_json::{Value, json};
use std::time::Duration;

/// How often to look for new events.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a user's history shows: who came in, or tried to, and what they came in with.
const HISTORY: &[EventKind] = &[
    EventKind::SignedUp,
    EventKind::AccountAdded,
    EventKind::AccountImported,
    EventKind::AccountVerified,
    EventKind::LoggedIn,
    EventKind::LoginFailed,
    EventKind::CodeFailed,
    EventKind::PasswordConfirmed,
    EventKind::PasswordChanged,
    EventKind::PasswordReset,
    EventKind::PasswordRemoved,
    EventKind::SessionStarted,
    EventKind::AccountLocked,
    EventKind::AccountSuspended,
    EventKind::AccountUnlocked,
    EventKind::EmailChanged,
];

/// Lists events, or checks the log of them.
///
/// # Errors
/// It cannot be read.
pub fn events(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    match arguments.word(0) {
        None => list(arguments, context),
        Some("verify") => verify(arguments, context),
        Some(other) => Err(CommandError::cannot_tell(format!("`events` has no command {}", shown(other)))),
    }
}

/// Lists what happened to an account, as far as it concerns how its user came in.
///
/// # Errors
/// There is no such account.
pub fn history(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let accounts = open(arguments, context)?;
    let user = accounts.user(&Which::of(arguments.word(0).unwrap_or_default()))?;
    let wanted = Wanted { user: Some(user), kinds: HISTORY.to_vec(), since: None };
    let (mut found, mut after) = (Vec::new(), String::new());
    while let Some(page) = wanted.next(&*accounts, &mut after)? {
        found.extend(page);
    }
    let text = table(&found, true).text(Style::of(context));
    show(arguments, context, &json!({ "events": found }), &text);
    Ok(EXIT_DONE)
}

/// Which events are listed.
struct Wanted {
    user: Option<Value>,
    kinds: Vec<EventKind>,
    since: Option<Timestamp>,
}

impl Wanted {
    fn of(arguments: &Arguments, accounts: &dyn Accounts) -> Result<Self, CommandError> {
        // Of an account that was deleted, its number and its events are left.
        let user = |text: &str| match Which::of(text) {
            Which::Number(user_id) => Ok(json!({ "user_id": user_id })),
            which @ Which::Email(_) => accounts.user(&which),
        };
        let user = arguments.option("user").map(user).transpose()?;
        let kind = |name: &str| {
            let names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
            let wrong = || {
                CommandError::cannot_tell(format!(
                    "--kind: there is no {}; there are {}",
                    shown(name),
                    names.join(", ")
                ))
            };
            EventKind::of_name(name).ok_or_else(wrong)
        };
        let time = |text: &str| {
            let wrong = || {
                CommandError::cannot_tell(format!(
                    "--since: {} is no time such as 2030-01-31 or 2030-01-31T12:00:00Z",
                    shown(text)
                ))
            };
            let written = text.strip_suffix('Z').unwrap_or(text);
            let whole_day = || Timestamp::parse(&format!("{written}T00:00:00"));
            Timestamp::parse(written).or_else(whole_day).ok_or_else(wrong)
        };
        Ok(Self {
            user,
            kinds: arguments.option("kind").map(kind).transpose()?.into_iter().collect(),
            since: arguments.option("since").map(time).transpose()?,
        })
    }

    /// Those of the next events that are wanted, and any that cannot be read; nothing at the end of the log.
    fn next(&self, accounts: &dyn Accounts, after: &mut String) -> Result<Option<Vec<Value>>, CommandError> {
        let Some(mut page) = accounts.events(self.user.as_ref(), after)? else { return Ok(None) };
        page.retain(|event| {
            let at = event["at"].as_str().and_then(Timestamp::parse);
            is_unreadable(event)
                || (self.since.is_none_or(|since| at.is_none_or(|at| at >= since))
                    && (self.kinds.is_empty() || self.kinds.iter().any(|kind| event["kind"] == kind.name())))
        });
        Ok(Some(page))
    }
}

fn list(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let accounts = open(arguments, context)?;
    let wanted = Wanted::of(arguments, &*accounts)?;
    let follows = arguments.has("follow");
    let as_json = arguments.has(JSON.name);
    let (mut after, mut has_heading) = (String::new(), false);
    if as_json && !follows {
        let mut all = Vec::new();
        while let Some(page) = wanted.next(&*accounts, &mut after)? {
            all.extend(page);
        }
        show(arguments, context, &json!({ "events": all }), "");
        return Ok(EXIT_DONE);
    }
    loop {
        while let Some(page) = wanted.next(&*accounts, &mut after)? {
            let text = if as_json {
                let lines: Vec<_> = page.iter().map(Value::to_string).collect();
                lines.iter().flat_map(|line| [ascii_escaped(line), "\n".into()]).collect()
            } else {
                table(&page, !has_heading).text(Style::of(context))
            };
            has_heading = true;
            let output = &mut *context.streams.output;
            if output.write_all(text.as_bytes()).and_then(|()| output.flush()).is_err() {
                // Whoever read this has left.
                return Ok(EXIT_DONE);
            }
        }
        if !follows {
            return Ok(EXIT_DONE);
        }
        pause(LOOK_EVERY);
    }
}

fn verify(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let local = open_local(arguments, context)?;
    let (status, document, text) = match local.verify_events()? {
        Verified::Sound(first, last, origins) => {
            let is_empty = first.seq == last.seq;
            let document = json!({
                "sound": true, "first": (!is_empty).then_some(first.seq + 1), "last": last.seq,
                "hash": last.hash.to_string(), "origins_erased": origins.erased,
                "origins_uncovered": origins.uncovered,
            });
            (EXIT_DONE, document, sound(first, last, origins))
        }
        Verified::OriginAltered(seq) => (
            EXIT_FAILED,
            json!({ "sound": false, "altered": seq, "part": "origin" }),
            format!("the network, request ID or operator of event {seq} is not what was written down\n"),
        ),
        Verified::Altered(seq) => (
            EXIT_FAILED,
            json!({ "sound": false, "altered": seq }),
            format!("event {seq} is not what was written down\n"),
        ),
        Verified::Missing(seq) => {
            (EXIT_FAILED, json!({ "sound": false, "missing": seq }), format!("event {seq} is gone\n"))
        }
    };
    show(arguments, context, &document, &text);
    Ok(status)
}

/// What is said of a log that is what was written down.
fn sound(first: Link, last: Link, origins: Origins) -> String {
    let text = match (first.seq == last.seq, last.seq) {
        (true, 0) => "sound: there are no events yet\n".to_owned(),
        (true, seq) => {
            format!("sound: no event is kept; the last one was {seq}, with the hash {}\n", last.hash)
        }
        (false, seq) => {
            format!("sound: events {} to {seq}, the last with the hash {}\n", first.seq + 1, last.hash)
        }
    };
    let uncheckable = [
        (origins.erased, "gone, with users who were deleted since"),
        (origins.uncovered, "not covered by the chain: an earlier version wrote those events"),
    ];
    let uncheckable = uncheckable.into_iter().filter(|(count, _)| *count > 0);
    let lines = uncheckable
        .map(|(count, what)| format!("network, request ID and operator of {count} events are {what}\n"));
    std::iter::once(text).chain(lines).collect()
}

fn is_unreadable(event: &Value) -> bool {
    event["unreadable"] == true
}

fn table(events: &[Value], has_heading: bool) -> Table {
    let columns = ["NUMBER", "TIME", "KIND", "USER", "BY", "WHAT", "NETWORK", "REQUEST"];
    let mut table = if has_heading { Table::new(&columns) } else { Table::of_pairs() };
    for event in events {
        if is_unreadable(event) {
            let kind = Cell::new("(unreadable)").painted(Paint::Red);
            let mut row: Vec<Cell> = vec![event["number"].to_string().into(), Cell::new(""), kind];
            row.resize_with(columns.len(), || Cell::new(""));
            table.add(row);
            continue;
        }
        let text = |key: &str| event[key].as_str().unwrap_or_default();
        let number = |key: &str| event[key].as_i64().map(|number| number.to_string()).unwrap_or_default();
        let by = match (event["operator"].as_str(), event["actor_id"].as_i64()) {
            (Some(operator), _) => format!("{} {operator}", text("actor")),
            (None, Some(actor)) => format!("{} of {actor}", text("actor")),
            (None, None) => text("actor").to_owned(),
        };
        let what: Vec<_> =
            [text("object"), text("detail")].into_iter().filter(|part| !part.is_empty()).collect();
        let kind = Cell::new(text("kind"));
        table.add(vec![
            event["number"].to_string().into(),
            second(&event["at"]).into(),
            if is_failure(text("kind")) { kind.painted(Paint::Yellow) } else { kind },
            number("user_id").into(),
            by.into(),
            what.join(" ").into(),
            Cell::new(text("network")),
            Cell::new(text("request_id")),
        ]);
    }
    table
}

fn is_failure(kind: &str) -> bool {
    [EventKind::LoginFailed, EventKind::CodeFailed].iter().any(|failure| failure.name() == kind)
}
