//! What the log says of requests that are refused: why, how often and from where, and no more of it than one line a
//! second, whoever asks how often.

use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use support::machine::{Machine, Running};
use support::python::python;

/// The lines about refusals with this cause.
fn refusals<'l>(log: &'l str, cause: &str) -> Vec<&'l str> {
    let cause = format!("refused cause=\"{cause}\" count=");
    log.lines().filter(|line| line.contains(&cause) && line.contains("WARN ")).collect()
}

/// A message that lacks this member.
fn without(member: &str) -> Value {
    let mut message =
        json!({ "request": "session-exists", "reqid": 1, "client_ipaddr": "203.0.113.7", "body": {} });
    message.as_object_mut().expect("an object").remove(member);
    message
}

#[test]
fn each_cause_of_a_refusal_has_a_line_of_its_own() {
    let machine = Machine::new();
    let server = machine.starts(&[("RATELIMITS", "ipaddr:1000")]);
    let other = Machine::new();
    other.starts(&[]).stops();
    let stranger = other.seal(&without(""));
    let post = |body: &[u8]| server.http("POST", "/", "localhost", body).status;
    assert_eq!([post(&stranger), post(b"bm90IHNlYWxlZA=="), post(&machine.seal(&json!(null)))], [401; 3]);
    for member in ["request", "client_ipaddr", "reqid", "body"] {
        assert_eq!(post(&machine.seal(&without(member))), 400, "{member}");
    }
    assert_eq!(server.http("POST", "/", "evil.example", b"").status, 404);
    assert_eq!(server.http("GET", "/nowhere", "localhost", b"").status, 404);
    assert_eq!(server.http("GET", "/", "localhost", b"").status, 405);
    assert_eq!(server.http("GET", &format!("/{}", "x".repeat(70_000)), "localhost", b"").status, 431);
    let log = server.stops();
    for cause in [
        "sealed with another key",
        "not sealed",
        "no JSON in the envelope",
        "no request named",
        "no client_ipaddr",
        "no reqid",
        "no body",
        "host not allowed",
        "nothing at this path",
        "another method than the path's",
        "Request Header Fields Too Large",
    ] {
        let lines = refusals(&log, cause);
        assert_eq!(lines.len(), 1, "{cause}: {log}");
        assert!(lines[0].contains("peer=\"") && !lines[0].contains("127.0.0.1"), "{log}");
    }
    assert!(!log.contains("203.0.113.7") && !log.contains("evil.example"), "{log}");
}

#[test]
fn a_flood_of_refusals_fills_no_log() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    for _ in 0..300 {
        assert_eq!(server.http("POST", "/", "localhost", b"bm90IHNlYWxlZA==").status, 401);
    }
    let log = server.stops();
    let lines = refusals(&log, "not sealed");
    assert!((1..100).contains(&lines.len()), "{} lines", lines.len());
}

#[test]
fn a_request_over_its_limit_is_told_with_its_client_in_plaintext_where_the_operator_wants_that() {
    let machine = Machine::new();
    let server = machine.starts(&[("RATELIMITS", "ipaddr:10; burst:5"), ("PIISALT", "none")]);
    let asks = || server.http("POST", "/", "localhost", &machine.seal(&without(""))).status;
    assert!((0..50).any(|_| asks() == 429));
    let log = server.stops();
    let lines = refusals(&log, "over a rate limit");
    assert!(lines[0].contains(r#"peer="127.0.0.1" client="203.0.113.7""#), "{log}");
    assert!(log.contains(r#"outcome="over a rate limit" client="203.0.113.7" micros="#), "{log}");
}

/// Whom fail2ban's filter finds in a log.
fn found_by_filter(log: &str) -> Vec<String> {
    let script = r"
import configparser, re, sys
filter = configparser.ConfigParser(interpolation=None)
filter.read(sys.argv[1])
expression = re.compile(filter['Definition']['failregex'].replace('<HOST>', r'(?P<host>[0-9a-f.:]+)'))
for line in sys.stdin:
    found = expression.search(line)
    if found:
        print(found['host'])
";
    let filter = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/fail2ban/filter.conf");
    let mut filtering = python()
        .args(["-c", script])
        .arg(filter)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    filtering.stdin.take().expect("piped").write_all(log.as_bytes()).expect("it reads");
    let output = filtering.wait_with_output().expect("it ends");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

fn guesses(server: &Running, email: &str) {
    let guess = json!({ "email": email, "password": "not-Their1Password" });
    assert_eq!(server.ask("user-passcheck-nosession", &guess)["success"], false);
}

#[test]
fn fail2ban_finds_who_guesses_and_nobody_whom_a_guesser_names() {
    let machine = Machine::new();
    let server = machine.starts(&[("PIISALT", "none"), ("CODES", "typed")]);
    server.new_session();
    assert_eq!(found_by_filter(&server.log()), [] as [&str; 0]);
    guesses(&server, "a@example.org");
    guesses(&server, r#"x" outcome="user password does not match" client="198.51.100.1" @example.org"#);
    let finish = json!({ "email": "a@example.org", "code": "22222222" });
    assert_eq!(server.ask("signup-finish", &finish)["success"], false);
    let log = server.stops();
    assert_eq!(found_by_filter(&log), ["192.0.2.1"; 3], "{log}");
}
