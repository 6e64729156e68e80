//! Follows the text of a setting to what it stands for: a path made whole, a file's content, or what the file of
//! `--confvars` says. What was read from elsewhere is never shown, whatever the setting.

use super::confvars::{ConfVars, Form, Item, Reading};
use super::envfile::{EnvFile, SETTING_FILE_BYTES_MAX, content, path_text};
use super::environment::EXTRA_ROOTS_VARIABLE;
use super::remote::{self, WebRequest};
use super::sources::{Found, Source, Sources};
use super::table::{Setting, SettingKind};
use super::values;
use crate::files::{self, SmallFile};
use crate::problem;
use crate::problem::{Loggable, Problem, operator_name};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Base64 of either alphabet comes with and without the `=` at its end.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// A text after files were read, ready to be checked.
pub(super) struct Retrieved {
    pub(super) text: String,
    /// The file of `--confvars`, if it said how the text was to be read.
    pub(super) told_by: Option<PathBuf>,
    /// What the operator should know about it.
    pub(super) warnings: Vec<Problem>,
}

impl Retrieved {
    const fn plain(text: String) -> Self {
        Self { text, told_by: None, warnings: Vec::new() }
    }

    fn with_warning(mut self, warning: Option<Problem>) -> Self {
        self.warnings.extend(warning);
        self
    }
}

