//! `authnzerver settings`: every setting, from the table that defines them all, so that the text cannot fall behind.

use super::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_FAILED};
use super::form::wanted_form;
use super::output::{Cell, JSON, Paint, Style, Table, show, show_document};
use crate::config::{self, SETTINGS, Setting};
use crate::server::check::try_out;
use crate::server::process::Process;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Lists all settings, in the order of the table.
///
/// # Errors
/// A form that there is not.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    if arguments.word(0) == Some("check") {
        return Ok(check(arguments, context));
    }
    if arguments.word(0).is_none() && arguments.has(JSON.name) {
        show_document(context, &document());
        return Ok(EXIT_DONE);
    }
    let list = wanted_form::<fn() -> String>(arguments, columns, &[("markdown", markdown)])?;
    context.streams.print(&list());
    Ok(EXIT_DONE)
}

fn document() -> Value {
    let settings = SETTINGS.iter().map(|setting| {
        json!({
            "name": setting.name, "variables": setting.variables().collect::<Vec<_>>(),
            "default": setting.default, "description": setting.description(),
        })
    });
    json!({ "settings": settings.collect::<Vec<_>>() })
}

/// Reads everything as a start would, and tells what would stop it or be warned of.
fn check(arguments: &Arguments, context: &mut Context<'_, '_>) -> u8 {
    let (invocation, environment) = (&arguments.invocation, context.environment);
    let mut warnings: Vec<_> = invocation.warnings.iter().map(ToString::to_string).collect();
    let loaded = config::load_as_a_start_would(invocation, environment, context.parts.rng);
    let problems = match loaded {
        Err(problems) => problems.into(),
        Ok(loaded) => {
            warnings.extend(loaded.warnings.into_iter().map(String::from));
            let outlook = try_out(&loaded.config, &Process::new(environment));
            warnings.extend(outlook.warnings);
            outlook.problems
        }
    };
    let (style, is_good) = (Style::of(context), problems.is_empty());
    let mut table = Table::of_pairs();
    for problem in &problems {
        table.add(vec![Cell::new("problem").painted(Paint::Red), Cell::whole(problem)]);
    }
    for warning in &warnings {
        table.add(vec![Cell::new("warning").painted(Paint::Yellow), Cell::whole(warning)]);
    }
    if is_good {
        table.add(vec![
            Cell::new("ok").painted(Paint::Green),
            Cell::new("a server can start with these settings"),
        ]);
    }
    let document = json!({ "ok": is_good, "problems": problems, "warnings": warnings });
    show(arguments, context, &document, &table.text(style));
    if is_good { EXIT_DONE } else { EXIT_FAILED }
}

fn columns() -> String {
    let mut text = String::new();
    row(&mut text, format_args!("{:<18} {:<34} DEFAULT", "OPTION", "VARIABLE"));
    for setting in SETTINGS {
        let default = match setting.default {
            None => "(required)",
            Some("") => "(none)",
            Some(default) => default,
        };
        row(&mut text, format_args!("{:<18} {:<34} {default}", options(setting, ""), variables(setting, "")));
        row(&mut text, format_args!("    {}", setting.description()));
    }
    text
}

const MARKDOWN_HEAD: &str = "\
# Settings

This page is written by `authnzerver settings markdown`.

A setting is looked up in this order, and a blank value counts as none:

1. its variable, in the file of `--envfile` if that option is given, otherwise in the environment;
2. its option, `--name=value` or `--name value`;
3. a systemd credential of its name, which for a setting that names a file is itself the file;
4. its default.

A file of rules given by `--confvars=FILE.json` can change variables, option and default of single settings, and have
their values fetched from a file or over HTTP: see [confvars.md](confvars.md).

In the environment, quotes around a value and a carriage return at its end do not count.

A file of variables holds `NAME=value` lines; lines that begin with `#` or `;` are comments, `%%` stands for `%`,
and a value may stand in quotes. In paths, `[[basedir]]` stands for the base directory and `[[homedir]]` for `HOME`.

With `--basedir` on the command line, what is required and given nowhere comes from that directory: from the `.env` in
it, or else from the server's own database, key and salt there, which a start makes if they are missing.

`authnzerver call` and `authnzerver health` ask the server at `AUTHNZERVER_URL`, if that is set, and otherwise where its
settings place it.

The first administrator of a new database is taken from `AUTHNZERVER_ADMIN_EMAIL` and `AUTHNZERVER_ADMIN_PASSWORD`.
Without a password a random one is made; it lies in `.authnzerver-admin-credentials` in the base directory.

| option | variable | default | description |
| --- | --- | --- | --- |
";

fn markdown() -> String {
    let mut text = String::from(MARKDOWN_HEAD);
    for setting in SETTINGS {
        let default = match setting.default {
            None => "**required**".into(),
            Some("") => String::new(),
            Some(default) => format!("`{default}`"),
        };
        let (options, variables) = (options(setting, "`"), variables(setting, "`"));
        row(&mut text, format_args!("| {options} | {variables} | {default} | {} |", setting.description()));
    }
    text
}

fn options(setting: &Setting, quote: &str) -> String {
    let names: Vec<String> = [Some(setting.name), setting.other_option]
        .into_iter()
        .flatten()
        .map(|name| format!("{quote}--{name}{quote}"))
        .collect();
    names.join(", ")
}

fn variables(setting: &Setting, quote: &str) -> String {
    let names: Vec<String> = setting.variables().map(|name| format!("{quote}{name}{quote}")).collect();
    names.join(", ")
}

fn row(text: &mut String, row: std::fmt::Arguments<'_>) {
    writeln!(text, "{row}").expect("a String takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_about_settings_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
        let page = std::fs::read_to_string(path).expect("the page exists");
        assert!(page == markdown(), "write it anew: authnzerver settings markdown > docs/settings.md");
    }

    #[test]
    fn every_setting_is_listed() {
        let (columns, markdown) = (columns(), markdown());
        for setting in SETTINGS {
            assert!(columns.contains(&setting.variable()) && markdown.contains(&setting.variable()));
            assert!(!setting.description().contains('|') && !setting.description().is_empty());
        }
        assert!(columns.contains("--loglevel, --logging AUTHNZERVER_LOGLEVEL"), "{columns}");
    }
}
