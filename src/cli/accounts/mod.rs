//! Where the commands about accounts are carried out: on the local database, as the server with the same settings would
//! open it, or by the requests of a running server.
//!
//! | file | what |
//! | --- | --- |
//! | `interface.rs` | what can be done with accounts |
//! | `database.rs` | the local database, and who is in it |
//! | `local.rs` | what is done with accounts there |
//! | `issued.rs` | sessions, API keys and locks there |
//! | `records.rs` | events, unsent emails, and how much there is of what there |
//! | `transfer.rs` | accounts that move in and out |
//! | `refusals.rs` | why something was not done |
//! | `remote.rs` | what is done with accounts by a running server |

mod database;
mod interface;
mod issued;
mod local;
mod records;
mod refusals;
mod remote;
mod transfer;

use super::client::{Client, url};
use super::command::{Arguments, CommandError, Context};
use super::load::load;
use super::operator::operator;
use crate::server::process::Process;
pub use database::Local;
pub use interface::{Account, Accounts, Counts, Listing, Question, Which};
use remote::{Remote, no_request};

/// Opens what the command line is about: the local database, or the running server that it names.
///
/// # Errors
/// Why it cannot be used.
pub fn open<'a>(
    arguments: &Arguments,
    context: &mut Context<'a, '_>,
) -> Result<Box<dyn Accounts + 'a>, CommandError> {
    if url(arguments).is_some() {
        let client = Client::open(arguments, context)?.for_operator(operator());
        return Ok(Box::new(Remote::new(client)));
    }
    Ok(Box::new(open_local(arguments, context)?))
}

/// Opens the local database, as the server with these settings would, but makes and changes nothing by that.
///
/// # Errors
/// Why it cannot be used.
pub fn open_local(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<Local, CommandError> {
    if url(arguments).is_some() {
        return Err(no_request());
    }
    let loaded = load(arguments, context)?;
    let process = Process::new(context.environment);
    (context.parts.open)(loaded, &process).map(Local::new).map_err(CommandError::cannot_tell)
}
