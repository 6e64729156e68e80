//! The permissions policy, from its file.

use crate::files::read_small;
use crate::policy::model::Policy;
use crate::problem;
use crate::problem::Problem;
use std::path::Path;

/// The largest policy file that is read.
const POLICY_BYTES_MAX: u64 = 1024 * 1024;

/// Reads the policy of this file, or the built-in one.
///
/// # Errors
///
/// One line for the operator, naming the place in the file.
pub fn read_policy(path: Option<&Path>) -> Result<Policy, Problem> {
    let Some(path) = path else { return Ok(Policy::default_policy()) };
    let refuse = |what: Problem| problem!("permissions policy {}: {}", path.display(), what);
    let bytes = read_small(path, POLICY_BYTES_MAX).map_err(|error| refuse(Problem::of(&error)))?.bytes;
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8 text".into()))?;
    Policy::from_json(&text).map_err(|error| refuse(Problem::of(&error)))
}
