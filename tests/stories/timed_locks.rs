//! A lock after failed logins suspends an account: nothing of it works meanwhile, everything works again afterwards.

use authnzerver::accounts::lock::release_expired;
use authnzerver::server::maintenance::release_expired_locks;
use serde_json::{Value, json};
use std::time::Duration;
use support::parser::value_of;
use support::{Person, Reply, TestServer, refreshing, session_body};

const LOCK_TIME: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// What a member has open.
struct Belongings {
    user_id: i64,
    session: String,
    key: Value,
    key_without_session: Value,
    refresh_token: String,
}

impl Belongings {
    fn of(server: &TestServer, user_id: i64) -> Self {
        let session = server.new_session(Some(user_id));
        let mut ask = json!({
            "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_days": 1,
            "not_valid_before": -1, "user_id": user_id, "user_role": "authenticated",
            "ip_address": "192.0.2.1", "user_agent": "Browser/1.0", "session_token": session,
        });
        let key = claims(&server.ask("apikey-new", ask.clone()));
        ask["expires_seconds"] = json!(86_400);
        ask["refresh_expires"] = json!(86_400);
        ask["refresh_nbf"] = json!(-1);
        let issued = server.ask("apikey-new-nosession", ask);
        let refresh_token = issued.done()["refresh_token"].as_str().expect("a token").to_owned();
        server.later(SECOND);
        Self { user_id, session, key, key_without_session: claims(&issued), refresh_token }
    }

    /// Everything that asks whether something of the account is good, in the order in which it can be asked.
    fn asks_everything(&self, server: &TestServer) -> Vec<(&'static str, Reply)> {
        let user_id = self.user_id;
        let key = json!({ "apikey_dict": self.key, "user_id": user_id, "user_role": "authenticated" });
        let other = json!({
            "apikey_dict": self.key_without_session, "user_id": user_id, "user_role": "authenticated",
        });
        let refresh = refreshing(other.clone(), &self.refresh_token);
        let access = json!({
            "user_id": user_id, "user_role": "authenticated", "action": "view", "target_name": "dataset",
            "target_owner": 1, "target_visibility": "public", "target_sharedwith": "",
        });
        let limit = json!({
            "user_id": user_id, "user_role": "authenticated", "limit_name": "max_requests",
            "value_to_check": 1,
        });
        let edit = json!({
            "user_id": user_id, "user_role": "authenticated", "session_token": self.session,
            "target_userid": user_id, "update_dict": { "full_name": "Alice" },
        });
        let note = json!({ "target_session_token": self.session, "update_dict": { "a": 1 } });
        [
            ("session-exists", json!({ "session_token": self.session })),
            ("internal-session-edit", note),
            ("session-new", session_body(Some(user_id))),
            ("user-edit", edit),
            ("user-check-access", access),
            ("user-check-limit", limit),
            ("apikey-verify", key),
            ("apikey-verify-nosession", other),
            ("apikey-refresh-nosession", refresh),
        ]
        .map(|(request, body)| (request, server.ask(request, body)))
        .into()
    }
}

fn claims(issued: &Reply) -> Value {
    value_of(issued.done()["apikey"].as_str().expect("a text")).expect("claims")
}

fn guesses_too_often(person: &Person<'_>) {
    for _ in 0..11 {
        assert!(!person.tries("wrong").succeeded());
    }
}

fn run(server: &TestServer, statements: &str) {
    server.changes(statements);
}

#[track_caller]
fn all_fail(answers: &[(&str, Reply)]) {
    for (request, reply) in answers {
        assert!(!reply.succeeded(), "{request}: {reply:?}");
    }
}

#[track_caller]
fn all_work(answers: &[(&str, Reply)]) {
    for (request, reply) in answers {
        assert!(reply.succeeded(), "{request}: {reply:?}");
    }
}

