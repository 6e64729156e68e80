//! Runs what the command line asks for. The parts of the program that a command sets in motion are handed in as
//! [`Parts`], and so are the streams it talks through, so that a test can stand in for both.

pub mod autosetup;
pub mod call;
pub mod help;
pub mod schema;

use crate::accounts::first_users::Initialised;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::commands::pwned;
use crate::config::arguments::{Command, SchemaForm};
use crate::config::{self, Invocation, Loaded, Problems, Surroundings};
use crate::server::database::FirstAdmin;
use crate::server::lifecycle::End;
use crate::server::process::Process;
use signal_hook::consts::signal::SIGXFSZ;
use std::io::{self, BufRead, IsTerminal as _, Write};
use std::path::Path;
use std::sync::Arc;

/// The exit status when all went well.
pub const EXIT_DONE: u8 = 0;
/// The exit status when it did not.
pub const EXIT_FAILED: u8 = 1;
/// The exit status when the command line, or a call's way to the server, was at fault.
pub const EXIT_MISUSED: u8 = 2;

/// The parts of the program that commands set in motion.
pub struct Parts<'a> {
    /// Tells the time.
    pub clock: &'a dyn Clock,
    /// Makes keys and passwords.
    pub chance: &'a dyn Chance,
    /// The built-in permissions policy, as JSON.
    pub default_policy: &'a str,
    /// Makes the database and its first users.
    pub make_database: &'a MakeDatabase<'a>,
    /// Runs the server until it is told to stop. The lines are what was made for this start.
    pub serve: &'a dyn Fn(Loaded, &[String], &Process) -> End,
}

/// Makes a database at a path, with the roles of a policy file (or of the built-in policy), and the first
/// administrator; or sees that it was set up before, and leaves it as it is. An error is one line for the operator.
pub type MakeDatabase<'a> = dyn Fn(&Path, Option<&Path>, &FirstAdmin<'_>) -> Result<Initialised, String> + 'a;

/// What a command reads from and writes to.
pub struct Streams<'a> {
    /// Standard input.
    pub input: &'a mut dyn BufRead,
    /// Whether a person types it.
    pub input_is_terminal: bool,
    /// Asks the terminal for a line without showing what is typed.
    pub read_hidden: &'a dyn Fn() -> io::Result<String>,
    /// Standard output.
    pub output: &'a mut dyn Write,
    /// Whether a person reads it.
    pub output_is_terminal: bool,
    /// Standard error.
    pub errors: &'a mut dyn Write,
    /// Whether something could not be written to standard output.
    pub output_failed: bool,
}

impl Streams<'_> {
    /// Writes to standard output. A reader who has left, as `head` does, is no fault of ours; of anything else, the
    /// exit status tells.
    fn say(&mut self, text: &str) {
        let written = self.output.write_all(text.as_bytes()).and_then(|()| self.output.flush());
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.output_failed = true;
            self.complain(&format!("standard output: {error}"));
        }
    }

    /// Writes a line to standard error. If even that fails there is nobody to tell.
    fn complain(&mut self, line: &str) {
        let _ = writeln!(self.errors, "authnzerver: {line}");
    }
}

/// Runs the command that this process was started for, and gives the exit status.
pub fn run_here(parts: &Parts<'_>) -> u8 {
    // A file that may not grow any more is a failed write like others, not the end. Where no handler can be put in place,
    // nothing is worse than it was.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    // Standard output is not locked: the server's threads may print, too, and would wait for ever.
    let (stdin, mut stdout) = (io::stdin(), io::stdout());
    let mut streams = Streams {
        input_is_terminal: stdin.is_terminal(),
        input: &mut stdin.lock(),
        read_hidden: &rpassword::read_password,
        output_is_terminal: stdout.is_terminal(),
        output: &mut stdout,
        errors: &mut io::stderr(),
        output_failed: false,
    };
    match Surroundings::of_this_process() {
        Ok(surroundings) => run(&surroundings, parts, &mut streams),
        Err(error) => {
            refuse(&Problems::one(format!("the current directory: {error}")), EXIT_FAILED, &mut streams)
        }
    }
}

/// Runs one command to its end and gives the exit status.
pub fn run(surroundings: &Surroundings, parts: &Parts<'_>, streams: &mut Streams<'_>) -> u8 {
    let status = run_command(surroundings, parts, streams);
    if status == EXIT_DONE && streams.output_failed { EXIT_FAILED } else { status }
}

fn run_command(surroundings: &Surroundings, parts: &Parts<'_>, streams: &mut Streams<'_>) -> u8 {
    if let Some((_, arguments)) = surroundings.arguments.split_first().filter(|(word, _)| *word == "pwned") {
        return pwned::run(arguments, streams.input, streams.output, streams.errors);
    }
    let invocation = match Invocation::parse(&surroundings.arguments) {
        Ok(invocation) => invocation,
        Err(problems) => return refuse(&problems, EXIT_MISUSED, streams),
    };
    match &invocation.command {
        Command::Help => streams.say(&help::usage()),
        Command::Version => streams.say(&help::version()),
        Command::Settings(listing) => streams.say(&help::settings(*listing)),
        Command::Schema(SchemaForm::Json) => streams.say(&schema::json()),
        Command::Schema(SchemaForm::OpenApi) => streams.say(&schema::openapi::json()),
        Command::Schema(SchemaForm::Markdown) => streams.say(&schema::markdown()),
        Command::Autosetup => {
            return match autosetup::run(invocation.clone(), surroundings, parts, streams) {
                Ok(()) => EXIT_DONE,
                Err(problems) => refuse(&problems, EXIT_FAILED, streams),
            };
        }
        Command::Call(call) => {
            return match call::run(call, &invocation, surroundings, parts, streams) {
                Ok(true) => EXIT_DONE,
                Ok(false) => EXIT_FAILED,
                Err(problems) => refuse(&problems, EXIT_MISUSED, streams),
            };
        }
        Command::Serve => {
            return match settle(&invocation, surroundings, parts) {
                Ok((loaded, notes)) => match (parts.serve)(loaded, &notes, &Process::new(surroundings)) {
                    End::Stopped => EXIT_DONE,
                    End::Failed => EXIT_FAILED,
                },
                Err(problems) => refuse(&problems, EXIT_FAILED, streams),
            };
        }
    }
    EXIT_DONE
}

/// Reads the settings of a server, after making what a first start needs.
fn settle(
    invocation: &Invocation,
    surroundings: &Surroundings,
    parts: &Parts<'_>,
) -> Result<(Loaded, Vec<String>), Problems> {
    let notes = config::make_what_is_missing(invocation, surroundings, parts.chance)?;
    let mut loaded = config::load(invocation, surroundings)?;
    loaded.warnings.extend(invocation.warnings.iter().cloned());
    Ok((loaded, notes))
}

fn refuse(problems: &Problems, status: u8, streams: &mut Streams<'_>) -> u8 {
    for line in problems.lines() {
        streams.complain(line);
    }
    status
}

#[cfg(test)]
mod tests;
