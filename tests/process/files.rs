//! Files that settings name: only regular ones are read, whatever an editor put in front of the text; and what the
//! program prints is either written or the exit status tells.

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use support::machine::{KEY, Machine};
use support::parser::value_of;
use support::test_ca::Authority;

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn no_setting_waits_for_a_pipe_or_reads_a_device() {
    let machine = Machine::new();
    let pipe = machine.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there").success());
    for (path, what) in [(text(&pipe), "it is a pipe"), ("/dev/zero".to_owned(), "it is a device")] {
        for setting in ["SECRET", "PIISALT", "PERMISSIONS", "TLSCERTFILE", "TLSCERTKEY", "PWNEDFILE"] {
            let settings =
                [("AUTHDB", "sqlite:///x"), ("SECRET", KEY), ("PIISALT", "none"), (setting, path.as_str())];
            let (status, log) = machine.fails(&settings);
            assert!(status == 1 && log.contains(what), "{setting}: {log}");
        }
        for option in ["--envfile", "--confvars"] {
            let mut machine = Machine::new();
            let link = machine.path("linked.json");
            std::os::unix::fs::symlink(&path, &link).expect("a link");
            machine.types(format!("{option}={}", link.display()));
            let (status, log) = machine.fails(&[]);
            assert!(status == 1 && log.contains(what), "{option}: {log}");
        }
        let mut command = machine.command(&[]);
        let output = command.env("SSL_CERT_FILE", &path).output().expect("runs");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && log.contains(what), "{log}");
    }
}

#[test]
fn a_policy_that_became_a_pipe_holds_up_neither_a_hang_up_nor_the_stop() {
    let machine = Machine::new();
    let policy = machine.path("policy.json");
    std::fs::write(&policy, authnzerver::policy::model::DEFAULT_POLICY).expect("writes");
    let server = machine.starts(&[("PERMISSIONS", &text(&policy))]);
    std::fs::remove_file(&policy).expect("is there");
    assert!(Command::new("mkfifo").arg(&policy).status().expect("mkfifo is there").success());
    server.hangs_up("kept the old permissions policy");
    assert!(server.stops().contains("it is a pipe"));
}

#[test]
fn a_byte_order_mark_in_front_of_a_file_changes_nothing() {
    let machine = Machine::new();
    let authority = Authority::new();
    let identity = authority.certifies("localhost");
    let [certificate, key] =
        [identity.certificate, identity.key].map(|path| std::fs::read_to_string(path).expect("text"));
    let write = |name: &str, content: &str| {
        let path = machine.path(name);
        std::fs::write(&path, format!("\u{feff}{content}")).expect("writes");
        text(&path)
    };
    let settings = [
        ("AUTHDB", text(&machine.path("db.sqlite"))),
        ("SECRET", write(".authnzerver-secret-key", &format!("{KEY}\r\n"))),
        ("PIISALT", write("salt", "none")),
        ("PERMISSIONS", write("policy.json", authnzerver::policy::model::DEFAULT_POLICY)),
        ("TLSCERTFILE", write("certificate.pem", &certificate)),
        ("TLSCERTKEY", write("key.pem", &key)),
    ];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = machine.starts(&settings);
    assert!(server.log().contains("tls=on"));
    server.stops();

    let mut machine = Machine::new();
    let file = machine.path("variables");
    let lines = format!(
        "\u{feff}AUTHNZERVER_AUTHDB={}\r\nAUTHNZERVER_SECRET=\"{KEY}\"\r\nAUTHNZERVER_PIISALT=none\r\n\
         AUTHNZERVER_PORT=0\r\n",
        machine.path("db.sqlite").display()
    );
    std::fs::write(&file, lines).expect("writes");
    machine.types(format!("--envfile={}", file.display()));
    machine.starts(&[]).stops();
}

