//! Changing users: by themselves, by an administrator, and by the calling server.

use authnzerver::api::REQUESTS_BY_NAME;
use serde_json::{Value, json};
use std::time::Duration;
use support::{ADMIN_EMAIL, GOOD_PASSWORD, Reply, TestServer};

const NOT_EDITED: &str = "exception when trying to update user";
const INTERNALLY_NOT_EDITED: &str = "DB error when updating user info";
const NO_SESSION: &str = "invalid session for edit attempt";

/// What is known about a user.
fn known(server: &TestServer, user_id: i64) -> Value {
    server.ask("user-list", json!({ "user_id": user_id })).done()["user_info"][0].clone()
}

/// Somebody asks, in a role and from a session of theirs, to change a user.
struct Asker<'s> {
    server: &'s TestServer,
    user_id: i64,
    role: &'s str,
    session: String,
}

impl<'s> Asker<'s> {
    fn new(server: &'s TestServer, user_id: i64, role: &'s str) -> Self {
        Self { server, user_id, role, session: server.new_session(Some(user_id)) }
    }

    fn edits(&self, target: i64, changes: Value) -> Reply {
        let ask = json!({
            "user_id": self.user_id, "user_role": self.role, "session_token": self.session,
            "target_userid": target, "update_dict": changes,
        });
        self.server.ask("user-edit", ask)
    }
}

fn admin(server: &TestServer) -> Asker<'_> {
    Asker::new(server, 1, "superuser")
}

fn edits(server: &TestServer, target: i64, changes: Value) -> Reply {
    server.ask("internal-user-edit", json!({ "target_userid": target, "update_dict": changes }))
}

/// Makes a second administrator, so that the first one is not the last.
fn second_admin(server: &TestServer) -> i64 {
    let (_, user_id) = server.member("second");
    edits(server, user_id, json!({ "user_role": "superuser" })).done();
    user_id
}

#[test]
fn users_change_their_own_name_and_address() {
    let server = TestServer::start();
    let (mut alice, user_id) = server.member("alice");
    server.later(Duration::from_secs(60));
    let asker = Asker::new(&server, user_id, "authenticated");
    let changed = asker.edits(user_id, json!({ "full_name": "Ali <b>", "email": "New.Alice@Example.ORG" }));
    let info = &changed.done()["user_info"];
    assert_eq!(info["full_name"], "Ali &lt;b&gt;", "names are escaped as at sign-up");
    assert_eq!(info["email"], "new.alice@example.org", "addresses are folded as at sign-up");
    assert_eq!(info["email_verified"], true, "or the login would not work any more");
    assert_eq!(info["last_updated"], "2026-11-23T15:01:00");
    assert_eq!(info.as_object().map(serde_json::Map::len), Some(16));
    assert!(server.session_is_live(&asker.session));
    assert!(!alice.logs_in().succeeded(), "the old address is gone");
    alice.email = "new.alice@example.org".to_owned();
    alice.logs_in().done();
    asker.edits(user_id, json!({})).done();
}

#[test]
fn users_change_nothing_else_and_nobody_else() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (_, bob) = server.member("bob");
    let asker = Asker::new(&server, user_id, "authenticated");
    let before = (known(&server, user_id), known(&server, bob));
    for changes in [
        json!({ "user_role": "superuser" }),
        json!({ "full_name": "A", "is_active": false }),
        json!({ "password": "x" }),
        json!({ "email_verified": true }),
        json!({ "extra_info": {} }),
    ] {
        let refused = asker.edits(user_id, changes);
        let reason = "role 'authenticated' can't edit anything other than 'full_name', 'email'";
        assert!(refused.refused(reason)["user_info"].is_null());
    }
    assert!(asker.edits(bob, json!({ "full_name": "B" })).refused(NO_SESSION)["user_info"].is_null());
    asker.edits(1, json!({ "full_name": "B" })).refused(NO_SESSION);
    assert_eq!((known(&server, user_id), known(&server, bob)), before);
}

#[test]
fn a_role_of_ones_own_is_enough_to_change_oneself() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    edits(&server, user_id, json!({ "user_role": "staff" })).done();
    let staff = Asker::new(&server, user_id, "staff");
    staff.edits(user_id, json!({ "full_name": "Staff Person" })).done();
    staff.edits(1, json!({ "full_name": "Staff Person" })).refused(NO_SESSION);
    let visitor = Asker::new(&server, 2, "anonymous");
    visitor.edits(user_id, json!({ "full_name": "V" })).refused(NO_SESSION);
    assert_eq!(known(&server, user_id)["full_name"], "Staff Person");
}

