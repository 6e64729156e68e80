//! What the process was started with, handed in as one value, so that tests can set it.

use super::values;
use crate::problem;
use crate::problem::{Problem, operator_name};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

/// Names a file of root certificates to trust beside the built-in ones, here as in many programs.
pub const EXTRA_ROOTS_VARIABLE: &str = "SSL_CERT_FILE";

/// What the process was started with.
#[derive(Clone)]
pub struct Environment {
    /// The words after the program's name.
    pub arguments: Vec<OsString>,
    /// The environment.
    pub variables: BTreeMap<OsString, OsString>,
    /// The current directory, absolute.
    pub directory: PathBuf,
}

impl Environment {
    /// Those of this process.
    ///
    /// # Errors
    /// If the current directory is gone.
    pub fn of_this_process() -> io::Result<Self> {
        Ok(Self {
            arguments: std::env::args_os().skip(1).collect(),
            variables: std::env::vars_os().collect(),
            directory: std::env::current_dir()?,
        })
    }

    /// The name of the system's user, as the environment tells it.
    #[must_use]
    pub fn user_name(&self) -> Option<&str> {
        ["LOGNAME", "USER", "LNAME", "USERNAME"]
            .iter()
            .find_map(|name| self.variable(name).ok().flatten().filter(|text| values::line(text).is_ok()))
    }

    /// A variable that is not blank.
    pub(super) fn variable(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.variables.get(OsStr::new(name)).map(|text| text.to_str()) {
            Some(None) => Err(problem!("{} in the environment is not UTF-8 text", operator_name(name))),
            Some(Some(text)) => Ok(Some(as_meant(text)).filter(|text| !text.trim().is_empty())),
            None => Ok(None),
        }
    }

    /// Whether a variable has quotes around it that are not taken for a part of it.
    pub(super) fn is_quoted(&self, name: &str) -> bool {
        let text = self.variables.get(OsStr::new(name)).and_then(|text| text.to_str());
        text.is_some_and(|text| as_meant(text) != text.trim_end_matches('\r'))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().filter_map(|name| name.to_str())
    }
}

/// A variable's text without what belongs to the file that it was read from: Docker and others keep the quotes around
/// a value, and the `\r` of a line that ends in two characters.
#[must_use]
pub fn as_meant(text: &str) -> &str {
    let text = text.trim_end_matches('\r');
    let within = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(text)
}
