//! A browser before the accounts of a site: it keeps cookies, and sends what a browser sends.

use super::live::PASSWORD;
use super::real::Real;
use super::{client, once};
use crate::site::{Accounts, Options, Outcome, Visitor, WebRequest, WebResponse};
use std::collections::BTreeMap;

pub(super) const ORIGIN: &str = "https://site.example";
pub(super) const SESSION: &str = "__Host-session";

/// What the program has for whoever it lets in.
pub(super) type Program = fn(&mut Visitor<'_>, &str) -> WebResponse;

/// Does with the cookies that a browser was sent what it does with them.
pub(super) fn keep(cookies: &mut BTreeMap<String, String>, set: &[String]) {
    for cookie in set {
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        if cookie.contains("Max-Age=0") {
            cookies.remove(name);
        } else {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

pub(super) struct Browser<'a> {
    accounts: &'a Accounts,
    program: Program,
    pub(super) address: String,
    pub(super) cookies: BTreeMap<String, String>,
    pub(super) csrf: String,
    /// Of the last answer.
    pub(super) set: Vec<String>,
    pub(super) location: String,
    pub(super) text: String,
    pub(super) headers: Vec<(String, String)>,
}

pub(super) fn accounts(real: &Real, options: Options) -> Accounts {
    let options = Options {
        name: "A site".to_owned(),
        origins: if options.origins.is_empty() { vec![ORIGIN.to_owned()] } else { options.origins },
        log: |_| {},
        ..options
    };
    Accounts::new(client(&real.url, &real.key, once()), options).unwrap()
}

impl<'a> Browser<'a> {
    pub(super) fn new(accounts: &'a Accounts, program: Program, address: &str) -> Self {
        Self {
            accounts,
            program,
            address: address.to_owned(),
            cookies: BTreeMap::new(),
            csrf: String::new(),
            set: Vec::new(),
            location: String::new(),
            text: String::new(),
            headers: Vec::new(),
        }
    }

    pub(super) fn get(&mut self, target: &str) -> u16 {
        self.get_with(target, &[])
    }

    pub(super) fn get_with(&mut self, target: &str, headers: &[(&str, &str)]) -> u16 {
        self.ask("GET", target, None, headers)
    }

    /// Sends a form with the token of the last page that had one.
    pub(super) fn post(&mut self, target: &str, form: &[(&str, &str)]) -> u16 {
        self.post_with(target, form, &[])
    }

    pub(super) fn post_with(&mut self, target: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> u16 {
        let csrf = self.csrf.clone();
        self.post_as_is(target, &[&[("csrf", csrf.as_str())], form].concat(), headers)
    }

    pub(super) fn post_as_is(
        &mut self,
        target: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> u16 {
        let ours = [("Origin", ORIGIN), ("Sec-Fetch-Site", "same-origin")];
        let ours = ours.into_iter().filter(|(name, _)| headers.iter().all(|(other, _)| other != name));
        let headers: Vec<(&str, &str)> = ours.chain(headers.iter().copied()).collect();
        self.ask("POST", target, Some(form), &headers)
    }

    pub(super) fn ask(
        &mut self,
        method: &str,
        target: &str,
        form: Option<&[(&str, &str)]>,
        headers: &[(&str, &str)],
    ) -> u16 {
        let mut request = WebRequest::new(method, target, self.address.parse().unwrap());
        request.add_header("User-Agent", "Browser/1.0");
        for (name, value) in &self.cookies {
            request.add_header("Cookie", &format!("{name}={value}"));
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request.add_header(name, value);
        }
        if let Some(form) = form {
            if headers.iter().all(|(name, _)| *name != "Content-Type") {
                request.add_header("Content-Type", "application/x-www-form-urlencoded");
            }
            let pairs: Vec<String> =
                form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
            request.read_form(pairs.join("&").as_bytes()).unwrap();
        }
        let response = match self.accounts.answer(&request) {
            Outcome::Answered(response) => response,
            Outcome::Yours(mut visitor) => {
                let response = (self.program)(&mut visitor, request.path());
                visitor.finish(response)
            }
        };
        self.takes(response)
    }

    fn takes(&mut self, response: WebResponse) -> u16 {
        let named = |wanted: &str| {
            let values = response.headers.iter().filter(|(name, _)| name == wanted);
            values.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        self.set = named("Set-Cookie");
        self.location = named("Location").pop().unwrap_or_default();
        keep(&mut self.cookies, &self.set);
        self.text = String::from_utf8(response.body).unwrap();
        self.headers = response.headers;
        if let Some((_, rest)) = self.text.split_once("name=\"csrf\" value=\"") {
            self.csrf = rest.split('"').next().unwrap().to_owned();
        }
        response.status
    }

    #[track_caller]
    pub(super) fn shows(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.text.contains(part), "{part} is missing: {}", self.text);
        }
    }

    #[track_caller]
    pub(super) fn misses(&self, part: &str) {
        assert!(!self.text.contains(part), "{part} is there: {}", self.text);
    }

    #[track_caller]
    pub(super) fn signs_up(&mut self, real: &Real, email: &str) {
        self.get("/signup");
        let form = [("full_name", "Al & Co"), ("email", email), ("new_password", PASSWORD)];
        assert_eq!(self.post("/signup", &form), 200, "{}", self.text);
        let code = real.code(email);
        assert_eq!(self.get(&format!("/verify?code={code}")), 200);
        assert_eq!(self.post("/verify", &[("code", &code)]), 303, "{}", self.text);
        assert_eq!(self.location, "/login?said=verified");
    }

    #[track_caller]
    pub(super) fn logs_in(&mut self, email: &str, password: &str) {
        self.get("/login");
        assert_eq!(self.post("/login", &[("email", email), ("password", password)]), 303, "{}", self.text);
    }

    pub(super) fn logs_out(&mut self) {
        self.get("/logout");
        assert_eq!(self.post("/logout", &[]), 303);
    }
}

pub(super) fn encoded(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'@' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        other => format!("%{other:02x}"),
    };
    text.bytes().map(letter).collect()
}
