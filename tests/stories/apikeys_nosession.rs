//! API keys without a session, and the refresh tokens that renew them.

use authnzerver::policy::model::{DEFAULT_POLICY, Policy};
use serde_json::{Value, json};
use std::time::Duration;
use support::parser::value_of;
use support::{Reply, TestServer};

const MAY_NOT: &str = "originating user is not allowed to operate on this API key";
const NOT_VALID: &str = "key validation failed, provided key does not match stored key or has expired";
const NO_REFRESH_TOKEN: &str = "provided API key has no stored refresh token, probably invalid";
const WRONG_REFRESH_TOKEN: &str = "provided refresh token does not match stored refresh token";
const MAY_NOT_REVOKE: &str = "user from provided API key not allowed to revoke old key";
const BAD_TIMES: &str = "invalid request: key lifetime out of range";
const SECOND: Duration = Duration::from_secs(1);

/// A key with its refresh token, and whose it is.
struct Pair<'s> {
    server: &'s TestServer,
    user_id: i64,
    role: &'static str,
    claims: Value,
    refresh_token: String,
}

impl<'s> Pair<'s> {
    fn issued(server: &'s TestServer, user_id: i64) -> Self {
        let made = server.ask("apikey-new-nosession", new_body(user_id));
        let pair = Self::of(server, user_id, &made);
        server.later(SECOND);
        pair
    }

    fn of(server: &'s TestServer, user_id: i64, made: &Reply) -> Self {
        let made = made.done();
        let text = |key: &str| made[key].as_str().expect("a text").to_owned();
        let claims = value_of(text("apikey")).expect("claims");
        Self { server, user_id, role: "authenticated", claims, refresh_token: text("refresh_token") }
    }

    fn asks(&self, request: &str) -> Reply {
        let ask = json!({ "apikey_dict": self.claims, "user_id": self.user_id, "user_role": self.role });
        self.server.ask(request, ask)
    }

    fn verifies(&self) -> bool {
        let reply = self.asks("apikey-verify-nosession");
        if !reply.succeeded() {
            reply.refused(NOT_VALID);
        }
        reply.succeeded()
    }

    fn refresh_body(&self) -> Value {
        json!({
            "apikey_dict": self.claims, "user_id": self.user_id, "user_role": self.role,
            "refresh_token": self.refresh_token, "ip_address": "192.0.2.9", "expires_seconds": 600,
            "not_valid_before": 0, "refresh_expires": 86_400, "refresh_nbf": 0,
        })
    }

    fn refreshes(&self) -> Reply {
        self.server.ask("apikey-refresh-nosession", self.refresh_body())
    }

    fn refreshes_with(&self, key: &str, value: Value) -> Reply {
        let mut ask = self.refresh_body();
        ask[key] = value;
        self.server.ask("apikey-refresh-nosession", ask)
    }
}

fn new_body(user_id: i64) -> Value {
    json!({
        "issuer": "iss", "audience": "aud", "subject": ["/a", "é"], "apiversion": "v1",
        "expires_seconds": 900, "not_valid_before": 0, "user_id": user_id,
        "user_role": "authenticated", "ip_address": "192.0.2.1", "refresh_expires": 86_400,
        "refresh_nbf": 0,
    })
}

fn keys_stored(server: &TestServer) -> i64 {
    let count = server.stored("SELECT CAST(count(*) AS TEXT) FROM apikeys_nosession");
    count.and_then(|count| count.parse().ok()).expect("a count")
}

