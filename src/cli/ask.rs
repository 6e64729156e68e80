//! What a command asks back: whether it is meant so, and for a password. Where nobody can be asked, an option or a line of
//! standard input has to say it.

use super::command::{Arguments, CommandError, Context};
use crate::config::arguments::OptionRow;
use crate::guard::secret::Password;

/// The option that stands for a yes.
pub const YES: OptionRow = OptionRow::flag("yes", "do not ask whether it is meant so");
/// The option that says where the password comes from.
pub const PASSWORD: OptionRow =
    OptionRow::with_value("password", "=-", "read the password from standard input, one line");

/// Asks whether it is meant so, unless that was said.
///
/// # Errors
/// It is not, or nobody can be asked.
pub fn confirm(
    arguments: &Arguments,
    context: &mut Context<'_, '_>,
    question: &str,
) -> Result<(), CommandError> {
    if arguments.has(YES.name) {
        return Ok(());
    }
    if !context.streams.input_is_terminal {
        return Err(CommandError::cannot_tell(format!("{question} Nobody can be asked here: --yes says so")));
    }
    let answer = context.streams.confirm(question);
    let is_meant = answer.map_err(|error| CommandError::cannot_tell(format!("the terminal: {error}")))?;
    if is_meant { Ok(()) } else { Err(CommandError::refused("nothing was done")) }
}

/// A new password: asked for twice at a terminal, otherwise a line of standard input. `is_said`: whether an option has to
/// say that standard input holds it.
///
/// # Errors
/// There is none.
pub fn new_password(
    arguments: &Arguments,
    context: &mut Context<'_, '_>,
    is_said: bool,
) -> Result<Password, CommandError> {
    let from_input = match arguments.option(PASSWORD.name) {
        Some("-") => true,
        Some(_) => {
            let problem = "--password: a command line is no place for a password; --password=- reads it from standard \
                           input";
            return Err(CommandError::cannot_tell(problem));
        }
        None if context.streams.input_is_terminal => false,
        None if is_said => {
            let problem =
                "nobody can be asked for the password here: --password=- reads it from standard input";
            return Err(CommandError::cannot_tell(problem));
        }
        None => true,
    };
    let (read, from) = if from_input {
        (context.streams.read_line(), "standard input")
    } else {
        (context.streams.ask_new_password(), "the terminal")
    };
    let password = read.map_err(|error| CommandError::cannot_tell(format!("{from}: {error}")))?;
    if password.expose().is_empty() {
        return Err(CommandError::cannot_tell("there is no password"));
    }
    Ok(Password::from(password.expose().as_str()))
}
