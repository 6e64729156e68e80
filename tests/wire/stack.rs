//! The deepest JSON that is taken fits on the stack that a connection's coroutine has. An overflow would end the
//! process, so here each request is answered on such a stack.

use authnzerver::clock::Clock;
use authnzerver::json::{self, Limits, TREE_LEVELS_MAX};
use authnzerver::pipeline;
use authnzerver::presence::Presence;
use authnzerver::server::listen::COROUTINE_STACK_BYTES;
use authnzerver::wire::ascii_json;
use serde_json::{Value, json};
use std::sync::Arc;
use support::parser::value_of;
use support::{GOOD_PASSWORD, TestServer, session_body};

/// The levels that a body may have, itself included.
const LEVELS_MAX: usize = 127;

/// A server that answers each request on a connection's stack.
struct Connected(Arc<TestServer>);

impl Connected {
    fn new() -> Self {
        Self(Arc::new(TestServer::start()))
    }

    /// The answer's text, which may be nested too deeply to be read here, or the HTTP status instead.
    fn asks(&self, request: &str, body: &Value) -> Result<String, u16> {
        let keys = &self.0.app.config.secret;
        let message = json!({ "request": request, "reqid": 1, "body": body }).to_string();
        let sealed = keys.first().seal(message.as_bytes(), self.0.clock.now());
        let server = Arc::clone(&self.0);
        let answer = on_a_connections_stack(move || {
            pipeline::answer(&server.app, &sealed, &Presence::always()).map_err(|rejected| rejected.status)
        })?;
        let opened = keys.open(&answer).expect("the answer is sealed with the same key");
        Ok(String::from_utf8(opened.plaintext.expose().clone()).expect("the answer is a text"))
    }

