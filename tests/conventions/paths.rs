//! Which modules and crates a Rust file names: by `use`, and by paths written out in the code.

use crate::source::{SourceFile, Token, code_only, is_word, tokens};
use std::collections::BTreeSet;

/// A file of `src/`, and what it names.
pub struct Module {
    /// Where the file lies.
    pub path: String,
    /// Its place in the crate: `["guard", "secret"]`.
    pub name: Vec<String>,
    /// What it names, in order.
    pub named: Vec<Named>,
    /// The macros that it defines.
    pub macros: Vec<String>,
}

/// A path that a file names.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// The line, counted from 1.
    pub line: usize,
    /// The path; from our crate's root if `ours`, and otherwise from the name of another crate.
    pub path: Vec<String>,
    /// Whether it leads into our own crate.
    pub ours: bool,
    /// Whether only tests name it: it stands below `#[cfg(test)]`.
    pub in_tests: bool,
    /// What a `use` calls it from there on; `*` for whatever lies below it.
    pub alias: Option<String>,
}

impl Named {
    /// The path as it would be written.
    pub fn written(&self) -> String {
        let start = if self.ours { "crate::" } else { "" };
        format!("{start}{}", self.path.join("::"))
    }
}

/// Reads every file of `src/`.
pub fn modules(files: &[SourceFile]) -> Vec<Module> {
    let known: BTreeSet<Vec<String>> = files.iter().map(|file| module_name(&file.path)).collect();
    let code: Vec<String> = files.iter().map(|file| code_only(&file.text)).collect();
    let mut modules = Vec::new();
    let mut test_modules = Vec::new();
    for (file, code) in files.iter().zip(&code) {
        let name = module_name(&file.path);
        let tokens = tokens(code);
        let tests = test_items(&tokens);
        for item in &tests {
            if let Some(pair) = item.windows(2).find(|pair| pair[0].text == "mod") {
                test_modules.push([name.as_slice(), &[pair[1].text.to_owned()]].concat());
            }
        }
        let in_tests =
            |line| tests.iter().any(|item| (item[0].line..=item[item.len() - 1].line).contains(&line));
        let written = written_paths(&tokens).into_iter();
        let named = written.map(|written| resolve(written, &name, &known)).collect::<Vec<_>>();
        let named =
            named.into_iter().map(|named| Named { in_tests: in_tests(named.line), ..named }).collect();
        let definitions = tokens.windows(3).filter(|three| three[0].text == "macro_rules");
        let macros = definitions.map(|three| three[2].text.to_owned()).collect();
        modules.push(Module { path: file.path.clone(), name, named, macros });
    }
    // A test module may have a file of its own.
    for module in
        modules.iter_mut().filter(|module| test_modules.iter().any(|name| module.name.starts_with(name)))
    {
        module.named.iter_mut().for_each(|named| named.in_tests = true);
    }
    modules
}

/// The items that `#[cfg(test)]` stands above, each with that mark.
fn test_items<'all, 'code>(tokens: &'all [Token<'code>]) -> Vec<&'all [Token<'code>]> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let starts =
        (0..tokens.len()).filter(|at| tokens[*at..].iter().map(|token| token.text).take(mark.len()).eq(mark));
    starts.map(|start| &tokens[start..item_end(tokens, start + mark.len())]).collect()
}

/// The place behind the item that begins at `at`: behind its semicolon, or the brace that closes its body.
fn item_end(tokens: &[Token<'_>], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && matches!(token.text, ";" | "}") {
            return index + 1;
        }
    }
    tokens.len()
}

fn module_name(path: &str) -> Vec<String> {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let mut name: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if matches!(name.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        name.pop();
    }
    name
}

/// A path as it stands in the text, with the modules that are open around it in the same file.
struct Written {
    found: Found,
    inside: Vec<String>,
}

/// A path, where it stands, and what a `use` calls it.
struct Found {
    line: usize,
    path: Vec<String>,
    alias: Option<String>,
}

fn resolve(written: Written, file: &[String], known: &BTreeSet<Vec<String>>) -> Named {
    let Written { found: Found { line, mut path, alias }, inside } = written;
    let mut base: Vec<String> = file.iter().cloned().chain(inside).collect();
    match path[0].as_str() {
        "crate" | "authnzerver" => {
            base.clear();
            path.remove(0);
        }
        "self" => drop(path.remove(0)),
        "super" => {
            while path.first().is_some_and(|step| step == "super") {
                base.pop();
                path.remove(0);
            }
        }
        // A child module goes by its own name. Everything else is another crate, or a type already imported.
        head if !known.contains(&[base.as_slice(), &[head.to_owned()]].concat()) => {
            return Named { line, path, ours: false, in_tests: false, alias };
        }
        _ => {}
    }
    base.append(&mut path);
    Named { line, path: base, ours: true, in_tests: false, alias }
}

fn written_paths(tokens: &[Token<'_>]) -> Vec<Written> {
    let mut found = Vec::new();
    // One entry for each open brace: the module's name, where it opens one.
    let mut open: Vec<Option<String>> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let text_at = |index: usize| tokens.get(index).map_or("", |token| token.text);
        let mut paths = Vec::new();
        match text_at(at) {
            "mod" if text_at(at + 2) == "{" => {
                open.push(Some(text_at(at + 1).to_owned()));
                at += 3;
            }
            "{" => {
                open.push(None);
                at += 1;
            }
            "}" => {
                open.pop();
                at += 1;
            }
            "use" => at = use_tree(tokens, at + 1, &[], &mut paths),
            "extern" if text_at(at + 1) == "crate" => {
                let path = vec![text_at(at + 2).to_owned()];
                paths.push(Found { line: tokens[at].line, path, alias: None });
                at += 3;
            }
            text if text.starts_with(is_word) => at = plain_path(tokens, at, &mut paths),
            _ => at += 1,
        }
        let inside: Vec<String> = open.iter().flatten().cloned().collect();
        found.extend(paths.into_iter().map(|found| Written { found, inside: inside.clone() }));
    }
    found
}

