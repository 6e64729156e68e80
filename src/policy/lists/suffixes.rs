//! Which host names end in a public suffix, by Mozilla's list.
//!
//! Nobody here asks how long the suffix is. So the list holds only what decides whether there is one: the rules that
//! have no shorter rule above them. The rest, and the exceptions, which make a suffix shorter but never none, are
//! left out by `tools/public-suffixes.py`.

use super::packed::packed;
use super::word_list::WordList;
use std::iter::successors;

/// Rules as Mozilla writes them, in Unicode and in punycode: `com`, `co.za`, and `*.ck` for whatever lies below `ck`.
pub(super) static PUBLIC_SUFFIXES: WordList = WordList::new(packed!("public-suffixes.txt"));

/// Whether a rule of the public suffix list, of its ICANN part or its private one, matches the end of a host name.
/// The name must be folded, be written in Unicode or in punycode, and not end in a dot.
pub(in crate::policy) fn ends_in_public_suffix(host: &str) -> bool {
    domain_and_parents(host).any(|domain| PUBLIC_SUFFIXES.contains(domain) || matches_wildcard(domain))
}

fn matches_wildcard(domain: &str) -> bool {
    parent(domain).is_some_and(|parent| PUBLIC_SUFFIXES.contains(&format!("*.{parent}")))
}

/// A domain, the one above it, and so on up to its last label.
pub(in crate::policy) fn domain_and_parents(domain: &str) -> impl Iterator<Item = &str> {
    successors(Some(domain), |domain| parent(domain))
}

fn parent(domain: &str) -> Option<&str> {
    domain.split_once('.').map(|(_, parent)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    /// Every rule of the list, in the copy that the crate `psl` was made of.
    fn every_rule() -> Vec<String> {
        // Packages for other systems may not be there: nothing that was built needed them.
        let library = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
        let platform = format!("--filter-platform={}-unknown-linux-{library}", std::env::consts::ARCH);
        let mut command = Command::new(env!("CARGO"));
        command.args(["metadata", "--locked", "--offline", "--format-version=1", &platform]);
        let output =
            command.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("what built the tests runs");
        let metadata = String::from_utf8(output.stdout).expect("JSON is UTF-8");
        let manifests =
            metadata.split("\"manifest_path\":\"").filter_map(|text| Some(text.split_once('"')?.0));
        let folders = manifests.filter_map(|manifest| Path::new(manifest).parent());
        let list = folders.map(|folder| folder.join("data/rules.txt")).find(|file| file.is_file());
        let text = std::fs::read_to_string(list.expect("one crate has such a file")).expect("it is readable");
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("//"));
        lines.map(str::to_owned).collect()
    }

    fn psl_knows(host: &str) -> bool {
        psl::suffix(host.as_bytes()).is_some_and(|suffix| suffix.is_known())
    }

    fn assert_verdict_of_psl(host: &str) {
        assert_eq!(ends_in_public_suffix(host), psl_knows(host), "{host:?}");
    }

    /// A name, with labels more and fewer, in another case, and misspelt.
    fn variants(name: &str) -> Vec<String> {
        let shorter = parent(name).unwrap_or(name).to_owned();
        let longer = [format!("a.{name}"), format!("a.b.{name}"), format!(".{name}"), format!("..{name}")];
        let misspelt = [format!("{name}a"), format!("a{name}"), format!("{name}.a"), name.replace('.', "-")];
        let other_case = [name.to_uppercase(), name.to_lowercase()];
        [&[name.to_owned(), shorter], &longer[..], &misspelt, &other_case].concat()
    }

    /// The short list is also the current one: a rule that it lacks would show here.
    #[test]
    fn every_rule_of_the_whole_list_and_what_resembles_it_gets_the_verdict_of_psl() {
        let rules = every_rule();
        assert!(rules.len() > 10_000, "{}", rules.len());
        for rule in &rules {
            let name = rule.trim_start_matches(['!', '*', '.']);
            for host in variants(name) {
                assert_verdict_of_psl(&host);
            }
            if rule.starts_with(['!', '*']) {
                for host in variants(&rule.replace('!', "").replace('*', "hit")) {
                    assert_verdict_of_psl(&host);
                }
            }
        }
    }

    /// And it holds nothing that a newer list dropped, nor a rule that another one makes idle.
    #[test]
    fn every_line_of_the_short_list_is_a_rule_and_decides_something() {
        for rule in PUBLIC_SUFFIXES.words() {
            assert!(psl_knows(&rule.replace('*', "hit")), "{rule}");
            assert!(!parent(&rule).is_some_and(ends_in_public_suffix), "{rule} is below another rule");
        }
        // As each line is a rule and none stands twice, every one in Unicode has its other form here.
        let count =
            |is_so: fn(&str) -> bool| PUBLIC_SUFFIXES.words().iter().filter(|rule| is_so(rule)).count();
        assert_eq!(count(|rule| !rule.is_ascii()), count(|rule| rule.starts_with("xn--")));
    }

    #[test]
    fn random_names_get_the_verdict_of_psl() {
        let rules = every_rule();
        let labels: Vec<&str> = rules.iter().flat_map(|rule| rule.split('.')).collect();
        let rules_here = PUBLIC_SUFFIXES.words();
        let shortest: Vec<&str> = rules_here.iter().flat_map(|rule| rule.split('.')).collect();
        let mut random = fastrand::Rng::with_seed(11);
        let mut known = 0;
        for _ in 0..100_000 {
            let mut name = String::new();
            for _ in 0..random.usize(1..5) {
                match random.u8(..8) {
                    0 => name.extend((0..random.usize(..4)).map(|_| random.char('a'..='z'))),
                    1 => name.push(random.char(..)),
                    2..4 => name.push_str(labels[random.usize(..labels.len())]),
                    _ => name.push_str(shortest[random.usize(..shortest.len())]),
                }
                name.push('.');
            }
            let name = name.trim_end_matches('.');
            assert_verdict_of_psl(name);
            known += u32::from(psl_knows(name));
        }
        assert!((20_000..80_000).contains(&known), "{known}");
    }

    #[test]
    fn wildcards_exceptions_and_both_parts_of_the_list_count() {
        for host in
            ["a.ck", "www.ck", "co.za", "a.co.za", "city.kobe.jp", "github.io", "a.рф", "a.xn--p1ai", ".com"]
        {
            assert!(ends_in_public_suffix(host), "{host}");
        }
        for host in ["ck", "za", "a.za", "", ".", "a", "a.r", "com.", "co.za.x", "a.COM"] {
            assert!(!ends_in_public_suffix(host), "{host}");
        }
    }
}
