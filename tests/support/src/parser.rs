//! The parser that the server must not use: an independent one for what the server has written itself.

use serde_json::Value;

/// Reads the JSON of an answer, a log line or a file.
///
/// # Errors
///
/// What is no JSON.
#[expect(clippy::disallowed_methods, reason = "a test may read what its own server wrote with any parser")]
pub fn value_of(json: impl AsRef<[u8]>) -> serde_json::Result<Value> {
    serde_json::from_slice(json.as_ref())
}
