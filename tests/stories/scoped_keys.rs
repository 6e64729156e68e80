//! API keys that are one text and have scopes: issued, checked, rotated, listed and ended.

use authnzerver::accounts::scoped_keys::write_uses;
use serde_json::{Value, json};
use std::time::Duration;
use support::{GOOD_PASSWORD, Reply, TestServer};

const NOT_VALID: &str = "key validation failed, provided key does not match stored key or has expired";
const OUT_OF_SCOPE: &str = "action not within the API key's scopes";
const NOT_PERMITTED: &str = "action not permitted";
const ADMIN_ID: i64 = 1;
const DAY: u64 = 86_400;

fn wants(session: &str, scopes: Value) -> Value {
    json!({ "session_token": session, "name": "backup", "scopes": scopes })
}

/// A key's text and what it is called.
fn issues(server: &TestServer, session: &str, scopes: Value) -> (String, Value) {
    shown(&server.ask("apikey-issue", wants(session, scopes)))
}

fn shown(reply: &Reply) -> (String, Value) {
    let answer = reply.done();
    (answer["apikey"].as_str().expect("a text").to_owned(), answer["key_id"].clone())
}

fn checks(server: &TestServer, key: &str) -> Reply {
    server.ask("apikey-check", json!({ "apikey": key }))
}

fn asks_to(server: &TestServer, key: &str, action: &str, item: &str) -> Reply {
    server.ask("apikey-check", json!({ "apikey": key, "action": action, "target_name": item }))
}

fn rotates(server: &TestServer, session: &str, id: &Value, overlap_seconds: i64) -> Reply {
    let body = json!({ "session_token": session, "key_id": id, "overlap_seconds": overlap_seconds });
    server.ask("apikey-rotate", body)
}

fn listed(server: &TestServer, session: &str) -> Vec<Value> {
    let reply = server.ask("apikey-list", json!({ "session_token": session }));
    reply.done()["apikeys"].as_array().expect("a list").clone()
}

/// The same key with another secret, and a right check.
fn with_other_secret(server: &TestServer, key: &str) -> String {
    let session = server.new_session(Some(ADMIN_ID));
    let (_, id) = issues(server, &session, json!(["*:*"]));
    let (foreign, _) = shown(&rotates(server, &session, &id, 0));
    // The check covers the identifier, so the rows exchange theirs.
    let id_of = |key: &str| key.split('_').nth(1).expect("has one").to_uppercase();
    let exchange =
        format!("UPDATE scoped_keys SET key_id = x'0000000000000000' WHERE key_id = x'{}'", id_of(&foreign));
    server.changes(&exchange);
    let give =
        format!("UPDATE scoped_keys SET key_id = x'{}' WHERE key_id = x'{}'", id_of(&foreign), id_of(key));
    server.changes(&give);
    foreign
}

#[test]
fn a_user_issues_a_key_and_whoever_has_it_learns_whose_it_is_and_what_it_is_good_for() {
    let server = TestServer::start();
    let (_, alice) = server.member("alice");
    let session = server.new_session(Some(alice));
    let issued = server.ask("apikey-issue", wants(&session, json!(["view:dataset", "list:*"])));
    let (key, id) = shown(&issued);
    assert!(issued.done()["expires"].is_null());
    let parts: Vec<_> = key.split('_').collect();
    assert_eq!((parts[0], json!(parts[1])), ("azk", id.clone()));
    let checked = checks(&server, &key);
    let wanted = json!({
        "key_id": id, "name": "backup", "user_id": alice, "user_role": "authenticated",
        "scopes": ["view:dataset", "list:*"], "expires": null, "permitted": null,
    });
    for (name, value) in wanted.as_object().expect("an object") {
        assert_eq!(&checked.done()[name], value, "{name}");
    }
    let stored = server.stored("SELECT hex(secret_hash) || hex(old_secret_hash) FROM scoped_keys");
    assert_eq!(stored.expect("is there").len(), 64, "a SHA-256 and nothing else");
    assert!(!server.keeps(parts[2]), "no secret is kept");
}

