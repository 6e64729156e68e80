//! The OpenAPI document: valid as one, and true of what is answered, both by validators that are not ours.

use authnzerver::cli::schema::openapi;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use support::python::python;
use support::{Reply, TestServer};

/// The validators, and what they are asked.
const PYTHON: &str = include_str!("openapi.py");

struct Exchanges<'s> {
    server: &'s TestServer,
    lines: String,
}

impl Exchanges<'_> {
    fn ask(&mut self, request: &str, body: Value) -> Value {
        self.exchange(request, body, true)
    }

    fn exchange(&mut self, request: &str, body: Value, fits: bool) -> Value {
        let Reply::Answered(answer) = self.server.ask(request, body.clone()) else { panic!("{request}") };
        let asked = json!({ "request": request, "body": body, "reqid": 1, "client_ipaddr": "192.0.2.1" });
        writeln!(self.lines, "{}", json!({ "asked": asked, "answer": answer, "fits": fits }))
            .expect("writes into memory");
        answer["response"].clone()
    }
}

#[test]
fn the_openapi_document_is_valid_and_true() {
    let server = TestServer::start();
    let mut exchanges = Exchanges { server: &server, lines: String::new() };
    let visitor = json!({
        "ip_address": "192.0.2.1", "user_agent": "a browser", "user_id": null, "expires": 1,
        "extra_info_json": { "seen": [1, null] },
    });
    let token = exchanges.ask("session-new", visitor)["session_token"].clone();
    let sign_up = json!({ "full_name": "Ada", "email": "ada@example.org", "password": "a-Good.pass-5word" });
    let user_id = exchanges.ask("user-new", sign_up.clone())["user_id"].clone();
    exchanges.ask("user-new", sign_up);
    exchanges.ask("user-set-emailverified", json!({ "email": "ada@example.org" }));
    exchanges.ask("user-lookup-email", json!({ "email": "ada@example.org" }));
    exchanges.ask("user-list", json!({ "user_id": null }));
    exchanges.ask("user-lookup-match", json!({ "by": "user_role", "match": "superuser" }));
    exchanges.ask("session-exists", json!({ "session_token": token }));
    exchanges.ask("session-exists", json!({ "session_token": "no such" }));
    let login =
        |password: &str| json!({ "session_token": token, "email": "ada@example.org", "password": password });
    exchanges.ask("user-login", login("a-Good.pass-5word"));
    exchanges.ask("user-login", login("wrong"));
    exchanges
        .ask("internal-user-edit", json!({ "target_userid": user_id, "update_dict": { "system_id": 1 } }));
    exchanges.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" }));
    exchanges.exchange("user-login", json!({ "email": 5 }), false);

    let mut python = python().args(["-c", PYTHON]).stdin(Stdio::piped()).spawn().expect("Python starts");
    let document = openapi::json().replace('\n', " ");
    let mut input = python.stdin.take().expect("is piped");
    input.write_all(format!("{document}\n{}", exchanges.lines).as_bytes()).expect("Python reads");
    drop(input);
    assert!(python.wait().expect("Python ends").success());
}
