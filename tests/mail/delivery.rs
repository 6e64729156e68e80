//! Emails on the whole way: from the request, through the program and a mail server, to the code that comes back.

use crate::server::MailServer;
use crate::site::{FORGOTPASS_NOT_SENT, PASSWORD, SIGNUP_NOT_SENT, Site, assert_not_sent, done};
use serde_json::json;
use support::test_ca::Authority;

const MAIL_PASSWORD: &str = "the mail server's password";

#[test]
fn somebody_signs_up_and_verifies_the_address_with_the_code_of_the_email() {
    let mail = MailServer::start();
    let site = Site::with(&mail, &[]);
    let created = site.signs_up("Alice Liddell", "Alice@Example.org");
    assert!(!site.logs_in("alice@example.org", PASSWORD), "the address is not verified yet");
    let made = site.code_for("alice@example.org");
    let sent = done(&site.asks_for_signup_email(&created, &made, &json!({})));
    assert_eq!(sent["email_address"], "alice@example.org");
    assert!(sent["emailverify_sent_datetime"].is_string());

    let email = mail.only_email();
    assert_eq!(email.came["recipients"], json!(["alice@example.org"]));
    assert_eq!(email.came["sender"], "post@recipes.example");
    for line in [
        "From: Recipes <post@recipes.example>",
        "To: alice@example.org",
        "Subject: [Recipes] Please verify your sign-up",
        "https://recipes.example/users/verify",
    ] {
        assert!(email.has_line(line), "{line} in {}", email.text.as_str());
    }
    assert_eq!(email.code(), made, "whole, and as it was made");
    let address = site.address_in(email.code());
    site.done("user-set-emailverified", &json!({ "email": address }));
    assert!(site.logs_in("alice@example.org", PASSWORD));
}

#[test]
fn somebody_who_forgot_their_password_chooses_a_new_one_with_the_code_of_the_email() {
    let mail = MailServer::start();
    let site = Site::with(&mail, &[]);
    site.has_member("alice@example.org");
    let made = site.code_for("alice@example.org");
    let asked = site.asks_for_forgotpass_email("ALICE@example.org", &made, &json!({}));
    assert!(done(&asked)["emailforgotpass_sent_datetime"].is_string());

    let email = mail.only_email();
    assert_eq!(email.came["recipients"], json!(["alice@example.org"]), "the address that is stored");
    assert!(email.has_line("Subject: [Recipes] Please verify your password reset"));
    assert!(email.has_line("https://recipes.example/users/forgot"));
    assert_eq!(email.code(), made, "whole, and as it was made");
    let new_password = "tRw8vZp0-qYx2kLs7_hGd";
    let reset = json!({
        "email_address": site.address_in(email.code()),
        "new_password": new_password,
        "session_token": site.new_session(),
    });
    site.done("user-resetpass", &reset);
    assert!(!site.logs_in("alice@example.org", PASSWORD));
    assert!(site.logs_in("alice@example.org", new_password));
}

#[test]
fn the_server_logs_in_at_the_mail_server_and_an_email_that_it_may_not_send_does_not_count() {
    let mail = MailServer::start_with(&[("user", "post"), ("password", MAIL_PASSWORD)]);
    let wrong = [("EMAILUSER", "post"), ("EMAILPASS", "a wrong password"), ("EMAILOVERRIDES", "1")];
    let site = Site::with(&mail, &wrong);
    let created = site.signs_up("Alice Liddell", "alice@example.org");
    site.has_member("bob@example.org");
    let signup = |changes| site.asks_for_signup_email(&created, "code", &changes);
    let forgotpass = |changes| site.asks_for_forgotpass_email("bob@example.org", "code", &changes);
    assert_not_sent(&signup(json!({})), SIGNUP_NOT_SENT);
    assert_not_sent(&forgotpass(json!({})), FORGOTPASS_NOT_SENT);
    assert!(site.forgotpass_email_sent("bob@example.org").is_null());
    assert!(mail.emails().is_empty());

    done(&signup(json!({ "emailpass": MAIL_PASSWORD })));
    done(&forgotpass(json!({ "emailpass": MAIL_PASSWORD })));
    assert!(site.forgotpass_email_sent("bob@example.org").is_string());
    assert!(mail.emails().iter().all(|email| email.came["user"] == "post"));
    let log = site.stops();
    assert!(log.contains("why=\"the mail server refused\" code=535"), "{log}");
}

#[test]
fn a_mail_server_that_asks_nobody_to_log_in_takes_emails_without() {
    let mail = MailServer::start();
    let site = Site::with(&mail, &[("EMAILUSER", "post"), ("EMAILPASS", MAIL_PASSWORD)]);
    let created = site.signs_up("Alice Liddell", "alice@example.org");
    done(&site.asks_for_signup_email(&created, "code", &json!({})));
    assert_eq!(mail.only_email().came["user"], json!(null));
}

#[test]
fn a_recipient_whom_the_mail_server_refuses_gets_nothing_and_others_get_theirs() {
    let mail = MailServer::start_with(&[("refuse", "alice@example.org")]);
    let site = Site::with(&mail, &[]);
    let created = site.signs_up("Alice Liddell", "alice@example.org");
    assert_not_sent(&site.asks_for_signup_email(&created, "code", &json!({})), SIGNUP_NOT_SENT);
    site.has_member("bob@example.org");
    done(&site.asks_for_forgotpass_email("bob@example.org", "code", &json!({})));
    assert_eq!(mail.only_email().came["recipients"], json!(["bob@example.org"]));
    let log = site.stops();
    assert!(log.contains("why=\"the mail server refused\" code=550"), "{log}");
}

#[test]
fn the_log_tells_nothing_of_an_email_but_that_it_could_not_be_sent() {
    let authority = Authority::new();
    let options = [("user", "post-box-77"), ("password", MAIL_PASSWORD), ("refuse", "bob@example.org")];
    let mail = MailServer::start_protected("starttls", &authority, "localhost", &options);
    for format in ["text", "json"] {
        let settings = [
            ("EMAILTLS", "starttls"),
            ("EMAILUSER", "post-box-77"),
            ("EMAILPASS", MAIL_PASSWORD),
            ("LOGLEVEL", "debug"),
            ("LOGFORMAT", format),
            ("EMAILOVERRIDES", "1"),
        ];
        let site = Site::trusting(&authority, &mail, &settings);
        let alice = site.signs_up("Alice Liddell", "alice@example.org");
        let bob = site.signs_up("Bob Dodgson", "bob@example.org");
        let code = site.code_for("alice@example.org");
        done(&site.asks_for_signup_email(&alice, &code, &json!({})));
        assert_not_sent(&site.asks_for_signup_email(&bob, &code, &json!({})), SIGNUP_NOT_SENT);
        let wrong = json!({ "emailpass": "a wrong password" });
        assert_not_sent(&site.asks_for_signup_email(&bob, &code, &wrong), SIGNUP_NOT_SENT);
        let log = site.stops();
        assert!(log.contains("DEBUG") && log.contains("could not send an email"), "{log}");
        for private in [
            "alice",
            "Alice",
            "Liddell",
            "bob@",
            "Dodgson",
            "example.org",
            code.as_str(),
            PASSWORD,
            MAIL_PASSWORD,
            "post-box-77",
            "a wrong password",
            "recipes.example",
        ] {
            assert!(!log.contains(private), "{private} in {log}");
        }
    }
}
