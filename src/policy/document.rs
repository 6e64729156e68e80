//! Reads a JSON document part by part and notes everything that is wrong with it, each with its place.
//!
//! A part is parsed only when something asks what it holds, one level at a time. So the depth of what is
//! parsed is the depth that the reader expects, and a document nested a million levels deep is just a part
//! of the wrong type. Must never know what the document is about.

use std::fmt::{self, Display};

use crate::json::{self, Json, JsonError, Limits};
use serde_json::Number;

/// How many problems are spelled out. Beyond, they are only counted, so that a file of the wrong kind
/// does not fill a log.
pub(super) const PROBLEMS_MAX: usize = 20;

/// The longest name of a role, an item, an action and so on.
pub(super) const NAME_CHARACTERS_MAX: usize = 100;

/// Parts are looked at one level at a time, so that the levels below do not matter. The length is checked before.
const LIMITS: Limits = Limits { levels: usize::MAX, values: usize::MAX, ..Limits::FILE };

/// What is wrong with a document so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub(super) noted: Vec<String>,
    pub(super) unlisted: usize,
}

impl Problems {
    /// Notes that `what` is wrong at `place`.
    pub(super) fn note(&mut self, place: &str, what: impl Display) {
        if self.noted.len() == PROBLEMS_MAX {
            self.unlisted += 1;
            return;
        }
        let place = if place.is_empty() { "the whole document" } else { place };
        self.noted.push(format!("{place}: {what}"));
    }

    pub(super) fn count(&self) -> usize {
        self.noted.len() + self.unlisted
    }
}

/// One value in the document, unparsed, and the place where it stands.
pub(super) struct Part<'a> {
    pub(super) place: String,
    json: Json<'a>,
}

impl<'a> Part<'a> {
    /// The document as a whole. Errors if it is not JSON.
    pub(super) fn whole(text: &'a str) -> Result<Self, JsonError> {
        Ok(Self { place: String::new(), json: json::check(text, &LIMITS)? })
    }

    /// The members of an object: those that `names` lists, in that order. A missing member and one that is
    /// not listed are problems.
    pub(super) fn fields<const N: usize>(
        &self,
        names: [&str; N],
        problems: &mut Problems,
    ) -> [Option<Part<'a>>; N] {
        let (fields, []) = self.fields_and_options(names, [], problems);
        fields
    }

    /// The same for an object with members that may be left out, `options`.
    pub(super) fn fields_and_options<const N: usize, const M: usize>(
        &self,
        names: [&str; N],
        options: [&str; M],
        problems: &mut Problems,
    ) -> ([Option<Part<'a>>; N], [Option<Part<'a>>; M]) {
        let mut fields = names.map(|_| None);
        let mut optional = options.map(|_| None);
        let Some(members) = self.members(problems) else { return (fields, optional) };
        for (name, part) in members {
            if let Some(at) = names.iter().position(|known| *known == name) {
                fields[at] = Some(part);
            } else if let Some(at) = options.iter().position(|known| *known == name) {
                optional[at] = Some(part);
            } else {
                problems.note(&part.place, "unknown key");
            }
        }
        for (name, field) in names.iter().zip(&fields) {
            if field.is_none() {
                problems.note(&self.place_of(name), "missing");
            }
        }
        (fields, optional)
    }

    /// The members of an object by name, or `None` if this is not an object. A name that stands twice is a
    /// problem, since its two readers might each believe another one; the first is returned.
    pub(super) fn members(&self, problems: &mut Problems) -> Option<Vec<(String, Part<'a>)>> {
        let Some(mut members) = self.json.members() else {
            problems.note(&self.place, "must be an object");
            return None;
        };
        // The sort keeps the order of equal names.
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        members.dedup_by(|(later, _), (first, _)| {
            let twice = later == first;
            if twice {
                problems.note(&self.place_of(first), "stands here more than once");
            }
            twice
        });
        let parts = members.into_iter().map(|(name, json)| {
            let place = self.place_of(&name);
            (name, Part { place, json })
        });
        Some(parts.collect())
    }

    /// The entries of a list, or `None` if this is not a list.
    pub(super) fn entries(&self, problems: &mut Problems) -> Option<Vec<Part<'a>>> {
        let Some(entries) = self.json.entries() else {
            problems.note(&self.place, "must be a list");
            return None;
        };
        let part = |(at, json)| Part { place: format!("{}[{at}]", self.place), json };
        Some(entries.into_iter().enumerate().map(part).collect())
    }

    /// A string.
    pub(super) fn text(&self, problems: &mut Problems) -> Option<String> {
        let text = self.json.string();
        if text.is_none() {
            problems.note(&self.place, "must be a string");
        }
        text
    }

    /// A number, as it was written.
    pub(super) fn number(&self, problems: &mut Problems) -> Option<Number> {
        let number = self.json.number();
        if number.is_none() {
            problems.note(&self.place, "must be a number");
        }
        number
    }

    fn place_of(&self, member: &str) -> String {
        let member = Shown(member);
        if self.place.is_empty() { member.to_string() } else { format!("{}.{member}", self.place) }
    }
}

/// A string from the document as a problem shows it: of bounded length, and on one line whatever it holds.
pub(super) struct Shown<'a>(pub(super) &'a str);

impl Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(NAME_CHARACTERS_MAX) {
            write!(formatter, "{}", character.escape_debug())?;
        }
        if characters.next().is_some() { formatter.write_str("...") } else { Ok(()) }
    }
}
