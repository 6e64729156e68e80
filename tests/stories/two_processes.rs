//! Two processes on one database. Only where the database takes several: on the others these stories tell nothing.

use authnzerver::accounts::email_queue::wake;
use authnzerver::clock::Timestamp;
use authnzerver::outbound::mail::{MailError, MailSettings, Mailer, Receipt, Watch};
use authnzerver::outbound::templates::Email;
use authnzerver::server::maintenance::run_maintenance;
use authnzerver::wait::pause;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use support::{Reply, TestServer};

const REFUSE: &[(&str, &str)] = &[("BACKOFF", "refuse"), ("USERLOCKTRIES", "5"), ("USERLOCKTIME", "3600")];
const WRONG: &str = "a wrong password of hers";
const NO_MATCH: &str = "user does not exist or password doesn't match";

/// Two processes, or nothing where a database has one.
fn two(settings: &[(&str, &str)]) -> Option<(TestServer, TestServer)> {
    let first = TestServer::start_with(settings);
    let second = first.is_on_postgres().then(|| first.second_process(settings))?;
    Some((first, second))
}

fn guess(email: &str) -> Value {
    json!({ "email": email, "password": WRONG })
}

fn guesses(server: &TestServer, email: &str) -> Reply {
    server.ask("user-passcheck-nosession", guess(email))
}

fn hashes(server: &TestServer) -> u64 {
    server.app.hasher.hash_operations()
}

fn number(server: &TestServer, statement: &str) -> i64 {
    let text = server.stored(&format!("SELECT CAST(({statement}) AS TEXT)"));
    text.and_then(|text| text.parse().ok()).expect("a number")
}

#[test]
fn while_one_process_tests_a_password_the_other_tests_none_at_that_account() {
    let Some((first, second)) = two(&[]) else { return };
    let (alice, _) = first.member("alice");
    std::thread::scope(|scope| {
        let mut other = None;
        first.ask_and_meanwhile("user-passcheck-nosession", guess(&alice.email), 0, || {
            let (tested, writes) = (hashes(&second), second.app.store.counts().writes.get());
            other = Some(scope.spawn(|| guesses(&second, &alice.email)));
            // It asks for its turn again and again.
            while second.app.store.counts().writes.get() < writes + 2 {
                assert_eq!(hashes(&second), tested, "both have tested one");
                pause(Duration::from_millis(5));
            }
        });
        other.expect("was started").join().expect("is answered").refused(NO_MATCH);
    });
    assert_eq!(number(&first, "SELECT failures FROM attempts"), 2);
    assert_eq!(number(&first, "SELECT count(*) FROM leases"), 0);
}

#[test]
fn of_many_guesses_at_once_through_two_processes_no_more_are_tested_than_through_one() {
    let Some((first, second)) = two(REFUSE) else { return };
    let (alice, _) = first.member("alice");
    let tested_before = hashes(&first) + hashes(&second);
    // Each round begins when the wait after the failure before is over.
    for round in 1..=9 {
        std::thread::scope(|scope| {
            for number in 0..64 {
                let server = if number % 2 == 0 { &first } else { &second };
                let alice = &alice;
                scope.spawn(move || drop(guesses(server, &alice.email)));
            }
        });
        let tested = hashes(&first) + hashes(&second) - tested_before;
        assert_eq!(tested, round.min(6), "in round {round}");
        first.later(Duration::from_secs(60));
    }
    assert_eq!(number(&first, "SELECT count(*) FROM events WHERE kind = 'login.failed'"), 6);
    assert!(!alice.logs_in().succeeded(), "it is locked");
}

#[test]
fn what_a_process_had_for_itself_when_it_ended_is_free_after_a_while() {
    let Some((first, second)) = two(&[]) else { return };
    let (alice, _) = first.member("alice");
    // As a process leaves it that ends while it tests a password.
    second.changes(
        "INSERT INTO leases SELECT sha256('alice@example.org'), '', decode(repeat('07', 16), 'hex'), \
         '2026-11-23 15:00:20.000000'",
    );
    let (tested, refused) = second.hashes_of(|| {
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| guesses(&second, &alice.email));
            let writes = second.app.store.counts().writes.get();
            while second.app.store.counts().writes.get() < writes + 2 {
                pause(Duration::from_millis(5));
            }
            assert_eq!(number(&second, "SELECT count(*) FROM attempts"), 0);
            second.later(Duration::from_secs(21));
            asking.join().expect("is answered")
        })
    });
    refused.refused(NO_MATCH);
    assert_eq!((tested, number(&first, "SELECT failures FROM attempts")), (1, 1));
}