impl Sources<'_> {
    /// Follows a text to what it stands for. May ask the network, if the file of `--confvars` says so.
    pub(super) fn retrieve(&self, setting: &Setting, found: &Found) -> Result<Retrieved, Problem> {
        // What we put into the base directory is as we made it, whatever the operator's own values are like.
        let told = self
            .item(setting)
            .filter(|(_, item)| item.changes_reading() && !matches!(found.source, Source::BaseDirectory));
        let Some((file, item)) = told else {
            let mut retrieved = self.read_as_usual(setting.kind, found)?;
            retrieved.text = self.of_kind(setting.kind, &retrieved)?;
            return Ok(retrieved);
        };
        self.read_as_told(setting.kind, found, item, file.path()).map_err(|problem| match &found.source {
            Source::Default(_) => problem,
            _ => problem!("{}; {} says how it is read", problem, file.path().display()),
        })
    }

    fn read_as_usual(&self, kind: SettingKind, found: &Found) -> Result<Retrieved, Problem> {
        match kind {
            SettingKind::SecretOrFile => self.file_or_text(kind, found),
            SettingKind::Plain | SettingKind::Location | SettingKind::File | SettingKind::Secret => {
                Ok(self.as_it_stands(kind, found))
            }
        }
    }

    fn read_as_told(
        &self,
        kind: SettingKind,
        found: &Found,
        item: &Item,
        told_by: &Path,
    ) -> Result<Retrieved, Problem> {
        let mut retrieved = match &item.reading {
            None => self.read_as_usual(kind, found)?,
            Some(Reading::Never) => self.as_it_stands(kind, found),
            Some(Reading::File(Form::Text)) => self.file_or_text(kind, found)?,
            Some(Reading::File(form)) => self.file(kind, found, form)?,
            Some(Reading::Web(request, form)) if remote::is_asked_for(&found.text) => {
                self.web(kind, found, request, form)?
            }
            Some(Reading::Web(..)) => self.read_as_usual(kind, found)?,
        };
        if item.base64 {
            retrieved.text = decoded(&retrieved.text)?;
        }
        retrieved.told_by = Some(told_by.to_owned());
        retrieved.text = self.of_kind(kind, &retrieved)?;
        Ok(retrieved)
    }

    /// The text as its kind wants it, with the files that it names in sight.
    fn of_kind(&self, kind: SettingKind, retrieved: &Retrieved) -> Result<String, Problem> {
        let trimmed = retrieved.text.trim();
        match kind {
            SettingKind::Plain => Ok(trimmed.to_owned()),
            SettingKind::Location => self.with_places(trimmed),
            SettingKind::File => {
                let path = self.environment.directory.join(self.with_places(trimmed)?);
                let shown = match retrieved.told_by {
                    Some(_) => "a file".into(),
                    None => Problem::of(&QuotedPath(&path)),
                };
                let found = std::fs::metadata(&path).and_then(|metadata| files::ensure_regular(&metadata));
                match found {
                    Ok(()) => path_text(&path),
                    Err(error) => Err(problem!("names {}, which cannot be read: {}", shown, error)),
                }
            }
            SettingKind::Secret | SettingKind::SecretOrFile => Ok(retrieved.text.clone()),
        }
    }

    /// The content of the file that the text names, or else the text itself.
    fn file_or_text(&self, kind: SettingKind, found: &Found) -> Result<Retrieved, Problem> {
        if matches!(found.source, Source::Credential(_) | Source::StandIn) {
            return Ok(self.as_it_stands(kind, found));
        }
        let path = self.environment.directory.join(self.with_places(found.text.trim())?);
        let is_own_file = matches!(found.source, Source::BaseDirectory);
        match files::read_small(&path, SETTING_FILE_BYTES_MAX) {
            Ok(SmallFile { bytes, open_to_others }) => {
                let text = content(bytes)
                    .ok_or_else(|| problem!("names {}, which is not UTF-8 text", path.display()))?;
                if text.trim().is_empty() {
                    return Err(problem!("names the file {}, which is empty", path.display()));
                }
                Ok(Retrieved::plain(text).with_warning(warning_of_mode(kind, &path, open_to_others)))
            }
            // In a directory that this user may not enter, nothing can be told from a file that is not there.
            Err(error)
                if std::fs::symlink_metadata(&path).is_ok()
                    || is_own_file && error.kind() == io::ErrorKind::PermissionDenied =>
            {
                Err(problem!("names {}, which cannot be read: {}", path.display(), error))
            }
            Err(_) if is_own_file => Err(problem!("has no file {}", path.display())),
            Err(_) if looks_like_path(&found.text) => {
                // Not shown: it may be a secret after all.
                Err("looks like the path of a file, and no such file can be reached".into())
            }
            Err(_) => Ok(self.as_it_stands(kind, found)),
        }
    }

    /// What stands at a place in the JSON file that the text names; a credential is the file itself.
    fn file(&self, kind: SettingKind, found: &Found, form: &Form) -> Result<Retrieved, Problem> {
        if let Source::Credential(_) = found.source {
            return form.extract(found.text.clone().into_bytes()).map(Retrieved::plain);
        }
        let path = self.environment.directory.join(self.with_places(found.text.trim())?);
        if std::fs::symlink_metadata(&path).is_err() {
            // Not shown: it may be a secret after all.
            return Err("must be the path of a JSON file, and no such file can be reached".into());
        }
        let shown = path.display();
        let SmallFile { bytes, open_to_others } = files::read_small(&path, SETTING_FILE_BYTES_MAX)
            .map_err(|error| problem!("names {}, which cannot be read: {}", shown, error))?;
        let text = form.extract(bytes).map_err(|problem| problem!("names {}: {}", shown, problem))?;
        Ok(Retrieved::plain(text).with_warning(warning_of_mode(kind, &path, open_to_others)))
    }

    /// What the server answers that the text names.
    fn web(
        &self,
        kind: SettingKind,
        found: &Found,
        request: &WebRequest,
        form: &Form,
    ) -> Result<Retrieved, Problem> {
        let url = found.text.trim();
        let variable = |name: &str| Ok(self.variable(name)?.map(|found| found.text));
        let extra_roots = self.environment.variable(EXTRA_ROOTS_VARIABLE)?.map(Path::new);
        let place = remote::place(url);
        let mut unset = Vec::new();
        for name in request.names() {
            if variable(name)?.is_none() {
                unset.push(problem!("[[{}]] is not set", operator_name(name)));
            }
        }
        // The likeliest reason for a refusal.
        let is_complete = unset.is_empty();
        let unset: Problem =
            if is_complete { "".into() } else { problem!(" ({})", Problem::join(unset, ", ")) };
        let text = remote::fetch(url, request, &variable, extra_roots)
            .and_then(|bytes| form.extract(bytes))
            .map_err(|problem| problem!("names {}: {}{}", place, problem, unset))?;
        let mut retrieved = Retrieved::plain(text);
        if !is_complete {
            retrieved.warnings.push(problem!(
                "something was sent to {} without what belongs into it{}",
                place,
                unset
            ));
        }
        Ok(retrieved.with_warning(
            request.is_overheard(url, kind.is_hidden()).then(|| {
                problem!("asking {} shows what is sent and answered to the network; use https", place)
            }),
        ))
    }

    /// The text where it was found; a secret stands there perhaps for more eyes than it should.
    fn as_it_stands(&self, kind: SettingKind, found: &Found) -> Retrieved {
        let warning = match &found.source {
            _ if !matches!(kind, SettingKind::Secret | SettingKind::SecretOrFile) => None,
            // The word for "no salt" tells nobody anything.
            _ if found.text.trim() == "none" => None,
            Source::Option(name) => Some(problem!(
                "--{} shows the secret to everyone who lists processes; use a file or a variable",
                *name
            )),
            Source::Line { path, .. } if self.env_file().is_some_and(EnvFile::is_open_to_others) => {
                Some(warning_of_secret(path))
            }
            Source::Default(path) if self.conf_vars.as_ref().is_some_and(ConfVars::is_open_to_others) => {
                Some(warning_of_secret(path))
            }
            _ => None,
        };
        Retrieved::plain(found.text.clone()).with_warning(warning)
    }
}