#[test]
fn nothing_works_during_a_timed_lock_and_everything_from_its_end_on() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let own = Belongings::of(&server, user_id);
    guesses_too_often(&alice);
    all_fail(&own.asks_everything(&server));
    server.later(LOCK_TIME.saturating_sub(SECOND));
    all_fail(&own.asks_everything(&server));
    // Nothing but time passes: no maintenance, no login.
    server.later(SECOND);
    all_work(&own.asks_everything(&server));
    alice.logs_in().done();
    let shown = server.ask("user-list", json!({ "user_id": user_id }));
    assert_eq!(shown.done()["user_info"][0]["user_role"], "authenticated");
    assert_eq!(shown.done()["user_info"][0]["is_active"], true);
}

#[test]
fn a_timed_lock_shows_as_one_while_it_lasts() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    guesses_too_often(&alice);
    let shown = server.ask("user-list", json!({ "user_id": user_id }));
    assert_eq!(shown.done()["user_info"][0]["user_role"], "locked");
    assert_eq!(shown.done()["user_info"][0]["is_active"], false);
}

#[test]
fn maintenance_lifts_what_nobody_asks_about() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    guesses_too_often(&alice);
    assert_eq!(release_expired(&server.app).expect("reads"), 0);
    let role = || server.stored("SELECT user_role FROM users WHERE email LIKE 'alice%'");
    release_expired_locks(&server.app);
    assert_eq!(role().as_deref(), Some("locked"));
    server.later(LOCK_TIME);
    release_expired_locks(&server.app);
    assert_eq!(role().as_deref(), Some("authenticated"));
    assert_eq!(release_expired(&server.app).expect("reads"), 0);
}

#[test]
fn an_unlock_by_a_person_gives_everything_back_at_once() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let own = Belongings::of(&server, user_id);
    guesses_too_often(&alice);
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "unlock" })).done();
    all_work(&own.asks_everything(&server));
}

#[test]
fn a_lock_by_a_person_ends_everything_also_of_a_suspended_account() {
    for guessed_before in [false, true] {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        let own = Belongings::of(&server, user_id);
        if guessed_before {
            guesses_too_often(&alice);
        }
        server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
        server.later(2 * LOCK_TIME);
        all_fail(&own.asks_everything(&server));
        server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "unlock" })).done();
        for (request, reply) in own.asks_everything(&server) {
            let needs_what_was_open =
                !["session-new", "user-check-access", "user-check-limit"].contains(&request);
            assert_eq!(reply.succeeded(), !needs_what_was_open, "{request}");
        }
    }
}

#[test]
fn a_lock_that_would_outlast_the_longest_was_written_under_a_wrong_clock_and_is_over() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    guesses_too_often(&alice);
    let nobody = server.person("nobody");
    guesses_too_often(&nobody);
    // A lock that began a moment ahead, as after a small correction of the clock, is in force.
    run(&server, "UPDATE locks SET locked_until = '2026-11-23 16:00:30.000000'");
    run(&server, "UPDATE attempts SET locked_until = '2026-11-23 16:00:30.000000'");
    assert!(!server.session_is_live(&session));
    nobody.tries("wrong").refused_without_reason();
    run(&server, "UPDATE locks SET locked_until = '2056-11-23 15:00:00.000000'");
    run(&server, "UPDATE attempts SET locked_until = '2056-11-23 15:00:00.000000'");
    // What others write into the database is looked at once a second.
    server.later(SECOND);
    assert!(server.session_is_live(&session));
    alice.logs_in().done();
    nobody.tries("wrong").refused("user does not exist or password doesn't match");
}

