//! The command line: `--name=value`, `-name=value` or `--name value`, where `-` and `_` within a name do not
//! count. It says which command to run and brings settings, whose values are checked elsewhere.

use super::problems::{Problems, nearest, shown};
use super::table::{RETIRED_BECAUSE, RETIRED_SETTING, SETTINGS};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Clone)]
pub struct Invocation {
    /// What to do.
    pub command: Command,
    /// What the operator should know about options that had no effect.
    pub warnings: Vec<String>,
    /// The file whose variables stand in place of the process environment.
    pub(super) env_file: Option<PathBuf>,
    /// The file that says for single settings how to come by them.
    pub(super) conf_vars: Option<PathBuf>,
    /// Settings, by their name in the table.
    pub(super) settings: BTreeMap<&'static str, String>,
}

/// What the program can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the server.
    Serve,
    /// Make a base directory with all that a server needs, and stop.
    Autosetup,
    /// Ask a running server.
    Call(Call),
    /// Say how the program is used.
    Help,
    /// Say which version this is.
    Version,
    /// List all settings.
    Settings(Listing),
    /// Describe the API.
    Schema(SchemaForm),
}

/// A request to a running server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The request's name.
    pub request: String,
    /// Its body as JSON; `-` for standard input, nothing for an empty body.
    pub body: Option<String>,
    /// The address of the end user for whom the request is made.
    pub client_address: Option<String>,
    /// The server's URL.
    pub url: Option<String>,
}

/// How settings are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// In columns for a terminal.
    Plain,
    /// As a page in Markdown.
    Markdown,
}

/// How the API is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaForm {
    /// As JSON for programs.
    Json,
    /// As a page in Markdown.
    Markdown,
    /// As an OpenAPI document.
    OpenApi,
}

/// What the values of `--settings` stand for; none at all is the first.
const SETTINGS_FORMS: &[(&str, Listing)] = &[("", Listing::Plain), ("markdown", Listing::Markdown)];
/// The same for `--schema`.
const SCHEMA_FORMS: &[(&str, SchemaForm)] =
    &[("", SchemaForm::Json), ("markdown", SchemaForm::Markdown), ("openapi", SchemaForm::OpenApi)];

/// An option that is not a setting.
pub struct OptionRow {
    /// The name without dashes in front.
    pub name: &'static str,
    /// What stands after the name in the help text; nothing if the option stands alone.
    pub value: &'static str,
    /// What it does.
    pub meaning: &'static str,
    takes: Takes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// A value after `=` or as the next word.
    Value,
    /// No value, or one after `=`.
    MaybeValue,
}

const fn option(name: &'static str, value: &'static str, takes: Takes, meaning: &'static str) -> OptionRow {
    OptionRow { name, value, meaning, takes }
}

/// Every option that is not a setting.
pub static OPTIONS: &[OptionRow] = &[
    option("envfile", "=FILE", Takes::Value, "take variables from FILE, in place of the environment"),
    option("autosetup", "", Takes::MaybeValue, "make what a server needs in the base directory, and stop"),
    option("confvars", "=FILE.json", Takes::Value, "fetch single settings from elsewhere, as FILE says"),
    option("url", "=URL", Takes::Value, "call: the server to ask"),
    option("client-ipaddr", "=ADDRESS", Takes::Value, "call: the end user's address (127.0.0.1)"),
    option("settings", "[=markdown]", Takes::MaybeValue, "list all settings, and stop"),
    option(
        "schema",
        "[=FORM]",
        Takes::MaybeValue,
        "describe the whole API as JSON, markdown or openapi, and stop",
    ),
    option("help", "", Takes::MaybeValue, "show this text, and stop"),
    option("version", "", Takes::MaybeValue, "show the version, and stop"),
];

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
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    /// Everything that cannot be understood, at once.
    pub fn parse(arguments: &[OsString]) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut given = split(arguments, &mut problems);
        let command = command(&mut given, &mut problems);
        let mut warnings = Vec::new();
        for (name, _, why) in IGNORED_OPTIONS.iter().filter(|(name, ..)| given.options.contains_key(name)) {
            warnings.push(format!("--{name} is ignored: {why}"));
        }
        let conf_vars = conf_vars(&mut given, &mut problems, &mut warnings);
        if conf_vars.is_some() && command == Command::Autosetup {
            warnings.push("--confvars is not read by --autosetup, which takes what was typed".into());
        }
        let env_file = given.take("envfile").map(PathBuf::from);
        if env_file.is_some() && command == Command::Autosetup {
            warnings.push("--envfile is not read by --autosetup, which writes one".into());
        }
        let settings = given
            .options
            .into_iter()
            .filter(|(name, _)| SETTINGS.iter().any(|row| row.name == *name))
            .collect();
        problems.or(Self { command, warnings, env_file, conf_vars, settings })
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
struct Given {
    options: BTreeMap<&'static str, String>,
    words: Vec<String>,
}