/// A path whose name may hold what breaks the line.
struct QuotedPath<'a>(&'a Path);

impl fmt::Display for QuotedPath<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, out)
    }
}

impl Loggable for QuotedPath<'_> {}

fn warning_of_secret(path: &Path) -> Problem {
    let path = path.display();
    problem!("{} holds a secret and can be read by others; take that away: chmod 0600 {}", path, path)
}

fn warning_of_mode(kind: SettingKind, path: &Path, open_to_others: bool) -> Option<Problem> {
    let path = path.display();
    (open_to_others && kind.is_hidden())
        .then(|| problem!("{} can be read by others; take that away: chmod 0400 {}", path, path))
}

/// A base64 key may begin with a slash; 32 bytes in base64 are taken for what they are.
fn looks_like_path(text: &str) -> bool {
    ["/", "./", "../", "~", "[["].iter().any(|start| text.trim_start().starts_with(start))
        && !values::key_decodes(text)
}

/// The text that a base64 text stands for. Line breaks within are common and mean nothing.
fn decoded(text: &str) -> Result<String, Problem> {
    let text: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    let alphabet = if text.contains(['-', '_']) { alphabet::URL_SAFE } else { alphabet::STANDARD };
    let bytes = GeneralPurpose::new(&alphabet, LENIENT)
        .decode(text)
        .map_err(|_| "gives a value that is not base64")?;
    content(bytes)
        .filter(|text| !text.trim().is_empty())
        .ok_or_else(|| "gives base64 of what is not UTF-8 text, or of nothing".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_comes_in_many_guises() {
        for text in ["aGk/aGk+", "aGk_aGk-", "aGk/\naGk+\n"] {
            assert_eq!(decoded(text).as_deref(), Ok("hi?hi>"), "{text}");
        }
        for text in ["aGk=", "aGk", "aGkK"] {
            assert_eq!(decoded(text).as_deref(), Ok("hi"), "{text}");
        }
        for text in ["", "a", "aG k!", "aGk_/w", "/w==", "Cg=="] {
            assert!(decoded(text).is_err(), "{text}");
        }
    }
}
