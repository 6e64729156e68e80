//! Where the text of a setting comes from. In order: variables (of the process, or of a file in its place), the
//! command line, systemd's credentials, and the base directory's own files when nothing else is given. A blank
//! text counts as none, and the next source is asked.

use super::arguments::Invocation;
use super::base_directory;
use super::envfile::{EnvFile, SETTING_FILE_BYTES_MAX};
use super::problems::Problems;
use super::table::{Kind, SETTINGS, Setting, by_name};
use super::{Surroundings, check};
use crate::files::{self, SmallFile};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// All sources of one start.
pub(super) struct Sources<'a> {
    pub(super) surroundings: &'a Surroundings,
    invocation: &'a Invocation,
    variables: Variables,
    /// The base directory, absolute.
    pub(super) base: PathBuf,
    /// Whether the base directory's own files stand in for the required settings.
    pub(super) base_provides: bool,
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
    Line { path: PathBuf, name: String, number: usize },
    Option(&'static str),
    Credential(PathBuf),
    BaseDirectory,
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(out, "{name} in the environment"),
            Self::Line { path, name, number } => write!(out, "{name} ({} line {number})", path.display()),
            Self::Option(name) => write!(out, "--{name}"),
            Self::Credential(path) => write!(out, "the credential {}", path.display()),
            Self::BaseDirectory => write!(out, "the base directory"),
        }
    }
}

/// A text after files were read, ready to be checked.
pub(super) struct Retrieved {
    pub(super) text: String,
    /// What the operator should know about it.
    pub(super) warning: Option<String>,
}

