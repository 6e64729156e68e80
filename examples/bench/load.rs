//! Many connections at once, each on a coroutine of its own, all on one thread, so that the server has the rest of the machine.

use crate::client::{self, Client};
use crate::scenarios::{NEW_SESSION, SESSION_EXISTS, message, new_session};
use crate::seal::Seal;
use crate::server::{Address, Process};
use crate::{Outcome, now, wait};
use may::sync::SyncFlag;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Enough for a client, so that a thousand of them need little.
const STACK_BYTES: usize = 128 * 1024;
/// Threads that ask.
const THREADS: usize = 1;
/// So many connections are opened at a time, where there are many.
const OPENERS: usize = 32;
/// How often the server's memory is looked at.
const WATCH_PERIOD: Duration = Duration::from_millis(50);

/// What is sent again and again.
pub struct Requests {
    list: Vec<Request>,
    /// Whether the body of an answer says what it should.
    check: fn(&Seal, &[u8]) -> Outcome<()>,
}

struct Request {
    bytes: Vec<u8>,
    /// Whether its time is among those that are told.
    is_timed: bool,
}

impl Requests {
    /// Sealed bodies for a path, and whether each is timed. Each connection begins at another one.
    pub fn new(path: &str, bodies: impl IntoIterator<Item = (String, bool)>) -> Self {
        let request =
            |(body, is_timed): (String, bool)| Request { bytes: client::post(path, &body), is_timed };
        Self { list: bodies.into_iter().map(request).collect(), check: says_success }
    }

    /// Whole requests, and what looks at the bodies of their answers.
    pub fn plain(
        requests: impl IntoIterator<Item = Vec<u8>>,
        check: fn(&Seal, &[u8]) -> Outcome<()>,
    ) -> Self {
        let request = |bytes| Request { bytes, is_timed: true };
        Self { list: requests.into_iter().map(request).collect(), check }
    }
}

fn says_success(seal: &Seal, body: &[u8]) -> Outcome<()> {
    let answer = seal.open(body)?;
    if answer["success"] == true || answer["request"] == "echo" {
        Ok(())
    } else {
        Err(format!("a request was refused: {answer}"))
    }
}

impl Requests {
    /// Sends the first of them, which must be answered by status 200.
    pub fn ask_first(&self, client: &mut Client) -> Outcome<()> {
        let first = self.list.first().ok_or("there is nothing to ask")?;
        client.ask(&first.bytes)?.map(drop).ok_or_else(|| "the server has too much to do".to_owned())
    }
}

/// Opens so many connections, a few at a time, each of which asks once and stays.
pub fn each_asks_once(to: Address<'_>, requests: &Requests, connections: usize) -> Outcome<Vec<Client>> {
    may::coroutine::scope(|scope| {
        let openers: Vec<_> = (0..OPENERS)
            .map(|number| {
                may::go!(scope, move || {
                    let share = (number..connections).step_by(OPENERS);
                    share
                        .map(|_| {
                            let mut client = Client::connect(to)?;
                            requests.ask_first(&mut client)?;
                            Ok(client)
                        })
                        .collect::<Outcome<Vec<Client>>>()
                })
            })
            .collect();
        let mut clients = Vec::with_capacity(connections);
        for opener in openers {
            clients.append(&mut opener.join()?);
        }
        Ok(clients)
    })
}

/// What came of it.
pub struct Measured {
    /// Answers in a second, all connections together.
    pub per_second: f64,
    /// How often the server said that it has too much to do. No such answer counts in the others.
    pub refused: u32,
    /// Microseconds from request to answer: the median.
    pub median_micros: u32,
    /// Microseconds that 99 of 100 answers stay below.
    pub p99_micros: u32,
    /// Microseconds of processor time that the server took for each answer.
    pub cpu_micros: f64,
    /// The most memory that the server was seen to keep resident.
    pub resident_kib_max: u64,
}

