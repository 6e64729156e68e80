//! Listing users and looking them up.

use serde_json::{Value, json};
use std::time::Duration;
use support::{Reply, TestServer};

const KEYS: [&str; 16] = [
    "created_on",
    "email",
    "email_verified",
    "emailchangepass_sent_datetime",
    "emailforgotpass_sent_datetime",
    "emailverify_sent_datetime",
    "extra_info",
    "failed_login_tries",
    "full_name",
    "is_active",
    "last_login_success",
    "last_login_try",
    "last_updated",
    "system_id",
    "user_id",
    "user_role",
];

/// The numbers of the users in an answer.
#[track_caller]
fn ids(reply: &Reply) -> Vec<i64> {
    let users = reply.done()["user_info"].as_array().expect("a list of users");
    users.iter().map(|user| user["user_id"].as_i64().expect("a number")).collect()
}

fn matching(server: &TestServer, by: &str, value: &Value) -> Reply {
    server.ask("user-lookup-match", json!({ "by": by, "match": value }))
}

#[test]
fn all_users_are_listed_in_the_order_of_their_numbers() {
    let server = TestServer::start();
    server.member("alice");
    server.member("bob");
    let all = server.ask("user-list", json!({ "user_id": null }));
    assert_eq!(ids(&all), [1, 2, 3, 4, 5]);
    for user in all.done()["user_info"].as_array().expect("a list") {
        let keys: Vec<_> = user.as_object().expect("an object").keys().collect();
        assert_eq!(keys, KEYS, "and never the password");
    }
}

#[test]
fn one_user_is_a_list_of_one_and_nobody_is_an_empty_list() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let one = server.ask("user-list", json!({ "user_id": user_id }));
    assert_eq!(ids(&one), [user_id]);
    assert_eq!(one.done()["user_info"][0]["email"], alice.email);
    for nobody in [99, 0, -1, i64::MIN, i64::MAX] {
        assert!(ids(&server.ask("user-list", json!({ "user_id": nobody }))).is_empty());
    }
}

#[test]
fn many_users_are_listed_in_pieces() {
    let server = TestServer::start();
    for number in 0..5 {
        server.person(&format!("person{number}")).signs_up().done();
    }
    let mut seen = Vec::new();
    let mut after = 0;
    loop {
        let piece = ids(&server.ask("user-list", json!({ "user_id": null, "limit": 3, "after": after })));
        assert!(piece.len() <= 3);
        let Some(last) = piece.last() else { break };
        after = *last;
        seen.extend(piece);
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7, 8]);
    let empty = server.ask("user-list", json!({ "user_id": null, "limit": -5 }));
    assert!(ids(&empty).is_empty(), "fewer than none is none");
    let end = server.ask("user-list", json!({ "user_id": null, "after": i64::MAX, "limit": i64::MAX }));
    assert!(ids(&end).is_empty());
}

#[test]
fn what_a_match_finds_comes_in_pieces_too() {
    let server = TestServer::start();
    for number in 0..4 {
        server.member(&format!("person{number}"));
    }
    for (by, value) in
        [("user_role", json!("authenticated")), ("extra_info", json!({ "type": "normal-user" }))]
    {
        let page = |after: i64| {
            let ask = json!({ "by": by, "match": value, "limit": 3, "after": after });
            ids(&server.ask("user-lookup-match", ask))
        };
        assert_eq!(page(0), [4, 5, 6], "by {by}");
        assert_eq!(page(6), [7], "by {by}");
        assert!(page(7).is_empty(), "by {by}");
    }
}

#[test]
fn an_address_is_found_however_it_is_written() {
    let server = TestServer::start();
    let (_, user_id) = server.member("kess");
    for written in ["kess@example.org", "KESS@Example.ORG"] {
        let found = server.ask("user-lookup-email", json!({ "email": written }));
        assert_eq!(found.done()["user_info"]["user_id"], user_id, "{written}");
        assert_eq!(found.done()["user_info"]["email"], "kess@example.org");
    }
    // The last two: the sign for Kelvin and the long s look like letters of an address and are none.
    for unknown in
        ["nobody@example.org", " kess@example.org", "", "\u{212a}ess@example.org", "ke\u{17f}s@example.org"]
    {
        let refused = server.ask("user-lookup-email", json!({ "email": unknown }));
        assert!(refused.refused("user email not found in DB")["user_info"].is_null(), "{unknown}");
    }
}

