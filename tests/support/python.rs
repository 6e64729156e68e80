//! Python, with the packages that the tests need.

use std::path::Path;
use std::process::Command;

/// Python as `make test` has prepared it: beside what was built, or a folder above that if it was built for a named
/// target.
pub fn python() -> Command {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let prepared = built.ancestors().skip(1).take(2).map(|folder| folder.join("python/bin/python"));
    let python = prepared.into_iter().find(|python| python.exists());
    Command::new(python.expect("Python is not prepared: run `make test-python` first"))
}
