//! Which e-mail addresses may sign up, what an address looks like, and how addresses are compared.
//!
//! One address must never be taken for another. Hence an address that may sign up is ASCII but for one character, so
//! that folding it is plain lower-casing: no second spelling folds onto an account that exists.

use super::lists::{DISPOSABLE_DOMAINS, RESERVED_LOCAL_PARTS, domain_and_parents};
use crate::shape::{HasType, Type};
use serde::Serialize;
use std::borrow::Cow;

/// The longest address that fits the path of an SMTP command (RFC 5321, 4.5.3.1.3, as corrected).
const ADDRESS_BYTES_MAX: usize = 254;

/// The longest part before the `@` that every mail server takes (RFC 5321, 4.5.3.1.1).
const LOCAL_PART_BYTES_MAX: usize = 64;

/// The longest label of a host name (RFC 1035, 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// Folds an address for looking it up: ASCII letters to lower case and nothing else, so that only spellings of the
/// same ASCII address meet. Any text may be given, and folding twice changes nothing more.
fn fold(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// An address in the form in which accounts are looked up and attempts counted: folded, whether or not it is anybody's.
/// It has no `Debug`, since it names a person.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct EmailAddress(String);

impl HasType for EmailAddress {
    const TYPE: Type = Type::Text;
}

/// Why an address may not sign up. Whoever asked is told only that it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailRefused {
    /// The part before `@` speaks for a site: `admin`, `postmaster`.
    Reserved,
    /// It is no address.
    Syntax,
    /// Its domain, or one above it, hands out throw-away mailboxes.
    Disposable,
}

impl EmailAddress {
    /// Folds what somebody gave as an address, whatever it is.
    #[must_use]
    pub fn folded(text: &str) -> Self {
        Self(fold(text).into_owned())
    }

    /// An address as an account has it. It was folded before it was stored, but for two of an adopted database that fold
    /// to one and are told apart by their case; folding those here would make one account of two.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// Takes an address for a new account and folds it.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn accept_for_signup(text: &str) -> Result<Self, EmailRefused> {
        let folded = fold(text);
        let (local_part, domain) = split(&folded).ok_or(EmailRefused::Syntax)?;
        if RESERVED_LOCAL_PARTS.contains(local_part) {
            return Err(EmailRefused::Reserved);
        }
        if !is_valid_syntax(&folded) || local_part.len() > LOCAL_PART_BYTES_MAX {
            return Err(EmailRefused::Syntax);
        }
        if is_disposable(domain) {
            return Err(EmailRefused::Disposable);
        }
        Ok(Self(folded.into_owned()))
    }

    /// The folded address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether the whole text is an address, in the manner of HTML's `<input type=email>`: one `@`; before it letters,
/// digits and some marks, dots anywhere; after it labels of letters, digits and inner hyphens. One label is enough, so
/// that `localhost` can be written to. At most 254 bytes, 63 a label; no blanks, no control characters, no line end.
#[must_use]
pub fn is_valid_syntax(text: &str) -> bool {
    text.len() <= ADDRESS_BYTES_MAX
        && split(text).is_some_and(|(local_part, domain)| {
            !local_part.is_empty()
                && local_part.chars().all(may_stand_before_the_at)
                && domain.split('.').all(is_label)
        })
}

/// The parts around the only `@`.
fn split(address: &str) -> Option<(&str, &str)> {
    address.split_once('@').filter(|(_, domain)| !domain.contains('@'))
}

