//! Clients that guess and hang up, at the real server: what they left behind keeps nobody waiting.

use rusqlite::Connection;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::Write;
use std::net::TcpStream;
use support::machine::{Machine, Running};

const PASSWORD: &str = "aROwQin9L8nNtPTEMLXd";
const GUESSES: usize = 60;
/// A hash that takes a second or more, so that the server finds out who is gone while one is under way.
const SLOW: &[(&str, &str)] =
    &[("ARGON2", "m=65536,t=16,p=1"), ("HASHTHREADS", "1"), ("USERLOCKTRIES", "1000")];

/// A server with Alice, whose stored hash is slow to verify, and with a count of all passwords that were tested and
/// found wrong.
fn server_of_alice(machine: &Machine) -> Running {
    let sign_up = json!({ "full_name": "Alice", "email": "alice@example.org", "password": PASSWORD });
    let server = machine.starts(&[]);
    server.ask("user-new", &sign_up);
    server.ask("user-set-emailverified", &json!({ "email": "alice@example.org" }));
    server.stops();
    let server = machine.starts(SLOW);
    let session = server.new_session();
    assert_eq!(log_in(&server, &session).expect("an answer")["success"], true, "the hash is replaced");
    let counted = "CREATE TABLE wrong (account BLOB);
        CREATE TRIGGER first_wrong AFTER INSERT ON attempts BEGIN INSERT INTO wrong VALUES (new.account_hash); END;
        CREATE TRIGGER next_wrong AFTER UPDATE OF failures ON attempts WHEN new.failures > old.failures
        BEGIN INSERT INTO wrong VALUES (new.account_hash); END;";
    Connection::open(machine.path(".authdb.sqlite"))
        .and_then(|db| db.execute_batch(counted))
        .expect("counts");
    server
}

fn log_in(server: &Running, session: &str) -> Option<Value> {
    let body = json!({ "session_token": session, "email": "alice@example.org", "password": PASSWORD });
    server.try_ask(&json!(1), "user-login", &body)
}

fn found_wrong(machine: &Machine) -> usize {
    let db = Connection::open(machine.path(".authdb.sqlite")).expect("opens");
    db.query_row("SELECT count(*) FROM wrong", (), |row| row.get::<_, u32>(0)).expect("a number") as usize
}

fn guess(machine: &Machine, server: &Running, email: &str) -> TcpStream {
    let message = json!({
        "request": "user-passcheck-nosession", "reqid": 1, "client_ipaddr": "192.0.2.1",
        "body": { "email": email, "password": "wrong" },
    });
    let sealed = machine.seal(&message);
    let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", sealed.len());
    let mut client = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
    client.write_all(&[head.as_bytes(), &sealed].concat()).expect("it reads");
    client
}

/// Has strangers guess and hang up; then Alice logs in. At most so many guesses may wait.
fn alice_passes_those_who_left(email_of: impl Fn(usize) -> String, waiting_max: usize) {
    let machine = Machine::new();
    let server = server_of_alice(&machine);
    let session = server.new_session();
    let clients: Vec<_> = (0..GUESSES).map(|number| guess(&machine, &server, &email_of(number))).collect();
    let refused = || server.log().matches("outcome=busy").count();
    // One is tested, some wait, the rest is told to come again.
    server.waits_until(|| refused() + found_wrong(&machine) + 1 + waiting_max >= GUESSES);
    drop(clients);
    let before = found_wrong(&machine);
    assert!(before + refused() < GUESSES, "some are still there");
    let answer = RefCell::new(None);
    server.waits_until(|| {
        *answer.borrow_mut() = log_in(&server, &session);
        answer.borrow().is_some()
    });
    assert_eq!(answer.take().expect("an answer")["success"], true);
    // The one that was under way, and on a busy machine others that ended before the server saw that all were gone; but not
    // that one and all that waited.
    let tested = found_wrong(&machine) - before;
    assert!(tested < waiting_max, "Alice waited for {tested} guesses of clients that were gone");
    let log = server.log();
    assert!(log.contains("requests refused while busy"), "{log}");
    assert!(!log.contains("request failed"), "many who come at once are no fault of the server's: {log}");
}

#[test]
fn guesses_at_one_account_keep_their_places_no_longer_than_their_clients_stay() {
    alice_passes_those_who_left(|_| "alice@example.org".to_owned(), 4);
}

#[test]
fn guesses_at_many_accounts_keep_their_places_no_longer_than_their_clients_stay() {
    alice_passes_those_who_left(|number| format!("nobody{number}@example.org"), 32);
}