#[test]
fn whoever_edits_proves_a_session_of_their_own() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let alices = Asker::new(&server, user_id, "authenticated");
    let admins = admin(&server).session;
    let asks = |asker: i64, role: &str, session: &str, target: i64| {
        let ask = json!({
            "user_id": asker, "user_role": role, "session_token": session,
            "target_userid": target, "update_dict": { "full_name": "Mallory" },
        });
        server.ask("user-edit", ask)
    };
    let no_self_session = "no valid session found for originating user_id";
    for session in ["made up", "", admins.as_str()] {
        let refused = asks(user_id, "authenticated", session, user_id);
        assert!(refused.refused(no_self_session)["user_info"].is_null());
    }
    asks(user_id, "staff", &alices.session, user_id).refused(no_self_session);
    for (asker, session) in [(1, alices.session.as_str()), (1, "made up"), (user_id, &alices.session)] {
        asks(asker, "superuser", session, user_id).refused(NO_SESSION);
    }
    server.later(Duration::from_secs(86_400));
    asks(user_id, "authenticated", &alices.session, user_id).refused(no_self_session);
    asks(1, "superuser", &admins, user_id).refused(NO_SESSION);
    assert_eq!(known(&server, user_id)["full_name"], "Somebody alice");
}

#[test]
fn administrators_change_everybody_but_the_system_users() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let admin = admin(&server);
    let changes =
        json!({ "full_name": "Alice", "email": "a@example.org", "email_verified": 0, "is_active": 1 });
    let changed = admin.edits(user_id, changes);
    assert_eq!(changed.done()["user_info"]["email_verified"], false);
    assert_eq!(changed.done()["user_info"]["email"], "a@example.org");
    admin.edits(1, json!({ "full_name": "The Admin" })).done();
    for system_user in [2, 3] {
        let before = known(&server, system_user);
        let refused = admin.edits(system_user, json!({ "full_name": "X" }));
        refused.refused("invalid request: can't edit anonymous/locked users");
        assert_eq!(known(&server, system_user), before);
    }
    let refused = admin.edits(user_id, json!({ "password": "x", "full_name": "y", "user_id": 1 }));
    let listed = "role: 'superuser' is not allowed to edit items: '['full_name', 'password', 'user_id']'";
    assert!(refused.refused(listed)["user_info"].is_null());
    for role in [json!("king"), json!(""), json!(null), json!(["staff"]), json!(1)] {
        let refused = admin.edits(user_id, json!({ "user_role": role, "full_name": "y" }));
        refused.refused("role change requested is not valid");
    }
    admin.edits(99, json!({ "full_name": "y" })).refused(NOT_EDITED);
    assert_eq!(known(&server, user_id)["full_name"], "Alice");
}

#[test]
fn what_could_not_sign_up_is_no_name_or_address_later_either() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    server.member("bob");
    let asker = Asker::new(&server, user_id, "authenticated");
    let before = known(&server, user_id);
    for changes in [
        json!({ "email": "bob@example.org" }),
        json!({ "email": "BOB@example.org" }),
        json!({ "email": "no address" }),
        json!({ "email": "root@example.org" }),
        json!({ "email": "x@mailinator.com" }),
        json!({ "email": null }),
        json!({ "email": 5 }),
        json!({ "full_name": "buy at shop.example.com" }),
        json!({ "full_name": "x".repeat(300) }),
        json!({ "full_name": 5 }),
        json!({ "full_name": "Fine", "email": ADMIN_EMAIL }),
    ] {
        assert!(
            asker.edits(user_id, changes.clone()).refused(NOT_EDITED)["user_info"].is_null(),
            "{changes}"
        );
        edits(&server, user_id, changes).refused(INTERNALLY_NOT_EDITED);
    }
    for changes in
        [json!({ "is_active": "no" }), json!({ "is_active": 2 }), json!({ "email_verified": null })]
    {
        admin(&server).edits(user_id, changes).refused(NOT_EDITED);
    }
    assert_eq!(known(&server, user_id), before);
    admin(&server).edits(1, json!({ "email": ADMIN_EMAIL, "full_name": "A" })).done();
}

