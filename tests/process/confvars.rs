//! The real program with `--confvars`: its key lies with a server of secrets, which it asks at the start.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use support::machine::{KEY, Machine};

/// What may be seen nowhere.
const TOKEN: &str = "s.hidden-token";

/// A server of secrets: answers one request after the other in this way, and keeps them.
struct Vault {
    port: u16,
    thread: JoinHandle<Vec<String>>,
}

impl Vault {
    /// Nothing stands for an answer that never comes.
    fn answers(answers: Vec<Option<(&'static str, String)>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let thread = std::thread::spawn(move || {
            let serve = |answer: Option<(&str, String)>| {
                let (mut stream, _) = listener.accept().expect("a client");
                let request = read(&mut stream);
                if let Some((status, body)) = answer {
                    let length = body.len();
                    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
                    stream.write_all(answer.as_bytes()).expect("it listens");
                }
                // The client goes when it has enough.
                let _ = stream.read(&mut [0]);
                request
            };
            answers.into_iter().map(serve).collect()
        });
        Self { port, thread }
    }

    fn was_asked(self) -> Vec<String> {
        self.thread.join().expect("a server that did not fail")
    }
}

/// A head, and the body that it announces.
fn read(stream: &mut TcpStream) -> String {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a request");
        request.push(byte[0]);
    }
    let head = String::from_utf8(request).expect("text").to_lowercase();
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).expect("the whole request");
    head + &String::from_utf8(body).expect("text")
}

/// A machine whose key is fetched as this form tells.
fn machine(vault: &Vault, form: &str, timeout: &str) -> Machine {
    let mut machine = Machine::new();
    let rules = format!(
        r#"{{"secret": {{
            "default": "http://me:{TOKEN}@127.0.0.1:{}/v1/key?x={TOKEN}",
            "readable_from_file": ["http", {{
                "method": "post",
                "headers": {{"X-Vault-Token": "[[AUTHNZERVER_VAULT_TOKEN]]"}},
                "data": {{"name": "key", "also": "[[AUTHNZERVER_VAULT_TOKEN]]"}},
                "timeout": {timeout}
            }}, {form}],
            "postprocess_value": "base64"
        }}}}"#,
        vault.port
    );
    std::fs::write(machine.path("confvars.json"), rules).expect("writes");
    machine.types(format!("--confvars={}", machine.path("confvars.json").display()));
    machine
}

fn settings(machine: &Machine) -> Vec<(&'static str, String)> {
    let database = machine.path("db.sqlite").display().to_string();
    vec![("AUTHDB", database), ("PIISALT", "none".into()), ("VAULT_TOKEN", TOKEN.into())]
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

const PATH: &str = r#""json", "data.keys._arr_1""#;

#[test]
fn a_server_seals_with_the_key_that_it_fetched() {
    let key = STANDARD.encode(KEY);
    let good = || Some(("200 OK", json!({ "data": { "keys": [null, key] } }).to_string()));
    let vault = Vault::answers(vec![good(), good()]);
    let machine = machine(&vault, PATH, "30");
    let settings = settings(&machine);
    let server = machine.starts(&borrowed(&settings));
    // The client of this test has the key from elsewhere: from a file that was not there when the server started.
    std::fs::write(machine.path(".authnzerver-secret-key"), KEY).expect("writes");
    let token = server.new_session();
    assert!(server.session_is_live(&token));
    let body = json!({ "session_token": token }).to_string();
    let (status, output) =
        machine.calls_with(&borrowed(&settings), &server, &["session-exists", body.as_str()], "");
    assert_eq!(status, 0, "{output}");
    let log = server.stops();
    for private in [TOKEN, KEY, key.as_str(), "VAULT_TOKEN"] {
        assert!(!log.contains(private), "{private} in {log}");
    }
    for request in vault.was_asked() {
        assert!(request.starts_with("post /v1/key?x="), "{request}");
        assert!(request.contains(&format!("\r\nx-vault-token: {TOKEN}\r\n")), "{request}");
        assert!(request.ends_with(&format!("\r\n\r\nalso={TOKEN}&name=key")), "{request}");
    }
}

#[test]
fn a_server_without_its_key_does_not_start_and_says_why() {
    let hidden = || format!("{{\"data\": {{\"keys\": [\"{TOKEN}\", [\"{TOKEN}\"]]}}}}");
    for (answer, form, problem) in [
        (Some(("403 Forbidden", hidden())), PATH, "it answered 403"),
        (None, PATH, "no whole answer came within 0.3 s"),
        (Some(("200 OK", hidden())), r#""json", "data.nokeys""#, "there is no `data.nokeys` in the JSON"),
        (Some(("200 OK", hidden())), PATH, "`data.keys._arr_1` is neither a text nor a number"),
        (Some(("200 OK", hidden())), "\"string\"", "gives a value that is not base64"),
    ] {
        let vault = Vault::answers(vec![answer]);
        let machine = machine(&vault, form, "0.3");
        let (status, log) = machine.fails(&borrowed(&settings(&machine)));
        assert_eq!(status, 1, "{log}");
        assert!(!log.contains("hidden") && !log.contains(KEY), "{log}");
        let line =
            log.lines().find(|line| line.contains("secret: the default in ")).expect("a line about it");
        assert!(line.contains("confvars.json") && line.contains(problem), "{problem}: {log}");
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(!machine.path("db.sqlite").exists(), "nothing was made");
        vault.was_asked();
    }
}
