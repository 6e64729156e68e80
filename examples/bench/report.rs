//! Runs the measurements in interleaved rounds and prints what came out.

use crate::load::{Measured, Requests, measure, new_sessions};
use crate::scenarios::{SCENARIOS, Scenario, Stage};
use crate::server::{Base, Server};
use crate::{Options, Outcome, now, wait};
use std::time::Duration;

/// What the server promises, for a release build against musl with two workers.
const BINARY_BYTES_MAX: u64 = 6 * 1024 * 1024;
const IDLE_KIB_MAX: u64 = 12 * 1024;
const CROWD_KIB_MAX: u64 = 64 * 1024;
const START_TIME_MAX: Duration = Duration::from_millis(50);

/// How often the start on an existing database is measured.
const STARTS: usize = 5;
/// How long a new server is left alone before its idle memory is read.
const SETTLING_TIME: Duration = Duration::from_millis(500);

/// Measures everything once, which takes about `rounds` x `seconds` x the number of scenarios.
pub fn run(options: &Options) -> Outcome<()> {
    let chosen = chosen(&options.only)?;
    let base = Base::new(options)?;
    println!("{}", options.binary.display());
    let bytes = base.binary_bytes()?;
    budget("binary", &mebibytes(bytes), bytes <= BINARY_BYTES_MAX, &mebibytes(BINARY_BYTES_MAX));

    let server = base.start()?;
    line("start, new database", &milliseconds(server.start_time));
    let tokens = fill(&server, options)?;
    let mut stage = Stage::new(server.address, &tokens)?;
    let prepared: Vec<Requests> =
        chosen.iter().map(|scenario| stage.prepare(scenario)).collect::<Outcome<_>>()?;
    drop(stage);
    let time = Duration::from_secs(options.seconds);
    let mut results: Vec<Vec<Measured>> = chosen.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.rounds {
        for (requests, results) in prepared.iter().zip(&mut results) {
            results.push(measure(&server, requests, options.connections, time)?);
            base.empty_log()?;
        }
    }
    // The second one is `session-exists`, unless others were chosen.
    let crowd = measure(&server, &prepared[prepared.len().min(2) - 1], options.crowd, time)?;
    base.empty_log()?;
    line("stop", &milliseconds(server.stop()?));
    starts(&base)?;
    budget(
        &format!("resident, {} busy connections", options.crowd),
        &kibibytes(crowd.resident_kib_max),
        crowd.resident_kib_max <= CROWD_KIB_MAX,
        &format!("{} and the memory for hashing", kibibytes(CROWD_KIB_MAX)),
    );
    table(options, &chosen, &results);
    Ok(())
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
    let made = new_sessions(server.address, options.connections, options.rows, || Ok(()))?;
    let passed = begun.elapsed();
    if let Some(failure) = made.iter().find_map(|one| one.failure.clone()) {
        return Err(format!("cannot make the sessions to measure with: {failure}"));
    }
    let tokens: Vec<String> = made.into_iter().flat_map(|one| one.tokens).collect();
    let rate = tokens.len() as f64 / passed.as_secs_f64();
    line("sessions made beforehand", &format!("{}, {rate:.0} in a second", tokens.len()));
    Ok(tokens)
}

/// The start on an existing database, and the memory of a server that has nothing to do.
fn starts(base: &Base) -> Outcome<()> {
    let (mut times, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let server = base.start()?;
        times.push(server.start_time);
        wait(SETTLING_TIME);
        idle.push(server.resident_kib()?);
        server.stop()?;
    }
    let time = median(times);
    budget(
        "start, this database",
        &milliseconds(time),
        time <= START_TIME_MAX,
        &milliseconds(START_TIME_MAX),
    );
    let idle = median(idle);
    budget("resident, idle", &kibibytes(idle), idle <= IDLE_KIB_MAX, &kibibytes(IDLE_KIB_MAX));
    Ok(())
}

fn table(options: &Options, chosen: &[&Scenario], results: &[Vec<Measured>]) {
    println!(
        "\n{} connections, {} rounds of {} s each, interleaved; medians of the rounds",
        options.connections, options.rounds, options.seconds
    );
    println!(
        "{:<26}{:>10}{:>10}{:>10}{:>12}{:>10}{:>12}",
        "", "a second", "of floor", "CPU µs", "median µs", "99 % µs", "resident"
    );
    let mut floor = None;
    for (scenario, rounds) in chosen.iter().zip(results) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is whole enough")]
        let rate = median(rounds.iter().map(|one| one.per_second as u64).collect());
        let floor = *floor.get_or_insert(rate.max(1));
        println!(
            "{:<26}{rate:>10}{:>9.0}%{:>10}{:>12}{:>10}{:>12}",
            scenario.name,
            rate as f64 * 100.0 / floor as f64,
            median(rounds.iter().map(|one| one.cpu_micros).collect()),
            median(rounds.iter().map(|one| one.median_micros).collect()),
            median(rounds.iter().map(|one| one.p99_micros).collect()),
            kibibytes(median(rounds.iter().map(|one| one.resident_kib_max).collect())),
        );
    }
}

/// The middle value; of an even number, the upper one of the two in the middle.
fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

fn line(what: &str, value: &str) {
    println!("{what:<32}{value}");
}

fn budget(what: &str, value: &str, kept: bool, limit: &str) {
    let verdict = if kept { "within" } else { "OVER" };
    line(what, &format!("{value} ({verdict} {limit})"));
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.2} MiB", bytes as f64 / (1024.0 * 1024.0))
}

fn kibibytes(kibibytes: u64) -> String {
    mebibytes(kibibytes * 1024)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![9, 1, 5]), 5);
        assert_eq!(median(vec![7]), 7);
        assert_eq!(median(vec![4, 3, 2, 1]), 3);
    }

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
