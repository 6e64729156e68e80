//! Whether the server may write the database, before SQLite finds out.
//!
//! SQLite opens a file that may not be written for reading only, says so late and without the file's name, and gives the
//! index of the log that it makes beside it the same mode, which then keeps out every later start.

use super::companions::{COMPANIONS, beside};
use crate::files::our_user;
use crate::os::{self, Access};
use crate::problem;
use crate::problem::Problem;
use crate::store::error::OpenError;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Finds the first of what SQLite has to write that the server may not write: the directory, the database, or what lies
/// beside it. A file that does not exist is no concern of this.
pub(super) fn check(path: &Path) -> Result<(), OpenError> {
    // SQLite follows a symbolic link and keeps its other files beside the file that it leads to.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if matches!(directory.try_exists(), Ok(false)) {
        let told: Problem =
            "there is no such directory; make it for the server's user, or set another file (authdb)".into();
        return Err(OpenError::File(directory.to_owned(), io::Error::new(io::ErrorKind::NotFound, told)));
    }
    check_one(directory, Access::Directory)?;
    check_one(&target, Access::File)?;
    COMPANIONS.iter().try_for_each(|suffix| check_one(&beside(&target, suffix), Access::File))
}

fn check_one(path: &Path, access: Access) -> Result<(), OpenError> {
    match os::may_access(path, access) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(explain(path, error)),
        _ => Ok(()),
    }
}

/// Why the system refuses this, with what helps.
fn explain(path: &Path, error: io::Error) -> OpenError {
    let path = path.to_owned();
    if error.kind() == io::ErrorKind::ReadOnlyFilesystem {
        return OpenError::ReadOnlyMount(path);
    }
    let (Ok(about), Some(us)) = (std::fs::metadata(&path), our_user()) else {
        return OpenError::File(path, error);
    };
    let needed = if about.is_dir() { 0o700 } else { 0o600 };
    if error.raw_os_error() == Some(libc::EPERM) {
        let told = problem!(
            "{}; `lsattr` shows whether it is immutable, and `chattr -i` makes it a usual file",
            error
        );
        OpenError::File(path, io::Error::new(error.kind(), told))
    } else if error.kind() != io::ErrorKind::PermissionDenied {
        OpenError::File(path, error)
    } else if about.uid() != us {
        OpenError::NotOurs(path, about.uid(), us)
    } else if about.mode() & needed != needed {
        OpenError::NotWritable { path, mode: about.mode() & 0o7777, is_directory: about.is_dir() }
    } else {
        OpenError::File(path, error)
    }
}

/// The first of what SQLite has to write that belongs to somebody else: the directory, the database, or what somebody
/// who opened it as another user has left beside it.
pub(super) fn not_ours(path: &Path, us: u32) -> Option<OpenError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = COMPANIONS.map(|suffix| beside(path, suffix));
    [directory, path].into_iter().chain(beside.iter().map(PathBuf::as_path)).find_map(|name| {
        let owner = std::fs::metadata(name).ok()?.uid();
        (owner != us).then(|| OpenError::NotOurs(name.to_owned(), owner, us))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_is_mounted_read_only_is_named_as_such() {
        let error = io::Error::from_raw_os_error(libc::EROFS);
        let told = explain(Path::new("/srv/.authdb.sqlite"), error).to_string();
        assert!(told.contains("/srv/.authdb.sqlite") && told.contains("mounted read-only"), "{told}");
    }

    #[test]
    fn a_file_that_nobody_may_change_is_not_blamed_on_its_mode() {
        let path = std::env::current_exe().expect("a program");
        let told = explain(&path, io::Error::from_raw_os_error(libc::EPERM)).to_string();
        assert!(
            told.contains("not permitted") && told.contains("`lsattr`") && !told.contains("chmod"),
            "{told}"
        );
    }
}
