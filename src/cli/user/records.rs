//! The files that accounts move in: CSV (RFC 4180) with a line of names, or JSON Lines. Read and written a record at a
//! time, so that their length costs no memory.

use crate::accounts::import::Described;
use crate::config::{closest, shown};
use crate::files::BYTE_ORDER_MARK;
use crate::json::{self, Limits};
use crate::wire::ascii_json;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _};
use zeroize::Zeroizing;

/// The longest record.
const RECORD_BYTES_MAX: usize = 256 * 1024;

/// What is said about an account; the order of an export. Of the last two an import makes nothing.
pub(super) const COLUMNS: [&str; 13] = [
    "email",
    "full_name",
    "password_hash",
    "password",
    "role",
    "verified",
    "active",
    "lock",
    "created",
    "system_id",
    "extra",
    "user_id",
    "last_login",
];

/// What is never a name that somebody chose, and may begin with anything.
const VERBATIM: [&str; 2] = ["password_hash", "password"];
/// Spreadsheets compute what begins with one of these.
const BEGIN_FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Values with commas between them.
    Csv,
    /// A JSON object a line.
    JsonLines,
}

impl Format {
    /// What the option says, or else the end of the file's name.
    pub(super) fn of(option: Option<&str>, file: Option<&str>) -> Option<Self> {
        let end = file.and_then(|file| file.rsplit_once('.')).map(|(_, end)| end);
        match option.or(end)?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// One account as a file has it.
pub(super) struct Record {
    /// The line where it begins.
    pub(super) line: u64,
    values: BTreeMap<&'static str, Zeroizing<String>>,
}

impl Record {
    /// What it says.
    pub(super) fn described(&self) -> Described<'_> {
        let value = |name: &str| self.values.get(name).map(|value| value.as_str());
        Described {
            email: value("email"),
            full_name: value("full_name"),
            password_hash: value("password_hash"),
            password: value("password"),
            role: value("role"),
            verified: value("verified"),
            active: value("active"),
            locked: value("lock"),
            created: value("created"),
            system_id: value("system_id"),
            extra: value("extra"),
        }
    }
}

/// What came of reading a record.
pub(super) type Read = Result<Record, (u64, String)>;

/// Reads the records of a file.
pub(super) struct Records<R> {
    input: R,
    format: Format,
    line: u64,
    columns: Vec<&'static str>,
}

impl<R: BufRead> Records<R> {
    /// Begins to read; of a CSV file, the line of names.
    ///
    /// # Errors
    /// It cannot be read, or has other names.
    pub(super) fn new(input: R, format: Format) -> Result<Self, String> {
        let mut records = Self { input, format, line: 0, columns: Vec::new() };
        if format == Format::Csv {
            let first = records.text().map_err(|error| format!("line 1: {error}"))?;
            let names = first.ok_or("the file is empty")?;
            for name in fields(&names)? {
                let name = column(name.trim())?;
                if records.columns.contains(&name) {
                    return Err(format!("line 1: the column {name} is there twice"));
                }
                records.columns.push(name);
            }
        }
        Ok(records)
    }

    /// The next record, or what is wrong with it; nothing at the end.
    pub(super) fn next(&mut self) -> Option<Read> {
        loop {
            let line = self.line + 1;
            let text = match self.text() {
                Ok(text) => text?,
                Err(error) => return Some(Err((line, error))),
            };
            if text.trim().is_empty() {
                continue;
            }
            let values = match self.format {
                Format::Csv => self.csv(&text),
                Format::JsonLines => json_line(&text),
            };
            return Some(values.map(|values| Record { line, values }).map_err(|error| (line, error)));
        }
    }

    fn csv(&self, text: &str) -> Result<BTreeMap<&'static str, Zeroizing<String>>, String> {
        let values = fields(text)?;
        if values.len() != self.columns.len() {
            let (found, wanted) = (values.len(), self.columns.len());
            return Err(format!(
                "there are {found} values for {wanted} columns; one with a comma in it stands in quotes"
            ));
        }
        let given = self.columns.iter().zip(values).filter(|(_, value)| !value.is_empty());
        Ok(given.map(|(column, value)| (*column, meant(column, value))).collect())
    }

