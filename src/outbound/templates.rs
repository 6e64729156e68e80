//! The emails that the server writes: plain text, short, with the code whole on a line of its own. Nothing that a
//! request brings along may add a line or a header.

use crate::clock::Timestamp;
use crate::policy::full_name::shown_to_others;
use std::fmt::Write;
use zeroize::Zeroizing;

/// Characters of a browser's name, and of an IP address, that an email shows.
const ASKER_CHARACTERS_MAX: usize = 200;
/// Characters of a site's name.
pub const SITE_CHARACTERS_MAX: usize = 100;
/// Characters of a line in an email (RFC 5322), less the line's end.
const LINE_CHARACTERS_MAX: usize = 998;

/// An email to one person.
pub struct Email {
    /// The address it goes to.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// The text, with line feeds. It has a code in it, so it is wiped.
    pub text: Zeroizing<String>,
    /// The same as HTML, where there is that.
    pub html: Option<Zeroizing<String>>,
}

/// What an email tells.
pub struct Contents<'a> {
    /// The address it goes to: the stored one.
    pub to: &'a str,
    /// What the site calls itself.
    pub site: &'a str,
    /// The site's address, such as `https://example.org`.
    pub base_url: &'a str,
    /// Where the code is entered; see [`link`].
    pub link: &'a str,
    /// The code.
    pub code: &'a str,
    /// Until when the code is good.
    pub expires: Timestamp,
    /// The browser that asked.
    pub browser: &'a str,
    /// The address that asked.
    pub ip_address: &'a str,
}

/// The email cannot be written: a code or a web address does not fit on a line, or is not one.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidMessage;

/// Asks somebody who signed up to verify that the address is theirs.
///
/// # Errors
///
/// [`InvalidMessage`].
pub fn sign_up(contents: &Contents<'_>) -> Result<Email, InvalidMessage> {
    let request = "Somebody, we hope it was you, asked to sign up there with this address.";
    let use_of_code = "Then you can log in with your e-mail address and your password.";
    let text = text(contents, request, "To verify your address", use_of_code)?;
    Ok(Email {
        to: contents.to.to_owned(),
        subject: format!("[{}] Please verify your sign-up", one_line(contents.site, SITE_CHARACTERS_MAX)),
        text,
        html: None,
    })
}

/// Lets somebody who forgot their password choose a new one.
///
/// # Errors
///
/// [`InvalidMessage`].
pub fn forgot_password(contents: &Contents<'_>) -> Result<Email, InvalidMessage> {
    let request = "Somebody, we hope it was you, asked for a new password for this address.";
    let use_of_code = "Your old password works until you have chosen a new one.";
    let text = text(contents, request, "To choose a new password", use_of_code)?;
    Ok(Email {
        to: contents.to.to_owned(),
        subject: format!(
            "[{}] Please verify your password reset",
            one_line(contents.site, SITE_CHARACTERS_MAX)
        ),
        text,
        html: None,
    })
}

fn text(
    contents: &Contents<'_>,
    request: &str,
    purpose: &str,
    use_of_code: &str,
) -> Result<Zeroizing<String>, InvalidMessage> {
    let Contents { to, site, base_url, link, code, expires, browser, ip_address } = contents;
    let fits =
        |text: &str| !text.chars().any(|c| c.is_control() || c == ' ') && text.len() <= LINE_CHARACTERS_MAX;
    if code.is_empty() || ![code, to, link].iter().all(|text| fits(text)) {
        return Err(InvalidMessage);
    }
    let next = written(format_args!(
        "{purpose}, enter this code:\n\
         \n\
         {code}\n\
         \n\
         in the form at\n\
         \n\
         {link}\n\
         \n\
         The code is good until {expires} (UTC). {use_of_code}\n\
         \n\
         If you do not know this browser or IP address, somebody else may have used your\n\
         e-mail address. Then you can ignore this email: without the code nothing changes.",
        expires = expires.wire(),
    ));
    Ok(framed(&Asker { to, site, base_url, browser, ip_address }, request, &next))
}

/// Whom an email is about, and from where it is sent.
struct Asker<'a> {
    /// The address it goes to.
    to: &'a str,
    /// What the site calls itself.
    site: &'a str,
    /// The site's address.
    base_url: &'a str,
    /// The browser that asked.
    browser: &'a str,
    /// The address that asked.
    ip_address: &'a str,
}

