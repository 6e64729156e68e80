//! What an object in an answer looks like: `shape!` makes of one declaration the struct that is serialised and the
//! table that the documentation and the machine-readable schema are printed from.

use crate::clock::Timestamp;
use crate::json::JsonText;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The type of a value in an answer.
pub enum Type {
    /// A whole number of 64 bits.
    Integer,
    /// A text.
    Text,
    /// True or false.
    Boolean,
    /// A time in UTC, as a text.
    Timestamp,
    /// Any JSON value, such as what a calling server noted.
    Json,
    /// Null, or a value of that type.
    Nullable(&'static Self),
    /// Any number of values of that type.
    List(&'static Self),
    /// An object with declared keys.
    Object(&'static Shape),
}

/// An object with declared keys, all of which are always there.
pub struct Shape {
    /// What it is called in the documentation.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Its keys, in the order in which they are written.
    pub fields: &'static [Field],
}

/// One key of an object.
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// The type of its value.
    pub value: Type,
    /// What it means.
    pub doc: &'static str,
}

/// A Rust type that stands for a type on the wire.
pub trait HasType {
    /// The type that it is serialised as.
    const TYPE: Type;
}

impl HasType for i64 {
    const TYPE: Type = Type::Integer;
}

impl HasType for usize {
    const TYPE: Type = Type::Integer;
}

impl HasType for u16 {
    const TYPE: Type = Type::Integer;
}

impl HasType for u64 {
    const TYPE: Type = Type::Integer;
}

impl HasType for String {
    const TYPE: Type = Type::Text;
}

impl HasType for bool {
    const TYPE: Type = Type::Boolean;
}

impl HasType for Timestamp {
    const TYPE: Type = Type::Timestamp;
}

impl HasType for Cow<'_, str> {
    const TYPE: Type = Type::Text;
}

impl HasType for Box<RawValue> {
    const TYPE: Type = Type::Json;
}

impl HasType for JsonText {
    const TYPE: Type = Type::Json;
}

impl<T: HasType> HasType for Option<T> {
    const TYPE: Type = Type::Nullable(&T::TYPE);
}

impl<T: HasType> HasType for Vec<T> {
    const TYPE: Type = Type::List(&T::TYPE);
}

/// Declares an object of answers: the struct, how it is serialised, and its table. See [`mod@crate::shape`].
#[macro_export]
macro_rules! shape {
    (
        $(#[doc = $doc:expr])+
        $(#[derive($($derived:ident),+)])?
        $visibility:vis struct $Name:ident {
            $( $(#[doc = $field_doc:literal])+ $field_visibility:vis $field:ident: $field_type:ty ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(serde::Serialize $(, $($derived),+)?)]
        #[allow(clippy::struct_field_names, reason = "the keys are the wire's")]
        $visibility struct $Name {
            $( $(#[doc = $field_doc])+ $field_visibility $field: $field_type, )*
        }

        impl $Name {
            /// What it looks like when it is serialised.
            $visibility const SHAPE: &'static $crate::shape::Shape = &$crate::shape::Shape {
                name: stringify!($Name),
                doc: concat!($($doc, "\n"),+),
                fields: &[$( $crate::shape::Field {
                    name: stringify!($field),
                    value: <$field_type as $crate::shape::HasType>::TYPE,
                    doc: concat!($($field_doc, "\n"),+),
                } ),*],
            };
        }

        impl $crate::shape::HasType for $Name {
            const TYPE: $crate::shape::Type = $crate::shape::Type::Object(Self::SHAPE);
        }
    };
}