#[test]
fn a_key_without_a_session_names_no_browser() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let issued = server.ask("apikey-new-nosession", new_body(user_id));
    let made = issued.done();
    let text = made["apikey"].as_str().expect("a text, not an object");
    let pair = Pair::of(&server, user_id, &issued);
    let token = pair.claims["tkn"].as_str().expect("a token");
    let expected = format!(
        r#"{{"iss": "iss", "ver": "v1", "uid": {user_id}, "rol": "authenticated", "aud": "aud", "sub": ["/a", "\u00e9"], "ipa": "192.0.2.1", "tkn": "{token}", "iat": "2026-11-23T15:00:00", "nbf": "2026-11-23T15:00:00", "exp": "2026-11-23T15:15:00"}}"#
    );
    assert_eq!(text, expected);
    assert_eq!(made["expires"], "2026-11-23T15:15:00");
    assert_eq!(made["refresh_token_expires"], "2026-11-24T15:00:00");
    assert_eq!(pair.refresh_token.len(), 43);
    let kept = server.stored("SELECT hex(token_hash) || hex(refresh_hash) FROM apikeys_nosession");
    assert_eq!(kept.expect("is there").len(), 128, "tokens are kept as their hashes only");
    assert!(!pair.verifies(), "a key begins after the moment it was issued in");
    server.later(SECOND);
    assert!(pair.verifies());
    server.later(899 * SECOND);
    assert!(!pair.verifies(), "and ends in time");
}

#[test]
fn who_may_not_have_a_key_gets_none() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let reason = "originating user is not allowed to issue an API key";
    for (who, role) in
        [(user_id, "superuser"), (99, "authenticated"), (2, "anonymous"), (3, "locked"), (user_id, "king")]
    {
        let mut ask = new_body(who);
        ask["user_role"] = json!(role);
        let refused = server.ask("apikey-new-nosession", ask);
        assert!(refused.refused(reason).get("apikey").is_none(), "{who} {role}");
    }
    for (key, value) in [
        ("expires_seconds", json!(-1)),
        ("expires_seconds", json!(i64::MAX)),
        ("refresh_expires", json!(-1)),
        ("refresh_expires", json!(i64::MIN)),
        ("not_valid_before", json!(1e300)),
        ("refresh_nbf", json!(-1e300)),
    ] {
        let mut ask = new_body(user_id);
        ask[key] = value;
        server.ask("apikey-new-nosession", ask).refused(BAD_TIMES);
    }
    assert_eq!(keys_stored(&server), 0);
}

#[test]
fn only_its_owner_and_administrators_use_a_key() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (_, bob) = server.member("bob");
    let mut pair = Pair::issued(&server, user_id);
    for (who, role) in [(bob, "authenticated"), (user_id, "staff"), (2, "anonymous"), (99, "superuser")] {
        (pair.user_id, pair.role) = (who, role);
        pair.asks("apikey-verify-nosession").refused(MAY_NOT);
        pair.asks("apikey-revoke-nosession").refused(MAY_NOT);
        let all = pair.asks("apikey-revokeall-nosession");
        let told = all.refused("originating user is not allowed to delete API keys");
        assert!(told.get("revoked_keys").is_none());
    }
    (pair.user_id, pair.role) = (1, "superuser");
    pair.asks("apikey-verify-nosession").done();
    pair.asks("apikey-revoke-nosession").done();
    pair.asks("apikey-revoke-nosession").refused_without_reason();
    (pair.user_id, pair.role) = (user_id, "authenticated");
    assert!(!pair.verifies());
}

#[test]
fn altered_claims_open_nothing() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let mut pair = Pair::issued(&server, user_id);
    let claims = pair.claims.clone();
    for (key, value) in [
        ("iss", json!("x")),
        ("ver", json!(1)),
        ("aud", json!("x")),
        ("sub", json!(["/a"])),
        ("ipa", json!("x")),
    ] {
        pair.claims = claims.clone();
        pair.claims[key] = value;
        assert!(!pair.verifies(), "{key}");
        pair.refreshes().refused(NO_REFRESH_TOKEN);
        let all = pair.asks("apikey-revokeall-nosession");
        all.refused("provided API key is invalid, revoke-all operation requires a valid key to start with");
    }
    pair.claims = claims;
    assert!(pair.verifies());
}