#[test]
fn a_hang_up_adds_the_roles_of_the_new_policy() {
    let machine = Machine::new();
    let policy = machine.path("policy.json");
    let original = authnzerver::policy::model::DEFAULT_POLICY;
    std::fs::write(&policy, original).expect("writes");
    let server = machine.starts(&[("PERMISSIONS", &text(&policy)), ("DEBUGMODE", "1")]);
    let roles = || {
        let sealed = machine.seal(&json!({ "request": "echo" }));
        let echo = machine.open(&server.http("POST", "/echo", "localhost", &sealed).body);
        echo["dbtest"].as_array().expect("roles").iter().any(|role| role["name"] == "curator")
    };
    assert!(!roles());
    let mut changed: Value = value_of(original).expect("JSON");
    changed["roles"].as_array_mut().expect("a list").push(json!("curator"));
    let like = changed["role_policy"]["authenticated"].clone();
    changed["role_policy"]["curator"] = like;
    if let Some(limits) = changed.get("limits").and_then(|limits| limits.get("authenticated")).cloned() {
        changed["limits"]["curator"] = limits;
    }
    std::fs::write(&policy, changed.to_string()).expect("writes");
    server.hangs_up("read the permissions policy again");
    assert!(roles(), "{}", server.log());
}

#[test]
fn what_cannot_be_printed_is_a_failure() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let url = format!("--url=http://127.0.0.1:{}/", server.port);
    let set_up = format!("--basedir={}", machine.path("new").display());
    for words in [
        vec!["--help"],
        vec!["--version"],
        vec!["--settings"],
        vec!["--settings=markdown"],
        vec!["--schema"],
        vec!["--schema=markdown"],
        vec!["pwned", "--help"],
        vec!["call", "user-logout", r#"{"session_token": "x", "user_id": 1}"#, &url],
        vec!["--autosetup", &set_up],
    ] {
        let run = |to: Stdio| {
            let mut command = machine.command(&[]);
            if words[0] == "pwned" || words[0] == "--autosetup" {
                command = Command::new(support::program());
            }
            command.args(&words).stdin(Stdio::null()).stdout(to).stderr(Stdio::piped());
            command.output().expect("runs")
        };
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("opens");
        let output = run(full.into());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && output.status.code().is_some(), "{words:?}");
        assert!(errors.contains("No space left on device"), "{words:?}: {errors}");
    }
    let left = Command::new("/bin/sh")
        .args(["-c", "\"$0\" --schema | head -c 1 >/dev/null; exit ${PIPESTATUS:-0}"])
        .arg(support::program())
        .output()
        .expect("runs");
    assert!(left.status.success() && left.stderr.is_empty(), "a reader who left is no fault");
}

#[test]
fn a_hang_up_takes_another_log_level_and_keeps_the_old_one_for_one_that_is_none() {
    let mut machine = Machine::new();
    let file = machine.path("variables");
    let write = |level: &str| {
        let lines = format!("AUTHNZERVER_PORT=0\nAUTHNZERVER_PWNEDURL=none\nAUTHNZERVER_LOGLEVEL={level}\n");
        std::fs::write(&file, lines).expect("writes");
    };
    write("info");
    machine.types(format!("--envfile={}", file.display()));
    let server = machine.starts(&[]);
    let lines = || server.log().matches("request=\"session-new\"").count();
    let hangs_up_until = |level: &str, event: &str| {
        write(level);
        server.signals("-HUP");
        server.waits_until(|| server.log().contains(event));
    };
    server.new_session();
    server.waits_until(|| lines() == 1);

    hangs_up_until("loud", "kept the old log level");
    server.new_session();
    server.waits_until(|| lines() == 2);

    hangs_up_until("error", "logs another level level=ERROR");
    server.new_session();
    hangs_up_until("debug", "logs another level level=DEBUG");
    server.new_session();
    server.waits_until(|| lines() > 2);
    assert_eq!(lines(), 3, "{}", server.log());
    server.stops();
}
