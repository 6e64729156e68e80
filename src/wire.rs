//! The wire's type words, and JSON as the wire wants it: pure ASCII with `, ` and `: ` between items, which is
//! what clients written in Python send and what the database of the original holds.

use crate::guard::secret::{Password, Secret};
use crate::json::{self, JsonError, JsonText, Limits, WipedList, WipedObject};
use crate::shape::{HasType, Type};
use crate::user_id::UserId;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::Formatter as _;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::marker::PhantomData;
use zeroize::Zeroize;

pub use crate::json::Object;

/// A Rust type that stands for a type word, or for a union of words, in a request's parameter list.
pub trait FromWire: Sized {
    /// Takes a value of the right type; gives it back when it is of another.
    ///
    /// # Errors
    ///
    /// The value itself, when it is of another type.
    fn from_wire(value: Value) -> Result<Self, Value>;
}

/// The Rust type for the words of a parameter: `str | int` and so on.
#[macro_export]
macro_rules! wire_type {
    (str) => { String };
    (secret) => { $crate::guard::secret::Secret<String> };
    (password) => { $crate::guard::secret::Password };
    (int) => { i64 };
    (UserId) => { $crate::user_id::UserId };
    (bool) => { bool };
    (dict) => { $crate::wire::Object };
    (list) => { $crate::json::WipedList };
    (Any) => { serde_json::Value };
    (float) => { f64 };
    (float | int) => { f64 };
    (int | float) => { f64 };
    (str | int) => { $crate::wire::StrOrInt };
    (str | list) => { $crate::wire::StrOrList };
    (dict | str) => { $crate::wire::ObjectOrText };
    ($word:ident | None) => { Option<$crate::wire_type!($word)> };
}

/// The wire's word for one of the words of a parameter: some stand for more than the wire says.
#[macro_export]
macro_rules! wire_word {
    (secret) => {
        "str"
    };
    (password) => {
        "str"
    };
    (UserId) => {
        "int"
    };
    ($word:ident) => {
        stringify!($word)
    };
}

impl FromWire for String {
    fn from_wire(value: Value) -> Result<Self, Value> {
        match value {
            Value::String(text) => Ok(text),
            other => Err(other),
        }
    }
}

impl FromWire for Secret<String> {
    fn from_wire(value: Value) -> Result<Self, Value> {
        String::from_wire(value).map(Self::new)
    }
}

impl FromWire for Password {
    fn from_wire(value: Value) -> Result<Self, Value> {
        String::from_wire(value).map(Self::new)
    }
}

impl FromWire for i64 {
    fn from_wire(value: Value) -> Result<Self, Value> {
        value.as_i64().ok_or(value)
    }
}

impl FromWire for UserId {
    fn from_wire(value: Value) -> Result<Self, Value> {
        i64::from_wire(value).map(Self::new)
    }
}

/// Accepts whole numbers too. What is beyond a double, such as `1e999`, is no number here.
impl FromWire for f64 {
    fn from_wire(value: Value) -> Result<Self, Value> {
        value.as_f64().filter(|number| number.is_finite()).ok_or(value)
    }
}

impl FromWire for bool {
    fn from_wire(value: Value) -> Result<Self, Value> {
        value.as_bool().ok_or(value)
    }
}

impl FromWire for Object {
    fn from_wire(value: Value) -> Result<Self, Value> {
        match value {
            Value::Object(object) => Ok(object),
            other => Err(other),
        }
    }
}

impl FromWire for WipedObject {
    fn from_wire(value: Value) -> Result<Self, Value> {
        Object::from_wire(value).map(Self::from)
    }
}

impl FromWire for WipedList {
    fn from_wire(value: Value) -> Result<Self, Value> {
        match value {
            Value::Array(list) => Ok(list.into()),
            other => Err(other),
        }
    }
}

/// Anything but null.
impl FromWire for Value {
    fn from_wire(value: Value) -> Result<Self, Value> {
        if value.is_null() { Err(value) } else { Ok(value) }
    }
}

impl<T: FromWire> FromWire for Option<T> {
    fn from_wire(value: Value) -> Result<Self, Value> {
        if value.is_null() { Ok(None) } else { T::from_wire(value).map(Some) }
    }
}

/// A text or a whole number.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub enum StrOrInt {
    /// A text.
    Str(String),
    /// A whole number of 64 bits.
    Int(i64),
}

