//! Whether a number is within a role's limit.
//!
//! Numbers are compared as the Python program that this server replaces compared them, because frontends
//! hand over whatever they have counted: numbers, fractions, numerals as text. Values can be of any size;
//! what cannot be converted is over the limit.

use serde_json::{Number, Value};

/// The longest whole number that is converted. Python, too, stops here by default.
const NUMBER_DIGITS_MAX: usize = 4300;

/// On which side of a limit a value has to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operator {
    Below,
    Above,
}

impl Operator {
    fn holds<T: PartialOrd>(self, value: &T, limit: &T) -> bool {
        match self {
            Self::Below => value < limit,
            Self::Above => value > limit,
        }
    }
}

/// What both sides of a comparison are converted to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Int,
    Float,
}

/// One limit of one role.
#[derive(Debug)]
pub(super) struct Limit {
    operator: Operator,
    bound: Bound,
}

#[derive(Debug)]
enum Bound {
    Int(i64),
    Float(f64),
}

impl Limit {
    /// `None` if the number is too large to be a limit. Bounds are narrower than the values compared with
    /// them, so that a value which had to be cut to fit is still on the right side.
    pub(super) fn new(kind: Kind, operator: Operator, number: Number) -> Option<Self> {
        let number = Value::Number(number);
        let bound = match kind {
            Kind::Int => Bound::Int(int(&number)?.try_into().ok()?),
            Kind::Float => Bound::Float(float(&number).filter(|bound| bound.is_finite())?),
        };
        Some(Self { operator, bound })
    }

    /// Whether a value is on the right side.
    pub(super) fn admits(&self, value: &Value) -> bool {
        match &self.bound {
            Bound::Int(bound) => {
                int(value).is_some_and(|value| self.operator.holds(&value, &i128::from(*bound)))
            }
            Bound::Float(bound) => float(value).is_some_and(|value| self.operator.holds(&value, bound)),
        }
    }
}

/// A value as a whole number: fractions are cut towards zero, `true` is 1, text must be a whole number.
/// Numbers beyond the range become its ends.
fn int(value: &Value) -> Option<i128> {
    match value {
        Value::Bool(truth) => Some(i128::from(*truth)),
        Value::Number(number) if is_integer(number) => int_of_digits(number.as_str()),
        Value::Number(number) => {
            let number = float_of_digits(number.as_str()).filter(|number| number.is_finite())?;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "cuts the fraction, and stops at the ends of the range"
            )]
            let whole = number as i128;
            Some(whole)
        }
        Value::String(text) => int_of_digits(&plain_numeral(text)?),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A value as a double: `true` is 1, text may be `inf` or `nan`. A whole number beyond the range of doubles
/// has no conversion, while one written with a fraction or an exponent becomes infinite.
fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Number(number) => {
            float_of_digits(number.as_str()).filter(|double| double.is_finite() || !is_integer(number))
        }
        Value::String(text) => float_of_digits(&plain_numeral(text)?),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_integer(number: &Number) -> bool {
    !number.as_str().contains(['.', 'e', 'E'])
}

fn int_of_digits(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || digits.len() > NUMBER_DIGITS_MAX {
        return None;
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Of a sign and digits, the parser refuses only what is too large.
    let end = if text.starts_with('-') { i128::MIN } else { i128::MAX };
    Some(text.parse().unwrap_or(end))
}

fn float_of_digits(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// Text as Python reads a number from it, in the plain form that Rust reads: without white space around it,
/// without underscores, which may stand only between two digits, and with the decimal digits of any
/// writing system turned into ASCII.
fn plain_numeral(text: &str) -> Option<String> {
    let text = text.trim();
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().map(ascii_digit).peekable();
    while let Some(character) = characters.next() {
        if character != '_' {
            plain.push(character);
            continue;
        }
        let after_digit = plain.ends_with(|last: char| last.is_ascii_digit());
        if !after_digit || !characters.peek().is_some_and(char::is_ascii_digit) {
            return None;
        }
    }
    Some(plain)
}

/// A decimal digit as its ASCII digit; other characters as they are.
fn ascii_digit(character: char) -> char {
    if character.is_ascii() {
        return character;
    }
    let code = u32::from(character);
    let zeros_up_to = ZEROS.partition_point(|zero| *zero <= code);
    let Some(at) = zeros_up_to.checked_sub(1) else { return character };
    char::from_digit(code - ZEROS[at], 10).unwrap_or(character)
}

/// The zero of every run of ten decimal digits in Unicode 14 (general category Nd) beyond ASCII, ascending.
#[rustfmt::skip]
const ZEROS: [u32; 65] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50,
    0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40,
    0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066,
    0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950,
    0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
    0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0,
];
