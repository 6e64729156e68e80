//! Finds a statement by its name in a file of `sql/`, while the program is compiled: a misspelt name fails the build.

const MARK: &[u8] = b"-- name: ";

/// The statement under `-- name: <name>` in `file`, up to the next such line.
///
/// # Panics
///
/// When there is no statement of that name. Used in a `const`, that stops the build.
#[must_use]
pub const fn query(file: &'static str, name: &str) -> &'static str {
    let text = file.as_bytes();
    let mut at = 0;
    while at < text.len() {
        if begins_with(text, at, MARK) && is_line(text, at + MARK.len(), name.as_bytes()) {
            let start = at + MARK.len() + name.len();
            let mut end = start;
            while end < text.len() && !begins_with(text, end, MARK) {
                end += 1;
            }
            let (_, rest) = file.split_at(start);
            let (statement, _) = rest.split_at(end - start);
            return statement.trim_ascii();
        }
        at += 1;
    }
    panic!("no statement of this name in the file")
}

/// The names of all statements in `file`, in order; for checks over whole files.
#[cfg(test)]
pub(super) fn names(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().filter_map(|line| line.strip_prefix("-- name: "))
}

const fn begins_with(text: &[u8], at: usize, wanted: &[u8]) -> bool {
    if at + wanted.len() > text.len() {
        return false;
    }
    let mut index = 0;
    while index < wanted.len() {
        if text[at + index] != wanted[index] {
            return false;
        }
        index += 1;
    }
    true
}

const fn is_line(text: &[u8], at: usize, wanted: &[u8]) -> bool {
    let end = at + wanted.len();
    begins_with(text, at, wanted) && end < text.len() && text[end] == b'\n'
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "-- name: one\nSELECT 1;\n\n-- name: one_more\nSELECT\n  2;\n";

    #[test]
    fn cuts_by_whole_names() {
        const ONE: &str = query(FILE, "one");
        assert_eq!(ONE, "SELECT 1;");
        assert_eq!(query(FILE, "one_more"), "SELECT\n  2;");
        assert_eq!(names(FILE).collect::<Vec<_>>(), ["one", "one_more"]);
    }

    #[test]
    #[should_panic(expected = "no statement of this name")]
    fn a_misspelt_name_is_an_error() {
        let _ = query(FILE, "on");
    }
}
