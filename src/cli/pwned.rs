//! `authnzerver pwned`: builds the offline filter of leaked passwords, and looks passwords up in it.
//! Passwords are read from standard input and never shown.

use super::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_USAGE};
use crate::outbound::pwned::builder::{BuildError, Order, Portions, build};
use crate::outbound::pwned::filter::PwnedFilter;
use crate::outbound::pwned::password_sha1;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use zeroize::Zeroizing;

/// The longest password that `check` takes.
const PASSWORD_BYTES_MAX: usize = 4096;
/// The same with its line end.
const LINE_BYTES_MAX: usize = PASSWORD_BYTES_MAX + 2;
const LEAKED: u8 = 1;

type Done = Result<u8, Box<dyn std::error::Error>>;

/// Makes a filter from a list. Progress goes to standard error.
///
/// # Errors
/// A list that is none, and what the file system says.
pub fn build_filter(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let min_count = match arguments.option("min-count").map(str::parse) {
        None => 1,
        Some(Ok(count)) if count > 0 => count,
        Some(_) => return Err(cannot_tell(&"--min-count must be a number above zero")),
    };
    let (list, out) = (arguments.word(0).unwrap_or_default(), arguments.word(1).unwrap_or_default());
    let force = arguments.option("force").is_some();
    let streams = &mut *context.streams;
    finish(run_build(list, Path::new(out), min_count, force, streams.output, streams.errors), streams.output)
}

/// Looks passwords up in a filter. They are read from standard input and never shown.
///
/// # Errors
/// A filter that is none, a password that is too long, and what the file system says.
pub fn check_passwords(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let file = arguments.word(0).unwrap_or_default();
    let streams = &mut *context.streams;
    finish(run_check(Path::new(file), streams.input, streams.output), streams.output)
}

fn finish(done: Done, output: &mut dyn Write) -> Result<u8, CommandError> {
    let ending = done.map_err(|error| cannot_tell(&error))?;
    output.flush().map_err(|error| cannot_tell(&error))?;
    Ok(ending)
}

/// 1 says that a password was breached, so that an error is 2.
fn cannot_tell(error: &dyn Display) -> CommandError {
    CommandError { problems: vec![error.to_string()], status: EXIT_USAGE }
}

fn run_build(
    list: &str,
    out: &Path,
    min_count: u64,
    force: bool,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> Done {
    let list = if list == "-" {
        File::from(io::stdin().as_fd().try_clone_to_owned()?)
    } else {
        File::open(list).map_err(BuildError::ListUnreadable)?
    };
    let mut tell = |text: &str| {
        // Progress that nobody can read is no reason to stop.
        let _ = writeln!(errors, "{text}");
    };
    let built = build(&Order { list: &list, out, min_count, force }, Portions::default(), &mut tell)?;
    writeln!(
        output,
        "{}: {} hashes from {} lines, {} bytes. Finds each of them, and by mistake one other password in 65,536.",
        out.display(),
        built.hashes,
        built.lines,
        built.bytes
    )?;
    Ok(EXIT_DONE)
}

fn run_check(file: &Path, input: &mut dyn BufRead, output: &mut dyn Write) -> Done {
    let filter = PwnedFilter::open(file)?;
    let mut ending = EXIT_DONE;
    // All the room at once, since a growing buffer would leave pieces of passwords behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX));
    for number in 1_u64.. {
        line.clear();
        if input.take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let password = line.strip_suffix(b"\n").unwrap_or(&line);
        let password = password.strip_suffix(b"\r").unwrap_or(password);
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(format!("line {number} is longer than {PASSWORD_BYTES_MAX} bytes").into());
        }
        let verdict = if filter.contains(password_sha1(password).expose())? {
            ending = LEAKED;
            "leaked"
        } else {
            "not found"
        };
        writeln!(output, "line {number}: {verdict}")?;
    }
    Ok(ending)
}

#[cfg(test)]
mod tests;
