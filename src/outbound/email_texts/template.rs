//! One email as somebody wrote it: a subject, plain text, and perhaps HTML, with placeholders such as `{{site}}` in
//! them. What is written is checked once, when it is read; what is put in for a placeholder can then add no line, no
//! header and no tag.

use super::html;
use super::links::check_links;
use super::placeholder::{CLOSE, Carries, OPEN, Placeholder, Problem, braced};
use zeroize::Zeroizing;

/// Bytes of a line in an email (RFC 5322), less the line's end.
const LINE_BYTES_MAX: usize = 998;
const SUBJECT: &str = "Subject:";

/// A text with placeholders.
struct Text(Vec<Piece>);

enum Piece {
    Literal(String),
    Value(Placeholder),
}

/// One email as somebody wrote it.
pub struct Template {
    subject: Text,
    text: Text,
    html: Option<Text>,
}

/// What a template is filled with. A value that holds a code is wiped.
pub trait Values {
    /// What stands for a placeholder: one line.
    fn value(&self, placeholder: Placeholder) -> Zeroizing<String>;
}

/// A template that was filled: subject, text, and HTML if there is any.
pub type Filled = (String, Zeroizing<String>, Option<Zeroizing<String>>);

impl Template {
    /// Reads a template: `text` has the subject in its first line, a blank line, and the email.
    ///
    /// # Errors
    ///
    /// What is wrong in `text`.
    pub fn read(text: &str, carries: Carries, allowed_sites: &[String]) -> Result<Self, Problem> {
        let text = unix_lines(text, 1)?;
        let (first, body) = text.split_once('\n').unwrap_or((&text, ""));
        let subject = first.strip_prefix(SUBJECT).map(str::trim).filter(|subject| !subject.is_empty());
        let subject =
            subject.ok_or_else(|| Problem::new(1, "must begin with `Subject: ` and the subject"))?;
        let subject = Text::parse(subject, carries, 1)?;
        if let Some(odd) = subject.placeholders().find(|placeholder| placeholder.is_way_on()) {
            let what = format!("{} would be seen by whoever sees the list of emails", braced(odd));
            return Err(Problem::new(1, what));
        }
        let body = body.strip_prefix('\n').ok_or_else(|| Problem::new(2, "must be blank"))?;
        if body.trim().is_empty() {
            return Err(Problem::new(3, "there is no text below the subject"));
        }
        for (number, line) in body.lines().enumerate() {
            check_line(line, allowed_sites).map_err(|what| Problem::new(number + 3, what))?;
        }
        let body = Text::parse(body, carries, 3)?;
        body.ensure_useful(carries, 3)?;
        Ok(Self { subject, text: body, html: None })
    }

    /// Adds the same email as HTML.
    ///
    /// # Errors
    ///
    /// What is wrong in it.
    pub fn add_html(
        &mut self,
        html: &str,
        carries: Carries,
        allowed_sites: &[String],
    ) -> Result<(), Problem> {
        let html = unix_lines(html, 1)?;
        html::check(&html, carries, allowed_sites)?;
        let html = Text::parse(&html, carries, 1)?;
        html.ensure_useful(carries, 1)?;
        self.html = Some(html);
        Ok(())
    }

    /// The email with values in the place of the placeholders.
    #[must_use]
    pub fn fill(&self, values: &dyn Values) -> Filled {
        let html = self.html.as_ref().map(|html| html.fill(values, true));
        (self.subject.fill(values, false).to_string(), self.text.fill(values, false), html)
    }
}

impl Text {
    fn parse(text: &str, carries: Carries, first_line: usize) -> Result<Self, Problem> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, behind)) = rest.split_once(OPEN) {
            let line = first_line + text[..text.len() - behind.len()].matches('\n').count();
            let (name, behind) = behind
                .split_once(CLOSE)
                .filter(|(name, _)| !name.contains('\n'))
                .ok_or_else(|| Problem::new(line, format!("there is {OPEN} without {CLOSE}")))?;
            pieces.push(Piece::Literal(before.to_owned()));
            pieces.push(Piece::Value(placeholder(name, carries).map_err(|what| Problem::new(line, what))?));
            rest = behind;
        }
        pieces.push(Piece::Literal(rest.to_owned()));
        Ok(Self(pieces))
    }

    fn placeholders(&self) -> impl Iterator<Item = Placeholder> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Value(placeholder) => Some(*placeholder),
            Piece::Literal(_) => None,
        })
    }

    fn ensure_useful(&self, carries: Carries, line: usize) -> Result<(), Problem> {
        match carries.needs() {
            Some(needed) if !self.placeholders().any(|placeholder| placeholder == needed) => Err(
                Problem::new(line, format!("nowhere has {}, without which it is of no use", braced(needed))),
            ),
            _ => Ok(()),
        }
    }

    /// Grows only once, so that no copy of a code stays behind in freed memory.
    fn fill(&self, values: &dyn Values, as_html: bool) -> Zeroizing<String> {
        let value = |placeholder| {
            let value = values.value(placeholder);
            if as_html { escaped(&value) } else { value }
        };
        let filled: Vec<_> = self.placeholders().map(value).collect();
        let literals = self.0.iter().map(|piece| match piece {
            Piece::Literal(text) => text.len(),
            Piece::Value(_) => 0,
        });
        let bytes = literals.chain(filled.iter().map(|value| value.len())).sum();
        let (mut text, mut filled) = (Zeroizing::new(String::with_capacity(bytes)), filled.iter());
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Value(_) => text.push_str(filled.next().map_or("", |value| value)),
            }
        }
        text
    }
}

/// The text with line feeds alone, without characters that nobody sees.
fn unix_lines(text: &str, first_line: usize) -> Result<String, Problem> {
    let text = text.replace("\r\n", "\n");
    for (number, line) in text.split('\n').enumerate() {
        if let Some(odd) = line.chars().find(|c| c.is_control() && *c != '\t') {
            let what = format!("has the control character U+{:04X}", u32::from(odd));
            return Err(Problem::new(first_line + number, what));
        }
    }
    Ok(text)
}

fn placeholder(name: &str, carries: Carries) -> Result<Placeholder, String> {
    let known = Placeholder::ALL.into_iter().filter(|placeholder| carries.knows(*placeholder));
    let found = known.clone().find(|placeholder| placeholder.name() == name);
    found.ok_or_else(|| {
        let names: Vec<_> = known.map(braced).collect();
        format!("there is no such placeholder here; there are {}", names.join(", "))
    })
}

/// A line of plain text: what brings the reader on stands alone, so that a mail program neither cuts nor lengthens it.
fn check_line(line: &str, allowed_sites: &[String]) -> Result<(), String> {
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("is longer than {LINE_BYTES_MAX} bytes"));
    }
    for placeholder in Placeholder::ALL.into_iter().filter(|placeholder| line.contains(&braced(*placeholder)))
    {
        let written = braced(placeholder);
        if placeholder.is_way_on() && line.trim() != written {
            return Err(format!("{written} must stand alone on its line"));
        }
        if placeholder.is_link() && !line.split_whitespace().any(|word| word == written) {
            return Err(format!("{written} must have blanks around it"));
        }
    }
    check_links(line, allowed_sites)
}

fn escaped(value: &str) -> Zeroizing<String> {
    let longest = "&quot;".len();
    let mut text = Zeroizing::new(String::with_capacity(value.len() * longest));
    for character in value.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&#39;"),
            other => text.push(other),
        }
    }
    text
}
