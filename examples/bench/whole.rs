//! What is measured of the server as a whole, not of a request: its start, its stop and its memory.

use crate::client::Client;
use crate::load::{Requests, each_asks_once};
use crate::server::{Base, Server};
use crate::text::{budget, kibibytes, line, median, milliseconds};
use crate::{Options, Outcome, wait};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What the server promises, for a release build against musl with no more workers than it has by itself.
const IDLE_KIB_MAX: u64 = 8 * 1024;
const CROWD_KIB_MAX: u64 = 64 * 1024;
const IDLE_CROWD_KIB_MAX: u64 = 150 * 1024;
const START_TIME_MAX: Duration = Duration::from_millis(30);
const STOP_TIME_MAX: Duration = Duration::from_millis(100);

/// Longer than the server keeps the memory of hashing after the last hash.
const ARENAS_KEPT: Duration = Duration::from_secs(12);
/// How often the start on an existing database is measured.
const STARTS: usize = 5;
/// How long a new server is left alone before its idle memory is read.
const SETTLING_TIME: Duration = Duration::from_millis(500);
/// How long nobody asks before a stop that has nothing left to do. Connections are idle for as long before memory is read.
const IDLE_TIME: Duration = Duration::from_secs(5);
/// Connections that write before such a stop.
const WRITERS: usize = 64;
/// The server could have so many more than are measured; so many of them are asked again at the end.
const OTHER_CONNECTIONS: usize = 256;

/// Measures and prints. `looks_up` are requests that look sessions up, `writes` those that write, if any are to.
pub fn measure(
    base: &Base,
    server: Server<'_>,
    options: &Options,
    looks_up: &Requests,
    writes: &Requests,
) -> Outcome<Map<String, Value>> {
    let time = Duration::from_secs(options.seconds);
    // What logins have hashed in is given back by then.
    wait(ARENAS_KEPT);
    let crowd = server.measure(looks_up, options.crowd, time)?.resident_kib_max;
    base.empty_log()?;
    let stop = server.stop()?;
    line("stop, right after a load", &milliseconds(stop));
    let idle_stop = idle_stop(base, writes, time)?;
    let (start, idle) = starts(base)?;
    budget(
        &format!("resident, {} busy connections", options.crowd),
        &kibibytes(crowd),
        crowd <= CROWD_KIB_MAX,
        &kibibytes(CROWD_KIB_MAX),
    );
    let idle_crowd = idle_crowd(base, looks_up, options)?;
    let measured = json!({
        "start_ms": start.as_millis(),
        "stop_ms": stop.as_millis(),
        "idle_stop_ms": idle_stop.as_millis(),
        "idle_kib": idle,
        "crowd": options.crowd,
        "crowd_kib": crowd,
        "idle_crowd": options.idle_crowd,
        "idle_crowd_kib": idle_crowd.map(|(kib, _)| kib),
        "idle_connection_bytes": idle_crowd.map(|(_, bytes)| bytes),
    });
    match measured {
        Value::Object(measured) => Ok(measured),
        _ => Ok(Map::new()),
    }
}

/// A stop when everything that was written has long been put where it belongs.
fn idle_stop(base: &Base, writes: &Requests, time: Duration) -> Outcome<Duration> {
    let server = base.start()?;
    server.measure(writes, WRITERS, time)?;
    base.empty_log()?;
    wait(IDLE_TIME);
    let stop = server.stop()?;
    let what = format!("stop, {} idle seconds after it", IDLE_TIME.as_secs());
    budget(&what, &milliseconds(stop), stop <= STOP_TIME_MAX, &milliseconds(STOP_TIME_MAX));
    Ok(stop)
}

/// The start on an existing database, and the KiB of a server that has nothing to do.
fn starts(base: &Base) -> Outcome<(Duration, u64)> {
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
    Ok((time, idle))
}

/// The KiB of a server with many connections each of which has asked once, and the bytes that each of them takes.
/// Nothing where the system does not allow so many.
fn idle_crowd(base: &Base, requests: &Requests, options: &Options) -> Outcome<Option<(u64, u64)>> {
    let connections = options.idle_crowd;
    let what = format!("resident, {connections} idle connections");
    let able = authnzerver::http::capacity(options.tls);
    let able = able.map_err(|error| format!("the limit of open files: {error}"))?;
    let wanted = connections + OTHER_CONNECTIONS;
    if able.connections < wanted {
        let (is, needed) = (able.descriptors, able.descriptors_for(wanted));
        line(
            &what,
            &format!("not measured: only {is} files may be open, and it takes {needed} (`ulimit -n`)"),
        );
        return Ok(None);
    }
    // The server raises its own limit, which is the same, and refuses whoever is one too many, so that each has to be answered.
    let server = base.start_for(wanted)?;
    wait(SETTLING_TIME);
    let before = server.resident_kib()?;
    let mut clients: Vec<Client> = each_asks_once(server.address, requests, connections)?;
    wait(IDLE_TIME);
    let kib = server.resident_kib()?;
    // They are all there: none was given up to make room for another.
    for client in clients.iter_mut().step_by(connections.div_ceil(OTHER_CONNECTIONS)) {
        requests.ask_first(client)?;
    }
    let each = kib.saturating_sub(before) * 1024 / connections as u64;
    let value = format!("{}, {each} bytes each", kibibytes(kib));
    budget(&what, &value, kib <= IDLE_CROWD_KIB_MAX, &kibibytes(IDLE_CROWD_KIB_MAX));
    drop(clients);
    base.empty_log()?;
    server.stop()?;
    Ok(Some((kib, each)))
}
