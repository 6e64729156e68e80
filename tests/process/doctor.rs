//! The look at everything around a server.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rusqlite::Connection;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use support::machine::Machine;
use support::parser::value_of;

/// What it finds: the exit status, and each line with its level.
fn examines(machine: &Machine, port: u16, options: &[&str]) -> (i32, Vec<(String, String)>) {
    let port = port.to_string();
    let output =
        machine.command(&[("PORT", &port)]).args(["doctor", "--json"]).args(options).output().expect("runs");
    let told = value_of(std::str::from_utf8(&output.stdout).expect("text")).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |check: &Value| {
        (text(&check["level"]), format!("{}; {}", text(&check["what"]), text(&check["advice"])))
    };
    let checks = told["checks"].as_array().expect("checks").iter().map(line).collect();
    (output.status.code().expect("an exit status"), checks)
}

/// Sees that it has this to say, at this level and with this exit status.
#[track_caller]
fn says(machine: &Machine, port: u16, options: &[&str], status: i32, level: &str, what: &str) {
    let (ended, lines) = examines(machine, port, options);
    let is_said = lines.iter().any(|(found, line)| found == level && line.contains(what));
    assert!(is_said, "{what}: {lines:#?}");
    assert_eq!(ended, status, "{lines:#?}");
}

fn backs_up(machine: &Machine) {
    let made = machine.command(&[]).arg("backup").arg(machine.path("backup.sqlite")).output().expect("runs");
    assert!(made.status.success(), "{made:?}");
}

#[test]
fn a_server_that_is_well_is_found_well_and_whatever_is_not_is_told_with_what_to_do() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let url = format!("http://127.0.0.1:{}/", server.port);
    let port = server.port;
    std::fs::set_permissions(machine.path(""), std::fs::Permissions::from_mode(0o700)).expect("may");
    says(&machine, port, &[], 1, "warning", "no verified backup was ever made; back it up");
    backs_up(&machine);
    let (status, lines) = examines(&machine, port, &[]);
    assert!(status == 0 && lines.iter().all(|(level, _)| level == "ok"), "{lines:#?}");
    for what in [
        "a server can start",
        "keys: 1",
        "belong to one user",
        "MiB are free",
        "the database has",
        "is well",
        "is sound",
        "last verified backup",
        "no email was given up on",
        "the clock says",
    ] {
        assert!(lines.iter().any(|(_, line)| line.contains(what)), "{what}: {lines:#?}");
    }
    assert!(lines.iter().any(|(_, line)| line.contains(&url)), "{lines:#?}");
    server.stops();
    says(&machine, port, &[], 1, "warning", "start the server");

    let db = Connection::open(machine.path(".authdb.sqlite")).expect("opens");
    let run = |statements: &str| db.execute_batch(statements).expect("runs");
    run("INSERT INTO email_queue (purpose, user_id, site, page, browser, ip_address, state, tries, next_try, created)
         VALUES ('reset', 1, '', '', '', '', 'dead', 6, '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000')");
    says(&machine, port, &[], 1, "warning", "emails that were given up on: 1; `authnzerver mail list`");
    run("UPDATE server_state SET value = '2025-01-01 00:00:00.000000' WHERE name = 'last_backup'");
    says(&machine, port, &[], 1, "warning", "days old; back it up every day");
    run(
        "INSERT OR REPLACE INTO server_state (name, value) VALUES ('last_seen_time', '2126-01-01 00:00:00.000000')",
    );
    says(&machine, port, &[], 2, "problem", "set the clock");
    drop(db);

    let database = machine.path(".authdb.sqlite");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&database, open).expect("may");
    says(&machine, port, &[], 2, "problem", "others have rights on");
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o600)).expect("may");
    says(&machine, port, &["--userlocktries=0"], 2, "problem", "userlocktries");
    says(&machine, port, &["--permissions=nowhere"], 2, "problem", "permissions");
}

#[test]
fn damage_is_a_problem_with_what_to_do() {
    let machine = Machine::new();
    machine.starts(&[]).stops();
    let database = machine.path(".authdb.sqlite");
    let mut bytes = std::fs::read(&database).expect("reads");
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 8192].fill(0xa5);
    std::fs::write(&database, bytes).expect("writes");
    let (status, lines) = examines(&machine, 1, &[]);
    let is_told = lines.iter().any(|(level, line)| level == "problem" && line.contains("damaged"));
    assert!(status == 2 && is_told, "{lines:#?}");
}

#[test]
fn a_certificate_that_ends_is_told_before_it_does() {
    let machine = Machine::new();
    machine.starts(&[]).stops();
    let (certificate, key) = (machine.path("tls.pem"), machine.path("tls.key"));
    let pair = KeyPair::generate().expect("a key");
    std::fs::write(&key, pair.serialize_pem()).expect("writes");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("may");
    let options =
        [format!("--tlscertfile={}", certificate.display()), format!("--tlscertkey={}", key.display())];
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    for (year, status, level, what) in
        [(2020, 2, "problem", "the certificate ended at 2020-03-04"), (2999, 1, "ok", "ends at 2999-03-04")]
    {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(year, 3, 4);
        std::fs::write(&certificate, params.self_signed(&pair).expect("signs").pem()).expect("writes");
        says(&machine, 1, &options, status, level, what);
    }
}

#[test]
fn the_mail_server_is_tried_out_where_that_is_wanted_and_gets_no_email() {
    let machine = Machine::new();
    machine.starts(&[]).stops();
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = format!("--emailport={}", listener.local_addr().expect("an address").port());
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("somebody comes");
        let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
        let mut told = Vec::new();
        (&stream).write_all(b"220 mail.example\r\n").expect("it reads");
        while let Some(Ok(line)) = lines.next() {
            told.push(line);
            // It may be gone after its good-bye.
            let _ = (&stream).write_all(b"250 ok\r\n");
        }
        told
    });
    let options = ["--mail", "--emailserver=127.0.0.1", &port];
    says(&machine, 1, &options, 1, "ok", "takes emails from here");
    let told = server.join().expect("no panic");
    assert!(told.iter().all(|line| line.starts_with("EHLO") || line == "QUIT"), "{told:?}");
    says(&machine, 1, &options, 2, "problem", "look at emailserver and emailport");
}