/// The whole text of an email: who asked for what, and what is to be done.
fn framed(asker: &Asker<'_>, request: &str, next: &str) -> Zeroizing<String> {
    let Asker { to, base_url, .. } = asker;
    let site = one_line(asker.site, SITE_CHARACTERS_MAX);
    let browser = from_stranger(&asker.browser.replace('_', "."));
    let ip_address = from_stranger(asker.ip_address);
    written(format_args!(
        "Hello,\n\
         \n\
         this is an automatic email from {site} at\n\
         {base_url}\n\
         \n\
         {request}\n\
         \n\
         E-mail address: {to}\n\
         Browser:        {browser}\n\
         IP address:     {ip_address}\n\
         \n\
         {next}\n\
         \n\
         {site}\n\
         {base_url}\n"
    ))
}

/// Writes into memory that is made once, as large as it takes: no copy of a code stays behind in freed memory.
fn written(text: std::fmt::Arguments<'_>) -> Zeroizing<String> {
    let mut length = Length(0);
    let _ = length.write_fmt(text); // it takes everything, and so does a String
    let mut into = Zeroizing::new(String::with_capacity(length.0));
    let _ = into.write_fmt(text);
    into
}

/// How long something is that is written into it.
struct Length(usize);

impl Write for Length {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Stands for a text of somebody unknown that a mail program would make a link of.
pub(super) const NOT_SHOWN: &str = "(not shown, for it holds a web address)";

/// What somebody unknown chose, such as the name of their browser, for an email that they have sent to somebody else.
pub(super) fn from_stranger(text: &str) -> String {
    shown_to_others(text, ASKER_CHARACTERS_MAX).unwrap_or_else(|| NOT_SHOWN.to_owned())
}

/// A text from a request on one line: cut, and with every control character as a blank.
pub(super) fn one_line(text: &str, characters_max: usize) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().take(characters_max).map(|c| if breaks(c) { ' ' } else { c }).collect()
}

/// The form's address, if it lies on the site at `base_url` and that site is among those allowed, where any are named.
/// What counts is the origin of the two put together: a `form` such as `.evil.example/x`, `:444/x` or
/// `@evil.example/x` makes another site of the address. What browsers, mail programs and RFC 3986 read differently
/// is refused.
#[must_use]
pub fn link(base_url: &str, form: &str, allowed: &[String]) -> Option<String> {
    let site = origin(base_url).filter(|_| !base_url.contains(['?', '#', '@']))?;
    if !is_allowed_site(&site, allowed) {
        return None;
    }
    // Two slashes begin another host wherever an address is taken to be relative.
    if form.starts_with("//") {
        return None;
    }
    let base_url = if form.starts_with('/') { base_url.trim_end_matches('/') } else { base_url };
    let link = format!("{base_url}{form}");
    (origin(&link)? == site).then_some(link)
}

/// Whether an origin is among those allowed, where any are named.
pub(super) fn is_allowed_site(site: &str, allowed: &[String]) -> bool {
    allowed.is_empty() || allowed.iter().any(|one| origin(one).is_some_and(|one| one == site))
}

