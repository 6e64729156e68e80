//! Runs the measurements in interleaved rounds and prints what came out, as tables and, if told, as JSON.

use crate::floors::{self, BareEcho};
use crate::load::{Measured, Requests, new_sessions};
use crate::peers::{Peer, Peers};
use crate::scenarios::{NEW_SESSION, SCENARIOS, SESSION_EXISTS, Scenario, Stage};
use crate::server::{Base, Server};
use crate::text::{budget, line, mebibytes, mebibytes_of, milliseconds};
use crate::{Options, Outcome, now, redis, whole};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What the server promises, for a release build against musl.
const BINARY_BYTES_MAX: u64 = 6 * 1024 * 1024;
/// What Redis is called in the report.
const REDIS: &str = "Redis GET";
/// Connections over which the table is filled.
const FILLING_CONNECTIONS: usize = 64;

/// Measures everything, which takes about `rounds` x `seconds` x the number of scenarios for each number of connections.
pub fn run(options: &Options) -> Outcome<()> {
    let (chosen, machine) = (chosen(&options.only)?, machine());
    let base = Base::new(options)?;
    println!("{}", options.binary.display());
    let bytes = base.binary_bytes()?;
    budget("binary", &mebibytes(bytes), bytes <= BINARY_BYTES_MAX, &mebibytes(BINARY_BYTES_MAX));

    let server = base.start()?;
    let first_start = server.start_time;
    line("start, new database", &milliseconds(first_start));
    let tokens = fill(&server, options)?;
    let mut stage = Stage::new(server.address, &tokens)?;
    let prepared: Vec<Requests> =
        chosen.iter().map(|scenario| stage.prepare(scenario)).collect::<Outcome<_>>()?;
    let example = stage.example()?;
    drop(stage);
    let is_whole = options.only.is_empty();
    let bare = BareEcho::start(base.seal(), options.workers)?;
    let mut peers = if is_whole { Peers::start(&base, options)? } else { Peers::none() };
    let mut series = Vec::new();
    for connections in &options.connections {
        let measuring = Measuring {
            options,
            connections: *connections,
            base: &base,
            server: &server,
            peers: &peers.running,
        };
        let rows = measuring.rows(&chosen, &prepared, &bare)?;
        table(options, *connections, &rows);
        series.push((*connections, rows));
    }
    drop(bare);
    peers.running.clear();
    if is_whole && series.iter().all(|(_, rows)| rows.iter().all(|row| row.name != REDIS)) {
        peers.left_out.push(format!("{REDIS}: there is no redis-server"));
    }
    println!();
    peers.left_out.iter().for_each(|reason| line("left out", reason));
    let place = |name| chosen.iter().position(|scenario| scenario.name == name).unwrap_or(0);
    let [looks_up, writes] = [SESSION_EXISTS, NEW_SESSION].map(|name| &prepared[place(name)]);
    let mut whole = whole::measure(&base, server, options, looks_up, writes)?;
    let parts = if is_whole { parts(&base, &example)? } else { Vec::new() };
    if let Some(path) = &options.json {
        let Value::Object(rest) = json!({
            "machine": machine,
            "binary_bytes": bytes,
            "rows": options.rows,
            "rounds": options.rounds,
            "seconds": options.seconds,
            "left_out": peers.left_out,
            "first_start_ms": first_start.as_millis(),
            "parts_micros": parts.into_iter().collect::<Map<_, _>>(),
            "series": series.iter().map(|(count, rows)| as_json(*count, rows)).collect::<Vec<_>>(),
        }) else {
            return Ok(());
        };
        whole.extend(rest);
        let text = format!("{:#}\n", Value::Object(whole));
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Where this runs, and how much else ran there before.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, model)| model);
    let (cores, kernel) =
        (std::thread::available_parallelism().map_or(1, usize::from), read("/proc/sys/kernel/osrelease"));
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    let kernel = kernel.split(['-', '+', '\n']).next().unwrap_or_default();
    format!("{cores} cores of {model}, Linux {kernel}, load {load} before")
}

/// A line of a table: what was measured in each round.
struct Row {
    name: &'static str,
    rounds: Vec<Measured>,
}

/// One number of connections.
struct Measuring<'a> {
    options: &'a Options,
    connections: usize,
    base: &'a Base,
    server: &'a Server<'a>,
    peers: &'a [Peer<'a>],
}

impl Measuring<'_> {
    /// The floors first.
    fn rows(
        &self,
        chosen: &[&'static Scenario],
        prepared: &[Requests],
        bare: &BareEcho<'_>,
    ) -> Outcome<Vec<Row>> {
        let time = Duration::from_secs(self.options.seconds);
        let fits = |scenario: &Scenario| scenario.connections_max.is_none_or(|max| self.connections <= max);
        let asked: Vec<_> = chosen.iter().zip(prepared).filter(|(scenario, _)| fits(scenario)).collect();
        let mut rows: Vec<Row> =
            asked.iter().map(|(scenario, _)| Row { name: scenario.name, rounds: Vec::new() }).collect();
        let mut bare_rounds = Vec::new();
        let of_peer = |peer: &Peer<'_>| Row { name: peer.name, rounds: Vec::new() };
        let mut of_peers: Vec<Row> = self.peers.iter().map(of_peer).collect();
        for _ in 0..self.options.rounds {
            if let Some(echoes) = prepared.first() {
                bare_rounds.push(bare.measure(echoes, self.connections, time)?);
            }
            for ((_, requests), row) in asked.iter().zip(&mut rows) {
                row.rounds.push(self.server.measure(requests, self.connections, time)?);
                self.base.empty_log()?;
            }
            for (peer, row) in self.peers.iter().zip(&mut of_peers) {
                row.rounds.push(peer.measure(self.connections, time)?);
            }
        }
        rows.insert(0, Row { name: "bare may_minihttp", rounds: bare_rounds });
        if self.options.only.is_empty()
            && let Some(redis) = redis::measure(self.base.folder(), self.connections)?
        {
            rows.insert(1, Row { name: REDIS, rounds: vec![redis] });
        }
        rows.append(&mut of_peers);
        Ok(rows)
    }
}

