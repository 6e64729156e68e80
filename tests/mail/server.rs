//! A mail server in a process of its own, the certificates that it shows, and the emails that it took.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use support::parser::value_of;
use support::python::python;
use support::test_ca::Authority;

/// A line of an email that the code comes after.
const BEFORE_CODE: &str = "enter this code:";

/// A mail server under way. It is killed when nobody needs it any more.
pub struct MailServer {
    child: Child,
    port: u16,
    emails: tempfile::TempDir,
}

impl MailServer {
    /// One that speaks in plaintext and takes every email.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// One that speaks TLS, `starttls` or `tls`, with a certificate for this name.
    pub fn start_protected(tls: &str, authority: &Authority, name: &str, options: &[(&str, &str)]) -> Self {
        let identity = authority.certifies(name);
        let files = [identity.certificate, identity.key]
            .map(|path| path.into_os_string().into_string().expect("the path is UTF-8"));
        let tls = [("tls", tls), ("certificate", files[0].as_str()), ("key", files[1].as_str())];
        Self::start_with(&[&tls, options].concat())
    }

    /// One with these options, which `smtp_server.py` explains.
    pub fn start_with(options: &[(&str, &str)]) -> Self {
        let emails = tempfile::tempdir().expect("a directory");
        let mut command = python();
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mail/smtp_server.py"));
        command.arg("--emails").arg(emails.path());
        command.args(options.iter().map(|(name, value)| format!("--{name}={value}")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("Python starts");
        let mut line = String::new();
        let output = child.stdout.as_mut().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("reads");
        let Ok(port) = line.trim().parse() else {
            let mut errors = String::new();
            child.stderr.take().expect("piped").read_to_string(&mut errors).expect("reads");
            panic!("the mail server did not start: {errors}");
        };
        Self { child, port, emails }
    }

    pub fn port(&self) -> String {
        self.port.to_string()
    }

    /// The emails that it has taken so far.
    pub fn emails(&self) -> Vec<ReceivedEmail> {
        let file = |name: String| std::fs::read(self.emails.path().join(name));
        let numbered = (0..).map_while(|number| Some((number, file(format!("{number}.eml")).ok()?)));
        numbered
            .map(|(number, bytes)| ReceivedEmail {
                came: value_of(file(format!("{number}.json")).expect("was written before")).expect("JSON"),
                text: String::from_utf8(bytes).expect("the emails of these tests are UTF-8"),
            })
            .collect()
    }

    /// The only email that it has taken.
    pub fn only_email(&self) -> ReceivedEmail {
        let mut emails = self.emails();
        assert_eq!(emails.len(), 1);
        emails.pop().expect("there is one")
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An email as the mail server got it.
pub struct ReceivedEmail {
    /// How it came: `sender`, `recipients`, `tls`, and the `user` who had logged in.
    pub came: Value,
    /// Headers and text, as they travelled.
    pub text: String,
}

impl ReceivedEmail {
    /// Whether this is one of its lines, whole and as it travelled.
    pub fn has_line(&self, line: &str) -> bool {
        self.text.split("\r\n").any(|found| found == line)
    }

    /// The code as a person would copy it: the next line that is not empty after the one that announces it.
    pub fn code(&self) -> &str {
        let mut lines = self.text.split("\r\n").skip_while(|line| !line.ends_with(BEFORE_CODE)).skip(1);
        lines.find(|line| !line.is_empty()).expect("the email has a code")
    }
}
