//! Words that do not belong into the repository: the project speaks of itself alone, and of what is done.

use crate::assert_no_violations;
use crate::source::{SourceFile, repository, rust_below};

/// A word, where it may stand all the same, and why not elsewhere. Each word is written in two parts, so that
/// this list does not find itself.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (concat!("/wo", "rk/"), &[], "a path of one machine: say it relative to the repository"),
    (concat!("../", "shared"), &[], "nothing outside the repository is needed to build or read it"),
    (concat!("TO", "DO"), &[], "do it now, or leave it unsaid"),
    (concat!("FIX", "ME"), &[], "mend it now, or leave it unsaid"),
    (concat!("crates", ".io/"), &["Cargo.lock"], "a registry is found by its client's own settings"),
    (concat!("index.crates", ".io"), &[], "a registry is found by its client's own settings"),
    (concat!("pypi", ".org"), &[], "a registry is found by its client's own settings"),
    (concat!("deb.debian", ".org"), &[], "a registry is found by its client's own settings"),
    (concat!("registry.npm", "js.org"), &[], "a registry is found by its client's own settings"),
];

#[test]
fn no_file_holds_a_word_that_does_not_belong() {
    let complaints: Vec<String> = repository().iter().flat_map(forbidden_words).collect();
    assert_no_violations(&complaints);
}

#[test]
fn nothing_refers_to_a_numbered_list_that_the_reader_does_not_have() {
    let files = repository();
    let written = files.iter().filter(|file| {
        [".rs", ".sql", ".md", ".toml", ".sh"].iter().any(|ending| file.path.ends_with(ending))
    });
    let complaints: Vec<String> = written.flat_map(numbered_references).collect();
    assert_no_violations(&complaints);
}

/// Roles that the server itself gives a meaning to. Misspelt once, one would quietly be another role.
const ROLES: [&str; 5] = ["superuser", "staff", "authenticated", "anonymous", "locked"];

#[test]
fn a_role_is_named_in_one_place() {
    let files = rust_below(&["src/"]);
    let complaints: Vec<String> = files.iter().flat_map(named_roles).collect();
    assert_no_violations(&complaints);
}

fn named_roles(file: &SourceFile) -> Vec<String> {
    if file.path == "src/policy/roles.rs" || file.path.contains("/tests") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for role in ROLES.iter().filter(|role| line.contains(&format!("\"{role}\""))) {
            found.push(format!("{}:{}: spells \"{role}\": use policy::roles", file.path, index + 1));
        }
    }
    found
}

fn forbidden_words(file: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    for (word, homes, advice) in FORBIDDEN {
        if homes.iter().any(|home| file.path.starts_with(home)) {
            continue;
        }
        for (index, _) in file.text.lines().enumerate().filter(|(_, line)| line.contains(word)) {
            found.push(format!("{}:{}: holds \"{word}\": {advice}", file.path, index + 1));
        }
    }
    found
}

/// Finds "W12", "A5" and "ruling 7" where they stand as words of their own.
fn numbered_references(file: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let words: Vec<&str> = line
            .split(|letter: char| letter.is_whitespace() || "()[],;.:`".contains(letter))
            .filter(|word| !word.is_empty())
            .collect();
        let numbered = |word: &&str| {
            word.strip_prefix(['W', 'A'])
                .is_some_and(|number| (1..=2).contains(&number.len()) && is_number(number))
        };
        let ruling =
            words.windows(2).any(|pair| pair[0].eq_ignore_ascii_case("ruling") && is_number(pair[1]));
        if ruling || words.iter().any(numbered) {
            found.push(format!(
                "{}:{}: refers to a numbered list; give the reason itself",
                file.path,
                index + 1
            ));
        }
    }
    found
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_does_not_belong_is_seen_except_at_home() {
        let registry = concat!("source = crates", ".io/x\n");
        assert_eq!(forbidden_words(&SourceFile::sample("Cargo.lock", registry)), [""; 0]);
        assert_eq!(forbidden_words(&SourceFile::sample("Makefile", registry)).len(), 1);
        let unfinished = concat!("fn x() {}\n// TO", "DO: later\n");
        let found = forbidden_words(&SourceFile::sample("src/x.rs", unfinished));
        assert!(found[0].starts_with("src/x.rs:2:"), "{found:?}");
    }

    #[test]
    fn a_numbered_reference_is_seen() {
        for text in [concat!("as W", "12 asks"), concat!("(see A", "5)"), concat!("Ruling", " 7 says so")] {
            assert_eq!(numbered_references(&SourceFile::sample("src/x.rs", text)).len(), 1, "{text}");
        }
        for text in ["WAL", "SHA256", "A", "x-W12-y", "A4096", "C1 controls", "the ruling party"] {
            assert_eq!(numbered_references(&SourceFile::sample("src/x.rs", text)), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_spelt_role_is_seen() {
        let file = SourceFile::sample("src/a.rs", "\n    user.role == \"locked\" && \"unlocked\"");
        assert_eq!(named_roles(&file), ["src/a.rs:2: spells \"locked\": use policy::roles"]);
        assert!(named_roles(&SourceFile::sample("src/policy/roles.rs", &file.text)).is_empty());
    }
}
