//! Reads JSON that comes from outside: requests, what is noted in the database, files that an operator names,
//! answers of other servers. Nothing of that kind may go through `serde_json`'s own reader, which takes some keys for
//! marks of its own and starts counting levels afresh behind them. Here keys are data.
//!
//! [`check`] goes over a whole text once, without recursion, and bounds its length, its levels and the number of its
//! values. What it returns, a [`Json`], is still text. It can be taken apart one level at a time
//! ([`Json::members`], [`Json::entries`]) or made a tree ([`Json::value`]). [`read`] does both at once, and
//! [`JsonText`] is what the database holds.
//!
//! Numbers keep their digits, but `E` becomes `e`. Of a key that is there twice the last counts. Half of a surrogate pair, which
//! no Rust text can hold, becomes U+FFFD in a tree and stays what it was in the text. An object in which that would make
//! two keys one is refused.
#![cfg_attr(
    not(test),
    expect(
        clippy::missing_docs_in_private_items,
        reason = "the rest of the program sees what is public, and nothing else"
    )
)]

mod error;
mod scanner;
mod template;
mod wiped;

pub use error::JsonError;
pub use template::Template;
pub use wiped::{WipedList, WipedObject, wipe};

use scanner::{Scanner, Token, plain_bytes};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A JSON object.
pub type Object = Map<String, Value>;

/// How deeply a tree may be nested. Dropping, comparing and writing a tree take stack for each level.
pub const TREE_LEVELS_MAX: usize = 144;

/// What a text may measure.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Bytes of the whole text.
    pub bytes: usize,
    /// Arrays and objects within one another.
    pub levels: usize,
    /// Values in all, the arrays and objects among them.
    pub values: usize,
}

impl Limits {
    /// For a request, but that its length is bounded by a setting.
    pub const REQUEST: Self = Self { bytes: usize::MAX, levels: 128, values: 65_536 };
    /// For a text within a request.
    pub const PARAMETER: Self = Self { levels: 127, ..Self::REQUEST };
    /// For what is noted in the database, perhaps by another program.
    pub const NOTES: Self = Self { bytes: 16 * 1024 * 1024, levels: 1024, values: 1_048_576 };
    /// For a file that the operator names, or what a server that they name answers.
    pub const FILE: Self = Self { bytes: 16 * 1024 * 1024, levels: 128, values: 1_048_576 };
    /// For the answer of an authnzerver: what is noted stands a few levels deeper there than in a request.
    pub const ANSWER: Self = Self { bytes: 64 * 1024 * 1024, levels: TREE_LEVELS_MAX, values: usize::MAX };
}

/// One JSON value that was checked, as it was written.
#[derive(Clone, Copy)]
pub struct Json<'t>(&'t str);

/// The members of an object, in the order in which they stand there. A key may be there several times.
pub type Members<'t> = Vec<(String, Json<'t>)>;

/// Checks a whole text. That it is not JSON at all is told before that it is beyond a limit.
///
/// # Errors
///
/// The first error in it, or the first limit that it is beyond.
pub fn check<'t>(text: &'t str, limits: &Limits) -> Result<Json<'t>, JsonError> {
    check_parts(text, limits, None)
}

/// Checks a whole text, and takes it apart on the way if it is an object: see [`Json::members`].
///
/// # Errors
///
/// See [`check`].
pub fn check_members<'t>(
    text: &'t str,
    limits: &Limits,
) -> Result<(Json<'t>, Option<Members<'t>>), JsonError> {
    let mut parts = Parts::default();
    let json = check_parts(text, limits, Some(&mut parts))?;
    Ok((json, json.0.starts_with('{').then(|| parts.into_members())))
}