    /// The answer's text of a request that was done.
    #[track_caller]
    fn does(&self, request: &str, body: &Value) -> String {
        let answer = self.asks(request, body).expect("is answered");
        assert!(answer.starts_with(r#"{"success": true"#), "{answer}");
        answer
    }

    /// One key of the answer of a request that was done.
    #[track_caller]
    fn gets(&self, key: &str, request: &str, body: &Value) -> Value {
        let mut answer: Value = value_of(self.does(request, body)).expect("is JSON");
        answer["response"][key].take()
    }
}

/// Runs it on a coroutine with the stack of a connection's.
fn on_a_connections_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    // In words, and even: an odd number would turn on printing of how much was used.
    let words = (COROUTINE_STACK_BYTES / size_of::<usize>()) & !1;
    may::go!(may::coroutine::Builder::new().stack_size(words), work)
        .expect("the coroutine starts")
        .join()
        .expect("the coroutine ends well")
}

/// Objects, or arrays in an object, nested so many levels.
fn nested(levels: usize, objects: bool) -> Value {
    let mut value = json!("innermost");
    for level in 1..=levels {
        value = if objects || level == levels { json!({ "a": value }) } else { json!([value]) };
    }
    value
}

#[test]
fn sessions_and_users_with_the_deepest_notes_fit() {
    for objects in [true, false] {
        let server = Connected::new();
        let mut body = session_body(None);
        let changes = nested(LEVELS_MAX - 1, objects);
        body["extra_info_json"] = changes.clone();
        let token = server.gets("session_token", "session-new", &body);
        let found = server.does("session-exists", &json!({ "session_token": token }));
        assert!(found.contains(&ascii_json(&changes)));
        let edit = json!({ "target_session_token": token, "update_dict": changes });
        for _ in 0..2 {
            assert!(server.does("internal-session-edit", &edit).contains(&ascii_json(&changes)));
        }

        let notes = nested(LEVELS_MAX - 2, objects);
        let edit = json!({ "target_userid": 2, "update_dict": { "extra_info": notes } });
        for _ in 0..2 {
            server.does("internal-user-edit", &edit);
        }
        let same = server.does("user-lookup-match", &json!({ "by": "extra_info", "match": notes }));
        assert!(same.contains(r#""user_id": 2"#));
        let other = server.does("user-lookup-match", &json!({ "by": "extra_info", "match": changes }));
        assert!(other.contains(r#""user_info": []"#));
    }
}

#[test]
fn one_level_more_is_refused_and_nothing_is_done() {
    let server = Connected::new();
    let mut body = session_body(None);
    body["extra_info_json"] = nested(LEVELS_MAX, true);
    assert_eq!(server.asks("session-new", &body), Err(400));
    let count = server.0.stored("SELECT CAST(count(*) AS TEXT) FROM sessions");
    assert_eq!(count.as_deref(), Some("0"));
}

#[test]
fn all_requests_fit_with_the_deepest_value_in_every_parameter() {
    let server = Connected::new();
    for request in authnzerver::api::requests() {
        for objects in [true, false] {
            let deep = nested(LEVELS_MAX - 1, objects);
            let body = request.params.iter().map(|param| (param.name.to_owned(), deep.clone())).collect();
            assert!(server.asks(request.name, &body).is_ok(), "{}", request.name);
        }
    }
}

#[test]
fn signing_up_locking_and_keys_fit() {
    let server = Connected::new();
    let sign_up = json!({
        "full_name": "", "email": "deep@example.org", "password": GOOD_PASSWORD,
        "extra_info": nested(LEVELS_MAX - 1, true),
    });
    let user_id = server.gets("user_id", "user-new", &sign_up);
    server.does("user-set-emailverified", &json!({ "email": "deep@example.org" }));
    for action in ["lock", "unlock"] {
        server.does("internal-user-lock", &json!({ "target_userid": user_id, "action": action }));
    }
    let token = server.gets("session_token", "session-new", &session_body(None));
    let log_in = json!({ "session_token": token, "email": "deep@example.org", "password": GOOD_PASSWORD });
    assert_eq!(server.gets("user_id", "user-login", &log_in), user_id);

    let deep = nested(LEVELS_MAX - 2, true);
    let claims = json!({ "tkn": "x", "uid": user_id, "rol": "authenticated", "deep": deep });
    let verify = json!({ "apikey_dict": claims, "user_id": user_id, "user_role": "authenticated" });
    for request in ["apikey-verify", "apikey-verify-nosession"] {
        let answer = server.asks(request, &verify).expect("is answered");
        assert!(answer.contains("key validation failed"), "{answer}");
    }
    let limit = json!({
        "user_id": 1, "user_role": "superuser", "limit_name": "max_requests",
        "value_to_check": nested(LEVELS_MAX - 1, true),
    });
    let over = server.asks("user-check-limit", &limit).expect("is answered");
    assert!(over.contains("user is over limit"), "{over}");
}

#[test]
fn notes_of_another_program_fit_however_deep_they_are() {
    let server = Connected::new();
    let mut session = session_body(Some(1));
    session["extra_info_json"] = json!({});
    let token = server.gets("session_token", "session-new", &session);
    let store = rusqlite::Connection::open(server.0.database()).expect("the database opens");
    for levels in [100, TREE_LEVELS_MAX - 1, TREE_LEVELS_MAX, 1000, 1024, 40_000, 1_000_000] {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let deep = format!("{}0{}", open.repeat(levels), close.repeat(levels));
            let notes = format!(r#"{{"deep": {deep}, "flat": 1}}"#);
            for table in ["UPDATE users SET extra_info = ?1", "UPDATE sessions SET extra_info_json = ?1"] {
                store.execute(table, [&notes]).expect("is written");
            }
            let readable = levels < Limits::NOTES.levels;
            let listed = server.does("user-list", &json!({ "user_id": 2 }));
            assert_eq!(listed.contains(&deep), readable);
            let found = server.does("session-exists", &json!({ "session_token": token }));
            assert_eq!(found.matches(&deep).count(), if readable { 2 } else { 0 });
            for (wanted, match_found) in [(json!({ "flat": 1 }), readable), (json!({ "deep": 1 }), false)] {
                let same = server.does("user-lookup-match", &json!({ "by": "extra_info", "match": wanted }));
                assert_eq!(same.contains(r#""user_id": 2"#), match_found, "{levels} levels");
            }

            // What can be read is edited around, what can't be read stays.
            let edit = json!({ "target_session_token": token, "update_dict": { "new": 1 } });
            let edited = server.asks("internal-session-edit", &edit).expect("is answered");
            let user_edit = json!({ "target_userid": 2, "update_dict": { "extra_info": { "new": 1 } } });
            let user_edited = server.asks("internal-user-edit", &user_edit).expect("is answered");
            for (answer, column) in [
                (edited, "SELECT extra_info_json FROM sessions"),
                (user_edited, "SELECT extra_info FROM users WHERE user_id = 2"),
            ] {
                assert_eq!(
                    answer.starts_with(r#"{"success": true"#),
                    readable,
                    "{levels} levels: {answer:.300}"
                );
                let kept = server.0.stored(column).expect("has notes");
                let expected = format!(r#"{{"deep": {deep}, "flat": 1, "new": 1}}"#);
                assert!(kept == if readable { expected } else { notes.clone() }, "{levels} levels");
            }
        }
    }
}

#[test]
fn a_text_within_a_text_fits_and_gets_no_further() {
    let server = Connected::new();
    let mut bomb = format!("{}{}", "[".repeat(118), "]".repeat(118));
    for _ in 0..11 {
        let marked = json!({ "$serde_json::private::RawValue": bomb }).to_string();
        bomb = format!("{}{marked}{}", "[".repeat(100), "]".repeat(100));
    }
    let text = format!(r#"{{"a": {bomb}}}"#);
    let tree = json::read(&text, &Limits::REQUEST).expect("is JSON");
    for value in [tree, json!(text), json!(bomb)] {
        for request in authnzerver::api::requests() {
            let body = request.params.iter().map(|param| (param.name.to_owned(), value.clone())).collect();
            assert!(server.asks(request.name, &body).is_ok(), "{}", request.name);
        }
    }
}
