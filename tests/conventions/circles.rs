//! Files import one way: none imports itself through others, and none imports from very many.
//!
//! In a circle, what counts is the file in which a name is at home, not one that passes it on with `pub use`. Where
//! files are counted, one that passes on what lies below it stands for all of that. What only tests import does not
//! count.

use crate::arrows::{COMMON, leads_to};
use crate::assert_no_violations;
use crate::paths::{Module, Named, modules};
use crate::source::rust_below;
use std::collections::{BTreeMap, VecDeque};

/// A file that imports from more others knows too much. Its own parts do not count, nor does what all may use, nor
/// the types in which addresses and roles travel.
const IMPORTED_FILES_MAX: usize = 15;

/// Types that values have from where they come in to where they are stored.
const DOOR_TYPES: &[&str] = &["policy::email", "policy::roles"];

/// A name can be passed on so many times; a circle of `use` would go on forever.
const STEPS_MAX: usize = 16;

#[test]
fn no_file_imports_in_a_circle() {
    assert_no_violations(&circles(&imports(&modules(&rust_below(&["src/"])), home_of)));
}

#[test]
fn no_file_of_the_rust_client_imports_in_a_circle() {
    let mut files = rust_below(&["clients/rust/src/"]);
    assert!(files.len() > 20, "they are looked for elsewhere");
    for file in &mut files {
        file.path = file.path.trim_start_matches("clients/rust/").to_owned();
    }
    assert_no_violations(&circles(&imports(&modules(&files), home_of)));
}

#[test]
fn no_file_imports_from_very_many() {
    assert_no_violations(&busy_files(&imports(&modules(&rust_below(&["src/"])), counted_file)));
}

/// For each file, the files that it imports from, each with the first place that names it.
type Imports = BTreeMap<String, BTreeMap<String, String>>;

type FindFile = for<'all> fn(&'all [Module], &'all Module, &Named) -> Option<&'all Module>;

fn imports(modules: &[Module], find_file: FindFile) -> Imports {
    let mut imports = Imports::new();
    for module in modules {
        let others = imports.entry(module.path.clone()).or_default();
        for named in module.named.iter().filter(|named| !named.in_tests) {
            if let Some(other) = find_file(modules, module, named).filter(|other| other.path != module.path) {
                let place = format!("{}:{} names {}", module.path, named.line, named.written());
                others.entry(other.path.clone()).or_insert(place);
            }
        }
    }
    imports
}

/// The file in which what a path names is at home; `None` if that is another crate's.
fn home_of<'all>(modules: &'all [Module], from: &'all Module, named: &Named) -> Option<&'all Module> {
    let mut path = full_path(from, named)?;
    for _ in 0..STEPS_MAX {
        let file = file_of(modules, &path)?;
        let Some(name) = path.get(file.name.len()) else { return Some(file) };
        let Some(passed_on) = file.named.iter().find(|named| named.alias.as_ref() == Some(name)) else {
            return Some(file);
        };
        if !passed_on.ours {
            return None;
        }
        path = [&passed_on.path[..], &path[file.name.len() + 1..]].concat();
    }
    None
}

/// The file that a path leads to, whatever it passes on; `None` for a part of the importing file, and for what all
/// may use.
fn counted_file<'all>(modules: &'all [Module], from: &'all Module, named: &Named) -> Option<&'all Module> {
    let file = file_of(modules, &full_path(from, named)?)?;
    let is_own = !from.name.is_empty() && file.name.starts_with(&from.name);
    let is_common = COMMON.iter().chain(DOOR_TYPES).any(|one| leads_to(&file.name, one));
    (!is_own && !is_common).then_some(file)
}

/// The file of the innermost module on a path. At the crate's root there are only modules and exported macros.
fn file_of<'all>(modules: &'all [Module], path: &[String]) -> Option<&'all Module> {
    let library = modules.iter().filter(|module| !module.name.is_empty() && path.starts_with(&module.name));
    let innermost = library.max_by_key(|module| module.name.len());
    innermost.or_else(|| {
        modules.iter().find(|module| path.first().is_some_and(|name| module.macros.contains(name)))
    })
}

fn full_path(from: &Module, named: &Named) -> Option<Vec<String>> {
    if named.ours { Some(named.path.clone()) } else { bound(from, &named.path) }
}

/// The path in full, if its head is a name of ours that the file has imported.
fn bound(from: &Module, path: &[String]) -> Option<Vec<String>> {
    let import = from.named.iter().find(|named| named.ours && named.alias.as_ref() == path.first())?;
    Some([&import.path[..], &path[1..]].concat())
}