/// Reads one branch of a `use` tree from `at`, and gives the place behind it.
fn use_tree(tokens: &[Token<'_>], mut at: usize, prefix: &[String], found: &mut Vec<Found>) -> usize {
    let mut path = prefix.to_vec();
    let mut line = 0;
    let mut alias = None;
    while let Some(token) = tokens.get(at) {
        match token.text {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    let next = use_tree(tokens, at, &path, found);
                    // Behind a branch stands a comma or the closing brace; a step is made in any case.
                    at =
                        if tokens.get(next).is_some_and(|token| token.text == "}") { next } else { next + 1 };
                }
                return at + 1;
            }
            "as" => {
                alias = tokens.get(at + 1).map(|token| token.text.to_owned());
                at += 2;
            }
            "*" => {
                alias = Some("*".to_owned());
                at += 1;
            }
            "self" if !path.is_empty() => at += 1,
            "::" => at += 1,
            text if text.starts_with(is_word) => {
                path.push(text.to_owned());
                at += 1;
            }
            _ => break,
        }
        line = token.line;
    }
    if let Some(last) = path.last() {
        let alias = alias.or_else(|| Some(last.clone()));
        found.push(Found { line, path, alias });
    }
    at
}

/// Reads words joined by `::` from `at`, and gives the place behind them. A word alone is not a path.
fn plain_path(tokens: &[Token<'_>], start: usize, found: &mut Vec<Found>) -> usize {
    let mut path = vec![tokens[start].text.to_owned()];
    let mut at = start + 1;
    while let [joint, word, ..] = &tokens[at..] {
        if joint.text != "::" || !word.text.starts_with(is_word) {
            break;
        }
        path.push(word.text.to_owned());
        at += 2;
    }
    let behind_a_joint = start > 0 && tokens[start - 1].text == "::";
    if path.len() > 1 && !behind_a_joint {
        found.push(Found { line: tokens[start].line, path, alias: None });
    }
    at
}

/// The modules of files that exist only for a test of a rule.
pub fn sample_tree(files: &[(&str, &str)]) -> Vec<Module> {
    let files: Vec<SourceFile> = files.iter().map(|(path, text)| SourceFile::sample(path, text)).collect();
    modules(&files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str, text: &str) -> Vec<String> {
        let files = [
            SourceFile::sample("src/lib.rs", ""),
            SourceFile::sample("src/store/mod.rs", ""),
            SourceFile::sample("src/store/users.rs", ""),
            SourceFile::sample(path, text),
        ];
        modules(&files).pop().expect("as many modules as files").named.iter().map(Named::written).collect()
    }

    #[test]
    fn a_use_tree_names_each_leaf() {
        let text =
            "use crate::store::{self, users::{User, by_email as find}, Tx,};\nuse std::fmt;\nuse a::*;";
        assert_eq!(
            named("src/pipeline.rs", text),
            [
                "crate::store",
                "crate::store::users::User",
                "crate::store::users::by_email",
                "crate::store::Tx",
                "std::fmt",
                "a"
            ]
        );
    }

    #[test]
    fn paths_in_the_code_count_too() {
        let text =
            "fn f(x: crate::http::Http) -> rusqlite::Result<()> { may::go!(x); Vec::<u8>::new(); y.z }";
        assert_eq!(named("src/a.rs", text), ["crate::http::Http", "rusqlite::Result", "may::go"]);
    }

    #[test]
    fn relative_paths_lead_to_their_module() {
        assert_eq!(
            named("src/store/x.rs", "use super::users::User; use self::y;"),
            ["crate::store::users::User", "crate::store::x::y"]
        );
        assert_eq!(
            named("src/store/x.rs", "mod tests { use super::super::Tx; } use super::Tx;"),
            ["crate::store::Tx", "crate::store::Tx"]
        );
        assert_eq!(
            named("src/store/mod.rs", "pub use users::User; users::all()"),
            ["crate::store::users::User", "crate::store::users::all"]
        );
    }

    #[test]
    fn what_tests_name_is_told_apart() {
        let files = [
            SourceFile::sample(
                "src/a.rs",
                "use b::C;\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n use d::E;\n}\nuse f::G;",
            ),
            SourceFile::sample("src/h.rs", "#[cfg(test)]\nmod tests;\nuse i::J;"),
            SourceFile::sample("src/h/tests.rs", "use k::L;"),
            SourceFile::sample("src/h/tests/more.rs", "use m::N;"),
        ];
        let modules = modules(&files);
        let named = modules.iter().flat_map(|module| &module.named);
        let found: Vec<_> = named.filter(|named| named.in_tests).map(Named::written).collect();
        assert_eq!(found, ["d::E", "k::L", "m::N"]);
    }

    #[test]
    fn what_only_looks_like_a_path_is_none() {
        assert_eq!(named("src/a.rs", "// may::go\nlet x = \"rusqlite::Error\"; may.go()"), [""; 0]);
        assert_eq!(named("src/a.rs", "extern crate rusqlite;"), ["rusqlite"]);
        assert_eq!(named("src/a.rs", "use {"), [""; 0]);
    }
}
