//! A log that cannot be written, or that nobody reads: requests are answered, what is answered is on the disk, the
//! server can be stopped, and nothing ends it. What was not meant for the log reaches it only in the log's own form.

use authnzerver::clock::{Clock, SystemClock};
use authnzerver::config::{self, Environment, Invocation};
use authnzerver::log::{self, LogFormat};
use authnzerver::rng::{OsRng, Rng};
use authnzerver::server::lifecycle::{self, End};
use authnzerver::server::process::Process;
use serde_json::json;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use support::machine::{Machine, Running, free_port};
use support::parser::value_of;

/// The server's command, on a known port.
fn command(machine: &Machine, settings: &[(&str, &str)]) -> (Command, u16) {
    let port = free_port();
    let text = port.to_string();
    let mut settings = settings.to_vec();
    settings.push(("PORT", &text));
    (machine.command(&settings), port)
}

/// Sends what is no HTTP.
fn sends_garbage(server: &Running) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connects");
    stream.write_all(b"\x01GARBAGE\x1b[31m\r\n\r\n").expect("writes");
    let _ = stream.read_to_end(&mut Vec::new());
}

/// A request with the longest log line, as far as that is up to the caller.
fn asks_wordily(server: &Running) {
    let reqid = json!("\u{1}".repeat(64));
    let body = json!({ "session_token": "x" });
    server.try_ask(&reqid, "session-exists", &body).expect("an answer");
}

fn answers_and_stops(machine: &Machine, server: Running) {
    let token = server.new_session();
    sends_garbage(&server);
    assert_eq!(server.http("GET", "/health", "localhost", b"").status, 200);
    assert!(server.session_is_live(&token));
    server.stops();
    let server = machine.starts(&[]);
    assert!(server.session_is_live(&token), "what was answered is on the disk");
}

#[test]
fn a_server_whose_log_cannot_be_written_answers_and_stops() {
    for format in ["text", "json"] {
        let machine = Machine::new();
        let (mut closed, port) = command(&machine, &[("LOGFORMAT", format)]);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        closed.stderr(writer);
        answers_and_stops(&machine, machine.starts_unheard(closed, port));

        let machine = Machine::new();
        let (mut full, port) = command(&machine, &[("LOGFORMAT", format)]);
        full.stderr(OpenOptions::new().write(true).open("/dev/full").expect("opens"));
        answers_and_stops(&machine, machine.starts_unheard(full, port));
    }
}

#[test]
fn a_server_without_a_standard_error_answers_and_stops() {
    let machine = Machine::new();
    let (bare, port) = command(&machine, &[]);
    answers_and_stops(&machine, machine.starts_unheard(in_shell(&bare, "exec \"$@\" 2>&- >&- <&-"), port));
}

/// The same command, started by a shell that does this first.
pub fn in_shell(command: &Command, script: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell
}