#[test]
fn guesses_lock_no_user_of_the_system() {
    let server = TestServer::start();
    let state = "SELECT group_concat(user_id || ' ' || is_active || ' ' || user_role) FROM
                 (SELECT * FROM users WHERE user_id IN (2, 3) ORDER BY user_id) AS users";
    let before = server.stored(state);
    for email in ["anonuser@localhost", "dummyuser@localhost"] {
        let mut person = server.person("x");
        person.email = email.to_owned();
        guesses_too_often(&person);
        person.tries("wrong").refused_without_reason();
    }
    assert_eq!(server.stored(state), before);
    assert_eq!(server.stored("SELECT CAST(count(*) AS TEXT) FROM locks").as_deref(), Some("0"));
    assert!(server.ask("session-new", session_body(None)).succeeded(), "visitors still get sessions");
}

/// An administrator's edit of a suspended account.
fn edited(server: &TestServer, user_id: i64, update: Value) {
    let session = server.new_session(Some(1));
    let edit = json!({
        "user_id": 1, "user_role": "superuser", "session_token": session,
        "target_userid": user_id, "update_dict": update,
    });
    server.ask("user-edit", edit).done();
}

#[test]
fn what_a_person_decides_about_a_suspended_account_holds() {
    for (update, meanwhile, afterwards) in [
        (json!({ "full_name": "Alice" }), false, true),
        (json!({ "is_active": true }), true, true),
        (json!({ "is_active": true, "user_role": "staff" }), true, true),
        (json!({ "is_active": false }), false, false),
        (json!({ "is_active": false, "full_name": "Alice" }), false, false),
        (json!({ "user_role": "locked" }), false, false),
        (json!({ "is_active": false, "user_role": "locked" }), false, false),
        (json!({ "user_role": "staff" }), true, true),
        (json!({ "user_role": "authenticated" }), true, true),
        (json!({ "user_role": "staff", "is_active": false }), false, false),
    ] {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        let session = server.new_session(Some(user_id));
        guesses_too_often(&alice);
        edited(&server, user_id, update.clone());
        assert_eq!(alice.logs_in().succeeded(), meanwhile, "{update} at once");
        server.later(2 * LOCK_TIME);
        assert_eq!(alice.logs_in().succeeded(), afterwards, "{update} afterwards");
        let state_is_kept = update.get("user_role").is_none() && afterwards;
        assert_eq!(server.session_is_live(&session), state_is_kept, "{update}");
    }
}

#[test]
fn a_suspended_administrator_still_counts_as_the_last_one() {
    let server = TestServer::start();
    let session = server.new_session(Some(1));
    guesses_too_often(&server.admin());
    assert!(!server.session_is_live(&session));
    let lock = json!({ "target_userid": 1, "action": "lock" });
    server.ask("internal-user-lock", lock).refused("exception encountered when trying lock toggle action");
    server.ask("internal-user-delete", json!({ "target_userid": 1 })).refused("user deletion failed in DB");
    for update in [
        json!({ "user_role": "staff" }),
        json!({ "is_active": false }),
        json!({ "user_role": "locked" }),
        json!({ "user_role": "authenticated", "is_active": true }),
    ] {
        let edit = json!({ "target_userid": 1, "update_dict": update });
        server.ask("internal-user-edit", edit).refused("DB error when updating user info");
    }
    let name = json!({ "target_userid": 1, "update_dict": { "full_name": "Admin" } });
    server.ask("internal-user-edit", name).done();
    server.later(LOCK_TIME);
    assert!(server.session_is_live(&session));
    guesses_too_often(&server.admin());
    let active = json!({ "target_userid": 1, "update_dict": { "is_active": true } });
    server.ask("internal-user-edit", active).done();
    assert_eq!(server.admin().logs_in().done()["user_role"], "superuser");
}

#[test]
fn a_lock_while_a_reset_is_under_way_does_not_stop_it() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let reset = json!({
        "email_address": alice.email, "new_password": "Zq7-tulip-Marble-42", "required_active": true,
    });
    let meanwhile = || guesses_too_often(&alice);
    server.ask_and_meanwhile("user-resetpass-nosession", reset, 0, meanwhile).done();
    alice.tries("Zq7-tulip-Marble-42").done();
}
