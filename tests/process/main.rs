//! The real program, as an operator meets it: files, exit statuses, signals, log lines, and what is left after it was
//! killed.

mod access;
mod altered_backups;
mod backups;
mod bombs;
mod breached_passwords;
mod commands;
mod confvars;
mod doctor;
mod documents;
mod email;
mod files;
mod first_start;
mod handover;
mod hangups;
mod keys;
mod limits;
mod log;
mod metrics;
mod notify;
mod pipeline;
mod races;
mod refusals;
mod settings;
mod signals;
mod startup;
mod storage;
mod tls;
mod to_python;
mod upgrade;

use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use support::machine::{KEY, Machine};
use support::parser::value_of;
use support::python::python;

#[test]
fn it_starts_from_nothing_but_a_base_directory() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    for (file, mode) in [
        (".authdb.sqlite", 0o600),
        (".authnzerver-secret-key", 0o400),
        (".authnzerver-salt", 0o400),
        (".authnzerver-admin-credentials", 0o400),
    ] {
        let found = std::fs::metadata(machine.path(file)).expect(file).permissions().mode();
        assert_eq!(found & 0o7777, mode, "{file}");
    }
    assert!(server.log().contains(".authnzerver-admin-credentials"), "the log tells where the password is");
    let credentials = std::fs::read_to_string(machine.path(".authnzerver-admin-credentials")).expect("reads");
    let (email, password) = credentials.trim().split_once(' ').expect("an address and a password");
    let session = server.new_session();
    let body = json!({ "session_token": session, "email": email, "password": password });
    assert_eq!(server.ask("user-login", &body)["response"]["user_role"], "superuser");
    assert!(!server.stops().contains(password), "the password is not in the log");
    assert!(!machine.path(".authdb.sqlite-wal").exists(), "the log was moved into the database");
}

#[test]
fn the_call_command_asks_prints_and_exits_by_the_answer() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let call = |words: &[&str], input: &str| machine.calls(&server, words, input);
    let session = json!({
        "ip_address": "192.0.2.1", "user_agent": "x", "user_id": null, "expires": 1, "extra_info_json": null
    });
    let (status, output) = call(&["session-new", &session.to_string()], "");
    let answer: Value = value_of(&output).expect("JSON");
    assert_eq!((status, &answer["success"]), (0, &json!(true)));
    let token = json!({ "session_token": answer["response"]["session_token"] }).to_string();
    assert_eq!(call(&["session-exists", "-"], &token).0, 0, "the body may come from standard input");
    assert_eq!(call(&["session-exists", r#"{"session_token": "made up"}"#], "").0, 1);
    assert_eq!(call(&["no-such-request"], "").0, 1, "the server refuses it by its status");
    assert_eq!(call(&["session-exists", "{"], "").0, 2);
}

#[test]
fn a_call_for_no_request_is_told_which_one_was_meant() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let (status, told) = machine.fails_to_call(&server, &["user-lgin", "{}"]);
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("no request `user-lgin`") && told.contains("perhaps user-login"), "{told}");
    let (status, told) = machine.fails_to_call(&server, &["something-else-altogether"]);
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("no request `something-else-altogether`") && !told.contains("perhaps"), "{told}");
    let (status, told) = machine.fails_to_call(&server, &["user-login", "{"]);
    assert_eq!((status, told.contains("no request")), (2, false), "{told}");
}

#[test]
fn wrong_settings_are_told_all_at_once_and_show_no_secret() {
    let machine = Machine::new();
    let (status, log) =
        machine.fails(&[("SECRET", "much too short"), ("USERLOCKTRIES", "0"), ("LISTEN", "?")]);
    assert_eq!(status, 1);
    for setting in ["secret", "userlocktries", "listen"] {
        assert!(log.lines().any(|line| line.contains(setting)), "{setting}: {log}");
    }
    assert!(!log.contains("much too short"), "{log}");
    let (status, log) = machine.fails(&[("TLSCERTFILE", "/dev/null"), ("TLSCERTKEY", "/dev/null")]);
    assert_eq!(status, 1, "it does not serve in plaintext where TLS was asked for");
    assert!(log.contains("tlscertfile"), "{log}");
}

#[test]
fn a_port_in_use_and_a_damaged_database_stop_the_start() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let (status, log) = Machine::new().fails(&[("PORT", &server.port.to_string())]);
    assert_eq!(status, 1);
    assert!(log.contains("in use"), "{log}");
    server.stops();
    std::fs::write(machine.path(".authdb.sqlite"), "no database, but long enough to be looked at")
        .expect("writes");
    let (status, log) = machine.fails(&[]);
    assert_eq!(status, 1);
    assert!(log.contains("damaged"), "{log}");
}

