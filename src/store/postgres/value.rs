//! Values as PostgreSQL takes and holds them, in binary.

use super::message::Malformed;
use crate::store::value::Value;

/// Types, by the numbers that they have in every PostgreSQL.
mod types {
    pub(super) const BOOL: u32 = 16;
    pub(super) const BYTEA: u32 = 17;
    pub(super) const NAME: u32 = 19;
    pub(super) const INT8: u32 = 20;
    pub(super) const INT2: u32 = 21;
    pub(super) const INT4: u32 = 23;
    pub(super) const TEXT: u32 = 25;
    pub(super) const FLOAT8: u32 = 701;
    pub(super) const VARCHAR: u32 = 1043;
}
use types::{BOOL, BYTEA, FLOAT8, INT2, INT4, INT8, NAME, TEXT, VARCHAR};

/// Writes a value as a parameter of this type; whether it is not null. A statement of ours compares no value with a column of
/// another type.
pub(super) fn write(value: Value<'_>, kind: u32, out: &mut Vec<u8>) -> Result<bool, Malformed> {
    match (value, kind) {
        (Value::Null, _) => return Ok(false),
        (Value::Integer(number), INT8) => out.extend(number.to_be_bytes()),
        (Value::Integer(number), INT4) => {
            out.extend(i32::try_from(number).map_err(|_| Malformed)?.to_be_bytes());
        }
        (Value::Integer(number), FLOAT8) => out.extend((number as f64).to_be_bytes()),
        (Value::Real(number), FLOAT8) => out.extend(number.to_be_bytes()),
        (Value::Text(text), TEXT | VARCHAR) => out.extend(text.as_bytes()),
        (Value::Blob(bytes), BYTEA) => out.extend(bytes),
        _ => return Err(Malformed),
    }
    Ok(true)
}

/// A row as PostgreSQL sends it.
pub(crate) struct PostgresRow<'r> {
    pub(super) values: &'r [Option<&'r [u8]>],
    pub(super) types: &'r [u32],
}

impl PostgresRow<'_> {
    /// The value in a column, by its number.
    pub(crate) fn value(&self, index: usize) -> Value<'_> {
        match (self.values.get(index), self.types.get(index)) {
            (Some(None), _) => Value::Null,
            (Some(Some(bytes)), Some(kind)) => read(bytes, *kind),
            _ => Value::Unreadable,
        }
    }
}

fn read(bytes: &[u8], kind: u32) -> Value<'_> {
    let read = match kind {
        INT8 => bytes.try_into().ok().map(|bytes| Value::Integer(i64::from_be_bytes(bytes))),
        INT4 => bytes.try_into().ok().map(|bytes| Value::Integer(i32::from_be_bytes(bytes).into())),
        INT2 => bytes.try_into().ok().map(|bytes| Value::Integer(i16::from_be_bytes(bytes).into())),
        BOOL => (bytes.len() == 1).then(|| Value::Integer(i64::from(bytes[0] != 0))),
        FLOAT8 => bytes.try_into().ok().map(|bytes| Value::Real(f64::from_be_bytes(bytes))),
        TEXT | VARCHAR | NAME => std::str::from_utf8(bytes).ok().map(Value::Text),
        BYTEA => Some(Value::Blob(bytes)),
        _ => None,
    };
    read.unwrap_or(Value::Unreadable)
}