#[test]
fn every_property_that_is_shown_can_be_matched() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    alice.logs_in().done();
    server.later(Duration::from_millis(1500));
    server.ask("user-set-emailsent", json!({ "email": alice.email, "email_type": "forgotpass" })).done();
    let bob = server.person("bob");
    bob.signs_up().done();
    let shown = server.ask("user-list", json!({ "user_id": user_id })).done()["user_info"][0].clone();
    for key in KEYS {
        let value = &shown[key];
        if value.is_null() || key == "extra_info" {
            continue;
        }
        assert!(ids(&matching(&server, key, value)).contains(&user_id), "{key} = {value}");
    }
    assert_eq!(ids(&matching(&server, "email", &json!("ALICE@example.org"))), [user_id]);
    assert_eq!(ids(&matching(&server, "is_active", &json!(true))), [1, 2, user_id]);
    assert_eq!(ids(&matching(&server, "is_active", &json!(1))), [1, 2, user_id]);
    assert_eq!(ids(&matching(&server, "email_verified", &json!(false))), [user_id + 1]);
    for (by, value) in [
        ("is_active", json!("true")),
        ("user_role", json!("Authenticated")),
        ("full_name", json!("")),
        ("user_id", json!(0.5)),
        ("user_id", json!(u64::MAX)),
        ("last_login_success", json!("yesterday")),
    ] {
        assert!(ids(&matching(&server, by, &value)).is_empty(), "{by} = {value}");
    }
}

#[test]
fn times_match_as_they_are_shown_and_as_they_are_stored() {
    let server = TestServer::start();
    server.later(Duration::from_millis(250));
    let (_, user_id) = server.member("alice");
    for time in ["2026-11-23T15:00:00.250000", "2026-11-23 15:00:00.250000"] {
        assert_eq!(ids(&matching(&server, "created_on", &json!(time))), [user_id], "{time}");
    }
    for time in ["2026-11-23T15:00:00", "2026-11-23 15:00:00.000000"] {
        assert_eq!(ids(&matching(&server, "created_on", &json!(time))), [1, 2, 3], "{time}");
    }
    assert!(ids(&matching(&server, "created_on", &json!("2026-11-23T15:00:00.250001"))).is_empty());
}

#[test]
fn values_compare_by_the_columns_type() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let id = user_id.to_string();
    for (by, value) in [
        ("user_id", json!(id)),
        ("user_id", json!(format!(" {id} "))),
        ("user_id", json!(format!("{id}.0"))),
        ("user_id", json!(user_id as f64)),
    ] {
        assert_eq!(ids(&matching(&server, by, &value)), [user_id], "{by} = {value}");
    }
    assert_eq!(ids(&matching(&server, "is_active", &json!("1"))), [1, 2, user_id]);
    assert_eq!(ids(&matching(&server, "failed_login_tries", &json!("0"))), [1, 2, 3, user_id]);
    for (by, value) in [("user_id", json!(format!("{id}x"))), ("user_id", json!("")), ("user_role", json!(1))]
    {
        assert!(ids(&matching(&server, by, &value)).is_empty(), "{by} = {value}");
    }
    let number = "UPDATE users SET system_id = '17' WHERE user_id = 3";
    server.changes(number);
    assert_eq!(ids(&matching(&server, "system_id", &json!(17))), [3], "a number equals the text that it is");
}

