//! Emails: who gets one, when, and what is in it.

use authnzerver::clock::Timestamp;
use authnzerver::outbound::mail::{MailError, MailSettings, Mailer, Receipt, Watch};
use authnzerver::outbound::templates::Email;
use authnzerver::pool::Pool;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Reply, TestServer};

const CODE: &str =
    "Z0FBQUFBQmZYaEFBQUFFQ0F3UUZCZ2NJQ1FvTERBME9EXzRRLU1Qd2pJdlI2RHN0RXFmN2otblQzS3E1ZnhScVROaA==";
const NOT_DUE: &str = "not allowed to send verification email to target user, send_verification = False";
const TOO_SOON: &str = "forgot-pass verification email sent less than 24 hours ago";
const NOBODY: &str = "invalid user for forgot-pass email request";
const HOUR: Duration = Duration::from_secs(3600);

fn signup_body(server: &TestServer, created: &Value) -> Value {
    json!({
        "email_address": created["user_email"],
        "session_token": server.new_session(None),
        "created_info": created,
        "server_name": "Recipes",
        "server_baseurl": "https://recipes.example",
        "account_verify_url": "/users/verify",
        "verification_token": CODE,
        "verification_expiry": 900,
    })
}

fn forgotpass_body(server: &TestServer, email: &str) -> Value {
    json!({
        "email_address": email,
        "session_token": server.new_session(None),
        "server_name": "Recipes",
        "server_baseurl": "https://recipes.example",
        "password_forgot_url": "/users/forgot",
        "verification_token": CODE,
        "verification_expiry": 900,
    })
}

fn forgot(server: &TestServer, client: &str, email: &str) -> Reply {
    server.ask_from(client, "user-sendemail-forgotpass", forgotpass_body(server, email))
}

#[test]
fn a_sign_up_is_verified_with_the_code_of_its_email() {
    let server = TestServer::start();
    let alice = server.person("alice");
    let signed_up = alice.signs_up();
    let sent = server.ask("user-sendemail-signup", signup_body(&server, signed_up.done()));
    assert_eq!(sent.done()["email_address"], "alice@example.org");
    assert_eq!(sent.done()["emailverify_sent_datetime"], "2026-11-23T15:00:00");
    let emails = server.outbox.take();
    assert_eq!(emails.len(), 1);
    assert_eq!(emails[0].to, "alice@example.org");
    assert_eq!(emails[0].subject, "[Recipes] Please verify your sign-up");
    let code = emails[0].text.lines().find(|line| *line == CODE);
    assert_eq!(code, Some(CODE), "the code stands whole on a line of its own");
    assert!(emails[0].text.contains("https://recipes.example/users/verify"));
    server.ask("user-set-emailverified", json!({ "email": alice.email })).done();
    alice.logs_in().done();
}

#[test]
fn one_sign_up_gets_one_email() {
    let server = TestServer::start();
    let signed_up = server.person("alice").signs_up();
    let body = || signup_body(&server, signed_up.done());
    server.ask("user-sendemail-signup", body()).done();
    let again = server.ask("user-sendemail-signup", body());
    assert!(again.refused(NOT_DUE)["user_id"].is_null());
    let mut from_nowhere = body();
    from_nowhere["session_token"] = json!("made up");
    // Not that it needs a session: with one it would not be sent either.
    server.ask("user-sendemail-signup", from_nowhere).refused(NOT_DUE);
    assert_eq!(server.outbox.take().len(), 1);
}

#[test]
fn an_email_that_was_sent_by_other_means_is_not_sent_again() {
    let server = TestServer::start();
    let signed_up = server.person("alice").signs_up();
    let note = json!({ "email": "alice@example.org", "email_type": "signup" });
    server.ask("user-set-emailsent", note).done();
    server.ask("user-sendemail-signup", signup_body(&server, signed_up.done())).refused(NOT_DUE);
    assert!(server.outbox.take().is_empty());
}

#[test]
fn a_sign_up_that_is_over_in_any_respect_gets_no_email() {
    for over in ["is_active = 1", "email_verified = 1", "user_role = 'staff'"] {
        let server = TestServer::start();
        let signed_up = server.person("alice").signs_up();
        let body = signup_body(&server, signed_up.done());
        server.changes(&format!("UPDATE users SET {over} WHERE email = 'alice@example.org'"));
        server
            .ask("user-sendemail-signup", body)
            .refused("target user for verification email already active and verified");
        assert!(server.outbox.take().is_empty(), "{over}");
    }
}

