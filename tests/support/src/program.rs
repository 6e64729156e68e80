//! The program under test, which cargo builds before the tests that run it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The program `authnzerver`, as it was built with the test that asks.
///
/// # Panics
/// Unless it lies where cargo puts it: a folder above the test's own executable.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = own_executable();
        let program = test.ancestors().nth(2).expect("a test lies in a folder").join("authnzerver");
        assert!(
            program.is_file(),
            "There is no {}. `cargo test` builds it together with the tests.",
            program.display()
        );
        program
    })
}

/// The test binary that this process runs.
pub(crate) fn own_executable() -> PathBuf {
    std::env::current_exe().expect("the system knows what runs here")
}