    /// The text of the next record: a line, or in CSV the lines up to one that ends outside of quotes.
    fn text(&mut self) -> Result<Option<Zeroizing<String>>, String> {
        // All the room at once, since a growing buffer would leave pieces of a password behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(RECORD_BYTES_MAX + 1));
        let mut quotes = 0;
        loop {
            let room = RECORD_BYTES_MAX + 1 - bytes.len();
            let before = bytes.len();
            let read = (&mut self.input).take(room as u64).read_until(b'\n', &mut bytes);
            if read.map_err(|error| error.to_string())? == 0 {
                break;
            }
            self.line += 1;
            if bytes.len() > RECORD_BYTES_MAX {
                self.skip_line().map_err(|error| error.to_string())?;
                return Err(format!("it is longer than {RECORD_BYTES_MAX} bytes"));
            }
            quotes += bytes[before..].iter().filter(|byte| **byte == b'"').count();
            if self.format == Format::JsonLines || quotes % 2 == 0 {
                break;
            }
            if bytes.len() == before {
                break;
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = if self.line == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8 text; save the file as UTF-8")?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    }

    /// Goes on behind the end of a line that is too long.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.input.fill_buf()?;
            let (skipped, is_end) = match bytes.iter().position(|byte| *byte == b'\n') {
                Some(end) => (end + 1, true),
                None => (bytes.len(), bytes.is_empty()),
            };
            self.input.consume(skipped);
            if is_end {
                return Ok(());
            }
        }
    }
}

/// The column of this name.
fn column(name: &str) -> Result<&'static str, String> {
    let known = COLUMNS.iter().find(|column| column.eq_ignore_ascii_case(name));
    known.copied().ok_or_else(|| {
        let hint = match closest(name, COLUMNS.into_iter()) {
            Some(near) => format!("perhaps {near}?"),
            None => format!("there are {}", COLUMNS.join(", ")),
        };
        format!("there is no column {}; {hint}", shown(name))
    })
}

fn json_line(text: &str) -> Result<BTreeMap<&'static str, Zeroizing<String>>, String> {
    let object = json::read_object(text, &Limits::REQUEST);
    let object = object.map_err(|error| format!("it is to be a JSON object, and is {error}"))?;
    let mut values = BTreeMap::new();
    for (key, value) in object {
        let column = column(&key)?;
        let text = match value {
            Value::Null => continue,
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => text,
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Object(_) if column == "extra" => ascii_json(&value),
            Value::Array(_) | Value::Object(_) => return Err(format!("{column}: it is a text")),
        };
        values.insert(column, Zeroizing::new(text));
    }
    Ok(values)
}

/// The values of a record.
fn fields(text: &str) -> Result<Vec<Zeroizing<String>>, String> {
    let (mut fields, mut rest) = (Vec::new(), text);
    loop {
        let mut value = Zeroizing::new(String::with_capacity(rest.len()));
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let (part, behind) = quoted.split_once('"').ok_or("a quote is opened and not closed")?;
                value.push_str(part);
                let Some(more) = behind.strip_prefix('"') else {
                    rest = behind;
                    break;
                };
                value.push('"');
                quoted = more;
            }
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(
                    "a value in quotes goes on behind them; a quote within one is written twice".to_owned()
                );
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            value.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        fields.push(value);
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok(fields),
        }
    }
}

/// A value as a spreadsheet shows it and does not compute it: with an apostrophe before it, which an import takes away.
pub(super) fn no_formula(column: &str, value: String) -> String {
    if is_formula(&value) && !VERBATIM.contains(&column) { format!("'{value}") } else { value }
}

/// A value without the apostrophe of [`no_formula`].
fn meant(column: &str, value: Zeroizing<String>) -> Zeroizing<String> {
    match value.strip_prefix('\'') {
        Some(inner) if is_formula(inner) && !VERBATIM.contains(&column) => Zeroizing::new(inner.to_owned()),
        _ => value,
    }
}

/// Whether it is a formula behind however many apostrophes.
fn is_formula(value: &str) -> bool {
    value.trim_start_matches('\'').starts_with(BEGIN_FORMULAS)
}