#[test]
fn a_sign_up_email_needs_a_sign_up_a_session_and_an_honest_caller() {
    let server = TestServer::start();
    let (_, member_id) = server.member("member");
    let signed_up = server.person("alice").signs_up();
    let good = signup_body(&server, signed_up.done());
    let with = |changes: &[(&str, Value)]| {
        let mut body = good.clone();
        for (pointer, value) in changes {
            *body.pointer_mut(pointer).expect("this place exists") = value.clone();
        }
        server.ask("user-sendemail-signup", body)
    };
    with(&[("/created_info/send_verification", json!(false))]).refused(NOT_DUE);
    with(&[("/created_info/send_verification", json!(null))])
        .refused("invalid request: missing 'created_info' in request");
    let unknown = "target user for verification email does not exist";
    with(&[("/created_info/user_id", json!(999))]).refused(unknown);
    with(&[("/created_info/user_email", json!("eve@example.org"))]).refused(unknown);
    with(&[("/email_address", json!("eve@example.org"))]).refused(unknown);
    with(&[("/email_address", json!("alice@example.org\r\nBcc: eve@example.org"))]).refused(unknown);
    with(&[
        ("/email_address", json!("member@example.org")),
        ("/created_info/user_email", json!("member@example.org")),
        ("/created_info/user_id", json!(member_id)),
    ])
    .refused("target user for verification email already active and verified");
    with(&[("/session_token", json!("made up"))])
        .refused("invalid session for requesting a verification email");
    with(&[("/server_baseurl", json!("javascript:alert(1)"))])
        .refused("invalid request: server_baseurl is not allowed");
    with(&[("/verification_token", json!("a\r\nb"))])
        .refused("verification email could not be sent because of an email server problem");
    for odd in [json!(["alice@example.org"]), json!({}), json!(5), json!(null)] {
        with(&[("/email_address", odd)]).refused("invalid request parameters");
    }
    assert!(server.outbox.take().is_empty());
    with(&[]).done();
}

#[test]
fn what_the_sign_up_answered_may_come_as_text_and_the_form_under_its_other_name() {
    let server = TestServer::start();
    let signed_up = server.person("alice").signs_up();
    let mut body = signup_body(&server, signed_up.done());
    body["created_info"] = json!(signed_up.done().to_string());
    let object = body.as_object_mut().expect("an object");
    let form = object.remove("account_verify_url").expect("is there");
    object.insert("server_verify_url".to_owned(), form);
    server.ask("user-sendemail-signup", body).done();
}

#[test]
fn emails_link_only_to_the_sites_that_the_operator_named() {
    let server = TestServer::start_with(&[("BASEURLS", "https://other.example")]);
    let signed_up = server.person("alice").signs_up();
    server
        .ask("user-sendemail-signup", signup_body(&server, signed_up.done()))
        .refused("invalid request: server_baseurl is not allowed");
    forgot(&server, "192.0.2.1", "admin@localhost").refused("invalid request: server_baseurl is not allowed");
    assert!(server.outbox.take().is_empty());
}

#[test]
fn what_a_caller_appends_to_the_address_leads_nowhere_else() {
    let server = TestServer::start_with(&[("BASEURLS", "https://recipes.example")]);
    server.member("alice");
    let signed_up = server.person("bob").signs_up();
    for form in [
        ".evil.example/x",
        "@evil.example/x",
        ":pw@evil.example/x",
        ":444/x",
        "//evil.example/x",
        "\\x",
        "/\tx",
    ] {
        let mut signup = signup_body(&server, signed_up.done());
        signup["account_verify_url"] = json!(form);
        server.ask("user-sendemail-signup", signup).refused("invalid request: server_baseurl is not allowed");
        let mut forgotpass = forgotpass_body(&server, "alice@example.org");
        forgotpass["password_forgot_url"] = json!(form);
        server
            .ask("user-sendemail-forgotpass", forgotpass)
            .refused("invalid request: server_baseurl is not allowed");
    }
    assert!(server.outbox.take().is_empty());
}

#[test]
fn a_forgotten_password_gets_an_email_to_the_stored_address() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let sent = forgot(&server, "192.0.2.1", "ALICE@example.org");
    assert_eq!(sent.done()["user_id"], user_id);
    let emails = server.outbox.take();
    assert_eq!(emails[0].to, "alice@example.org");
    assert_eq!(emails[0].subject, "[Recipes] Please verify your password reset");
    assert!(emails[0].text.lines().any(|line| line == CODE));
}

