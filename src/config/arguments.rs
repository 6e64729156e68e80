//! The command line: `--name=value`, `-name=value` or `--name value`, where `-` and `_` within a name do not
//! count. Words and options are told apart here, and settings taken from the options; their values are checked
//! elsewhere. What the words mean is for the commands.

use super::problems::{Problems, closest};
use super::table::{RETIRED_BECAUSE, RETIRED_SETTING, SETTINGS};
use crate::problem;
use crate::problem::{Problem, operator_text};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The settings of a command line, and where others are to be found.
#[derive(Clone)]
pub struct Invocation {
    /// What the operator should know about options that had no effect.
    pub warnings: Vec<Problem>,
    /// The file whose variables stand in place of the process environment.
    pub(super) env_file: Option<PathBuf>,
    /// The file that says for single settings how to come by them.
    pub(super) conf_vars: Option<PathBuf>,
    /// Settings, by their name in the table.
    pub(super) settings: BTreeMap<&'static str, String>,
}

/// An option that is not a setting.
#[derive(Clone, Copy, Debug)]
pub struct OptionRow {
    /// The name without dashes in front.
    pub name: &'static str,
    /// What stands after the name in the help text; nothing if the option stands alone.
    pub value: &'static str,
    /// What it does.
    pub description: &'static str,
    /// What follows the name.
    pub takes: Takes,
}

/// What follows an option's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A value after `=` or as the next word.
    Value,
    /// No value, or one after `=`.
    MaybeValue,
}

impl OptionRow {
    /// An option with a value, which the help text calls so: `=FILE`.
    #[must_use]
    pub const fn with_value(name: &'static str, value: &'static str, description: &'static str) -> Self {
        Self { name, value, description, takes: Takes::Value }
    }

    /// An option that stands alone.
    #[must_use]
    pub const fn flag(name: &'static str, description: &'static str) -> Self {
        Self { name, value: "", description, takes: Takes::MaybeValue }
    }

    /// Whether it may stand alone.
    #[must_use]
    pub fn is_flag(&self) -> bool {
        self.takes == Takes::MaybeValue
    }
}

/// The options that say where settings are to be found.
pub static SOURCE_OPTIONS: [OptionRow; 2] = [
    OptionRow::with_value(ENV_FILE, "=FILE", "take variables from FILE, in place of the environment"),
    OptionRow::with_value(CONF_VARS, "=FILE.json", "fetch single settings from elsewhere, as FILE says"),
];
const ENV_FILE: &str = "envfile";
const CONF_VARS: &str = "confvars";

/// Log lines go where every supervisor looks.
const LOGS: &str = "log lines go to standard error";

/// Options of the Python authnzerver that have no effect here, and why.
const IGNORED_OPTIONS: &[(&str, Takes, &str)] = &[
    ("log-file-prefix", Takes::MaybeValue, LOGS),
    ("log-to-stderr", Takes::MaybeValue, LOGS),
    ("log-file-max-size", Takes::MaybeValue, LOGS),
    ("log-file-num-backups", Takes::MaybeValue, LOGS),
    ("log-rotate-mode", Takes::MaybeValue, LOGS),
    ("log-rotate-when", Takes::MaybeValue, LOGS),
    ("log-rotate-interval", Takes::MaybeValue, LOGS),
    (RETIRED_SETTING, Takes::Value, RETIRED_BECAUSE),
];

impl Invocation {
    /// Reads the arguments of a server that is started with settings alone.
    ///
    /// # Errors
    /// Everything that cannot be understood, at once.
    pub fn parse(arguments: &[OsString]) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut line = CommandLine::read(arguments, &[], &mut problems);
        let invocation = Self::take(&mut line, &mut problems);
        // After an option that is not known, a word may be its value, and a secret.
        if let Some(word) = line.words.first().filter(|_| problems.is_empty()) {
            problems.add(problem!("{} is not an option", operator_text(word)));
        }
        problems.or(invocation)
    }

    /// Takes from a command line what belongs to settings.
    pub fn take(line: &mut CommandLine, problems: &mut Problems) -> Self {
        let mut warnings = Vec::new();
        for (name, _, why) in IGNORED_OPTIONS {
            if line.options.remove(name).is_some() {
                warnings.push(problem!("--{} is ignored: {}", *name, *why));
            }
        }
        let conf_vars = conf_vars(line, problems, &mut warnings);
        let env_file = line.take(ENV_FILE).map(PathBuf::from);
        let settings =
            SETTINGS.iter().filter_map(|row| Some((row.name, line.options.remove(row.name)?))).collect();
        Self { warnings, env_file, conf_vars, settings }
    }

    /// The options that were given, and say where settings are to be found.
    pub fn sources(&self) -> impl Iterator<Item = &'static str> {
        let given = [(ENV_FILE, &self.env_file), (CONF_VARS, &self.conf_vars)];
        given.into_iter().filter(|(_, file)| file.is_some()).map(|(name, _)| name)
    }

    /// Every option that was given.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.settings.keys().copied().chain(self.sources())
    }

    /// A setting's text as it was typed, unless it is blank.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str).filter(|text| !text.trim().is_empty())
    }

    /// Sets a setting as if it had been typed.
    pub fn set(&mut self, name: &'static str, text: String) {
        self.settings.insert(name, text);
    }
}

