//! `authnzerver health`: asks a running server how it is.

use super::client::{fetch, url};
use super::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_FAILED};
use super::output::{Cell, Paint, Style, Table, show};
use crate::config::{self, Trust};
use crate::json::{self, Limits};
use serde_json::Value;

/// What a server answers whom it has answered too often within a minute.
const TOO_MANY_REQUESTS: u16 = 429;

/// How a server says that it is.
pub(super) struct Health {
    pub(super) is_well: bool,
    /// All that it says.
    pub(super) told: Value,
}

/// Why a server did not say how it is. One line each.
pub(super) enum NoHealth {
    /// Nothing answers there.
    Unreachable(String),
    /// It has answered too often within a minute.
    AskedTooOften(String),
    /// What answers is no server of ours.
    Foreign(String),
}

/// Asks the server at this URL how it is.
pub(super) fn ask(url: &str, trust: &Trust) -> Result<Health, NoHealth> {
    let url = format!("{}/health", url.trim_end_matches('/'));
    let page = fetch(&url, trust, None).map_err(NoHealth::Unreachable)?;
    if page.status == TOO_MANY_REQUESTS {
        let problem = "was asked too often from here and did not say how it is; try again in a minute";
        return Err(NoHealth::AskedTooOften(format!("{url} {problem}")));
    }
    let told = std::str::from_utf8(&page.body).ok().and_then(|text| json::read(text, &Limits::ANSWER).ok());
    let Some(told) = told.filter(|told| told["Health-Ok"].is_boolean()) else {
        let problem = format!("{url} answered {}, and not with a server's health", page.status);
        return Err(NoHealth::Foreign(problem));
    };
    Ok(Health { is_well: page.status == 200 && told["Health-Ok"] == true, told })
}

/// Asks for `/health`; the exit status says whether all is well.
///
/// # Errors
/// There is no answer.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let place = config::find_server(&arguments.invocation, context.environment, url(arguments));
    let (url, trust) = place.map_err(CommandError::usage)?;
    let Health { is_well, told } = ask(&url, &trust).map_err(|why| match why {
        NoHealth::Unreachable(why) | NoHealth::AskedTooOften(why) | NoHealth::Foreign(why) => {
            CommandError::cannot_tell(why)
        }
    })?;
    let mut table = Table::of_pairs();
    table.pair(
        "health",
        if is_well {
            Cell::new("ok").painted(Paint::Green)
        } else {
            Cell::new(told["Cause"].as_str().unwrap_or("not ok")).painted(Paint::Red)
        },
    );
    for (key, name) in [("Version", "version"), ("Uptime", "seconds up"), ("Expected-Workers", "workers")] {
        table.pair(name, told[key].as_str().map_or_else(|| told[key].to_string(), str::to_owned));
    }
    table.pair("last backup", told["Last-Backup"].as_str().map_or_else(|| "none".to_owned(), str::to_owned));
    let text = table.text(Style::of(context));
    show(arguments, context, &told, &text);
    Ok(if is_well { EXIT_DONE } else { EXIT_FAILED })
}
