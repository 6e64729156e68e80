//! The emails that the server sends by itself: plain text, short, with the link whole on a line of its own.

use super::templates::{
    Asker, Email, InvalidMessage, SITE_CHARACTERS_MAX, framed, is_allowed_site, one_line, origin,
};
use crate::clock::Timestamp;
use crate::guard::code::{Code, CodeForm};

/// Bytes of a page's address: with the code, it has to fit on a line.
const PAGE_BYTES_MAX: usize = 900;

/// Who gets an email, and what it tells of who asked for it.
pub struct Notice<'a> {
    /// The address it goes to: the stored one.
    pub to: &'a str,
    /// What the site calls itself.
    pub site: &'a str,
    /// The page of the site that takes the code, as [`page`] accepted it.
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
pub fn sign_up(notice: &Notice<'_>, code: &Code, expires: Timestamp) -> Result<Email, InvalidMessage> {
    let next = by_code(notice, "To verify your address", code, expires)?;
    write(
        notice,
        "Please verify your sign-up",
        "Somebody, we hope it was you, asked to sign up there with this address.",
        &format!("{next}\n\n{WITHOUT_CODE}"),
    )
}

/// Lets somebody who forgot their password choose a new one.
///
/// # Errors
///
/// [`InvalidMessage`].
pub fn reset(notice: &Notice<'_>, code: &Code, expires: Timestamp) -> Result<Email, InvalidMessage> {
    let next = by_code(notice, "To choose a new password", code, expires)?;
    write(
        notice,
        "Please choose a new password",
        "Somebody, we hope it was you, asked for a new password for this address.",
        &format!("{next} Your old password works until then.\n\n{WITHOUT_CODE}"),
    )
}

/// Tells somebody who signed up that they have an account already.
///
/// # Errors
///
/// [`InvalidMessage`].
pub fn account_exists(notice: &Notice<'_>) -> Result<Email, InvalidMessage> {
    write(
        notice,
        "You already have an account",
        "Somebody, we hope it was you, asked to sign up there with this address. You already\nhave an account.",
        "Log in with the password that you have. If you forgot it, the site lets you choose a\n\
         new one.\n\
         \n\
         If it was not you, you can ignore this email: nothing has changed.",
    )
}

const WITHOUT_CODE: &str = "If you do not know this browser or IP address, somebody else may have used your\n\
     e-mail address. Then you can ignore this email: nothing changes unless the code in it is\n\
     used.";

fn by_code(
    notice: &Notice<'_>,
    purpose: &str,
    code: &Code,
    expires: Timestamp,
) -> Result<String, InvalidMessage> {
    let (page, text, until) = (notice.page, code.reveal(), expires.wire());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if text.is_empty() || !text.chars().all(is_plain) {
        return Err(InvalidMessage);
    }
    Ok(match code.form() {
        CodeForm::Link => {
            let joint = if page.contains('?') { '&' } else { '?' };
            format!(
                "{purpose}, open this page:\n\n{page}{joint}code={text}\n\nIt works until {until} (UTC), once."
            )
        }
        CodeForm::Typed => format!(
            "{purpose}, enter this code:\n\n{text}\n\non the page\n\n{page}\n\nIt works until {until} (UTC), once."
        ),
    })
}

fn write(notice: &Notice<'_>, subject: &str, request: &str, next: &str) -> Result<Email, InvalidMessage> {
    let Notice { to, site, page, browser, ip_address } = notice;
    let base_url = origin(page).filter(|_| page.len() <= PAGE_BYTES_MAX).ok_or(InvalidMessage)?;
    if to.chars().any(|c| c.is_control() || c == ' ') {
        return Err(InvalidMessage);
    }
    let text = framed(&Asker { to, site, base_url: &base_url, browser, ip_address }, request, next);
    let site = one_line(site, SITE_CHARACTERS_MAX);
    Ok(Email { to: (*to).to_owned(), subject: format!("[{site}] {subject}"), text })
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
    use crate::rng::SeededRng;

    fn notice() -> Notice<'static> {
        Notice {
            to: "alice@example.org",
            site: "Recipes",
            page: "https://recipes.example/verify",
            browser: "Browser_1.0",
            ip_address: "192.0.2.7",
        }
    }

    fn code(form: CodeForm) -> Code {
        Code::new(form, &SeededRng::new(1))
    }

    fn all(notice: &Notice<'_>, code: &Code) -> [Result<Email, InvalidMessage>; 2] {
        let expires = Timestamp::parse("2026-11-23T16:00:00").expect("a time");
        [sign_up(notice, code, expires), reset(notice, code, expires)]
    }

    #[test]
    fn the_link_is_whole_on_a_line_of_its_own() {
        let code = code(CodeForm::Link);
        for email in all(&notice(), &code) {
            let email = email.expect("an email");
            let link = format!("https://recipes.example/verify?code={}", code.reveal());
            assert!(email.text.lines().any(|line| line == link), "{}", email.text);
            for part in ["alice@example.org", "Browser.1.0", "192.0.2.7", "2026-11-23T16:00:00 (UTC)"] {
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
                assert!(email.text.lines().any(|written| written == line), "{}", email.text);
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
            assert!(all(&odd, &code).iter().all(Result::is_err) && account_exists(&odd).is_err());
        }
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
