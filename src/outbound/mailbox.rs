//! Addresses as mail servers take them: every address that may sign up can be written to, also one whose dots stand
//! where the standard wants quotes around them. Domains that are not ASCII travel in their ASCII form.

mod punycode;

use crate::policy::email::is_valid_syntax;
use std::fmt;

/// Bytes of a sender's name and address together.
const SENDER_BYTES_MAX: usize = 500;
/// Bytes of an address in a command (RFC 5321, 4.5.3.1.3), less the brackets.
const PATH_BYTES_MAX: usize = 254;
/// Bytes of a label of a domain (RFC 1035, 2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// Bytes of a text in one encoded word: 75 characters with what stands around it, in base64 (RFC 2047).
const ENCODED_WORD_BYTES_MAX: usize = 45;

/// An address that can be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The part before the `@`, quoted where it must be.
    local_part: String,
    domain: String,
}

impl Address {
    /// Reads an address; `None` where none can be written to. Spaces and other ASCII marks before the `@` are quoted.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (local_part, domain) = text.rsplit_once('@')?;
        let domain = ascii_domain(domain)?;
        if local_part.is_empty() || local_part.chars().any(|c| c.is_control() || is_line_end(c)) {
            return None;
        }
        let is_atom = |atom: &str| !atom.is_empty() && atom.chars().all(is_atom_character);
        let local_part =
            if local_part.split('.').all(is_atom) { local_part.to_owned() } else { quoted(local_part) };
        let address = Self { local_part, domain };
        // Quotes are not counted: they are not part of the address.
        (text.len() <= PATH_BYTES_MAX).then_some(address)
    }

    /// The address as it stands between the brackets of a command and in a header.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}@{}", self.local_part, self.domain)
    }

    /// The domain, in ASCII.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether only a server that knows of other addresses than ASCII ones can deliver to it.
    #[must_use]
    pub fn needs_utf8(&self) -> bool {
        !self.local_part.is_ascii()
    }
}

/// Who an email is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    name: String,
    /// The address.
    pub address: Address,
}

impl Sender {
    /// Reads `Name <address>`, `"Name" <address>` or an address; `None` where letters could not be sent from it. The
    /// address keeps to the rules of one that may sign up, and is ASCII before the `@`, for every mail server takes it
    /// so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > SENDER_BYTES_MAX || text.chars().any(|c| c.is_control() || is_line_end(c)) {
            return None;
        }
        let (name, address) = match text.strip_suffix('>') {
            Some(rest) => rest.rsplit_once('<')?,
            None => ("", text),
        };
        let name = name.trim();
        if name.contains(['<', '>']) && unquoted(name) == name {
            return None;
        }
        let address = Address::parse(address.trim())?;
        // In quotes stands only what may not sign up, but for dots.
        let bare = address.path().replace('"', "");
        (address.local_part.is_ascii() && is_valid_syntax(&bare))
            .then(|| Self { name: unquoted(name), address })
    }

    /// The sender as a header has it.
    #[must_use]
    pub fn header(&self) -> String {
        let path = self.address.path();
        if self.name.is_empty() {
            return path;
        }
        let is_word = |word: &str| !word.is_empty() && word.chars().all(is_atom_character);
        if !self.name.is_ascii() {
            format!("{} <{path}>", encoded_words(&self.name))
        } else if self.name.split(' ').all(is_word) {
            format!("{} <{path}>", self.name)
        } else {
            format!("{} <{path}>", quoted(&self.name))
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.header())
    }
}

/// What may stand in an address or a name without quotes (RFC 5322, 3.2.3; RFC 6532, 3.2).
fn is_atom_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii() && !c.is_whitespace()
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A name without the quotes around it.
fn unquoted(name: &str) -> String {
    let Some(inner) = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return name.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        text.extend(if c == '\\' { rest.next() } else { Some(c) });
    }
    text
}

/// A text in UTF-8, in pieces that each fit a line (RFC 2047).
fn encoded_words(text: &str) -> String {
    use base64::Engine;
    let mut pieces: Vec<String> = vec![String::new()];
    for c in text.chars() {
        let piece = pieces.last_mut().expect("there is always a piece");
        if piece.len() + c.len_utf8() > ENCODED_WORD_BYTES_MAX {
            pieces.push(c.into());
        } else {
            piece.push(c);
        }
    }
    let encode =
        |piece: &String| format!("=?utf-8?b?{}?=", base64::engine::general_purpose::STANDARD.encode(piece));
    pieces.iter().map(encode).collect::<Vec<_>>().join("\r\n ")
}

