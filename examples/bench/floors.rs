//! What the parts cost by themselves, on the same machine and in the same minutes: the least that a server could take.

use crate::load::{Measured, Requests, measure};
use crate::seal::Seal;
use crate::server::{Address, PATIENCE, Process, free_port};
use crate::{Outcome, now};
use may_minihttp::{HttpServer, HttpService, Request, Response};
use rusqlite::Connection;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How often each is done; the median counts.
const TIMES: usize = 2_000;
/// How often passwords are hashed.
const HASHES: usize = 9;
/// What a commit of a few rows writes, about.
const BLOCK: [u8; 4096] = [0x5a; 4096];

/// Sends a body back.
#[derive(Clone)]
struct Echo;

impl HttpService for Echo {
    fn call(&mut self, request: Request<'_, '_, '_>, response: &mut Response<'_>) -> io::Result<()> {
        let mut body = Vec::with_capacity(BLOCK.len());
        request.body().read_to_end(&mut body)?;
        response.body_vec(body);
        Ok(())
    }
}

/// Serves echoes with `may_minihttp` and nothing else, until it is killed.
pub fn serve_echo(port: usize, workers: usize) -> Outcome<()> {
    may::config().set_workers(workers).set_worker_pin(false);
    let port = u16::try_from(port).map_err(|_| "there is no such port")?;
    let serving = HttpServer(Echo).start((Ipv4Addr::LOCALHOST, port));
    serving
        .map_err(|error| format!("cannot serve echoes: {error}"))?
        .join()
        .map_err(|_| "the echo broke".to_owned())
}

/// Such a server, in a process of its own.
pub struct BareEcho<'base> {
    process: Process,
    address: Address<'base>,
}

impl<'base> BareEcho<'base> {
    /// Starts this program as one.
    pub fn start(seal: &'base Seal, workers: usize) -> Outcome<Self> {
        let port = free_port()?;
        let own = std::env::current_exe().map_err(|error| format!("does not find itself: {error}"))?;
        let mut command = Command::new(own);
        command
            .args(["echo", &format!("--port={port}"), &format!("--workers={workers}")])
            .stdin(Stdio::null());
        let mut process = Process::start(&mut command)?;
        process.until_it_listens(port, PATIENCE)?;
        Ok(Self { process, address: Address { port, seal, tls: None } })
    }

    /// As for the server.
    pub fn measure(&self, requests: &Requests, connections: usize, time: Duration) -> Outcome<Measured> {
        measure(&self.process, self.address, requests, connections, time)
    }
}

/// To open a sealed message and to seal it again.
pub fn sealing(seal: &Seal, body: &str) -> Outcome<Duration> {
    median_of(TIMES, || {
        let opened = seal.open(body.as_bytes())?;
        std::hint::black_box(seal.seal(&opened));
        Ok(())
    })
}

/// To find a session in this database, and to read all of its row.
pub fn lookup(database: &Path) -> Outcome<Duration> {
    let failed = |error: rusqlite::Error| format!("cannot read {}: {error}", database.display());
    let connection = Connection::open(database).map_err(failed)?;
    // Spread over the whole table: their first bytes say when they were made.
    let some = "SELECT token_hash FROM sessions ORDER BY substr(token_hash, 3) LIMIT 4096";
    let mut tokens = connection.prepare(some).map_err(failed)?;
    let tokens = tokens.query_map([], |row| row.get(0)).map_err(failed)?;
    let tokens: Vec<Vec<u8>> = tokens.collect::<Result<_, _>>().map_err(failed)?;
    let mut tokens = tokens.iter().cycle();
    let statement =
        "SELECT s.*, u.* FROM sessions s JOIN users u ON u.user_id = s.user_id WHERE token_hash = ?1";
    let mut statement = connection.prepare(statement).map_err(failed)?;
    median_of(TIMES, || {
        let token = tokens.next().ok_or("there are no sessions")?;
        let mut rows = statement.query([token]).map_err(failed)?;
        let row = rows.next().map_err(failed)?.ok_or("a session is gone")?;
        for column in 0..20 {
            std::hint::black_box(row.get_ref(column).map_err(failed)?);
        }
        Ok(())
    })
}

/// To write 4 KiB at the end of a file in this folder, and to have them on the disk.
pub fn syncing(folder: &Path) -> Outcome<Duration> {
    let path = folder.join("synced");
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let mut file = File::create(&path).map_err(failed)?;
    median_of(TIMES / 10, || file.write_all(&BLOCK).and_then(|()| file.sync_data()).map_err(failed))
}

/// Processor time of one hash by the reference implementation in C, where the machine has it: the program `argon2`.
pub fn reference_argon2() -> Option<Duration> {
    let mut times: Vec<Duration> = (0..HASHES).map_while(|_| one_reference_hash()).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

fn one_reference_hash() -> Option<Duration> {
    // The shell's `times` tells, on its second line, what those that it waited for have taken.
    let script = "printf aROwQin9L8nNtPTEMLXd | argon2 sixteenbytesalt! -id -t 3 -k 65536 -p 4 -l 32 >/dev/null || exit 1; times";
    let output = Command::new("bash").args(["-c", script]).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    let parts = text.lines().nth(1)?.split_whitespace().map(seconds);
    parts.sum::<Option<f64>>().map(Duration::from_secs_f64)
}

/// Reads `0m0.123s`.
fn seconds(text: &str) -> Option<f64> {
    let (minutes, seconds) = text.strip_suffix('s')?.split_once('m')?;
    Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
}

fn median_of(times: usize, mut work: impl FnMut() -> Outcome<()>) -> Outcome<Duration> {
    let mut durations = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = now();
        work()?;
        durations.push(now().duration_since(begun));
    }
    durations.sort_unstable();
    Ok(durations[times / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_bash_writes_them() {
        assert_eq!(seconds("1m0.250s"), Some(60.25));
        assert_eq!(seconds("0.250"), None);
    }
}
