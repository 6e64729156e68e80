//! Where the commands about accounts are carried out: on the local database, as the server with the same settings would
//! open it.
//!
//! | file | what |
//! | --- | --- |
//! | `interface.rs` | what can be done with accounts |
//! | `database.rs` | the local database, and who is in it |
//! | `local.rs` | what is done with accounts there |
//! | `issued.rs` | sessions, API keys and locks there |
//! | `refusals.rs` | why something was not done |

mod database;
mod interface;
mod issued;
mod local;
mod refusals;

use super::command::{Arguments, CommandError, Context};
use crate::config;
use crate::server::process::Process;
pub use database::Local;
pub use interface::{Account, Accounts, Listing, Which};

/// Opens what the command line is about.
///
/// # Errors
/// Why it cannot be used.
pub fn open(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<Box<dyn Accounts>, CommandError> {
    Ok(Box::new(open_local(arguments, context)?))
}

/// Opens the local database, as the server with these settings would, but makes and changes nothing by that.
///
/// # Errors
/// Why it cannot be used.
pub fn open_local(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<Local, CommandError> {
    let (invocation, environment) = (&arguments.invocation, context.environment);
    let loaded = config::load(invocation, environment).map_err(CommandError::usage)?;
    for warning in invocation.warnings.iter().chain(&loaded.warnings) {
        context.streams.warn(warning);
    }
    let app = (context.parts.open)(loaded, &Process::new(environment)).map_err(CommandError::cannot_tell)?;
    Ok(Local::new(app))
}
