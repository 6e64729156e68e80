//! Many connections at once, each from a thread of its own with blocking sockets.

use crate::client::Client;
use crate::scenarios::{NEW_SESSION, SESSION_EXISTS, message, new_session};
use crate::server::{Address, Server};
use crate::{Outcome, now, wait};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// Enough for a client, so that a thousand of them need little.
const STACK_BYTES: usize = 256 * 1024;
/// How often the server's memory is looked at.
const WATCH_PERIOD: Duration = Duration::from_millis(50);

/// What is sent again and again.
pub struct Requests {
    /// Where to.
    pub path: &'static str,
    /// Sealed bodies; each connection begins at another one.
    pub bodies: Vec<String>,
}

/// What came of it.
pub struct Measured {
    /// Answers in a second, all connections together.
    pub per_second: f64,
    /// Microseconds from request to answer: the median.
    pub median_micros: u32,
    /// Microseconds that 99 of 100 answers stay below.
    pub p99_micros: u32,
    /// Microseconds of processor time that the server took for each answer.
    pub cpu_micros: u32,
    /// The most memory that the server was seen to keep resident.
    pub resident_kib_max: u64,
}

/// Sends `requests` over as many connections as told for as long as told. Each answer must have status 200, and
/// the last one of each connection must say what it should.
pub fn measure(
    server: &Server<'_>,
    requests: &Requests,
    connections: usize,
    time: Duration,
) -> Outcome<Measured> {
    let ready = Barrier::new(connections + 1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..connections)
            .map(|number| {
                let ready = &ready;
                spawn(scope, move || {
                    let client = Client::connect(server.address);
                    // Reached with or without a connection, or the others would wait forever.
                    ready.wait();
                    send(client?, server.address, requests, number, now() + time)
                })
            })
            .collect();
        ready.wait();
        let begun = now();
        let cpu_before = server.cpu_time()?;
        let mut resident_kib_max = 0;
        while begun.elapsed() < time {
            resident_kib_max = resident_kib_max.max(server.resident_kib()?);
            wait(WATCH_PERIOD);
        }
        let mut micros: Vec<u32> = Vec::new();
        for worker in workers {
            micros.append(&mut joined(worker)?);
        }
        let passed = begun.elapsed();
        let cpu = server.cpu_time()?.saturating_sub(cpu_before);
        micros.sort_unstable();
        Ok(Measured {
            cpu_micros: u32::try_from(cpu.as_micros() / micros.len().max(1) as u128).unwrap_or(u32::MAX),
            per_second: micros.len() as f64 / passed.as_secs_f64(),
            median_micros: micros[micros.len() / 2],
            p99_micros: micros[micros.len() * 99 / 100],
            resident_kib_max,
        })
    })
}

fn send(
    mut client: Client,
    to: Address<'_>,
    requests: &Requests,
    number: usize,
    until: Instant,
) -> Outcome<Vec<u32>> {
    let mut micros = Vec::new();
    // Prime steps keep the connections from walking through the bodies side by side.
    for body in requests.bodies.iter().cycle().skip(number * 7919 % requests.bodies.len()) {
        let begun = now();
        let answer = client.post(requests.path, body)?;
        let ended = now();
        micros.push(u32::try_from((ended - begun).as_micros()).unwrap_or(u32::MAX));
        if ended >= until {
            let answer = to.seal.open(answer)?;
            if answer["success"] != true && answer["request"] != "echo" {
                return Err(format!("a request was refused: {answer}"));
            }
            break;
        }
    }
    Ok(micros)
}

/// What each connection of [`new_sessions`] brought home.
pub struct Made {
    /// The tokens of the sessions.
    pub tokens: Vec<String>,
    /// What ended it before its time.
    pub failure: Option<String>,
}

/// Makes up to `count` sessions over several connections, while `meanwhile` runs beside it. Ends early where
/// the server goes away; a token is in the result only if its answer arrived whole.
pub fn new_sessions(
    to: Address<'_>,
    connections: usize,
    count: usize,
    meanwhile: impl FnOnce() -> Outcome<()>,
) -> Outcome<Vec<Made>> {
    let begun = AtomicUsize::new(0);
    let body = to.seal.seal(&message(NEW_SESSION, &new_session()));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..connections)
            .map(|_| {
                spawn(scope, || {
                    let mut tokens = Vec::new();
                    let failure = (|| {
                        let mut client = Client::connect(to)?;
                        while begun.fetch_add(1, Ordering::Relaxed) < count {
                            let answer = to.seal.open(client.post("/", &body)?)?;
                            let token = answer["response"]["session_token"].as_str();
                            tokens.push(token.ok_or_else(|| format!("no session: {answer}"))?.to_owned());
                        }
                        Ok(())
                    })()
                    .err();
                    Ok(Made { tokens, failure })
                })
            })
            .collect();
        if let Err(reason) = meanwhile() {
            begun.store(count, Ordering::Relaxed);
            return Err(reason);
        }
        workers.into_iter().map(joined).collect()
    })
}

/// Counts the tokens whose session exists.
pub fn count_existing(to: Address<'_>, connections: usize, tokens: &[String]) -> Outcome<usize> {
    let share = tokens.len().div_ceil(connections).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = tokens
            .chunks(share)
            .map(|tokens| {
                spawn(scope, move || {
                    let mut client = Client::connect(to)?;
                    let mut found = 0;
                    for token in tokens {
                        let ask = message(SESSION_EXISTS, &serde_json::json!({ "session_token": token }));
                        let answer = to.seal.open(client.post("/", &to.seal.seal(&ask))?)?;
                        found += usize::from(answer["success"] == true);
                    }
                    Ok(found)
                })
            })
            .collect();
        workers.into_iter().map(joined).sum()
    })
}

fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> Outcome<T> + Send + 'scope,
) -> ScopedJoinHandle<'scope, Outcome<T>> {
    Builder::new()
        .stack_size(STACK_BYTES)
        .spawn_scoped(scope, work)
        .expect("the machine has threads for the connections that were asked for")
}

fn joined<T>(worker: ScopedJoinHandle<'_, Outcome<T>>) -> Outcome<T> {
    worker.join().unwrap_or_else(|_| Err("a thread of the benchmark broke".to_owned()))
}
