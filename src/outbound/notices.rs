//! The emails that the server sends by itself, written by the texts that there are for them.

use super::email_texts::{EmailText, EmailTexts, Placeholder, Values};
use super::templates::{
    Email, InvalidMessage, SITE_CHARACTERS_MAX, from_stranger, is_allowed_site, one_line, origin,
};
use crate::clock::Timestamp;
use crate::guard::code::{Code, CodeForm};
use crate::policy::full_name::{shown_to_others, unescaped};
use zeroize::Zeroizing;

/// Bytes of a page's address: with the code, it has to fit on a line.
const PAGE_BYTES_MAX: usize = 900;
/// Characters of a user's name.
const NAME_CHARACTERS_MAX: usize = 100;
/// Characters of a time that are shown: down to the minute.
const MINUTE_CHARACTERS: usize = 16;

/// Who gets an email, and what it tells of who asked for it.
pub struct Notice<'a> {
    /// The address it goes to: the stored one.
    pub to: &'a str,
    /// What the user is called, as it is stored, if they have shown that the account is theirs: anybody can sign up an address with any
    /// name.
    pub name: Option<&'a str>,
    /// The language that they read, as a tag; may be empty.
    pub language: &'a str,
    /// What the site calls itself.
    pub site: &'a str,
    /// The page of the site that takes the code, as [`is_page`] accepted it.
    pub page: &'a str,
    /// The browser that asked.
    pub browser: &'a str,
    /// The address that asked.
    pub ip_address: &'a str,
}

/// Asks somebody who signed up to prove that the address is theirs.
///
/// # Errors
///
/// [`InvalidMessage`].
pub fn sign_up(
    texts: &EmailTexts,
    notice: &Notice<'_>,
    code: &Code,
    expires: Timestamp,
) -> Result<Email, InvalidMessage> {
    with_code(texts, [EmailText::SignUp, EmailText::SignUpTyped], notice, code, expires)
}

/// Lets somebody who forgot their password choose a new one.
///
/// # Errors
///
/// [`InvalidMessage`].
pub fn reset(
    texts: &EmailTexts,
    notice: &Notice<'_>,
    code: &Code,
    expires: Timestamp,
) -> Result<Email, InvalidMessage> {
    with_code(texts, [EmailText::Reset, EmailText::ResetTyped], notice, code, expires)
}

/// Tells somebody who signed up that they have an account already.
///
/// # Errors
///
/// [`InvalidMessage`].
pub fn account_exists(texts: &EmailTexts, notice: &Notice<'_>) -> Result<Email, InvalidMessage> {
    write(texts, EmailText::AccountExists, notice, None)
}

/// Lets somebody log in.
///
/// # Errors
///
/// [`InvalidMessage`].
pub fn login(
    texts: &EmailTexts,
    notice: &Notice<'_>,
    code: &Code,
    expires: Timestamp,
) -> Result<Email, InvalidMessage> {
    with_code(texts, [EmailText::Login, EmailText::LoginTyped], notice, code, expires)
}

/// Asks whoever holds an address to prove that an account is to have it.
///
/// # Errors
///
/// [`InvalidMessage`].
pub fn email_change(
    texts: &EmailTexts,
    notice: &Notice<'_>,
    code: &Code,
    expires: Timestamp,
) -> Result<Email, InvalidMessage> {
    with_code(texts, [EmailText::EmailChange, EmailText::EmailChangeTyped], notice, code, expires)
}

/// Tells whoever has an account that it is to have another address, and lets them have theirs back. The code is one for a
/// link.
///
/// # Errors
///
/// [`InvalidMessage`].
pub fn email_undo(
    texts: &EmailTexts,
    notice: &Notice<'_>,
    code: &Code,
    expires: Timestamp,
) -> Result<Email, InvalidMessage> {
    with_code(texts, [EmailText::EmailUndo; 2], notice, code, expires)
}

/// Tells whoever has an account that somebody wanted its address for another one.
///
/// # Errors
///
/// [`InvalidMessage`].
pub fn email_taken(texts: &EmailTexts, notice: &Notice<'_>) -> Result<Email, InvalidMessage> {
    write(texts, EmailText::EmailTaken, notice, None)
}