impl Given {
    /// An option's value, unless it is missing or blank.
    fn take(&mut self, name: &str) -> Option<String> {
        self.options.remove(name).filter(|value| !value.trim().is_empty())
    }

    /// Whether an option that may stand alone was given and not taken back by `=false`.
    fn take_flag(&mut self, name: &str, problems: &mut Problems) -> bool {
        match self.options.remove(name).map(|value| value.to_ascii_lowercase()).as_deref() {
            None | Some("false" | "0" | "f") => false,
            Some("" | "true" | "1" | "t") => true,
            Some(_) => {
                problems.add(format!("--{name} stands alone"));
                false
            }
        }
    }

    /// The form that an option asks for: the first where it stands alone.
    fn take_form<F: Copy>(&mut self, name: &str, forms: &[(&str, F)], problems: &mut Problems) -> Option<F> {
        let given = self.options.remove(name)?;
        let form = forms.iter().find(|(value, _)| *value == given).map(|(_, form)| *form);
        if form.is_none() {
            let values: Vec<String> =
                forms.iter().skip(1).map(|(value, _)| format!("--{name}={value}")).collect();
            problems.add(format!("--{name} stands alone, or is {}", values.join(" or ")));
        }
        form
    }
}

fn split(arguments: &[OsString], problems: &mut Problems) -> Given {
    let mut given = Given::default();
    let mut only_words = false;
    let mut rest = arguments.iter().enumerate().peekable();
    while let Some((index, argument)) = rest.next() {
        let Some(text) = argument.to_str() else {
            problems.add(format!("argument {} is not UTF-8 text", index + 1));
            continue;
        };
        if only_words || text == "-" || !text.starts_with('-') {
            given.words.push(text.to_owned());
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
        let Some((name, takes)) = known_option(typed) else {
            problems.add(unknown_option(typed));
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
            // The last one counts, so that a start command can be extended.
            Some(value) => drop(given.options.insert(name, value)),
            None => problems.add(format!("--{name} needs a value: --{name}=VALUE")),
        }
    }
    given
}

fn command(given: &mut Given, problems: &mut Problems) -> Command {
    let [help, version, autosetup] =
        ["help", "version", "autosetup"].map(|name| given.take_flag(name, problems));
    let settings = given.take_form("settings", SETTINGS_FORMS, problems).map(Command::Settings);
    let schema = given.take_form("schema", SCHEMA_FORMS, problems).map(Command::Schema);
    let (url, client_address) = (given.take("url"), given.take("client-ipaddr"));
    let words: Vec<&str> = given.words.iter().map(String::as_str).collect();
    let command = match (words.as_slice(), settings.or(schema)) {
        _ if help => Command::Help,
        _ if version => Command::Version,
        (_, Some(listing)) => listing,
        ([], None) if autosetup => Command::Autosetup,
        (_, None) if autosetup => {
            problems.add("--autosetup goes with no command");
            Command::Help
        }
        ([] | ["serve"], None) => Command::Serve,
        (["call", request], None) => {
            return Command::Call(Call { request: (*request).into(), body: None, client_address, url });
        }
        (["call", request, body], None) => {
            let body = Some((*body).into());
            return Command::Call(Call { request: (*request).into(), body, client_address, url });
        }
        (["call", ..], None) => {
            problems.add("call needs a request's name, and at most one word after it: call REQUEST [JSON]");
            Command::Help
        }
        ([unknown, ..], None) => {
            // After an option that is not known, the word may be its value, and a secret.
            if problems.is_empty() {
                let unknown = shown(unknown);
                problems.add(format!("{unknown} is not a command; `serve` and `call` are (see --help)"));
            }
            Command::Help
        }
    };
    for (name, value) in [("url", url), ("client-ipaddr", client_address)] {
        if value.is_some() {
            problems.add(format!("--{name} belongs to `call`"));
        }
    }
    command
}

/// The JSON file of `--confvars`. Start commands that the Python authnzerver printed name its Python module.
fn conf_vars(given: &mut Given, problems: &mut Problems, warnings: &mut Vec<String>) -> Option<PathBuf> {
    let file = given.take("confvars")?;
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
    let name = known_option(typed.trim_start_matches('-'))?.0;
    SETTINGS.iter().map(|row| row.name).find(|row| *row == name)
}

/// The option's own name, however its dashes were typed.
fn known_option(typed: &str) -> Option<(&'static str, Takes)> {
    let typed = plain(typed);
    let settings = SETTINGS.iter().flat_map(|row| {
        [Some(row.name), row.other_option].into_iter().flatten().map(|name| (name, row.name, Takes::Value))
    });
    let others = OPTIONS.iter().map(|row| (row.name, row.name, row.takes));
    let ignored = IGNORED_OPTIONS.iter().map(|(name, takes, _)| (*name, *name, *takes));
    settings
        .chain(others)
        .chain(ignored)
        .find(|(name, ..)| plain(name) == typed)
        .map(|(_, name, takes)| (name, takes))
}

fn unknown_option(typed: &str) -> String {
    let names = SETTINGS.iter().map(|row| row.name).chain(OPTIONS.iter().map(|row| row.name));
    let near = nearest(&plain(typed), names);
    let typed = shown(&format!("--{typed}"));
    match near {
        Some(near) => format!("{typed} is not an option; perhaps --{near}?"),
        None => format!("{typed} is not an option (see --help and --settings)"),
    }
}

/// A name without what does not count in it.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '-' | '_')).collect()
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
        for words in [
            &["--port=8080"][..],
            &["-port=8080"],
            &["--port", "8080"],
            &["serve", "--port=1", "--port=8080"],
            &["--port=8080", "serve"],
        ] {
            let invocation = good(words);
            assert_eq!(invocation.setting("port"), Some("8080"), "{words:?}");
            assert_eq!(invocation.command, Command::Serve);
        }
        assert_eq!(good(&["--tls_cert-file=/x"]).setting("tlscertfile"), Some("/x"));
        assert_eq!(good(&["--logging=debug"]).setting("loglevel"), Some("debug"));
        assert_eq!(good(&["--emailpass=-x=y"]).setting("emailpass"), Some("-x=y"));
        assert_eq!(good(&["--port="]).setting("port"), None);
        assert_eq!(good(&["--envfile", ".env"]).env_file, Some(".env".into()));
    }

    #[test]
    fn each_command_is_understood() {
        assert_eq!(good(&[]).command, Command::Serve);
        assert_eq!(good(&["--autosetup"]).command, Command::Autosetup);
        assert_eq!(good(&["--autosetup=False"]).command, Command::Serve);
        assert_eq!(good(&["--help", "call"]).command, Command::Help);
        assert_eq!(good(&["--version"]).command, Command::Version);
        assert_eq!(good(&["--settings"]).command, Command::Settings(Listing::Plain));
        assert_eq!(good(&["--settings=markdown"]).command, Command::Settings(Listing::Markdown));
        assert_eq!(good(&["--schema"]).command, Command::Schema(SchemaForm::Json));
        assert_eq!(good(&["--schema=openapi"]).command, Command::Schema(SchemaForm::OpenApi));
        assert!(refused(&["--schema=yaml"]).contains("--schema=markdown or --schema=openapi"));
        let call = Call {
            request: "user-list".into(),
            body: Some("-".into()),
            client_address: Some("9.9.9.9".into()),
            url: Some("http://x/".into()),
        };
        let words = ["call", "user-list", "--url=http://x/", "-", "--client_ipaddr", "9.9.9.9"];
        assert_eq!(good(&words).command, Command::Call(call));
        assert!(matches!(
            good(&["call", "--", "x", "--y"]).command,
            Command::Call(Call { body: Some(_), .. })
        ));
    }

    #[test]
    fn mistakes_are_all_told_with_a_hint() {
        let text = refused(&["--prot=1", "--listen", "--workers=2", "--settings=x", "--url=y"]);
        assert!(text.contains("`--prot` is not an option; perhaps --port?"), "{text}");
        assert!(text.contains("--listen needs a value"), "{text}");
        assert!(text.contains("--settings=markdown") && text.contains("--url belongs to `call`"), "{text}");
        assert!(refused(&["frobnicate"]).contains("`frobnicate` is not a command"));
        assert!(refused(&["call"]).contains("call REQUEST"));
        assert!(refused(&["call", "a", "b", "c"]).contains("call REQUEST"));
        assert!(refused(&["call", "a", "--autosetup"]).contains("--autosetup goes with no command"));
        assert!(refused(&["--help=maybe"]).contains("--help stands alone"));
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
        assert_eq!(good(&["--autosetup", "--envfile=x"]).warnings.len(), 1);
        assert_eq!(good(&["--autosetup", "--confvars=x.json"]).warnings.len(), 1);
        assert_eq!(good(&["--confvars=x.json"]).conf_vars, Some("x.json".into()));
        assert!(refused(&["--confvars=x.toml"]).contains("*.json is needed"));
    }

    #[test]
    fn what_is_not_text_is_refused() {
        use std::os::unix::ffi::OsStringExt as _;
        let odd = Invocation::parse(&["--version".into(), OsString::from_vec(vec![0xff])]);
        assert!(odd.err().expect("refused").to_string().contains("argument 2"));
    }

    #[test]
    fn no_two_options_are_told_apart_by_dashes_alone() {
        let mut names: Vec<String> = SETTINGS
            .iter()
            .flat_map(|row| [Some(row.name), row.other_option].into_iter().flatten())
            .chain(OPTIONS.iter().map(|row| row.name))
            .chain(IGNORED_OPTIONS.iter().map(|(name, ..)| *name))
            .map(plain)
            .collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