/// Scheme and host of a web address, in lower case; `None` where it is none or hides another.
pub(super) fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let host = rest.split(['/', '?', '#']).next()?;
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
    // Browsers take a backslash for a slash, and leave out tabs and line ends wherever they stand.
    let is_plain = |c: char| match c {
        '\\' | '"' | '<' | '>' => false,
        c if c.is_ascii() => c.is_ascii_graphic(),
        c => c.is_alphanumeric(),
    };
    let fine = matches!(scheme.as_str(), "http" | "https")
        && !host.is_empty()
        && host.chars().all(is_host)
        && rest.chars().all(is_plain);
    let host = host.to_ascii_lowercase();
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    fine.then(|| format!("{scheme}://{}", host.strip_suffix(default_port).unwrap_or(&host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str =
        "Z0FBQUFBQmZYaEFBQUFFQ0F3UUZCZ2NJQ1FvTERBME9EXzRRLU1Qd2pJdlI2RHN0RXFmN2otblQzS3E1ZnhScVROaA==";

    fn contents() -> Contents<'static> {
        Contents {
            to: "alice@example.org",
            site: "Recipes",
            base_url: "https://recipes.example",
            link: "https://recipes.example/users/verify",
            code: CODE,
            expires: Timestamp::parse("2026-11-23T16:00:00").expect("a time"),
            browser: "Browser_1.0",
            ip_address: "192.0.2.7",
        }
    }

    #[test]
    fn an_email_has_the_code_and_the_form_on_lines_of_their_own() {
        for email in [sign_up(&contents()), forgot_password(&contents())] {
            let email = email.expect("an email");
            assert!(email.subject.starts_with("[Recipes] Please verify"));
            assert!(email.text.lines().any(|line| line == CODE));
            assert!(email.text.lines().any(|line| line == "https://recipes.example/users/verify"));
            for part in ["alice@example.org", "Browser.1.0", "192.0.2.7", "2026-11-23T16:00:00 (UTC)"] {
                assert!(email.text.contains(part), "{part}");
            }
        }
    }

    #[test]
    fn nothing_adds_a_line() {
        let lines = sign_up(&contents()).expect("an email").text.lines().count();
        let evil = "x\r\nBcc: eve@example.org\n.\n\u{2028}y";
        let email = sign_up(&Contents { site: evil, browser: evil, ip_address: evil, ..contents() });
        let email = email.expect("an email");
        assert_eq!(email.text.lines().count(), lines);
        assert!(!email.subject.contains(['\r', '\n']));
        for odd in [
            Contents { code: "a b", ..contents() },
            Contents { code: "a\nb", ..contents() },
            Contents { code: "", ..contents() },
            Contents { link: "https://x\r\ny", ..contents() },
            Contents { to: "a@b\r\nBcc: c@d", ..contents() },
        ] {
            assert_eq!(sign_up(&odd).err(), Some(InvalidMessage));
        }
        let long = "x".repeat(999);
        assert_eq!(sign_up(&Contents { code: &long, ..contents() }).err(), Some(InvalidMessage));
    }

    #[test]
    fn what_a_stranger_chose_makes_no_link_and_hides_nothing() {
        for browser in [
            "Win at https://evil.example/x",
            "evil.com",
            // The name of a browser is shown with dots in place of underscores.
            "evil_com",
            "evil\u{ff0e}com",
            "evil\u{3002}com",
            "evil\u{200b}.c\u{ad}om",
            "h\u{200d}ttps:x",
        ] {
            let email = sign_up(&Contents { browser, ..contents() }).expect("an email");
            assert!(!email.text.contains("evil") && email.text.contains(NOT_SHOWN), "{}", *email.text);
            let email = sign_up(&Contents { ip_address: browser, ..contents() }).expect("an email");
            assert!(email.text.contains("IP address:     (not") || !browser.contains('.'), "{}", *email.text);
        }
        let turned = from_stranger("a\u{202e}b\u{2066}c\u{200b}d\u{1b}[2Je\r\nf");
        assert_eq!(turned, "abcd [2Je f");
        assert_eq!(from_stranger(&"\u{fdfa}".repeat(999)).chars().count(), ASKER_CHARACTERS_MAX);
        let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        assert_eq!(from_stranger(browser), browser);
    }

    #[test]
    fn only_the_named_sites_are_linked_to() {
        let allowed = ["https://good.example".to_owned(), "http://localhost:8080".to_owned()];
        for (url, form, expected) in [
            ("https://good.example", "/x", "https://good.example/x"),
            ("https://GOOD.example/", "/x", "https://GOOD.example/x"),
            ("https://good.example/", "x", "https://good.example/x"),
            ("https://good.example:443/app", "/x", "https://good.example:443/app/x"),
            ("http://localhost:8080", "/x?a=b@c#d", "http://localhost:8080/x?a=b@c#d"),
            ("https://good.example", "?a=//b", "https://good.example?a=//b"),
            ("https://good.example", "/pr\u{fc}fen", "https://good.example/pr\u{fc}fen"),
        ] {
            assert_eq!(link(url, form, &allowed).as_deref(), Some(expected));
        }
        for url in [
            "http://good.example",
            "https://good.example.evil",
            "https://good.example:444",
            "https://evil.example",
            "https://good.example@evil.example",
            "https://good.example\\@evil.example",
            "https://evil.example/?https://good.example",
            "https://evil.example#https://good.example",
            "javascript:alert(1)",
            "good.example",
            "",
            "https://",
            "https://a b",
            "https://good.example\r\nX: y",
        ] {
            assert_eq!(link(url, "/x", &allowed), None, "{url}");
        }
        assert!(link("https://anything.example", "/x", &[]).is_some());
        assert_eq!(link("ftp://anything.example", "/x", &[]), None);
    }

    #[test]
    fn what_is_appended_cannot_make_another_site_of_the_address() {
        let allowed = ["https://good.example".to_owned()];
        for form in [
            ".evil.example/x",
            "@evil.example/x",
            ":pw@evil.example/x",
            ":443@evil.example/x",
            ":444/x",
            ":/x",
            "./x",
            "-evil.example/x",
            "evil.example/x",
            "//evil.example/x",
            "///evil.example/x",
            "\\evil.example/x",
            "\\@evil.example/x",
            "/\\evil.example/x",
            "/\t/evil.example/x",
            "\n.evil.example/x",
            "%2eevil.example/x",
            "\u{3002}evil.example/x",
            "\u{ff0e}evil.example/x",
            " .evil.example/x",
            "/x y",
            "/x\u{a0}y",
            "/x\u{202e}y",
            "/x\0",
            "/<x>",
        ] {
            for allowed in [&allowed[..], &[]] {
                assert_eq!(link("https://good.example", form, allowed), None, "{form:?}");
            }
        }
    }
}
