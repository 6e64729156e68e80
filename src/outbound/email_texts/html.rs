//! What HTML in an email may hold. It is the operator's own, so this catches mistakes, not attacks: nothing that runs,
//! nothing that is loaded or sent elsewhere, and no value where escaping would not make it harmless.

use super::links::{check_link, check_links};
use super::placeholder::{Carries, Placeholder, Problem, braced};

/// Elements that mail programs take out, or that send, run or load something.
const ELEMENTS_REFUSED: &[&str] = &[
    "applet", "audio", "base", "button", "embed", "form", "frame", "frameset", "iframe", "input", "link",
    "math", "object", "script", "select", "svg", "textarea", "video",
];
/// Attributes that lead somewhere: with an address that is looked at.
const LINKS: &[&str] = &["href", "src", "background", "cite"];
/// Attributes that lead somewhere, and that no email needs.
const ATTRIBUTES_REFUSED: &[&str] =
    &["action", "data", "formaction", "http-equiv", "longdesc", "ping", "poster", "srcset", "xlink:href"];
const IN_STYLES_REFUSED: &[&str] = &["url(", "@import", "expression("];

/// Looks through a whole text.
///
/// # Errors
///
/// The first thing that must not be in it.
pub(super) fn check(html: &str, carries: Carries, allowed_sites: &[String]) -> Result<(), Problem> {
    let scan = Scan { html, allowed_sites };
    scan.run().map_err(|(rest, what)| {
        let line = 1 + html[..html.len() - rest].matches('\n').count();
        Problem::new(line, what)
    })?;
    let Some(needed) = carries.needs().filter(|needed| needed.is_link()) else { return Ok(()) };
    if html.contains(&format!("href=\"{}\"", braced(needed))) {
        return Ok(());
    }
    Err(Problem::new(1, format!("nowhere has href=\"{}\", so nobody can click it", braced(needed))))
}

struct Scan<'a> {
    html: &'a str,
    allowed_sites: &'a [String],
}

/// How many bytes are left from the place on, and what is wrong there.
type Wrong = (usize, String);

impl<'a> Scan<'a> {
    fn run(&self) -> Result<(), Wrong> {
        let mut rest = self.html;
        loop {
            let (text, behind) = rest.split_once('<').unwrap_or((rest, ""));
            let mut left = rest.len();
            for line in text.split_inclusive('\n') {
                check_links(line, self.allowed_sites).map_err(|what| (left, what))?;
                left -= line.len();
            }
            if text.len() == rest.len() {
                return Ok(());
            }
            rest = if let Some(comment) = behind.strip_prefix("!--") {
                part(comment, "-->", &|comment| check_links(comment, self.allowed_sites))?
            } else if behind.starts_with('!') {
                part(behind, ">", &|_| Ok(()))?
            } else {
                self.tag(behind)?
            };
        }
    }

    fn tag(&self, text: &'a str) -> Result<&'a str, Wrong> {
        let wrong = |rest: &str, what: &str| Err((rest.len(), what.to_owned()));
        let is_end = text.starts_with('/');
        let inner = text.strip_prefix('/').unwrap_or(text);
        let length = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != ':').unwrap_or(inner.len());
        let (name, mut rest) = inner.split_at(length);
        let name = name.to_ascii_lowercase();
        if name.is_empty() {
            return wrong(text, "there is a < that begins no tag; write &lt;");
        }
        if ELEMENTS_REFUSED.contains(&name.as_str()) {
            return Err((text.len(), format!("an email must not have <{name}>")));
        }
        loop {
            rest = rest.trim_start();
            if let Some(behind) = rest.strip_prefix('>') {
                if name != "style" || is_end {
                    return Ok(behind);
                }
                return part(behind, "</style", &check_style).map(str::trim_start).and_then(|end| {
                    end.strip_prefix('>').ok_or_else(|| (end.len(), "</style> has no end".to_owned()))
                });
            }
            if let Some(behind) = rest.strip_prefix('/') {
                rest = behind;
                continue;
            }
            let length =
                rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/')).unwrap_or(rest.len());
            let (attribute, behind) = rest.split_at(length);
            if attribute.is_empty() {
                return wrong(rest, "a tag has no end");
            }
            let value_at = behind.trim_start();
            let Some(quoted) = value_at.strip_prefix('=').map(str::trim_start) else {
                self.attribute(attribute, "").map_err(|what| (rest.len(), what))?;
                rest = behind;
                continue;
            };
            let quote = quoted.chars().next().filter(|quote| matches!(quote, '"' | '\''));
            let Some(quote) = quote else {
                return wrong(rest, "the values of attributes must stand in quotes");
            };
            let Some((value, behind)) = quoted[1..].split_once(quote) else {
                return wrong(rest, "a quote has no end");
            };
            self.attribute(attribute, value).map_err(|what| (rest.len(), what))?;
            rest = behind;
        }
    }

    fn attribute(&self, name: &str, value: &str) -> Result<(), String> {
        let name = name.to_ascii_lowercase();
        if name.starts_with("on") || ATTRIBUTES_REFUSED.contains(&name.as_str()) || name.contains(['{', '<'])
        {
            return Err(format!("an email must not have the attribute {name}"));
        }
        if LINKS.contains(&name.as_str()) {
            let links = Placeholder::ALL.into_iter().filter(|placeholder| placeholder.is_link());
            let is_mail = name == "href" && value.starts_with("mailto:") && !value.contains("{{");
            if is_mail || links.into_iter().any(|link| name == "href" && value == braced(link)) {
                return Ok(());
            }
            return check_link(value, self.allowed_sites);
        }
        if value.contains("{{") {
            return Err(format!("no placeholder can stand in the attribute {name}"));
        }
        if name == "style" { check_style(value) } else { Ok(()) }
    }
}

/// A part without values, up to its end; gives what is behind it.
fn part<'a>(text: &'a str, end: &str, check: &dyn Fn(&str) -> Result<(), String>) -> Result<&'a str, Wrong> {
    let (part, behind) =
        text.split_once(end).ok_or_else(|| (text.len(), format!("something has no end: `{end}`")))?;
    let wrong = |what| (text.len(), what);
    if part.contains("{{") {
        return Err(wrong("no placeholder can stand in a comment or a style".to_owned()));
    }
    check(part).map_err(wrong)?;
    Ok(behind)
}

fn check_style(style: &str) -> Result<(), String> {
    let style = style.to_ascii_lowercase();
    // A backslash can spell any of these differently.
    match IN_STYLES_REFUSED.iter().chain(&["\\"]).find(|refused| style.contains(**refused)) {
        Some(refused) => Err(format!("a style must not have `{refused}`")),
        None => Ok(()),
    }
}
