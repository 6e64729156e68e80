//! What is told at the start: settings that cannot be meant or cannot be kept, and a system that gives too little to
//! serve with. And settings that would go unnoticed if they were ignored.

use crate::log::in_shell;
use serde_json::json;
use std::process::Stdio;
use support::machine::{Machine, free_port};

#[test]
fn a_rate_limit_for_no_request_is_told_with_the_name_that_was_meant() {
    let machine = Machine::new();
    let limits = "user:100; user-nwe:5; user-login:7; apikey-healthcheck:9; sesion:3; internal-x:4";
    let log = machine.starts(&[("RATELIMITS", limits)]).stops();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("there is no such request")).collect();
    assert_eq!(told.len(), 2, "{log}");
    assert!(log.contains("ratelimits=\"user-nwe\" perhaps=user-new"), "{log}");
    assert!(log.contains("ratelimits=\"sesion\" perhaps=session"), "{log}");
}

#[test]
fn a_rate_limit_that_is_set_twice_is_told() {
    let machine = Machine::new();
    let log = machine.starts(&[("RATELIMITS", "ipaddr:100; user:5; ipaddr:200")]).stops();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("set more than once")).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("ratelimits=\"ipaddr\""), "{log}");
}

/// Not at the start, for only the calling server knows which limits it will ask about.
#[test]
fn a_limit_that_no_role_has_is_told_when_it_is_checked() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let ask = |limit: &str| {
        let body =
            json!({ "user_id": 1, "user_role": "superuser", "limit_name": limit, "value_to_check": 1 });
        server.ask("user-check-limit", &body)
    };
    ask("max_requests");
    ask("max_reqests");
    let log = server.stops();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("gives to no role")).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("count=1"), "{log}");
}

/// Runs the server in a shell that lowers a limit first; its exit status, if it ends within a moment, and its log.
fn under_a_limit(script: &str, settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let machine = Machine::new();
    let port = free_port().to_string();
    let mut settings = settings.to_vec();
    settings.push(("PORT", &port));
    let log = machine.path("log");
    let mut command = in_shell(&machine.command(&settings), script);
    command.stderr(Stdio::from(std::fs::File::create(&log).expect("a file")));
    let server = machine.tries_to_start(command, port.parse().expect("a number"));
    let status = match server {
        Ok(server) => {
            server.new_session();
            server.stops();
            None
        }
        Err(status) => Some(status),
    };
    (status, std::fs::read_to_string(log).expect("text"))
}

#[test]
fn too_few_descriptors_are_told_of_and_far_too_few_are_no_start() {
    let (status, log) = under_a_limit("ulimit -n 129; exec \"$@\"", &[]);
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("the process may open 129 files, which leaves 1 connections"), "{log}");
    assert!(log.contains("to 2176 at least"), "{log}");
    let (status, log) = under_a_limit("ulimit -n 300; exec \"$@\"", &[]);
    assert_eq!(status, None, "{log}");
    assert!(log.contains("connectionsmax=2048 possible=172 files=300 files_needed=2176"), "{log}");
    let (status, log) = under_a_limit("ulimit -n 300; exec \"$@\"", &[("CONNECTIONSMAX", "100")]);
    assert_eq!((status, log.contains("fewer connections")), (None, false), "{log}");
    for files in [8, 16, 32, 64] {
        let (status, log) = under_a_limit(&format!("ulimit -n {files}; exec \"$@\""), &[]);
        assert!(status == Some(1) && log.lines().count() > 0 && !log.contains("a fault"), "{files}: {log}");
    }
}

#[test]
fn as_many_threads_hash_as_are_set() {
    for wanted in ["1", "3"] {
        let machine = Machine::new();
        let server = machine.starts(&[("HASHTHREADS", wanted)]);
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.process_id())).expect("a process");
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        let hashing = names.filter(|name| name.starts_with("hasher")).count();
        assert_eq!(hashing.to_string(), wanted);
        assert!(server.log().contains(&format!("hashing passwords threads={wanted}")), "{}", server.log());
    }
}

#[test]
fn a_password_must_not_resemble_the_name_that_is_set_for_the_server() {
    for (name, is_taken) in [("kitchen-garden-journal.example", false), ("elsewhere.example", true)] {
        let machine = Machine::new();
        let server = machine.starts(&[("SERVERNAME", name)]);
        let body = json!({
            "full_name": "Zoe Quill", "email": "zq@x.example", "password": "Kitchen-Garden-Journal.7",
        });
        assert_eq!(server.ask("user-new", &body)["success"], json!(is_taken), "{name}");
    }
}