fn check_parts<'t>(
    text: &'t str,
    limits: &Limits,
    mut parts: Option<&mut Parts<'t>>,
) -> Result<Json<'t>, JsonError> {
    if text.len() > limits.bytes {
        return Err(JsonError::TooLong);
    }
    let mut scanner = Scanner::new(text);
    let (mut values, mut beyond) = (0, None);
    while let Some(token) = scanner.next()? {
        values += usize::from(!matches!(token, Token::Key(_) | Token::Close));
        if values > limits.values {
            beyond.get_or_insert(JsonError::TooMany);
        }
        if scanner.levels() > limits.levels {
            beyond.get_or_insert(JsonError::TooDeep);
        }
        // What is beyond a limit is not kept.
        if let Some(parts) = parts.as_deref_mut()
            && beyond.is_none()
        {
            parts.take(&token, &scanner);
        }
    }
    beyond.map_or(Ok(Json(text.trim_matches([' ', '\n', '\r', '\t']))), Err)
}

/// Checks a whole text and makes a tree of it.
///
/// # Errors
///
/// See [`check`].
pub fn read(text: &str, limits: &Limits) -> Result<Value, JsonError> {
    check(text, limits)?.value()
}

/// The same for a text that has to be an object.
///
/// # Errors
///
/// See [`check`]; [`JsonError::NotAnObject`].
pub fn read_object(text: &str, limits: &Limits) -> Result<Object, JsonError> {
    match read(text, limits)? {
        Value::Object(object) => Ok(object),
        other => {
            wipe(other);
            Err(JsonError::NotAnObject)
        }
    }
}

/// The text that bytes are in UTF-8. A half of a surrogate pair, which Python's `surrogatepass` writes as three bytes,
/// becomes U+FFFD. `None` for anything else that is not UTF-8.
#[must_use]
pub fn without_surrogates(bytes: &[u8]) -> Option<Zeroizing<String>> {
    const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
    let mut bytes = Zeroizing::new(bytes.to_vec());
    for at in 0..bytes.len().saturating_sub(REPLACEMENT.len() - 1) {
        if let [0xed, 0xa0..=0xbf, 0x80..=0xbf] = bytes[at..at + REPLACEMENT.len()] {
            bytes[at..at + REPLACEMENT.len()].copy_from_slice(REPLACEMENT);
        }
    }
    std::str::from_utf8(&bytes).ok()?;
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).ok()
}

impl<'t> Json<'t> {
    /// The value as it was written, without white space around it.
    #[must_use]
    pub const fn text(self) -> &'t str {
        self.0
    }

    /// The members of an object, in the order in which they stand there. A key may be there several times.
    #[must_use]
    pub fn members(self) -> Option<Members<'t>> {
        self.0.starts_with('{').then(|| self.parts().into_members())
    }

    /// The entries of an array.
    #[must_use]
    pub fn entries(self) -> Option<Vec<Json<'t>>> {
        self.0.starts_with('[').then(|| self.parts().found.into_iter().map(|(_, value)| value).collect())
    }

    /// A text.
    #[must_use]
    pub fn string(self) -> Option<String> {
        Some(unescaped(self.0.strip_prefix('"')?.strip_suffix('"')?))
    }

    /// A number, as it was written.
    #[must_use]
    pub fn number(self) -> Option<Number> {
        self.0.starts_with(|first: char| first == '-' || first.is_ascii_digit()).then(|| number(self.0))
    }

    /// The value as a tree.
    ///
    /// # Errors
    ///
    /// [`JsonError::TooDeep`] beyond [`TREE_LEVELS_MAX`]; [`JsonError::KeysCollide`].
    pub fn value(self) -> Result<Value, JsonError> {
        let mut scanner = Scanner::new(self.0);
        let mut open = Vec::new();
        let value = tree(&mut scanner, &mut open);
        // Where it broke off, something is still open.
        for open in open {
            wipe(open.into_value());
        }
        value
    }

    /// What is one level down, each with its key; entries of an array have none.
    fn parts(self) -> Parts<'t> {
        let mut scanner = Scanner::new(self.0);
        let mut parts = Parts::default();
        while let Ok(Some(token)) = scanner.next() {
            parts.take(&token, &scanner);
        }
        parts
    }
}