#[test]
fn a_log_file_that_may_not_grow_ends_nothing_and_is_told_of_later() {
    let machine = Machine::new();
    let (bare, port) = command(&machine, &[]);
    let limit_bytes = 4096 * 512;
    let path = machine.path("log");
    // All but the room for half a line.
    std::fs::write(&path, "-".repeat(limit_bytes - 30) + "\n").expect("writes");
    let log = OpenOptions::new().append(true).open(&path).expect("opens");
    let mut limited = in_shell(&bare, "ulimit -f 4096; exec \"$@\"");
    limited.stderr(log);
    let server = machine.starts_unheard(limited, port);
    let token = server.new_session();
    assert_eq!(std::fs::metadata(&path).expect("is there").len(), limit_bytes as u64, "the log is full");
    File::options().write(true).open(&path).expect("opens").set_len(0).expect("is made empty");
    assert!(server.session_is_live(&token));
    server.stops();
    let log = std::fs::read_to_string(&path).expect("text");
    let notice = log.lines().find(|line| line.contains("log lines could not be written count="));
    assert!(notice.is_some_and(|line| line.contains("ERROR [authnzerver] ")), "{log}");
    assert!(log.lines().any(|line| line.contains("request=\"session-exists\"")), "{log}");
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_requests_nor_the_stop() {
    let machine = Machine::new();
    let (mut unread, port) = command(&machine, &[]);
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    unread.stderr(writer);
    let server = machine.starts_unheard(unread, port);
    // A pipe holds sixteen pages. What does not fit on one begins another, so two that follow one another hold more than one.
    for _ in 0..300 {
        asks_wordily(&server);
        sends_garbage(&server);
    }
    answers_and_stops(&machine, server);
    let mut log = String::new();
    reader.read_to_string(&mut log).expect("text");
    assert!(log.len() > 8 * 4096, "{} bytes", log.len());
}

#[test]
fn what_is_done_to_an_account_is_logged_with_who_had_it_done_and_names_nobody() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let email = "somebody@example.org";
    let body = json!({ "full_name": "", "email": email, "password": "a-Good1Password-here" });
    let made = server.ask("user-new", &body);
    let user_id = made["response"]["user_id"].as_i64().expect("a number");
    for (request, body) in [
        ("user-set-emailverified", json!({ "email": email })),
        ("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })),
        ("internal-user-lock", json!({ "target_userid": user_id, "action": "unlock" })),
        ("internal-user-edit", json!({ "target_userid": user_id, "update_dict": { "full_name": "S" } })),
        ("user-delete", json!({ "email": email, "user_id": user_id, "password": body["password"] })),
    ] {
        assert_eq!(server.ask(request, &body)["success"], true, "{request}");
    }
    let log = server.stops();
    for (what, by) in [
        ("account signed up", "the calling server"),
        ("address verified", "the calling server"),
        ("account locked", "the calling server"),
        ("account unlocked", "the calling server"),
        ("account edited", "the calling server"),
        ("account deleted", "a password"),
    ] {
        let line = log.lines().find(|line| line.contains(what)).unwrap_or_default();
        assert!(line.contains("user=\"") && line.contains(&format!("by=\"{by}\"")), "{what}: {line}");
    }
    assert!(!log.contains(email), "{log}");
}

/// Runs one of the tests below in a process of its own, which they need because they take over its standard error.
fn child(test: &str, stderr: Stdio) -> Command {
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", test, "--nocapture"]).env(CHILD, "1").stdout(Stdio::null()).stderr(stderr);
    child
}

const CHILD: &str = "AUTHNZERVER_TEST_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn a_panic_ends_no_process_whose_log_cannot_be_written() {
    if is_child() {
        log::start(LogFormat::Text, ::log::LevelFilter::Info, true, &OsRng).expect("starts");
        log::install_panic_hook();
        for _ in 0..3 {
            let error = std::thread::spawn(|| panic!("a secret")).join();
            assert!(error.is_err());
        }
        log::finish();
        return;
    }
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let (closed, closed_writer) = std::io::pipe().expect("a pipe");
    drop(closed);
    let name = "log::a_panic_ends_no_process_whose_log_cannot_be_written";
    assert!(child(name, closed_writer.into()).status().expect("runs").success());
    assert!(child(name, writer.into()).status().expect("runs").success());
    let mut log = String::new();
    reader.read_to_string(&mut log).expect("text");
    assert_eq!(log.matches("ERROR [authnzerver] a bug in the server at=").count(), 3, "{log}");
    assert!(!log.contains("secret"), "{log}");
}

/// Random bytes, until a file of this name is there; then a panic.
struct PanickingRng(PathBuf);

impl Rng for PanickingRng {
    fn fill(&self, buffer: &mut [u8]) {
        assert!(!self.0.exists(), "a secret");
        OsRng.fill(buffer);
    }
}