#[test]
fn the_same_asker_waits_long_and_a_stranger_cannot_make_the_owner_wait() {
    let server = TestServer::start();
    server.member("alice");
    forgot(&server, "198.51.100.7", "alice@example.org").done();
    forgot(&server, "203.0.113.9", "alice@example.org").refused(TOO_SOON);
    server.later(Duration::from_secs(301));
    forgot(&server, "198.51.100.99", "alice@example.org").refused(TOO_SOON);
    forgot(&server, "203.0.113.9", "alice@example.org").done();
    server.later(23 * HOUR);
    forgot(&server, "203.0.113.9", "alice@example.org").refused(TOO_SOON);
    server.later(HOUR + Duration::from_secs(1));
    forgot(&server, "203.0.113.9", "alice@example.org").done();
    assert_eq!(server.outbox.take().len(), 3);
}

#[test]
fn the_operator_decides_how_long_the_same_asker_waits() {
    for (hours, waits) in [("0", 0), ("2", 2)] {
        let server = TestServer::start_with(&[("MAILWAIT", hours)]);
        server.member("alice");
        let ask = || forgot(&server, "198.51.100.7", "alice@example.org");
        ask().done();
        if waits > 0 {
            server.later(waits * HOUR);
            ask().refused(TOO_SOON);
            server.later(Duration::from_secs(1));
        }
        ask().done();
        assert_eq!(server.outbox.take().len(), 2, "{hours}");
    }
}

#[test]
fn an_email_of_the_future_makes_nobody_wait() {
    let server = TestServer::start();
    let signed_up = server.person("bob").signs_up();
    server.member("alice");
    server.changes("UPDATE users SET emailforgotpass_sent_datetime = '2056-01-01 00:00:00.000000'");
    forgot(&server, "192.0.2.1", "alice@example.org").done();
    forgot(&server, "192.0.2.1", "alice@example.org").refused(TOO_SOON);
    server.changes("UPDATE users SET emailverify_sent_datetime = '2056-01-01 00:00:00.000000'");
    let again = server.person("bob").signs_up();
    let sent = |reply: &Reply| reply.response()["send_verification"].clone();
    assert_eq!((sent(&signed_up), sent(&again)), (json!(true), json!(true)));
}

#[test]
fn only_an_account_whose_owner_may_act_gets_an_email_for_a_new_password() {
    let server = TestServer::start();
    server.person("pending").signs_up();
    server.member("inactive");
    server.member("locked");
    server.changes("UPDATE users SET is_active = 0 WHERE email = 'inactive@example.org'");
    server.changes("UPDATE users SET user_role = 'locked' WHERE email = 'locked@example.org'");
    for name in ["pending", "inactive", "locked"] {
        forgot(&server, "192.0.2.1", &format!("{name}@example.org")).refused(NOBODY);
        let noted =
            format!("SELECT emailforgotpass_sent_datetime FROM users WHERE email = '{name}@example.org'");
        assert_eq!(server.stored(&noted), None, "{name}");
    }
    assert!(server.outbox.take().is_empty());
}

/// What the end user reads is one text, and it comes after the same time, whoever has the address.
#[test]
fn nothing_tells_an_end_user_whose_address_is_known() {
    let mailer = Arc::new(Scripted::default());
    let server = TestServer::start().with_mailer(&mailer);
    server.member("alice");
    server.member("bob");
    let reply = |email: &str| {
        server.delays();
        let reply = forgot(&server, "192.0.2.1", email);
        (reply.messages(), server.delays())
    };
    let known = reply("alice@example.org");
    assert_eq!(known.1, [3.0]);
    let too_soon = reply("alice@example.org");
    mailer.fails.store(true, Ordering::Relaxed);
    let not_delivered = reply("bob@example.org");
    let unknown = reply("nobody@example.org");
    let no_address = reply("no address at all");
    for other in [too_soon, not_delivered, unknown, no_address] {
        assert_eq!(other, known);
    }
    assert_eq!(mailer.sent.load(Ordering::Relaxed), 2);
}

#[test]
fn a_mail_server_that_is_slow_tells_nothing_by_the_time_it_takes() {
    let mailer = Arc::new(Scripted::default());
    let server = TestServer::start().with_mailer(&mailer);
    let (_, user_id) = server.member("alice");
    let turn = mailer.turn.lock().expect("no test panicked");
    // Answered as sent, for it is under way; nobody waits for the mail server any longer than for no email at all.
    assert_eq!(forgot(&server, "192.0.2.1", "alice@example.org").done()["user_id"], user_id);
    forgot(&server, "192.0.2.1", "alice@example.org").refused(TOO_SOON);
    drop(turn);
}

