//! What is wrong with the settings, told all at once, and the hints that go with it.

use crate::problem::{Problem, operator_text};
use std::fmt;

/// What of a name is compared, in characters.
const COMPARED_CHARACTERS_MAX: usize = 60;
/// The most slips of the pen between a name and the one that was probably meant.
const SLIPS_MAX: usize = 3;

/// Everything that is wrong, one line each. Holds no secret.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// A single one.
    pub fn one(problem: impl Into<Problem>) -> Self {
        Self(vec![problem.into()])
    }

    /// Adds one.
    pub fn add(&mut self, problem: impl Into<Problem>) {
        self.0.push(problem.into());
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value, if there is no problem.
    ///
    /// # Errors
    /// The problems themselves.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// One by one, each fit for a line of its own.
    pub fn lines(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problems> for Vec<String> {
    fn from(problems: Problems) -> Self {
        problems.0.into_iter().map(String::from).collect()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        Problem::join(self.0.iter().cloned(), "\n").fmt(out)
    }
}

/// What somebody typed, fit for a terminal: cut short, and without control characters.
#[must_use]
pub fn shown(text: &str) -> String {
    operator_text(text).to_string()
}

/// The name that was probably meant.
pub fn closest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let slips_max = SLIPS_MAX.min(typed.chars().count() / 2);
    names
        .map(|name| (edit_distance(typed, name), name))
        .min()
        .filter(|(edit_distance, _)| *edit_distance <= slips_max)
        .map(|(_, name)| name)
}

/// Letters to insert, leave out or replace between two words (Levenshtein's distance).
fn edit_distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for character in one.chars().take(COMPARED_CHARACTERS_MAX) {
        let mut diagonal = row[0];
        row[0] += 1;
        for (index, wanted) in other.chars().enumerate() {
            let replaced = diagonal + usize::from(character != wanted);
            diagonal = row[index + 1];
            row[index + 1] = replaced.min(row[index] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let names = || ["port", "secret", "listen"].into_iter();
        assert_eq!(closest("prot", names()), Some("port"));
        assert_eq!(closest("secretkey", names()), Some("secret"));
        assert_eq!(closest("x", names()), None);
        assert_eq!(closest("something", names()), None);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!((edit_distance("", "abc"), edit_distance("abc", "")), (3, 3));
    }
}
