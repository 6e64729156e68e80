//! The settings of the server that a command is about.

use super::command::{Arguments, CommandError, Context};
use crate::config::{self, Startup};
use std::io;

/// Reads all settings as a start would, and shows warnings.
///
/// # Errors
/// What is wrong with them; there is no base directory.
pub fn load(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<Startup, CommandError> {
    let (invocation, environment) = (&arguments.invocation, context.environment);
    if let Some(typed) = invocation.setting("basedir") {
        let base = environment.directory.join(typed.trim());
        let is_missing = std::fs::metadata(&base).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if is_missing {
            return Err(CommandError::cannot_tell(format!("there is no base directory {}", base.display())));
        }
    }
    let loaded = config::load(invocation, environment).map_err(CommandError::usage)?;
    for warning in invocation.warnings.iter().chain(&loaded.warnings) {
        context.streams.warn(warning.as_str());
    }
    Ok(loaded)
}