/// The shortest circle through each file that is in one; a circle that was told already is left out.
fn circles(imports: &Imports) -> Vec<String> {
    let mut told: Vec<Vec<&str>> = Vec::new();
    let mut found = Vec::new();
    for file in imports.keys() {
        let Some(circle) = shortest_circle(imports, file) else { continue };
        let mut members = circle.clone();
        members.sort_unstable();
        if told.contains(&members) {
            continue;
        }
        told.push(members);
        let next = circle.iter().cycle().skip(1);
        let steps: Vec<&str> =
            circle.iter().zip(next).map(|(from, to)| imports[*from][*to].as_str()).collect();
        found.push(format!(
            "a circle of imports; move what both need below both:\n    {}",
            steps.join("\n    ")
        ));
    }
    found
}

/// The files of the shortest way from a file back to itself.
fn shortest_circle<'all>(imports: &'all Imports, start: &'all str) -> Option<Vec<&'all str>> {
    let mut reached_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(file) = waiting.pop_front() {
        for next in imports.get(file)?.keys() {
            if next == start {
                let back = std::iter::successors(Some(file), |file| reached_from.get(file).copied());
                let mut circle: Vec<&str> = back.collect();
                circle.reverse();
                return Some(circle);
            }
            if !reached_from.contains_key(next.as_str()) {
                reached_from.insert(next, file);
                waiting.push_back(next);
            }
        }
    }
    None
}

fn busy_files(imports: &Imports) -> Vec<String> {
    let mut found = Vec::new();
    for (file, others) in imports {
        let others: Vec<&str> = others.keys().map(String::as_str).collect();
        let count = others.len();
        if count > IMPORTED_FILES_MAX {
            let names = others.join(" ");
            found.push(format!(
                "{file}: imports from {count} files, at most {IMPORTED_FILES_MAX}: give a part of it a file of its own ({names})"
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::sample_tree as tree;

    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        circles(&imports(&tree(files), home_of))
    }

    #[test]
    fn a_circle_is_told_once_with_each_place() {
        let found = circles_of(&[
            ("src/lib.rs", ""),
            ("src/a.rs", "use crate::b::B;"),
            ("src/b.rs", "\nfn f() { crate::c::g() }"),
            ("src/c.rs", "use super::a; use crate::d::D;"),
            ("src/d.rs", ""),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        let steps: Vec<&str> = found[0].lines().skip(1).map(str::trim).collect();
        assert_eq!(
            steps,
            ["src/a.rs:1 names crate::b::B", "src/b.rs:2 names crate::c::g", "src/c.rs:1 names crate::a"]
        );
    }

    #[test]
    fn a_parent_and_its_child_make_a_circle() {
        let child = ("src/a/child.rs", "use super::Limits;");
        let own = ("src/a/mod.rs", "mod child; pub use child::read; pub struct Limits;");
        assert_eq!(circles_of(&[own, child]).len(), 1);
        // What the parent only passes on is at home elsewhere.
        let passed_on =
            ("src/a/mod.rs", "mod child; mod limits; pub use child::read; pub use limits::Limits;");
        assert_eq!(circles_of(&[passed_on, child, ("src/a/limits.rs", "")]), [""; 0]);
    }

    #[test]
    fn macros_and_imported_modules_lead_home_and_tests_lead_nowhere() {
        let defining = ("src/request.rs", "use crate::asking::Ask; macro_rules! requests { () => {} }");
        assert_eq!(
            circles_of(&[("src/lib.rs", ""), defining, ("src/asking.rs", "use crate::requests;")]).len(),
            1
        );
        let by_module = ("src/a.rs", "use crate::b as other; fn f() { other::C::new() }");
        let passing_on = ("src/b.rs", "pub use crate::c::C;");
        let found = circles_of(&[by_module, passing_on, ("src/c.rs", "use crate::a::A;")]);
        assert!(found.iter().any(|circle| circle.contains("src/a.rs:1 names other::C::new")), "{found:?}");
        let tested = ("src/b.rs", "#[cfg(test)]\nmod tests {\n use crate::a::A;\n}");
        assert_eq!(circles_of(&[("src/a.rs", "use crate::b::B;"), tested]), [""; 0]);
    }

    #[test]
    fn too_many_imports_are_seen_but_not_a_files_own_parts() {
        let names: Vec<String> = (0..=IMPORTED_FILES_MAX).map(|number| format!("m{number}")).collect();
        let uses: String =
            names.iter().map(|name| format!("use crate::{name}::X;")).collect::<Vec<_>>().concat();
        let paths: Vec<String> = names.iter().map(|name| format!("src/{name}.rs")).collect();
        let mut files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
        files.push(("src/busy.rs", &uses));
        let busy = imports(&tree(&files), counted_file);
        assert_eq!(busy_files(&busy).len(), 1);
        let own: Vec<String> = names.iter().map(|name| format!("src/busy/{name}.rs")).collect();
        let mut files: Vec<(&str, &str)> = own.iter().map(|path| (path.as_str(), "")).collect();
        let uses = uses.replace("crate::", "crate::busy::");
        files.push(("src/busy/mod.rs", &uses));
        assert_eq!(busy_files(&imports(&tree(&files), counted_file)), [""; 0]);
    }
}
