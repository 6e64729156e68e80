//! Mail servers that are not there, or do not go on.

use crate::scripted::{HANG_UP, mail_server, texts};
use crate::server::MailServer;
use crate::site::{FORGOTPASS_NOT_SENT, Site, assert_not_sent, done};
use serde_json::json;
use std::net::TcpListener;
use support::machine::Machine;

#[test]
fn a_mail_server_that_is_not_there_is_told_at_once_and_may_come_back() {
    let mail = MailServer::start();
    let site = Site::with(&mail, &[("EMAILOVERRIDES", "1")]);
    site.has_member("alice@example.org");
    let ask = |changes| site.asks_for_forgotpass_email("alice@example.org", "code", &changes);
    // At this address of the same machine no test listens.
    assert_not_sent(&ask(json!({ "emailserver": "127.0.0.2" })), FORGOTPASS_NOT_SENT);
    assert!(site.forgotpass_email_sent("alice@example.org").is_null());
    done(&ask(json!({})));
    mail.only_email();
    let log = site.stops();
    assert!(log.contains("why=\"the mail server cannot be reached\""), "{log}");
}

#[test]
fn emails_go_to_the_mail_server_that_the_operator_names() {
    let mail = MailServer::start();
    // Another address of the same machine, where no test listens.
    let site = Site::with(&mail, &[("EMAILSERVER", "127.0.0.2")]);
    site.has_member("alice@example.org");
    let answer = site.asks_for_forgotpass_email("alice@example.org", "code", &json!({}));
    assert_not_sent(&answer, FORGOTPASS_NOT_SENT);
    site.stops();
    assert!(mail.emails().is_empty());
}

#[test]
fn a_request_names_no_mail_server_unless_the_operator_lets_it() {
    let mail = MailServer::start();
    let site = Site::with(&mail, &[]);
    site.has_member("alice@example.org");
    let other = json!({
        "emailserver": "127.0.0.2", "emailport": 1, "emailuser": "x", "emailpass": "y",
        "emailsender": "Mallory <mallory@elsewhere.example>",
    });
    done(&site.asks_for_forgotpass_email("alice@example.org", "code", &other));
    assert_eq!(mail.only_email().came["sender"], "post@recipes.example");
    site.stops();
}

#[test]
fn an_email_that_the_mail_server_took_without_a_word_is_not_sent_again() {
    let (port, server) = mail_server(|command| if command == "." { HANG_UP } else { None });
    let site = Site::at(port, &[("EMAILHELO", "auth.example")]);
    let created = site.signs_up("Alice Liddell", "alice@example.org");
    done(&site.asks_for_signup_email(&created, "code", &json!({})));
    let told = texts(server);
    assert_eq!(told[0], "EHLO auth.example");
    assert!(told.contains(&".".to_owned()));
    let again = site.asks_for_signup_email(&created, "code", &json!({}));
    assert_not_sent(
        &again,
        "not allowed to send verification email to target user, send_verification = False",
    );
    let log = site.stops();
    assert!(log.contains("did not say whether it has an email"), "{log}");
}

#[test]
fn a_sender_that_no_mail_can_be_sent_from_stops_the_start() {
    for sender in [
        "Recipes",
        "Recipes <post@recipes_example>",
        "Recipes <post@recipes.example",
        "K\u{fc}che <k\u{fc}che@x>",
    ] {
        let (status, output) = Machine::new().fails(&[("EMAILSENDER", sender)]);
        assert_ne!(status, 0);
        assert!(output.contains("emailsender") || output.contains("EMAILSENDER"), "{output}");
    }
}

/// An email for a new password is answered after three seconds, whatever the mail server does; it stays on its way.
#[test]
fn mail_servers_that_stall_hold_up_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent_port = silent.local_addr().expect("bound").port();
    let stalling = MailServer::start_with(&[("stall", "bob@example.org")]);
    let site = Site::with(&stalling, &[("EMAILOVERRIDES", "1")]);
    for name in ["alice", "bob", "carol", "dave", "erin"] {
        site.has_member(&format!("{name}@example.org"));
    }
    let ask = |name: &str, changes| {
        site.asks_for_forgotpass_email(&format!("{name}@example.org"), "code", &changes)
    };
    let connections = std::thread::scope(|scope| {
        // Three never get a greeting, one gets no answer in the middle.
        let mut waiting = vec![scope.spawn(|| ask("bob", json!({})))];
        for name in ["alice", "carol", "dave"] {
            waiting.push(scope.spawn(move || ask(name, json!({ "emailport": silent_port }))));
        }
        let connections: Vec<_> = (0..3).map(|_| silent.accept().expect("the server connects")).collect();
        for _ in 0..20 {
            site.new_session();
        }
        done(&ask("erin", json!({})));
        for asked in waiting {
            done(&asked.join().expect("it was answered"));
        }
        assert_not_sent(
            &ask("alice", json!({})),
            "forgot-pass verification email sent less than 24 hours ago",
        );
        connections
    });
    assert_eq!(stalling.only_email().came["recipients"], json!(["erin@example.org"]));
    // What is still under way ends with the server, and does not hold that up either.
    let log = site.stops();
    assert_eq!(log.matches("why=\"this server stops\"").count(), 4, "{log}");
    assert!(!log.contains("could not take back"), "{log}");
    drop(connections);
}
