//! Where the text of a setting comes from. In order: variables (of the process, or of a file in its place), the
//! command line, systemd's credentials, a default of the file of `--confvars`, and the base directory's own files
//! when nothing else is given. A blank text counts as none, and the next source is asked. What a text leads to is
//! retrieval's business.

use super::arguments::Invocation;
use super::base_directory;
use super::confvars::{ConfVars, Item};
use super::envfile::{EnvFile, SETTING_FILE_BYTES_MAX, content, path_text};
use super::environment::Environment;
use super::problems::Problems;
use super::table::{SETTINGS, Setting, SettingKind, by_name};
use super::values;
use crate::files;
use crate::guard::secret::Secret;
use crate::problem;
use crate::problem::{Loggable, Problem};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// All sources of one start.
pub(super) struct Sources<'a> {
    pub(super) environment: &'a Environment,
    pub(super) invocation: &'a Invocation,
    variables: Variables,
    /// What the file of `--confvars` says, if there is one.
    pub(super) conf_vars: Option<ConfVars>,
    /// The base directory, absolute.
    pub(super) base: PathBuf,
    /// Whether the base directory's own files stand in for required settings that nothing else gives.
    pub(super) base_provides: bool,
    /// The base directory's own variables, where some of the required settings come from elsewhere: for what nothing else
    /// gives.
    pub(super) own_variables: Option<EnvFile>,
    /// What stands in for files of the base directory that a start would make, by the names of their settings.
    pub(super) stand_ins: Vec<(&'static str, Secret<String>)>,
}

enum Variables {
    OfTheProcess,
    OfFile(EnvFile),
    /// Set-up writes down what was typed; variables and credentials that happen to be around have no part in it.
    Nowhere,
}

/// The text of a setting, and where it was found.
pub(super) struct Found {
    pub(super) text: String,
    pub(super) source: Source,
}

/// Where a text was found; shown in messages.
pub(super) enum Source {
    Variable(String),
    Line {
        path: PathBuf,
        name: String,
        number: usize,
    },
    Option(&'static str),
    Credential(PathBuf),
    /// The default that this file of `--confvars` gives.
    Default(PathBuf),
    BaseDirectory,
    /// A start would make the file that it comes from.
    StandIn,
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(out, "{name} in the environment"),
            Self::Line { path, name, number } => write!(out, "{name} ({} line {number})", path.display()),
            Self::Option(name) => write!(out, "--{name}"),
            Self::Credential(path) => write!(out, "the credential {}", path.display()),
            Self::Default(path) => write!(out, "the default in {}", path.display()),
            Self::BaseDirectory | Self::StandIn => write!(out, "the base directory"),
        }
    }
}

// Paths, and the names of variables and options.
impl Loggable for Source {}

impl<'a> Sources<'a> {
    /// Finds out which sources this start has, and reads the files that say so: of `--confvars`, and of variables.
    pub(super) fn open(invocation: &'a Invocation, environment: &'a Environment) -> Result<Self, Problems> {
        let conf_vars = invocation.conf_vars.as_ref().map(|path| environment.directory.join(path));
        let mut sources = Self {
            environment,
            invocation,
            variables: Variables::OfTheProcess,
            conf_vars: conf_vars.map(|path| ConfVars::read(&path)).transpose()?,
            base: environment.directory.clone(),
            base_provides: invocation.setting("basedir").is_some(),
            own_variables: None,
            stand_ins: Vec::new(),
        };
        sources.find_base()?;
        let own_file = sources.base.join(base_directory::ENV_FILE);
        let given = required().filter(|setting| sources.is_given(setting)).count();
        let env_file = match &invocation.env_file {
            Some(path) => Some(environment.directory.join(path)),
            None if !sources.base_provides || given == required().count() => None,
            // One that cannot be looked at is not passed over: reading it will tell why.
            None if !own_file.try_exists().unwrap_or(true) => None,
            None if given == 0 => Some(own_file),
            None => {
                sources.own_variables = Some(EnvFile::read(&own_file)?);
                None
            }
        };
        if let Some(path) = env_file {
            sources.variables = Variables::OfFile(EnvFile::read(&path)?);
            sources.find_base()?;
        }
        Ok(sources)
    }

