//! The settings that name where leaked passwords are looked up, on the whole way.

use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use support::machine::{Machine, Running};

/// A password that breaks no other rule, and its SHA-1.
const LEAKED: &str = "quite-another-Passphrase-77";
const SHA1: &str = "47DDBA91D4C4D7648A799C7590391AAB7346D6F1";

fn takes(server: &Running, password: &str) -> bool {
    let body = json!({ "password": password, "email": "a@example.org", "full_name": "Somebody" });
    server.ask("user-validatepass", &body)["success"] == json!(true)
}

#[test]
fn a_filter_file_that_the_operator_names_is_asked() {
    let machine = Machine::new();
    let (list, filter) = (machine.path("list"), machine.path("leaked.filter"));
    std::fs::write(&list, format!("{SHA1}:99\n")).expect("writes");
    let mut build = Command::new(support::program());
    let built = build.args(["pwned", "build"]).args([&list, &filter]).output().expect("runs");
    assert!(built.status.success(), "{built:?}");
    let server = machine.starts(&[("PWNEDFILE", filter.to_str().expect("UTF-8"))]);
    assert!(!takes(&server, LEAKED));
    assert!(takes(&server, "quite-another-Passphrase-78"));
}

#[test]
fn a_service_that_the_operator_names_is_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let service = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the server connects");
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).expect("a request line");
        let body = format!("{}:99\r\n", &SHA1[5..]);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).expect("sent");
        line
    });
    let machine = Machine::new();
    let server = machine.starts(&[("PWNEDURL", &url)]);
    assert!(!takes(&server, LEAKED));
    let asked = service.join().expect("the service ends");
    assert_eq!(asked, format!("GET /range/{} HTTP/1.1\r\n", &SHA1[..5]), "and it learns no more than that");
}