/// An email with a code, of which there are two: with a link, and with a code to type.
fn with_code(
    texts: &EmailTexts,
    [with_link, typed]: [EmailText; 2],
    notice: &Notice<'_>,
    code: &Code,
    expires: Timestamp,
) -> Result<Email, InvalidMessage> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let text = code.reveal();
    if text.is_empty() || !text.chars().all(is_plain) {
        return Err(InvalidMessage);
    }
    let email = match code.form() {
        CodeForm::Link => with_link,
        CodeForm::Typed => typed,
    };
    write(texts, email, notice, Some((code, expires)))
}

fn write(
    texts: &EmailTexts,
    email: EmailText,
    notice: &Notice<'_>,
    code: Option<(&Code, Timestamp)>,
) -> Result<Email, InvalidMessage> {
    let Notice { to, page, .. } = notice;
    let site_url = origin(page).filter(|_| page.len() <= PAGE_BYTES_MAX).ok_or(InvalidMessage)?;
    if to.chars().any(|c| c.is_control() || c == ' ') {
        return Err(InvalidMessage);
    }
    let (subject, text, html) =
        texts.write(email, notice.language, &Told { notice, site_url: &site_url, code });
    Ok(Email { to: (*to).to_owned(), subject, text, html })
}

/// What an email is filled with.
struct Told<'a> {
    notice: &'a Notice<'a>,
    site_url: &'a str,
    code: Option<(&'a Code, Timestamp)>,
}

impl Values for Told<'_> {
    fn value(&self, placeholder: Placeholder) -> Zeroizing<String> {
        let Notice { to, name, site, page, browser, ip_address, .. } = self.notice;
        let code = self.code.map_or("", |(code, _)| code.reveal());
        Zeroizing::new(match placeholder {
            Placeholder::Site => one_line(site, SITE_CHARACTERS_MAX),
            Placeholder::SiteUrl => self.site_url.to_owned(),
            Placeholder::Email => (*to).to_owned(),
            Placeholder::Name => {
                let name = name.and_then(|name| shown_to_others(&unescaped(name), NAME_CHARACTERS_MAX));
                name.filter(|name| !name.is_empty()).unwrap_or_else(|| (*to).to_owned())
            }
            Placeholder::Browser => from_stranger(browser),
            Placeholder::IpAddress => from_stranger(ip_address),
            Placeholder::Link => {
                // Grows only once, so that no copy of the code stays behind.
                let joint = if page.contains('?') { "&code=" } else { "?code=" };
                [page, joint, code].concat()
            }
            Placeholder::Page => (*page).to_owned(),
            Placeholder::Code => code.to_owned(),
            Placeholder::Expires => self.code.map_or_else(String::new, |(_, expires)| {
                let minute: String = expires.wire().chars().take(MINUTE_CHARACTERS).collect();
                minute.replace('T', " ") + " UTC"
            }),
        })
    }
}

