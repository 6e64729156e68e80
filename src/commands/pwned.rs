//! `authnzerver pwned`: builds the offline filter of leaked passwords, and looks passwords up in it.
//! Passwords are read from standard input and never shown.

mod build;
mod list;
mod sort;

use crate::cli::EXIT_DONE;
use crate::outbound::pwned::filter::PwnedFilter;
use crate::outbound::pwned::password_sha1;
use build::{Order, Portions, build};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use zeroize::Zeroizing;

const USAGE: &str = "\
Usage: authnzerver pwned build LIST OUT [--min-count=N] [--force]
       authnzerver pwned check FILE

build  makes the filter file OUT from LIST, a file with a line `SHA-1:count` for each leaked password
       (`-`: standard input, which then has to be sorted).
       --min-count=N  takes in only passwords that leaked at least N times (default 1)
       --force        replaces OUT
check  reads passwords from standard input, one a line, and says which are in the filter FILE.
       Ends with 0 if none is, 1 if one is, 2 on a fault.
";
/// The longest password that `check` takes.
const PASSWORD_BYTES_MAX: usize = 4096;
/// The same with its line end.
const LINE_BYTES_MAX: usize = PASSWORD_BYTES_MAX + 2;
const LEAKED: u8 = 1;
const FAULT: u8 = 2;

/// Runs `authnzerver pwned` with the arguments behind that word. Passwords come from `input`, results go to
/// `output`, progress and faults to `errors`.
pub fn run(
    arguments: &[OsString],
    input: &mut dyn BufRead,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> u8 {
    let done = match parse(arguments) {
        Some(Command::Build { list, out, min_count, force }) => {
            run_build(&list, Path::new(&out), min_count, force, output, errors)
        }
        Some(Command::Check { file }) => run_check(Path::new(&file), input, output),
        Some(Command::Help) => write!(output, "{USAGE}").map(|()| EXIT_DONE).map_err(Into::into),
        None => Err(USAGE.trim_end().into()),
    };
    let done = done.and_then(|ending| {
        output.flush()?;
        Ok(ending)
    });
    done.unwrap_or_else(|fault| {
        // When standard error is closed too, the exit code has to do.
        let _ = writeln!(errors, "{fault}");
        FAULT
    })
}

type Done = Result<u8, Box<dyn std::error::Error>>;

#[derive(Debug, PartialEq, Eq)]
enum Command {
    Build { list: String, out: String, min_count: u64, force: bool },
    Check { file: String },
    Help,
}

fn parse(arguments: &[OsString]) -> Option<Command> {
    let (mut names, mut min_count, mut force) = (Vec::new(), None, false);
    let words: Option<Vec<&str>> = arguments.iter().map(|word| word.to_str()).collect();
    let mut rest = words?.into_iter();
    while let Some(argument) = rest.next() {
        match argument.split_once('=').unwrap_or((argument, "")) {
            ("--help" | "-h", "") => return Some(Command::Help),
            ("--force", "") => force = true,
            ("--min-count", count) => {
                let count = if argument.contains('=') { count } else { rest.next()? };
                min_count = Some(count.parse().ok().filter(|count| *count > 0)?);
            }
            _ if argument.starts_with("--") => return None,
            _ => names.push(argument),
        }
    }
    match (names.as_slice(), min_count, force) {
        (["build", list, out], min_count, force) => Some(Command::Build {
            list: (*list).to_owned(),
            out: (*out).to_owned(),
            min_count: min_count.unwrap_or(1),
            force,
        }),
        (["check", file], None, false) => Some(Command::Check { file: (*file).to_owned() }),
        _ => None,
    }
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
        File::open(list).map_err(build::BuildFault::ListUnreadable)?
    };
    let mut tell = |text: &str| {
        // Progress that nobody can read is no reason to stop.
        let _ = writeln!(errors, "{text}");
    };
    let built = build(Order { list: &list, out, min_count, force }, Portions::default(), &mut tell)?;
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
