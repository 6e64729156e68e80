//! Emails in the operator's own words.

use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use support::{GOOD_PASSWORD, TestServer, code_in};

const TEXT: &str = "Subject: Willkommen bei {{site}}\n\nHallo {{name}},\n\n{{link}}\n\nbis {{expires}}\n";
const HTML: &str = "<p>Hallo {{name}} ({{browser}})</p><p><a href=\"{{link}}\">Weiter</a></p>\n";

fn put(room: &Path, name: &str, text: &str) {
    std::fs::write(room.join(name), text).expect("writes");
}

fn server_with(room: &Path) -> TestServer {
    TestServer::start_with(&[("TEMPLATES", room.to_str().expect("UTF-8")), ("EMAILLANGUAGE", "de-CH")])
}

fn start_body(name: &str, browser: &str) -> Value {
    json!({
        "full_name": name, "email": "alice@example.org", "password": GOOD_PASSWORD,
        "link": "https://recipes.example/verify?x=1", "site_name": "Recipes", "ip_address": "192.0.2.7",
        "user_agent": browser,
    })
}

#[test]
fn emails_are_in_the_operators_words_with_text_and_html() {
    let room = tempfile::tempdir().expect("a directory");
    put(room.path(), "signup.de.txt", TEXT);
    put(room.path(), "signup.de.html", HTML);
    let server = server_with(room.path());
    server.ask("signup-start", start_body("Alice", "<b>\"Browser\"</b>")).done();
    let emails = server.emails();
    assert_eq!((emails.len(), emails[0].subject.as_str()), (1, "Willkommen bei Recipes"));
    let link = emails[0].text.lines().find(|line| line.starts_with("https://")).expect("a link");
    assert!(link.starts_with("https://recipes.example/verify?x=1&code="), "{link}");
    let html = emails[0].html.as_ref().expect("HTML");
    assert!(html.contains(&format!("href=\"{}\"", link.replace('&', "&amp;"))), "{}", html.as_str());
    assert!(html.contains("&lt;b&gt;&quot;Browser&quot;") && !html.contains("<b>"), "{}", html.as_str());
    let (_, code) = link.split_once("code=").expect("a code");
    server.ask("signup-finish", json!({ "code": code })).done();
    let reset = json!({
        "email": "alice@example.org", "link": "https://recipes.example/reset", "site_name": "Recipes",
        "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
    });
    server.ask("reset-start", reset).done();
    let emails = server.emails();
    assert_eq!(emails[0].subject, "[Recipes] Please choose a new password", "what there is no text for");
    assert!(emails[0].html.is_none() && !code_in(&emails[0]).is_empty());
}

#[test]
fn each_gets_their_emails_in_the_language_that_they_read() {
    let room = tempfile::tempdir().expect("a directory");
    for (language, subject) in [("de", "Deutsch"), ("fr", "Français")] {
        put(room.path(), &format!("signup.{language}.txt"), &format!("Subject: {subject}\n\n{{{{link}}}}\n"));
    }
    let server = server_with(room.path());
    for (language, subject) in [
        ("fr-CA", "Français"),
        ("DE-ch", "Deutsch"),
        ("it", "Deutsch"),
        ("no tag\r\n", "Deutsch"),
        ("", "Deutsch"),
    ] {
        let mut body = start_body("Alice", "Browser/1.0");
        body["language"] = json!(language);
        server.later(Duration::from_secs(6 * 3600));
        server.ask("signup-start", body).done();
        assert_eq!(server.emails()[0].subject, subject, "{language}");
    }
}

#[test]
fn nobody_is_greeted_by_a_name_that_a_stranger_may_have_given() {
    let room = tempfile::tempdir().expect("a directory");
    put(room.path(), "signup.en.txt", TEXT);
    put(room.path(), "reset.en.txt", TEXT);
    let server = server_with(room.path());
    server.ask("signup-start", start_body("You have won", "Browser/1.0")).done();
    let emails = server.emails();
    assert!(emails[0].text.contains("Hallo alice@example.org,"), "{}", emails[0].text.as_str());
    server.ask("signup-finish", json!({ "code": code_of(&emails[0].text) })).done();
    let reset = json!({
        "email": "alice@example.org", "link": "https://recipes.example/reset", "site_name": "Recipes",
        "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
    });
    server.later(Duration::from_secs(60));
    server.ask("reset-start", reset).done();
    assert!(server.emails()[0].text.contains("Hallo You have won,"), "now it is their own");
}

fn code_of(text: &str) -> &str {
    let line = text.lines().find(|line| line.contains("code=")).expect("a link");
    line.split_once("code=").expect("a code").1
}
