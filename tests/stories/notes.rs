//! Notes that cannot be read as an object: whatever an older server or somebody else's program has written there is
//! never lost.

use serde_json::{Value, json};
use support::{Reply, TestServer, session_body};

const USER_NOTES_UNREADABLE: &str = "stored extra_info can't be read as an object";
const SESSION_NOTES_UNREADABLE: &str = "stored extra_info_json can't be read as an object";

const UNREADABLE: [&str; 6] = [
    r#"{"score": NaN, "kept": 1}"#,
    r#"{"score": -Infinity}"#,
    r#"["a", "list"]"#,
    r#""a text""#,
    r#"{"cut": "off"#,
    "no JSON at all",
];

fn run(server: &TestServer, statement: &str, text: &str) {
    server.changes(&statement.replace("?1", &format!("'{}'", text.replace('\'', "''"))));
}

fn edits(server: &TestServer, user_id: i64, changes: Value) -> Reply {
    server.ask("internal-user-edit", json!({ "target_userid": user_id, "update_dict": changes }))
}

#[test]
fn notes_about_a_user_that_cannot_be_read_are_kept_and_the_edit_of_them_is_refused() {
    for noted in UNREADABLE {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        run(&server, "UPDATE users SET extra_info = ?1 WHERE user_id = 4", noted);
        let kept = || server.stored("SELECT extra_info FROM users WHERE user_id = 4").expect("is there");
        for changes in [json!({ "a": 1 }), json!({ "score": "__delete__" }), json!({})] {
            let both = json!({ "extra_info": changes, "full_name": "Other" });
            let refused = edits(&server, user_id, both);
            refused.refused(USER_NOTES_UNREADABLE);
            assert_eq!(
                refused.messages(),
                ["What is noted about this user cannot be read. It was left as it is."]
            );
            assert_eq!(kept(), noted);
        }
        let name = server.stored("SELECT full_name FROM users WHERE user_id = 4");
        assert_eq!(name.as_deref(), Some("Somebody alice"), "all of an edit or nothing");

        edits(&server, user_id, json!({ "full_name": "Alice", "extra_info": null })).done();
        for action in ["lock", "unlock"] {
            server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": action })).done();
            assert_eq!(kept(), noted, "after {action}");
        }
        for _ in 0..11 {
            let _ = alice.tries("wrong");
        }
        edits(&server, user_id, json!({ "is_active": true })).done();
        edits(&server, user_id, json!({ "is_active": false, "email_verified": false })).done();
        edits(&server, user_id, json!({ "is_active": true })).done();
        server.ask("user-set-emailverified", json!({ "email": alice.email })).done();
        alice.logs_in().done();
        assert_eq!(kept(), noted);
    }
}

#[test]
fn notes_about_a_session_that_cannot_be_read_are_kept_and_the_edit_of_them_is_refused() {
    for noted in UNREADABLE {
        let server = TestServer::start();
        let session = server.new_session(None);
        run(&server, "UPDATE sessions SET extra_info_json = ?1", noted);
        let edit = json!({ "target_session_token": session, "update_dict": { "a": 1 } });
        let refused = server.ask("internal-session-edit", edit);
        assert!(refused.refused(SESSION_NOTES_UNREADABLE)["session_info"].is_null());
        let kept = server.stored("SELECT extra_info_json FROM sessions");
        assert_eq!(kept.as_deref(), Some(noted));
        assert!(server.session_is_live(&session));
    }
}

#[test]
fn no_notes_are_an_empty_object() {
    for noted in ["NULL", "'null'", "' null '"] {
        let server = TestServer::start();
        let (_, user_id) = server.member("alice");
        server.changes(&format!("UPDATE users SET extra_info = {noted} WHERE user_id = {user_id}"));
        let edited = edits(&server, user_id, json!({ "extra_info": { "a": 1 } }));
        assert_eq!(edited.done()["user_info"]["extra_info"], json!({ "a": 1 }), "{noted}");
    }
}

