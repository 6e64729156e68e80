//! How results are shown: aligned columns for people, coloured on a terminal, and one JSON document for programs. What
//! comes from a database never reaches a terminal raw.

use super::command::{Arguments, Context};
use super::terminal::is_unprintable;
use crate::config::arguments::OptionRow;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;

/// The option that has a result shown to programs.
pub const JSON: OptionRow = OptionRow::flag("json", "write one JSON document, for programs");

/// Characters of a cell that are shown; what is longer is cut.
const CELL_CHARACTERS_MAX: usize = 100;
/// The space between two columns.
const GAP: &str = "  ";

/// What a cell says beside its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Nothing.
    Plain,
    /// A heading.
    Bold,
    /// All is well.
    Green,
    /// Worth a look.
    Yellow,
    /// Not as it should be.
    Red,
    /// Of little interest.
    Faint,
}

impl Paint {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Red => "31",
            Self::Faint => "2",
        }
    }
}

/// A piece of text that is safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// Any text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: printable(text, CELL_CHARACTERS_MAX), paint: Paint::Plain }
    }

    /// Any text, however long.
    #[must_use]
    pub fn whole(text: &str) -> Self {
        Self { text: printable(text, usize::MAX), paint: Paint::Plain }
    }

    /// The text, safe to show.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same in this colour.
    #[must_use]
    pub fn painted(self, paint: Paint) -> Self {
        Self { paint, ..self }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

/// Whether colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    coloured: bool,
}

impl Style {
    /// Without colours.
    #[cfg(test)]
    const PLAIN: Self = Self { coloured: false };

    /// Colours are for terminals, and not for those who turned them off (`NO_COLOR`, see no-color.org).
    #[must_use]
    pub fn of(context: &Context<'_, '_>) -> Self {
        let variable =
            |name: &str| context.environment.variables.get(OsStr::new(name)).map(OsString::as_os_str);
        Self::for_output(context.streams.output_is_terminal, variable("NO_COLOR"), variable("TERM"))
    }

    fn for_output(is_terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> Self {
        let is_unwanted = no_color.is_some_and(|text| !text.is_empty());
        let is_able = term.is_some_and(|text| !text.is_empty() && text != "dumb");
        Self { coloured: is_terminal && is_able && !is_unwanted }
    }

    fn paint(self, cell: &Cell) -> String {
        if self.coloured && cell.paint != Paint::Plain {
            format!("\u{1b}[{}m{}\u{1b}[0m", cell.paint.code(), cell.text)
        } else {
            cell.text.clone()
        }
    }
}

/// Rows under a heading.
#[derive(Default)]
pub struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns.
    #[must_use]
    pub fn new(columns: &[&str]) -> Self {
        Self { rows: vec![columns.iter().map(|name| Cell::new(name).painted(Paint::Bold)).collect()] }
    }

    /// Names and what belongs to them, without a heading.
    #[must_use]
    pub fn of_pairs() -> Self {
        Self::default()
    }

    /// Adds a row.
    pub fn add(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Adds a name and what belongs to it.
    pub fn pair(&mut self, name: &str, value: impl Into<Cell>) {
        self.rows.push(vec![Cell::new(name).painted(Paint::Faint), value.into()]);
    }

    /// The rows, aligned.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (place, (cell, width)) in row.iter().zip(&widths).enumerate() {
                line.push_str(&style.paint(cell));
                if place + 1 < row.len() {
                    let missing = width - cell.text.chars().count();
                    line.extend(std::iter::repeat_n(' ', missing));
                    line.push_str(GAP);
                }
            }
            writeln!(text, "{}", line.trim_end()).expect("a String takes all that is written to it");
        }
        text
    }
}

/// Shows a result: the document to programs, the text to people.
pub fn show(arguments: &Arguments, context: &mut Context<'_, '_>, document: &Value, text: &str) {
    if arguments.has(JSON.name) {
        show_document(context, document);
    } else {
        context.streams.print(text);
    }
}

