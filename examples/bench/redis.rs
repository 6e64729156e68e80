//! What Redis answers on the same machine: a value of 1,000 bytes, not sealed, asked for by its own benchmark.

use crate::Outcome;
use crate::load::Measured;
use crate::server::{PATIENCE, Process, free_port};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// So often the value is written before.
const VALUES: usize = 1_000;
/// For each connection; enough for a second or more.
const REQUESTS_PER_CONNECTION: usize = 4_000;
const REQUESTS_MIN: usize = 40_000;

/// Measures; nothing where the machine has no Redis.
pub fn measure(folder: &Path, connections: usize) -> Outcome<Option<Measured>> {
    let port = free_port()?;
    let number_of_port = port.to_string();
    let mut command = Command::new("redis-server");
    command.args(["--port", &number_of_port, "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(folder);
    let Ok(mut server) = Process::start(command.stdin(Stdio::null()).stdout(Stdio::null())) else {
        return Ok(None);
    };
    let count = (connections * REQUESTS_PER_CONNECTION).max(REQUESTS_MIN);
    let ask = |test: &str, count: usize| {
        let mut command = Command::new("redis-benchmark");
        command.args(["-p", &number_of_port, "-d", "1000", "-t", test, "-n", &count.to_string(), "--csv"]);
        let output = command.args(["-c", &connections.to_string()]).stderr(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok().filter(|_| output.status.success())
    };
    server.until_it_listens(port, PATIENCE)?;
    ask("set", VALUES).ok_or("redis-benchmark failed")?;
    let cpu_before = server.cpu_time()?;
    let table = ask("get", count).ok_or("redis-benchmark failed")?;
    let cpu = server.cpu_time()?.saturating_sub(cpu_before);
    let resident_kib_max = server.resident_kib()?;
    // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
    let fields: Vec<f64> = table.lines().last().unwrap_or_default().split(',').filter_map(number).collect();
    let [per_second, _, _, median, _, p99, _] = fields[..] else {
        return Err(format!("redis-benchmark said something else: {table}"));
    };
    let micros = |milliseconds: f64| Duration::from_secs_f64(milliseconds / 1000.0).as_micros();
    Ok(Some(Measured {
        per_second,
        median_micros: u32::try_from(micros(median)).unwrap_or(u32::MAX),
        p99_micros: u32::try_from(micros(p99)).unwrap_or(u32::MAX),
        cpu_micros: cpu.as_secs_f64() * 1e6 / count as f64,
        resident_kib_max,
        refused: 0,
    }))
}

fn number(field: &str) -> Option<f64> {
    field.trim_matches('"').parse().ok()
}