    /// The sources of a set-up: the command line and the files in `base`.
    pub(super) fn of_set_up(invocation: &'a Invocation, environment: &'a Environment, base: &Path) -> Self {
        Self {
            environment,
            invocation,
            variables: Variables::Nowhere,
            conf_vars: None,
            base: base.to_owned(),
            base_provides: true,
            own_variables: None,
            stand_ins: Vec::new(),
        }
    }

    /// Every text that a setting has, the one that counts first. A further kind of source has its place here.
    pub(super) fn all(&self, setting: &Setting) -> Result<Vec<Found>, Problem> {
        let mut found = self.given(setting)?;
        if !found.is_empty() {
            return Ok(found);
        }
        if let Some((_, text)) = self.stand_ins.iter().find(|(name, _)| *name == setting.name) {
            found.push(Found { text: text.expose().clone(), source: Source::StandIn });
        } else if let Some(file) = base_directory::file_for(setting.name).filter(|_| self.base_provides) {
            let text = path_text(&self.base.join(file))?;
            found.push(Found { text, source: Source::BaseDirectory });
        }
        Ok(found)
    }

    /// Whether a setting has a text anywhere; one that cannot be read is one.
    pub(super) fn is_given(&self, setting: &Setting) -> bool {
        self.given(setting).map_or(true, |found| !found.is_empty())
    }

    fn given(&self, setting: &Setting) -> Result<Vec<Found>, Problem> {
        let mut found = Vec::new();
        for name in self.variables_of(setting) {
            found.extend(self.variable(&name)?.filter(|found| !is_address_of_service(setting, found)));
        }
        let option = self.option_of(setting);
        if let Some(text) = self.invocation.setting(option) {
            found.push(Found { text: text.to_owned(), source: Source::Option(option) });
        }
        found.extend(self.credential(setting)?);
        if let Some((file, item)) = self.item(setting)
            && let Some(text) = item.default.as_ref().and_then(|default| default.as_deref())
        {
            let source = Source::Default(file.path().to_owned());
            found.push(Found { text: text.to_owned(), source });
        }
        found.retain(|found| !found.text.trim().is_empty());
        if let Some(file) = self.own_variables.as_ref().filter(|_| found.is_empty()) {
            let lines = self.variables_of(setting).into_iter().filter_map(|name| of_file(file, &name));
            found.extend(lines.filter(|found| !found.text.trim().is_empty()));
        }
        Ok(found)
    }

    /// What the file of `--confvars` says about a setting.
    pub(super) fn item(&self, setting: &Setting) -> Option<(&ConfVars, &Item)> {
        let file = self.conf_vars.as_ref()?;
        Some((file, file.item(setting.name)?))
    }

    /// The variables of a setting, in the order in which they are asked.
    pub(super) fn variables_of(&self, setting: &Setting) -> Vec<String> {
        let own = || setting.variables().collect();
        self.item(setting).and_then(|(_, item)| item.variables.clone()).unwrap_or_else(own)
    }

