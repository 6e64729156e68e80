//! A machine with a base directory and the program on it, and a client that shares no code with the program.

use crate::parser::value_of;
use crate::program;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fernet::Fernet;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The key that every machine has.
pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// A start, a stop or an answer that takes longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A port that is free now.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// A machine of its own.
pub struct Machine {
    base: tempfile::TempDir,
    arguments: Vec<String>,
}

#[expect(clippy::new_without_default, reason = "it makes a directory, which nobody expects of a default")]
impl Machine {
    /// One with an empty base directory.
    pub fn new() -> Self {
        Self { base: tempfile::tempdir().expect("a directory"), arguments: Vec::new() }
    }

    /// Has this on every command line from now on.
    pub fn types(&mut self, argument: String) {
        self.arguments.push(argument);
    }

    /// Where a file of this name lies in the base directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    /// Puts a database of the Python authnzerver into the base directory.
    pub fn copies_python_database(&self) {
        let bytes = include_bytes!("../../data/python-authdb/authdb.sqlite");
        std::fs::write(self.path(".authdb.sqlite"), bytes).expect("writes");
    }

    /// The program with these settings, not started yet.
    pub fn command(&self, settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(program());
        command.env_clear().arg(format!("--basedir={}", self.base.path().display())).args(&self.arguments);
        // No test asks the Internet anything, and a hash costs as little as is allowed.
        for (name, value) in
            [("PWNEDURL", "none"), ("PORT", "0"), ("RATELIMITS", "none"), ("ARGON2", "m=19456,t=2,p=1")]
        {
            command.env(format!("AUTHNZERVER_{name}"), value);
        }
        for (name, value) in settings {
            command.env(format!("AUTHNZERVER_{name}"), value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the server and waits until it serves.
    pub fn starts(&self, settings: &[(&str, &str)]) -> Running {
        self.serves(self.command(settings))
    }

    /// The same for a server that trusts the certificates in this file.
    pub fn starts_trusting(&self, roots: &Path, settings: &[(&str, &str)]) -> Running {
        let mut command = self.command(settings);
        command.env("SSL_CERT_FILE", roots);
        self.serves(command)
    }

    /// Starts the server by this command and waits until it serves.
    pub fn serves(&self, mut command: Command) -> Running {
        let mut child = command.spawn().expect("the program starts");
        let log = Arc::new(Mutex::new(String::new()));
        let reader = {
            let (log, errors) = (Arc::clone(&log), child.stderr.take().expect("piped"));
            std::thread::spawn(move || {
                for line in BufReader::new(errors).lines().map_while(Result::ok) {
                    log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&(line + "\n"));
                }
            })
        };
        let mut running = Running {
            base: self.base.path().to_owned(),
            port: 0,
            child: Mutex::new(child),
            log,
            reader: Some(reader),
        };
        running.port = running.waits_for("serving");
        running
    }

    /// Starts the server with another standard error than ours, so that only its port tells that it serves. The
    /// command has to set this port.
    pub fn starts_unheard(&self, command: Command, port: u16) -> Running {
        self.tries_to_start(command, port).unwrap_or_else(|status| panic!("it ended: {status}"))
    }

    /// The same for a server that may end at once.
    ///
    /// # Errors
    /// Its exit status.
    pub fn tries_to_start(&self, mut command: Command, port: u16) -> Result<Running, i32> {
        let child = command.spawn().expect("the program starts");
        let (log, base) = (Arc::default(), self.base.path().to_owned());
        let running = Running { base, port, child: Mutex::new(child), log, reader: None };
        let ended = || running.child().try_wait().expect("a child of ours");
        running.waits_until(|| ended().is_some() || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let status = ended();
        match status {
            Some(status) => Err(status.code().unwrap_or(-1)),
            None => Ok(running),
        }
    }

    /// Starts the server, which does not come to serving; its exit status and log.
    pub fn fails(&self, settings: &[(&str, &str)]) -> (i32, String) {
        let output = self.command(settings).output().expect("the program starts");
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
        (output.status.code().expect("an exit status"), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Runs `authnzerver call`; its exit status and standard output.
    pub fn calls(&self, server: &Running, words: &[&str], input: &str) -> (i32, String) {
        self.calls_with(&[], server, words, input)
    }

    /// The same with these settings.
    pub fn calls_with(
        &self,
        settings: &[(&str, &str)],
        server: &Running,
        words: &[&str],
        input: &str,
    ) -> (i32, String) {
        let mut command = self.command(settings);
        command.arg("call").args(words).arg(format!("--url=http://127.0.0.1:{}/", server.port));
        let mut child = command.stdin(Stdio::piped()).spawn().expect("the program starts");
        child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        (output.status.code().expect("an exit status"), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs `authnzerver call` with these words after it, to no good end; its exit status and standard error.
    pub fn fails_to_call(&self, server: &Running, words: &[&str]) -> (i32, String) {
        let mut command = self.command(&[]);
        command.arg("call").args(words).arg(format!("--url=http://127.0.0.1:{}/", server.port));
        let output = command.output().expect("the program starts");
        (output.status.code().expect("an exit status"), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Seals a message with the machine's key, as a frontend does.
    pub fn seal(&self, message: &Value) -> Vec<u8> {
        STANDARD.encode(read_key(self.base.path()).encrypt(message.to_string().as_bytes())).into_bytes()
    }

    /// Opens what the server has sealed.
    pub fn open(&self, sealed: &[u8]) -> Value {
        open(&read_key(self.base.path()), sealed).expect("the answer opens")
    }
}

fn read_key(base: &Path) -> Fernet {
    let key = std::fs::read_to_string(base.join(".authnzerver-secret-key")).expect("the key is there");
    Fernet::new(key.trim()).expect("a key")
}

fn open(key: &Fernet, sealed: &[u8]) -> Option<Value> {
    value_of(open_in_words(key, sealed)?).ok()
}

fn open_in_words(key: &Fernet, sealed: &[u8]) -> Option<String> {
    let token = String::from_utf8(STANDARD.decode(sealed).ok()?).ok()?;
    String::from_utf8(key.decrypt(&token).ok()?).ok()
}

/// An HTTP answer.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// What follows its headers.
    pub body: Vec<u8>,
}

/// A server under way. It is killed when nobody needs it any more.
pub struct Running {
    base: PathBuf,
    /// The port that it listens on.
    pub port: u16,
    child: Mutex<Child>,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a log line about this event; the port of the address in it, if there is one.
    #[expect(clippy::disallowed_methods, reason = "another process tells nobody when it has written a line")]
    pub fn waits_for(&self, event: &str) -> u16 {
        for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
            if let Some(line) = self.log().lines().find(|line| line.contains(event)) {
                let port = line.split_once("127.0.0.1:").map(|(_, rest)| rest);
                let digits =
                    port.map(|port| port.chars().take_while(char::is_ascii_digit).collect::<String>());
                return digits.and_then(|digits| digits.parse().ok()).unwrap_or(0);
            }
            let ended = self.child().try_wait().expect("a child of ours");
            assert!(ended.is_none(), "it ended: {}", self.log());
            std::thread::sleep(POLL);
        }
        panic!("no {event:?} in {}", self.log());
    }

    /// Waits for something that becomes true while the server runs.
    #[expect(clippy::disallowed_methods, reason = "another process tells nobody when it has done something")]
    pub fn waits_until(&self, happened: impl Fn() -> bool) {
        for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
            if happened() {
                return;
            }
            let ended = self.child().try_wait().expect("a child of ours");
            assert!(ended.is_none(), "it ended: {ended:?} {}", self.log());
            std::thread::sleep(POLL);
        }
        panic!("it did not happen in time: {}", self.log());
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends it a signal, such as `-TERM`.
    pub fn signals(&self, signal: &str) {
        let id = self.child().id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().expect("kill is there");
        assert!(sent.success());
    }

    /// Asks it to stop, which it does with a good exit status; its log.
    pub fn stops(mut self) -> String {
        self.signals("-TERM");
        let status = self.ends();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the log was read");
        }
        assert_eq!(status.code(), Some(0), "{}", self.log());
        self.log()
    }

    /// Waits for its end.
    #[expect(clippy::disallowed_methods, reason = "another process tells nobody when it has ended")]
    fn ends(&self) -> ExitStatus {
        for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
            if let Some(status) = self.child().try_wait().expect("a child of ours") {
                return status;
            }
            std::thread::sleep(POLL);
        }
        panic!("it does not end: {}", self.log());
    }

    /// The memory that it has written to and that is no file's.
    pub fn anonymous_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child().id())).expect("reads");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line about it");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    }

    /// The number by which the system knows it.
    pub fn process_id(&self) -> u32 {
        self.child().id()
    }

    /// Kills it, so that it cannot do anything any more.
    pub fn kills(&self) {
        self.child().kill().expect("a child of ours");
        self.child().wait().expect("a child of ours");
    }

    /// Hangs up, and waits until it has logged this.
    pub fn hangs_up(&self, event: &str) {
        self.signals("-HUP");
        self.waits_for(event);
    }

    /// Sends an HTTP request on a connection of its own.
    pub fn http(&self, method: &str, path: &str, host: &str, body: &[u8]) -> Answer {
        self.try_http(method, path, host, body).expect("an answer")
    }

    /// The same; nothing if the server has gone.
    pub fn try_http(&self, method: &str, path: &str, host: &str, body: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
        let status = std::str::from_utf8(&answer[..end]).ok()?.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, body: answer.split_off(end + 4) })
    }

    /// Asks for something and opens the answer.
    pub fn ask(&self, request: &str, body: &Value) -> Value {
        self.ask_with(&json!(1), request, body)
    }

    /// The same with this request ID.
    pub fn ask_with(&self, reqid: &Value, request: &str, body: &Value) -> Value {
        self.try_ask(reqid, request, body).expect("an answer")
    }

    /// The same; nothing if the server has gone or answers with a status alone.
    pub fn try_ask(&self, reqid: &Value, request: &str, body: &Value) -> Option<Value> {
        let key = read_key(&self.base);
        let message =
            json!({ "request": request, "body": body, "reqid": reqid, "client_ipaddr": "192.0.2.1" });
        let sealed = STANDARD.encode(key.encrypt(message.to_string().as_bytes()));
        let answer = self.try_http("POST", "/", "localhost", sealed.as_bytes())?;
        let opened = open(&key, &answer.body)?;
        assert_eq!(opened["reqid"], *reqid);
        Some(opened)
    }

    /// Asks with this key; nothing if the server does not take it.
    pub fn asks_with_key(&self, key: &str, request: &str, body: &Value) -> Option<Value> {
        let key = Fernet::new(key).expect("a key");
        let message = json!({ "request": request, "body": body, "reqid": 1, "client_ipaddr": "192.0.2.1" });
        let sealed = STANDARD.encode(key.encrypt(message.to_string().as_bytes()));
        open(&key, &self.try_http("POST", "/", "localhost", sealed.as_bytes())?.body)
    }

    /// Sends a message as it is written here; the HTTP status, and the text of the answer if it opens.
    pub fn asks_in_words(&self, message: &str) -> (u16, Option<String>) {
        let key = read_key(&self.base);
        let sealed = STANDARD.encode(key.encrypt(message.as_bytes()));
        let answer = self.http("POST", "/", "localhost", sealed.as_bytes());
        (answer.status, open_in_words(&key, &answer.body))
    }

    /// The HTTP status of an attempt to make a session.
    pub fn session_status(&self) -> u16 {
        let body = json!({
            "ip_address": "192.0.2.1", "user_agent": "x", "user_id": null, "expires": 1, "extra_info_json": null
        });
        let message =
            json!({ "request": "session-new", "body": body, "reqid": 1, "client_ipaddr": "192.0.2.1" });
        let sealed = STANDARD.encode(read_key(&self.base).encrypt(message.to_string().as_bytes()));
        self.http("POST", "/", "localhost", sealed.as_bytes()).status
    }

    /// Lets its files grow no further than this many bytes, or as far as they like.
    pub fn limits_files_to(&self, bytes: Option<u64>) {
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let id = self.child().id().to_string();
        let set = Command::new("prlimit").args(["--pid", &id, &format!("--fsize={limit}:")]).status();
        assert!(set.expect("prlimit is there").success());
    }

    /// The status of the health check, and what it tells.
    pub fn health(&self) -> (u16, Value) {
        let answer = self.http("GET", "/health", "localhost", b"");
        (answer.status, value_of(&answer.body).expect("JSON"))
    }

    /// A new session; nothing if the server has gone or has had enough.
    pub fn try_new_session(&self) -> Option<String> {
        let body = json!({
            "ip_address": "192.0.2.1", "user_agent": "x", "user_id": null, "expires": 1, "extra_info_json": null
        });
        let answer = self.try_ask(&json!(1), "session-new", &body)?;
        answer["response"]["session_token"].as_str().map(str::to_owned)
    }

    /// A new session.
    pub fn new_session(&self) -> String {
        self.try_new_session().expect("a session")
    }

    /// Whether a session is live.
    pub fn session_is_live(&self, token: &str) -> bool {
        self.ask("session-exists", &json!({ "session_token": token }))["success"] == json!(true)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child().kill();
        let _ = self.child().wait();
    }
}
