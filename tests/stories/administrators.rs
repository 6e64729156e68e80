//! Somebody who can log in and administer always remains.

use serde_json::{Value, json};
use support::{Person, TestServer};

const NOT_EDITED: &str = "exception when trying to update user";
const INTERNALLY_NOT_EDITED: &str = "DB error when updating user info";
const NOT_TOGGLED: &str = "exception encountered when trying lock toggle action";
const NOT_DELETED: &str = "user deletion failed in DB";

/// Each change that keeps an administrator from logging in as one.
fn takes_power() -> [Value; 7] {
    [
        json!({ "user_role": "authenticated" }),
        json!({ "user_role": "anonymous" }),
        json!({ "user_role": "locked" }),
        json!({ "is_active": false }),
        json!({ "email_verified": false }),
        json!({ "email_verified": 0, "full_name": "Admin" }),
        json!({ "is_active": false, "email_verified": false, "user_role": "staff" }),
    ]
}

fn edit_body(target: i64, changes: &Value) -> Value {
    json!({ "target_userid": target, "update_dict": changes })
}

fn edits(server: &TestServer, target: i64, changes: &Value) {
    server.ask("internal-user-edit", edit_body(target, changes)).done();
}

fn toggle_body(target: i64, action: &str) -> Value {
    json!({ "target_userid": target, "action": action })
}

fn row(server: &TestServer, user_id: i64) -> Option<String> {
    server.stored(&format!(
        "SELECT concat_ws(' ', full_name, is_active, email_verified, user_role) FROM users WHERE user_id = {user_id}"
    ))
}

/// That nothing takes the first administrator's power, whoever tries.
fn first_one_stays(server: &TestServer, why: &str) {
    let before = row(server, 1);
    let session = server.new_session(Some(1));
    for changes in takes_power() {
        server.ask("internal-user-edit", edit_body(1, &changes)).refused(INTERNALLY_NOT_EDITED);
        let mut ask = edit_body(1, &changes);
        ask["user_id"] = json!(1);
        ask["user_role"] = json!("superuser");
        ask["session_token"] = json!(session);
        assert!(server.ask("user-edit", ask).refused(NOT_EDITED)["user_info"].is_null(), "{why}: {changes}");
    }
    server.ask("internal-user-lock", toggle_body(1, "lock")).refused(NOT_TOGGLED);
    server.ask("internal-user-delete", json!({ "target_userid": 1 })).refused(NOT_DELETED);
    assert_eq!(row(server, 1), before, "{why}");
    assert!(server.session_is_live(&session), "{why}");
    server.admin().logs_in().done();
}

fn second_administrator(server: &TestServer) -> (Person<'_>, i64) {
    let (second, user_id) = server.member("second");
    edits(server, user_id, &json!({ "user_role": "superuser" }));
    (second, user_id)
}

#[test]
fn the_only_administrator_stays_able_to_log_in() {
    let server = TestServer::start();
    server.member("alice");
    first_one_stays(&server, "alone");
}

#[test]
fn an_administrator_who_cannot_log_in_does_not_count() {
    for changes in takes_power() {
        let server = TestServer::start();
        let (second, user_id) = second_administrator(&server);
        second.logs_in().done();
        edits(&server, user_id, &changes);
        first_one_stays(&server, &changes.to_string());
    }
    let server = TestServer::start();
    let (_, user_id) = second_administrator(&server);
    server.ask("internal-user-lock", toggle_body(user_id, "lock")).done();
    first_one_stays(&server, "locked by a person");
}

#[test]
fn with_another_one_each_of_them_may_go() {
    for changes in takes_power() {
        let server = TestServer::start();
        let (second, _) = second_administrator(&server);
        let before = row(&server, 1);
        edits(&server, 1, &changes);
        assert_ne!(row(&server, 1), before, "{changes}");
        second.logs_in().done();
    }
    for suspended in [false, true] {
        let server = TestServer::start();
        let (second, _) = second_administrator(&server);
        for _ in 0..if suspended { 11 } else { 0 } {
            let _ = second.tries("wrong");
        }
        server.ask("internal-user-lock", toggle_body(1, "lock")).done();
        server.ask("internal-user-delete", json!({ "target_userid": 1 })).done();
        server.later(std::time::Duration::from_secs(3600));
        assert_eq!(second.logs_in().done()["user_role"], "superuser");
    }
}

#[test]
fn of_two_administrators_who_go_at_once_one_stays() {
    for changes in takes_power() {
        let server = TestServer::start();
        let (_, second) = second_administrator(&server);
        let meanwhile = || edits(&server, second, &changes);
        let body = edit_body(1, &changes);
        server.ask_and_meanwhile("internal-user-edit", body, 0, meanwhile).refused(INTERNALLY_NOT_EDITED);
        let meanwhile = || edits(&server, second, &json!({ "full_name": "Second" }));
        let body = toggle_body(1, "lock");
        server.ask_and_meanwhile("internal-user-lock", body, 0, meanwhile).refused(NOT_TOGGLED);
        server.admin().logs_in().done();
    }
    let server = TestServer::start();
    let (second, second_id) = second_administrator(&server);
    let delete = |user_id: i64| json!({ "target_userid": user_id });
    let meanwhile = || {
        server.ask("internal-user-delete", delete(1)).done();
    };
    server.ask_and_meanwhile("internal-user-delete", delete(second_id), 0, meanwhile).refused(NOT_DELETED);
    second.logs_in().done();
}

#[test]
fn who_administers_nothing_may_always_go() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    for changes in takes_power() {
        edits(&server, user_id, &changes);
    }
    server.ask("internal-user-lock", toggle_body(user_id, "lock")).done();
    server.ask("internal-user-delete", json!({ "target_userid": user_id })).done();
}
