//! E-mail addresses: the one form in which they are compared, and which of them may sign up.

use super::text::is_listed;
use std::borrow::Cow;

/// Characters of a whole address (RFC 5321).
const ADDRESS_CHARACTERS_MAX: usize = 254;
/// Characters of one part of a domain (RFC 1035).
const LABEL_CHARACTERS_MAX: usize = 63;

/// Domains that give out throw-away addresses; see `docs/data.md`.
const DISPOSABLE_DOMAINS: &str = include_str!("lists/disposable_domains.txt");

/// Names that stand for a role or a service and not for a person.
const RESERVED_NAMES: &str = "\
    .htaccess .htpasswd abuse account accounts admin administrator auth authorize autoconfig \
    autodiscover blog broadcasthost buy cart clientaccesspolicy.xml clients contact contact-us contactus copyright \
    crossdomain.xml dashboard doc docs download downloads enquiry faq favicon.ico ftp help hostmaster humans.txt imap \
    info inquiry is isatap it keybase.txt license localdomain localhost login logout mail mailer-daemon marketing me \
    mis myaccount news no-reply nobody noc noreply oauth pay payment payments plans pop pop3 portfolio postmaster \
    preferences pricing privacy profile register robots.txt root sales secure security settings signin signup smtp ssl \
    ssladmin ssladministrator sslwebmaster status store subscribe support sysadmin terms tos usenet user users uucp \
    weblog webmail webmaster work wpad www";

/// The form in which addresses are looked up, counted and compared: ASCII letters in lower case, everything else as
/// it is. No other letter may fold onto an ASCII one, or a look-alike address would open somebody else's account.
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// An address that may be stored, in its folded form. Cannot be printed by accident.
pub struct EmailAddress(String);

/// The address may not sign up. Why is nobody's business: all such answers look the same.
#[derive(Debug, PartialEq, Eq)]
pub struct EmailRefused;

impl EmailAddress {
    /// Accepts an address for a new account: well formed, not reserved, not of a throw-away domain.
    ///
    /// # Errors
    ///
    /// For any other text.
    pub fn accept_for_signup(text: &str) -> Result<Self, EmailRefused> {
        let folded = fold(text);
        let Some((name, domain)) = parts(&folded) else { return Err(EmailRefused) };
        if RESERVED_NAMES.split(' ').any(|reserved| reserved == name) || is_disposable(domain) {
            return Err(EmailRefused);
        }
        Ok(Self(folded.into_owned()))
    }

    /// The address, folded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text has the form of an address.
#[must_use]
pub fn is_valid_syntax(text: &str) -> bool {
    parts(text).is_some()
}

/// The name and the domain of a well-formed address. The form is that of HTML's input field, so a single word is a
/// domain too, and dots in the name may stand anywhere.
fn parts(text: &str) -> Option<(&str, &str)> {
    let (name, domain) = text.split_once('@')?;
    let well_formed = text.chars().count() <= ADDRESS_CHARACTERS_MAX
        && !name.is_empty()
        && name.chars().all(is_name_character)
        && domain.split('.').all(is_label);
    well_formed.then_some((name, domain))
}

/// The typographic apostrophe is taken because accounts of the original have it; nothing folds onto it.
fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_{|}~-`\u{2019}".contains(character)
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    bytes.len() <= LABEL_CHARACTERS_MAX
        && first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// Whether the domain, or one that it lies in, is listed.
fn is_disposable(domain: &str) -> bool {
    let parents = domain.match_indices('.').map(|(at, _)| &domain[at + 1..]);
    std::iter::once(domain).chain(parents).any(|domain| is_listed(DISPOSABLE_DOMAINS, domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(text: &str) -> Option<String> {
        EmailAddress::accept_for_signup(text).ok().map(|email| email.as_str().to_owned())
    }

    #[test]
    fn addresses_of_people_are_taken_and_folded() {
        for (typed, stored) in [
            ("Alice@Test.ORG", "alice@test.org"),
            ("x@localhost", "x@localhost"),
            ("..@x.org", "..@x.org"),
            ("o’neil@x.org", "o’neil@x.org"),
            ("o'neil@x.org", "o'neil@x.org"),
            ("a+b=c@x-y.example", "a+b=c@x-y.example"),
        ] {
            assert_eq!(accepted(typed).as_deref(), Some(stored));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let long_label = format!("x@{}.org", "a".repeat(64));
        let long = format!("{}@x.org", "a".repeat(250));
        for text in [
            "admin@test.org",
            "Admin@test.org",
            "WWW@x.org",
            "x@mailinator.com",
            "x@MAILINATOR.com",
            "x@sub.mailinator.com",
            "x@-a.org",
            "x@a-.org",
            "x@a..org",
            "x@a_b.org",
            "x@é.org",
            "a@b@c",
            "noat",
            "@test.org",
            "a@",
            "",
            "a@b\n",
            "A.B@Test.ORG\n",
            "a\r@b",
            "a\0@b",
            "a b@c",
            &long_label,
            &long,
        ] {
            assert_eq!(accepted(text), None, "{text:?}");
        }
    }

    #[test]
    fn no_look_alike_becomes_an_ascii_address() {
        for text in [
            "adm\u{131}n2@x.org",
            "\u{17f}am@x.org",
            "\u{212a}im@x.org",
            "\u{fb01}x@x.org",
            "stra\u{df}e@x.org",
            "a\u{ff20}x.org",
            "a\u{200b}b@x.org",
            "\u{202e}a@x.org",
            "I\u{307}@x.org",
            "\u{ff41}@x.org",
        ] {
            let folded = fold(text);
            assert!(!folded.is_ascii(), "{text:?} became {folded}");
            assert_eq!(accepted(text), None, "{text:?}");
        }
    }

    #[test]
    fn folding_twice_is_folding_once() {
        let mut chance = fastrand::Rng::with_seed(20_261_123);
        for _ in 0..2000 {
            let text: String = (0..chance.usize(..20)).map(|_| chance.char(..)).collect();
            let once = fold(&text).into_owned();
            assert_eq!(fold(&once), once);
            if let Some(stored) = accepted(&text) {
                assert_eq!(stored, once);
            }
        }
    }

    #[test]
    fn the_list_is_in_order() {
        crate::policy::text::check_list(DISPOSABLE_DOMAINS, 10_181);
        assert_eq!(RESERVED_NAMES.split(' ').count(), 101);
    }
}