impl FromWire for StrOrInt {
    fn from_wire(value: Value) -> Result<Self, Value> {
        String::from_wire(value).map(Self::Str).or_else(|value| i64::from_wire(value).map(Self::Int))
    }
}

/// A text or a list of texts.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub enum StrOrList {
    /// A text.
    Str(String),
    /// Texts.
    List(Vec<String>),
}

impl FromWire for StrOrList {
    fn from_wire(value: Value) -> Result<Self, Value> {
        match value {
            Value::String(text) => Ok(Self::Str(text)),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                Ok(Self::List(items.into_iter().filter_map(|item| String::from_wire(item).ok()).collect()))
            }
            other => Err(other),
        }
    }
}

/// An object, given as such or as its JSON text.
pub struct ObjectOrText(pub Object);

impl FromWire for ObjectOrText {
    fn from_wire(value: Value) -> Result<Self, Value> {
        match value {
            Value::Object(object) => Ok(Self(object)),
            Value::String(mut text) => match json::read_object(&text, &Limits::PARAMETER) {
                Ok(object) => {
                    text.zeroize();
                    Ok(Self(object))
                }
                Err(_) => Err(Value::String(text)),
            },
            other => Err(other),
        }
    }
}

/// Whether Python would take the value for false; such optional parameters count as not given.
#[must_use]
pub fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
    }
}

/// What removes a key when it is given as the key's new value.
const DELETE_MARK: &str = "__delete__";

/// What is noted, with the changes made, as JSON text: a key whose new value is `"__delete__"` is removed, any other is
/// set. Only the top level is looked at; the mark inside a nested object is data. What is not changed stays letter by
/// letter what it was.
///
/// # Errors
///
/// What is noted is not an object that can be read. Then it must stay as it is.
pub fn merge(noted: Option<&JsonText>, changes: Object) -> Result<String, JsonError> {
    let members = noted.map(JsonText::members).transpose()?.unwrap_or_default();
    let members = members.into_iter().map(|(key, value)| (key, ascii_escaped(value.text())));
    let mut members: BTreeMap<String, Cow<'_, str>> = members.collect();
    for (key, value) in changes {
        if value == DELETE_MARK {
            members.remove(&key);
        } else {
            members.insert(key, ascii_json(&value).into());
        }
    }
    let members: Vec<_> =
        members.iter().map(|(key, value)| format!("{}: {value}", ascii_json(key))).collect();
    Ok(format!("{{{}}}", members.join(", ")))
}

/// A value that is JSON already: it takes the memory of its text, and not of the value too.
pub struct Encoded<T> {
    text: Box<RawValue>,
    value: PhantomData<fn() -> T>,
}

impl<T: Serialize> Encoded<T> {
    /// Serialises a value.
    ///
    /// # Panics
    ///
    /// Never: what was just serialised is JSON.
    #[must_use]
    pub fn of(value: &T) -> Self {
        let text = RawValue::from_string(ascii_json(value)).expect("what was just serialised is JSON");
        Self { text, value: PhantomData }
    }

    /// The text's length in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.get().len()
    }
}

impl<T> Serialize for Encoded<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<T: HasType> HasType for Encoded<T> {
    const TYPE: Type = T::TYPE;
}

/// As long as what a check of a session answers.
const ANSWER_BYTES_MOSTLY: usize = 1024;

/// Writes a value as ASCII JSON.
///
/// # Panics
///
/// Never: what the server serialises has text keys and writes into memory.
#[must_use]
pub fn ascii_json<T: Serialize + ?Sized>(value: &T) -> String {
    let mut bytes = Vec::with_capacity(ANSWER_BYTES_MOSTLY);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, AsciiFormatter);
    value.serialize(&mut serializer).expect("plain structs with text keys serialise into memory");
    String::from_utf8(bytes).expect("the formatter writes ASCII")
}

/// The same JSON text, but with everything beyond ASCII escaped. Outside of strings JSON is ASCII anyway.
#[must_use]
pub fn ascii_escaped(json: &str) -> Cow<'_, str> {
    if json.is_ascii() {
        return Cow::Borrowed(json);
    }
    let mut bytes = Vec::with_capacity(json.len() * 2);
    // Writing into memory cannot fail, and what is written is ASCII.
    let written = AsciiFormatter.write_string_fragment(&mut bytes, json);
    Cow::Owned(written.ok().and_then(|()| String::from_utf8(bytes).ok()).unwrap_or_default())
}

struct AsciiFormatter;