/// Shows a document, on one line unless a person reads it.
pub fn show_document(context: &mut Context<'_, '_>, document: &Value) {
    let text = if context.streams.output_is_terminal { for_terminal(document) } else { document.to_string() };
    context.streams.print(&format!("{text}\n"));
}

/// A document in lines, in which whatever a terminal might obey is escaped as JSON does.
fn for_terminal(document: &Value) -> String {
    let text = format!("{document:#}");
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        // Outside of texts there are none but line ends, and in texts these are escaped already.
        if is_unprintable(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(shown, "\\u{unit:04x}").expect("a String takes all that is written to it");
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The text as it may be shown on a terminal: in one line, without anything that moves the cursor, changes colours,
/// turns the direction of writing around or cannot be seen.
#[must_use]
pub fn printable(text: &str, characters_max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(characters_max));
    for (count, character) in text.chars().enumerate() {
        if count == characters_max {
            shown.push('…');
            break;
        }
        if is_unprintable(character) {
            write!(shown, "\\u{{{:x}}}", u32::from(character))
                .expect("a String takes all that is written to it");
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_stands_behind_the_last() {
        let mut table = Table::new(&["NUMBER", "EMAIL", "X"]);
        table.add(vec!["1".into(), "é@example.org".into(), "".into()]);
        table.add(vec!["100".into(), "b@c".into(), "yes".into()]);
        let expected = "NUMBER  EMAIL          X\n1       é@example.org\n100     b@c            yes\n";
        assert_eq!(table.text(Style::PLAIN), expected);
    }

    #[test]
    fn colours_do_not_disturb_the_alignment() {
        let mut table = Table::of_pairs();
        table.pair("a", "b");
        table.add(vec![Cell::new("long").painted(Paint::Red), "c".into()]);
        let text = table.text(Style { coloured: true });
        assert_eq!(text, "\u{1b}[2ma\u{1b}[0m     b\n\u{1b}[31mlong\u{1b}[0m  c\n");
    }

    #[test]
    fn colours_are_for_terminals_that_have_them_and_people_who_want_them() {
        let style = |is_terminal, no_color: Option<&str>, term: Option<&str>| {
            Style::for_output(is_terminal, no_color.map(OsStr::new), term.map(OsStr::new)).coloured
        };
        assert!(style(true, None, Some("xterm")) && style(true, Some(""), Some("xterm")));
        assert!(!style(false, None, Some("xterm")) && !style(true, Some("1"), Some("xterm")));
        assert!(!style(true, None, Some("dumb")) && !style(true, None, None));
    }

    #[test]
    fn a_document_on_a_terminal_means_the_same_and_holds_nothing_that_it_obeys() {
        let document = serde_json::json!({ "name": "Mü\u{1b}[2J\u{9b}31m\u{202e}\n\u{e0041}", "n": 1 });
        let shown = for_terminal(&document);
        assert!(shown.contains("Mü") && shown.contains("\n  \"n\": 1"), "{shown}");
        assert!(!shown.chars().any(|character| is_unprintable(character) && character != '\n'), "{shown}");
        assert_eq!(crate::json::read(&shown, &crate::json::Limits::ANSWER), Ok(document));
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_shown_raw() {
        let hostile = "a\u{1b}[2J\r\n\u{7}\u{9b}31m\u{202e}gro\u{200b}\u{feff}";
        let shown = printable(hostile, usize::MAX);
        assert_eq!(shown, "a\\u{1b}[2J\\u{d}\\u{a}\\u{7}\\u{9b}31m\\u{202e}gro\\u{200b}\\u{feff}");
        assert_eq!(printable("abc", 2), "ab…");
        assert_eq!(Cell::new(&"x".repeat(1000)).text.chars().count(), CELL_CHARACTERS_MAX + 1);
    }
}
