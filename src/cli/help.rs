//! What the program says about itself. It is made from the table of commands and their options, so that the text
//! cannot fall behind.

use super::command::{Action, Arguments, Command, CommandError, Context, EXIT_DONE, find};
use crate::config::arguments::{OptionRow, SOURCE_OPTIONS};
use std::fmt::Write as _;

const OVERVIEW: &str = "\
authnzerver: an authentication and authorization server

usage: authnzerver [COMMAND] [OPTION…]

commands:
";
const ABOUT_OPTIONS: &str = "\
An option is written --name=value or --name value, before or after the command. Every setting is one, and also a
variable; `authnzerver settings` lists them.
";

/// Says how the program is used, or the command that the words name.
///
/// # Errors
/// If they name none.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let text = match arguments.words.as_slice() {
        [] => overview(context.commands),
        words => {
            let command = resolve(context.commands, words).map_err(CommandError::cannot_tell)?;
            about(command, &words.join(" "))
        }
    };
    context.streams.print(&text);
    Ok(EXIT_DONE)
}

/// Shows name and number.
///
/// # Errors
/// None.
#[expect(clippy::unnecessary_wraps, reason = "as all commands do")]
pub fn run_version(_: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    context.streams.print(&format!("authnzerver {}\n", env!("CARGO_PKG_VERSION")));
    Ok(EXIT_DONE)
}

fn resolve(commands: &'static [Command], words: &[String]) -> Result<&'static Command, String> {
    let mut below = commands;
    let mut found = None;
    for (place, word) in words.iter().enumerate() {
        let command = find(below, &words[..place].join(" "), word)?;
        below = if let Action::Commands(commands) = command.action { commands } else { &[] };
        found = Some(command);
    }
    found.ok_or_else(|| "which command?".to_owned())
}

/// All commands in brief.
fn overview(commands: &[Command]) -> String {
    let mut text = String::from(OVERVIEW);
    list(&mut text, commands);
    text.push_str("\noptions:\n");
    options(
        &mut text,
        SOURCE_OPTIONS.iter().chain(commands.iter().filter_map(|command| command.alias.as_ref())),
    );
    text.push('\n');
    text.push_str(ABOUT_OPTIONS);
    text.push_str("\n`authnzerver help COMMAND` tells more of one, or of a group of them.\n");
    text
}

/// One command in full.
fn about(command: &Command, path: &str) -> String {
    let mut text = format!("{}\n\nusage: {}\n", command.summary, command.usage(path));
    if !command.help.is_empty() {
        text.push('\n');
        text.push_str(command.help);
    }
    if let Action::Commands(commands) = command.action {
        text.push_str("\ncommands:\n");
        list(&mut text, commands);
    }
    if !command.options.is_empty() {
        text.push_str("\noptions:\n");
        options(&mut text, command.options.iter());
    }
    if command.takes_settings {
        text.push('\n');
        text.push_str(ABOUT_OPTIONS);
    }
    text
}

fn list(text: &mut String, commands: &[Command]) {
    for command in commands {
        row(text, format_args!("  {:<12} {}", command.name, command.summary));
    }
}

fn options<'a>(text: &mut String, options: impl Iterator<Item = &'a OptionRow>) {
    for option in options {
        let name = format!("--{}{}", option.name, option.value);
        row(text, format_args!("  {name:<26} {}", option.description));
    }
}

fn row(text: &mut String, row: std::fmt::Arguments<'_>) {
    writeln!(text, "{row}").expect("a String takes all that is written to it");
}