/// HTML's alphabet, and U+2019. The Python authnzerver took that curly apostrophe where the straight one was meant, and
/// such accounts exist. It stays a character of its own: `o’neil` and `o'neil` are two mailboxes, neither folds onto
/// the other, and an email goes only to the one that signed up.
fn may_stand_before_the_at(character: char) -> bool {
    character.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-\u{2019}".contains(character)
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Whether the folded domain or one above it is listed: whoever runs a domain also runs those below it.
fn is_disposable(domain: &str) -> bool {
    domain_and_parents(domain).any(|domain| DISPOSABLE_DOMAINS.contains(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs_up(text: &str) -> Result<String, EmailRefused> {
        EmailAddress::accept_for_signup(text).map(|address| address.as_str().to_owned())
    }

    #[test]
    fn usual_and_odd_addresses_sign_up_and_are_folded() {
        let cases = [
            ("x@localhost", "x@localhost"),
            ("..@x.org", "..@x.org"),
            ("o\u{2019}neil@x.org", "o\u{2019}neil@x.org"),
            ("o'neil@x.org", "o'neil@x.org"),
            ("A.B@Test.ORG", "a.b@test.org"),
            ("a.!#$%&*+/=?^_{|}~-`9@x.org", "a.!#$%&*+/=?^_{|}~-`9@x.org"),
            ("x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
            ("x@1.2-3.4", "x@1.2-3.4"),
            ("administrators@test.org", "administrators@test.org"),
            ("x@mailinator.example", "x@mailinator.example"),
        ];
        for (text, folded) in cases {
            assert_eq!(signs_up(text).as_deref(), Ok(folded));
        }
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        let cases = [
            "",
            "@",
            "noat",
            "@test.org",
            "a@",
            "a@b@c",
            "a@@b",
            "x@-a.org",
            "x@a-.org",
            "x@a..org",
            "x@.org",
            "x@a.org.",
            "x@a_b.org",
            "x@é.org",
            "é@x.org",
            "x y@x.org",
            " x@x.org",
            "x@x.org ",
            "A.B@Test.ORG\n",
            "x@x.org\r\n",
            "x@x.org\0",
            "x\0@x.org",
            "x\t@x.org",
            "x@x.org\nbcc:y@y.org",
            "x\u{7f}@x.org",
            "x\u{85}@x.org",
            "x@x.org\u{2028}",
            "\"x\"@x.org",
            "x(y)@x.org",
            "<x@x.org>",
            "a,b@x.org",
            "a;b@x.org",
            "a:b@x.org",
            "a\\b@x.org",
            "x@[127.0.0.1]",
            "x@mailinator.com\n",
            "x@mailinator.com.",
        ];
        for text in cases {
            assert_eq!(signs_up(text), Err(EmailRefused::Syntax), "{text:?}");
            assert!(!is_valid_syntax(text), "{text:?}");
        }
    }

    #[test]
    fn names_of_the_site_are_refused_however_they_are_written() {
        for text in
            ["admin@test.org", "Admin@test.org", "ADMIN@TEST.ORG", "postMaster@x", "favicon.ico@x.org"]
        {
            assert_eq!(signs_up(text), Err(EmailRefused::Reserved), "{text}");
            assert!(is_valid_syntax(text), "an operator may set it, and it may be written to");
        }
    }

    #[test]
    fn throw_away_mailboxes_are_refused_also_below_the_listed_domain() {
        for text in ["x@mailinator.com", "x@MAILINATOR.com", "x@sub.mailinator.com", "x@a.b.c.Mailinator.com"]
        {
            assert_eq!(signs_up(text), Err(EmailRefused::Disposable), "{text}");
            assert!(is_valid_syntax(text));
        }
    }

    #[test]
    fn labels_and_addresses_have_a_greatest_length() {
        let label = "a".repeat(LABEL_BYTES_MAX);
        assert!(signs_up(&format!("x@{label}.org")).is_ok());
        assert_eq!(signs_up(&format!("x@a{label}.org")), Err(EmailRefused::Syntax));
        let local_part = "a".repeat(LOCAL_PART_BYTES_MAX);
        assert!(signs_up(&format!("{local_part}@x.org")).is_ok());
        assert_eq!(
            signs_up(&format!("a{local_part}@x.org")),
            Err(EmailRefused::Syntax),
            "nobody delivers there"
        );
        let curly = format!("{}\u{2019}@x.org", "a".repeat(LOCAL_PART_BYTES_MAX - 2));
        assert_eq!(signs_up(&curly), Err(EmailRefused::Syntax), "bytes count");
        let domain = [label.as_str(), &label, &label[..ADDRESS_BYTES_MAX - 64 - 1 - 2 * 64]].join(".");
        let longest = format!("{local_part}@{domain}");
        assert_eq!(longest.len(), ADDRESS_BYTES_MAX);
        assert!(signs_up(&longest).is_ok());
        assert_eq!(signs_up(&format!("{longest}b")), Err(EmailRefused::Syntax));
        let taken_over = format!("{}@x.org", "a".repeat(ADDRESS_BYTES_MAX - 6));
        assert!(is_valid_syntax(&taken_over), "an account that is there already stays what it is");
        assert!(!is_valid_syntax(&format!("a{taken_over}")));
    }

    /// Spellings that look like, or by some normalisation become, `mike@test.org`, `fiss@test.org` or `kim@test.org`.
    #[test]
    fn no_look_alike_meets_an_ascii_account() {
        let look_alikes = [
            ("m\u{131}ke@test.org", "mike@test.org"),
            ("m\u{130}ke@test.org", "mike@test.org"),
            ("fi\u{17f}s@test.org", "fiss@test.org"),
            ("\u{212a}im@test.org", "kim@test.org"),
            ("\u{fb01}ss@test.org", "fiss@test.org"),
            ("fi\u{df}@test.org", "fiss@test.org"),
            ("fi\u{1e9e}@test.org", "fiss@test.org"),
            ("mike\u{ff20}test.org", "mike@test.org"),
            ("mike@test\u{ff0e}org", "mike@test.org"),
            ("mike@test\u{3002}org", "mike@test.org"),
            ("mike@te\u{17f}t.org", "mike@test.org"),
            ("mike@test.or\u{261}", "mike@test.org"),
            ("\u{ff4d}ike@test.org", "mike@test.org"),
            ("mi\u{200b}ke@test.org", "mike@test.org"),
            ("mi\u{200d}ke@test.org", "mike@test.org"),
            ("mike\u{ad}@test.org", "mike@test.org"),
            ("\u{feff}mike@test.org", "mike@test.org"),
            ("\u{202e}mike@test.org", "mike@test.org"),
            ("mike@test.org\u{200e}", "mike@test.org"),
            ("mike@\u{2066}test.org\u{2069}", "mike@test.org"),
            ("m\u{456}ke@test.org", "mike@test.org"),
            ("mike\u{301}@test.org", "mike@test.org"),
        ];
        for (look_alike, account) in look_alikes {
            assert_eq!(signs_up(look_alike), Err(EmailRefused::Syntax), "{look_alike:?}");
            assert!(!is_valid_syntax(look_alike), "{look_alike:?}");
            assert_ne!(fold(look_alike), account, "looking it up must not find the account");
        }
        assert_ne!(signs_up("o\u{2019}neil@x.org"), signs_up("o'neil@x.org"), "two mailboxes, two accounts");
    }

    #[test]
    fn folding_lower_cases_ascii_alone_and_only_once() {
        assert!(matches!(fold("a@é.org"), Cow::Borrowed("a@é.org")));
        assert_eq!(fold("\u{212a}É A@Z[`{"), "\u{212a}É a@z[`{");
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let text: String = (0..rng.usize(..40)).map(|_| rng.char(..)).collect();
            let folded = fold(&text).into_owned();
            assert_eq!(fold(&folded), folded);
            assert_eq!(folded.chars().count(), text.chars().count());
            assert_eq!(folded.is_ascii(), text.is_ascii(), "nothing else becomes ASCII");
        }
    }

    #[test]
    fn whatever_signs_up_is_folded_valid_and_has_one_spelling() {
        let alphabet: Vec<char> = "aAkKiI.-'@@@\u{2019}\u{212a}\u{131}\n\0 ßx9".chars().collect();
        let mut rng = fastrand::Rng::with_seed(8);
        let mut accepted = 0;
        for _ in 0..200_000 {
            let length = rng.usize(..8);
            let text: String = (0..length).map(|_| alphabet[rng.usize(..alphabet.len())]).collect();
            if let Ok(address) = EmailAddress::accept_for_signup(&text) {
                accepted += 1;
                assert_eq!(fold(address.as_str()), address.as_str());
                assert!(is_valid_syntax(address.as_str()));
                assert!(
                    address.as_str().eq_ignore_ascii_case(&text),
                    "it is the text but for the case of ASCII letters"
                );
            }
        }
        assert!(accepted > 1_000, "{accepted}");
    }
}
