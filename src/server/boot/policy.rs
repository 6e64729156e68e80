//! The permissions policy, from its file.

use crate::files::read_small;
use crate::policy::model::Policy;
use std::path::Path;

/// The largest policy file that is read.
const POLICY_BYTES_MAX: u64 = 1024 * 1024;

/// Reads the policy of this file, or the built-in one.
///
/// # Errors
///
/// One line for the operator, naming the place in the file.
pub fn read_policy(path: Option<&Path>) -> Result<Policy, String> {
    let Some(path) = path else { return Ok(Policy::default_policy()) };
    let refuse = |what: String| format!("permissions policy {}: {what}", path.display());
    let bytes = read_small(path, POLICY_BYTES_MAX).map_err(|error| refuse(error.to_string()))?.bytes;
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8 text".to_owned()))?;
    Policy::from_json(&text).map_err(|error| refuse(error.to_string()))
}
