//! Emails as an operator deals with them: their texts, and the commands about them.

use rusqlite::Connection;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;
use support::machine::{Machine, Running};
use support::parser::value_of;

const SIGN_UP: &str = "Subject: Willkommen\n\n{{link}}\n";

#[test]
fn texts_of_emails_are_checked_at_the_start_and_read_again_on_a_hang_up() {
    let machine = Machine::new();
    let directory = machine.path("emails");
    std::fs::create_dir(&directory).expect("makes");
    let write = |text: &str| std::fs::write(directory.join("signup.de.txt"), text).expect("writes");
    write("Subject: x\n\n{{link}}\n{{nmae}}\n");
    let settings = [("TEMPLATES", "[[basedir]]/emails")];
    let (status, log) = machine.fails(&settings);
    assert_eq!(status, 1);
    assert!(log.contains("signup.de.txt: line 4: there is no such placeholder"), "{log}");
    write(SIGN_UP);
    let server = machine.starts(&settings);
    write("Subject: x\n\nhttps://evil.example\n");
    server.hangs_up("kept the old email texts");
    write(SIGN_UP);
    server.hangs_up("read the email texts again");
}

/// Runs a command on the machine's base directory; its exit status, standard output and standard error.
fn runs(machine: &Machine, words: &[&str]) -> (i32, String, String) {
    let output = machine.command(&[]).args(words).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("an exit status"), text(output.stdout), text(output.stderr))
}

fn does(machine: &Machine, words: &[&str]) -> Value {
    let (status, output, errors) = runs(machine, &[words, &["--json"]].concat());
    assert_eq!((status, errors.as_str()), (0, ""), "{words:?}");
    value_of(&output).expect("JSON")
}

/// A mail server that greets and then gives these answers, whatever it is told; with its port, and what it was told.
fn mail_server(answers: &'static [&'static str]) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = listener.local_addr().expect("an address").port().to_string();
    let serve = move || {
        let (stream, _) = listener.accept().expect("somebody comes");
        let mut told = Vec::new();
        let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
        for answer in answers {
            (&stream).write_all(format!("{answer}\r\n").as_bytes()).expect("it reads");
            let is_data = told.last().is_some_and(|line: &String| line == "DATA");
            for line in lines.by_ref().map_while(Result::ok) {
                told.push(line);
                let is_over = !is_data || told.last().is_some_and(|line| line == ".");
                if is_over {
                    break;
                }
            }
        }
        told
    };
    (port, std::thread::spawn(serve))
}

const GREETING: [&str; 5] = [
    "220 mail.example",
    "250-mail.example\r\n250 AUTH PLAIN",
    "250 sender ok",
    "250 recipient ok",
    "354 go on",
];

#[test]
fn a_test_email_says_how_far_it_came_and_what_to_look_at() {
    let machine = Machine::new();
    machine.starts(&[]).stops();
    let (port, server) = mail_server(&[
        GREETING[0],
        GREETING[1],
        GREETING[2],
        GREETING[3],
        GREETING[4],
        "250 queued as 7\u{1b}[2J",
        "221 bye",
    ]);
    let port = format!("--emailport={port}");
    let (status, output, errors) =
        runs(&machine, &["mail", "test", "admin@example.org", "--emailserver=127.0.0.1", &port]);
    let told = server.join().expect("no panic");
    assert_eq!((status, errors.as_str()), (0, ""), "{output}");
    for part in [
        "connected to 127.0.0.1",
        "greeting: 220",
        "RCPT TO:<admin@example.org>: 250",
        "the email: 250 queued",
    ] {
        assert!(output.contains(part), "{part}: {output}");
    }
    assert!(output.contains("sent") && !output.contains('\u{1b}'), "{output}");
    assert!(told.iter().any(|line| line == "Auto-Submitted: auto-generated"), "{told:?}");

    let (port, server) = mail_server(&[GREETING[0], GREETING[1], "535 no such user", "221 bye"]);
    let port = format!("--emailport={port}");
    let words = [
        "mail",
        "test",
        "admin@example.org",
        "--emailserver=127.0.0.1",
        "--emailuser=robot",
        "--emailpass=a-secret-word",
        &port,
    ];
    let (status, output, _) = runs(&machine, &words);
    server.join().expect("no panic");
    assert_eq!(status, 1, "{output}");
    assert!(
        output.contains("PLAIN: 535 no such user") && output.contains("emailuser and emailpass"),
        "{output}"
    );
    let (secret, encoded) = ("a-secret-word", "YS1zZWNyZXQtd29yZA");
    assert!(!output.contains(secret) && !output.contains(encoded), "{output}");

    let free = TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("an address").port();
    let port = format!("--emailport={free}");
    let words = ["mail", "test", "admin@example.org", "--emailserver=127.0.0.1", &port, "--json"];
    let (status, output, _) = runs(&machine, &words);
    let told = value_of(&output).expect("JSON");
    assert_eq!((status, &told["sent"]), (1, &json!(false)));
    assert_eq!(told["why"], "the mail server cannot be reached");
    assert!(told["steps"].to_string().contains("cannot connect to 127.0.0.1"), "{told}");
    assert_eq!(runs(&machine, &["mail", "test", "no address"]).0, 2);
}

