//! What an operator is told about a setting, a file, a key or the system, in words that may also stand in the log. It
//! is made of fixed words and of parts that name no person and no secret, and the compiler sees to it.

use crate::json::JsonError;
use std::borrow::{Borrow, Cow};
use std::fmt::{self, Display, Write as _};
use std::io;
use std::path;

/// Longest piece of what an operator wrote that is repeated, in characters.
const OPERATOR_CHARACTERS_MAX: usize = 60;

/// A type whose text names no person and no secret: words that we wrote, numbers, and paths of the operator's.
/// Whoever implements it says so of every value of the type.
pub trait Loggable: Display {}

macro_rules! loggable_numbers {
    ($($number:ty),+) => {$(impl Loggable for $number {})+};
}
loggable_numbers!(u16, u32, u64, usize, f64);

// It says where a text is wrong, and shows nothing of it. Its own package knows nothing of logs.
impl Loggable for JsonError {}

// A file or directory that the operator named, or one beside it. No request carries a path.
impl Loggable for path::Display<'_> {}

impl<T: Loggable + ?Sized> Loggable for &T {}

/// What [`problem!`](crate::problem!) puts into its words.
pub trait Part {
    /// Writes the part.
    ///
    /// # Errors
    /// Those of the writer.
    fn show(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<T: Loggable> Part for T {
    fn show(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt(out)
    }
}

impl Part for &'static str {
    fn show(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self)
    }
}

/// What the system says. Whatever else was made into an error of this type may hold anything; it is shown if it is a
/// [`Problem`], and otherwise named by its kind.
impl Part for io::Error {
    fn show(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get_ref().map(|inner| inner.downcast_ref::<Problem>()) {
            None => self.fmt(out),
            Some(Some(problem)) => problem.fmt(out),
            Some(None) => self.kind().fmt(out),
        }
    }
}

impl Part for &io::Error {
    fn show(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).show(out)
    }
}

/// A part by itself, for the text of an error that has it.
pub struct Shown<'a>(pub &'a dyn Part);

impl Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(out)
    }
}

/// What the operator wrote in a setting or in a file of settings: cut, and with its control characters made visible.
/// Never for a secret, nor for anything that came in a request.
pub struct OperatorText<'a> {
    text: &'a str,
    quote: &'static str,
}

/// A value that the operator wrote, in backquotes. See [`OperatorText`].
#[must_use]
pub const fn operator_text(text: &str) -> OperatorText<'_> {
    OperatorText { text, quote: "`" }
}

/// The name of a variable, a host or the like that the operator chose. See [`OperatorText`].
#[must_use]
pub const fn operator_name(text: &str) -> OperatorText<'_> {
    OperatorText { text, quote: "" }
}

impl Display for OperatorText<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.quote)?;
        let mut characters = self.text.chars();
        for character in characters.by_ref().take(OPERATOR_CHARACTERS_MAX) {
            write!(out, "{}", character.escape_debug())?;
        }
        let cut = if characters.next().is_some() { "…" } else { "" };
        write!(out, "{cut}{}", self.quote)
    }
}

impl Loggable for OperatorText<'_> {}

/// What is wrong, or worth a word, in one line for the operator. Made by [`problem!`](crate::problem!), or of words that
/// are all fixed:
///
/// ```
/// use authnzerver::problem::Problem;
/// use authnzerver::{log, problem};
/// use std::path::Path;
///
/// let path = Path::new("/srv/.env");
/// let problem = problem!("{} cannot be read: {}", path.display(), std::io::Error::other("alice@example.org"));
/// assert_eq!(problem.as_str(), "/srv/.env cannot be read: other error");
/// log::error("cannot serve", &[("cause", log::cause(&problem))]);
/// log::error("cannot serve", &[("cause", log::cause(&Problem::from("there is no key")))]);
/// ```
///
/// A text that was made or received while the program runs does not compile, neither as a part,
///
/// ```compile_fail,E0277
/// use authnzerver::problem;
///
/// let email = String::from("alice@example.org");
/// let _ = problem!("{} is refused", email);
/// ```
///
/// nor borrowed,
///
/// ```compile_fail,E0597
/// use authnzerver::problem;
///
/// let email = String::from("alice@example.org");
/// let _ = problem!("{} is refused", email.as_str());
/// ```
///
/// nor between the words,
///
/// ```compile_fail,E0080
/// use authnzerver::problem;
///
/// let (count, email) = (1_u32, String::from("alice@example.org"));
/// let _ = problem!("{email} is refused {}", count);
/// ```
///
/// nor as the whole.
///
/// ```compile_fail,E0277
/// use authnzerver::problem::Problem;
///
/// let _ = Problem::from(String::from("alice@example.org"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(Cow<'static, str>);

