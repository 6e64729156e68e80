//! `/metrics`, as a monitoring system reads it.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use support::machine::{Machine, Running, free_port};
use support::parser::value_of;
use support::python::python;

const SECRET_ADDRESS: &str = "somebody.special@example.org";

/// The whole answer to a request for the metrics.
fn get(port: u16, line: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    write!(stream, "{line} HTTP/1.1\r\nHost: monitoring\r\nConnection: close\r\n\r\n").expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

/// Every sample, as a parser that is not ours reads it: family, type, name, labels and value.
fn samples(port: u16) -> Vec<Value> {
    let answer = get(port, "GET /metrics");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(
        head.contains("Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
        "{head}"
    );
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/process/metrics.py");
    let mut parser = python();
    let mut parser =
        parser.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    parser.stdin.take().expect("piped").write_all(body.as_bytes()).expect("it reads");
    let output = parser.wait_with_output().expect("it ends");
    assert!(output.status.success(), "no metrics:\n{body}");
    String::from_utf8(output.stdout)
        .expect("text")
        .lines()
        .map(|line| value_of(line).expect("JSON"))
        .collect()
}

/// The value of the sample with this name and these labels.
#[track_caller]
fn value(samples: &[Value], name: &str, labels: &Value) -> f64 {
    let found = samples.iter().find(|sample| sample[2] == name && sample[3] == *labels);
    found.unwrap_or_else(|| panic!("{name} {labels}"))[4].as_f64().expect("a number")
}

fn asks(server: &Running) {
    let body = json!({ "email": SECRET_ADDRESS, "password": "wrong", "ip_address": "192.0.2.77", "user_agent": "b" });
    assert_eq!(server.ask("login", &body)["success"], false);
    server.new_session();
    assert_eq!(server.ask("session-exists", &json!({ "session_token": 7 }))["success"], false);
    server.ask("batch", &json!({ "requests": [{ "request": "no-such-request", "body": {} }] }));
    assert_eq!(server.http("POST", "/", "localhost", b"not sealed").status, 401);
}

#[test]
fn what_happens_is_counted_and_names_nobody() {
    let (machine, port) = (Machine::new(), free_port());
    let address = format!("127.0.0.1:{port}");
    let server = machine.starts(&[("METRICS", &address)]);
    asks(&server);
    server.ask("events-since", &json!({ "after": "now" }));
    assert!(
        get(port, "GET /metrics").contains("\nauthnzerver_event_lag_seconds_count 0\n"),
        "nobody was told of one"
    );
    server.ask("events-since", &json!({ "after": "first" }));
    let samples = samples(port);
    let of = |request: &str, outcome: &str| {
        value(&samples, "authnzerver_requests_total", &json!({ "request": request, "outcome": outcome }))
    };
    for (request, outcome, count) in [
        ("login", "refused", 1.0),
        ("login", "done", 0.0),
        ("session-new", "done", 1.0),
        ("session-exists", "malformed", 1.0),
        ("unknown", "malformed", 1.0),
    ] {
        assert!(
            (of(request, outcome) - count).abs() < f64::EPSILON,
            "{request} {outcome}: {}",
            of(request, outcome)
        );
    }
    let number = |name: &str| value(&samples, name, &json!({}));
    for (name, least) in [
        ("authnzerver_messages_unsealed_total", 1.0),
        ("authnzerver_failed_attempts_total", 1.0),
        ("authnzerver_hashes_total", 1.0),
        ("authnzerver_hash_duration_seconds_count", 1.0),
        ("authnzerver_hash_wait_seconds_count", 1.0),
        ("authnzerver_hash_queue_places", 1.0),
        ("authnzerver_writes_total", 2.0),
        ("authnzerver_commit_duration_seconds_count", 2.0),
        ("authnzerver_event_lag_seconds_count", 1.0),
        ("authnzerver_database_bytes", 4096.0),
        ("authnzerver_resident_memory_bytes", 1_000_000.0),
        ("authnzerver_uptime_seconds", 0.000_001),
    ] {
        assert!(number(name) >= least, "{name} is {}", number(name));
    }
    for name in ["authnzerver_hash_queue", "authnzerver_delayed_responses", "authnzerver_locks_total"] {
        assert!(number(name).abs() < f64::EPSILON, "{name} is {}", number(name));
    }
    for state in ["waiting", "dead"] {
        let count = value(&samples, "authnzerver_unsent_emails", &json!({ "state": state }));
        assert!(count.abs() < f64::EPSILON, "{state}: {count}");
    }
    let count = value(&samples, "authnzerver_request_duration_seconds_count", &json!({ "request": "login" }));
    assert!((count - 1.0).abs() < f64::EPSILON);
    let text = get(port, "GET /metrics");
    assert!(!text.contains("authnzerver_last_backup"), "there is none");
    let backup = machine.path("backup.sqlite");
    let made = machine.command(&[]).arg("backup").arg(&backup).output().expect("runs");
    assert!(made.status.success(), "{made:?}");
    let taken = "authnzerver_last_backup_timestamp_seconds ";
    assert!(get(port, "GET /metrics").lines().any(|line| line.starts_with(taken)));
    assert!(!text.contains("somebody") && !text.contains("192.0.2") && !text.contains("no-such-request"));
}

#[test]
fn metrics_are_read_under_load_and_nowhere_else() {
    let (machine, port) = (Machine::new(), free_port());
    let address = format!("127.0.0.1:{port}");
    let server = machine.starts(&[("METRICS", &address), ("RATELIMITS", "none")]);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    server.new_session();
                }
            });
        }
        let read: Vec<_> = (0..10).map(|_| std::panic::catch_unwind(|| samples(port).len())).collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(read.iter().all(|read| read.as_ref().is_ok_and(|samples| *samples > 100)));
    });
    assert_eq!(server.http("GET", "/metrics", "localhost", b"").status, 404);
    assert!(get(port, "GET /").starts_with("HTTP/1.1 404 "));
    assert!(get(port, "POST /metrics").starts_with("HTTP/1.1 "));
    assert!(get(port, "GET /health").starts_with("HTTP/1.1 404 "));
    assert!(server.stops().contains("stopped"));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the metrics stop with the server");
}

