//! A first start, killed at any point: the next one goes on, and the credentials on the disk are those that log in.

use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use support::machine::{Machine, Running};
use support::parser::value_of;

const CREDENTIALS: &str = ".authnzerver-admin-credentials";

/// Whether the file's administrator can log in.
fn credentials_are_good(machine: &Machine, server: &Running) -> bool {
    let text = std::fs::read_to_string(machine.path(CREDENTIALS)).expect("reads");
    let (email, password) = text.trim_end().split_once(' ').expect("an address and a password");
    let body = json!({ "session_token": server.new_session(), "email": email, "password": password });
    server.ask("user-login", &body)["response"]["user_role"] == "superuser"
}

/// Every file that tells how somebody logs in.
fn files_of_credentials(machine: &Machine) -> usize {
    let files = std::fs::read_dir(machine.path("")).expect("reads").filter_map(Result::ok);
    files.filter(|file| file.file_name().to_string_lossy().starts_with(CREDENTIALS)).count()
}

#[test]
fn after_a_first_start_that_was_killed_the_credentials_on_the_disk_log_in() {
    let files = [".authnzerver-secret-key", ".authnzerver-salt", ".authdb.sqlite", CREDENTIALS];
    for awaited in files.into_iter().chain(files.map(|_| CREDENTIALS)) {
        let machine = Machine::new();
        for _ in 0..2 {
            let mut command = machine.command(&[]);
            let mut child = command.stderr(Stdio::null()).spawn().expect("starts");
            while !machine.path(awaited).exists() {
                std::thread::yield_now();
            }
            child.kill().expect("a child of ours");
            child.wait().expect("a child of ours");
        }
        let server = machine.starts(&[]);
        assert!(credentials_are_good(&machine, &server), "killed when {awaited} was there");
        assert_eq!(files_of_credentials(&machine), 1, "killed when {awaited} was there");
    }
}

#[test]
fn a_first_start_takes_the_credentials_that_an_earlier_one_left() {
    let machine = Machine::new();
    std::fs::write(machine.path(CREDENTIALS), "me@example.org the-password-that-is-there\n").expect("writes");
    let server = machine.starts(&[]);
    assert!(credentials_are_good(&machine, &server));
    server.stops();
    let text = std::fs::read_to_string(machine.path(CREDENTIALS)).expect("reads");
    assert_eq!(text, "me@example.org the-password-that-is-there\n", "it stays as it was");

    let machine = Machine::new();
    std::fs::write(machine.path(CREDENTIALS), "me@example.org half-a-pass").expect("writes");
    let server = machine.starts(&[]);
    assert!(credentials_are_good(&machine, &server), "half a file is written anew");
    server.stops();

    let machine = Machine::new();
    std::fs::write(machine.path(CREDENTIALS), "me@example.org another-password\n").expect("writes");
    let given = [("ADMIN_EMAIL", "you@example.org"), ("ADMIN_PASSWORD", "a password that was given")];
    machine.starts(&given).stops();
    let text = std::fs::read_to_string(machine.path(CREDENTIALS)).expect("reads");
    assert_eq!(text, "you@example.org password-was-user-generated\n");
}

#[test]
fn a_database_that_is_gone_and_a_directory_that_is_open_are_told_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = Machine::new();
    std::fs::set_permissions(machine.path(""), std::fs::Permissions::from_mode(0o700)).expect("ours");
    let first = machine.starts(&[]).stops();
    assert!(!first.contains("there is no database") && !first.contains("others have rights"), "{first}");
    std::fs::remove_file(machine.path(".authdb.sqlite")).expect("is there");
    let server = machine.starts(&[]);
    assert!(server.log().contains("there is no database"), "{}", server.log());
    assert!(credentials_are_good(&machine, &server));
    server.stops();
    for mode in [0o755, 0o770, 0o701] {
        std::fs::set_permissions(machine.path(""), std::fs::Permissions::from_mode(mode)).expect("ours");
        let log = machine.starts(&[]).stops();
        assert!(log.contains("others have rights on the base directory"), "{mode:o} {log}");
        assert!(!log.contains("there is no database"), "{log}");
    }
}

#[test]
fn a_file_that_stops_a_start_does_so_before_there_is_a_database() {
    for (variable, told) in [
        ("SSL_CERT_FILE", "missing.pem"),
        ("AUTHNZERVER_TEMPLATES", "missing.pem"),
        ("AUTHNZERVER_PWNEDFILE", "missing.pem"),
    ] {
        let machine = Machine::new();
        let missing = machine.path("missing.pem");
        let output = machine.command(&[]).env(variable, &missing).output().expect("the program starts");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && log.contains(told), "{variable}: {log}");
        assert!(!machine.path(".authdb.sqlite").exists(), "{variable}: made a database");
        assert_eq!(files_of_credentials(&machine), 0, "{variable}");
    }
}

/// What `settings check` says of a start, and whether it has written anything there.
fn outlook(machine: &Machine, base: &Path, words: &[&str]) -> Value {
    let mut command = machine.command(&[]);
    command.arg(format!("--basedir={}", base.display())).args(["settings", "check", "--json"]).args(words);
    let output = command.output().expect("the program starts");
    let told = value_of(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(i32::from(told["ok"] != true)), "{told}");
    told
}

#[test]
fn settings_check_tells_what_a_first_start_would_come_to_and_makes_nothing() {
    let machine = Machine::new();
    for base in [machine.path("not/yet"), machine.path("empty")] {
        if base.ends_with("empty") {
            std::fs::create_dir(&base).expect("made");
        }
        let there = base.exists();
        let told = outlook(&machine, &base, &[]);
        let warnings = told["warnings"].to_string();
        assert_eq!((&told["ok"], &told["problems"]), (&json!(true), &json!([])), "{told}");
        for file in [".authnzerver-secret-key", ".authnzerver-salt", ".authdb.sqlite"] {
            let path = base.join(file);
            assert!(warnings.contains(&format!("{} yet; a start makes it", path.display())), "{warnings}");
            assert!(!path.exists(), "{file}");
        }
        assert_eq!(base.exists(), there);
        // What else would stop it is told all the same.
        let told = outlook(&machine, &base, &["--permissions=nowhere.json"]);
        assert!(told["problems"].to_string().contains("nowhere.json"), "{told}");
        let told = outlook(&machine, &base, &["--secret="]);
        assert_eq!(told["ok"], true, "{told}");
    }
    // One that no directory can be made in.
    std::fs::write(machine.path("file"), "").expect("writes");
    let told = outlook(&machine, &machine.path("file/base"), &[]);
    assert!(told["problems"].to_string().contains("Not a directory"), "{told}");
}

#[test]
fn a_database_in_a_directory_that_is_not_there_stops_a_start_and_settings_check_says_so() {
    let machine = Machine::new();
    machine.starts(&[]).stops();
    let (nowhere, base) = (machine.path("nowhere"), machine.path(""));
    let database = format!("--authdb={}", nowhere.join("accounts.sqlite").display());
    let why = format!("cannot use {}: there is no such directory", nowhere.display());
    let told = outlook(&machine, &base, &[&database]);
    assert!(told["ok"] == false && told["problems"].to_string().contains(&why), "{told}");
    let output = machine.command(&[]).arg(&database).output().expect("the program starts");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && log.contains(&why), "{log}");
    std::fs::create_dir(&nowhere).expect("made");
    assert_eq!(outlook(&machine, &base, &[&database])["ok"], true);
}
