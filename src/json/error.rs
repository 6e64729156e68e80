//! Why a text is not taken.

use std::fmt;

/// Why a text is not taken. Says where, and shows nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonError {
    /// It is not JSON.
    Syntax {
        /// The line, counted from one.
        line: usize,
        /// The column in bytes, counted from one.
        column: usize,
    },
    /// It has one of the numbers that Python writes and JSON lacks: `NaN`, `Infinity` and `-Infinity`.
    PythonNumber {
        /// The line, counted from one.
        line: usize,
        /// The column in bytes, counted from one.
        column: usize,
    },
    /// It is longer than [`Limits::bytes`](super::Limits::bytes).
    TooLong,
    /// It has more levels than [`Limits::levels`](super::Limits::levels) or [`TREE_LEVELS_MAX`](super::TREE_LEVELS_MAX).
    TooDeep,
    /// It has more values than [`Limits::values`](super::Limits::values).
    TooMany,
    /// It is JSON, but not an object.
    NotAnObject,
    /// An object has keys that differ only in halves of surrogate pairs.
    KeysCollide,
}

impl fmt::Display for JsonError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column } => write!(out, "not JSON: line {line}, column {column}"),
            Self::PythonNumber { line, column } => {
                write!(out, "not JSON: NaN or Infinity in line {line}, column {column}")
            }
            Self::TooLong => out.write_str("too long"),
            Self::TooDeep => out.write_str("nested too deeply"),
            Self::TooMany => out.write_str("made of too many values"),
            Self::NotAnObject => out.write_str("not a JSON object"),
            Self::KeysCollide => {
                out.write_str("an object whose keys differ only in halves of surrogate pairs")
            }
        }
    }
}

impl std::error::Error for JsonError {}
