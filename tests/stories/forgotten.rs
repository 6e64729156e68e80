//! A forgotten password, from an address to a new one, by an emailed code.

use authnzerver::clock::Timestamp;
use authnzerver::outbound::mail::{MailError, MailSettings, Mailer, Receipt, Watch};
use authnzerver::outbound::templates::Email;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{GOOD_PASSWORD, Reply, TestServer, code_in};

const NEXT_PASSWORD: &str = "Trout-Lamp-93-Quarry";
const BAD_CODE: &str = "the code is not valid, was used, or has expired";
const INSECURE: &str = "invalid new password";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn start_body(email: &str) -> Value {
    json!({
        "email": email, "link": "https://recipes.example/reset", "site_name": "Recipes",
        "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
    })
}

fn start(server: &TestServer, email: &str) -> Reply {
    server.ask("reset-start", start_body(email))
}

fn finish(server: &TestServer, code: &str, password: &str) -> Reply {
    server.ask("reset-finish", json!({ "code": code, "new_password": password }))
}

/// The code that somebody gets who asks for one now.
fn code_for(server: &TestServer, email: &str) -> String {
    start(server, email).done();
    server.emailed_code()
}

fn queue(server: &TestServer) -> String {
    let rows = "SELECT coalesce(group_concat(state || ' ' || tries, ', '), '') FROM email_queue";
    server.stored(rows).expect("a text")
}

#[test]
fn whoever_forgot_their_password_gets_a_code_and_chooses_another() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let started = start(&server, "ALICE@example.org");
    let answer = started.done();
    assert_eq!((&answer["next"], &answer["code_seconds"]), (&json!("link"), &json!(3600)));
    assert_eq!(answer["resend_seconds"], 60);
    let emails = server.emails();
    assert_eq!(emails.len(), 1);
    assert_eq!(emails[0].to, alice.email);
    assert_eq!(emails[0].subject, "[Recipes] Please choose a new password");
    for part in ["Browser/1.0", "192.0.2.7", "2026-11-23 16:00 UTC"] {
        assert!(emails[0].text.contains(part), "{part}");
    }
    let code = code_in(&emails[0]);
    let stored = server.stored("SELECT group_concat(hex(code_hash)) FROM codes").expect("a code");
    assert_eq!(stored.len(), 64, "its SHA-256");
    let kept = server.stored("SELECT site || page || browser || ip_address FROM email_queue");
    assert_eq!(kept.as_deref(), Some(""), "what the email told is forgotten");
    assert!(server.session_is_live(&session), "asking changes nothing");
    alice.logs_in().done();
    let finished = finish(&server, &code, NEXT_PASSWORD);
    let answer = finished.done();
    assert_eq!((&answer["next"], &answer["email"]), (&json!("login"), &json!(alice.email)));
    assert!(!server.session_is_live(&session));
    alice.logs_in().refused("user does not exist or password doesn't match");
    server.later(MINUTE);
    alice.tries(NEXT_PASSWORD).done();
    finish(&server, &code, GOOD_PASSWORD).refused(BAD_CODE);
}

#[test]
fn a_weak_password_leaves_the_code_as_it_is() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let code = code_for(&server, &alice.email);
    for weak in ["short", "alice@example.org", "Somebody alice"] {
        finish(&server, &code, weak).refused(INSECURE);
    }
    finish(&server, &code, NEXT_PASSWORD).done();
}

#[test]
fn of_fifty_with_one_code_one_wins() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let code = code_for(&server, &alice.email);
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let server = &server;
        let code = &code;
        let finishing: Vec<_> = (0..50)
            .map(|number| scope.spawn(move || finish(server, code, &format!("{NEXT_PASSWORD}{number}"))))
            .collect();
        finishing.into_iter().map(|one| one.join().expect("is answered")).collect()
    });
    assert_eq!(replies.iter().filter(|reply| reply.succeeded()).count(), 1);
    let winner = replies.iter().position(Reply::succeeded).expect("one won");
    alice.tries(&format!("{NEXT_PASSWORD}{winner}")).done();
}