/// The words and options of a command line, not yet understood.
#[derive(Default)]
pub struct CommandLine {
    /// By the option's own name. The last one counts, so that a start command can be extended.
    options: BTreeMap<&'static str, String>,
    /// What is no option, in order.
    pub words: Vec<String>,
}

impl CommandLine {
    /// Reads the arguments that follow the program's name. Beside settings, and what belongs to them, there are
    /// `options`.
    pub fn read(arguments: &[OsString], options: &[&'static OptionRow], problems: &mut Problems) -> Self {
        let mut line = Self::default();
        let mut only_words = false;
        let mut rest = arguments.iter().enumerate().peekable();
        while let Some((index, argument)) = rest.next() {
            let Some(text) = argument.to_str() else {
                problems.add(problem!("argument {} is not UTF-8 text", index + 1));
                continue;
            };
            if only_words || text == "-" || !text.starts_with('-') {
                line.words.push(text.to_owned());
                continue;
            }
            if text == "--" {
                only_words = true;
                continue;
            }
            let typed = text.strip_prefix("--").unwrap_or(&text[1..]);
            let (typed, value) = match typed.split_once('=') {
                Some((typed, value)) => (typed, Some(value.to_owned())),
                None => (typed, None),
            };
            let Some((name, takes)) = known_option(typed, options) else {
                problems.add(unknown_option(typed, options));
                continue;
            };
            let value = value.or_else(|| match takes {
                Takes::MaybeValue => Some(String::new()),
                // What begins with a dash is the next option; a value that does so comes after `=`.
                Takes::Value => rest
                    .next_if(|(_, next)| !next.as_encoded_bytes().starts_with(b"-"))
                    .and_then(|(_, next)| next.to_str().map(str::to_owned)),
            });
            match value {
                Some(value) => drop(line.options.insert(name, value)),
                None => problems.add(problem!("--{} needs a value: --{}=VALUE", name, name)),
            }
        }
        line
    }

    /// An option's value, also a blank one.
    pub fn take_as_typed(&mut self, name: &str) -> Option<String> {
        self.options.remove(name)
    }

    /// An option's value, unless it is missing or blank.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.options.remove(name).filter(|value| !value.trim().is_empty())
    }

    /// What follows an option that may stand alone: nothing if it does. `None` if it is missing, or taken back by
    /// `=false`.
    pub fn take_flag(&mut self, name: &str) -> Option<String> {
        let value = self.options.remove(name)?;
        match value.to_ascii_lowercase().as_str() {
            "false" | "0" | "f" => None,
            "" | "true" | "1" | "t" => Some(String::new()),
            _ => Some(value),
        }
    }
}

/// The JSON file of `--confvars`. Start commands that the Python authnzerver printed name its Python module.
fn conf_vars(
    line: &mut CommandLine,
    problems: &mut Problems,
    warnings: &mut Vec<Problem>,
) -> Option<PathBuf> {
    let file = line.take(CONF_VARS)?;
    if file.ends_with(".json") {
        return Some(file.into());
    }
    if file.ends_with(".py") {
        warnings.push(
            "--confvars is ignored: a Python file cannot be read; docs/confvars.md tells how to write it as JSON"
                .into(),
        );
    } else {
        problems.add("--confvars: a file named *.json is needed (a Python file is accepted, and ignored)");
    }
    None
}

/// The setting to which an option belongs, however its dashes are written.
pub(super) fn setting_of_option(typed: &str) -> Option<&'static str> {
    let name = known_option(typed.trim_start_matches('-'), &[])?.0;
    SETTINGS.iter().map(|row| row.name).find(|row| *row == name)
}