#[test]
fn a_new_role_or_none_ends_what_the_old_one_could_do() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let admin = admin(&server);
    for changes in [json!({ "user_role": "staff" }), json!({ "is_active": false })] {
        let session = server.new_session(Some(user_id));
        admin.edits(user_id, json!({ "full_name": "Alice", "email_verified": true })).done();
        assert!(server.session_is_live(&session), "a name is no role");
        admin.edits(user_id, changes.clone()).done();
        assert!(!server.session_is_live(&session), "after {changes}");
    }
    assert!(!alice.logs_in().succeeded());
    let session = server.ask("session-new", support::session_body(Some(user_id)));
    session.refused("DB error when making new session");
    admin.edits(user_id, json!({ "is_active": true })).done();
    assert_eq!(alice.logs_in().done()["user_role"], "staff");
    assert!(server.session_is_live(&admin.session));
}

#[test]
fn the_last_administrator_stays_one() {
    let server = TestServer::start();
    let admin = admin(&server);
    let takes_power = [
        json!({ "user_role": "authenticated" }),
        json!({ "user_role": "locked" }),
        json!({ "is_active": false }),
    ];
    for changes in &takes_power {
        admin.edits(1, changes.clone()).refused(NOT_EDITED);
        edits(&server, 1, changes.clone()).refused(INTERNALLY_NOT_EDITED);
    }
    assert_eq!(known(&server, 1)["user_role"], "superuser");
    assert!(server.session_is_live(&admin.session));
    let second = second_admin(&server);
    edits(&server, second, json!({ "is_active": false })).done();
    admin.edits(1, json!({ "is_active": false })).refused(NOT_EDITED);
    edits(&server, second, json!({ "is_active": true })).done();
    admin.edits(1, json!({ "user_role": "authenticated" })).done();
    assert!(!server.session_is_live(&admin.session), "who gives up the role gives up the session");
    assert_eq!(server.admin().logs_in().done()["user_role"], "authenticated");
}

#[test]
fn the_role_locked_is_a_lock_like_any_other() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let admin = admin(&server);
    let session = server.new_session(Some(user_id));
    let locked = admin.edits(user_id, json!({ "user_role": "locked", "full_name": "Alice" }));
    let info = &locked.done()["user_info"];
    assert_eq!((&info["is_active"], &info["user_role"]), (&json!(false), &json!("locked")));
    assert_eq!(info["full_name"], "Alice");
    assert_eq!(info["extra_info"]["previous_user_roles"], json!(["locked", "authenticated"]));
    assert!(!server.session_is_live(&session));
    assert!(!alice.logs_in().succeeded());
    let verified = server.ask("user-set-emailverified", json!({ "email": alice.email }));
    verified.refused("could not update user verified status in DB");
    let unlocked = admin.edits(user_id, json!({ "is_active": true }));
    assert_eq!(unlocked.done()["user_info"]["user_role"], "authenticated");
    alice.logs_in().done();
}

#[test]
fn a_pending_sign_up_is_not_made_active_by_half() {
    let server = TestServer::start();
    let pending = server.person("pending");
    let user_id = pending.signs_up().done()["user_id"].as_i64().expect("a number");
    admin(&server).edits(user_id, json!({ "is_active": true })).refused(NOT_EDITED);
    assert_eq!(known(&server, user_id)["is_active"], false);
    admin(&server).edits(user_id, json!({ "is_active": true, "email_verified": true })).done();
    assert_eq!(pending.logs_in().done()["user_role"], "authenticated");
}

#[test]
fn the_calling_server_notes_things_key_by_key() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let note = |notes: Value| edits(&server, user_id, json!({ "extra_info": notes }));
    let set = note(json!({ "a": 1, "b": { "c": "__delete__" }, "n": null, "absent": "__delete__" }));
    let noted = &set.done()["user_info"]["extra_info"];
    assert_eq!(
        (&noted["a"], &noted["b"], &noted["n"]),
        (&json!(1), &json!({ "c": "__delete__" }), &json!(null))
    );
    assert!(noted.get("absent").is_none(), "what was not there is not there now");
    assert_eq!(noted["type"], "normal-user", "what was noted before stays");
    let removed = note(json!({ "a": "__delete__", "b": [] }));
    let noted = &removed.done()["user_info"]["extra_info"];
    assert!(noted.get("a").is_none() && noted["b"] == json!([]));
    let kept = note(json!(null));
    assert_eq!(kept.done()["user_info"]["extra_info"], *noted, "null changes nothing");
    for notes in [
        json!("text"),
        json!([1]),
        json!({ "previous_user_roles": ["superuser"] }),
        json!({ "x": "y".repeat(70_000) }),
    ] {
        let refused = note(notes);
        assert!(refused.refused(INTERNALLY_NOT_EDITED).get("user_info").is_none());
    }
    assert_eq!(known(&server, user_id)["extra_info"], *noted);
}

