//! The setting that says how many requests are allowed.

use crate::problem::{Loggable, operator_text};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The value that turns all limits off.
const OFF: &str = "none";

/// What the server itself may send by `internal-` requests; a setting for such a name overrides it.
const INTERNAL_PER_MINUTE: u32 = 3000;

/// The limits that an operator can set, or none at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimits(Option<Limits>);

/// Requests per minute: by group, which the first part of a request's name tells, and by whole names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    other: u32,
    pub(super) user: u32,
    session: u32,
    apikey: u32,
    /// So many requests of one name pass before a group's limit is looked at.
    pub(super) burst: u32,
    by_request: BTreeMap<String, u32>,
    repeated: BTreeSet<String>,
}

impl RateLimits {
    /// Reads `name:number` pairs separated by semicolons, each number being requests per minute and at least 1.
    /// A name is `ipaddr`, `user`, `session`, `apikey`, `burst` or that of a request; of equal names the last
    /// counts, and what is not named keeps its default. The single word `none` turns all limits off.
    ///
    /// # Errors
    /// Names the part that can't be read.
    pub fn parse(text: &str) -> Result<Self, RateLimitError> {
        if text.trim().eq_ignore_ascii_case(OFF) {
            return Ok(Self(None));
        }
        let mut limits = Limits::default();
        let mut seen = BTreeSet::new();
        for written in text.split(';') {
            let part: String = written.split_whitespace().collect();
            if part.is_empty() {
                continue;
            }
            let (name, number) = read_part(&part)?;
            if !seen.insert(name.to_owned()) {
                limits.repeated.insert(name.to_owned());
            }
            match name {
                "ipaddr" => limits.other = number,
                "user" => limits.user = number,
                "session" => limits.session = number,
                "apikey" => limits.apikey = number,
                "burst" => limits.burst = number,
                request => drop(limits.by_request.insert(request.to_owned(), number)),
            }
        }
        Ok(Self(Some(limits)))
    }

    /// Whether limits are off, and so nobody needs to know the client's address.
    #[must_use]
    pub const fn is_disabled(&self) -> bool {
        self.0.is_none()
    }

    /// The names that were taken for names of requests, so that a misspelt one can be found.
    pub fn request_names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|limits| limits.by_request.keys()).map(String::as_str)
    }

    /// The names that are given more than once, so that somebody can be told which of their limits counts.
    pub fn repeated_names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|limits| &limits.repeated).map(String::as_str)
    }

    pub(super) const fn in_force(&self) -> Option<&Limits> {
        self.0.as_ref()
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self(Some(Limits::default()))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            other: 720,
            user: 480,
            session: 600,
            apikey: 720,
            burst: 150,
            by_request: BTreeMap::new(),
            repeated: BTreeSet::new(),
        }
    }
}

impl Limits {
    /// The operator's limit for this very request.
    pub(super) fn of_request(&self, request_name: &str) -> Option<u32> {
        self.by_request.get(request_name).copied()
    }

    /// The limit that requests of such names share. Each name is counted on its own all the same.
    pub(super) fn of_group(&self, request_name: &str) -> u32 {
        match request_name.split_once('-') {
            Some(("user", _)) => self.user,
            Some(("session", _)) => self.session,
            Some(("apikey", _)) => self.apikey,
            Some(("internal", _)) => INTERNAL_PER_MINUTE,
            _ => self.other,
        }
    }
}

/// Why a text is not a list of limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateLimitError {
    /// This part has not the form `name:number`.
    NotAPair(String),
    /// The number in this part is not a whole number from 1 to 4294967295.
    NotANumber(String),
}

impl Loggable for RateLimitError {}

impl fmt::Display for RateLimitError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAPair(part) => write!(out, "{} is not of the form name:number", operator_text(part)),
            Self::NotANumber(part) => {
                write!(out, "{} does not give a whole number of at least 1", operator_text(part))
            }
        }
    }
}

impl std::error::Error for RateLimitError {}

fn read_part(part: &str) -> Result<(&str, u32), RateLimitError> {
    let (name, number) = part
        .split_once(':')
        .filter(|(name, number)| !name.is_empty() && !number.contains(':'))
        .ok_or_else(|| RateLimitError::NotAPair(part.to_owned()))?;
    match number.parse() {
        Ok(number) if number > 0 => Ok((name, number)),
        _ => Err(RateLimitError::NotANumber(part.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: &str) -> Limits {
        RateLimits::parse(text).expect("good limits").0.expect("limits that are on")
    }

    #[test]
    fn what_is_not_named_keeps_its_default() {
        assert_eq!(RateLimits::parse("").expect("no parts"), RateLimits::default());
        let limits = limits("session:120;burst:5");
        assert_eq!((limits.session, limits.burst), (120, 5));
        assert_eq!((limits.user, limits.apikey, limits.other), (480, 720, 720));
    }

    #[test]
    fn reads_every_name_and_tolerates_blanks_and_empty_parts() {
        let limits =
            limits(" ipaddr : 1 ; user:2;;session:3\n; apikey:4;burst: 5; user-list:6; user-list:7; ");
        assert_eq!((limits.other, limits.user, limits.session, limits.apikey, limits.burst), (1, 2, 3, 4, 5));
        assert_eq!(limits.of_request("user-list"), Some(7));
        assert_eq!(limits.of_request("user-new"), None);
    }

    #[test]
    fn finds_the_group_by_the_name() {
        let limits = limits("ipaddr:1;user:2;session:3;apikey:4");
        for (name, per_minute) in [
            ("user-list", 2),
            ("session-new", 3),
            ("apikey-healthcheck", 4),
            ("internal-user-lock", 3000),
            ("users-list", 1),
            ("user", 1),
            ("", 1),
        ] {
            assert_eq!(limits.of_group(name), per_minute, "{name}");
        }
    }

    #[test]
    fn none_turns_everything_off() {
        for text in ["none", " NONE\n", "None"] {
            assert!(RateLimits::parse(text).expect("limits that are off").is_disabled());
        }
        assert!(!RateLimits::default().is_disabled());
    }

    #[test]
    fn lists_the_names_of_requests() {
        let limits = RateLimits::parse("user:1;user-new:2;user-nwe:3").expect("good limits");
        assert_eq!(limits.request_names().collect::<Vec<_>>(), ["user-new", "user-nwe"]);
    }

    #[test]
    fn lists_the_names_that_are_given_twice() {
        let limits = RateLimits::parse("ipaddr:1; user:2; ipaddr :3; user-new:4;user-new:4;ipaddr:5");
        let limits = limits.expect("good limits");
        assert_eq!(limits.repeated_names().collect::<Vec<_>>(), ["ipaddr", "user-new"]);
        assert_eq!(RateLimits::default().repeated_names().count(), 0);
    }

    #[test]
    fn names_the_part_that_is_wrong() {
        for (text, part) in [("user:1;session", "session"), (":5", ":5"), ("a:1:2", "a:1:2")] {
            assert_eq!(RateLimits::parse(text), Err(RateLimitError::NotAPair(part.to_owned())), "{text}");
        }
        for part in ["user:0", "user:-1", "user:1.5", "user:", "user:x", "user:4294967296", "burst:0"] {
            let text = format!("session:5; {part}");
            assert_eq!(RateLimits::parse(&text), Err(RateLimitError::NotANumber(part.to_owned())), "{text}");
        }
        let shown = RateLimits::parse("user:0").expect_err("a refusal").to_string();
        assert!(shown.contains("`user:0`"), "{shown}");
    }
}
