//! Notes that another program wrote, and that are objects: every letter counts, and no key means anything but itself.

use serde_json::json;
use support::{TestServer, session_body};

/// Objects, and members of them of which every letter is to stay.
const READABLE: [(&str, &[&str]); 4] = [
    (
        r#"{"kept": "\ud800", "number": 1.50, "big": 123456789012345678901234567890}"#,
        &[r#""kept": "\ud800""#, r#""number": 1.50"#, r#""big": 123456789012345678901234567890"#],
    ),
    (
        r#"{"kept": {"$serde_json::private::RawValue": "[1"}}"#,
        &[r#""kept": {"$serde_json::private::RawValue": "[1"}"#],
    ),
    (
        r#"{"kept": {"$serde_json::private::Number": "x"}}"#,
        &[r#""kept": {"$serde_json::private::Number": "x"}"#],
    ),
    (r#"{"kept":{"b" : 1,"a":[ ]}, "\u00e9": 1}"#, &[r#""kept": {"b" : 1,"a":[ ]}"#, r#""\u00e9": 1"#]),
];

fn store(server: &TestServer, notes: &str) {
    for column in ["users SET extra_info", "sessions SET extra_info_json"] {
        server.changes(&format!("UPDATE {column} = '{}'", notes.replace('\'', "''")));
    }
}

fn noted(server: &TestServer, user_id: i64) -> String {
    let notes = server.stored(&format!("SELECT extra_info FROM users WHERE user_id = {user_id}"));
    notes.expect("there are notes")
}

#[test]
fn an_edit_changes_no_letter_of_what_it_does_not_name() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let token = server.ask("session-new", session_body(Some(2))).done()["session_token"].clone();
    for (notes, members) in READABLE {
        store(&server, notes);
        let kept = |stored: &str| {
            for member in members {
                assert!(stored.contains(member), "{notes} became {stored}");
            }
        };
        let update = json!({ "target_userid": user_id, "update_dict": { "extra_info": { "new": 1 } } });
        server.ask("internal-user-edit", update).done();
        kept(&noted(&server, user_id));
        server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
        server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "unlock" })).done();
        kept(&noted(&server, user_id));
        let update = json!({ "target_session_token": token, "update_dict": { "new": 1 } });
        server.ask("internal-session-edit", update).done();
        let session = server.stored("SELECT extra_info_json FROM sessions").expect("there are notes");
        kept(&session);
    }
}

#[test]
fn notes_with_keys_like_marks_are_found_by_what_they_say() {
    let server = TestServer::start();
    server.member("alice");
    store(&server, r#"{"x": {"$serde_json::private::RawValue": "[1,2]"}, "y": "\ud800"}"#);
    for (wanted, found) in [
        (json!({ "x": [1, 2] }), 0),
        (json!({ "x": { "$serde_json::private::RawValue": "[1,2]" } }), 4),
        (json!({ "y": "\u{fffd}" }), 4),
        (json!({ "y": "" }), 0),
    ] {
        let reply = server.ask("user-lookup-match", json!({ "by": "extra_info", "match": wanted }));
        assert_eq!(reply.done()["user_info"].as_array().map(Vec::len), Some(found), "{wanted}");
    }
}
