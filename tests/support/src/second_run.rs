//! A test binary can run its tests a second time, in a process of its own, over what frontends really use: HTTP instead
//! of calls, or TLS instead of plaintext.
//!
//! That process is told by a variable, which can also be set by hand, to run one test that way:
//! `TESTS_OVER=http cargo test --test stories user_lock`.

use crate::program::own_executable;
use std::process::{Command, Output, Stdio};

const VARIABLE: &str = "TESTS_OVER";

/// Whether the tests of this process are to run over `way`, which is the only other one that they know.
///
/// # Panics
/// If they are to run over something else.
pub fn is_over(way: &str) -> bool {
    let Some(told) = std::env::var_os(VARIABLE) else { return false };
    let told = told.to_string_lossy();
    assert!(told == way, "{VARIABLE} is {told}, but these tests can be run over {way:?} alone");
    true
}

/// Runs all tests of this binary over `way` but those whose names begin with `skipped`, where the caller itself is.
///
/// # Panics
/// With the output of the tests that fail; and if not every test was run.
pub fn every_test_holds_over(way: &str, skipped: &str) {
    if is_over(way) {
        return;
    }
    let names = text(&run(way, &["--list", "--format=terse"]));
    let names = names.lines().filter_map(|line| line.strip_suffix(": test"));
    let expected = names.filter(|name| !name.starts_with(skipped)).count();
    assert!(expected > 0, "there are no tests but {skipped}");
    assert_passed(&run(way, &["--skip", skipped]), expected);
}

/// Runs one test alone over `way`, unless this process does that; whether it has done so.
///
/// # Panics
/// With the output of the test if it fails.
pub fn ran_alone_over(way: &str, test: &str) -> bool {
    if is_over(way) {
        return false;
    }
    assert_passed(&run(way, &["--exact", test]), 1);
    true
}

fn run(way: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(own_executable());
    command.args(arguments).env(VARIABLE, way).stdin(Stdio::null());
    command.output().expect("a test binary can be started")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn assert_passed(output: &Output, expected: usize) {
    let text = text(output);
    // Names and output of the tests that failed; or all there is, if the process did not come so far.
    let told = text.find("\nfailures:\n").map_or(text.as_str(), |at| &text[at..]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}\n{errors}", output.status);
    assert!(passed(&text) >= expected, "only {} of {expected} tests were run", passed(&text));
}

/// How many tests have passed, by the last line of what a test binary prints.
fn passed(text: &str) -> usize {
    let result = text.lines().rev().find_map(|line| line.strip_prefix("test result: ok. "));
    let number = result.and_then(|result| result.split_once(" passed")).map(|(number, _)| number);
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
