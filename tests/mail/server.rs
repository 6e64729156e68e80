//! A mail server in a process of its own, the certificates that it shows, and the letters that it took.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Characters of a line in a PEM file.
const PEM_LINE: usize = 64;
/// A line of a letter that the code comes after.
const BEFORE_CODE: &str = "enter this code:";

/// Somebody who signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let mut about = CertificateParams::default();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let directory = tempfile::tempdir().expect("a directory");
        let root = about.self_signed(&key).expect("a certificate");
        std::fs::write(directory.path().join("root.pem"), pem("CERTIFICATE", root.der())).expect("writes");
        Self { issuer: Issuer::new(about, key), directory }
    }

    /// The file that a program must be given to trust this authority.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root.pem")
    }

    /// Signs that the server of this name is who it says: the files of the certificate and of its key.
    fn certifies(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("a key");
        let about = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = about.signed_by(&key, &self.issuer).expect("a certificate");
        let files = (self.directory.path().join("server.pem"), self.directory.path().join("key.pem"));
        std::fs::write(&files.0, pem("CERTIFICATE", certificate.der())).expect("writes");
        std::fs::write(&files.1, pem("PRIVATE KEY", &key.serialize_der())).expect("writes");
        files
    }
}

fn pem(kind: &str, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let lines = text.as_bytes().chunks(PEM_LINE).map(|line| String::from_utf8_lossy(line).into_owned());
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.collect::<Vec<_>>().join("\n"))
}

/// A mail server under way. It is killed when nobody needs it any more.
pub struct MailServer {
    child: Child,
    port: u16,
    letters: tempfile::TempDir,
}

impl MailServer {
    /// One that speaks in clear and takes every letter.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// One that speaks TLS, `starttls` or `tls`, with a certificate for this name.
    pub fn start_protected(tls: &str, authority: &Authority, name: &str, options: &[(&str, &str)]) -> Self {
        let (certificate, key) = authority.certifies(name);
        let files =
            [certificate, key].map(|path| path.into_os_string().into_string().expect("the path is UTF-8"));
        let tls = [("tls", tls), ("certificate", files[0].as_str()), ("key", files[1].as_str())];
        Self::start_with(&[&tls, options].concat())
    }

    /// One with these options, which `smtp_server.py` explains.
    pub fn start_with(options: &[(&str, &str)]) -> Self {
        let letters = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("python3");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mail/smtp_server.py"));
        command.arg("--letters").arg(letters.path());
        command.args(options.iter().map(|(name, value)| format!("--{name}={value}")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("python3 is installed");
        let mut line = String::new();
        let output = child.stdout.as_mut().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("reads");
        let Ok(port) = line.trim().parse() else {
            let mut errors = String::new();
            child.stderr.take().expect("piped").read_to_string(&mut errors).expect("reads");
            panic!("python3 with the package aiosmtpd is needed: {errors}");
        };
        Self { child, port, letters }
    }

    pub fn port(&self) -> String {
        self.port.to_string()
    }

    /// The letters that it has taken so far.
    pub fn letters(&self) -> Vec<ReceivedLetter> {
        let file = |name: String| std::fs::read(self.letters.path().join(name));
        let numbered = (0..).map_while(|number| Some((number, file(format!("{number}.eml")).ok()?)));
        numbered
            .map(|(number, bytes)| ReceivedLetter {
                came: serde_json::from_slice(&file(format!("{number}.json")).expect("was written before"))
                    .expect("JSON"),
                text: String::from_utf8(bytes).expect("the letters of these tests are UTF-8"),
            })
            .collect()
    }

    /// The only letter that it has taken.
    pub fn only_letter(&self) -> ReceivedLetter {
        let mut letters = self.letters();
        assert_eq!(letters.len(), 1);
        letters.pop().expect("there is one")
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A letter as the mail server got it.
pub struct ReceivedLetter {
    /// How it came: `sender`, `recipients`, `tls`, and the `user` who had logged in.
    pub came: Value,
    /// Headers and text, as they travelled.
    pub text: String,
}

impl ReceivedLetter {
    /// Whether this is one of its lines, whole and as it travelled.
    pub fn has_line(&self, line: &str) -> bool {
        self.text.split("\r\n").any(|found| found == line)
    }

    /// The code as a person would copy it: the next line that is not empty after the one that announces it.
    pub fn code(&self) -> &str {
        let mut lines = self.text.split("\r\n").skip_while(|line| !line.ends_with(BEFORE_CODE)).skip(1);
        lines.find(|line| !line.is_empty()).expect("the letter has a code")
    }
}
