//! Values that fit their parameters' types and mean harm, in every request and every parameter: what comes of them is a verdict, on
//! each engine, and never a failing database.

use authnzerver::api::requests;
use authnzerver::request::{Param, Request};
use serde_json::{Map, Value, json};
use support::{GOOD_PASSWORD, Reply, TestServer, session_body};

/// What a parameter is given while another one is looked at: something that leads as far as possible.
fn plausible(param: &Param, name: &str, token: &str, user_id: i64) -> Value {
    let text = |text: &str| json!(text);
    match (param.name, param.types[0]) {
        ("session_token", _) => text(token),
        ("email" | "email_address", "str") => text(&format!("{name}@example.org")),
        ("password" | "current_password", "str") => text(GOOD_PASSWORD),
        ("user_id" | "target_userid", _) => json!(user_id),
        ("expires" | "expires_days", "int") => json!(1),
        ("wait", _) => json!(0),
        (_, "str") => text("some text"),
        (_, "int") => json!(1),
        (_, "float") => json!(0.5),
        (_, "bool") => json!(true),
        (_, "dict") => json!({ "user_id": user_id }),
        (_, "list") => json!([]),
        _ => json!("x"),
    }
}

fn hostile(param: &Param) -> Vec<Value> {
    let takes = |word: &str| param.types.contains(&word);
    let mut values = Vec::new();
    if takes("str") || takes("Any") {
        values.extend(
            [
                "",
                "\0",
                "a\0b@example.org",
                "' OR ''='",
                "\u{202e}\u{feff}\u{10ffff}",
                "%00%n",
                "\\u0000",
                "$1",
                ":name",
                "\u{1b}[2J\r\n",
            ]
            .map(|text| json!(text)),
        );
        values.push(json!("x".repeat(100_000)));
        values.push(json!("é\u{301}".repeat(300) + "@example.org"));
    }
    if takes("int") || takes("Any") {
        values.extend([0, -1, i64::MAX, i64::MIN, i64::from(i32::MAX) + 1].map(|number| json!(number)));
    }
    if takes("float") || takes("Any") {
        values.extend([f64::MAX, f64::MIN_POSITIVE, -0.0].map(|number| json!(number)));
    }
    if takes("dict") || takes("Any") {
        values.extend([
            json!({}),
            json!({ "\0": "\0" }),
            json!({ "user_id": i64::MIN, "": null, "role": "\0", "email": "\0" }),
        ]);
    }
    if takes("list") || takes("Any") {
        values.extend([json!(["\0"]), json!(vec!["x"; 5000]), json!([""])]);
    }
    values
}

fn ensure_verdict(request: &Request, what: &str, value: &Value, reply: &Reply) {
    let shown = value.to_string().chars().take(60).collect::<String>();
    let is_verdict = !matches!(reply, Reply::Rejected(500.., _));
    assert!(is_verdict, "{}, {what} = {shown}: {reply:?}", request.name);
}

#[test]
fn no_value_that_fits_makes_the_database_fail() {
    let server = TestServer::start_with(&[("RATELIMITS", "none")]);
    for (number, request) in requests().enumerate() {
        let name = format!("user{number}");
        let (_, user_id) = server.member(&name);
        // Nobody waits here.
        for param in request.params.iter().filter(|param| param.name != "wait") {
            for value in hostile(param) {
                // Where the account was locked by what was asked before, nobody is logged in.
                let session = server.ask("session-new", session_body(Some(user_id)));
                let token = session.response()["session_token"].as_str().unwrap_or("none").to_owned();
                let given = |other: &Param| {
                    let is_it = other.name == param.name;
                    if is_it { value.clone() } else { plausible(other, &name, &token, user_id) }
                };
                let body: Map<String, Value> =
                    request.params.iter().map(|other| (other.name.to_owned(), given(other))).collect();
                let reply = server.ask(request.name, Value::Object(body));
                ensure_verdict(request, param.name, &value, &reply);
            }
        }
    }
}