/// What is one level down in an array or object, while a scanner goes over it.
#[derive(Default)]
struct Parts<'t> {
    /// Each with its key, which is still escaped.
    found: Vec<(&'t str, Json<'t>)>,
    key: &'t str,
    /// Where the part begins that is still open.
    begin: usize,
}

impl<'t> Parts<'t> {
    /// Takes notice of the scanner's last token.
    fn take(&mut self, token: &Token<'t>, scanner: &Scanner<'t>) {
        let begin = match (token, scanner.levels()) {
            (Token::Key(raw), 1) => {
                self.key = raw;
                return;
            }
            (Token::OpenObject | Token::OpenArray, 2) => {
                self.begin = scanner.start();
                return;
            }
            (Token::Close, 1) => self.begin,
            (Token::Close | Token::Key(_) | Token::OpenObject | Token::OpenArray, _) => return,
            (_, 1) => scanner.start(),
            _ => return,
        };
        self.found.push((self.key, Json(scanner.since(begin))));
    }

    fn into_members(self) -> Members<'t> {
        self.found.into_iter().map(|(key, value)| (unescaped(key), value)).collect()
    }
}

/// An array or object that is still being read.
enum Open<'t> {
    Array(Vec<Value>),
    Object(OpenObject<'t>),
}

#[derive(Default)]
struct OpenObject<'t> {
    members: Object,
    /// The key whose value is to come.
    key: String,
    /// Keys with U+FFFD, as they were written.
    replaced: Vec<&'t str>,
}

impl Open<'_> {
    fn into_value(self) -> Value {
        match self {
            Self::Array(entries) => Value::Array(entries),
            Self::Object(object) => Value::Object(object.members),
        }
    }
}

fn tree<'t>(scanner: &mut Scanner<'t>, open: &mut Vec<Open<'t>>) -> Result<Value, JsonError> {
    while let Some(token) = scanner.next()? {
        if scanner.levels() > TREE_LEVELS_MAX {
            return Err(JsonError::TooDeep);
        }
        let value = match token {
            Token::OpenArray => {
                open.push(Open::Array(Vec::new()));
                continue;
            }
            Token::OpenObject => {
                open.push(Open::Object(OpenObject::default()));
                continue;
            }
            Token::Key(raw) => {
                if let Some(Open::Object(object)) = open.last_mut() {
                    object.key = unescaped(raw);
                    if object.key.contains(char::REPLACEMENT_CHARACTER) {
                        object.replaced.push(raw);
                    }
                }
                continue;
            }
            Token::Close => {
                if let Some(Open::Object(object)) = open.last_mut()
                    && collide(&mut object.replaced)
                {
                    return Err(JsonError::KeysCollide);
                }
                open.pop().map_or(Value::Null, Open::into_value)
            }
            Token::Text(raw) => Value::String(unescaped(raw)),
            Token::Number(raw) => Value::Number(number(raw)),
            Token::Bool(truth) => Value::Bool(truth),
            Token::Null => Value::Null,
        };
        match open.last_mut() {
            None => return Ok(value),
            Some(Open::Array(entries)) => entries.push(value),
            Some(Open::Object(object)) => {
                if let Some(earlier) = object.members.insert(std::mem::take(&mut object.key), value) {
                    wipe(earlier);
                }
            }
        }
    }
    // A scanner yields nothing only after a whole value, and with that this has returned.
    Ok(Value::Null)
}

fn number(written: &str) -> Number {
    written.parse().expect("the scanner takes only what is a number")
}

/// What a text between its quotes means. It is never longer than it was written, so that nothing has to be copied
/// while it grows, and no copy of a password stays behind.
fn unescaped(raw: &str) -> String {
    if plain_bytes(raw.as_bytes()) == raw.len() {
        return raw.to_owned();
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, escape)) = rest.split_once('\\') {
        text.push_str(before);
        let (character, bytes) = escaped(escape);
        text.push(character);
        rest = escape.get(bytes..).unwrap_or_default();
    }
    text.push_str(rest);
    text
}