impl serde_json::ser::Formatter for AsciiFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.is_ascii() {
            return writer.write_all(fragment.as_bytes());
        }
        let mut units = [0; 2];
        for character in fragment.chars() {
            if character.is_ascii() {
                writer.write_all(&[character as u8])?;
            } else {
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn write_raw_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        self.write_string_fragment(writer, fragment)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn writes_what_python_writes() {
        let value = json!({"a": [1, 2.5, "é\u{1f600}\n"], "b": null});
        assert_eq!(ascii_json(&value), r#"{"a": [1, 2.5, "\u00e9\ud83d\ude00\n"], "b": null}"#);
    }

    #[test]
    fn a_json_text_becomes_ascii_and_means_the_same() {
        let text = r#"{"é": ["😀", "\\u00e9", 1.0]}"#;
        let escaped = ascii_escaped(text);
        assert_eq!(escaped, r#"{"\u00e9": ["\ud83d\ude00", "\\u00e9", 1.0]}"#);
        let read = |text: &str| json::read(text, &Limits::REQUEST).expect("is JSON");
        assert_eq!(read(&escaped), read(text));
    }

    #[test]
    fn booleans_are_no_numbers_and_whole_numbers_are_floats() {
        assert!(i64::from_wire(json!(true)).is_err());
        assert!(i64::from_wire(json!(1.0)).is_err());
        assert_eq!(f64::from_wire(json!(1)).ok(), Some(1.0));
        let huge = |text: &str| json::read(text, &Limits::REQUEST).expect("is JSON");
        assert!(i64::from_wire(huge("9223372036854775808")).is_err());
        assert!(f64::from_wire(huge("1e999")).is_err());
    }

    #[test]
    fn null_is_for_unions_with_none_only() {
        assert!(Value::from_wire(Value::Null).is_err());
        assert!(matches!(Option::<i64>::from_wire(Value::Null), Ok(None)));
        assert!(Option::<i64>::from_wire(json!("4")).is_err());
    }

    fn merged(noted: Option<&str>, changes: Value) -> Result<String, JsonError> {
        let noted = noted.map(|noted| JsonText::new(noted.to_owned()));
        merge(noted.as_ref(), Object::from_wire(changes).expect("an object"))
    }

    #[test]
    fn merging_sets_and_removes_at_the_top_level() {
        let stored = r#"{"kept": 1, "gone": 2, "nested": {"a": 1}}"#;
        let changes =
            json!({"gone": "__delete__", "absent": "__delete__", "nested": {"b": "__delete__"}, "new": null});
        let expected = r#"{"kept": 1, "nested": {"b": "__delete__"}, "new": null}"#;
        assert_eq!(merged(Some(stored), changes.clone()).as_deref(), Ok(expected));
        let from_nothing = r#"{"nested": {"b": "__delete__"}, "new": null}"#;
        for nothing in [None, Some("null"), Some("{}")] {
            assert_eq!(merged(nothing, changes.clone()).as_deref(), Ok(from_nothing));
        }
    }

    #[test]
    fn merging_leaves_what_is_not_changed_as_it_was_written() {
        let stored = r#"{"z": "\ud800", "é": [1.0,1e999,{"$serde_json::private::RawValue":"[1"}], "a": 0}"#;
        let expected =
            r#"{"a": 1, "z": "\ud800", "\u00e9": [1.0,1e999,{"$serde_json::private::RawValue":"[1"}]}"#;
        assert_eq!(merged(Some(stored), json!({"a": 1})).as_deref(), Ok(expected));
        let deep = format!(r#"{{"deep": {}{}}}"#, "[".repeat(1000), "]".repeat(1000));
        assert_eq!(merged(Some(&deep), json!({})).as_deref(), Ok(deep.as_str()));
    }

    #[test]
    fn merging_into_what_is_no_object_fails() {
        let too_deep = format!(r#"{{"deep": {}{}}}"#, "[".repeat(40_000), "]".repeat(40_000));
        for noted in [r#"{"a": NaN}"#, "[]", "1", "\"x\"", "", "{", &too_deep] {
            assert!(merged(Some(noted), json!({"a": 1})).is_err(), "{noted:.40}");
        }
    }

    #[test]
    fn an_object_may_come_as_its_text() {
        let taken = ObjectOrText::from_wire(json!(r#"{"user_id": 4}"#));
        assert!(taken.is_ok_and(|object| object.0["user_id"] == json!(4)));
        assert!(ObjectOrText::from_wire(json!("[1]")).is_err());
    }
}
