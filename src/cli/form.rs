//! The formats in which settings and requests are listed.

use super::command::{Arguments, CommandError};
use crate::config::shown;

/// What the first word asks for: the plain form if there is no word, or one of the named forms.
///
/// # Errors
/// It is none of these.
pub fn wanted_form<F: Copy>(
    arguments: &Arguments,
    plain: F,
    named: &[(&'static str, F)],
) -> Result<F, CommandError> {
    let Some(word) = arguments.word(0) else { return Ok(plain) };
    named.iter().find(|(name, _)| *name == word).map(|(_, form)| *form).ok_or_else(|| {
        let names: Vec<String> = named.iter().map(|(name, _)| format!("`{name}`")).collect();
        let problem =
            format!("{} is not an output format; give {} or nothing", shown(word), names.join(", "));
        CommandError::cannot_tell(problem)
    })
}
