//! `authnzerver completions`: what a shell offers when the tabulator is pressed, made from the table.

use super::command::{Action, Arguments, Command, CommandError, Context, EXIT_DONE};
use super::pages::all;
use crate::config::SETTINGS;
use crate::config::arguments::{OptionRow, SOURCE_OPTIONS};
use crate::config::shown;
use std::fmt::Write as _;

/// Writes a script for a shell.
///
/// # Errors
/// A shell that there is no script for.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let commands = context.commands;
    let script = match arguments.word(0).unwrap_or_default() {
        "bash" => bash(commands),
        "zsh" => zsh(commands),
        "fish" => fish(commands),
        other => {
            let problem = format!("there are completions for bash, zsh and fish, not for {}", shown(other));
            return Err(CommandError::cannot_tell(problem));
        }
    };
    context.streams.print(&script);
    Ok(EXIT_DONE)
}

/// The words that may follow each group of commands; the empty path is for the program itself.
fn words(commands: &'static [Command]) -> Vec<(String, Vec<&'static Command>)> {
    let mut found = vec![(String::new(), commands.iter().collect())];
    for command in commands {
        if let Action::Commands(below) = command.action {
            found.push((command.name.to_owned(), below.iter().collect()));
        }
    }
    found
}

/// An option as it is typed: with `=` where a value follows.
fn typed(option: &OptionRow) -> String {
    let end = if option.is_flag() { "" } else { "=" };
    format!("--{}{end}", option.name)
}

fn options(command: &Command) -> Vec<String> {
    command.options.iter().map(typed).collect()
}

/// What every command with settings takes.
fn settings() -> Vec<String> {
    let settings = SETTINGS.iter().map(|setting| format!("--{}=", setting.name));
    SOURCE_OPTIONS.iter().map(typed).chain(settings).collect()
}

const BASH_HEAD: &str = "\
# Completions of authnzerver for bash.
_authnzerver() {
    local word path=\"\" offered=\"\" settings=\"\"
    local current=\"${COMP_WORDS[COMP_CWORD]}\"
    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do
        case \"$word\" in
            -*|=) ;;
            *) case \" $path\" in
                   GROUPS) path=\"${path:+$path }$word\" ;;
               esac ;;
        esac
    done
    case \"$path\" in