#[test]
fn a_panic_in_a_request_costs_that_request_and_is_logged_by_its_place_alone() {
    const BASE: &str = "AUTHNZERVER_TEST_BASE";
    if is_child() {
        let base = PathBuf::from(std::env::var_os(BASE).expect("is set"));
        let mut environment = Environment::of_this_process().expect("a process");
        environment.variables.remove(OsStr::new(BASE));
        environment.variables.remove(OsStr::new(CHILD));
        environment.arguments = vec![format!("--basedir={}", base.display()).into()];
        let settings = Invocation::parse(&environment.arguments)
            .and_then(|invocation| config::load(&invocation, &environment));
        let Ok(settings) = settings else { std::process::exit(3) };
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) =
            (Arc::new(SystemClock::new()), Arc::new(PanickingRng(base.join("panic"))));
        let end = lifecycle::run(settings, &[], &Process::new(&environment), &clock, &rng);
        std::process::exit(i32::from(end != End::Stopped));
    }
    let machine = Machine::new();
    machine.starts(&[]).stops();
    let (port, log) = (free_port(), machine.path("log"));
    let name = "log::a_panic_in_a_request_costs_that_request_and_is_logged_by_its_place_alone";
    let mut faulty = child(name, File::create(&log).expect("a file").into());
    faulty.env(BASE, machine.path("")).env("AUTHNZERVER_PORT", port.to_string());
    let server = machine.starts_unheard(faulty, port);
    std::fs::write(machine.path("panic"), "").expect("writes");
    assert_eq!(server.session_status(), 500);
    std::fs::remove_file(machine.path("panic")).expect("is there");
    server.new_session();
    server.stops();
    let log = std::fs::read_to_string(log).expect("text");
    assert_eq!(log.matches("a bug in the server at=").count(), 1, "{log}");
    assert!(!log.contains("a secret") && !log.contains("panicked"), "{log}");
}

#[test]
fn the_last_words_of_an_abort_are_in_the_log() {
    if is_child() {
        log::start(LogFormat::Text, ::log::LevelFilter::Info, true, &OsRng).expect("starts");
        std::io::stderr().write_all(b"last words\n").expect("the pipe is read");
        std::process::abort();
    }
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let status = child("log::the_last_words_of_an_abort_are_in_the_log", writer.into()).status();
    assert!(!status.expect("runs").success());
    let mut log = String::new();
    reader.read_to_string(&mut log).expect("text");
    assert!(log.contains("WARN  [authnzerver] printed by a library text=\"last words\""), "{log}");
}

#[test]
fn nothing_reaches_the_log_in_another_form_than_the_chosen_one() {
    const FORMAT: &str = "AUTHNZERVER_TEST_FORMAT";
    if is_child() {
        let is_json = std::env::var_os(FORMAT).is_some_and(|format| format == "json");
        let format = if is_json { LogFormat::Json } else { LogFormat::Text };
        log::start(format, ::log::LevelFilter::Info, true, &OsRng).expect("starts");
        for printed in ["raw \u{1b}[31m\r\n", "\"half", &format!("{{\n{}", "long ".repeat(10_000))] {
            std::io::stderr().write_all(printed.as_bytes()).expect("the pipe is read");
            std::io::stdout().write_all(printed.as_bytes()).expect("the pipe is read");
            ::log::warn!(target: "a library", "{printed}");
        }
        log::info("our own", &[("count", 1_u32.into())]);
        log::finish();
        std::process::exit(0);
    }
    for format in ["text", "json"] {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let name = "log::nothing_reaches_the_log_in_another_form_than_the_chosen_one";
        let mut child = child(name, writer.into());
        assert!(child.env(FORMAT, format).status().expect("runs").success());
        drop(child);
        let mut log = String::new();
        reader.read_to_string(&mut log).expect("text");
        assert!(["raw", "half", "long", "our own"].iter().all(|word| log.contains(word)), "{log}");
        for line in log.lines() {
            let is_right = match format {
                "json" => value_of(line).is_ok_and(|line| line["level"].is_string()),
                _ => {
                    line.starts_with("20")
                        && [" INFO  [", " WARN  ["].iter().any(|level| line.contains(level))
                }
            };
            assert!(is_right && line.len() < 1500 && !line.chars().any(char::is_control), "{line}");
        }
    }
}