#[test]
fn nobody_but_a_user_who_is_logged_in_has_keys() {
    let server = TestServer::start();
    for session in [server.new_session(None), "none".to_owned()] {
        let reason = "nobody is logged in with this session";
        server.ask("apikey-issue", wants(&session, json!(["*:*"]))).refused(reason);
        rotates(&server, &session, &json!("0123456789abcdef"), 0).refused(reason);
    }
    assert_eq!(server.stored("SELECT CAST(count(*) AS TEXT) FROM scoped_keys").as_deref(), Some("0"));
}

#[test]
fn a_key_needs_a_name_known_scopes_and_a_life_that_the_operator_allows() {
    let server = TestServer::start();
    let session = server.new_session(Some(server.member("alice").1));
    let with = |key: &str, value: Value| {
        let mut body = wants(&session, json!(["view:dataset"]));
        body[key] = value;
        server.ask("apikey-issue", body)
    };
    for name in ["", " \t", "a\nb", &"ä".repeat(101)] {
        with("name", json!(name)).refused("invalid request: no name for an API key");
    }
    assert_eq!(
        checks(&server, &shown(&with("name", json!(format!(" {} ", "ä".repeat(100))))).0).done()["name"],
        "ä".repeat(100)
    );
    let many = vec!["view:dataset"; 65];
    for scopes in [json!([]), json!(["view:data"]), json!(["view:dataset", 1]), json!(["view"]), json!(many)]
    {
        with("scopes", scopes)
            .refused("invalid request: no scopes, too many, or one that the policy does not know");
    }
    for days in [0, -1, 36_501, i64::MAX, i64::MIN] {
        with("expires_days", json!(days)).refused("invalid request: key lifetime out of range");
    }
    assert_eq!(with("expires_days", json!(1)).done()["expires"], "2026-11-24T15:00:00");
}

#[test]
fn where_the_operator_limits_the_life_of_keys_none_is_issued_that_never_expires() {
    let server = TestServer::start_with(&[("APIKEYMAX", "30"), ("APIKEYPREFIX", "acme1")]);
    let session = server.new_session(Some(server.member("alice").1));
    let mut body = wants(&session, json!(["*:*"]));
    server.ask("apikey-issue", body.clone()).refused("invalid request: key lifetime out of range");
    body["expires_days"] = json!(30);
    let (key, _) = shown(&server.ask("apikey-issue", body));
    assert!(key.starts_with("acme1_"), "{key}");
    let server = server.restart(&[]);
    checks(&server, &key).done();
}

#[test]
fn a_key_ends_when_it_is_to() {
    let server = TestServer::start();
    let session = server.new_session(Some(server.member("alice").1));
    let mut body = wants(&session, json!(["*:*"]));
    body["expires_days"] = json!(1);
    let (key, id) = shown(&server.ask("apikey-issue", body));
    server.later(Duration::from_secs(DAY - 1));
    checks(&server, &key).done();
    assert_eq!(listed(&server, &session).len(), 1);
    server.later(Duration::from_secs(1));
    checks(&server, &key).refused(NOT_VALID);
    let session = server.new_session(Some(4));
    assert_eq!(listed(&server, &session).len(), 0);
    rotates(&server, &session, &id, 0).refused("this user has no such API key");
}