/// Whether some of these keys are different and become the same once halves of surrogate pairs are replaced.
fn collide(keys: &mut [&str]) -> bool {
    // Compared character by character: no copy of a key stays behind.
    let replaced = |raw| characters(raw).map(|(character, _)| character);
    keys.sort_unstable_by(|one, other| replaced(one).cmp(replaced(other)));
    keys.windows(2)
        .any(|pair| replaced(pair[0]).eq(replaced(pair[1])) && !characters(pair[0]).eq(characters(pair[1])))
}

/// The characters of a text between its quotes, each with the half of a surrogate pair that it replaces, if any.
fn characters(raw: &str) -> impl Iterator<Item = (char, Option<u16>)> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let Some(escape) = rest.strip_prefix('\\') else {
            rest = &rest[first.len_utf8()..];
            return Some((first, None));
        };
        let (character, bytes) = escaped(escape);
        let digits = (character == char::REPLACEMENT_CHARACTER).then(|| escape.get(1..5)).flatten();
        let half = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        rest = escape.get(bytes..).unwrap_or_default();
        Some((character, half.filter(|half| (0xd800..0xe000).contains(half))))
    })
}

/// The character that an escape stands for, and how long the escape is behind its backslash.
fn escaped(escape: &str) -> (char, usize) {
    let unit = |at: usize| {
        let digits = escape.get(at..)?.strip_prefix('u')?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    match (escape.as_bytes().first(), unit(0)) {
        (Some(b'b'), _) => ('\u{8}', 1),
        (Some(b'f'), _) => ('\u{c}', 1),
        (Some(b'n'), _) => ('\n', 1),
        (Some(b'r'), _) => ('\r', 1),
        (Some(b't'), _) => ('\t', 1),
        (_, Some(first)) => {
            let second = escape.get(5..).filter(|rest| rest.starts_with('\\')).and_then(|_| unit(6));
            let pair = char::decode_utf16([first, second.unwrap_or(0)]).next();
            match pair {
                Some(Ok(character)) => (character, if character.len_utf16() == 2 { 11 } else { 5 }),
                _ => (char::REPLACEMENT_CHARACTER, 5),
            }
        }
        (other, None) => (other.copied().map_or(char::REPLACEMENT_CHARACTER, char::from), 1),
    }
}

/// JSON text as the database holds it: whatever this or an older server or the Python authnzerver wrote. It is not
/// looked into until somebody asks, so that it can be taken from a row while the database is in use.
///
/// It is for writing out, never for a tree (`json!`): `serde_json` would read it for that, with marks and all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonText(String);

impl JsonText {
    /// Takes a text, whatever it holds.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value that it is.
    ///
    /// # Errors
    ///
    /// See [`check`].
    pub fn json(&self) -> Result<Json<'_>, JsonError> {
        check(&self.0, &Limits::NOTES)
    }

    /// The members of the object that it is; of a key that is there twice, the last. Null, which stands for nothing
    /// in some databases, has none. None of them is looked into.
    ///
    /// # Errors
    ///
    /// See [`check`]; [`JsonError::NotAnObject`]; [`JsonError::KeysCollide`].
    pub fn members(&self) -> Result<BTreeMap<String, Json<'_>>, JsonError> {
        let json = self.json()?;
        let nothing = (json.text() == "null").then(Vec::new);
        if json.0.starts_with('{')
            && collide(&mut json.parts().found.iter().map(|(key, _)| *key).collect::<Vec<_>>())
        {
            return Err(JsonError::KeysCollide);
        }
        Ok(json.members().or(nothing).ok_or(JsonError::NotAnObject)?.into_iter().collect())
    }
}

/// As it is written, or null where it is not JSON.
impl Serialize for JsonText {
    #[expect(clippy::disallowed_methods, reason = "nothing is read out of a text that is passed on raw")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = self.json().ok().and_then(|json| serde_json::from_str::<&RawValue>(json.text()).ok());
        raw.serialize(serializer)
    }
}

#[cfg(test)]
mod tests;
