//! Settings that nobody would miss for a while if they were ignored: each makes a difference that can be seen.

use rusqlite::Connection;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use support::machine::{KEY, Machine, Running, free_port};

const CREDENTIALS: &str = ".authnzerver-admin-credentials";
/// What Linux calls being scheduled as a batch.
const SCHED_BATCH: i32 = 3;

fn database(machine: &Machine) -> Connection {
    Connection::open(machine.path(".authdb.sqlite")).expect("opens")
}

/// What is stored for the first administrator's password.
fn stored_hash(machine: &Machine) -> String {
    let sql = "SELECT password FROM users WHERE user_id = 1";
    database(machine).query_row(sql, [], |row| row.get(0)).expect("reads")
}

/// Whether the first administrator can log in.
fn admin_logs_in(machine: &Machine, server: &Running) -> bool {
    let text = std::fs::read_to_string(machine.path(CREDENTIALS)).expect("reads");
    let (email, password) = text.trim_end().split_once(' ').expect("an address and a password");
    let body = json!({ "session_token": server.new_session(), "email": email, "password": password });
    server.ask("user-login", &body)["success"] == json!(true)
}

#[test]
fn listen_is_the_only_address_that_is_listened_on() {
    let machine = Machine::new();
    let port = free_port();
    let server = machine.starts(&[("LISTEN", "127.0.0.2"), ("PORT", &port.to_string())]);
    let mut client = TcpStream::connect(("127.0.0.2", port)).expect("it listens there");
    client
        .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("it takes bytes");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "nobody listens elsewhere");
    server.stops();
}

#[test]
fn workers_are_the_threads_that_answer_and_each_takes_the_processor_from_nobody() {
    // All threads, and those that are scheduled as a batch.
    let threads = |workers: &str| {
        let machine = Machine::new();
        let server = machine.starts(&[("WORKERS", workers), ("HASHTHREADS", "1")]);
        let (_, told) = server.health();
        assert_eq!(told["Expected-Workers"].to_string(), workers);
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.process_id())).expect("a process");
        let policies: Vec<_> = tasks.map(|task| policy(&task.expect("a thread").path())).collect();
        (policies.len(), policies.iter().filter(|policy| **policy == SCHED_BATCH).count())
    };
    let ((few, few_batch), (many, many_batch)) = (threads("1"), threads("9"));
    assert!(many >= few + 8, "{few} threads with 1 worker, {many} with 9");
    // The coroutines' timers have a thread too.
    assert_eq!((few_batch, many_batch), (2, 10), "of {few} threads with 1 worker, of {many} with 9");
}

/// How a thread is scheduled: proc(5).
fn policy(thread: &Path) -> i32 {
    let stat = std::fs::read_to_string(thread.join("stat")).expect("Linux tells");
    // The name, in brackets, may have spaces. The 38th after what follows it is the one.
    let after_name = stat.rsplit_once(") ").expect("a name").1;
    after_name.split(' ').nth(38).and_then(|policy| policy.parse().ok()).expect("a number")
}

#[test]
fn argon2_is_what_a_new_hash_costs() {
    for cost in ["m=19456,t=2,p=1", "m=20480,t=3,p=2"] {
        let machine = Machine::new();
        machine.starts(&[("ARGON2", cost)]).stops();
        let stored = stored_hash(&machine);
        assert!(stored.starts_with(&format!("$argon2id$v=19${cost}$")), "{cost}: {stored}");
    }
}

#[test]
fn a_stored_hash_may_cost_no_more_than_the_operator_says() {
    let machine = Machine::new();
    machine.starts(&[("ARGON2", "m=20480,t=3,p=2")]).stops();
    let stored = stored_hash(&machine);
    for (setting, too_little) in [("HASHMEMORYMAX", "19"), ("HASHTIMEMAX", "2"), ("HASHLANESMAX", "1")] {
        let server = machine.starts(&[(setting, too_little)]);
        assert!(!admin_logs_in(&machine, &server), "{setting}={too_little}");
        let log = server.stops();
        assert!(log.contains("a stored password cannot be used"), "{setting}: {log}");
        assert_eq!(stored_hash(&machine), stored, "{setting}");
    }
    let enough = [("HASHMEMORYMAX", "20"), ("HASHTIMEMAX", "3"), ("HASHLANESMAX", "2")];
    assert!(admin_logs_in(&machine, &machine.starts(&enough)));
}