#[test]
fn asking_for_a_reset_tells_nobody_whose_address_is_known() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let pending = server.person("pending");
    pending.signs_up().done();
    let (locked, user_id) = server.member("locked");
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
    let (suspended, _) = server.member("suspended");
    for _ in 0..11 {
        suspended.tries("wrong");
        server.later(MINUTE);
    }
    server.holds_emails();
    let course = |email: &str| {
        (0..3)
            .map(|_| {
                let commits = server.commits();
                let (hashes, reply) = server.hashes_of(|| start(&server, email));
                (hashes, server.commits() - commits, reply.response().clone())
            })
            .collect::<Vec<_>>()
    };
    let unknown = course("nobody@example.org");
    assert!(unknown.iter().all(|(hashes, commits, _)| (*hashes, *commits) == (0, 1)), "{unknown:?}");
    for email in
        [&alice.email, &pending.email, &locked.email, &suspended.email, "admin@localhost", "no address"]
    {
        assert_eq!(course(email), unknown, "{email}");
    }
    let mut got: Vec<_> = server.emails().into_iter().map(|email| email.to).collect();
    got.sort();
    assert_eq!(got, ["admin@localhost", "alice@example.org", "pending@example.org", "suspended@example.org"]);
}

#[test]
fn a_lock_by_failures_does_not_keep_the_owner_from_it_and_a_persons_does() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    for _ in 0..11 {
        alice.tries("wrong");
        server.later(MINUTE);
    }
    let code = code_for(&server, &alice.email);
    finish(&server, &code, NEXT_PASSWORD).done();
    alice.tries(NEXT_PASSWORD).done();
    server.later(MINUTE);
    let code = code_for(&server, &alice.email);
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
    finish(&server, &code, GOOD_PASSWORD).refused(BAD_CODE);
    server.later(MINUTE);
    start(&server, &alice.email).done();
    assert!(server.emails().is_empty());
}

#[test]
fn a_code_ends_with_a_lock_by_a_person_a_deactivation_and_another_role_and_comes_not_back() {
    let server = TestServer::start();
    let ask = |request: &str, body: Value| drop(server.ask(request, body).done().clone());
    let edit = |user_id: i64, update: Value| {
        ask("internal-user-edit", json!({ "target_userid": user_id, "update_dict": update }));
    };
    let toggle = |user_id: i64, action: &str| {
        ask("internal-user-lock", json!({ "target_userid": user_id, "action": action }));
    };
    for (name, course) in [("alice", 0), ("bob", 1), ("carol", 2)] {
        let (person, user_id) = server.member(name);
        let code = code_for(&server, &person.email);
        match course {
            0 => ["lock", "unlock"].map(|action| toggle(user_id, action)).into_iter().collect(),
            1 => [false, true].map(|is| edit(user_id, json!({ "is_active": is }))).into_iter().collect(),
            _ => edit(user_id, json!({ "user_role": "staff" })),
        }
        finish(&server, &code, NEXT_PASSWORD).refused(BAD_CODE);
        person.logs_in().done();
        server.later(MINUTE);
        finish(&server, &code_for(&server, &person.email), NEXT_PASSWORD).done();
    }
}

#[test]
fn for_an_account_that_was_never_verified_it_is_the_verification() {
    let server = TestServer::start();
    let pending = server.person("pending");
    pending.signs_up().done();
    let code = code_for(&server, &pending.email);
    finish(&server, &code, NEXT_PASSWORD).done();
    pending.tries(NEXT_PASSWORD).done();
    pending.tries(GOOD_PASSWORD).refused("user does not exist or password doesn't match");
}

