//! What a command is: a row of the table, and what it is run with.

use super::streams::Streams;
use crate::accounts::first_users::Initialised;
use crate::app::App;
use crate::clock::Clock;
use crate::config::arguments::OptionRow;
use crate::config::{Environment, Invocation, Startup, closest, shown};
use crate::problem::Problem;
use crate::rng::Rng;
use crate::server::database::FirstAdmin;
use crate::server::lifecycle::End;
use crate::server::process::Process;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The exit status when all went well.
pub const EXIT_DONE: u8 = 0;
/// The exit status when it did not.
pub const EXIT_FAILED: u8 = 1;
/// The exit status when the command line was wrong, or a command that answers yes or no could not find out.
pub const EXIT_USAGE: u8 = 2;

/// A row of the table of commands.
pub struct Command {
    /// The word that it goes by.
    pub name: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// What else its users should know; whole lines.
    pub help: &'static str,
    /// The words that follow its name.
    pub words: &'static [Word],
    /// Its own options.
    pub options: &'static [OptionRow],
    /// An option that stands for it, the value for its first word: `--schema=markdown` for `schema markdown`.
    pub alias: Option<OptionRow>,
    /// Whether settings may be given, and where they come from.
    pub takes_settings: bool,
    /// What happens.
    pub action: Action,
}

/// What runs a command.
pub type Run = fn(&Arguments, &mut Context<'_, '_>) -> Result<u8, CommandError>;

