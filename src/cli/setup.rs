//! `authnzerver setup`: makes all that a server needs in its base directory, and stops. On a terminal it
//! asks, elsewhere it takes the command line's options, the administrator's variables and the defaults. Nothing
//! that exists is overwritten, so it can be run again.

use super::command::{Arguments, CommandError, Context, EXIT_DONE, Parts};
use super::streams::Streams;
use crate::accounts::first_users::Initialised;
use crate::config::base_directory::{self, AdminChoice, ENV_FILE, PERMISSIONS_FILE};
use crate::config::{
    self, Config, Environment, Invocation, Problems, SETTINGS, Setting, SettingKind, Startup, values,
};
use crate::files::{self, PRIVATE_FILE_MODE, PUBLIC_FILE_MODE, Written};
use crate::guard::secret::Secret;
use crate::problem;
use crate::problem::Problem;
use std::fmt::Write as _;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};

/// The settings that are written out even where they have their default, for these are the ones that operators
/// come to change first.
const WRITTEN_OUT: [&str; 3] = ["allowedhosts", "listen", "port"];
/// The longest answer to a question.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Makes whatever is missing and says what it did.
///
/// # Errors
/// What cannot be made, and why. What was made until then stays.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    set_up(arguments.invocation.clone(), context).map_err(CommandError::failed)?;
    Ok(EXIT_DONE)
}

fn set_up(mut invocation: Invocation, context: &mut Context<'_, '_>) -> Result<(), Problems> {
    let (environment, parts) = (context.environment, context.parts);
    let streams = &mut *context.streams;
    for source in invocation.sources() {
        streams
            .warn(&format!("--{source} is not read: set-up takes what was typed, and writes down the rest"));
    }
    let base = base_directory(&invocation, environment)?;
    if streams.input_is_terminal {
        ask_for_files(&mut invocation, environment, &base, streams)?;
    }
    let given = |setting: &str| invocation.setting(setting).is_some();
    let notes = base_directory::make_what_is_missing(&base, given, parts.rng).map_err(Problems::one)?;
    let loaded = config::load_for_set_up(&invocation, environment, &base)?;
    for warning in invocation.warnings.iter().chain(&loaded.warnings) {
        streams.warn(warning.as_str());
    }
    for note in notes {
        streams.print(&format!("{note}\n"));
    }
    let Startup { config, admin, .. } = loaded;
    let database = config.database.file(&environment.directory).map_err(Problems::one)?;
    let permissions = permissions_file(&config, &base, parts, streams)?;
    let admin = match admin.password {
        None if streams.input_is_terminal => ask_for_admin(&admin.email, streams)?,
        _ => admin,
    };
    make_database(&base, &database, &permissions, &admin, parts, streams)?;
    let values = Values { invocation: &invocation, environment, base: &base, database, permissions };
    let env_file = write_env_file(&values, parts, streams)?;
    streams.print(&format!(
        "Set-up is done. Have a look at the settings in {env}, then start the server:\n\
         \n    authnzerver --basedir=\"{base}\" --envfile=\"{env}\"\n",
        env = env_file.display(),
        base = base.display(),
    ));
    Ok(())
}

/// Where the server will live. Only the command line names it: set-up is for one directory, not for whatever
/// server the shell happens to be prepared for.
fn base_directory(invocation: &Invocation, environment: &Environment) -> Result<PathBuf, Problems> {
    let typed = invocation.setting("basedir").unwrap_or(".");
    let base = std::path::absolute(environment.directory.join(typed))
        .map_err(|error| Problems::one(problem!("basedir: {}", error)))?;
    match base.to_str() {
        Some(text) if !text.chars().any(char::is_control) => Ok(base),
        _ => Err(Problems::one("basedir: the path must be one line of UTF-8 text")),
    }
}