#[test]
fn for_a_contested_address_it_settles_whose_it_is() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let moved = "moved@example.org";
    let edit = json!({
        "user_id": user_id, "user_role": "authenticated", "session_token": server.new_session(Some(user_id)),
        "target_userid": user_id, "update_dict": { "email": moved },
    });
    server.ask("user-edit", edit).done();
    let other = json!({ "full_name": "A Name", "email": moved, "password": NEXT_PASSWORD });
    server.ask("user-new", other).refused("user exists");
    let code = code_for(&server, moved);
    finish(&server, &code, NEXT_PASSWORD).done();
    assert_eq!(server.stored("SELECT CAST(count(*) AS TEXT) FROM contested_addresses").as_deref(), Some("0"));
    server.ask("user-set-emailverified", json!({ "email": moved })).done();
    let mover = server.person("moved");
    mover.tries(NEXT_PASSWORD).done();
}

#[test]
fn a_code_ends_with_time_a_newer_one_a_password_change_and_an_address_change() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let old = code_for(&server, &alice.email);
    server.later(MINUTE);
    let newer = code_for(&server, &alice.email);
    finish(&server, &old, NEXT_PASSWORD).refused(BAD_CODE);
    server.later(HOUR);
    finish(&server, &newer, NEXT_PASSWORD).refused(BAD_CODE);

    let code = code_for(&server, &alice.email);
    let change = json!({
        "user_id": user_id, "full_name": "", "email": alice.email, "current_password": GOOD_PASSWORD,
        "new_password": NEXT_PASSWORD,
    });
    server.ask("user-changepass-nosession", change).done();
    finish(&server, &code, GOOD_PASSWORD).refused(BAD_CODE);

    server.later(MINUTE);
    let code = code_for(&server, &alice.email);
    let update = json!({ "target_userid": user_id, "update_dict": { "email": "else@example.org" } });
    server.ask("internal-user-edit", update).done();
    finish(&server, &code, GOOD_PASSWORD).refused(BAD_CODE);

    // What still waits is withdrawn as well: nobody who had the address before gets a code for the account.
    server.later(MINUTE);
    server.holds_emails();
    start(&server, "else@example.org").done();
    let back = json!({ "target_userid": user_id, "update_dict": { "email": alice.email } });
    server.ask("internal-user-edit", back).done();
    assert!(server.emails().is_empty());

    finish(&server, "", NEXT_PASSWORD).refused(BAD_CODE);
    finish(&server, &"x".repeat(100_000), NEXT_PASSWORD).refused(BAD_CODE);
}

#[test]
fn one_account_gets_an_email_a_minute_and_five_a_day() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let (bob, _) = server.member("bob");
    let mut sent = 0;
    for _ in 0..8 {
        start(&server, &alice.email).done();
        start(&server, &alice.email).done();
        sent += server.emails().len();
        server.later(MINUTE);
    }
    assert_eq!(sent, 5);
    start(&server, &bob.email).done();
    assert_eq!(server.emails().len(), 1, "others get theirs");
    server.later(24 * HOUR);
    start(&server, &alice.email).done();
    assert_eq!(server.emails().len(), 1);
}

#[test]
fn only_pages_of_the_operators_sites_are_linked_to() {
    let server = TestServer::start_with(&[("BASEURLS", "https://recipes.example")]);
    let (alice, _) = server.member("alice");
    let with = |key: &str, value: &str| {
        let mut body = start_body(&alice.email);
        body[key] = json!(value);
        server.ask("reset-start", body)
    };
    for link in ["https://evil.example/reset", "https://recipes.example/#", "/reset", ""] {
        with("link", link).refused("invalid request: no such link is allowed");
    }
    with("ip_address", "nowhere").refused("invalid request: no such link is allowed");
    assert!(server.emails().is_empty());
    with("link", "https://recipes.example/reset?lang=de").done();
    let emails = server.emails();
    assert!(
        emails[0].text.contains("\nhttps://recipes.example/reset?lang=de&code="),
        "{}",
        emails[0].text.as_str()
    );
}

/// A mail server that does not take the first emails.
struct Unwilling {
    errors: Mutex<Vec<MailError>>,
    tries: AtomicUsize,
    codes: Mutex<Vec<String>>,
}

