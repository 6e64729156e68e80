//! Runs what the command line asks for: one of the commands of the table.
//!
//! | file | does |
//! | --- | --- |
//! | `table.rs` | lists the commands |
//! | `command.rs` | says what a command is, and what it is run with |
//! | `parse.rs` | finds the one that is meant |
//! | `streams.rs` | reads and writes for it |
//! | the others | are commands |

pub(crate) mod accounts;
pub(crate) mod ask;
pub(crate) mod backup;
pub(crate) mod calibrate;
pub(crate) mod call;
pub(crate) mod client;
pub mod command;
pub(crate) mod completions;
mod copy;
pub(crate) mod db;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod form;
pub(crate) mod health;
pub(crate) mod help;
pub(crate) mod issued;
pub(crate) mod load;
pub(crate) mod mail;
pub(crate) mod operator;
pub(crate) mod output;
pub(crate) mod pages;
pub(crate) mod parse;
pub(crate) mod policy;
pub(crate) mod pwned;
pub(crate) mod restore;
pub mod schema;
pub(crate) mod secret;
pub(crate) mod serve;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod stats;
pub(crate) mod streams;
pub(crate) mod table;
mod terminal;
pub(crate) mod user;

use crate::config::Environment;
use command::{Action, CommandError, Context, EXIT_DONE, EXIT_FAILED, Parts};
use parse::{Parsed, parse};
use signal_hook::consts::signal::SIGXFSZ;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use streams::Streams;
use table::{COMMANDS, DEFAULT};
use terminal::ForTerminal;

/// Runs the command that this process was started for, and gives the exit status.
#[must_use]
pub fn run_here(parts: &Parts<'_>) -> u8 {
    // A file that may not grow any more is a failed write like others, not the end. Where no handler can be put in place,
    // nothing is worse than it was.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    // Standard output is not locked: the server's threads may print, too, and would wait forever.
    let (stdin, mut stdout, mut stderr) = (io::stdin(), io::stdout(), io::stderr());
    let (mut shown, mut shown_errors) = (ForTerminal::new(io::stdout()), ForTerminal::new(io::stderr()));
    let mut streams = Streams {
        input_is_terminal: stdin.is_terminal(),
        input: &mut stdin.lock(),
        read_hidden: &rpassword::read_password,
        output_is_terminal: stdout.is_terminal(),
        output: if stdout.is_terminal() { &mut shown } else { &mut stdout },
        errors: if stderr.is_terminal() { &mut shown_errors } else { &mut stderr },
        output_failed: false,
    };
    match Environment::of_this_process() {
        Ok(environment) => run(&environment, parts, &mut streams),
        Err(error) => refuse(&CommandError::refused(format!("the current directory: {error}")), &mut streams),
    }
}

/// Runs one command to its end and gives the exit status.
pub fn run(environment: &Environment, parts: &Parts<'_>, streams: &mut Streams<'_>) -> u8 {
    let done = parse(&environment.arguments, COMMANDS, DEFAULT).map_err(CommandError::usage).and_then(
        |Parsed { command, arguments }| match command.action {
            Action::Run(run) => {
                run(&arguments, &mut Context { commands: COMMANDS, environment, parts, streams })
            }
            // Parsing goes on to one that runs.
            Action::Commands(_) => Ok(EXIT_FAILED),
        },
    );
    let status = done.unwrap_or_else(|error| refuse(&error, streams));
    if status == EXIT_DONE && streams.output_failed { EXIT_FAILED } else { status }
}

fn refuse(error: &CommandError, streams: &mut Streams<'_>) -> u8 {
    for line in &error.problems {
        streams.warn(line);
    }
    error.status
}

#[cfg(test)]
mod tests;
