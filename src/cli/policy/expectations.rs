//! `authnzerver policy test`: whether a policy permits and denies what a file of expectations says.

use super::{ONE, OTHER, VISIBILITY};
use crate::cli::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_FAILED};
use crate::cli::output::{Cell, show};
use crate::config::shown;
use crate::files::read_small;
use crate::json::{self, Limits, Object};
use crate::policy::access::{Access, SharedWith};
use crate::policy::model::Policy;
use crate::policy::roles::ANONYMOUS_ID;
use serde_json::{Value, json};

/// The largest file of expectations.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The parts of an expectation.
const KEYS: [&str; 7] = ["role", "action", "item", "owner", "visibility", "shared", "permitted"];

/// Tests the policy, and tells of each expectation that it does not meet.
///
/// # Errors
/// There is no valid policy, or the file is none of expectations.
pub fn test(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let name = arguments.word(0).unwrap_or_default();
    let policy = super::policy_of(arguments.option("policy"), arguments, context)?;
    let wrong = |why: String| CommandError::cannot_tell(format!("{}: {why}", shown(name)));
    let path = context.environment.directory.join(name);
    let bytes = read_small(&path, FILE_BYTES_MAX).map_err(|error| wrong(error.to_string()))?.bytes;
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8 text".to_owned()))?;
    let expectations = json::read(&text, &Limits::FILE).map_err(|error| wrong(format!("it is {error}")))?;
    let Some(expectations) = expectations.as_array() else {
        return Err(wrong("it is to be a JSON list of expectations".to_owned()));
    };
    let mut failed = Vec::new();
    for (index, expectation) in expectations.iter().enumerate() {
        let number = index + 1;
        let Some(expectation) = expectation.as_object() else {
            return Err(wrong(format!("expectation {number} is no object")));
        };
        let met =
            is_met(&policy, expectation).map_err(|why| wrong(format!("expectation {number}: {why}")))?;
        if let Err((sentence, because)) = met {
            failed.push((number, sentence, because));
        }
    }
    let line = |(number, sentence, because): &(usize, String, &str)| {
        Cell::whole(&format!("expectation {number} is not met: {sentence}: {because}")).text().to_owned()
    };
    let mut lines: Vec<String> = failed.iter().map(line).collect();
    let met = expectations.len() - failed.len();
    lines.push(format!("{met} of {} expectations are met\n", expectations.len()));
    let rows: Vec<Value> = (failed.iter())
        .map(|(number, sentence, because)| json!({ "number": number, "what": sentence, "because": because }))
        .collect();
    show(
        arguments,
        context,
        &json!({ "expectations": expectations.len(), "failed": rows }),
        &lines.join("\n"),
    );
    Ok(if failed.is_empty() { EXIT_DONE } else { EXIT_FAILED })
}

/// Whether an expectation is met. If not: what was asked, and what the policy says.
fn is_met(policy: &Policy, expectation: &Object) -> Result<Result<(), (String, &'static str)>, String> {
    if let Some(other) = expectation.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("there is no {}; there are {}", shown(other), KEYS.join(", ")));
    }
    let text = |key: &str| match expectation.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{key} is a text")),
    };
    let needed = |key: &str| text(key)?.ok_or_else(|| format!("{key} is missing"));
    let (role, action, item) = (needed("role")?, needed("action")?, needed("item")?);
    let (owner, owner_id) = match text("owner")?.unwrap_or("self") {
        "self" => ("own", ONE),
        "other" => ("somebody else's", OTHER),
        _ => return Err("owner is self or other".to_owned()),
    };
    let (sharing, shared_with) = match text("shared")?.unwrap_or("nobody") {
        "nobody" => ("", SharedWith::nobody()),
        "user" => (", shared with them", SharedWith::with(ONE)),
        "everybody" => (", shared with everybody", SharedWith::with(ANONYMOUS_ID)),
        _ => return Err("shared is nobody, user or everybody".to_owned()),
    };
    let permitted = expectation.get("permitted").and_then(Value::as_bool);
    let permitted = permitted.ok_or("permitted is true or false")?;
    let visibility = text("visibility")?.unwrap_or(VISIBILITY);
    let access = Access { user_id: ONE, role, action, item, owner_id, visibility, shared_with: &shared_with };
    let may = if permitted { "may" } else { "may not" };
    let sentence = || format!("{role} {may} {action} {owner} {visibility} {item}{sharing}");
    Ok(match (policy.judge(&access), permitted) {
        (Ok(()), true) => Ok(()),
        (Ok(()), false) => Err((sentence(), "no rule stands in the way")),
        // A typing mistake must not look like a denial that was wanted.
        (Err(denial), false) if denial.unknown().is_none() => Ok(()),
        (Err(denial), _) => Err((sentence(), denial.text())),
    })
}
