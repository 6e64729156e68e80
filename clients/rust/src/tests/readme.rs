//! The README's programs, each as one that depends on this package.

use super::clients;
use super::real::real;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Builds a program of the README, the one that has a line, with some of it replaced.
fn build(name: &str, line: &str, key: &str, replaced: &[(&str, &str)]) -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| clients().join("../target"), PathBuf::from);
    let folder = target.join("clients/rust-user").join(name);
    let key_file = folder.join("key");
    let readme = std::fs::read_to_string(package.join("README.md")).unwrap();
    let mut examples = readme.split("```rust,no_run\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut program = examples.find(|example| example.contains(line)).unwrap().to_owned();
    for (old, new) in [&[("run/.authnzerver-secret-key", key_file.to_str().unwrap())], replaced].concat() {
        assert!(program.contains(old), "{old}");
        program = program.replace(old, new);
    }
    let manifest = format!(
        "[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         authnzerver-client = {{ path = {package:?} }}\n\
         tiny_http = {{ version = \"0.12\", default-features = false }}\n\
         [profile.dev.package.\"*\"]\nopt-level = 2\n"
    );
    std::fs::create_dir_all(folder.join("src")).unwrap();
    std::fs::write(key_file, key).unwrap();
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(folder.join("src/main.rs"), program).unwrap();
    std::fs::copy(package.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--offline", "--target-dir"]).arg(&target).current_dir(&folder);
    // Those of this package, which cargo would take for a reason to build all anew.
    let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"];
    for (name, _) in std::env::vars_os() {
        if ours.iter().any(|start| name.to_string_lossy().starts_with(start)) {
            command.env_remove(name);
        }
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("debug").join(name)
}

fn says(program: &Path) -> String {
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_readme_logs_in() {
    let real = real();
    let here = [("http://127.0.0.1:13431", real.url.as_str())];
    let line = "site.login(";
    assert!(says(&build("readme-login", line, &real.key, &here)).starts_with('['), "what the server says");
    let (email, password) = &real.admin;
    let known = [("alice@example.org", email.as_str()), ("correct horse battery staple", password.as_str())];
    let program = build("readme-login", line, &real.key, &[here.as_slice(), &known].concat());
    assert!(says(&program).starts_with(email.as_str()));
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_readme_is_a_site() {
    let real = real();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let origin = format!("http://{address}");
    let replaced = [
        ("http://127.0.0.1:13431", real.url.as_str()),
        ("https://example.org", &origin),
        ("127.0.0.1:8080", &address),
    ];
    let program = build("readme-site", "Accounts::new(", &real.key, &replaced);
    let _running = Running(Command::new(program).spawn().unwrap());
    let (head, text) = asked(&address, "GET /login?next=/staff HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && text.contains("<h1>Log in</h1>"), "{head} {text}");
    let token = text.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let visitor = head.split("Set-Cookie: ").nth(1).unwrap().split(';').next().unwrap();
    let post = |form: &str| {
        format!(
            "POST /login HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\nCookie: {visitor}\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
            form.len()
        )
    };
    let (email, password) = (real.admin.0.replace('@', "%40"), &real.admin.1);
    let form = format!("csrf={token}&email={email}&password={password}&next=/staff");
    let (head, _) = asked(&address, &post(&form));
    assert!(head.starts_with("HTTP/1.1 303") && head.contains("Location: /staff\r\n"), "{head}");
    let session = head.split("Set-Cookie: insecure-session=").nth(1).unwrap().split(';').next().unwrap();
    let ask = format!("GET /staff HTTP/1.1\r\nHost: x\r\nCookie: insecure-session={session}\r\n\r\n");
    let (head, text) = asked(&address, &ask);
    assert!(head.starts_with("HTTP/1.1 200") && text.starts_with("Hello "), "{head} {text}");
    let (head, _) = asked(&address, &post(&form.replace(token, "x.y")));
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let (head, _) = asked(&address, "GET /staff HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(head.contains("Location: /login?next=/staff\r\n"), "{head}");
}

/// Asks once somebody listens; gives the head and the body.
fn asked(address: &str, request: &str) -> (String, String) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut connection = loop {
        match TcpStream::connect(address) {
            Ok(connection) => break connection,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    connection.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(connection);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    let length = head.split("Content-Length: ").nth(1).map_or("0", |rest| rest.split('\r').next().unwrap());
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}