";
const BASH_TAIL: &str = "\
    esac
    case \"$current\" in -*) offered=\"$offered $settings\" ;; esac
    COMPREPLY=($(compgen -W \"$offered\" -- \"$current\"))
    case \"${COMPREPLY[0]}\" in *=) compopt -o nospace 2>/dev/null ;; esac
}
complete -o default -F _authnzerver authnzerver authnzrv
";

fn bash(commands: &'static [Command]) -> String {
    let names: Vec<String> = words(commands)
        .iter()
        .filter(|(path, _)| !path.is_empty())
        .map(|(path, _)| format!("' {path}'"))
        .collect();
    let mut script = BASH_HEAD.replace("GROUPS", &format!("' '|{}", names.join("|")));
    for (path, below) in words(commands) {
        let names: Vec<&str> = below.iter().map(|command| command.name).collect();
        add(&mut script, format_args!("        '{path}') offered=\"{}\" ;;", names.join(" ")));
    }
    let settings = settings().join(" ");
    for (path, command) in all(commands, "") {
        let taken = if command.takes_settings { format!(" settings=\"{settings}\"") } else { String::new() };
        let own = options(command).join(" ");
        add(&mut script, format_args!("        '{path}') offered=\"{own}\"{taken} ;;"));
    }
    script + BASH_TAIL
}

const ZSH_HEAD: &str = "\
#compdef authnzerver authnzrv
# Completions of authnzerver for zsh.
_authnzerver() {
    local path=\"\" word
    for word in \"${(@)words[2,CURRENT-1]}\"; do
        [[ $word == -* ]] || path=\"${path:+$path }$word\"
    done
    local -a offered
    case \"$path\" in
";
const ZSH_TAIL: &str = "\
        *) _files; return ;;
    esac
    _describe 'authnzerver' offered
}
_authnzerver \"$@\"
";

fn zsh(commands: &'static [Command]) -> String {
    let mut script = String::from(ZSH_HEAD);
    let quoted =
        |name: &str, about: &str| format!("'{}:{}'", name.replace(':', "\\:"), about.replace('\'', "'\\''"));
    for (path, below) in words(commands) {
        let rows: Vec<String> = below.iter().map(|command| quoted(command.name, command.summary)).collect();
        add(&mut script, format_args!("        '{path}') offered=({}) ;;", rows.join(" ")));
    }
    let settings: Vec<String> =
        SETTINGS.iter().map(|setting| quoted(&format!("--{}=", setting.name), "a setting")).collect();
    for (path, command) in all(commands, "") {
        let own: Vec<String> =
            command.options.iter().map(|option| quoted(&typed(option), option.description)).collect();
        let taken = if command.takes_settings { format!(" {}", settings.join(" ")) } else { String::new() };
        add(&mut script, format_args!("        '{path}'|'{path} '*) offered=({}{taken}) ;;", own.join(" ")));
    }
    script + ZSH_TAIL
}

fn fish(commands: &'static [Command]) -> String {
    let mut script = String::from("# Completions of authnzerver for fish.\n");
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    for command in commands {
        add(
            &mut script,
            format_args!(
                "complete -c authnzerver -n __fish_use_subcommand -f -a {} -d {}",
                command.name,
                quoted(command.summary)
            ),
        );
        let Action::Commands(below) = command.action else { continue };
        let names: Vec<&str> = below.iter().map(|command| command.name).collect();
        for verb in below {
            let condition = format!(
                "__fish_seen_subcommand_from {}; and not __fish_seen_subcommand_from {}",
                command.name,
                names.join(" ")
            );
            add(
                &mut script,
                format_args!(
                    "complete -c authnzerver -n {} -f -a {} -d {}",
                    quoted(&condition),
                    verb.name,
                    quoted(verb.summary)
                ),
            );
        }
    }
    for (path, command) in all(commands, "") {
        let seen: Vec<String> =
            path.split(' ').map(|word| format!("__fish_seen_subcommand_from {word}")).collect();
        for option in command.options {
            let value = if option.is_flag() { "" } else { " -r" };
            add(
                &mut script,
                format_args!(
                    "complete -c authnzerver -n {} -l {}{value} -d {}",
                    quoted(&seen.join("; and ")),
                    option.name,
                    quoted(option.description)
                ),
            );
        }
    }
    for setting in SETTINGS {
        add(&mut script, format_args!("complete -c authnzerver -l {} -r -d 'a setting'", setting.name));
    }
    script
}

fn add(script: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(script, "{line}").expect("a String takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::table::COMMANDS;
    use std::process::Command as Process;

    #[test]
    fn every_command_is_offered_by_every_shell() {
        for script in [bash(COMMANDS), zsh(COMMANDS), fish(COMMANDS)] {
            for (path, command) in all(COMMANDS, "") {
                assert!(path.split(' ').all(|word| script.contains(word)), "{path}");
                assert!(command.options.iter().all(|option| script.contains(option.name)), "{path}");
            }
        }
    }

    #[test]
    fn bash_offers_what_fits() {
        let offered = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let script = format!(
                "{}\nCOMP_WORDS=({line}{}); COMP_CWORD={}; _authnzerver; echo \"${{COMPREPLY[*]}}\"",
                bash(COMMANDS),
                if line.ends_with(' ') { "''" } else { "" },
                words.len() - 1
            );
            let output = Process::new("bash").args(["--norc", "-c", &script]).output();
            let output = output.ok().filter(|output| output.status.success())?;
            Some(String::from_utf8(output.stdout).expect("text").trim().to_owned())
        };
        // Where there is no bash there is nobody to offer it to.
        let Some(commands) = offered("authnzerver us") else { return };
        assert_eq!(commands, "user");
        assert_eq!(offered("authnzerver user l").as_deref(), Some("list lock"));
        assert_eq!(offered("authnzerver user list --j").as_deref(), Some("--json"));
        assert_eq!(offered("authnzerver user list --basedi").as_deref(), Some("--basedir="));
    }
}