/// Adds users by the thousand.
fn crowd(server: &TestServer, users: i64, note_bytes: i64) {
    let text = "0".repeat(usize::try_from(note_bytes).expect("a size"));
    let sql = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {users})
        INSERT INTO users (system_id, full_name, password, email, email_verified, is_active, extra_info, created_on,
                           last_updated, user_role)
        SELECT 's' || i, 'Name', 'p', i || '@example.org', 1, 1, '{{\"x\": \"{text}\"}}',
               '2026-11-23 15:00:00.000000', '2026-11-23 15:00:00.000000', 'authenticated' FROM n"
    );
    server.changes(&sql);
}

#[test]
fn an_answer_is_bounded_in_bytes_and_the_refusal_says_how_to_go_on() {
    let server = TestServer::start();
    crowd(&server, 9_000, 2_000);
    let too_many = |reply: &Reply| {
        reply.refused("exception when checking the DB");
        let messages = reply.messages().concat();
        assert!(messages.contains("limit") && messages.contains("after"), "{messages}");
    };
    too_many(&server.ask("user-list", json!({ "user_id": null })));
    too_many(&server.ask("user-list", json!({ "user_id": null, "limit": 8_900 })));
    for (by, value) in
        [("user_role", json!("authenticated")), ("is_active", json!(true)), ("extra_info", json!({}))]
    {
        too_many(&matching(&server, by, &value));
    }
    let (mut seen, mut after) = (0, 0);
    loop {
        let piece = ids(&server.ask("user-list", json!({ "user_id": null, "limit": 4_000, "after": after })));
        let Some(last) = piece.last() else { break };
        (seen, after) = (seen + piece.len(), *last);
    }
    assert_eq!(seen, 9_003);
}

#[test]
fn notes_match_by_json_value_key_by_key() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let notes = json!({
        "text": "é", "whole": 42, "part": 2.5, "truth": true, "nothing": null,
        "nested": { "list": [1, { "deep": "x" }] }, "odd\".\"key": "literal",
    });
    let noted = json!({ "target_userid": user_id, "update_dict": { "extra_info": notes } });
    server.ask("internal-user-edit", noted).done();
    let by_notes = |wanted: Value| ids(&matching(&server, "extra_info", &wanted));
    for (key, value) in notes.as_object().expect("an object") {
        assert_eq!(by_notes(json!({ key: value })), [user_id], "{key}");
    }
    assert_eq!(by_notes(notes.clone()), [user_id], "all at once");
    for other in [
        json!({ "text": "e" }),
        json!({ "whole": "42" }),
        json!({ "truth": 1 }),
        json!({ "absent": null }),
        json!({ "nested": { "list": [1] } }),
        json!({ "text": "é", "whole": 43 }),
        json!({ "odd": { "key": "literal" } }),
    ] {
        assert!(by_notes(other.clone()).is_empty(), "{other}");
    }
    assert_eq!(by_notes(json!({})), [1, 2, 3, user_id], "nothing is asked of anybody");
}

#[test]
fn notes_and_single_values_are_not_mixed_up() {
    let server = TestServer::start();
    let reason = "invalid request: 'by' is 'extra_info' but 'match' is not a dict or 'match' is a dict and 'by' is not 'extra_info'";
    for (by, value) in [
        ("extra_info", json!("text")),
        ("extra_info", json!(["a"])),
        ("email", json!({ "a": 1 })),
        ("password", json!({})),
    ] {
        assert!(matching(&server, by, &value).refused(reason)["user_info"].is_null(), "{by}");
    }
}

#[test]
fn nothing_but_what_is_shown_can_be_matched() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let hash = server.stored(&format!("SELECT password FROM users WHERE user_id = {user_id}"));
    let hash = hash.expect("is there");
    for (by, value) in [
        ("password", json!(hash)),
        ("rowid", json!(user_id)),
        ("verification_letter_due", json!(0)),
        ("EMAIL", json!(alice.email)),
        ("users.email", json!(alice.email)),
        ("some thing", json!("some thing")),
        ("", json!("")),
        ("email", json!(["alice@example.org"])),
        ("created_on", json!([])),
    ] {
        let refused = matching(&server, by, &value);
        assert!(refused.refused("exception in DB access")["user_info"].is_null(), "{by}");
    }
}
