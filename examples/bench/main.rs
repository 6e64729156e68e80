//! Measures the server on the machine that it runs on, and proves that what it answered survives `kill -9`.
//!
//! It starts the release binary itself, on a free port of the loopback interface and in a folder of its own
//! that is removed afterwards. But for `argon2` and for how to open many files, it shares no code with the server: what it
//! knows is the wire. Rates depend on the machine and on this program running beside the server, so each is also given as a
//! share of a floor, which was measured in the same minute.
//!
//! ```text
//! bench run    [--binary=FILE] [--workers=3] [--rows=10000] [--connections=16,64] [--crowd=1000]
//!              [--idle-crowd=10000] [--seconds=3] [--rounds=5] [--only=NAME,NAME] [--tls] [--json=FILE]
//!              [--peers=FOLDER] [--original=FILE]
//! bench kill9  [--binary=FILE] [--workers=3] [--connections=16] [--rounds=5]
//! bench argon2 [--rounds=5]
//! bench echo   --port=NUMBER [--workers=3]
//! ```
//!
//! There is one worker more than there are processors, as docs/settings.md advises, but no more than the server has by itself,
//! unless it is told otherwise.
//! `echo` is the least that a server of this kind can be; `run` starts it by itself.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod argon2;
mod client;
mod durability;
mod floors;
mod load;
mod peers;
mod redis;
mod report;
mod scenarios;
mod seal;
mod server;
mod text;
mod tls;
mod whole;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What ends the benchmark: a text for the person at the terminal.
type Outcome<T> = Result<T, String>;

/// The server's default, up to which its budgets for memory hold.
const WORKERS_BY_DEFAULT: usize = 4;

/// How to measure; each is an option of the command line.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    /// The program.
    binary: PathBuf,
    /// The server's own setting.
    workers: usize,
    /// Sessions in the table before anything is measured.
    rows: usize,
    /// Connections that ask all the time; everything is measured for each of these numbers.
    connections: Vec<usize>,
    /// Connections for the look at the memory of a busy server.
    crowd: usize,
    /// Connections that have asked once, for the look at the memory that they keep.
    idle_crowd: usize,
    /// How long a scenario is measured in each round.
    seconds: u64,
    /// How often everything is measured.
    rounds: usize,
    /// Scenarios to measure beside the floors; all of them and other servers, if none is named.
    only: Vec<String>,
    /// Whether everything goes over TLS.
    tls: bool,
    /// Where other servers are installed that can be measured beside it.
    peers: PathBuf,
    /// The Python authnzerver's program, `authnzrv`.
    original: Option<PathBuf>,
    /// Where to write what was measured as JSON.
    json: Option<PathBuf>,
    /// Where to serve echoes.
    port: usize,
}

fn main() -> ExitCode {
    load::configure();
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let outcome = parse(arguments).and_then(|options| match command.as_str() {
        "run" => report::run(&options),
        "kill9" => durability::run(&options),
        "argon2" => argon2::run(&options),
        "echo" => floors::serve_echo(options.port, options.workers),
        _ => Err("say `bench run`, `bench kill9`, `bench argon2` or `bench echo`".to_owned()),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("bench: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the command line.
fn parse(arguments: impl Iterator<Item = String>) -> Outcome<Options> {
    let builds = builds()?;
    let mut options = Options {
        binary: builds.join("release/authnzerver"),
        peers: builds.join("peers"),
        original: None,
        workers: (std::thread::available_parallelism().map_or(2, usize::from) + 1).min(WORKERS_BY_DEFAULT),
        rows: 10_000,
        connections: vec![16],
        crowd: 1_000,
        idle_crowd: 10_000,
        seconds: 3,
        rounds: 5,
        only: Vec::new(),
        tls: false,
        json: None,
        port: 0,
    };
    for argument in arguments {
        let (name, value) = argument.split_once('=').unwrap_or((&argument, ""));
        match name {
            "--binary" => options.binary = value.into(),
            "--workers" => options.workers = count(name, value)?,
            "--rows" => options.rows = count(name, value)?,
            "--connections" => {
                options.connections = value.split(',').map(|one| count(name, one)).collect::<Outcome<_>>()?;
            }
            "--json" => options.json = Some(value.into()),
            "--peers" => options.peers = value.into(),
            "--original" => options.original = Some(value.into()).filter(|_| !value.is_empty()),
            "--port" => options.port = count(name, value)?,
            "--crowd" => options.crowd = count(name, value)?,
            "--idle-crowd" => options.idle_crowd = count(name, value)?,
            "--seconds" => options.seconds = count(name, value)? as u64,
            "--rounds" => options.rounds = count(name, value)?,
            "--tls" if value.is_empty() => options.tls = true,
            "--only" => options.only = value.split(',').map(str::to_owned).collect(),
            _ => return Err(format!("does not know the option {argument}")),
        }
    }
    Ok(options)
}

/// The time, for measuring.
#[expect(clippy::disallowed_methods, reason = "what a benchmark measures is the real time")]
fn now() -> Instant {
    Instant::now()
}

/// Waits for real; every connection has a thread of its own, so nobody else is held up.
#[expect(clippy::disallowed_methods, reason = "the server under test lives in real time")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// A number above zero.
fn count(name: &str, value: &str) -> Outcome<usize> {
    value
        .parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("{name} takes a number above 0, such as {name}=5"))
}

/// The folder of whatever builds this program itself is one of.
fn builds() -> Outcome<PathBuf> {
    let own = std::env::current_exe().map_err(|error| format!("does not find itself: {error}"))?;
    let builds = own.ancestors().nth(3).ok_or("does not find the folder of the builds")?;
    Ok(builds.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Outcome<Options> {
        parse(arguments.iter().map(|text| (*text).to_owned()))
    }

    #[test]
    fn options_are_read() {
        let options = parsed(&["--binary=/x/y", "--rows=7", "--only=a,b"]).expect("good options");
        assert_eq!((options.binary, options.rows), (PathBuf::from("/x/y"), 7));
        assert_eq!((options.only, options.tls), (vec!["a".to_owned(), "b".to_owned()], false));
        assert!(parsed(&["--tls"]).expect("a good option").tls);
    }

    #[test]
    fn bad_options_are_refused() {
        for bad in ["--rows", "--rows=0", "--rows=many", "--speed=9", "--tls=no"] {
            assert!(parsed(&[bad]).is_err(), "{bad}");
        }
    }
}
