//! How the house is kept: each rule that a machine can check is a test here. A failing one names the place and
//! says what to do instead. The rules read the source as text; they never run the program.

mod arrows;
mod circles;
mod documents;
mod manifest;
mod paths;
mod shape;
mod source;
mod words;

/// Fails with every complaint at once, one a line, so that one run shows all there is to mend.
fn assert_no_violations(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n\n{}\n", complaints.join("\n"));
}