#[test]
fn a_scope_narrows_what_its_owner_may_do_and_permits_nothing_else() {
    let server = TestServer::start();
    let (_, alice) = server.member("alice");
    let session = server.new_session(Some(alice));
    let (narrow, _) = issues(&server, &session, json!(["view:dataset", "delete:user"]));
    let (wide, _) = issues(&server, &session, json!(["*:*"]));
    assert_eq!(asks_to(&server, &narrow, "view", "dataset").done()["permitted"], true);
    assert_eq!(asks_to(&server, &wide, "delete", "dataset").done()["permitted"], true);
    asks_to(&server, &narrow, "delete", "dataset").refused(OUT_OF_SCOPE);
    asks_to(&server, &narrow, "view", "object").refused(OUT_OF_SCOPE);
    // Her role may not, whatever the key says.
    for key in [&narrow, &wide] {
        asks_to(&server, key, "delete", "user").refused(NOT_PERMITTED);
    }
    asks_to(&server, &wide, "view", "nothing").refused(NOT_PERMITTED);
    for half in
        [json!({ "apikey": wide, "action": "view" }), json!({ "apikey": wide, "target_name": "dataset" })]
    {
        server.ask("apikey-check", half).refused("invalid request: action and target_name go together");
    }
    let admins = server.new_session(Some(ADMIN_ID));
    let (admins, _) = issues(&server, &admins, json!(["view:dataset"]));
    let of = |key: &str, owner: i64, visibility: &str, shared_with: Value| {
        let body = json!({
            "apikey": key, "action": "view", "target_name": "dataset", "target_owner": owner,
            "target_visibility": visibility, "target_sharedwith": shared_with,
        });
        server.ask("apikey-check", body)
    };
    of(&admins, alice, "private", Value::Null).done();
    of(&narrow, ADMIN_ID, "private", Value::Null).refused(NOT_PERMITTED);
    of(&narrow, ADMIN_ID, "public", Value::Null).done();
    of(&narrow, ADMIN_ID, "shared", json!(alice.to_string())).done();
    of(&narrow, ADMIN_ID, "shared", json!("x")).refused("invalid request: target_sharedwith cannot be read");
    of(&narrow, 99, "public", Value::Null).refused(NOT_PERMITTED);
}

#[test]
fn a_typo_is_refused_before_the_database_is_asked_and_a_check_costs_one_read() {
    let server = TestServer::start();
    let (_, alice) = server.member("alice");
    let (key, _) = issues(&server, &server.new_session(Some(alice)), json!(["*:*"]));
    let reads_of = |body: Value| {
        let before = server.app.store.reads();
        let reply = server.ask("apikey-check", body);
        (server.app.store.reads() - before, reply)
    };
    // What any request costs: one that is not even well formed.
    let (always, _) = reads_of(json!({}));
    let last = if key.ends_with('0') { "1" } else { "0" };
    for typo in [
        &key[1..],
        &key[..key.len() - 1],
        &format!("{}{last}", &key[..key.len() - 1]),
        "",
        "azk",
        &"_".repeat(1 << 16),
    ] {
        let (reads, reply) = reads_of(json!({ "apikey": typo }));
        reply.refused(NOT_VALID);
        assert_eq!(reads, always, "{typo:.80}");
    }
    for body in
        [json!({ "apikey": key }), json!({ "apikey": key, "action": "view", "target_name": "dataset" })]
    {
        let (reads, reply) = reads_of(body);
        reply.done();
        assert_eq!(reads, always + 1);
    }
    checks(&server, &with_other_secret(&server, &key)).refused(NOT_VALID);
}

#[test]
fn a_rotated_key_has_two_secrets_until_the_overlap_ends() {
    let server = TestServer::start();
    let session = server.new_session(Some(server.member("alice").1));
    let (first, id) = issues(&server, &session, json!(["*:*"]));
    for seconds in [-1, 30 * DAY.cast_signed() + 1, i64::MAX, i64::MIN] {
        rotates(&server, &session, &id, seconds).refused("invalid request: overlap out of range");
    }
    let rotated = rotates(&server, &session, &id, 60);
    let (second, same_id) = shown(&rotated);
    assert_eq!((same_id, &rotated.done()["old_secret_ends"]), (id.clone(), &json!("2026-11-23T15:01:00")));
    server.later(Duration::from_secs(59));
    for key in [&first, &second] {
        assert_eq!(checks(&server, key).done()["key_id"], id);
    }
    rotates(&server, &session, &id, 1).refused("the API key has two secrets already");
    server.later(Duration::from_secs(1));
    checks(&server, &first).refused(NOT_VALID);
    checks(&server, &second).done();
    // A secret that leaked is replaced at once, and so is the one before it.
    let (third, _) = shown(&rotates(&server, &session, &id, 60));
    let (fourth, _) = shown(&rotates(&server, &session, &id, 0));
    for key in [&first, &second, &third] {
        checks(&server, key).refused(NOT_VALID);
    }
    checks(&server, &fourth).done();
    assert_eq!(listed(&server, &session).len(), 1);
    let kinds = server.stored("SELECT group_concat(kind, ' ') FROM events WHERE kind LIKE 'key.%'");
    assert_eq!(kinds.as_deref(), Some("key.issued key.rotated key.rotated key.rotated"));
}

