//! Mail servers that are not there, or do not go on.

use crate::server::MailServer;
use crate::site::{FORGOTPASS_NOT_SENT, Site, assert_not_sent, done};
use serde_json::json;
use std::net::TcpListener;

#[test]
fn a_mail_server_that_is_not_there_is_told_at_once_and_may_come_back() {
    let mail = MailServer::start();
    let site = Site::with(&mail, &[("EMAILOVERRIDES", "1")]);
    site.has_member("alice@example.org");
    let ask = |changes| site.asks_for_forgotpass_letter("alice@example.org", "code", &changes);
    // At this address of the same machine no test listens.
    assert_not_sent(&ask(json!({ "emailserver": "127.0.0.2" })), FORGOTPASS_NOT_SENT);
    assert!(site.forgotpass_letter_sent("alice@example.org").is_null());
    done(&ask(json!({})));
    mail.only_letter();
    let log = site.stops();
    assert!(log.contains("why=\"the mail server cannot be reached\""), "{log}");
}

/// The only test that waits for something to take too long, for all four deliveries at once: ten seconds, and as many
/// again where the dialogue had begun, for the good-bye.
#[test]
fn mail_servers_that_stall_hold_up_letters_and_nothing_else() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent_port = silent.local_addr().expect("bound").port();
    let stalling = MailServer::start_with(&[("stall", "bob@example.org")]);
    let site = Site::with(&stalling, &[("EMAILOVERRIDES", "1")]);
    for name in ["alice", "bob", "carol", "dave", "erin"] {
        site.has_member(&format!("{name}@example.org"));
    }
    let ask = |name: &str, changes| {
        site.asks_for_forgotpass_letter(&format!("{name}@example.org"), "code", &changes)
    };
    std::thread::scope(|scope| {
        // Three never get a greeting, one gets no answer in the middle. Four is as many as are sent at once.
        let mut waiting = vec![scope.spawn(|| ask("bob", json!({})))];
        for name in ["alice", "carol", "dave"] {
            waiting.push(scope.spawn(move || ask(name, json!({ "emailport": silent_port }))));
        }
        let connections: Vec<_> = (0..3).map(|_| silent.accept().expect("the server connects")).collect();
        for _ in 0..20 {
            site.new_session();
        }
        assert!(waiting.iter().all(|asked| !asked.is_finished()), "others are answered meanwhile");
        // This one waits for its turn, and is then delivered.
        done(&ask("erin", json!({})));
        for asked in waiting {
            assert_not_sent(&asked.join().expect("it was answered"), FORGOTPASS_NOT_SENT);
        }
        drop(connections);
    });
    assert_eq!(stalling.only_letter().came["recipients"], json!(["erin@example.org"]));
    let log = site.stops();
    assert_eq!(log.matches("why=\"the mail server took too long\"").count(), 4, "{log}");
}
