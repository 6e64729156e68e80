//! What a Rust file looks like: short, with a head that says what it is for, safe, and with tests that run.

use crate::assert_no_violations;
use crate::source::{SourceFile, Token, code_only, rust_below, tokens};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Files that may be longer, each with its reason. There is none.
const LONG_FILES: &[&str] = &[];

/// Files that may hold `unsafe` code, which has to argue for itself where it stands.
const UNSAFE_FILES: &[&str] = &[
    "src/http/socket.rs",
    "src/http/supervisor.rs",
    "src/os.rs",
    "src/os/bytes.rs",
    "src/store/sqlite/wal_index.rs",
    "tests/disk/vfs.rs",
    "tests/wiped/main.rs",
];

fn ours() -> Vec<SourceFile> {
    rust_below(&["src/", "tests/", "examples/"])
}

#[test]
fn files_are_short() {
    let files = ours();
    let complaints: Vec<String> =
        files.iter().filter(|file| !LONG_FILES.contains(&file.path.as_str())).filter_map(too_long).collect();
    assert_no_violations(&complaints);
}

#[test]
fn functions_are_short() {
    let complaints: Vec<String> = ours().iter().flat_map(long_functions).collect();
    assert_no_violations(&complaints);
}

#[test]
fn every_file_says_what_it_is_for() {
    let complaints: Vec<String> = ours().iter().filter_map(without_a_head).collect();
    assert_no_violations(&complaints);
}

#[test]
fn unsafe_code_has_named_places() {
    let files = ours();
    let complaints: Vec<String> = files
        .iter()
        .filter(|file| !UNSAFE_FILES.contains(&file.path.as_str()))
        .flat_map(|file| places(file, &["unsafe"], "is a new place for unsafe code: find a safe way"))
        .collect();
    assert_no_violations(&complaints);
}

#[test]
fn an_address_that_came_in_is_folded() {
    let complaints: Vec<String> =
        ours().iter().filter(|file| file.path.starts_with("src/")).flat_map(unfolded_addresses).collect();
    assert_no_violations(&complaints);
}

/// Only what lies in a column is an address without being folded.
fn unfolded_addresses(file: &SourceFile) -> Vec<String> {
    if file.path.starts_with("src/store/") {
        return Vec::new();
    }
    let advice = "trusts a text to be folded: use EmailAddress::folded or accept_for_signup";
    places(file, &["EmailAddress", "::", "stored"], advice)
}

#[test]
fn no_test_is_ignored() {
    let complaints: Vec<String> = ours()
        .iter()
        .flat_map(|file| places(file, &["#", "[", "ignore"], "ignores a test: mend it or remove it"))
        .collect();
    assert_no_violations(&complaints);
}

#[test]
fn a_module_lies_where_its_name_says() {
    let complaints: Vec<String> = ours().iter().flat_map(modules_from_elsewhere).collect();
    assert_no_violations(&complaints);
}

fn modules_from_elsewhere(file: &SourceFile) -> Vec<String> {
    let advice = "takes a module from elsewhere: what several test binaries share belongs into tests/support";
    places(file, &["#", "[", "path"], advice)
}

fn too_long(file: &SourceFile) -> Option<String> {
    let lines = file.text.lines().count();
    (lines > FILE_LINES_MAX).then(|| {
        format!(
            "{}: {lines} lines, at most {FILE_LINES_MAX}: move one of its concerns, or its tests, to a file of its own",
            file.path
        )
    })
}

fn without_a_head(file: &SourceFile) -> Option<String> {
    (!file.text.starts_with("//! ")).then(|| {
        format!("{}: begin with `//!` lines that tell the file's job and what it must never do", file.path)
    })
}

/// Where these pieces of code follow each other, comments and literals apart.
fn places(file: &SourceFile, pieces: &[&str], advice: &str) -> Vec<String> {
    let code = code_only(&file.text);
    let tokens = tokens(&code);
    let found = tokens
        .windows(pieces.len())
        .filter(|window| window.iter().map(|token| token.text).eq(pieces.iter().copied()));
    found.map(|window| format!("{}:{}: {advice}", file.path, window[0].line)).collect()
}