/// Whether emails may link to this page, for a code in its query: it lies on one of the sites that are allowed, where
/// any are named, and browsers, mail programs and RFC 3986 read its address alike.
#[must_use]
pub fn is_page(page: &str, allowed: &[String]) -> bool {
    let Some(site) = origin(page) else { return false };
    page.len() <= PAGE_BYTES_MAX
        // After `#` nothing reaches the site, and a code that is there already would count twice.
        && !page.contains('#')
        && !page.contains("code=")
        && is_allowed_site(&site, allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::templates::NOT_SHOWN;
    use crate::rng::SeededRng;

    fn notice() -> Notice<'static> {
        Notice {
            to: "alice@example.org",
            name: None,
            language: "",
            site: "Recipes",
            page: "https://recipes.example/verify",
            browser: "Browser_1.0",
            ip_address: "192.0.2.7",
        }
    }

    fn code(form: CodeForm) -> Code {
        Code::new(form, &SeededRng::new(1))
    }

    fn all(notice: &Notice<'_>, code: &Code) -> [Result<Email, InvalidMessage>; 4] {
        let expires = Timestamp::parse("2026-11-23T16:00:00").expect("a time");
        let texts = EmailTexts::built_in_only();
        [sign_up, reset, login, email_change].map(|write| write(&texts, notice, code, expires))
    }

    #[test]
    fn the_link_is_whole_on_a_line_of_its_own() {
        let code = code(CodeForm::Link);
        for email in all(&notice(), &code) {
            let email = email.expect("an email");
            let link = format!("https://recipes.example/verify?code={}", code.reveal());
            assert!(email.text.lines().any(|line| line == link), "{}", email.text.as_str());
            for part in ["alice@example.org", "Browser_1.0", "192.0.2.7", "2026-11-23 16:00 UTC"] {
                assert!(email.text.contains(part), "{part}");
            }
        }
        let page = Notice { page: "https://recipes.example/verify?lang=de", ..notice() };
        let link = format!("https://recipes.example/verify?lang=de&code={}", code.reveal());
        assert!(
            all(&page, &code).into_iter().all(|email| email.is_ok_and(|email| email.text.contains(&link)))
        );
    }

    #[test]
    fn a_code_to_type_is_whole_on_a_line_of_its_own_and_in_no_link() {
        let code = code(CodeForm::Typed);
        for email in all(&notice(), &code) {
            let email = email.expect("an email");
            for line in [code.reveal(), "https://recipes.example/verify"] {
                assert!(email.text.lines().any(|written| written == line), "{}", email.text.as_str());
            }
            assert!(!email.text.contains("code="));
        }
    }

    #[test]
    fn nothing_adds_a_line_or_a_word_to_the_link() {
        let code = code(CodeForm::Link);
        let evil = "x\r\nBcc: eve@example.org\n.\n\u{2028}y";
        let forged = Notice { site: evil, browser: evil, ip_address: evil, ..notice() };
        for (email, plain) in all(&forged, &code).into_iter().zip(all(&notice(), &code)) {
            let (email, plain) = (email.expect("an email"), plain.expect("an email"));
            assert_eq!(email.text.lines().count(), plain.text.lines().count());
            assert!(!email.subject.contains(['\r', '\n']));
        }
        for odd in [
            Notice { to: "a@b\r\nBcc: c@d", ..notice() },
            Notice { page: "https://x\r\ny", ..notice() },
            Notice { page: "", ..notice() },
        ] {
            let texts = EmailTexts::built_in_only();
            assert!(all(&odd, &code).iter().all(Result::is_err));
            assert!(account_exists(&texts, &odd).is_err() && email_taken(&texts, &odd).is_err());
        }
    }

    #[test]
    fn what_a_stranger_calls_their_browser_makes_no_link_in_somebody_elses_email() {
        let code = code(CodeForm::Link);
        for browser in ["Win at https://evil.example/x", "evil.com", "Mozilla/5.0 www.evil.co.uk (X11)"] {
            for email in all(&Notice { browser, ..notice() }, &code) {
                let email = email.expect("an email");
                assert!(
                    !email.text.contains("evil") && email.text.contains(NOT_SHOWN),
                    "{}",
                    email.text.as_str()
                );
            }
        }
        let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let [email, ..] = all(&Notice { browser, ..notice() }, &code);
        assert!(email.expect("an email").text.contains(browser));
    }

    #[test]
    fn only_pages_of_the_named_sites_are_linked_to() {
        let allowed = ["https://good.example".to_owned()];
        for page in ["https://good.example/x", "https://GOOD.example:443/x?lang=de", "https://good.example"] {
            assert!(is_page(page, &allowed), "{page}");
        }
        for page in [
            "",
            "/x",
            "http://good.example/x",
            "https://evil.example/x",
            "https://good.example.evil.example/x",
            "https://good.example@evil.example/x",
            "https://good.example:444/x",
            "https://good.example/x#y",
            "https://good.example/x?code=1",
            "https://good.example/x y",
            "https://good.example\\@evil.example/x",
            "javascript:alert(1)",
        ] {
            assert!(!is_page(page, &allowed), "{page}");
        }
        assert!(is_page("https://any.example/x", &[]) && !is_page("ftp://any.example/x", &[]));
        assert!(!is_page(&format!("https://good.example/{}", "x".repeat(900)), &allowed));
    }
}