fn ask_for_files(
    invocation: &mut Invocation,
    environment: &Environment,
    base: &Path,
    streams: &mut Streams<'_>,
) -> Result<(), Problems> {
    if invocation.setting("authdb").is_none() {
        let own = base.join(base_directory::DATABASE_FILE).display().to_string();
        let question = "The database is one SQLite file. Where should it be?";
        let file = |text: &str| values::database(text)?.file(Path::new(""));
        let path = ask(question, &own, file, streams)?;
        invocation.set("authdb", path.display().to_string());
    }
    if invocation.setting("permissions").is_none() {
        let question =
            "Which permissions policy, a JSON file, should hold? Without one, the built-in policy does.";
        let is_file = |text: &str| match text {
            "none" => Ok(None),
            path if environment.directory.join(path).is_file() => Ok(Some(path.to_owned())),
            _ => Err("a file that exists".into()),
        };
        if let Some(path) = ask(question, "none", is_file, streams)? {
            invocation.set("permissions", path);
        }
    }
    Ok(())
}

fn ask_for_admin(default_email: &str, streams: &mut Streams<'_>) -> Result<AdminChoice, Problems> {
    let question = "What is the first administrator's e-mail address?";
    let email = ask(question, default_email, values::email_address, streams)?;
    loop {
        let password = ask_hidden("And the password? Without one, a random password is made.", streams)?;
        if password.expose().is_empty() {
            return Ok(AdminChoice { email, email_is_given: true, password: None });
        }
        if ask_hidden("Once more, please.", streams)?.matches(password.expose().as_bytes()) {
            return Ok(AdminChoice { email, email_is_given: true, password: Some(password) });
        }
        streams.print("These were two different passwords.\n");
    }
}

/// Asks until the answer is a good one. A blank answer takes the default.
fn ask<T>(
    question: &str,
    default: &str,
    check: impl Fn(&str) -> Result<T, Problem>,
    streams: &mut Streams<'_>,
) -> Result<T, Problems> {
    loop {
        streams.print(&format!("{question}\n[{default}] "));
        let mut line = String::new();
        let read = io::Read::take(&mut *streams.input, ANSWER_BYTES_MAX).read_line(&mut line);
        if read.map_err(|error| Problems::one(problem!("standard input: {}", error)))? == 0 {
            return Err(Problems::one("standard input ended before all questions were answered"));
        }
        let answer = if line.trim().is_empty() { default } else { line.trim() };
        match check(answer) {
            Ok(value) => return Ok(value),
            Err(allowed) => streams.print(&format!("It must be {allowed}.\n")),
        }
    }
}

fn ask_hidden(question: &str, streams: &mut Streams<'_>) -> Result<Secret<String>, Problems> {
    streams.print(&format!("{question} (What you type is not shown.)\n"));
    let read = (streams.read_hidden)();
    read.map(Secret::new).map_err(|error| Problems::one(problem!("the terminal: {}", error)))
}

/// The policy file that the server will use: the one that was chosen, or a copy of the built-in one to be edited.
fn permissions_file(
    config: &Config,
    base: &Path,
    parts: &Parts<'_>,
    streams: &mut Streams<'_>,
) -> Result<PathBuf, Problems> {
    if let Some(chosen) = &config.permissions_file {
        return Ok(chosen.clone());
    }
    let path = base.join(PERMISSIONS_FILE);
    write_file(&path, PUBLIC_FILE_MODE, parts.default_policy, "permissions policy", parts, streams)?;
    Ok(path)
}

/// Makes the database and its first users. The credentials are written first: a random password must not be
/// lost, whatever happens in between.
fn make_database(
    base: &Path,
    database: &Path,
    permissions: &Path,
    admin: &AdminChoice,
    parts: &Parts<'_>,
    streams: &mut Streams<'_>,
) -> Result<(), Problems> {
    let first_admin = || {
        base_directory::settle_first_admin(base, admin, parts.rng)
            .map_err(|error| problem!("the administrator's credentials: {}", error))
    };
    let shown = database.display();
    match (parts.make_database)(database, Some(permissions), &first_admin).map_err(Problems::one)? {
        Initialised::JustNow => {
            let credentials = base.join(base_directory::ADMIN_CREDENTIALS_FILE);
            streams.print(&format!(
                "made the database: {shown}\nmade the administrator's credentials: {}\n",
                credentials.display()
            ));
        }
        Initialised::Before { .. } => {
            streams.print(&format!("kept the database: {shown}; it was set up before, with its own users\n"));
        }
    }
    Ok(())
}

