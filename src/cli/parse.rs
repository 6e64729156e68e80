//! Finds the command that a command line means, and sorts words and options into what it takes.

use super::command::{Action, Arguments, Command, find};
use crate::config::arguments::{CommandLine, OptionRow};
use crate::config::{Invocation, Problems};
use std::collections::BTreeMap;
use std::ffi::OsString;

/// A command, and what was typed for it.
pub struct Parsed {
    /// Its row.
    pub command: &'static Command,
    /// What else was typed.
    pub arguments: Arguments,
}

/// A command, its name behind those of the commands that it belongs to, and the words that follow.
struct Chosen {
    command: &'static Command,
    path: String,
    words: Vec<String>,
    /// Whether options of other commands are passed over: help is asked for behind a whole command.
    is_aside: bool,
}

/// Reads the arguments that follow the program's name. Without a command, `default` is meant.
///
/// # Errors
/// Everything that cannot be understood, at once.
pub fn parse(
    arguments: &[OsString],
    commands: &'static [Command],
    default: &'static str,
) -> Result<Parsed, Vec<String>> {
    let owned = options(commands, "");
    let rows: Vec<&'static OptionRow> = owned.values().map(|(row, _)| *row).collect();
    let mut unknown = Problems::default();
    let mut line = CommandLine::read(arguments, &rows, &mut unknown);
    let mut problems = Vec::from(unknown);
    let Some(Chosen { command, path, words, is_aside }) = choose(&mut line, commands, default, &mut problems)
    else {
        return Err(problems);
    };
    if !command.takes_words(words.len()) {
        problems.push(format!("usage: {}", command.usage(&path)));
    }
    let mut own = BTreeMap::new();
    for (row, owners) in owned.into_values() {
        let Some(value) = take(&mut line, row, &mut problems) else { continue };
        if owners.contains(&path) {
            own.insert(row.name, value);
        } else if let ([owner], false) = (owners.as_slice(), is_aside) {
            problems.push(format!("--{} belongs to `{owner}`", row.name));
        } else if !is_aside {
            problems.push(format!("--{} does not belong to `{path}`", row.name));
        }
    }
    let mut misplaced = Problems::default();
    let invocation = Invocation::take(&mut line, &mut misplaced);
    problems.extend(Vec::from(misplaced));
    for name in invocation.names().filter(|_| !command.takes_settings) {
        problems.push(format!("--{name} does not belong to `{path}`"));
    }
    let parsed = Parsed { command, arguments: Arguments { words, options: own, invocation } };
    if problems.is_empty() { Ok(parsed) } else { Err(problems) }
}

/// The options of all commands by name, each with the paths of the commands that have it. Those of one name take the same.
fn options(
    commands: &'static [Command],
    above: &str,
) -> BTreeMap<&'static str, (&'static OptionRow, Vec<String>)> {
    let mut all: BTreeMap<&'static str, (&'static OptionRow, Vec<String>)> = BTreeMap::new();
    let mut add = |row: &'static OptionRow, owners: Vec<String>| {
        all.entry(row.name).or_insert_with(|| (row, Vec::new())).1.extend(owners);
    };
    for command in commands {
        let path = format!("{above}{}", command.name);
        command.options.iter().chain(&command.alias).for_each(|row| add(row, vec![path.clone()]));
        if let Action::Commands(below) = command.action {
            for (row, owners) in options(below, &format!("{path} ")).into_values() {
                add(row, owners);
            }
        }
    }
    all
}

/// An option's value; for one that stands alone, an empty one.
fn take(line: &mut CommandLine, row: &OptionRow, problems: &mut Vec<String>) -> Option<String> {
    if row.is_flag() {
        let value = line.take_flag(row.name)?;
        if !value.is_empty() && row.value.is_empty() {
            problems.push(format!("--{} stands alone", row.name));
        }
        Some(value)
    } else {
        line.take_as_typed(row.name)
    }
}

fn choose(
    line: &mut CommandLine,
    commands: &'static [Command],
    default: &'static str,
    problems: &mut Vec<String>,
) -> Option<Chosen> {
    let mut words = std::mem::take(&mut line.words);
    let mut by_alias: Vec<(&'static Command, Vec<String>)> = Vec::new();
    for command in commands {
        if let Some(value) = command.alias.and_then(|row| take(line, &row, problems)) {
            by_alias.push((command, Some(value).filter(|value| !value.is_empty()).into_iter().collect()));
        }
    }
    // A command's help is asked for behind it, and whatever else is typed there; the version is, too.
    if let Some(at) = by_alias.iter().position(|(command, _)| command.name == "help") {
        let (help, _) = by_alias.swap_remove(at);
        if words.is_empty() {
            words.extend(by_alias.first().map(|(command, _)| command.name.to_owned()));
        }
        return Some(Chosen {
            command: help,
            path: help.name.to_owned(),
            words: path_of(commands, words),
            is_aside: true,
        });
    }
    if let Some((version, _)) = by_alias.iter().find(|(command, _)| command.name == "version") {
        return Some(Chosen {
            command: version,
            path: version.name.to_owned(),
            words: Vec::new(),
            is_aside: true,
        });
    }
    match by_alias.pop() {
        None => {}
        Some((command, value)) => {
            let alias = command.alias.map_or("", |row| row.name);
            let is_alone = words.iter().all(|word| word == default || word == command.name);
            if !by_alias.is_empty() || !is_alone {
                problems.push(format!("--{alias} goes with no command"));
            }
            return Some(Chosen { command, path: command.name.to_owned(), words: value, is_aside: false });
        }
    }
    let mut words = words.into_iter();
    let mut word = words.next().unwrap_or_else(|| default.to_owned());
    let (mut commands, mut path) = (commands, String::new());
    loop {
        let command = match find(commands, &path, &word) {
            Ok(command) => command,
            Err(problem) => {
                // After an option that is not known, the word may be its value, and a secret.
                if problems.is_empty() {
                    problems.push(problem);
                }
                return None;
            }
        };
        path = if path.is_empty() { word } else { format!("{path} {word}") };
        let Action::Commands(below) = command.action else {
            return Some(Chosen { command, path, words: words.collect(), is_aside: false });
        };
        let Some(next) = words.next() else {
            problems.push(format!("usage: {}", command.usage(&path)));
            return None;
        };
        (commands, word) = (below, next);
    }
}

/// The words as far as they name commands; all of them if not even the first does.
fn path_of(mut commands: &'static [Command], words: Vec<String>) -> Vec<String> {
    let mut count = 0;
    for word in &words {
        let Ok(command) = find(commands, "", word) else { break };
        count += 1;
        commands = if let Action::Commands(below) = command.action { below } else { &[] };
    }
    if count == 0 { words } else { words.into_iter().take(count).collect() }
}
