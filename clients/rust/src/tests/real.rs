//! A real server with a mail server, started by clients/tests/server.py. It ends with the tests.

use super::clients;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(super) struct Real {
    pub(super) url: String,
    pub(super) key: String,
    pub(super) admin: (String, String),
    emails: PathBuf,
    words: ChildStdin,
    lines: BufReader<ChildStdout>,
    _process: Child,
}

static REAL: LazyLock<Mutex<Real>> = LazyLock::new(|| Mutex::new(Real::start(&[])));

/// The server, for one test at a time: some stop it.
pub(super) fn real() -> MutexGuard<'static, Real> {
    REAL.lock().unwrap_or_else(PoisonError::into_inner)
}

fn setting(name: &str, otherwise: &str) -> PathBuf {
    std::env::var_os(name).map_or_else(|| clients().join("../target").join(otherwise), PathBuf::from)
}

impl Real {
    /// Starts one, with settings of its script such as `CODES`.
    pub(super) fn start(settings: &[(&str, &OsStr)]) -> Self {
        let (python, program) =
            (setting("MAIL_PYTHON", "python/bin/python"), setting("AUTHNZERVER", "debug/authnzerver"));
        let mut command = Command::new(python);
        command.arg("-B").arg(clients().join("tests/server.py")).arg(program);
        command.envs(settings.iter().copied());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let words = process.stdin.take().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let about: Value = serde_json::from_str(&line).expect("there is no server to test against");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            url: text(&about["url"]),
            key: text(&about["key"]),
            admin: (text(&about["admin"]["email"]), text(&about["admin"]["password"])),
            emails: text(&about["emails"]).into(),
            words,
            lines,
            _process: process,
        }
    }

    /// Has it stop, start, or take other keys.
    pub(super) fn tell(&mut self, words: &str) {
        writeln!(self.words, "{words}").unwrap();
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert!(line.contains("true"), "the server says {line} to {words}");
    }

    /// The newest code that was emailed to an address; waits until there is one, and forgets it.
    pub(super) fn code(&self, address: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            let files = std::fs::read_dir(&self.emails).unwrap().map(|file| file.unwrap().path());
            let mut files: Vec<PathBuf> =
                files.filter(|file| file.extension().is_some_and(|kind| kind == "eml")).collect();
            files.sort();
            for file in files.iter().rev() {
                if let Some(code) = code_in(file, address) {
                    std::fs::remove_file(file).unwrap();
                    return code;
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no email came to {address}");
    }
}

/// The code of a link in an email to an address, or the one to type.
fn code_in(file: &Path, address: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n")?;
    if !head.lines().any(|line| line.starts_with("To:") && line.contains(address)) {
        return None;
    }
    let plain = match STANDARD.decode(body.replace('\n', "")) {
        Ok(decoded) => String::from_utf8(decoded).ok()?,
        // Of what quoted-printable does, a link has no more than this.
        Err(_) => body.replace("=\n", "").replace("=3D", "="),
    };
    let is_typed = |line: &&str| line.len() == 9 && line.as_bytes()[4] == b'-' && !line.contains(' ');
    let Some((_, code)) = plain.split_once("code=") else {
        return plain.lines().map(str::trim).find(is_typed).map(str::to_owned);
    };
    let is_code = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    Some(code.chars().take_while(|letter| is_code(*letter)).collect())
}