#[test]
fn all_keys_of_the_owner_go_at_once() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (_, bob) = server.member("bob");
    let (first, second) = (Pair::issued(&server, user_id), Pair::issued(&server, user_id));
    let bobs = Pair::issued(&server, bob);
    let all = first.asks("apikey-revokeall-nosession");
    assert_eq!((&all.done()["revoked_keys"], &all.done()["deleted_keys"]), (&json!(2), &json!(2)));
    assert!(!first.verifies() && !second.verifies() && bobs.verifies());
    second.refreshes().refused(NO_REFRESH_TOKEN);
    let dead = first.asks("apikey-revokeall-nosession");
    dead.refused("provided API key is invalid, revoke-all operation requires a valid key to start with");
    assert_eq!(keys_stored(&server), 1);
}

#[test]
fn a_refresh_replaces_key_and_token() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let old = Pair::issued(&server, user_id);
    let (cost, renewed) = server.hashes_of(|| old.refreshes());
    assert_eq!(cost, 0, "tokens are random enough for a quick hash");
    let new = Pair::of(&server, user_id, &renewed);
    server.later(SECOND);
    assert!(new.verifies() && !old.verifies());
    for claim in ["iss", "ver", "uid", "rol", "aud", "sub"] {
        assert_eq!(new.claims[claim], old.claims[claim]);
    }
    assert_eq!(new.claims["ipa"], "192.0.2.9");
    assert_ne!(new.claims["tkn"], old.claims["tkn"]);
    assert_ne!(new.refresh_token, old.refresh_token);
    assert_eq!(renewed.done()["expires"], "2026-11-23T15:10:01");
    old.refreshes().refused(NO_REFRESH_TOKEN);
    assert!(new.verifies(), "a token used twice ends nothing");
    server.later(601 * SECOND);
    assert!(!new.verifies());
    new.refreshes().done();
    assert_eq!(keys_stored(&server), 1);
}

#[test]
fn a_refresh_that_is_refused_changes_nothing() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (_, bob) = server.member("bob");
    let pair = Pair::issued(&server, user_id);
    let other = Pair::issued(&server, user_id);
    for token in ["", "made up", &other.refresh_token] {
        pair.refreshes_with("refresh_token", json!(token)).refused(WRONG_REFRESH_TOKEN);
    }
    for (who, role) in [(1, "superuser"), (bob, "authenticated"), (user_id, "staff")] {
        let mut ask = pair.refresh_body();
        (ask["user_id"], ask["user_role"]) = (json!(who), json!(role));
        let refused = server.ask("apikey-refresh-nosession", ask);
        assert!(refused.refused(MAY_NOT_REVOKE).get("apikey").is_none());
    }
    for (key, value) in [
        ("expires_seconds", json!(-1)),
        ("refresh_expires", json!(i64::MAX)),
        ("not_valid_before", json!(1e300)),
        ("refresh_nbf", json!(-1e300)),
    ] {
        pair.refreshes_with(key, value).refused(BAD_TIMES);
    }
    pair.refreshes_with("apikey_dict", json!({})).refused(NO_REFRESH_TOKEN);
    assert!(pair.verifies(), "the old key is as good as before");
    assert_eq!(keys_stored(&server), 2);
    pair.refreshes().done();
}

#[test]
fn a_refresh_token_begins_and_ends_at_its_times() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let mut ask = new_body(user_id);
    ask["refresh_nbf"] = json!(60);
    let pair = Pair::of(&server, user_id, &server.ask("apikey-new-nosession", ask));
    server.later(60 * SECOND);
    pair.refreshes().refused(NO_REFRESH_TOKEN);
    server.later(SECOND);
    let pair = Pair::of(&server, user_id, &pair.refreshes());
    server.later(86_400 * SECOND);
    pair.refreshes().refused(NO_REFRESH_TOKEN);
}

#[test]
fn of_many_refreshes_at_once_one_wins() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let pair = Pair::issued(&server, user_id);
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..16).map(|_| scope.spawn(|| pair.refreshes())).collect();
        all.into_iter().map(|one| one.join().expect("the server answered")).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.succeeded());
    assert_eq!((won.len(), lost.len()), (1, 15));
    for reply in lost {
        let Reply::Answered(answer) = reply else { panic!("{reply:?}") };
        let reason = answer["failure_reason"].as_str().expect("a reason");
        assert!([NO_REFRESH_TOKEN, MAY_NOT_REVOKE].contains(&reason), "{reason}");
    }
    server.later(SECOND);
    assert!(Pair::of(&server, user_id, won[0]).verifies());
    assert_eq!(keys_stored(&server), 1);
}

