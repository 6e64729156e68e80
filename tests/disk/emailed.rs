//! What requests with emailed codes are asked with, and the codes that they get.

use serde_json::{Value, json};
use support::{TestServer, code_in};

pub fn reset_start(email: &str) -> Value {
    page_of("reset", email)
}

pub fn signup_start(email: &str, password: &str) -> Value {
    let mut body = page_of("verify", email);
    body["full_name"] = json!("A Name");
    body["password"] = json!(password);
    body
}

pub fn page_of(page: &str, email: &str) -> Value {
    json!({
        "email": email, "link": format!("https://recipes.example/{page}"), "site_name": "Recipes",
        "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
    })
}

/// The code that somebody gets who forgot their password.
pub fn reset_code(server: &TestServer, name: &str) -> String {
    server.emails();
    server.ask("reset-start", reset_start(&server.person(name).email)).done();
    server.emailed_code()
}

pub fn change_of_email(name: &str, session_token: &str) -> Value {
    json!({
        "session_token": session_token, "email": format!("new-{name}@example.org"),
        "link": "https://recipes.example/new-address", "undo_link": "https://recipes.example/undo",
        "site_name": "Recipes", "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
    })
}

/// The codes of a change of the address: the one that undoes it, and the one that makes it.
pub fn codes_of_change(server: &TestServer, name: &str, session_token: &str) -> [String; 2] {
    server.emails();
    server.ask("email-change-start", change_of_email(name, session_token)).done();
    let emails = server.emails();
    [0, 1].map(|email| code_in(&emails[email]))
}

/// The code that somebody gets who wants to log in by one, and what they send with it.
pub fn login_code(server: &TestServer, name: &str) -> Value {
    server.emails();
    server.ask("login-link-start", page_of("login", &server.person(name).email)).done();
    json!({
        "code": server.emailed_code(), "ip_address": "192.0.2.1", "user_agent": "Browser/1.0",
        "session_token": server.new_session(None),
    })
}

/// Has an email wait to be sent.
pub fn queues_email(server: &TestServer, name: &str) {
    let (person, _) = server.member(name);
    server.holds_emails();
    server.ask("reset-start", reset_start(&person.email)).done();
}