#[test]
fn an_address_in_use_stops_the_start() {
    let machine = Machine::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (status, errors) = machine.fails(&[("METRICS", &address)]);
    assert_eq!(status, 1);
    assert!(errors.contains("metrics: ") && errors.contains("in use"), "{errors}");
    let (_, errors) = machine.fails(&[("METRICS", "9464")]);
    assert!(errors.contains("metrics: `9464`") && errors.contains("127.0.0.1:9464"), "{errors}");
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<&str> {
    text.match_indices("authnzerver_")
        .map(|(at, _)| {
            let name = &text[at..];
            &name[..name.find(|part: char| !part.is_ascii_lowercase() && part != '_').unwrap_or(name.len())]
        })
        .collect()
}

#[test]
fn the_dashboard_and_the_alerts_name_what_the_server_serves() {
    let (machine, port) = (Machine::new(), free_port());
    let server = machine.starts(&[("METRICS", &format!("127.0.0.1:{port}"))]);
    let made = machine.command(&[]).arg("backup").arg(machine.path("backup.sqlite")).output().expect("runs");
    assert!(made.status.success(), "{made:?}");
    let samples = samples(port);
    let served: BTreeSet<_> = samples.iter().filter_map(|sample| sample[2].as_str()).collect();
    let outcomes: BTreeSet<_> = samples.iter().filter_map(|sample| sample[3]["outcome"].as_str()).collect();
    for (file, text) in [
        ("grafana.json", include_str!("../../deploy/grafana.json")),
        ("alerts.yml", include_str!("../../deploy/alerts.yml")),
        ("alerts.test.yml", include_str!("../../deploy/alerts.test.yml")),
        ("metrics.md", include_str!("../../docs/metrics.md")),
    ] {
        // The page goes by the names of histograms, the others by their samples.
        let unknown: Vec<_> = named(text)
            .into_iter()
            .filter(|name| !(served.contains(name) || file == "metrics.md" && is_histogram(&served, name)))
            .collect();
        assert!(unknown.is_empty(), "{file} names what no server serves: {unknown:?}");
        let text = text.replace("\\\"", "\"");
        for (_, rest) in text.match_indices("outcome=\"").map(|(at, word)| (at, &text[at + word.len()..])) {
            let outcome = rest.split('"').next().expect("a word");
            assert!(outcomes.contains(outcome), "{file}: there is no outcome {outcome}");
        }
    }
    let dashboard: Value = value_of(include_str!("../../deploy/grafana.json")).expect("JSON");
    assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() > 10));
    drop(server);
}

fn is_histogram(served: &BTreeSet<&str>, name: &str) -> bool {
    served.contains(format!("{name}_bucket").as_str())
}

#[test]
fn memory_for_hashing_is_taken_by_a_login_and_given_back_when_nobody_logs_in() {
    const MIB: f64 = 1024.0 * 1024.0;
    let (machine, port) = (Machine::new(), free_port());
    let server = machine.starts(&[("METRICS", &format!("127.0.0.1:{port}")), ("ARGON2", "m=65536,t=1,p=1")]);
    let resident = || value(&samples(port), "authnzerver_resident_memory_bytes", &json!({}));
    // What the first administrator's password took at the first start is given back, too.
    server.waits_until(|| resident() < 64.0 * MIB);
    let idle = resident();
    for _ in 0..2 {
        server
            .ask("user-passcheck-nosession", &json!({ "email": "nobody@example.org", "password": "wrong" }));
        assert!(resident() > idle + 56.0 * MIB, "the arena is in memory");
        server.waits_until(|| resident() < idle + 8.0 * MIB);
    }
}

#[test]
fn memory_of_connections_is_given_back_once_nobody_asks_on_them() {
    const KIB: f64 = 1024.0;
    const CONNECTIONS: u16 = 500;
    let (machine, port) = (Machine::new(), free_port());
    let server = machine.starts(&[("METRICS", &format!("127.0.0.1:{port}")), ("ARGON2", "m=65536,t=1,p=1")]);
    let resident = || value(&samples(port), "authnzerver_resident_memory_bytes", &json!({}));
    let asks_on = |mut stream: &TcpStream| {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("writes");
        assert!(stream.read(&mut [0; 1024]).expect("reads") > 0);
    };
    // What the first administrator's password took is not what this is about.
    server.waits_until(|| resident() < 64.0 * KIB * KIB);
    let connect = |_| TcpStream::connect(("127.0.0.1", server.port)).expect("it listens");
    let connections: Vec<TcpStream> = (0..CONNECTIONS).map(connect).collect();
    connections.iter().for_each(asks_on);
    let busy = resident();
    server.waits_until(|| resident() < busy - f64::from(CONNECTIONS) * 3.0 * KIB);
    connections.iter().for_each(asks_on);
}