#[test]
fn no_more_may_be_noted_than_there_is_room_for() {
    let server = TestServer::start();
    let long = json!({ "x": "y".repeat(64 * 1024) });
    let alice = server.person("alice");
    let body = json!({
        "full_name": alice.full_name, "email": alice.email, "password": alice.password, "extra_info": long,
    });
    assert!(!server.ask("user-new", body).succeeded());
    assert!(server.stored("SELECT email FROM users WHERE email LIKE 'alice%'").is_none(), "nobody was added");

    let mut session = session_body(None);
    session["extra_info_json"] = long.clone();
    server.ask("session-new", session).refused("DB error when making new session");
    let token = server.new_session(None);
    let edit = |update: &Value| {
        server.ask("internal-session-edit", json!({ "target_session_token": token, "update_dict": update }))
    };
    edit(&json!({ "kept": 1 })).done();
    edit(&long).refused("DB error when updating session info");
    let noted = server.ask("session-exists", json!({ "session_token": token }));
    assert_eq!(noted.done()["session_info"]["extra_info_json"], json!({ "kept": 1 }));
}

#[test]
fn the_room_for_notes_ends_at_the_byte() {
    let server = TestServer::start();
    // The text with which notes fill their room, going by what they take with an empty one.
    let filling = |statement: &str| {
        let with_empty_text = server.stored(statement).expect("was noted");
        "y".repeat(64 * 1024 - with_empty_text.len())
    };
    let signs_up = |name: &str, text: &str| {
        let person = server.person(name);
        let (full_name, email, password) = (person.full_name, person.email, person.password);
        let notes = json!({ "x": text });
        let body =
            json!({ "full_name": full_name, "email": email, "password": password, "extra_info": notes });
        server.ask("user-new", body)
    };
    signs_up("empty", "").done();
    let full = filling("SELECT extra_info FROM users WHERE email = 'empty@example.org'");
    signs_up("over", &format!("{full}y")).refused("DB issue with user creation");
    signs_up("full", &full).done();

    let (_, user_id) = server.member("alice");
    let note = |text: &str| edits(&server, user_id, json!({ "extra_info": { "x": text } }));
    note("").done();
    let full = filling("SELECT extra_info FROM users WHERE email = 'alice@example.org'");
    note(&format!("{full}y")).refused("DB error when updating user info");
    note(&full).done();

    let opens = |text: &str| {
        let mut session = session_body(Some(user_id));
        session["extra_info_json"] = json!({ "x": text });
        server.ask("session-new", session)
    };
    let opened = opens("");
    let token = &opened.done()["session_token"];
    let full = filling(&format!("SELECT extra_info_json FROM sessions WHERE user_id = {user_id}"));
    opens(&format!("{full}y")).refused("DB error when making new session");
    opens(&full).done();
    let edit = |text: &str| {
        let body = json!({ "target_session_token": token, "update_dict": { "x": text } });
        server.ask("internal-session-edit", body)
    };
    edit(&format!("{full}y")).refused("DB error when updating session info");
    edit(&full).done();
}

#[test]
fn notes_whose_keys_only_halves_of_surrogate_pairs_tell_apart_are_refused_whole() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    edits(&server, user_id, json!({ "extra_info": { "kept": 1 } })).done();
    let before = server.stored("SELECT extra_info FROM users WHERE user_id = 4");
    let asks = |notes: &str| {
        let body = format!(r#"{{"target_userid": {user_id}, "update_dict": {{"extra_info": {notes}}}}}"#);
        let message =
            r#"{"request": "internal-user-edit", "reqid": 1, "client_ipaddr": "192.0.2.1", "body": "#;
        server.send(format!("{message}{body}}}").as_bytes())
    };
    for notes in [r#"{"\ud800": 1, "\ud801": 2}"#, r#"{"a": [{"\udfff": 1, "\ufffd": 2}]}"#] {
        asks(notes).rejected(400);
        assert_eq!(server.stored("SELECT extra_info FROM users WHERE user_id = 4"), before);
    }
    assert_eq!(asks(r#"{"\ud800": 1, "\uD800": 2}"#).done()["user_info"]["extra_info"]["\u{fffd}"], 2);
}