fn long_functions(file: &SourceFile) -> Vec<String> {
    let code = code_only(&file.text);
    let tokens = tokens(&code);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == "fn") {
        let Some(last) = body_end(&tokens[at..]) else { continue };
        let lines = last.line + 1 - token.line;
        if lines > FUNCTION_LINES_MAX {
            let name = tokens.get(at + 1).map_or("", |token| token.text);
            found.push(format!(
                "{}:{}: {name} has {lines} lines, at most {FUNCTION_LINES_MAX}: give a part of it a name of its own",
                file.path, token.line
            ));
        }
    }
    found
}

/// The brace that closes the body of the function at the head of `tokens`; `None` for one without a body.
fn body_end<'code>(tokens: &[Token<'code>]) -> Option<Token<'code>> {
    let mut round_depth = 0_usize;
    let mut curly_depth = 0_usize;
    for token in tokens {
        match token.text {
            "(" | "[" => round_depth += 1,
            ")" | "]" => round_depth = round_depth.checked_sub(1)?,
            // Behind the arguments, where a declaration or a function pointer's type ends.
            ";" | "," if round_depth == 0 && curly_depth == 0 => return None,
            "{" => curly_depth += 1,
            "}" => {
                curly_depth = curly_depth.checked_sub(1)?;
                if curly_depth == 0 && round_depth == 0 {
                    return Some(*token);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(text: &str) -> SourceFile {
        SourceFile::sample("src/sample.rs", text)
    }

    #[test]
    fn a_long_file_is_seen() {
        assert_eq!(too_long(&sample(&"\n".repeat(FILE_LINES_MAX))), None);
        assert!(too_long(&sample(&"\n".repeat(FILE_LINES_MAX + 1))).is_some());
    }

    #[test]
    fn a_long_function_is_seen_and_named() {
        let function = |lines: usize| {
            format!("trait T {{ fn declared(&self); }}\nfn long(x: [u8; 3]) {{{}}}\n", "\n".repeat(lines - 1))
        };
        assert_eq!(long_functions(&sample(&function(FUNCTION_LINES_MAX))), [""; 0]);
        let found = long_functions(&sample(&function(FUNCTION_LINES_MAX + 1)));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("src/sample.rs:2: long has 71 lines"), "{found:?}");
    }

    #[test]
    fn a_brace_in_a_literal_ends_no_function() {
        let text = format!("fn long() {{ let x = \"}}\"; let y = '}}'; {} }}", "\n".repeat(80));
        assert_eq!(long_functions(&sample(&text)).len(), 1);
    }

    #[test]
    fn a_missing_head_is_seen() {
        assert_eq!(without_a_head(&sample("//! Keeps the time.\n")), None);
        assert!(without_a_head(&sample("// Keeps the time.\n")).is_some());
    }

    #[test]
    fn unsafe_code_is_seen_but_not_the_word() {
        let text = "#![deny(unsafe_code)]\n// unsafe\nlet x = \"unsafe\";\nunsafe { x() }";
        assert_eq!(places(&sample(text), &["unsafe"], "is unsafe"), ["src/sample.rs:4: is unsafe"]);
    }

    #[test]
    fn an_ignored_test_is_seen() {
        let text = "fn ignore() {}\n#[test]\n#[ignore = \"slow\"]\nfn t() { ignore() }";
        assert_eq!(places(&sample(text), &["#", "[", "ignore"], "runs not"), ["src/sample.rs:3: runs not"]);
    }

    #[test]
    fn a_module_from_elsewhere_is_seen() {
        let file = SourceFile::sample("tests/a/main.rs", "mod b;\n#[path = \"../c/d.rs\"]\nmod d;");
        let found = modules_from_elsewhere(&file);
        assert!(found.len() == 1 && found[0].starts_with("tests/a/main.rs:2: "), "{found:?}");
    }

    #[test]
    fn an_address_that_is_not_folded_is_seen() {
        let text = "\nfn f() { look_up(EmailAddress::stored(typed)) }";
        assert_eq!(unfolded_addresses(&SourceFile::sample("src/app.rs", text)).len(), 1);
        assert!(unfolded_addresses(&SourceFile::sample("src/store/users.rs", text)).is_empty());
    }
}