#[test]
fn the_calling_server_has_its_limits_too() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let before = known(&server, user_id);
    edits(&server, user_id, json!({})).refused("invalid request: missing 'update_dict' in request");
    let forbidden = edits(&server, user_id, json!({ "user_id": 9, "password": "x", "full_name": "y" }));
    let reason = "invalid request: disallowed keys in update_dict: {'password', 'user_id'}";
    assert!(forbidden.refused(reason).get("user_info").is_none());
    for key in [
        "system_id",
        "created_on",
        "last_updated",
        "failed_login_tries",
        "last_login_success",
        "last_login_try",
    ] {
        let reason = format!("invalid request: disallowed keys in update_dict: {{'{key}'}}");
        edits(&server, user_id, json!({ key: null })).refused(&reason);
    }
    edits(&server, 99, json!({ "full_name": "y" })).refused("no such user");
    edits(&server, user_id, json!({ "shoe_size": 42 })).refused(INTERNALLY_NOT_EDITED);
    edits(&server, user_id, json!({ "full_name": "y", "user_role": "king" })).refused(INTERNALLY_NOT_EDITED);
    assert_eq!(known(&server, user_id), before);
    assert_eq!(alice.tries(GOOD_PASSWORD).done()["user_id"], user_id);
    for system_user in [2, 3] {
        let before = known(&server, system_user);
        for changes in [
            json!({ "user_role": "superuser" }),
            json!({ "is_active": system_user == 3 }),
            json!({ "email": "mine@example.org" }),
        ] {
            edits(&server, system_user, changes).refused(INTERNALLY_NOT_EDITED);
        }
        assert_eq!(known(&server, system_user), before);
        edits(&server, system_user, json!({ "extra_info": { "colour": "grey" } })).done();
    }
}

#[test]
fn a_user_edited_while_others_edit_loses_nothing() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    std::thread::scope(|scope| {
        for number in 0..16 {
            let server = &server;
            scope.spawn(move || {
                let notes = json!({ "extra_info": { format!("key{number}"): number } });
                edits(server, user_id, notes).done();
            });
        }
    });
    let noted = &known(&server, user_id)["extra_info"];
    for number in 0..16 {
        assert_eq!(noted[format!("key{number}")], number);
    }
}

#[test]
fn what_is_declared_to_be_changed_can_be_changed_and_nothing_else() {
    let server = TestServer::start();
    let (_, user_id) = server.member("ada");
    let session = server.new_session(Some(1));
    let edits = |request: &str, key: &str, value: &Value| {
        let update = json!({ key: value });
        let own = json!({
            "user_id": 1, "user_role": "superuser", "session_token": session, "target_userid": user_id,
            "update_dict": update,
        });
        let internal = json!({ "target_userid": user_id, "update_dict": update });
        server.ask(request, if request == "user-edit" { own } else { internal }).succeeded()
    };
    let values = [
        ("full_name", json!("Another Name")),
        ("email", json!("another@example.org")),
        ("is_active", json!(true)),
        ("user_role", json!("staff")),
        ("email_verified", json!(true)),
        ("extra_info", json!({ "a": 1 })),
        ("system_id", json!("x")),
        ("created_on", json!("2026-11-23T14:06:11")),
        ("unheard_of", json!(1)),
    ];
    for request in ["user-edit", "internal-user-edit"] {
        let params = REQUESTS_BY_NAME[request].params;
        let declared = params.iter().find(|param| param.name == "update_dict").expect("is declared").members;
        assert!(declared.iter().all(|member| values.iter().any(|(key, _)| *key == member.name)), "{request}");
        for (key, value) in &values {
            let is_declared = declared.iter().any(|member| member.name == *key);
            assert_eq!(edits(request, key, value), is_declared, "{request} {key}");
        }
    }
}
