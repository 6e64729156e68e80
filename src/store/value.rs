//! What goes into a statement and what comes out of a row, whichever engine runs it.

use crate::guard::password::PasswordHash;
use crate::policy::email::EmailAddress;
use crate::policy::roles::Role;
use crate::user_id::UserId;
use std::borrow::Cow;

/// A value for a parameter, or in a column. Booleans are integers, 0 and 1; times are texts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'v> {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// A text.
    Text(&'v str),
    /// Bytes.
    Blob(&'v [u8]),
    /// What is none of these, such as a text that is not UTF-8.
    Unreadable,
}

/// Whatever a statement's parameter can be set to.
pub(super) trait ToValue {
    /// The value.
    fn to_value(&self) -> Value<'_>;
}

/// Whatever can be read out of a column.
pub(super) trait FromValue: Sized {
    /// Reads it; `None` where the value is of another form.
    fn from_value(value: Value<'_>) -> Option<Self>;
}

/// The parameters of a statement, by name.
pub(super) type Params<'p> = &'p [(&'static str, &'p dyn ToValue)];

/// Parameters of a statement: `params! { ":name": value, … }`.
macro_rules! params {
    ($($name:literal: $value:expr),* $(,)?) => {
        &[$(($name, &$value as &dyn $crate::store::value::ToValue)),*]
    };
}
pub(super) use params;

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value<'_> {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, T::to_value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value<'_>) -> Option<Self> {
        if value == Value::Null { Some(None) } else { T::from_value(value).map(Some) }
    }
}

impl ToValue for i64 {
    fn to_value(&self) -> Value<'_> {
        Value::Integer(*self)
    }
}

impl FromValue for i64 {
    fn from_value(value: Value<'_>) -> Option<Self> {
        if let Value::Integer(number) = value { Some(number) } else { None }
    }
}

impl ToValue for u32 {
    fn to_value(&self) -> Value<'_> {
        Value::Integer((*self).into())
    }
}

impl FromValue for u32 {
    fn from_value(value: Value<'_>) -> Option<Self> {
        i64::from_value(value)?.try_into().ok()
    }
}

impl ToValue for f64 {
    fn to_value(&self) -> Value<'_> {
        Value::Real(*self)
    }
}

impl ToValue for bool {
    fn to_value(&self) -> Value<'_> {
        Value::Integer((*self).into())
    }
}

impl FromValue for bool {
    fn from_value(value: Value<'_>) -> Option<Self> {
        i64::from_value(value).map(|number| number != 0)
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for Cow<'_, str> {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl FromValue for String {
    fn from_value(value: Value<'_>) -> Option<Self> {
        if let Value::Text(text) = value { Some(text.to_owned()) } else { None }
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<const BYTES: usize> ToValue for [u8; BYTES] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<const BYTES: usize> FromValue for [u8; BYTES] {
    fn from_value(value: Value<'_>) -> Option<Self> {
        if let Value::Blob(bytes) = value { bytes.try_into().ok() } else { None }
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value<'_>) -> Option<Self> {
        if let Value::Blob(bytes) = value { Some(bytes.to_owned()) } else { None }
    }
}

impl ToValue for UserId {
    fn to_value(&self) -> Value<'_> {
        Value::Integer(self.get())
    }
}

impl FromValue for UserId {
    fn from_value(value: Value<'_>) -> Option<Self> {
        i64::from_value(value).map(Self::new)
    }
}

impl ToValue for Role {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self.as_str())
    }
}

impl FromValue for Role {
    fn from_value(value: Value<'_>) -> Option<Self> {
        String::from_value(value).map(Self::known)
    }
}

impl ToValue for EmailAddress {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self.as_str())
    }
}

impl FromValue for EmailAddress {
    fn from_value(value: Value<'_>) -> Option<Self> {
        String::from_value(value).map(Self::stored)
    }
}

impl ToValue for PasswordHash {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self.as_str())
    }
}

impl FromValue for PasswordHash {
    fn from_value(value: Value<'_>) -> Option<Self> {
        String::from_value(value).map(Self::stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_what_it_is_and_as_nothing_else() {
        assert_eq!(bool::from_value(Value::Integer(1)), Some(true));
        assert_eq!(u32::from_value(Value::Integer(-1)), None);
        assert_eq!(i64::from_value(Value::Text("1")), None);
        assert_eq!(String::from_value(Value::Integer(1)), None);
        assert_eq!(<[u8; 2]>::from_value(Value::Blob(&[1, 2])), Some([1, 2]));
        assert_eq!(<[u8; 2]>::from_value(Value::Blob(&[1])), None);
        assert_eq!(<Option<String>>::from_value(Value::Null), Some(None));
        assert_eq!(<Option<String>>::from_value(Value::Unreadable), None);
        assert_eq!(String::from_value(Value::Null), None);
    }

    #[test]
    fn a_parameter_that_is_missing_is_null() {
        let given: Params<'_> = params! { ":text": Some("x"), ":none": None::<i64>, ":flag": true };
        let values: Vec<_> = given.iter().map(|(name, value)| (*name, value.to_value())).collect();
        assert_eq!(
            values,
            [(":text", Value::Text("x")), (":none", Value::Null), (":flag", Value::Integer(1))]
        );
    }
}