#[test]
fn sessionexpiry_is_how_long_an_expired_session_is_kept() {
    for (days, kept) in [("2", 1), ("30", 2)] {
        let machine = Machine::new();
        let server = machine.starts(&[]);
        (0..3).for_each(|_| drop(server.new_session()));
        server.stops();
        // One expired ages ago, one lately, and one is live.
        let change = "UPDATE sessions SET expires = strftime('%Y-%m-%d %H:%M:%S.000000', 'now', ?1)
                      WHERE token_hash = (SELECT max(token_hash) FROM sessions WHERE expires > datetime('now'))";
        for age in ["-4000 days", "-10 days"] {
            assert_eq!(database(&machine).execute(change, [age]).expect("runs"), 1);
        }
        let server = machine.starts(&[("SESSIONEXPIRY", days)]);
        server.waits_for("removed what had expired");
        server.stops();
        let count = "SELECT count(*) FROM sessions";
        let left: i64 = database(&machine).query_row(count, [], |row| row.get(0)).expect("reads");
        assert_eq!(left, kept, "sessionexpiry={days}");
    }
}

#[test]
fn loglevel_is_the_least_that_is_logged() {
    for (level, requests, failures) in [("info", true, true), ("error", false, true), ("none", false, false)]
    {
        let machine = Machine::new();
        let port = free_port();
        let log = machine.path("log");
        let mut command = machine.command(&[("LOGLEVEL", level), ("PORT", &port.to_string())]);
        command.stderr(Stdio::from(std::fs::File::create(&log).expect("a file")));
        let server = machine.starts_unheard(command, port);
        server.new_session();
        std::fs::remove_file(machine.path(".authdb.sqlite-wal")).expect("is there");
        assert_eq!(server.session_status(), 503);
        server.stops();
        let log = std::fs::read_to_string(log).expect("text");
        assert_eq!(log.contains("request=\"session-new\""), requests, "{level}: {log}");
        assert_eq!(log.contains("nothing is written any more"), failures, "{level}: {log}");
    }
}

#[test]
fn a_password_in_the_url_of_a_database_is_shown_nowhere() {
    let machine = Machine::new();
    let url = "postgresql://me:hidden%20sesame@127.0.0.1:1/accounts?sslmode=disable";
    for words in [
        "serve",
        "settings",
        "settings check",
        "settings check --json",
        "doctor",
        "doctor --json",
        "stats",
        "events",
        "events verify",
        "db check",
        "db size",
        "db migrate",
        "user list",
        "lock list",
        "session list",
        "apikey list",
        "secret list",
        "mail list",
        "backup b.sqlite",
        "restore b.sqlite",
        "health",
        "call session-exists",
        "setup",
        "policy",
    ] {
        for is_typed in [false, true] {
            let mut command = machine.command(&[("SECRET", KEY), ("PIISALT", "none"), ("LOGLEVEL", "debug")]);
            command.args(words.split(' '));
            if is_typed {
                command.arg(format!("--authdb={url}"));
            } else {
                command.env("AUTHNZERVER_AUTHDB", url);
            }
            let output = command.output().expect("the program starts");
            let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(!told.contains("hidden") && !told.contains("sesame"), "{words}: {told}");
        }
    }
}

#[test]
fn cachesize_is_how_much_of_the_file_is_kept_and_not_read_again() {
    let machine = Machine::new();
    machine.starts(&[]).stops();
    let many = "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers LIMIT 120000)
                INSERT INTO sessions (token_hash, ip_address, user_agent, user_id, created, expires)
                SELECT randomblob(32), '192.0.2.1', 'x', 2, '2026-01-01 00:00:00.000000', '9999-01-01 00:00:00.000000'
                FROM numbers";
    database(&machine).execute(many, []).expect("runs");
    let read_again = |mib: &str| {
        let server = machine.starts(&[("CACHESIZE", mib), ("WORKERS", "1"), ("RATELIMITS", "none")]);
        let looks_up = || {
            let io = std::fs::read_to_string(format!("/proc/{}/io", server.process_id())).expect("a process");
            let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse::<u64>().ok());
            for number in 0..600 {
                server.ask("session-exists", &json!({ "session_token": format!("nobody's {number}") }));
            }
            read.expect("what was read before")
        };
        let (_, before, after) = (looks_up(), looks_up(), looks_up());
        server.stops();
        after - before
    };
    let (little, much) = (read_again("1"), read_again("64"));
    assert!(little > much + 100 * 4096, "read again with 1 MiB: {little} bytes, with 64: {much}");
    let (code, told) = machine.fails(&[("CACHESIZE", "16384"), ("WORKERS", "64")]);
    assert!(
        code == 1 && told.contains("too little memory: the database's pages"),
        "a terabyte: {code} {told}"
    );
}

#[test]
fn mmapsize_is_how_much_of_the_file_is_mapped() {
    for (mib, is_mapped) in [("0", false), ("64", true)] {
        let machine = Machine::new();
        // What is written anew lies in the log until the end.
        machine.starts(&[]).stops();
        let server = machine.starts(&[("MMAPSIZE", mib)]);
        server.new_session();
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", server.process_id())).expect("a process");
        let mapped = maps.lines().any(|line| line.ends_with("/.authdb.sqlite"));
        assert_eq!(mapped, is_mapped, "mmapsize={mib}: {maps}");
        server.stops();
    }
}
