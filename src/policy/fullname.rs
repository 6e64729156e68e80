//! Full names: normalised, escaped for HTML, and free of what looks like a web address, since names end up in letters
//! and pages where such things lure people.

use super::text::{case_fold, squeeze};
use unicode_normalization::UnicodeNormalization;

/// Characters of a name as it is stored.
const NAME_CHARACTERS_MAX: usize = 280;
/// Bytes that are looked at all; more cannot become a name of allowed length.
const TYPED_BYTES_MAX: usize = 4096;

/// A name as it is stored and shown: HTML-escaped. Cannot be printed by accident.
pub struct FullName(String);

/// The name is too long or looks like a web address.
#[derive(Debug, PartialEq, Eq)]
pub struct NameRefused;

impl FullName {
    /// Accepts what somebody typed as their name; nothing is a name too.
    ///
    /// # Errors
    ///
    /// For a name that is too long or looks like a web address.
    pub fn accept(text: &str) -> Result<Self, NameRefused> {
        if text.len() > TYPED_BYTES_MAX {
            return Err(NameRefused);
        }
        let normal: String = text.nfkc().collect();
        if looks_like_a_link(&normal) {
            return Err(NameRefused);
        }
        let name = squeeze(&escaped(&normal));
        if name.chars().count() > NAME_CHARACTERS_MAX { Err(NameRefused) } else { Ok(Self(name)) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Whether a name has `http` or `://` in it, or a word that ends like a domain: its last part, after a dot that
/// something precedes, is a public suffix, and a letter outside such abbreviations as `J.R.` came before. `St.Melanie`
/// is no domain because nobody registers names under `melanie`; `A.J.Miller` and `Dr. Who` neither.
fn looks_like_a_link(text: &str) -> bool {
    let folded = case_fold(text);
    if folded.contains("http") || folded.contains("://") {
        return true;
    }
    folded.split(|c: char| !(c.is_alphanumeric() || c == '.' || c == '-')).any(is_domain)
}

fn is_domain(word: &str) -> bool {
    let word = word.trim_matches('.');
    let Some((before, _)) = word.rsplit_once('.') else { return false };
    // Initials only, as in `J.R.R`: each part is one letter.
    if word.split('.').all(|part| part.chars().count() <= 1) || before.is_empty() {
        return false;
    }
    psl::suffix(word.as_bytes())
        .is_some_and(|suffix| suffix.is_known() && suffix.as_bytes().len() < word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(text: &str) -> Option<String> {
        FullName::accept(text).ok().map(|name| name.as_str().to_owned())
    }

    #[test]
    fn names_are_normalised_escaped_and_squeezed() {
        for (typed, stored) in [
            ("ﬁne Ⅳ", "fine IV"),
            ("O'Brien & <b>", "O&#x27;Brien &amp; &lt;b&gt;"),
            ("  Ada \u{0}\t Lovelace ", "Ada Lovelace"),
            ("Ada\u{3000}Lovelace", "Ada Lovelace"),
            ("山田 太郎", "山田 太郎"),
            ("a@b@c", "a@b@c"),
            ("", ""),
        ] {
            assert_eq!(accepted(typed).as_deref(), Some(stored));
        }
    }

    #[test]
    fn names_with_dots_are_names() {
        for name in [
            "St.Melanie",
            "A.J.Miller",
            "J.R.R. Tolkien",
            "Dr. Who",
            "J.R.Smith",
            "J.R.R",
            "Mr.",
            "...",
            "a.b",
        ] {
            assert!(accepted(name).is_some(), "{name}");
        }
    }

    #[test]
    fn web_addresses_are_no_names() {
        for name in [
            "example.com",
            "Visit EXAMPLE.co.uk now",
            "foo.bar.com/x",
            "http://x",
            "HTTPd fan",
            "x://y",
            "me@spam.net",
            "buy at spam.shop!",
            "(spam.net)",
            "spam.net.",
            "ｓｐａｍ.net",
            "user.github.io",
            "例え.みんな",
        ] {
            assert_eq!(accepted(name), None, "{name}");
        }
    }

    #[test]
    fn length_is_bounded() {
        assert!(accepted(&"x".repeat(280)).is_some());
        assert_eq!(accepted(&"x".repeat(281)), None);
        assert_eq!(accepted(&"&".repeat(100)), None, "escaping counts");
        assert_eq!(accepted(&"\u{fdfa}".repeat(1_000_000)), None);
    }
}