/// Every name by which an option may go, that option's own name, and what it takes.
pub fn option_names(
    options: &[&'static OptionRow],
) -> impl Iterator<Item = (&'static str, &'static str, Takes)> {
    let settings = SETTINGS.iter().flat_map(|row| {
        [Some(row.name), row.other_option].into_iter().flatten().map(|name| (name, row.name, Takes::Value))
    });
    let others =
        SOURCE_OPTIONS.iter().chain(options.iter().copied()).map(|row| (row.name, row.name, row.takes));
    let ignored = IGNORED_OPTIONS.iter().map(|(name, takes, _)| (*name, *name, *takes));
    settings.chain(others).chain(ignored)
}

/// The option's own name, however its dashes were typed.
fn known_option(typed: &str, options: &[&'static OptionRow]) -> Option<(&'static str, Takes)> {
    let typed = plain(typed);
    option_names(options).find(|(name, ..)| plain(name) == typed).map(|(_, name, takes)| (name, takes))
}

fn unknown_option(typed: &str, options: &[&'static OptionRow]) -> Problem {
    let others = SOURCE_OPTIONS.iter().chain(options.iter().copied());
    let names = SETTINGS.iter().map(|row| row.name).chain(others.map(|row| row.name));
    let near = closest(&plain(typed), names);
    let typed = format!("--{typed}");
    let typed = operator_text(&typed);
    match near {
        Some(near) => problem!("{} is not an option; perhaps --{}?", typed, near),
        None => problem!("{} is not an option (see `authnzerver help`)", typed),
    }
}

/// A name without what does not count in it.
#[must_use]
pub fn plain(name: &str) -> String {
    name.chars().filter(|character| !matches!(character, '-' | '_')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Invocation, Problems> {
        Invocation::parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    fn good(words: &[&str]) -> Invocation {
        parse(words).unwrap_or_else(|problems| panic!("{words:?}: {problems}"))
    }

    fn refused(words: &[&str]) -> String {
        parse(words).err().map_or_else(|| panic!("{words:?} was taken"), |problems| problems.to_string())
    }

    #[test]
    fn options_come_in_every_usual_form() {
        for words in
            [&["--port=8080"][..], &["-port=8080"], &["--port", "8080"], &["--port=1", "--port=8080"]]
        {
            assert_eq!(good(words).setting("port"), Some("8080"), "{words:?}");
        }
        assert_eq!(good(&["--tls_cert-file=/x"]).setting("tlscertfile"), Some("/x"));
        assert_eq!(good(&["--logging=debug"]).setting("loglevel"), Some("debug"));
        assert_eq!(good(&["--emailpass=-x=y"]).setting("emailpass"), Some("-x=y"));
        assert_eq!(good(&["--port="]).setting("port"), None);
        assert_eq!(good(&["--envfile", ".env"]).env_file, Some(".env".into()));
        assert_eq!(good(&["--port=1", "--envfile=x"]).names().collect::<Vec<_>>(), ["port", "envfile"]);
    }

    #[test]
    fn words_and_options_may_stand_in_any_order() {
        static OPTIONS: [OptionRow; 2] = [
            OptionRow::with_value("client-ipaddr", "=ADDRESS", "whose"),
            OptionRow::flag("force", "replace"),
        ];
        let options: Vec<&'static OptionRow> = OPTIONS.iter().collect();
        for words in [
            &["call", "x", "-", "--client_ipaddr", "9.9.9.9", "--force"][..],
            &["--force", "--client-ipaddr=9.9.9.9", "call", "x", "-"],
            &["call", "--force", "x", "--clientipaddr=9.9.9.9", "--", "-"],
        ] {
            let (words, mut problems): (Vec<_>, _) =
                (words.iter().map(OsString::from).collect(), Problems::default());
            let mut line = CommandLine::read(&words, &options, &mut problems);
            assert!(problems.is_empty(), "{problems}");
            assert_eq!(line.words, ["call", "x", "-"]);
            assert_eq!(line.take("client-ipaddr").as_deref(), Some("9.9.9.9"));
            assert_eq!(line.take_flag("force").as_deref(), Some(""));
        }
    }

    #[test]
    fn mistakes_are_all_told_with_a_hint() {
        let text = refused(&["--prot=1", "--workers=2", "--listen"]);
        assert!(text.contains("`--prot` is not an option; perhaps --port?"), "{text}");
        assert!(text.contains("--listen needs a value"), "{text}");
        assert!(refused(&["--workers=2", "frob"]).contains("`frob` is not an option"));
    }

    #[test]
    fn the_value_of_a_misspelt_option_is_not_repeated() {
        for words in [&["--sekret=hidden"][..], &["--sekret", "hidden"]] {
            let text = refused(words);
            assert!(text.contains("--secret?") && !text.contains("hidden"), "{text}");
        }
    }

    #[test]
    fn old_start_commands_work_with_a_warning() {
        let words = [
            "--confvars=/srv/confvars.py",
            "--log-file-prefix=/x",
            "--log_to_stderr",
            "--cachedir",
            "/tmp/c",
        ];
        let warnings = good(&words).warnings.join("\n");
        assert!(warnings.contains("--confvars is ignored"), "{warnings}");
        assert!(warnings.contains("--log-file-prefix is ignored") && warnings.contains("--log-to-stderr"));
        assert!(warnings.contains("--cachedir is ignored: nothing is cached on disk"), "{warnings}");
        assert_eq!(good(&["--confvars=x.json"]).conf_vars, Some("x.json".into()));
        assert!(refused(&["--confvars=x.toml"]).contains("*.json is needed"));
    }

    #[test]
    fn what_is_not_text_is_refused() {
        use std::os::unix::ffi::OsStringExt as _;
        let odd = Invocation::parse(&["--port=1".into(), OsString::from_vec(vec![0xff])]);
        assert!(odd.err().expect("refused").to_string().contains("argument 2"));
    }
}