#[test]
fn of_several_who_ask_at_once_one_gets_an_email() {
    let server = TestServer::start();
    server.member("alice");
    let signed_up = server.person("bob").signs_up();
    let signup = signup_body(&server, signed_up.done());
    let forgotpass = forgotpass_body(&server, "alice@example.org");
    let done = |request: &str, client: fn(usize) -> String, body: &Value| {
        std::thread::scope(|scope| {
            let asked: Vec<_> = (0..8)
                .map(|number| {
                    let (server, body) = (&server, body.clone());
                    scope.spawn(move || server.ask_from(&client(number), request, body).succeeded())
                })
                .collect();
            asked.into_iter().map(|asked| asked.join().expect("was answered")).filter(|sent| *sent).count()
        })
    };
    assert_eq!(done("user-sendemail-signup", |_| "192.0.2.1".to_owned(), &signup), 1);
    assert_eq!(done("user-sendemail-forgotpass", |_| "192.0.2.1".to_owned(), &forgotpass), 1);
    server.later(Duration::from_secs(301));
    assert_eq!(done("user-sendemail-forgotpass", |number| format!("203.0.{number}.1"), &forgotpass), 1);
    assert_eq!(server.outbox.take().len(), 3);
}

#[test]
fn an_email_that_was_not_sent_does_not_count_and_one_that_may_have_been_does() {
    let mailer = Arc::new(Scripted::default());
    let server = TestServer::start().with_mailer(&mailer);
    server.member("alice");
    let signed_up = server.person("bob").signs_up();
    let sent_before = "SELECT emailverify_sent_datetime FROM users WHERE email = 'bob@example.org'";
    let before = server.stored(sent_before);
    server.later(Duration::from_secs(60));
    let signup = || server.ask("user-sendemail-signup", signup_body(&server, signed_up.done()));
    mailer.fails.store(true, Ordering::Relaxed);
    forgot(&server, "192.0.2.1", "alice@example.org")
        .refused("forgot-pass verification email could not be sent because email server issue");
    signup().refused("verification email could not be sent because of an email server problem");
    assert_eq!(server.stored(sent_before), before, "as if it had not been asked for");
    mailer.fails.store(false, Ordering::Relaxed);
    mailer.is_unsure.store(true, Ordering::Relaxed);
    forgot(&server, "192.0.2.1", "alice@example.org").done();
    signup().done();
    forgot(&server, "192.0.2.1", "alice@example.org").refused(TOO_SOON);
    signup().refused(NOT_DUE);
    assert_eq!(mailer.sent.load(Ordering::Relaxed), 4);
}

/// Takes emails one at a time, while nobody else has the turn, and does with them what a test says.
#[derive(Default)]
struct Scripted {
    turn: Mutex<()>,
    fails: AtomicBool,
    is_unsure: AtomicBool,
    sent: AtomicUsize,
}

impl Mailer for Scripted {
    fn send(&self, _: &Email, _: &MailSettings, _: Timestamp, _: &Watch<'_>) -> Result<Receipt, MailError> {
        let _turn = self.turn.lock().expect("no test panicked");
        self.sent.fetch_add(1, Ordering::Relaxed);
        match (self.fails.load(Ordering::Relaxed), self.is_unsure.load(Ordering::Relaxed)) {
            (true, _) => Err(MailError::Unreachable),
            (false, true) => Ok(Receipt::Unconfirmed),
            (false, false) => Ok(Receipt::Confirmed),
        }
    }
}

#[test]
fn without_a_session_nobody_learns_whether_there_is_an_account() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    for email in [alice.email.as_str(), "nobody@example.org"] {
        let mut body = forgotpass_body(&server, email);
        body["session_token"] = json!("made up");
        let reply = server.ask("user-sendemail-forgotpass", body);
        reply.refused("invalid session for forgot-pass request");
    }
    forgot(&server, "192.0.2.1", "nobody@example.org").refused(NOBODY);
    forgot(&server, "192.0.2.1", "anonuser@localhost").refused(NOBODY);
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
    forgot(&server, "192.0.2.1", "alice@example.org").refused(NOBODY);
    assert!(server.outbox.take().is_empty());
}

#[test]
fn an_email_that_finds_no_place_in_the_queue_does_not_count() {
    let mut server = TestServer::start();
    let email = server.member("alice").0.email;
    // A queue that takes nothing any more is as good as a full one.
    server.app.post.finish();
    let reply = forgot(&server, "192.0.2.1", &email);
    reply.refused("forgot-pass verification email could not be sent because email server issue");
    let sent = "SELECT emailforgotpass_sent_datetime FROM users WHERE email LIKE 'alice%'";
    assert_eq!(server.stored(sent), None);
    assert!(server.outbox.take().is_empty());
    server.app_mut().post = Pool::start("post", 1, 1).expect("a thread");
    forgot(&server, "192.0.2.1", &email).done();
    assert_eq!(server.outbox.take().len(), 1);
}