/// Sends `requests` over as many connections as told for as long as told. Each answer must have status 200, and
/// the last one of each connection must say what it should.
pub fn measure(
    process: &Process,
    to: Address<'_>,
    requests: &Requests,
    connections: usize,
    time: Duration,
) -> Outcome<Measured> {
    let (connected, go) = (AtomicUsize::new(0), SyncFlag::new());
    may::coroutine::scope(|scope| {
        let workers: Vec<_> = (0..connections)
            .map(|number| {
                let (connected, go) = (&connected, &go);
                may::go!(scope, move || {
                    let client = Client::connect(to);
                    // Counted with or without a connection, or the others would wait forever.
                    connected.fetch_add(1, Ordering::Relaxed);
                    go.wait();
                    send(client?, to, requests, number, now() + time)
                })
            })
            .collect();
        while connected.load(Ordering::Relaxed) < connections {
            wait(WATCH_PERIOD);
        }
        let cpu_before = process.cpu_time()?;
        let begun = now();
        go.fire();
        let mut resident_kib_max = 0;
        while begun.elapsed() < time {
            resident_kib_max = resident_kib_max.max(process.resident_kib()?);
            wait(WATCH_PERIOD);
        }
        let mut all = Answers::default();
        for worker in workers {
            let mut answers = worker.join()?;
            all.count += answers.count;
            all.refused += answers.refused;
            all.micros.append(&mut answers.micros);
        }
        let Answers { count, refused, mut micros } = all;
        let passed = begun.elapsed();
        let cpu = process.cpu_time()?.saturating_sub(cpu_before);
        micros.sort_unstable();
        Ok(Measured {
            cpu_micros: cpu.as_secs_f64() * 1e6 / f64::from(count.max(1)),
            per_second: f64::from(count) / passed.as_secs_f64(),
            median_micros: micros.get(micros.len() / 2).copied().unwrap_or(u32::MAX),
            p99_micros: micros.get(micros.len() * 99 / 100).copied().unwrap_or(u32::MAX),
            resident_kib_max,
            refused,
        })
    })
}

/// What one connection was answered.
#[derive(Default)]
struct Answers {
    count: u32,
    refused: u32,
    /// The times that are told.
    micros: Vec<u32>,
}

fn send(
    mut client: Client,
    to: Address<'_>,
    requests: &Requests,
    number: usize,
    until: Instant,
) -> Outcome<Answers> {
    let mut answers = Answers::default();
    // Prime steps keep the connections from walking through the requests side by side.
    for request in requests.list.iter().cycle().skip(number * 7919 % requests.list.len().max(1)) {
        let begun = now();
        let answer = client.ask(&request.bytes)?;
        let ended = now();
        match answer {
            Some(_) => answers.count += 1,
            None => answers.refused += 1,
        }
        if request.is_timed && answer.is_some() {
            answers.micros.push(u32::try_from((ended - begun).as_micros()).unwrap_or(u32::MAX));
        }
        if ended >= until {
            answer.map_or(Ok(()), |answer| (requests.check)(to.seal, answer))?;
            break;
        }
        // Or whoever is answered at once would go on while others, whose answers are there, wait for their turn.
        may::coroutine::yield_now();
    }
    Ok(answers)
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
    may::coroutine::scope(|scope| {
        let workers: Vec<_> = (0..connections)
            .map(|_| {
                may::go!(scope, || {
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
                    Outcome::Ok(Made { tokens, failure })
                })
            })
            .collect();
        if let Err(reason) = meanwhile() {
            begun.store(count, Ordering::Relaxed);
            return Err(reason);
        }
        let mut made = Vec::new();
        for worker in workers {
            made.push(worker.join()?);
        }
        Ok(made)
    })
}

/// Counts the tokens whose session exists.
pub fn count_existing(to: Address<'_>, connections: usize, tokens: &[String]) -> Outcome<usize> {
    let share = tokens.len().div_ceil(connections).max(1);
    may::coroutine::scope(|scope| {
        let workers: Vec<_> = tokens
            .chunks(share)
            .map(|tokens| {
                may::go!(scope, move || {
                    let mut client = Client::connect(to)?;
                    let mut found = 0;
                    for token in tokens {
                        let ask = message(SESSION_EXISTS, &serde_json::json!({ "session_token": token }));
                        let answer = to.seal.open(client.post("/", &to.seal.seal(&ask))?)?;
                        found += usize::from(answer["success"] == true);
                    }
                    Outcome::Ok(found)
                })
            })
            .collect();
        let mut found = 0;
        for worker in workers {
            found += worker.join()?;
        }
        Ok(found)
    })
}

/// Says once how coroutines run, before the first of them.
pub fn configure() {
    may::config().set_workers(THREADS).set_stack_size(STACK_BYTES / size_of::<usize>()).set_worker_pin(false);
}
