//! Reads the files that settings stand in: one value, or lines of `NAME=value`. The format of these is the one that the
//! Python authnzerver took, without its traps: a line that cannot be meant is refused with its number, and its content
//! is never shown.

use super::Problems;
use crate::files;
use crate::problem;
use crate::problem::Problem;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The longest file of settings, and the longest file that holds one setting.
pub const SETTING_FILE_BYTES_MAX: u64 = 64 * 1024;

/// The variables of a file, which stand in place of the process environment.
pub struct EnvFile {
    path: PathBuf,
    variables: BTreeMap<String, Line>,
    open_to_others: bool,
}

struct Line {
    number: usize,
    value: String,
}

impl EnvFile {
    /// Reads the file.
    ///
    /// # Errors
    /// If it is missing, too long or not text; or one problem for each line that cannot be read.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let shown = path.display();
        let file = files::read_small(path, SETTING_FILE_BYTES_MAX).map_err(|error| {
            Problems::one(problem!("the file of settings {} cannot be read: {}", shown, error))
        })?;
        let text = String::from_utf8(file.bytes)
            .map_err(|_| Problems::one(problem!("the file of settings {} is not UTF-8 text", shown)))?;
        Ok(Self { open_to_others: file.open_to_others, ..Self::parse(path, &text)? })
    }

    /// The value of a variable and the number of its line. Names are told apart without regard to case.
    pub fn get(&self, name: &str) -> Option<(&str, usize)> {
        self.variables.get(&name.to_ascii_uppercase()).map(|line| (line.value.as_str(), line.number))
    }

    /// Every name in capitals, with the number of its line.
    pub fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.variables.iter().map(|(name, line)| (name.as_str(), line.number))
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether anyone but the owner may read the file.
    pub const fn is_open_to_others(&self) -> bool {
        self.open_to_others
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Problems> {
        let mut variables: BTreeMap<String, Line> = BTreeMap::new();
        let mut problems = Problems::default();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let number = index + 1;
            let problem = match assignment(line) {
                Ok(None) => continue,
                Ok(Some((name, value))) => match variables.get(&name) {
                    None => {
                        variables.insert(name, Line { number, value });
                        continue;
                    }
                    Some(first) => problem!("the name is already on line {}", first.number),
                },
                Err(problem) => problem.into(),
            };
            problems.add(problem!("{} line {}: {}", path.display(), number, problem));
        }
        problems.or(Self { path: path.to_owned(), variables, open_to_others: false })
    }
}

/// A line's name, in capitals, and value; nothing for a comment or a blank line.
fn assignment(line: &str) -> Result<Option<(String, String)>, &'static str> {
    let content = line.trim();
    if content.is_empty() || content.starts_with(['#', ';']) {
        return Ok(None);
    }
    if line.starts_with([' ', '\t']) {
        return Err("a line must not begin with a blank; a value cannot go on over several lines");
    }
    if content.starts_with('[') {
        return Err("sections are not supported");
    }
    if content.contains('\0') {
        return Err("a zero byte has no place here");
    }
    let content = content.strip_prefix("export ").unwrap_or(content);
    let (name, value) = content.split_once(['=', ':']).ok_or("there is no `=`")?;
    let name = name.trim();
    if name.is_empty() {
        return Err("there is no name before the `=`");
    }
    if name.contains(char::is_whitespace) {
        return Err("a name must be one word");
    }
    Ok(Some((name.to_ascii_uppercase(), unquoted(value.trim()).replace("%%", "%"))))
}

fn unquoted(value: &str) -> &str {
    ['"', '\''].iter().find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(value)
}

/// A file's text without line ends before and after it, and without a byte order mark; blanks stay, they may be part
/// of a secret.
pub(super) fn content(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    Some(text.trim_start_matches('\u{feff}').trim_matches(['\r', '\n']).to_owned())
}

/// A path as text, such as a setting holds it.
pub(super) fn path_text(path: &Path) -> Result<String, Problem> {
    path.to_str().map(str::to_owned).ok_or_else(|| problem!("the path {} is not UTF-8 text", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<EnvFile, Problems> {
        EnvFile::parse(Path::new("/srv/.env"), text)
    }

    fn value(text: &str) -> String {
        parse(text).expect("one good line").get("KEY").expect("the key").0.to_owned()
    }

    #[test]
    fn reads_what_the_samples_show() {
        for (line, expected) in [
            ("KEY=value", "value"),
            ("  \n# note\n; note\n\nKEY : value  ", "value"),
            ("key=Value", "Value"),
            ("export KEY=\"a b\"", "a b"),
            ("KEY='a=b:c'", "a=b:c"),
            ("KEY=\"one side", "\"one side"),
            ("KEY='\"'", "\""),
            ("KEY=\"", "\""),
            ("KEY=100%% %x %(name)s $HOME", "100% %x %(name)s $HOME"),
            ("KEY=a # b", "a # b"),
            ("KEY=", ""),
            ("\u{feff}KEY=a\r\n", "a"),
        ] {
            assert_eq!(value(line), expected, "{line}");
        }
    }

    #[test]
    fn refuses_every_bad_line_by_number_and_without_its_content() {
        let text = "[hidden]\nhidden\nA=hidden\n more hidden\na=hidden\n=hidden\nset hidden=1\nB=1\n";
        let problems = parse(text).err().expect("bad lines").to_string();
        for number in [1, 2, 4, 5, 6, 7] {
            assert!(problems.contains(&format!("/srv/.env line {number}: ")), "{number}: {problems}");
        }
        assert!(problems.contains("already on line 3"), "{problems}");
        assert_eq!(problems.lines().count(), 6);
        assert!(!problems.contains("hidden"), "{problems}");
    }

    #[test]
    fn a_missing_or_huge_file_is_an_error() {
        let room = tempfile::tempdir().expect("a directory");
        let path = room.path().join("env");
        assert!(EnvFile::read(&path).is_err());
        std::fs::write(&path, "#".repeat(70_000)).expect("written");
        assert!(EnvFile::read(&path).is_err());
        std::fs::write(&path, [0xff, 0xfe]).expect("written");
        assert!(EnvFile::read(&path).is_err());
        std::fs::write(&path, "PORT=1\nAUTHNZERVER_PORT=1\n").expect("written");
        let names: Vec<_> =
            EnvFile::read(&path).expect("good").names().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["AUTHNZERVER_PORT", "PORT"]);
    }
}