/// What parts of the work take by themselves, in microseconds.
fn parts(base: &Base, example: &str) -> Outcome<Vec<(String, Value)>> {
    let mut parts = vec![
        ("open and seal", floors::sealing(base.seal(), example)?),
        ("SQLite lookup", floors::lookup(&base.database())?),
        ("write and sync 4 KiB", floors::syncing(base.folder())?),
    ];
    parts.extend(floors::reference_argon2().map(|time| ("Argon2 in C", time)));
    println!("\nby itself, median:");
    let tell = |(name, time): (&str, Duration)| {
        let micros = time.as_secs_f64() * 1e6;
        line(name, &format!("{micros:.1} µs"));
        (name.to_owned(), json!((micros * 10.0).round() / 10.0))
    };
    Ok(parts.into_iter().map(tell).collect())
}

fn chosen(only: &[String]) -> Outcome<Vec<&'static Scenario>> {
    if let Some(unknown) = only.iter().find(|name| SCENARIOS.iter().all(|scenario| scenario.name != **name)) {
        let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        return Err(format!("there is no scenario {unknown}; there are {}", names.join(", ")));
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    let (floor, others) = SCENARIOS.split_first().ok_or("there is no floor")?;
    Ok(std::iter::once(floor).chain(others.iter().filter(|scenario| wanted(scenario.name))).collect())
}

fn fill(server: &Server<'_>, options: &Options) -> Outcome<Vec<String>> {
    let begun = now();
    let made = new_sessions(server.address, FILLING_CONNECTIONS, options.rows, || Ok(()))?;
    let passed = begun.elapsed();
    if let Some(failure) = made.iter().find_map(|one| one.failure.clone()) {
        return Err(format!("cannot make the sessions to measure with: {failure}"));
    }
    let tokens: Vec<String> = made.into_iter().flat_map(|one| one.tokens).collect();
    let rate = tokens.len() as f64 / passed.as_secs_f64();
    line("sessions made beforehand", &format!("{}, {rate:.0} in a second", tokens.len()));
    Ok(tokens)
}

impl Row {
    fn median(&self, what: impl Fn(&Measured) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(what).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    }

    fn refused(&self) -> u32 {
        self.rounds.iter().map(|one| one.refused).sum()
    }

    fn per_second(&self) -> f64 {
        self.median(|one| one.per_second)
    }
}

fn table(options: &Options, connections: usize, rows: &[Row]) {
    let Options { rounds, seconds, .. } = options;
    println!(
        "\n{connections} connections, {rounds} rounds of {seconds} s each, interleaved; medians of the rounds"
    );
    println!(
        "{:<26}{:>10}{:>10}{:>10}{:>12}{:>10}{:>12}",
        "", "a second", "of bare", "CPU µs", "median µs", "99 % µs", "resident"
    );
    let bare = rows.first().map_or(1.0, Row::per_second);
    for row in rows {
        println!(
            "{:<26}{:>10.0}{:>9.0}%{:>10.1}{:>12.0}{:>10.0}{:>12}",
            row.name,
            row.per_second(),
            row.per_second() * 100.0 / bare,
            row.median(|one| one.cpu_micros),
            row.median(|one| f64::from(one.median_micros)),
            row.median(|one| f64::from(one.p99_micros)),
            mebibytes_of(row.median(|one| one.resident_kib_max as f64) * 1024.0),
        );
        if row.refused() > 0 {
            println!("{:<26}{:>10} were told that the server has too much to do", "", row.refused());
        }
    }
}

fn as_json(connections: usize, rows: &[Row]) -> Value {
    let row = |row: &Row| {
        json!({
            "name": row.name,
            "refused": row.refused(),
            "per_second": row.per_second().round(),
            "cpu_micros": (row.median(|one| one.cpu_micros) * 10.0).round() / 10.0,
            "median_micros": row.median(|one| f64::from(one.median_micros)),
            "p99_micros": row.median(|one| f64::from(one.p99_micros)),
            "resident_kib": row.median(|one| one.resident_kib_max as f64),
        })
    };
    json!({ "connections": connections, "rows": rows.iter().map(row).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_scenarios_come_with_the_floor() {
        let names = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
            chosen(&only).map(|list| list.iter().map(|scenario| scenario.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["session-new"]), Ok(vec!["floor", "session-new"]));
        assert_eq!(names(&[]).expect("all of them").len(), SCENARIOS.len());
        assert!(names(&["sesion-new"]).is_err());
    }
}