/// A value as CSV has it.
pub(super) fn quoted(value: &str) -> String {
    if value.contains(['"', ',', '\n', '\r']) || value.trim() != value {
        return format!("\"{}\"", value.replace('"', "\"\""));
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(format: Format, text: &[u8]) -> Result<Vec<Read>, String> {
        let mut records = Records::new(text, format)?;
        Ok(std::iter::from_fn(|| records.next()).collect())
    }

    /// Line, address and name of each record, or what is wrong.
    fn told(format: Format, text: &str) -> Vec<(u64, String)> {
        let read = all(format, text.as_bytes()).expect("it can be begun");
        let told = |read: Read| match read {
            Ok(record) => {
                let said = record.described();
                (record.line, format!("{}|{}", said.email.unwrap_or("-"), said.full_name.unwrap_or("-")))
            }
            Err((line, problem)) => (line, problem),
        };
        read.into_iter().map(told).collect()
    }

    #[test]
    fn csv_has_quotes_line_ends_within_them_and_any_order_of_columns() {
        let text = "\u{feff}Full_Name,email\r\n\"O'Brien, \"\"Al\"\"\",a@x.org\r\n\r\n\"two\nlines\",b@x.org\n,c@x.org";
        let expected = [
            (2, "a@x.org|O'Brien, \"Al\"".to_owned()),
            (4, "b@x.org|two\nlines".to_owned()),
            (6, "c@x.org|-".to_owned()),
        ];
        assert_eq!(told(Format::Csv, text), expected);
        for value in ["plain", "a,b", "\"", " x", "a\nb", "", "é"] {
            let read = fields(&format!("{},z", quoted(value))).expect("two values");
            assert_eq!((read.len(), read[0].as_str()), (2, value));
        }
    }

    #[test]
    fn what_a_spreadsheet_would_compute_has_an_apostrophe_in_csv_and_comes_back_without() {
        for name in ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "'=1", "''=1", "'plain", "plain", "O'Brien"] {
            let written = quoted(&no_formula("full_name", name.to_owned()));
            let first = written.trim_start_matches('"').chars().next();
            assert!(!first.is_some_and(|first| BEGIN_FORMULAS.contains(&first)), "{written}");
            assert_eq!(
                told(Format::Csv, &format!("email,full_name\na@x.org,{written}")),
                [(2, format!("a@x.org|{name}"))]
            );
        }
        assert_eq!(no_formula("password_hash", "=x".to_owned()), "=x");
        let read = all(Format::Csv, b"email,password\na@x.org,'=x").expect("it can be begun");
        let passwords: Vec<_> = read.iter().flatten().map(|read| read.described().password).collect();
        assert_eq!(passwords, [Some("'=x")], "a password is what it is");
    }

    #[test]
    fn json_lines_have_texts_booleans_and_notes() {
        let text = "{\"email\": \"a@x.org\", \"full_name\": null}\n\n{\"email\": \"b@x.org\", \"extra\": {\"k\": 1}}\n[]\n";
        let told = told(Format::JsonLines, text);
        assert_eq!(told[..2], [(1, "a@x.org|-".to_owned()), (3, "b@x.org|-".to_owned())]);
        assert_eq!(told[2].0, 4);
        assert!(told[2].1.contains("JSON object"), "{}", told[2].1);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_the_next_line_is_read() {
        let long = "x".repeat(2 * RECORD_BYTES_MAX);
        let told = told(Format::Csv, &format!("email\n{long}\na,b\n\"x\"y\nz@x.org\n\"never closed\n"));
        let lines: Vec<u64> = told.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6]);
        for (index, words) in
            [(0, "longer than"), (1, "2 values for 1"), (2, "behind them"), (4, "not closed")]
        {
            assert!(told[index].1.contains(words), "{}", told[index].1);
        }
        assert_eq!(told[3].1, "z@x.org|-");
        let wrong = all(Format::Csv, b"emial\n").err().expect("no such column");
        assert!(wrong.contains("perhaps email?"), "{wrong}");
        assert!(all(Format::Csv, b"email,email\n").err().is_some_and(|wrong| wrong.contains("twice")));
        assert!(all(Format::Csv, b"").is_err() && all(Format::Csv, b"email\n\xff\n").is_ok());
    }
}