/// What the settings of the new server are taken from.
struct Values<'a> {
    invocation: &'a Invocation,
    environment: &'a Environment,
    base: &'a Path,
    database: PathBuf,
    permissions: PathBuf,
}

impl Values<'_> {
    /// What a setting was made or typed to be; nothing if it has its default.
    fn chosen(&self, setting: &Setting) -> Option<String> {
        let typed = self.invocation.setting(setting.name);
        match setting.name {
            "authdb" => Some(format!("sqlite:///{}", self.database.display())),
            "basedir" => Some(self.base.display().to_string()),
            "permissions" => Some(self.permissions.display().to_string()),
            "secret" if typed.is_none() => Some(self.in_base(base_directory::SECRET_FILE)),
            "piisalt" if typed.is_none() => Some(self.in_base(base_directory::PII_SALT_FILE)),
            _ => match (typed, setting.kind) {
                (Some(typed), SettingKind::File | SettingKind::SecretOrFile) => Some(self.whole_path(typed)),
                (typed, _) => typed.map(str::to_owned),
            },
        }
    }

    fn in_base(&self, name: &str) -> String {
        self.base.join(name).display().to_string()
    }

    /// The server may be started from another directory than this one.
    fn whole_path(&self, typed: &str) -> String {
        let path = self.environment.directory.join(typed);
        if path.exists() { path.display().to_string() } else { typed.to_owned() }
    }
}

fn write_env_file(
    values: &Values<'_>,
    parts: &Parts<'_>,
    streams: &mut Streams<'_>,
) -> Result<PathBuf, Problems> {
    let (mut chosen, mut defaults) = (String::new(), String::new());
    let mut problems = Problems::default();
    for setting in SETTINGS {
        let (name, default) = (setting.variable(), setting.default.unwrap_or_default());
        let written = match values.chosen(setting) {
            Some(value) if value.chars().any(char::is_control) => {
                problems.add(problem!("{}: a file of settings takes one line a value", setting.name));
                Ok(())
            }
            Some(value) => writeln!(chosen, "{name}={}", env_value(&value)),
            None if WRITTEN_OUT.contains(&setting.name) => writeln!(chosen, "{name}={default}"),
            None => writeln!(defaults, "#{name}={default}"),
        };
        written.expect("a String takes all that is written to it");
    }
    let text = format!(
        "# Settings of authnzerver; `authnzerver settings` tells what they mean.\n{chosen}\n\
         # The others have their defaults. Take the # away to change one.\n{defaults}"
    );
    let (path, text) = (values.base.join(ENV_FILE), problems.or(text)?);
    write_file(&path, PRIVATE_FILE_MODE, &text, "settings", parts, streams)?;
    Ok(path)
}

/// The text as a line of a file of variables takes it.
fn env_value(text: &str) -> String {
    // A lone % stands for itself, there and for other readers of such files.
    let text = if text.contains("%%") { text.replace('%', "%%") } else { text.to_owned() };
    let is_quoted = text.starts_with(['"', '\'']);
    if is_quoted || text.trim() != text { format!("\"{text}\"") } else { text }
}

/// Writes a file without overwriting another one, and says what became of it.
fn write_file(
    path: &Path,
    mode: u32,
    text: &str,
    content: &str,
    parts: &Parts<'_>,
    streams: &mut Streams<'_>,
) -> Result<(), Problems> {
    let written = files::create_beside(path, mode, text.as_bytes(), parts.clock.now())
        .map_err(|error| Problems::one(problem!("{} cannot be made: {}", path.display(), error)))?;
    let path = path.display();
    streams.print(&match written {
        Written::Made => format!("made the {content}: {path}\n"),
        Written::Kept => format!("kept the {content}: {path}\n"),
        Written::Beside(beside) => {
            format!(
                "kept the {content} as found: {path}\nmade a new version beside it: {}\n",
                beside.display()
            )
        }
    });
    Ok(())
}