#[test]
fn of_many_who_rotate_at_once_one_does_and_nobody_gets_a_secret_that_is_not_good() {
    let server = TestServer::start();
    let session = server.new_session(Some(server.member("alice").1));
    let (first, id) = issues(&server, &session, json!(["*:*"]));
    let race = |overlap: i64| -> Vec<String> {
        std::thread::scope(|scope| {
            let rotate = || rotates(&server, &session, &id, overlap);
            let threads: Vec<_> = (0..50).map(|_| scope.spawn(rotate)).collect();
            let replies = threads.into_iter().map(|thread| thread.join().expect("is answered"));
            let done = replies.filter(|reply| {
                reply.succeeded() || {
                    reply.refused("the API key has two secrets already");
                    false
                }
            });
            done.map(|reply| shown(&reply).0).collect()
        })
    };
    let winners = race(60);
    assert_eq!(winners.len(), 1);
    checks(&server, &winners[0]).done();
    checks(&server, &first).done();
    // Without an overlap each replaces the one before, and the last one is good.
    let all = race(0);
    assert_eq!(all.len(), 50);
    let good = all.iter().filter(|key| checks(&server, key).succeeded()).count();
    assert_eq!(good, 1);
    checks(&server, &winners[0]).refused(NOT_VALID);
}

#[test]
fn keys_are_listed_and_ended_with_the_others_and_by_nobody_else() {
    let server = TestServer::start();
    let session = server.new_session(Some(server.member("alice").1));
    let bobs = server.new_session(Some(server.member("bob").1));
    let (one, one_id) = issues(&server, &session, json!(["view:dataset"]));
    let (other, other_id) = issues(&server, &session, json!(["*:*"]));
    let keys = listed(&server, &session);
    assert_eq!(keys.len(), 2);
    let shown = keys.iter().find(|key| key["key_id"] == one_id).expect("is listed");
    assert_eq!((&shown["name"], &shown["scopes"]), (&json!("backup"), &json!(["view:dataset"])));
    assert_eq!((&shown["expires"], &shown["ends_with_session"]), (&Value::Null, &json!(false)));
    assert!(!json!(keys).to_string().contains(one.split('_').nth(2).expect("a secret")));
    let end = |session: &str, id: &Value| {
        server.ask("apikey-end", json!({ "session_token": session, "key_id": id }))
    };
    end(&bobs, &one_id).refused("this user has no such API key");
    rotates(&server, &bobs, &one_id, 0).refused("this user has no such API key");
    end(&session, &one_id).done();
    checks(&server, &one).refused(NOT_VALID);
    checks(&server, &other).done();
    assert_eq!(listed(&server, &session)[0]["key_id"], other_id);
    let revoked = server.stored("SELECT object FROM events WHERE kind = 'key.revoked'");
    assert_eq!(revoked.as_deref(), one_id.as_str());
}

#[test]
fn keys_end_with_a_lock_another_role_a_reset_or_their_owner_and_come_not_back() {
    for how in ["lock", "role", "deactivation", "reset", "deletion", "policy of another server"] {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        let (key, _) = issues(&server, &server.new_session(Some(user_id)), json!(["*:*"]));
        checks(&server, &key).done();
        let edit = |update: Value| {
            server
                .ask("internal-user-edit", json!({ "target_userid": user_id, "update_dict": update }))
                .done();
        };
        let toggle = |action: &str| {
            server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": action })).done();
        };
        match how {
            "lock" => toggle("lock"),
            "role" => edit(json!({ "user_role": "staff" })),
            "deactivation" => edit(json!({ "is_active": false })),
            "reset" => {
                let body = json!({
                    "email_address": alice.email, "new_password": "Trout-Lamp-93-Quarry", "required_active": true,
                });
                server.ask("user-resetpass-nosession", body).done();
            }
            "deletion" => {
                server.ask("internal-user-delete", json!({ "target_userid": user_id })).done();
            }
            // Behind the server's back: the row is there, and is good for nothing.
            _ => server.changes(&format!("UPDATE users SET user_role = 'locked' WHERE user_id = {user_id}")),
        }
        checks(&server, &key).refused(NOT_VALID);
        match how {
            "lock" => toggle("unlock"),
            "role" => edit(json!({ "user_role": "authenticated" })),
            "deactivation" => edit(json!({ "is_active": true })),
            _ => continue,
        }
        checks(&server, &key).refused(NOT_VALID);
    }
}