/// A domain in ASCII and lower case: its labels of letters, digits and inner hyphens.
fn ascii_domain(domain: &str) -> Option<String> {
    let labels: Option<Vec<String>> = domain.split('.').map(ascii_label).collect();
    labels.map(|labels| labels.join("."))
}

fn ascii_label(label: &str) -> Option<String> {
    let label = if label.is_ascii() { label.to_ascii_lowercase() } else { punycode::to_ascii(label)? };
    let fits = (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-');
    fits.then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::email::EmailAddress;

    fn path(text: &str) -> Option<String> {
        Address::parse(text).map(|address| address.path())
    }

    #[test]
    fn addresses_are_quoted_where_they_must_be() {
        for (text, expected) in [
            ("alice@example.org", "alice@example.org"),
            ("a.b+c@example.org", "a.b+c@example.org"),
            ("..@x.org", "\"..\"@x.org"),
            (".a@x.org", "\".a\"@x.org"),
            ("a.@x.org", "\"a.\"@x.org"),
            ("a..b@x.org", "\"a..b\"@x.org"),
            ("a b@x.org", "\"a b\"@x.org"),
            ("a\"\\@x.org", "\"a\\\"\\\\\"@x.org"),
            ("a@b@x.org", "\"a@b\"@x.org"),
            ("o\u{2019}neil@x.org", "o\u{2019}neil@x.org"),
            ("x@LocalHost", "x@localhost"),
            ("x@b\u{fc}cher.example", "x@xn--bcher-kva.example"),
        ] {
            assert_eq!(path(text).as_deref(), Some(expected), "{text}");
        }
        for text in
            ["", "@", "a", "@x", "a@", "a@-b", "a@b..c", "a@b_c", "a@b\r\nc", "a\r\n@b", "a\0@b", "a@[::1]"]
        {
            assert_eq!(path(text), None, "{text:?}");
        }
        assert!(path(&format!("{}@x.org", "a".repeat(248))).is_some());
        assert!(path(&format!("{}@x.org", "a".repeat(249))).is_none());
    }

    #[test]
    fn whoever_may_sign_up_can_be_written_to() {
        let alphabet: Vec<char> = "aZ.!#$%&'*+/=?^_`{|}~-@@@\u{2019}9".chars().collect();
        let mut rng = fastrand::Rng::with_seed(9);
        let mut accepted = 0;
        for _ in 0..200_000 {
            let length = rng.usize(3..9);
            let text: String = (0..length).map(|_| alphabet[rng.usize(..alphabet.len())]).collect();
            if let Ok(address) = EmailAddress::accept_for_signup(&text) {
                accepted += 1;
                assert!(path(address.as_str()).is_some(), "{text}");
            }
        }
        assert!(accepted > 1000, "{accepted}");
    }

    #[test]
    fn senders_are_read_and_written() {
        let header = |text: &str| Sender::parse(text).map(|sender| sender.header());
        for (text, expected) in [
            ("a@b", "a@b"),
            ("<a@b>", "a@b"),
            ("Recipes <post@recipes.example>", "Recipes <post@recipes.example>"),
            ("\"Recipes, Inc.\" <a@b>", "\"Recipes, Inc.\" <a@b>"),
            ("Recipes, Inc. <a@b>", "\"Recipes, Inc.\" <a@b>"),
            ("A \"B\" <a@b>", "\"A \\\"B\\\"\" <a@b>"),
            ("K\u{fc}che <a@b\u{fc}cher.example>", "=?utf-8?b?S8O8Y2hl?= <a@xn--bcher-kva.example>"),
            ("..@x.org", "\"..\"@x.org"),
        ] {
            assert_eq!(header(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "a",
            "@",
            "A <a@b",
            "A a@b>",
            "A <a@b> B",
            "A <>",
            "<a@b",
            "a b@c",
            "a@b c",
            "A <\u{e4}@b>",
            "A <a@b>, B <c@d>",
            "a@b, c@d",
            "a@b\r\nBcc: c@d",
            "A\n <a@b>",
            "a@b..c",
            "a@b_c",
        ] {
            assert_eq!(header(text), None, "{text}");
        }
        let long = format!("{} <a@b>", "\u{fc}".repeat(200));
        let header = header(&long).expect("a sender");
        assert!(header.split("\r\n").all(|line| line.len() <= 80), "{header}");
        assert!(Sender::parse(&format!("{} <a@b>", "\u{fc}".repeat(300))).is_none());
    }
}
