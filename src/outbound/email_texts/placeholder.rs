//! What the texts of emails may leave open, and what each has to.

use crate::problem::Loggable;
use std::fmt;
/// What a placeholder stands between.
pub(super) const OPEN: &str = "{{";
/// Its end.
pub(super) const CLOSE: &str = "}}";

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// What the site calls itself.
    Site,
    /// The site's address.
    SiteUrl,
    /// The address that the email goes to.
    Email,
    /// The user's name, where they have proven to be who they are; otherwise the address.
    Name,
    /// The browser that asked.
    Browser,
    /// The IP address that asked.
    IpAddress,
    /// The page with the code in its query.
    Link,
    /// The page on which the code is typed.
    Page,
    /// The code that is typed.
    Code,
    /// Until when the code is valid.
    Expires,
}

impl Placeholder {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Site,
        Self::SiteUrl,
        Self::Email,
        Self::Name,
        Self::Browser,
        Self::IpAddress,
        Self::Link,
        Self::Page,
        Self::Code,
        Self::Expires,
    ];

    /// Its name between the braces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::SiteUrl => "site_url",
            Self::Email => "email",
            Self::Name => "name",
            Self::Browser => "browser",
            Self::IpAddress => "ip_address",
            Self::Link => "link",
            Self::Page => "page",
            Self::Code => "code",
            Self::Expires => "expires",
        }
    }

    /// Whether it is an address that a link may lead to.
    pub(super) const fn is_link(self) -> bool {
        matches!(self, Self::Link | Self::Page | Self::SiteUrl)
    }

    /// Whether it shows the code, or leads to where it is used: a mail program has to find it whole.
    pub(super) const fn is_way_on(self) -> bool {
        matches!(self, Self::Link | Self::Page | Self::Code)
    }
}

/// What brings the reader of an email on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// A link with a code in it.
    Link,
    /// A code to type.
    TypedCode,
    /// Nothing: it only tells.
    Nothing,
}

impl Carries {
    /// Whether an email of this kind knows what the placeholder stands for.
    pub(super) const fn knows(self, placeholder: Placeholder) -> bool {
        match placeholder {
            Placeholder::Link => matches!(self, Self::Link),
            Placeholder::Page | Placeholder::Code => matches!(self, Self::TypedCode),
            Placeholder::Expires => !matches!(self, Self::Nothing),
            _ => true,
        }
    }

    /// The placeholder without which the email is of no use.
    pub(super) const fn needs(self) -> Option<Placeholder> {
        match self {
            Self::Link => Some(Placeholder::Link),
            Self::TypedCode => Some(Placeholder::Code),
            Self::Nothing => None,
        }
    }
}

/// What is wrong with a template, and in which line of its file.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from one.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl Problem {
    pub(super) fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: {}", self.line, self.what)
    }
}

// A template is the operator's, and has placeholders where it is about a person.
impl Loggable for Problem {}

/// A placeholder as texts have it.
pub(super) fn braced(placeholder: Placeholder) -> String {
    format!("{OPEN}{}{CLOSE}", placeholder.name())
}