#[test]
fn a_changed_password_ends_keys_unless_it_was_changed_in_a_session() {
    for in_session in [true, false] {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        let session = server.new_session(Some(user_id));
        let (key, _) = issues(&server, &session, json!(["*:*"]));
        let mut change = json!({
            "user_id": user_id, "full_name": alice.full_name, "email": alice.email,
            "current_password": GOOD_PASSWORD, "new_password": "Trout-Lamp-93-Quarry",
        });
        if in_session {
            change["session_token"] = json!(session);
            server.ask("user-changepass", change).done();
            checks(&server, &key).done();
        } else {
            server.ask("user-changepass-nosession", change).done();
            checks(&server, &key).refused(NOT_VALID);
        }
    }
}

#[test]
fn failed_logins_that_suspend_an_account_suspend_its_keys() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let (key, _) = issues(&server, &server.new_session(Some(user_id)), json!(["*:*"]));
    (0..11).for_each(|_| assert!(!alice.tries("wrong").succeeded()));
    checks(&server, &key).refused(NOT_VALID);
    server.later(Duration::from_secs(3600));
    checks(&server, &key).done();
    assert_eq!(alice.password, GOOD_PASSWORD);
}

#[test]
fn a_use_is_listed_at_once_and_written_down_later() {
    let server = TestServer::start();
    let session = server.new_session(Some(server.member("alice").1));
    let (key, _) = issues(&server, &session, json!(["view:dataset"]));
    let (unused, _) = issues(&server, &session, json!(["view:dataset"]));
    let stored = || server.stored("SELECT last_used FROM scoped_keys WHERE last_used IS NOT NULL");
    let used = || {
        let keys = listed(&server, &session);
        keys.iter().filter_map(|key| key["last_used"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(used(), [""; 0]);
    let commits = server.commits();
    for _ in 0..3 {
        server.later(Duration::from_secs(1));
        checks(&server, &key).done();
    }
    checks(&server, &unused[1..]).refused(NOT_VALID);
    assert_eq!(used(), ["2026-11-23T15:00:03"]);
    assert_eq!((server.commits(), stored()), (commits, None), "a check writes nothing");
    write_uses(&server.app).expect("writes");
    assert_eq!(stored().as_deref(), Some("2026-11-23 15:00:03.000000"));
    assert_eq!(server.commits(), commits + 1);
    write_uses(&server.app).expect("writes");
    assert_eq!(server.commits(), commits + 1, "there was nothing to write");
    assert_eq!(used(), ["2026-11-23T15:00:03"]);
}

#[test]
fn uses_that_cannot_be_written_are_written_later() {
    let server = TestServer::start();
    let session = server.new_session(Some(server.member("alice").1));
    let (key, _) = issues(&server, &session, json!(["view:dataset"]));
    checks(&server, &key).done();
    server.changes("CREATE TRIGGER full BEFORE UPDATE ON scoped_keys BEGIN SELECT RAISE(ABORT, 'full'); END");
    assert!(write_uses(&server.app).is_err());
    server.changes("DROP TRIGGER full");
    write_uses(&server.app).expect("writes");
    assert!(server.stored("SELECT last_used FROM scoped_keys").is_some());
}

#[test]
fn a_user_has_no_more_keys_than_the_limit() {
    let server = TestServer::start();
    let session = server.new_session(Some(server.member("alice").1));
    for _ in 0..100 {
        issues(&server, &session, json!(["*:*"]));
    }
    server.ask("apikey-issue", wants(&session, json!(["*:*"]))).refused("user has too many API keys");
    let id = listed(&server, &session)[0]["key_id"].clone();
    server.ask("apikey-end", json!({ "session_token": session, "key_id": id })).done();
    issues(&server, &session, json!(["*:*"]));
}