#[test]
fn health_hosts_methods_and_the_echo_answer_as_they_should() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let health = server.http("GET", "/health", "localhost", b"");
    assert_eq!(health.status, 200);
    let told: Value = value_of(&health.body).expect("JSON");
    for key in ["Expected-Workers", "Workers", "Check-Time", "Health-Ok", "Version", "Uptime"] {
        assert!(told.get(key).is_some(), "{key}");
    }
    assert_eq!(server.http("GET", "/health", "evil.example", b"").status, 404);
    assert_eq!(server.http("GET", "/", "127.0.0.1", b"").status, 405);
    assert_eq!(server.http("POST", "/nowhere", "localhost", b"").status, 404);
    assert_eq!(server.http("POST", "/", "localhost", b"garbage").status, 401);
    assert_eq!(server.http("POST", "/echo", "localhost", b"garbage").status, 404, "only for debugging");
    server.stops();
    let server = machine.starts(&[("DEBUGMODE", "1")]);
    let sealed = machine.seal(&json!({ "request": "echo", "x": 1 }));
    let echo = machine.open(&server.http("POST", "/echo", "localhost", &sealed).body);
    assert_eq!(echo["x"], 1);
    assert!(echo["dbtest"].as_array().is_some_and(|roles| roles.len() == 5));
}

#[test]
fn a_killed_server_has_kept_every_session_that_it_answered() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let (answered, killed) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !killed.load(Ordering::Relaxed) {
                    if let Some(token) = server.try_new_session() {
                        answered.lock().expect("no panic").push(token);
                    }
                }
            });
        }
        while answered.lock().expect("no panic").len() < 200 {
            std::thread::yield_now();
        }
        server.kills();
        killed.store(true, Ordering::Relaxed);
    });
    let server = machine.starts(&[]);
    let answered = answered.into_inner().expect("no panic");
    let lost = answered.iter().filter(|token| !server.session_is_live(token)).count();
    assert_eq!(lost, 0, "of {}", answered.len());
}

#[test]
fn a_database_of_the_python_authnzerver_is_taken_over() {
    let machine = Machine::new();
    machine.copies_python_database();
    for round in ["at first", "after a restart"] {
        let server = machine.starts(&[]);
        assert!(server.session_is_live("xtSAwkDaPvQAOLT7iskYQffeyFGNEDu5CuIqMoVfZ8g"), "{round}");
        let body = json!({
            "session_token": server.new_session(), "email": "alice@fixture.test",
            "password": "Zq1-vWx7!kJ9_bRt5-MuP3",
        });
        assert_eq!(server.ask("user-login", &body)["response"]["user_id"], 4, "{round}");
        server.stops();
    }
    let copies = std::fs::read_dir(machine.path("")).expect("reads").filter_map(Result::ok);
    assert_eq!(copies.filter(|file| file.file_name().to_string_lossy().contains(".python-")).count(), 1);
}

#[test]
fn a_hang_up_reads_the_policy_again_and_keeps_the_old_one_if_it_is_bad() {
    let machine = Machine::new();
    let policy = machine.path("policy.json");
    let text = authnzerver::policy::model::DEFAULT_POLICY;
    std::fs::write(&policy, text).expect("writes");
    let server = machine.starts(&[("PERMISSIONS", policy.to_str().expect("UTF-8"))]);
    let may_view = || {
        let body = json!({
            "user_id": 1, "user_role": "superuser", "action": "view", "target_name": "dataset",
            "target_owner": 1, "target_visibility": "public", "target_sharedwith": "",
        });
        server.ask("user-check-access", &body)["success"] == json!(true)
    };
    assert!(may_view());
    std::fs::write(&policy, "{").expect("writes");
    server.hangs_up("kept the old permissions policy");
    assert!(may_view());
    let mut changed: Value = value_of(text).expect("JSON");
    changed["item_policy"]["dataset"]["valid_role_actions"] = json!(["list"]);
    std::fs::write(&policy, changed.to_string()).expect("writes");
    server.hangs_up("read the permissions policy again");
    assert!(!may_view());
}

#[test]
fn the_log_names_nobody_and_cannot_be_forged() {
    for format in ["text", "json"] {
        let machine = Machine::new();
        let server = machine.starts(&[("LOGFORMAT", format)]);
        let (email, password) = ("alice@example.org", "a-Password-for-77-people");
        let body = json!({ "full_name": "Alice Liddell", "email": email, "password": password });
        let reqid = json!("1\nFORGED line\u{1b}[31m\" request=x");
        server.ask_with(&reqid, "user-new", &body);
        let session = server.new_session();
        let login = json!({ "session_token": session, "email": email, "password": password });
        server.ask("user-login", &login);
        let log = server.stops();
        for private in [email, password, session.as_str(), "Liddell", KEY] {
            assert!(!log.contains(private), "{private} in {log}");
        }
        assert!(log.contains("user-login"));
        assert!(!log.lines().any(|line| line.starts_with("FORGED")), "{log}");
        assert!(!log.contains('\u{1b}'), "{log}");
        if format == "json" {
            for line in log.lines() {
                assert!(value_of(line).is_ok_and(|line| line.is_object()), "{line}");
            }
        }
    }
}

#[test]
fn the_program_in_the_readme_runs_as_printed() {
    let machine = Machine::new();
    let server = machine.starts(&[("PORT", "0")]);
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```python\n").expect("README has a program in Python");
    let (program, _) = rest.split_once("```").expect("the program ends");
    let program = program
        .replace(
            "run/.authnzerver-secret-key",
            machine.path(".authnzerver-secret-key").to_str().expect("UTF-8"),
        )
        .replace("13431", &server.port.to_string());
    let output = python().arg("-c").arg(program).output().expect("Python starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "anonymous\n");
}
