//! Files beside the code that must agree with it: `Cargo.toml`, the `Makefile`, and what documents promise.

use crate::assert_no_violations;
use crate::source::{repository, text_of};
use std::collections::BTreeSet;

/// The manifests of the packages beside the server.
const OTHERS: [&str; 2] = ["src/json/Cargo.toml", "tests/support/Cargo.toml"];

#[test]
fn every_dependency_has_its_reason_beside_it() {
    for manifest in ["Cargo.toml"].into_iter().chain(OTHERS) {
        assert_no_violations(&unexplained_dependencies(manifest, &text_of(manifest)));
    }
}

#[test]
fn every_package_has_the_dependencies_of_the_server() {
    for manifest in OTHERS {
        assert_no_violations(&other_dependencies(manifest, &text_of(manifest), &text_of("Cargo.toml")));
    }
}

#[test]
fn every_make_command_that_a_document_names_exists() {
    let makefile = text_of("Makefile");
    let targets = make_targets(&makefile);
    let files = repository();
    let documents = files.iter().filter(|file| file.path.ends_with(".md"));
    let complaints: Vec<String> =
        documents.flat_map(|file| unknown_make_commands(&file.path, &file.text, &targets)).collect();
    assert_no_violations(&complaints);
}

#[test]
fn the_licence_is_the_one_that_the_manifest_names() {
    assert!(text_of("Cargo.toml").contains("license = \"MIT\""));
    assert!(text_of("LICENSE").starts_with("MIT License"));
}

fn unexplained_dependencies(path: &str, manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_dependencies = false;
    let mut above = "";
    for (index, line) in manifest.lines().enumerate() {
        let mut declares = false;
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            in_dependencies = section.ends_with("dependencies");
            // A dependency may also have a section of its own.
            declares = section.contains("dependencies.");
        } else if in_dependencies {
            declares = line.starts_with(|character: char| character.is_alphanumeric());
        }
        if declares && !above.starts_with('#') {
            found.push(format!(
                "{path}:{}: put a comment above `{line}` that says what we need it for",
                index + 1
            ));
        }
        above = line;
    }
    found
}

/// Cargo adds up features: one that the server does not ask for would be in it all the same.
fn other_dependencies(path: &str, manifest: &str, server: &str) -> Vec<String> {
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let dependencies = lines.take_while(|line| !line.starts_with('[')).filter(|line| line.contains(" = "));
    let others = dependencies.filter(|line| !line.starts_with('#') && !line.contains("path = "));
    let unknown = others.filter(|line| !server.lines().any(|known| known == *line));
    unknown.map(|line| format!("{path}: `{line}` stands otherwise, or not at all, in Cargo.toml")).collect()
}

fn make_targets(makefile: &str) -> BTreeSet<&str> {
    let heads = makefile.lines().filter(|line| !line.starts_with(['\t', '#', '.']));
    heads.filter_map(|line| line.split_once(':')).map(|(target, _)| target.trim()).collect()
}

/// Looks at what follows `make` where it begins a command: a line of a code block, or a span of code.
fn unknown_make_commands(path: &str, text: &str, targets: &BTreeSet<&str>) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        // In a span, the odd pieces between backticks are code.
        let pieces: Vec<&str> =
            if fenced { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
        let words: Vec<&str> = pieces.iter().flat_map(|piece| piece.split_whitespace()).collect();
        for pair in words.windows(2).filter(|pair| pair[0] == "make") {
            let target = pair[1].trim_end_matches(|character: char| !character.is_alphanumeric());
            let is_name = target.starts_with(|character: char| character.is_ascii_lowercase());
            if is_name && !target.contains('=') && !targets.contains(target) {
                found.push(format!("{path}:{}: `make {target}` is not a target of the Makefile", index + 1));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_reason_is_seen() {
        let manifest = "[package]\nname = \"x\"\n\n[dependencies]\n# Because.\na = \"1\"\nb = \"1\"\n\n\
                        [dev-dependencies.c]\nversion = \"1\"\n\n[lints.rust]\nd = \"deny\"\n";
        let found = unexplained_dependencies("Cargo.toml", manifest);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("Cargo.toml:7:") && found[1].starts_with("Cargo.toml:9:"), "{found:?}");
    }

    #[test]
    fn a_dependency_with_other_features_is_seen() {
        let support = "[dependencies]\n# It = is.\na = \"1\"\nb = { path = \"../..\" }\nc = \"1\"\n\n[lints]\nd = true\n";
        let server = "[dependencies]\na = \"1\"\nc = { version = \"1\", default-features = false }\n";
        assert_eq!(other_dependencies("support", support, server).len(), 1);
    }

    #[test]
    fn targets_are_read_without_variables_and_commands() {
        let targets =
            make_targets("A ?= b\n.PHONY: x\nrun:  ## go\n\tcargo: no\ntest-all: run\n# note: no\n");
        assert_eq!(targets.into_iter().collect::<Vec<_>>(), ["run", "test-all"]);
    }

    #[test]
    fn a_command_that_does_not_exist_is_seen() {
        let targets = BTreeSet::from(["run", "static"]);
        let text = "We make tests. Type `make run` or `make tset`.\n\n```sh\nmake static TARGET=x && make nothing\n```\n";
        assert_eq!(
            unknown_make_commands("README.md", text, &targets),
            [
                "README.md:1: `make tset` is not a target of the Makefile",
                "README.md:4: `make nothing` is not a target of the Makefile"
            ]
        );
    }
}
