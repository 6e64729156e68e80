//! The commands as a page of a manual and as a page of the documentation, made from the table, so that neither can fall
//! behind.

use super::command::{Action, Arguments, Command, CommandError, Context, EXIT_DONE};
use super::form::wanted_form;
use crate::config::arguments::{OptionRow, SOURCE_OPTIONS};
use std::fmt::Write as _;

const ABOUT: &str = "\
An option is written --name=value or --name value, before or after the command. Every setting is one, and also a \
variable; authnzerver settings lists them.";
const STATUS: &str = "\
0 when it is done, 1 when it is refused, not found or not well, and 2 when the command line makes no sense or nothing could \
be found out. A server that cannot start, and a setup that cannot make something, end with 1.";

/// Writes the page.
///
/// # Errors
/// A form that there is not.
pub fn man(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let page = wanted_form::<fn(&'static [Command]) -> String>(arguments, roff, &[("markdown", markdown)])?;
    let page = page(context.commands);
    context.streams.print(&page);
    Ok(EXIT_DONE)
}

/// The commands that do something, each with its path.
pub(super) fn all(commands: &'static [Command], above: &str) -> Vec<(String, &'static Command)> {
    let mut found = Vec::new();
    for command in commands {
        let path = format!("{above}{}", command.name);
        match command.action {
            Action::Run(_) => found.push((path, command)),
            Action::Commands(below) => found.extend(all(below, &format!("{path} "))),
        }
    }
    found
}

/// What is said about groups of commands, with the names of those that it is said about.
fn groups(commands: &'static [Command]) -> Vec<(String, &'static str)> {
    let mut found: Vec<(String, &'static str)> = Vec::new();
    for command in commands.iter().filter(|command| matches!(command.action, Action::Commands(_))) {
        match found.iter_mut().find(|(_, help)| *help == command.help) {
            Some((names, _)) => names.extend([", ", command.name]),
            None => found.push((command.name.to_owned(), command.help)),
        }
    }
    found.retain(|(_, help)| !help.is_empty());
    found
}

fn roff(commands: &'static [Command]) -> String {
    let mut page = String::from(
        ".TH AUTHNZERVER 1\n.SH NAME\nauthnzerver \\- authentication and authorization server\n",
    );
    add(
        &mut page,
        format_args!(
            ".SH SYNOPSIS\n.B authnzerver\n[COMMAND] [OPTION...]\n.SH DESCRIPTION\n{}",
            lines(ABOUT)
        ),
    );
    page.push_str(".SH COMMANDS\n");
    for (path, command) in all(commands, "") {
        add(
            &mut page,
            format_args!(".SS {}\n{}.", lines(&usage(command, &path)), lines(&sentence(command.summary))),
        );
        if !command.help.is_empty() {
            add(&mut page, format_args!(".PP\n{}", lines(command.help.trim_end())));
        }
        for option in command.options {
            roff_option(&mut page, option);
        }
    }
    for (names, help) in groups(commands) {
        add(&mut page, format_args!(".SS {names}\n{}", lines(help.trim_end())));
    }
    page.push_str(".SH OPTIONS\n");
    for option in SOURCE_OPTIONS.iter().chain(commands.iter().filter_map(|command| command.alias.as_ref())) {
        roff_option(&mut page, option);
    }
    add(&mut page, format_args!(".SH EXIT STATUS\n{}", lines(STATUS)));
    page
}

fn roff_option(page: &mut String, option: &OptionRow) {
    let name = format!("--{}{}", option.name, option.value);
    add(page, format_args!(".TP\n.B {}\n{}", lines(&name), lines(option.description)));
}

/// A text as roff takes it: no line of it is a command, and no hyphen is anything but one.
fn lines(text: &str) -> String {
    let line = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-").replace('…', "...");
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

const MARKDOWN_HEAD: &str = "\
# Commands

This page is written by `authnzerver man markdown`.

";

fn markdown(commands: &'static [Command]) -> String {
    let mut page = String::from(MARKDOWN_HEAD);
    add(&mut page, format_args!("{}\n\nThe exit status is {}\n", wrapped(ABOUT), wrapped_after(STATUS, 19)));
    page.push_str("| command | what it does |\n| --- | --- |\n");
    for (path, command) in all(commands, "") {
        add(&mut page, format_args!("| `{}` | {} |", path, cell(command.summary)));
    }
    for (path, command) in all(commands, "") {
        add(
            &mut page,
            format_args!("\n## {path}\n\n    {}\n\n{}.", usage(command, &path), sentence(command.summary)),
        );
        if !command.help.is_empty() {
            add(&mut page, format_args!("\n{}", command.help.trim_end()));
        }
        if !command.options.is_empty() {
            page.push_str("\n| option | |\n| --- | --- |\n");
        }
        for option in command.options {
            add(
                &mut page,
                format_args!("| `--{}{}` | {} |", option.name, cell(option.value), cell(option.description)),
            );
        }
    }
    for (names, help) in groups(commands) {
        add(&mut page, format_args!("\n## All of {names}\n\n{}", help.trim_end()));
    }
    page
}

fn usage(command: &Command, path: &str) -> String {
    command.usage(path)
}

/// The text within a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

const LINE_CHARACTERS_MAX: usize = 118;

fn wrapped(text: &str) -> String {
    wrapped_after(text, 0)
}

/// The text in lines, the first of which has `taken` characters already.
fn wrapped_after(text: &str, taken: usize) -> String {
    let (mut wrapped, mut length) = (String::new(), taken);
    for word in text.split_whitespace() {
        let count = word.chars().count();
        if !wrapped.is_empty() && length + 1 + count > LINE_CHARACTERS_MAX {
            wrapped.push('\n');
            length = 0;
        } else if !wrapped.is_empty() {
            wrapped.push(' ');
            length += 1;
        }
        wrapped.push_str(word);
        length += count;
    }
    wrapped
}

fn add(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("a String takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::table::COMMANDS;

    #[test]
    fn the_page_about_commands_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md");
        let page = std::fs::read_to_string(path).expect("the page exists");
        assert!(page == markdown(COMMANDS), "write it anew: make docs");
    }

    #[test]
    fn every_command_and_option_is_on_both_pages() {
        let (roff, markdown) = (roff(COMMANDS), markdown(COMMANDS));
        for (path, command) in all(COMMANDS, "") {
            assert!(markdown.contains(&format!("## {path}\n")), "{path}");
            assert!(roff.contains(&lines(&usage(command, &path))), "{path}");
            for option in command.options {
                assert!(roff.contains(&lines(&format!("--{}", option.name))), "{}", option.name);
                assert!(markdown.contains(&format!("`--{}", option.name)), "{}", option.name);
            }
        }
    }

    #[test]
    fn no_text_is_a_command_of_roff() {
        assert_eq!(lines(".env\n'quoted' a-b \\c"), "\\&.env\n\\&'quoted' a\\-b \\ec");
        let known = [".TH", ".SH", ".SS", ".B", ".TP", ".PP"];
        for line in roff(COMMANDS).lines().filter(|line| line.starts_with(['.', '\''])) {
            assert!(known.iter().any(|macro_name| line.starts_with(macro_name)), "{line}");
        }
    }
}
