//! What may stand in a log line. There is a way in for fixed words, for numbers, for personal data that was hashed, and
//! for the few other things named here; there is none for a text as it came.

use crate::clock::Timestamp;
use crate::guard::redact::{Redacted, escape_for_log};
use crate::problem::Loggable;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::panic::Location;
use std::path::Path;

/// Characters of a request's ID or name that a log line shows.
const ESCAPED_CHARACTERS_MAX: usize = 64;

/// A value in a log line.
///
/// ```
/// use authnzerver::log;
/// use authnzerver::guard::redact::PiiSalt;
///
/// let (email, salt) = (String::from("alice@example.org"), PiiSalt::parse("salt").expect("a salt"));
/// let user = salt.redact(email).into();
/// log::info("logged in", &[("user", user), ("attempts", 3_u32.into()), ("by", "password".into())]);
/// ```
///
/// A text that was made or received while the program runs does not compile, neither as a value,
///
/// ```compile_fail
/// use authnzerver::log;
///
/// let email = String::from("alice@example.org");
/// let user = email.into();
/// log::info("logged in", &[("user", user), ("attempts", 3_u32.into()), ("by", "password".into())]);
/// ```
///
/// nor borrowed,
///
/// ```compile_fail
/// use authnzerver::log;
///
/// let email = String::from("alice@example.org");
/// let user = email.as_str().into();
/// log::info("logged in", &[("user", user), ("attempts", 3_u32.into()), ("by", "password".into())]);
/// ```
///
/// nor as the event, of which this much compiles,
///
/// ```
/// authnzerver::log::info("logged in", &[]);
/// ```
///
/// and this does not,
///
/// ```compile_fail
/// authnzerver::log::info(String::from("alice@example.org").as_str(), &[]);
/// ```
///
/// nor dressed as an error. Those of ours are in words that we wrote:
///
/// ```
/// use authnzerver::{log, outcome::Error};
///
/// log::error("failed", &[("cause", log::cause(&Error::Busy("the database")))]);
/// ```
///
/// Others may repeat whatever they were made of:
///
/// ```compile_fail
/// use authnzerver::log;
///
/// log::error("failed", &[("cause", log::cause(&std::io::Error::other("alice@example.org")))]);
/// ```
pub struct Field(Value);

enum Value {
    /// Without quotes where none are needed.
    Plain(Cow<'static, str>),
    Number(i64),
    /// Always in quotes, and holds no quote that is not escaped already.
    Quoted(String),
}

impl From<&'static str> for Field {
    fn from(words: &'static str) -> Self {
        Self(Value::Plain(words.into()))
    }
}

macro_rules! field_from_number {
    ($($number:ty),+) => {$(
        impl From<$number> for Field {
            fn from(number: $number) -> Self {
                Self(Value::Number(i64::try_from(number).unwrap_or(i64::MAX)))
            }
        }
    )+};
}
field_from_number!(i64, u64, usize, u32, u128);

impl From<Timestamp> for Field {
    fn from(time: Timestamp) -> Self {
        Self(Value::Plain(time.wire().into()))
    }
}

impl From<Redacted> for Field {
    fn from(redacted: Redacted) -> Self {
        Self(Value::Quoted(redacted.into_text()))
    }
}

/// Why something is so, in the words of a type of ours.
pub fn cause(error: &impl Loggable) -> Field {
    Field(Value::Plain(error.to_string().into()))
}

/// A text from outside as it may stand in a log line: cut, and with its control characters made visible. For names that
/// callers give to things, never for what may be a person's.
#[must_use]
pub fn escaped(text: &str) -> Field {
    Field(Value::Quoted(escape_for_log(text, ESCAPED_CHARACTERS_MAX).into_text()))
}

/// The same for a line that did not come from our logger.
pub(super) fn foreign(text: &str, characters_max: usize) -> Field {
    Field(Value::Quoted(escape_for_log(text, characters_max).into_text()))
}

/// A file or directory that the operator named.
#[must_use]
pub fn path(path: &Path) -> Field {
    Field(Value::Plain(path.display().to_string().into()))
}

/// An address that the server itself has.
#[must_use]
pub fn own_address(address: SocketAddr) -> Field {
    Field(Value::Plain(address.to_string().into()))
}

/// A place in the code.
pub(super) fn place(place: Option<&Location<'_>>) -> Field {
    Field(Value::Plain(place.map_or_else(String::new, ToString::to_string).into()))
}

impl Field {
    fn text(&self) -> Cow<'_, str> {
        match &self.0 {
            Value::Plain(text) => Cow::Borrowed(text),
            Value::Quoted(text) => Cow::Borrowed(text),
            Value::Number(number) => Cow::Owned(number.to_string()),
        }
    }
}

pub(super) fn fields_as_text(what: &str, fields: &[(&'static str, Field)]) -> String {
    let mut line = String::new();
    push_fields(what, fields, &mut line);
    line
}

/// Puts an event and its fields behind what a line begins with.
pub(super) fn push_fields(what: &str, fields: &[(&'static str, Field)], line: &mut String) {
    line.push_str(what);
    for (name, value) in fields {
        let text = value.text();
        // Texts from outside are always quoted, and hold no quote that is not escaped already.
        let quote = if matches!(value, Field(Value::Quoted(_))) { "\"" } else { "" };
        for part in &[" ", name, "=", quote] {
            line.push_str(part);
        }
        if quote.is_empty() && (text.is_empty() || text.contains(needs_quotes)) {
            // Writing into a String cannot fail.
            let _ = write!(line, "{text:?}");
        } else {
            line.push_str(&text);
        }
        line.push_str(quote);
    }
}

/// What would end a value, or the line, if it stood in it unquoted.
fn needs_quotes(character: char) -> bool {
    matches!(character, '"' | '=' | '\\') || character.is_whitespace() || character.is_control()
}

pub(super) fn fields_as_json(what: &str, fields: &[(&'static str, Field)]) -> String {
    let mut object = serde_json::Map::new();
    object.insert("event".to_owned(), what.into());
    for (name, value) in fields {
        let value = match value {
            Field(Value::Number(number)) => (*number).into(),
            other => other.text().into(),
        };
        object.insert((*name).to_owned(), value);
    }
    serde_json::Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_be_forged() {
        let fields = [("outcome", Field::from("refused now")), ("count", Field::from(3_u32))];
        assert_eq!(fields_as_text("request", &fields), r#"request outcome="refused now" count=3"#);
        assert_eq!(
            fields_as_json("request", &fields),
            r#"{"count":3,"event":"request","outcome":"refused now"}"#
        );
        let outside = [("name", escaped("a\"\nb=c"))];
        assert_eq!(fields_as_text("request", &outside), r#"request name="a\"\nb=c""#);
    }
}
