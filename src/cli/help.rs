//! What the program says about itself. Options and settings are listed from the tables that define them, so the
//! text cannot fall behind.

use crate::config::arguments::{Listing, OPTIONS};
use crate::config::{SETTINGS, Setting};
use std::fmt::Write as _;

const USAGE: &str = "\
authnzerver: an authentication and authorization server

usage: authnzerver [OPTION…]                       run the server
       authnzerver call REQUEST [JSON] [OPTION…]   ask a running server; - reads the JSON from standard input
       authnzerver --autosetup --basedir=DIRECTORY make what a server needs

An option is written --name=value or --name value. Every setting is one, and also a variable.

";

/// The short text of `--help`.
#[must_use]
pub fn usage() -> String {
    let mut text = String::from(USAGE);
    for option in OPTIONS {
        let name = format!("--{}{}", option.name, option.value);
        row(&mut text, format_args!("  {name:<26} {}", option.meaning));
    }
    text
}

/// Name and number.
#[must_use]
pub fn version() -> String {
    format!("authnzerver {}\n", env!("CARGO_PKG_VERSION"))
}

/// All settings, in the order of the table.
#[must_use]
pub fn settings(listing: Listing) -> String {
    match listing {
        Listing::Plain => columns(),
        Listing::Markdown => markdown(),
    }
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
        row(&mut text, format_args!("    {}", setting.meaning()));
    }
    text
}

const MARKDOWN_HEAD: &str = "\
# Settings

This page is written by `authnzerver --settings=markdown`.

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

With nothing but `--basedir` on the command line, and none of the required settings anywhere, the server uses the
`.env` in that directory, or else makes its database, key and salt there.

The first administrator of a new database is taken from `AUTHNZERVER_ADMIN_EMAIL` and `AUTHNZERVER_ADMIN_PASSWORD`.
Without a password a random one is made; it lies in `.authnzerver-admin-credentials` in the base directory.

| option | variable | default | meaning |
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
        row(&mut text, format_args!("| {options} | {variables} | {default} | {} |", setting.meaning()));
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
        assert!(page == markdown(), "write it anew: authnzerver --settings=markdown > docs/settings.md");
    }

    #[test]
    fn every_setting_and_option_is_listed() {
        let (columns, markdown, usage) = (columns(), markdown(), usage());
        for setting in SETTINGS {
            assert!(columns.contains(&setting.variable()) && markdown.contains(&setting.variable()));
            assert!(!setting.meaning().contains('|') && !setting.meaning().is_empty());
        }
        for option in OPTIONS {
            assert!(usage.contains(&format!("--{}", option.name)));
        }
        assert!(columns.contains("--loglevel, --logging AUTHNZERVER_LOGLEVEL"), "{columns}");
    }
}