    /// The option of a setting.
    pub(super) fn option_of(&self, setting: &Setting) -> &'static str {
        self.item(setting).and_then(|(_, item)| item.option).unwrap_or(setting.name)
    }

    /// The text that stands in for a missing one; without it the setting is required.
    pub(super) fn default_of(&self, setting: &Setting) -> Option<&str> {
        match self.item(setting).and_then(|(_, item)| item.default.as_ref()) {
            Some(default) => default.as_deref(),
            None => setting.default,
        }
    }

    /// Whether a setting's own option was typed, though the file of `--confvars` gives the setting another one.
    pub(super) fn has_unused_option(&self, setting: &Setting) -> bool {
        let option = self.option_of(setting);
        let is_used = |other: &Setting| self.option_of(other) == setting.name;
        option != setting.name
            && self.invocation.setting(setting.name).is_some()
            && !SETTINGS.iter().any(is_used)
    }

    /// The file of variables that stands in place of the environment.
    pub(super) const fn env_file(&self) -> Option<&EnvFile> {
        match &self.variables {
            Variables::OfFile(file) => Some(file),
            Variables::OfTheProcess | Variables::Nowhere => None,
        }
    }

    /// A variable's text from the file or the environment, whichever counts.
    pub(super) fn variable(&self, name: &str) -> Result<Option<Found>, Problem> {
        Ok(match &self.variables {
            Variables::Nowhere => None,
            Variables::OfTheProcess => self
                .environment
                .variable(name)?
                .map(|text| Found { text: text.to_owned(), source: Source::Variable(name.to_owned()) }),
            Variables::OfFile(file) => of_file(file, name),
        })
    }

    fn find_base(&mut self) -> Result<(), Problems> {
        let found = self.all(by_name("basedir")).map_err(Problems::one)?;
        let text = found.first().map_or(".", |found| found.text.trim());
        if text.contains("[[") {
            return Err(Problems::one("basedir: `[[…]]` cannot stand in the base directory itself"));
        }
        if values::line(text).is_err() {
            return Err(Problems::one("basedir: the path must be one line of text"));
        }
        self.base = std::path::absolute(self.environment.directory.join(text))
            .map_err(|error| Problems::one(problem!("basedir: {}", error)))?;
        Ok(())
    }

    fn credential(&self, setting: &Setting) -> Result<Option<Found>, Problem> {
        if matches!(self.variables, Variables::Nowhere) {
            return Ok(None);
        }
        let Some(directory) = self.environment.variable("CREDENTIALS_DIRECTORY")? else { return Ok(None) };
        let path = Path::new(directory).join(setting.name);
        let text = match setting.kind {
            SettingKind::File if path.exists() => path_text(&path)?,
            SettingKind::File => return Ok(None),
            _ => match files::read_small(&path, SETTING_FILE_BYTES_MAX) {
                Ok(file) => content(file.bytes)
                    .ok_or_else(|| problem!("the credential {} is not UTF-8 text", path.display()))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => {
                    return Err(problem!("the credential {} cannot be read: {}", path.display(), error));
                }
            },
        };
        Ok(Some(Found { text, source: Source::Credential(path) }))
    }

    pub(super) fn with_places(&self, text: &str) -> Result<String, Problem> {
        if !text.contains("[[") {
            return Ok(text.to_owned());
        }
        let text = text.replace("[[basedir]]", &path_text(&self.base)?);
        match self.environment.variable("HOME")? {
            Some(home) => Ok(text.replace("[[homedir]]", home)),
            None if text.contains("[[homedir]]") => Err("names [[homedir]], but HOME is not set".into()),
            None => Ok(text),
        }
    }
}

fn required() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| setting.default.is_none())
}

fn of_file(file: &EnvFile, name: &str) -> Option<Found> {
    let (text, number) = file.get(name)?;
    let source = Source::Line { path: file.path().to_owned(), name: name.to_owned(), number };
    Some(Found { text: text.to_owned(), source })
}

/// Kubernetes sets `AUTHNZERVER_PORT=tcp://10.96.0.7:13431` in every container beside a service of that name.
pub(super) fn is_address_of_service(setting: &Setting, found: &Found) -> bool {
    let scheme = found.text.split_once("://").map(|(scheme, _)| scheme);
    setting.name == "port"
        && matches!(found.source, Source::Variable(_))
        && scheme.is_some_and(|scheme| ["tcp", "udp", "sctp"].contains(&scheme))
}