impl<'a> Sources<'a> {
    /// Finds out which sources this start has, and reads the file of variables if there is one.
    pub(super) fn open(invocation: &'a Invocation, surroundings: &'a Surroundings) -> Result<Self, Problems> {
        let mut sources = Self {
            surroundings,
            invocation,
            variables: Variables::OfTheProcess,
            base: surroundings.directory.clone(),
            base_provides: false,
        };
        sources.find_base()?;
        let own_file = sources.base.join(base_directory::ENV_FILE);
        let env_file = match &invocation.env_file {
            Some(path) => Some(surroundings.directory.join(path)),
            None if !sources.only_the_base_is_given() => None,
            None if own_file.exists() => Some(own_file),
            None => {
                sources.base_provides = true;
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
    pub(super) fn of_set_up(invocation: &'a Invocation, surroundings: &'a Surroundings, base: &Path) -> Self {
        Self {
            surroundings,
            invocation,
            variables: Variables::Nowhere,
            base: base.to_owned(),
            base_provides: true,
        }
    }

    /// Every text that a setting has, the one that counts first. A further kind of source has its place here.
    pub(super) fn all(&self, setting: &Setting) -> Result<Vec<Found>, String> {
        let mut found = Vec::new();
        for name in setting.variables() {
            found.extend(self.variable(&name)?);
        }
        if let Some(text) = self.invocation.setting(setting.name) {
            found.push(Found { text: text.to_owned(), source: Source::Option(setting.name) });
        }
        found.extend(self.credential(setting)?);
        found.retain(|found| !found.text.trim().is_empty());
        let own_file =
            base_directory::file_for(setting.name).filter(|_| self.base_provides && found.is_empty());
        if let Some(file) = own_file {
            let text = path_text(&self.base.join(file))?;
            found.push(Found { text, source: Source::BaseDirectory });
        }
        Ok(found)
    }

    /// The file of variables that stands in place of the environment.
    pub(super) const fn env_file(&self) -> Option<&EnvFile> {
        match &self.variables {
            Variables::OfFile(file) => Some(file),
            Variables::OfTheProcess | Variables::Nowhere => None,
        }
    }

    /// A variable's text from the file or the environment, whichever counts.
    pub(super) fn variable(&self, name: &str) -> Result<Option<Found>, String> {
        Ok(match &self.variables {
            Variables::Nowhere => None,
            Variables::OfTheProcess => self
                .surroundings
                .variable(name)?
                .map(|text| Found { text: text.to_owned(), source: Source::Variable(name.to_owned()) }),
            Variables::OfFile(file) => file.get(name).map(|(text, number)| Found {
                text: text.to_owned(),
                source: Source::Line { path: file.path().to_owned(), name: name.to_owned(), number },
            }),
        })
    }

    /// Follows a text to what it stands for: a path made whole, or a file's content.
    pub(super) fn retrieve(&self, setting: &Setting, found: &Found) -> Result<Retrieved, String> {
        let plain = |text: String| Ok(Retrieved { text, warning: None });
        let trimmed = found.text.trim();
        match setting.kind {
            Kind::Plain => plain(trimmed.to_owned()),
            Kind::Location => plain(self.with_places(trimmed)?),
            Kind::File => {
                let path = self.surroundings.directory.join(self.with_places(trimmed)?);
                match std::fs::metadata(&path) {
                    Ok(metadata) if metadata.is_dir() => Err(format!("names {path:?}, which is a directory")),
                    Ok(_) => plain(path_text(&path)?),
                    Err(error) => Err(format!("names {path:?}, which cannot be read: {error}")),
                }
            }
            Kind::Secret => Ok(self.literal(found)),
            Kind::SecretOrFile if matches!(found.source, Source::Credential(_)) => plain(found.text.clone()),
            Kind::SecretOrFile => self.secret(found),
        }
    }

    fn find_base(&mut self) -> Result<(), Problems> {
        let found = self.all(by_name("basedir")).map_err(Problems::one)?;
        let text = found.first().map_or(".", |found| found.text.trim());
        if text.contains("[[") {
            return Err(Problems::one("basedir: `[[…]]` cannot stand in the base directory itself"));
        }
        if check::line(text).is_err() {
            return Err(Problems::one("basedir: the path must be one line of text"));
        }
        self.base = std::path::absolute(self.surroundings.directory.join(text))
            .map_err(|error| Problems::one(format!("basedir: {error}")))?;
        Ok(())
    }

    /// Whether the operator gave a base directory on the command line and left all else to us.
    fn only_the_base_is_given(&self) -> bool {
        let mut required = SETTINGS.iter().filter(|setting| setting.default.is_none());
        self.invocation.setting("basedir").is_some()
            && required.all(|setting| self.all(setting).is_ok_and(|found| found.is_empty()))
    }

    fn credential(&self, setting: &Setting) -> Result<Option<Found>, String> {
        if matches!(self.variables, Variables::Nowhere) {
            return Ok(None);
        }
        let Some(directory) = self.surroundings.variable("CREDENTIALS_DIRECTORY")? else { return Ok(None) };
        let path = Path::new(directory).join(setting.name);
        let text = match setting.kind {
            Kind::File if path.exists() => path_text(&path)?,
            Kind::File => return Ok(None),
            _ => match files::read_small(&path, SETTING_FILE_BYTES_MAX) {
                Ok(file) => content(file.bytes)
                    .ok_or_else(|| format!("the credential {} is not UTF-8 text", path.display()))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => {
                    return Err(format!("the credential {} cannot be read: {error}", path.display()));
                }
            },
        };
        Ok(Some(Found { text, source: Source::Credential(path) }))
    }

    /// The content of the file that the text names, or else the text itself.
    fn secret(&self, found: &Found) -> Result<Retrieved, String> {
        let path = self.surroundings.directory.join(self.with_places(found.text.trim())?);
        match files::read_small(&path, SETTING_FILE_BYTES_MAX) {
            Ok(SmallFile { bytes, open_to_others }) => {
                let text = content(bytes)
                    .ok_or_else(|| format!("names {}, which is not UTF-8 text", path.display()))?;
                if text.trim().is_empty() {
                    return Err(format!("names the file {}, which is empty", path.display()));
                }
                let shown = path.display();
                let warning = open_to_others
                    .then(|| format!("{shown} can be read by others; take that away: chmod 0400 {shown}"));
                Ok(Retrieved { text, warning })
            }
            Err(error) if std::fs::symlink_metadata(&path).is_ok() => {
                Err(format!("names {}, which cannot be read: {error}", path.display()))
            }
            Err(_) if matches!(found.source, Source::BaseDirectory) => {
                Err(format!("has no file {}", path.display()))
            }
            Err(_) if looks_like_path(&found.text) => {
                // Not shown: it may be a secret after all.
                Err("looks like the path of a file, and no such file can be reached".into())
            }
            Err(_) => Ok(self.literal(found)),
        }
    }

    /// A secret that stands where it was found, perhaps for more eyes than it should.
    fn literal(&self, found: &Found) -> Retrieved {
        let warning = match &found.source {
            // The word for "no salt" tells nobody anything.
            _ if found.text.trim() == "none" => None,
            Source::Option(name) => Some(format!(
                "--{name} shows the secret to everyone who lists processes; use a file or a variable"
            )),
            Source::Line { path, .. } if self.env_file().is_some_and(EnvFile::is_open_to_others) => {
                let path = path.display();
                Some(format!(
                    "{path} holds a secret and can be read by others; take that away: chmod 0600 {path}"
                ))
            }
            _ => None,
        };
        Retrieved { text: found.text.clone(), warning }
    }

    fn with_places(&self, text: &str) -> Result<String, String> {
        if !text.contains("[[") {
            return Ok(text.to_owned());
        }
        let text = text.replace("[[basedir]]", &path_text(&self.base)?);
        match self.surroundings.variable("HOME")? {
            Some(home) => Ok(text.replace("[[homedir]]", home)),
            None if text.contains("[[homedir]]") => Err("names [[homedir]], but HOME is not set".into()),
            None => Ok(text),
        }
    }
}

/// A file's text without line ends before and after it; blanks stay, they may be part of a secret.
fn content(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().map(|text| text.trim_matches(['\r', '\n']).to_owned())
}

/// A base64 key may begin with a slash; 32 bytes in base64 are taken for what they are.
fn looks_like_path(text: &str) -> bool {
    ["/", "./", "../", "~", "[["].iter().any(|start| text.trim_start().starts_with(start))
        && !check::key_decodes(text)
}

fn path_text(path: &Path) -> Result<String, String> {
    path.to_str().map(str::to_owned).ok_or_else(|| format!("the path {} is not UTF-8 text", path.display()))
}
