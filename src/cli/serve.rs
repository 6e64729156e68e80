//! `authnzerver serve`: runs the server, after making what a first start needs.

use super::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_FAILED};
use crate::config::{self, Problems, Startup};
use crate::problem::Problem;
use crate::server::lifecycle::End;
use crate::server::process::Process;

/// Serves until the server is told to stop.
///
/// # Errors
/// Settings that it cannot start with.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let (loaded, notes) = load_config(arguments, context).map_err(CommandError::failed)?;
    let end = (context.parts.serve)(loaded, &notes, &Process::new(context.environment));
    Ok(match end {
        End::Stopped => EXIT_DONE,
        End::Failed => EXIT_FAILED,
    })
}

fn load_config(
    arguments: &Arguments,
    context: &Context<'_, '_>,
) -> Result<(Startup, Vec<Problem>), Problems> {
    let (invocation, environment) = (&arguments.invocation, context.environment);
    let notes = config::make_what_is_missing(invocation, environment, context.parts.rng)?;
    let mut loaded = config::load(invocation, environment)?;
    loaded.warnings.extend(invocation.warnings.iter().cloned());
    Ok((loaded, notes))
}