#[test]
fn keys_die_when_their_owners_role_or_freedom_does() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let edit = |changes: Value| {
        let ask = json!({ "target_userid": user_id, "update_dict": changes });
        server.ask("internal-user-edit", ask).done();
    };
    let mut demoted = Pair::issued(&server, user_id);
    edit(json!({ "user_role": "superuser" }));
    demoted.role = "superuser";
    assert!(!demoted.verifies());
    demoted.refreshes().refused(NO_REFRESH_TOKEN);
    edit(json!({ "user_role": "authenticated" }));
    demoted.role = "authenticated";
    assert!(!demoted.verifies(), "the way back does not bring keys back");

    let off = Pair::issued(&server, user_id);
    edit(json!({ "is_active": false }));
    off.asks("apikey-verify-nosession").refused(MAY_NOT);
    off.refreshes().refused(NO_REFRESH_TOKEN);
    edit(json!({ "is_active": true }));
    assert!(!off.verifies());
    assert_eq!(keys_stored(&server), 0);
}

#[test]
fn keys_outlive_sessions_but_not_their_owner() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let pair = Pair::issued(&server, user_id);
    server.ask("user-logout", json!({ "session_token": session, "user_id": user_id })).done();
    assert!(pair.verifies());
    server.ask("internal-user-delete", json!({ "target_userid": user_id })).done();
    pair.asks("apikey-verify-nosession").refused(MAY_NOT);
    pair.refreshes().refused(NO_REFRESH_TOKEN);
    assert_eq!(keys_stored(&server), 0);
}

#[test]
fn a_key_and_its_refresh_token_live_no_longer_than_the_operator_allows() {
    let server = TestServer::start_with(&[("APIKEYMAX", "2"), ("REFRESHMAX", "3")]);
    let (_, user_id) = server.member("alice");
    let (two, three) = (2 * 86_400, 3 * 86_400);
    let asks_for = |key: i64, refresh: i64| {
        let mut ask = new_body(user_id);
        ask["expires_seconds"] = json!(key);
        ask["refresh_expires"] = json!(refresh);
        server.ask("apikey-new-nosession", ask)
    };
    asks_for(two + 1, 60).refused(BAD_TIMES);
    asks_for(60, three + 1).refused(BAD_TIMES);
    let pair = Pair::of(&server, user_id, &asks_for(two, three));
    server.later(SECOND);
    pair.refreshes_with("expires_seconds", json!(two + 1)).refused(BAD_TIMES);
    pair.refreshes_with("refresh_expires", json!(three + 1)).refused(BAD_TIMES);
    let mut ask = pair.refresh_body();
    ask["expires_seconds"] = json!(two);
    ask["refresh_expires"] = json!(three);
    server.ask("apikey-refresh-nosession", ask).done();
}

#[test]
fn a_key_is_renewed_only_by_who_may_both_delete_and_make_one() {
    for (missing, reason) in
        [("delete", MAY_NOT_REVOKE), ("create", "user from provided API key not allowed to issue new key")]
    {
        let server = TestServer::start();
        let (_, user_id) = server.member("alice");
        let pair = Pair::issued(&server, user_id);
        let mut policy: Value = value_of(DEFAULT_POLICY).expect("JSON");
        let actions = &mut policy["item_policy"]["apikey"]["valid_role_actions"];
        actions.as_array_mut().expect("a list").retain(|action| action != missing);
        let policy = Policy::from_json(&policy.to_string()).unwrap_or_else(|_| panic!("a sound policy"));
        server.app.policy.store(policy.into());
        pair.refreshes().refused(reason);
        assert!(pair.verifies(), "without leave to {missing} the old key stays");
    }
}