/// A [`Problem`]: fixed words, with a [`Part`] for each `{}` in them.
#[macro_export]
macro_rules! problem {
    ($words:literal $(, $part:expr)+ $(,)?) => {
        $crate::problem::Problem::new(
            const { $crate::problem::with_places($words, [$(stringify!($part)),+].len()) },
            &[$(&$part),+],
        )
    };
}

/// Refuses words with another number of places, or with a brace that is none.
#[doc(hidden)]
#[must_use]
pub const fn with_places(words: &'static str, parts: usize) -> &'static str {
    let (bytes, mut at, mut places) = (words.as_bytes(), 0, 0);
    while at < bytes.len() {
        if bytes[at] == b'{' {
            assert!(at + 1 < bytes.len() && bytes[at + 1] == b'}', "a place for a part is written {{}}");
            places += 1;
        }
        at += 1;
    }
    assert!(places == parts, "each place takes one part");
    words
}

impl Problem {
    /// Puts a part into each `{}` of the words.
    #[must_use]
    pub fn new(words: &'static str, parts: &[&dyn Part]) -> Self {
        let mut parts = parts.iter();
        let mut text = String::new();
        for piece in words.split("{}") {
            text.push_str(piece);
            if let Some(part) = parts.next() {
                // A String takes all that is written to it.
                let _ = write!(text, "{}", Shown(*part));
            }
        }
        Self(text.into())
    }

    /// One part by itself.
    #[must_use]
    pub fn of(part: &dyn Part) -> Self {
        Self::new("{}", &[part])
    }

    /// Several in a row.
    #[must_use]
    pub fn join(problems: impl IntoIterator<Item = Self>, between: &'static str) -> Self {
        Self(problems.into_iter().collect::<Vec<_>>().join(between).into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for Problem {
    fn from(words: &'static str) -> Self {
        Self(words.into())
    }
}

impl From<Problem> for String {
    fn from(problem: Problem) -> Self {
        problem.0.into_owned()
    }
}

impl Borrow<str> for Problem {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<&str> for Problem {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

impl Loggable for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_in_their_places() {
        let path = path::Path::new("/srv/a");
        let problem = problem!("{}: {} of {}.", path.display(), 3_usize, Problem::from("words"));
        assert_eq!(problem.as_str(), "/srv/a: 3 of words.");
    }

    #[test]
    fn an_error_of_the_system_shows_what_the_system_says_and_no_more() {
        let absent = io::Error::from_raw_os_error(libc::ENOENT);
        assert_eq!(Problem::of(&absent).as_str(), "No such file or directory (os error 2)");
        let taken = io::Error::from(io::ErrorKind::AlreadyExists);
        assert_eq!(Problem::of(&taken).as_str(), "entity already exists");
        let foreign = io::Error::new(io::ErrorKind::InvalidData, "alice@example.org");
        assert_eq!(Problem::of(&foreign).as_str(), "invalid data");
        let ours = io::Error::other(Problem::from("it is a pipe"));
        assert_eq!(Problem::of(&ours).as_str(), "it is a pipe");
    }

    #[test]
    fn what_an_operator_wrote_cannot_break_the_line() {
        assert_eq!(operator_text("a\nb\u{1b}[0m").to_string(), "`a\\nb\\u{1b}[0m`");
        assert_eq!(operator_text(&"x".repeat(1000)).to_string().chars().count(), 63);
        assert_eq!(operator_name("A_1").to_string(), "A_1");
    }
}
