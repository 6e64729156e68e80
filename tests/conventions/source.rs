//! The repository as the rules see it: its text files, and Rust code without comments and literals.

use std::fs;
use std::path::Path;

/// Longer files are data, not text that somebody wrote.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// One text file.
pub struct SourceFile {
    /// Where it lies, from the repository's root, with `/` between the parts.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl SourceFile {
    /// A file that exists only for a test of a rule.
    pub fn sample(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
}

/// Every text file of the repository, sorted; without what `.gitignore` names.
pub fn repository() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ignored = fs::read_to_string(root.join(".gitignore")).expect("the repository has a .gitignore");
    let mut skipped: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('/')).collect();
    skipped.push(".git");
    let mut files = Vec::new();
    collect(root, "", &skipped, &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// The repository's Rust files below the named folders, such as `src/`.
pub fn rust_below(folders: &[&str]) -> Vec<SourceFile> {
    let mut files = repository();
    files.retain(|file| {
        file.path.ends_with(".rs") && folders.iter().any(|folder| file.path.starts_with(folder))
    });
    files
}

/// The text of one file; empty if there is none.
pub fn text_of(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default()
}

fn collect(folder: &Path, prefix: &str, skipped: &[&str], files: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository is readable") {
        let entry = entry.expect("a folder of the repository is readable");
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if skipped.contains(&path.as_str()) {
            continue;
        }
        // Symbolic links are left out, so the walk cannot leave the repository or go round in it.
        let Ok(about) = fs::symlink_metadata(entry.path()) else { continue };
        if about.is_dir() {
            collect(&entry.path(), &format!("{path}/"), skipped, files);
        } else if about.is_file() && about.len() <= TEXT_BYTES_MAX {
            // What is not UTF-8 has no text: a database, say, or a picture, to which a document may lead.
            files.push(SourceFile { path, text: fs::read_to_string(entry.path()).unwrap_or_default() });
        }
    }
}

/// Rust code with each comment and literal blanked out. Lines stay where they were.
pub fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let inside_word = code.ends_with(is_word);
        let blank = comment_bytes(rest).or_else(|| literal_bytes(rest, inside_word));
        let taken = blank.unwrap_or(first.len_utf8());
        let (token, left) = rest.split_at(taken);
        if blank.is_some() {
            code.extend(token.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(token);
        }
        rest = left;
    }
    code
}

/// Whether a character may stand in an identifier.
pub fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn comment_bytes(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let mut depth = 0;
    let mut at = 0;
    while let Some(left) = rest.get(at..).filter(|left| !left.is_empty()) {
        let step = if left.starts_with("/*") {
            depth += 1;
            2
        } else if left.starts_with("*/") {
            depth -= 1;
            2
        } else {
            left.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            return Some(at);
        }
    }
    Some(rest.len())
}

fn literal_bytes(rest: &str, inside_word: bool) -> Option<usize> {
    let prefix = ["br", "cr", "r"].into_iter().find(|prefix| rest.starts_with(prefix));
    if let Some(prefix) = prefix.filter(|_| !inside_word) {
        let hashes = rest[prefix.len()..].chars().take_while(|character| *character == '#').count();
        let start = prefix.len() + hashes;
        if rest[start..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &rest[start + 1..];
            return Some(body.find(&end).map_or(rest.len(), |at| start + 1 + at + end.len()));
        }
    }
    let mut letters = rest.chars();
    match letters.next()? {
        '"' => Some(quoted_bytes(rest, '"')),
        // A quote also begins a lifetime, which has no second one.
        '\'' => match (letters.next()?, letters.next()) {
            ('\\', _) | (_, Some('\'')) => Some(quoted_bytes(rest, '\'')),
            _ => None,
        },
        _ => None,
    }
}

fn quoted_bytes(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        if character == quote && !escaped {
            return at + character.len_utf8();
        }
        escaped = character == '\\' && !escaped;
    }
    rest.len()
}

/// A word or a sign of Rust code, and the line that it stands on, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'code> {
    pub line: usize,
    pub text: &'code str,
}

/// Cuts code (without comments and literals) into words, `::`, and single signs.
pub fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    for (index, mut rest) in code.lines().enumerate() {
        loop {
            rest = rest.trim_start();
            let Some(first) = rest.chars().next() else { break };
            let bytes = if is_word(first) {
                rest.find(|character| !is_word(character)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            found.push(Token { line: index + 1, text: &rest[..bytes] });
            rest = &rest[bytes..];
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        tokens(&code_only(text)).iter().map(|token| token.text.to_owned()).collect()
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let text = "a(); // b\n/* c /* d */ e */ f(\"g \\\" h\", 'i', '\\'', b\"j\", r#\"k \" l\"#);";
        assert_eq!(words(text).concat(), "a();f(,,,b,);");
        assert_eq!(code_only(text).lines().count(), 2);
    }

    #[test]
    fn lifetimes_and_words_that_end_in_r_are_code() {
        assert_eq!(words("fn x<'a>(y: &'a str)").concat(), "fnx<'a>(y:&'astr)");
        assert_eq!(words("your\"text\" other").concat(), "yourother");
    }

    #[test]
    fn an_unfinished_literal_ends_with_the_text() {
        for text in ["\"open", "/* open", "r#\"open", "'\\", "'"] {
            assert!(code_only(text).len() <= text.len(), "{text}");
        }
    }

    #[test]
    fn the_repository_is_seen_without_what_was_built() {
        let files = repository();
        assert!(files.iter().any(|file| file.path == "src/lib.rs"));
        assert!(files.iter().all(|file| !file.path.starts_with("target/")));
    }
}
