//! Documents lead where they say, and name what there is.

use crate::assert_no_violations;
use crate::source::{SourceFile, repository, text_of};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

#[test]
fn every_link_leads_to_a_file() {
    let files = repository();
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let documents = files.iter().filter(|file| file.path.ends_with(".md"));
    assert_no_violations(&documents.flat_map(|file| dead_links(file, &paths)).collect::<Vec<_>>());
}

#[test]
fn every_variable_that_a_document_names_is_a_setting() {
    let page = text_of("docs/settings.md");
    let settings: BTreeSet<&str> = variables(&page).collect();
    let documents = repository().into_iter().filter(|file| file.path.ends_with(".md"));
    let complaints: Vec<String> = documents
        .flat_map(|file| {
            let unknown = variables(&file.text).filter(|name| !settings.contains(name));
            unknown.map(|name| format!("{}: {name} is no setting", file.path)).collect::<Vec<_>>()
        })
        .collect();
    assert_no_violations(&complaints);
}

#[test]
fn every_document_can_be_reached_from_the_readme() {
    let readme = text_of("README.md");
    // Those that belong to a folder are found there.
    let documents = repository().into_iter().filter(|file| {
        file.path.ends_with(".md") && (!file.path.contains('/') || file.path.starts_with("docs/"))
    });
    let unreachable: Vec<String> = documents
        .filter(|file| file.path != "README.md" && !readme.contains(&format!("]({})", file.path)))
        .map(|file| format!("README.md: link {}, or nobody finds it", file.path))
        .collect();
    assert_no_violations(&unreachable);
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    assert_no_violations(&unknown_tests(&text_of("docs/security.md"), &repository()));
}

/// What the table's third column names: tests, files or folders of tests, and modules that have some.
fn unknown_tests(page: &str, files: &[SourceFile]) -> Vec<String> {
    let rows = page.lines().enumerate().filter(|(_, line)| line.starts_with('|'));
    let named = rows.flat_map(|(at, row)| {
        let cell = row.split('|').nth(3).unwrap_or_default();
        cell.split('`').skip(1).step_by(2).map(move |name| (at + 1, name))
    });
    named
        .filter(|(_, name)| !files.iter().any(|file| has_test(file, name)))
        .map(|(line, name)| format!("docs/security.md:{line}: there is no {name}"))
        .collect()
}

fn has_test(file: &SourceFile, name: &str) -> bool {
    if name.contains('/') {
        return file.path.starts_with(name);
    }
    if !file.path.ends_with(".rs") {
        return false;
    }
    let module = format!("/{}", name.replace("::", "/"));
    file.path.ends_with(&format!("{module}.rs"))
        || file.path.contains(&format!("{module}/"))
        || file.text.contains(&format!("fn {name}()"))
}

#[test]
fn every_deliberate_difference_has_a_row_that_says_why() {
    let reasons = text_of("docs/compatibility.md");
    let table = text_of("tests/original/differences.json");
    let rows = table.lines().filter_map(|line| line.strip_prefix("  \"row\": \"")?.strip_suffix("\","));
    let unfounded: Vec<String> = rows
        .filter(|row| !reasons.lines().any(|line| line.starts_with(&format!("| {row}"))))
        .map(|row| {
            format!(
                "tests/original/differences.json: docs/compatibility.md has no row that begins with {row}"
            )
        })
        .collect();
    assert_no_violations(&unfounded);
}

fn dead_links(document: &SourceFile, paths: &BTreeSet<&str>) -> Vec<String> {
    let folder = Path::new(&document.path).parent().unwrap_or(Path::new(""));
    let targets = document.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let local = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    let file_of = |target: &str| plain(&folder.join(target.split('#').next().unwrap_or_default()));
    local
        .filter(|target| !paths.contains(file_of(target).to_string_lossy().as_ref()))
        .map(|target| format!("{}: there is no {target}", document.path))
        .collect()
}

/// The path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}

/// The variables that a text names whole.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let is_name =
        |character: char| character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_';
    text.split(move |character| !is_name(character))
        .filter(|word| word.strip_prefix("AUTHNZERVER_").is_some_and(|name| !name.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_nowhere_is_seen() {
        let text = "[a](b.md) [c](../README.md#x) [d](https://e) [f](#g) [h](gone.md)";
        let found =
            dead_links(&SourceFile::sample("docs/x.md", text), &BTreeSet::from(["docs/b.md", "README.md"]));
        assert_eq!(found, ["docs/x.md: there is no gone.md"]);
    }

    #[test]
    fn a_test_that_is_gone_is_seen() {
        let page = "| `fault` | what | `here`, tests of `a::b`, `tests/x/` |\n| | | `gone`, `tests/y.rs` |";
        let file = SourceFile::sample;
        let files = [file("src/a/b.rs", ""), file("tests/x/y.rs", "fn here() {}"), file("a.md", "fn gone()")];
        let found = unknown_tests(page, &files);
        assert_eq!(
            found,
            ["docs/security.md:2: there is no gone", "docs/security.md:2: there is no tests/y.rs"]
        );
    }

    #[test]
    fn variables_are_named_whole() {
        let text = "`AUTHNZERVER_…=…`, AUTHNZERVER_PORT=1 and `AUTHNZERVER_LOCKMODE`";
        assert_eq!(variables(text).collect::<Vec<_>>(), ["AUTHNZERVER_PORT", "AUTHNZERVER_LOCKMODE"]);
    }
}