impl Unwilling {
    fn with(errors: &[MailError]) -> Arc<Self> {
        let errors = Mutex::new(errors.iter().rev().copied().collect());
        Arc::new(Self { errors, tries: AtomicUsize::new(0), codes: Mutex::default() })
    }

    fn tries(&self) -> usize {
        self.tries.load(Ordering::Relaxed)
    }
}

impl Mailer for Unwilling {
    fn send(
        &self,
        email: &Email,
        _: &MailSettings,
        _: Timestamp,
        _: &Watch<'_>,
    ) -> Result<Receipt, MailError> {
        self.tries.fetch_add(1, Ordering::Relaxed);
        self.codes.lock().expect("nobody panics with it").push(code_in(email));
        match self.errors.lock().expect("nobody panics with it").pop() {
            Some(error) => Err(error),
            None => Ok(Receipt::Confirmed),
        }
    }
}

#[test]
fn an_email_that_is_not_taken_for_now_is_tried_again_with_a_new_code() {
    let mailer = Unwilling::with(&[MailError::Unreachable, MailError::Deferred(451)]);
    let server = TestServer::start().with_mailer(&mailer);
    let (alice, _) = server.member("alice");
    start(&server, &alice.email).done();
    for (later, tries, state) in [
        (0, 1, "waiting 1"),
        (59, 1, "waiting 1"),
        (1, 2, "waiting 2"),
        (299, 2, "waiting 2"),
        (1, 3, "done 2"),
        (86_400, 3, "done 2"),
    ] {
        server.later(Duration::from_secs(later));
        server.emails();
        assert_eq!((mailer.tries(), queue(&server).as_str()), (tries, state));
        if tries == 3 && later == 1 {
            let codes = mailer.codes.lock().expect("nobody panics with it").clone();
            assert!(codes[0] != codes[1] && codes[1] != codes[2]);
            finish(&server, &codes[1], NEXT_PASSWORD).refused(BAD_CODE);
            finish(&server, &codes[2], NEXT_PASSWORD).done();
        }
    }
}

#[test]
fn after_six_tries_or_a_final_refusal_an_email_is_given_up_on() {
    let mailer = Unwilling::with(&[MailError::TimedOut; 6]);
    let server = TestServer::start().with_mailer(&mailer);
    let (alice, _) = server.member("alice");
    start(&server, &alice.email).done();
    for seconds in [0, 60, 300, 1800, 7200, 21_600, 86_400] {
        server.later(Duration::from_secs(seconds));
        server.emails();
    }
    assert_eq!((mailer.tries(), queue(&server).as_str()), (6, "dead 6"));

    let mailer = Unwilling::with(&[MailError::Refused(550)]);
    let server = TestServer::start().with_mailer(&mailer);
    let (alice, _) = server.member("alice");
    start(&server, &alice.email).done();
    server.emails();
    assert_eq!(queue(&server), "dead 1");
}

#[test]
fn the_queue_survives_a_restart_and_what_was_being_sent_is_sent_again() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let (bob, _) = server.member("bob");
    server.holds_emails();
    start(&server, &alice.email).done();
    start(&server, &bob.email).done();
    // As a crash leaves it, at the moment at which one of them was on its way.
    server.changes("UPDATE email_queue SET state = 'sending', next_try = '2026-11-23 16:00:00.000000' WHERE email_id = 1");
    let server = server.restart(&[]);
    assert_eq!(server.emails().len(), 2);
}

#[test]
fn a_stop_does_not_cost_a_try() {
    let mailer = Unwilling::with(&[MailError::Stopped]);
    let server = TestServer::start().with_mailer(&mailer);
    let (alice, _) = server.member("alice");
    server.holds_emails();
    start(&server, &alice.email).done();
    assert_eq!((mailer.tries(), queue(&server).as_str()), (0, "waiting 0"));
    server.emails();
    assert_eq!(queue(&server), "done 0");
}