/// What a command does.
pub enum Action {
    /// This, with the exit status as its result.
    Run(Run),
    /// One of these, which the next word names.
    Commands(&'static [Command]),
}

/// A word that follows a command's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It must be there.
    Required(&'static str),
    /// It may be there.
    Optional(&'static str),
    /// Any number of them may be there.
    Repeated(&'static str),
}

/// What was typed beside the command's name.
pub struct Arguments {
    /// The words that follow it, as many as its row allows.
    pub words: Vec<String>,
    /// Its own options that are given. For those that stand alone the value is empty.
    pub options: BTreeMap<&'static str, String>,
    /// Settings, and where they come from.
    pub invocation: Invocation,
}

impl Arguments {
    /// The word at this place.
    #[must_use]
    pub fn word(&self, place: usize) -> Option<&str> {
        self.words.get(place).map(String::as_str)
    }

    /// The value of an option of its own, also a blank one.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// Whether an option that stands alone is given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.options.contains_key(name)
    }
}

/// What a command can use.
pub struct Context<'a, 's> {
    /// All commands.
    pub commands: &'static [Command],
    /// What the process was started with.
    pub environment: &'a Environment,
    /// The parts of the program that it may set in motion.
    pub parts: &'a Parts<'a>,
    /// What it reads from and writes to.
    pub streams: &'a mut Streams<'s>,
}

/// The parts of the program that commands set in motion.
pub struct Parts<'a> {
    /// Tells the time.
    pub clock: &'a Arc<dyn Clock>,
    /// Makes keys and passwords.
    pub rng: &'a dyn Rng,
    /// The built-in permissions policy, as JSON.
    pub default_policy: &'a str,
    /// Makes the database and its first users.
    pub make_database: &'a MakeDatabase<'a>,
    /// Puts a server's parts together for one command on its database, which has to be there already.
    pub open: &'a dyn Fn(Startup, &Process) -> Result<App, Problem>,
    /// Runs the server until it is told to stop. The lines are what was made for this start.
    pub serve: &'a dyn Fn(Startup, &[Problem], &Process) -> End,
}

/// Makes a database at a path, with the roles of a policy file (or of the built-in policy), and the first
/// administrator; or sees that it was set up before, and leaves it as it is. An error is one line for the operator.
pub type MakeDatabase<'a> =
    dyn Fn(&Path, Option<&Path>, &FirstAdmin<'_>) -> Result<Initialised, Problem> + 'a;

/// Why a command did not do its work.
#[derive(Debug)]
pub struct CommandError {
    /// One line each, for whoever typed the command.
    pub problems: Vec<String>,
    /// What the process ends with.
    pub status: u8,
}

impl CommandError {
    /// The command was understood, and failed.
    #[must_use]
    pub fn failed(problems: impl Into<Vec<String>>) -> Self {
        Self { problems: problems.into(), status: EXIT_FAILED }
    }

    /// See [`EXIT_USAGE`].
    #[must_use]
    pub fn usage(problems: impl Into<Vec<String>>) -> Self {
        Self { problems: problems.into(), status: EXIT_USAGE }
    }

    /// The command was understood, and the answer is no. One line.
    #[must_use]
    pub fn refused(why: impl Into<String>) -> Self {
        Self::failed(vec![why.into()])
    }

    /// The command could not find out, or makes no sense. One line.
    #[must_use]
    pub fn cannot_tell(why: impl Into<String>) -> Self {
        Self::usage(vec![why.into()])
    }
}

impl Command {
    /// A command that runs this. It takes settings.
    #[must_use]
    pub const fn new(name: &'static str, summary: &'static str, run: Run) -> Self {
        Self::of(name, summary, true, Action::Run(run))
    }

    /// A group of commands.
    #[must_use]
    pub const fn group(name: &'static str, summary: &'static str, commands: &'static [Self]) -> Self {
        Self::of(name, summary, false, Action::Commands(commands))
    }

    const fn of(name: &'static str, summary: &'static str, takes_settings: bool, action: Action) -> Self {
        Self { name, summary, help: "", words: &[], options: &[], alias: None, takes_settings, action }
    }

    /// The same with words that follow its name.
    #[must_use]
    pub const fn words(self, words: &'static [Word]) -> Self {
        Self { words, ..self }
    }

    /// The same with options of its own.
    #[must_use]
    pub const fn options(self, options: &'static [OptionRow]) -> Self {
        Self { options, ..self }
    }

    /// The same with more to say about it.
    #[must_use]
    pub const fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }

    /// The same without settings.
    #[must_use]
    pub const fn without_settings(self) -> Self {
        Self { takes_settings: false, ..self }
    }

    /// How it is called; `path` is its name behind those of the commands that it belongs to.
    #[must_use]
    pub fn usage(&self, path: &str) -> String {
        let mut usage = format!("authnzerver {path}");
        if let Action::Commands(commands) = self.action {
            let names: Vec<&str> = commands.iter().map(|command| command.name).collect();
            usage = format!("{usage} {{{}}}", names.join("|"));
        }
        for word in self.words {
            usage = match word {
                Word::Required(name) => format!("{usage} {name}"),
                Word::Optional(name) => format!("{usage} [{name}]"),
                Word::Repeated(name) => format!("{usage} [{name}…]"),
            };
        }
        if self.takes_settings || !self.options.is_empty() { usage + " [OPTION…]" } else { usage }
    }

    /// Whether so many words may follow its name.
    #[must_use]
    pub fn takes_words(&self, count: usize) -> bool {
        let least = self.words.iter().filter(|word| matches!(word, Word::Required(_))).count();
        let is_endless = self.words.iter().any(|word| matches!(word, Word::Repeated(_)));
        count >= least && (is_endless || count <= self.words.len())
    }
}

/// The command that goes by this word among those of `group`, which is empty for all commands.
///
/// # Errors
/// That there is none, and which one was probably meant.
pub fn find(commands: &'static [Command], group: &str, word: &str) -> Result<&'static Command, String> {
    commands.iter().find(|command| command.name == word).ok_or_else(|| {
        let path = |name: &str| format!("{group} {name}").trim_start().to_owned();
        let hint = match closest(word, commands.iter().map(|command| command.name)) {
            Some(near) => format!("; perhaps {}?", path(near)),
            None => format!(" (see `{}`)", format!("authnzerver help {group}").trim_end()),
        };
        format!("{} is not a command{hint}", shown(&path(word)))
    })
}
