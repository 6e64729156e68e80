//! A web site that leaves mail to the server: it makes codes, asks for emails, and believes the codes that come back.

use crate::server::MailServer;
use serde_json::{Value, json};
use support::machine::{Machine, Running};
use support::test_ca::Authority;

pub const SIGNUP_NOT_SENT: &str = "verification email could not be sent because of an email server problem";
pub const FORGOTPASS_NOT_SENT: &str =
    "forgot-pass verification email could not be sent because email server issue";
/// A password that no rule refuses.
pub const PASSWORD: &str = "aROwQin9L8nNtPTEMLXd";

/// The site, with its authentication server under way.
pub struct Site {
    // It is dropped first, while its files are still there.
    server: Running,
    machine: Machine,
}

impl Site {
    /// A site whose emails go by this mail server.
    pub fn with(mail: &MailServer, settings: &[(&str, &str)]) -> Self {
        Self::start(None, &[&[("EMAILPORT", mail.port().as_str())], settings].concat())
    }

    /// A site whose emails go to this port of the same machine.
    pub fn at(port: u16, settings: &[(&str, &str)]) -> Self {
        Self::start(None, &[&[("EMAILPORT", port.to_string().as_str())], settings].concat())
    }

    /// The same for a site that trusts an authority of its own.
    pub fn trusting(authority: &Authority, mail: &MailServer, settings: &[(&str, &str)]) -> Self {
        Self::start(Some(authority), &[&[("EMAILPORT", mail.port().as_str())], settings].concat())
    }

    fn start(authority: Option<&Authority>, settings: &[(&str, &str)]) -> Self {
        let machine = Machine::new();
        let mail = [("EMAILSERVER", "localhost"), ("EMAILSENDER", "Recipes <post@recipes.example>")];
        let settings = [&mail, settings].concat();
        let server = match authority {
            None => machine.starts(&settings),
            Some(authority) => machine.starts_trusting(&authority.root(), &settings),
        };
        Self { server, machine }
    }

    /// Asks for something that is done.
    #[track_caller]
    pub fn done(&self, request: &str, body: &Value) -> Value {
        done(&self.server.ask(request, body))
    }

    /// Somebody signs up; what that answered.
    pub fn signs_up(&self, full_name: &str, email: &str) -> Value {
        let body = json!({ "full_name": full_name, "email": email, "password": PASSWORD });
        self.done("user-new", &body)
    }

    /// Somebody signs up, and their address is believed without an email.
    pub fn has_member(&self, email: &str) {
        self.signs_up("A Member", email);
        self.done("user-set-emailverified", &json!({ "email": email }));
    }

    /// Asks for a sign-up email with this code; the whole answer.
    pub fn asks_for_signup_email(&self, created: &Value, code: &str, changes: &Value) -> Value {
        let mut body = self.email_body(&created["user_email"], code, changes);
        body["created_info"] = created.clone();
        body["account_verify_url"] = json!("/users/verify");
        self.server.ask("user-sendemail-signup", &body)
    }

    /// Asks for a forgotten-password email with this code; the whole answer.
    pub fn asks_for_forgotpass_email(&self, email: &str, code: &str, changes: &Value) -> Value {
        let mut body = self.email_body(&json!(email), code, changes);
        body["password_forgot_url"] = json!("/users/forgot");
        self.server.ask("user-sendemail-forgotpass", &body)
    }

    fn email_body(&self, email: &Value, code: &str, changes: &Value) -> Value {
        let mut body = json!({
            "email_address": email,
            "session_token": self.server.new_session(),
            "server_name": "Recipes",
            "server_baseurl": "https://recipes.example",
            "verification_token": code,
            "verification_expiry": 900,
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        body
    }

    /// A code that only this site can make and open: it tells whose address is to be believed.
    pub fn code_for(&self, email: &str) -> String {
        String::from_utf8(self.machine.seal(&json!({ "email": email }))).expect("ASCII")
    }

    /// The address that a code tells of; fails unless the code is as it was made.
    pub fn address_in(&self, code: &str) -> String {
        self.machine.open(code.as_bytes())["email"].as_str().expect("a text").to_owned()
    }

    /// Whether somebody can log in with this password.
    pub fn logs_in(&self, email: &str, password: &str) -> bool {
        let session = self.server.new_session();
        let body = json!({ "session_token": session, "email": email, "password": password });
        self.server.ask("user-login", &body)["success"] == json!(true)
    }

    pub fn new_session(&self) -> String {
        self.server.new_session()
    }

    /// When the last forgotten-password email went out, as the server has written it down.
    pub fn forgotpass_email_sent(&self, email: &str) -> Value {
        self.done("user-lookup-email", &json!({ "email": email }))["user_info"]
            ["emailforgotpass_sent_datetime"]
            .clone()
    }

    /// Stops the server; all that it has logged.
    pub fn stops(self) -> String {
        self.server.stops()
    }
}

/// The response of a request that was done.
#[track_caller]
pub fn done(answer: &Value) -> Value {
    assert_eq!(answer["success"], json!(true), "{answer}");
    answer["response"].clone()
}

/// That a request was refused for this reason, and that nothing is told about an account.
#[track_caller]
pub fn assert_not_sent(answer: &Value, reason: &str) {
    assert_eq!(answer["success"], json!(false), "{answer}");
    assert_eq!(answer["failure_reason"], reason, "{answer}");
    assert!(answer["response"]["user_id"].is_null() && answer["response"]["email_address"].is_null());
}