/// A server of which nobody takes the emails, and that has one for the administrator.
fn server_with_an_unsent_email(machine: &Machine) -> Running {
    let free = TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("an address").port();
    let server = machine.starts(&[("EMAILSERVER", "127.0.0.1"), ("EMAILPORT", &free.to_string())]);
    let credentials = std::fs::read_to_string(machine.path(".authnzerver-admin-credentials")).expect("reads");
    let (email, _) = credentials.trim().split_once(' ').expect("an address and a password");
    let reset = json!({
        "email": email, "link": "https://recipes.example/reset", "site_name": "Recipes",
        "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
    });
    assert_eq!(server.ask("reset-start", &reset)["success"], true);
    server.waits_until(|| does(machine, &["mail", "list"])["emails"][0]["tries"] == 1);
    server
}

#[test]
fn emails_that_were_not_sent_are_listed_tried_again_and_dropped() {
    let machine = Machine::new();
    let server = server_with_an_unsent_email(&machine);
    let email = &does(&machine, &["mail", "list"])["emails"][0];
    assert_eq!((&email["state"], &email["purpose"]), (&json!("waiting"), &json!("reset")));
    assert!(email["next_try"].is_string() && email["email"].is_string(), "{email}");
    let number = email["number"].to_string();
    assert_eq!(does(&machine, &["stats"])["emails"], json!({ "waiting": 1 }));
    let (_, text, _) = runs(&machine, &["mail", "list"]);
    assert!(text.starts_with("NUMBER") && text.lines().count() == 2, "{text}");
    server.stops();

    let db = Connection::open(machine.path(".authdb.sqlite")).expect("opens");
    db.execute("UPDATE email_queue SET state = 'dead', tries = 6", ()).expect("writes");
    let dead = &does(&machine, &["mail", "list"])["emails"][0];
    assert_eq!((&dead["state"], &dead["next_try"]), (&json!("dead"), &Value::Null));
    assert_eq!(does(&machine, &["mail", "retry", &number])["count"], 1);
    let again = &does(&machine, &["mail", "list"])["emails"][0];
    assert_eq!((&again["state"], &again["tries"]), (&json!("waiting"), &json!(0)));
    assert_eq!(does(&machine, &["mail", "retry", "--all"])["count"], 1);
    for words in [&["mail", "retry"][..], &["mail", "retry", &number, "--all"], &["mail", "retry", "x"]] {
        assert_eq!(runs(&machine, words).0, 2, "{words:?}");
    }
    assert_eq!(runs(&machine, &["mail", "retry", "999"]).0, 1);
    assert_eq!(runs(&machine, &["mail", "drop", &number]).0, 2, "it is not sure");
    does(&machine, &["mail", "drop", &number, "--yes"]);
    assert_eq!(does(&machine, &["mail", "list"])["emails"], json!([]));
    let told: String =
        db.query_row("SELECT page FROM email_queue", (), |row| row.get(0)).expect("it counts on");
    assert_eq!(told, "", "and what it told is forgotten");
    assert_eq!(runs(&machine, &["mail", "drop", &number, "--yes"]).0, 1);
}

#[test]
fn the_built_in_texts_are_a_start_for_others() {
    let machine = Machine::new();
    let directory = machine.path("emails");
    let name = directory.to_str().expect("UTF-8");
    let run = || {
        std::process::Command::new(support::program()).args(["mail", "templates", name, "--json"]).output()
    };
    let written = value_of(std::str::from_utf8(&run().expect("runs").stdout).expect("text")).expect("JSON");
    assert!(
        written["written"].as_array().is_some_and(|names| names.contains(&json!("signup.en.txt"))),
        "{written}"
    );
    std::fs::write(directory.join("signup.en.txt"), SIGN_UP).expect("writes");
    let kept = value_of(std::str::from_utf8(&run().expect("runs").stdout).expect("text")).expect("JSON");
    assert!(kept["written"] == json!([]) && kept["kept"] == written["written"], "{kept}");
    let text = std::fs::read_to_string(directory.join("signup.en.txt")).expect("reads");
    assert_eq!(text, SIGN_UP, "what is there stays");
    machine.starts(&[("TEMPLATES", name)]).stops();
}

#[test]
fn counts_are_of_what_there_is() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    server.new_session();
    let told = does(&machine, &["stats"]);
    assert_eq!(told["users"]["superuser"], json!({ "active": 1 }), "{told}");
    assert_eq!(told["sessions"], json!({ "anonymous": 1 }));
    assert!(told["database_bytes"].as_u64() > Some(0) && told["events"]["kept"].as_u64() > Some(0), "{told}");
    let (_, text, _) = runs(&machine, &["stats"]);
    assert!(text.contains("users, superuser") && !text.contains('@'), "{text}");
}
