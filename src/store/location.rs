//! Where a database is.

use super::postgres::target::Target;
use crate::problem::Problem;
use std::path::{Path, PathBuf};

/// Where a database is.
#[derive(Clone)]
pub enum Location {
    /// A file, of SQLite's.
    File(PathBuf),
    /// A PostgreSQL.
    Postgres(Box<Target>),
}

impl Location {
    /// Reads where a PostgreSQL is; nothing for a text that means none.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL, without a secret.
    #[must_use]
    pub fn postgres(url: &str) -> Option<Result<Self, Problem>> {
        Target::is_meant(url).then(|| Target::parse(url).map(|target| Self::Postgres(Box::new(target))))
    }

    /// The file, in this directory if its path says no other.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn file(&self, directory: &Path) -> Result<PathBuf, Problem> {
        match self {
            Self::File(path) => Ok(directory.join(path)),
            Self::Postgres(_) => {
                Err("the database is a PostgreSQL, which has tools of its own for this".into())
            }
        }
    }

    /// The file, where it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// Whether a password stands in it.
    #[must_use]
    pub fn has_password(&self) -> bool {
        matches!(self, Self::Postgres(target) if target.has_password())
    }

    /// The same place, seen from this directory.
    #[must_use]
    pub fn within(&self, directory: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(directory.join(path)),
            Self::Postgres(target) => Self::Postgres(target.clone()),
        }
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}
