//! Python, with the packages that the tests need.

use crate::program::own_executable;
use std::process::Command;

/// Python as `make test` has prepared it: in the folder of what was built, which lies above the tests' own, the higher
/// if they were built for a named target.
///
/// # Panics
/// Unless it is there.
pub fn python() -> Command {
    let test = own_executable();
    let prepared = test.ancestors().skip(3).take(2).map(|folder| folder.join("python/bin/python"));
    let python = prepared.into_iter().find(|python| python.exists());
    Command::new(python.expect("Python is not prepared: run `make test-python` first"))
}
