//! How the way to the mail server is protected, and that an email stays here where it cannot be.

use crate::server::MailServer;
use crate::site::{SIGNUP_NOT_SENT, Site, assert_not_sent, done};
use serde_json::{Value, json};
use support::test_ca::Authority;

const KINDS: [&str; 2] = ["starttls", "tls"];

fn send(site: &Site) -> Value {
    let created = site.signs_up("Alice Liddell", "alice@example.org");
    site.asks_for_signup_email(&created, "code", &json!({}))
}

/// That the program sends nothing to this mail server unless it is told to accept any certificate.
fn assert_refused_unless_unverified(mail: &MailServer, trusted: &Authority, kind: &str) {
    let site = Site::trusting(trusted, mail, &[("EMAILTLS", kind)]);
    assert_not_sent(&send(&site), SIGNUP_NOT_SENT);
    assert!(mail.emails().is_empty());
    let log = site.stops();
    assert!(log.contains("why=\"the connection could not be protected\""), "{kind}: {log}");
    let site = Site::trusting(trusted, mail, &[("EMAILTLS", kind), ("EMAILVERIFY", "0")]);
    done(&send(&site));
    assert_eq!(mail.only_email().came["tls"], json!(true));
}

#[test]
fn a_mail_server_with_a_trusted_certificate_gets_emails_over_tls() {
    for kind in KINDS {
        let authority = Authority::new();
        let account = [("user", "post"), ("password", "a password")];
        let mail = MailServer::start_protected(kind, &authority, "localhost", &account);
        let settings = [("EMAILTLS", kind), ("EMAILUSER", "post"), ("EMAILPASS", "a password")];
        done(&send(&Site::trusting(&authority, &mail, &settings)));
        let email = mail.only_email();
        assert_eq!((&email.came["tls"], &email.came["user"]), (&json!(true), &json!("post")), "{kind}");
    }
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_unless_any_will_do() {
    for kind in KINDS {
        let mail = MailServer::start_protected(kind, &Authority::new(), "localhost", &[]);
        assert_refused_unless_unverified(&mail, &Authority::new(), kind);
    }
}

#[test]
fn a_certificate_for_another_name_is_refused_unless_any_will_do() {
    for kind in KINDS {
        let authority = Authority::new();
        let mail = MailServer::start_protected(kind, &authority, "mail.example", &[]);
        assert_refused_unless_unverified(&mail, &authority, kind);
    }
}

#[test]
fn a_mail_server_that_cannot_speak_tls_gets_no_email_where_tls_is_required() {
    let mail = MailServer::start();
    for kind in KINDS {
        let site = Site::with(&mail, &[("EMAILTLS", kind)]);
        assert_not_sent(&send(&site), SIGNUP_NOT_SENT);
        let log = site.stops();
        assert!(log.contains("why=\"the connection could not be protected\""), "{kind}: {log}");
    }
    assert!(mail.emails().is_empty());
}