#[test]
fn a_guess_that_took_longer_than_its_lease_is_not_answered() {
    let Some((first, second)) = two(&[]) else { return };
    let (alice, _) = first.member("alice");
    let late = first.ask_and_meanwhile("user-passcheck-nosession", guess(&alice.email), 0, || {
        first.later(Duration::from_secs(21));
        guesses(&second, &alice.email).refused(NO_MATCH);
    });
    late.unavailable();
    assert_eq!(number(&first, "SELECT failures FROM attempts"), 1);
}

/// A mail server that takes its time: until told to go on.
struct Slow {
    begun: mpsc::Sender<()>,
    goes_on: Mutex<mpsc::Receiver<()>>,
}

impl Mailer for Slow {
    fn send(&self, _: &Email, _: &MailSettings, _: Timestamp, _: &Watch<'_>) -> Result<Receipt, MailError> {
        let _ = self.begun.send(());
        let _ = self.goes_on.lock().expect("nobody panicked with it").recv();
        Ok(Receipt::Confirmed)
    }
}

#[test]
fn an_email_is_sent_by_one_process_and_by_another_one_if_that_ends() {
    let Some((first, second)) = two(&[]) else { return };
    first.member("alice");
    let ((begun, begins), (go, goes_on)) = (mpsc::channel(), mpsc::channel());
    let first = first.with_mailer(&Arc::new(Slow { begun, goes_on: Mutex::new(goes_on) }));
    let body = json!({
        "email": "alice@example.org", "link": "https://recipes.example/code", "site_name": "Recipes",
        "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
    });
    first.ask("reset-start", body).done();
    begins.recv().expect("it is being sent");
    wake(&second.app);
    let meanwhile = second.emails().len();
    second.later(Duration::from_secs(61));
    wake(&second.app);
    let later = second.emails().len();
    drop(go);
    assert_eq!((meanwhile, later), (0, 1), "by the other process");
    first.holds_emails();
    assert_eq!(second.stored("SELECT state FROM email_queue").as_deref(), Some("done"));
}

#[test]
fn one_process_at_a_time_removes_what_has_expired() {
    let Some((first, _second)) = two(&[]) else { return };
    first.new_session(None);
    let sessions = |server: &TestServer| number(server, "SELECT count(*) FROM sessions");
    first.changes(
        "UPDATE sessions SET expires = '2001-01-01 00:00:00.000000'; \
         INSERT INTO leases SELECT sha256('the maintenance'), '', decode(repeat('07', 16), 'hex'), \
         '2026-11-23 15:00:20.000000'",
    );
    let runs_until = |happened: &dyn Fn() -> bool| {
        let (stop, stopped) = mpsc::channel();
        std::thread::scope(|scope| {
            let app = &first.app;
            scope.spawn(move || run_maintenance(app, &stopped));
            while !happened() {
                pause(Duration::from_millis(5));
            }
            drop(stop);
        });
    };
    let writes = first.app.store.counts().writes.get();
    runs_until(&|| first.app.store.counts().writes.get() > writes);
    let began = number(&first, "SELECT count(*) FROM server_state WHERE name = 'last_seen_time'");
    assert_eq!((began, sessions(&first)), (0, 1), "another process is at it");
    first.later(Duration::from_secs(21));
    runs_until(&|| sessions(&first) == 0);
}

#[test]
fn the_long_wait_between_two_emails_to_somebody_is_the_same_for_both_processes() {
    let Some((first, second)) = two(&[("MAILWAIT", "2")]) else { return };
    first.member("alice");
    let forgot = |server: &TestServer, client: &str| {
        let body = json!({
            "email_address": "alice@example.org", "session_token": server.new_session(None), "server_name": "Recipes",
            "server_baseurl": "https://recipes.example", "password_forgot_url": "/users/forgot",
            "verification_token": "a-code-of-somebodys", "verification_expiry": 900,
        });
        server.ask_from(client, "user-sendemail-forgotpass", body).succeeded()
    };
    assert!(forgot(&first, "198.51.100.7"));
    first.later(Duration::from_secs(3600));
    assert!(!forgot(&second, "198.51.100.7"), "an hour later, from the same network");
    assert!(forgot(&second, "203.0.113.9"), "from another one");
    second.later(Duration::from_secs(3601));
    assert!(forgot(&second, "198.51.100.7"));
}
