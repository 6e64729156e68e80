//! Changing, resetting and judging passwords.

use crate::support::{GOOD_PASSWORD, Person, Reply, TestServer};
use serde_json::{Value, json};
use std::time::Duration;

const NEW_PASSWORD: &str = "quite-another-Passphrase-77";
const DEVICE_KEY: &str = "SELECT CAST(count(*) AS TEXT) FROM apikeys_nosession";

/// A member with two sessions and an API key without one.
struct Home<'s> {
    server: &'s TestServer,
    alice: Person<'s>,
    user_id: i64,
    here: String,
    elsewhere: String,
}

impl<'s> Home<'s> {
    fn of(server: &'s TestServer) -> Self {
        let (alice, user_id) = server.member("alice");
        let here = server.new_session(Some(user_id));
        let elsewhere = server.new_session(Some(user_id));
        let key = json!({
            "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_seconds": 900,
            "not_valid_before": 0, "user_id": user_id, "user_role": "authenticated", "ip_address": "192.0.2.1",
            "refresh_expires": 3600, "refresh_nbf": 0,
        });
        server.ask("apikey-new-nosession", key).done();
        Self { server, alice, user_id, here, elsewhere }
    }

    fn changes(&self, changes: &[(&str, Value)]) -> Reply {
        let mut body = json!({
            "user_id": self.user_id, "session_token": self.here, "full_name": self.alice.full_name,
            "email": self.alice.email, "current_password": GOOD_PASSWORD, "new_password": NEW_PASSWORD,
        });
        for (key, value) in changes {
            body[*key] = value.clone();
        }
        self.server.ask("user-changepass", body)
    }

    fn changes_without_session(&self, current: &str) -> Reply {
        let body = json!({
            "user_id": self.user_id, "full_name": "", "email": self.alice.email,
            "current_password": current, "new_password": NEW_PASSWORD,
        });
        self.server.ask("user-changepass-nosession", body)
    }

    fn resets(&self, email: &str, new: &str) -> Reply {
        let session_token = self.server.new_session(None);
        let body = json!({ "email_address": email, "new_password": new, "session_token": session_token });
        self.server.ask("user-resetpass", body)
    }

    fn resets_without_session(&self, required_active: bool) -> Reply {
        let body = json!({
            "email_address": self.alice.email, "new_password": NEW_PASSWORD, "required_active": required_active,
        });
        self.server.ask("user-resetpass-nosession", body)
    }

    /// That nothing has happened to the account.
    #[track_caller]
    fn is_as_before(&self) {
        assert!(self.server.session_is_live(&self.here));
        assert!(self.server.session_is_live(&self.elsewhere));
        assert_eq!(self.server.stored(DEVICE_KEY).as_deref(), Some("1"));
        self.alice.logs_in().done();
    }

    /// That only the new password works and everything opened with the old one is closed.
    #[track_caller]
    fn begins_anew(&self) {
        assert!(!self.server.session_is_live(&self.here));
        assert!(!self.server.session_is_live(&self.elsewhere));
        assert_eq!(self.server.stored(DEVICE_KEY).as_deref(), Some("0"));
        assert!(!self.alice.logs_in().succeeded());
        self.alice.tries(NEW_PASSWORD).done();
    }
}

#[test]
fn a_changed_password_logs_out_everywhere_else() {
    let server = TestServer::start();
    let home = Home::of(&server);
    let changed = home.changes(&[]);
    assert_eq!(changed.done()["user_id"], home.user_id);
    assert_eq!(changed.done()["email"], "alice@example.org");
    assert_eq!(changed.messages().len(), 2);
    assert!(server.session_is_live(&home.here));
    assert!(!server.session_is_live(&home.elsewhere));
    assert!(!home.alice.logs_in().succeeded());
    home.alice.tries(NEW_PASSWORD).done();
}

#[test]
fn a_password_is_changed_only_by_who_knows_it_and_holds_the_session() {
    let server = TestServer::start();
    let home = Home::of(&server);
    let strangers = server.new_session(None);
    let mut texts = Vec::new();
    for (changes, reason) in [
        ([("current_password", json!("wrong"))], "user password does not match"),
        ([("email", json!("nobody@example.org"))], "user does not exist"),
        ([("session_token", json!("made up"))], "session does not exist"),
        ([("session_token", json!(strangers))], "session does not exist"),
    ] {
        let (cost, reply) = server.hashes_of(|| home.changes(&changes));
        assert_eq!(reply.refused(reason)["user_id"], home.user_id);
        assert_eq!(cost, 1, "{reason} costs what any refusal does");
        texts.push(reply.messages());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "all of these read the same");
    home.is_as_before();
}

#[test]
fn the_new_password_must_be_another_and_a_good_one() {
    let server = TestServer::start();
    let home = Home::of(&server);
    home.changes(&[("new_password", json!(GOOD_PASSWORD))]).refused("password did not change");
    let short = home.changes(&[("new_password", json!("short"))]);
    short.refused("new password is insecure");
    assert!(short.messages()[0].contains("12"), "{:?}", short.messages());
    let like_the_name = home.changes(&[("new_password", json!("Somebody-alice")), ("full_name", json!(""))]);
    like_the_name.refused("new password is insecure");
    home.is_as_before();
}

#[test]
fn guesses_at_the_current_password_count_like_log_ins() {
    let server = TestServer::start_with(&[("USERLOCKTRIES", "2")]);
    let home = Home::of(&server);
    for _ in 0..2 {
        home.changes_without_session("wrong").refused("user password does not match");
    }
    assert_eq!(server.holds(), [1.0, 1.5]);
    let locked = home.changes_without_session("wrong");
    assert_eq!(locked.refused_without_reason()["email"], "alice@example.org");
    home.changes_without_session(GOOD_PASSWORD).refused_without_reason();
    home.alice.logs_in().refused_without_reason();
}

#[test]
fn without_a_session_a_change_ends_them_all() {
    let server = TestServer::start();
    let home = Home::of(&server);
    home.changes_without_session("wrong").refused("user password does not match");
    home.is_as_before();
    home.changes_without_session(GOOD_PASSWORD).done();
    home.begins_anew();
}

#[test]
fn a_reset_ends_everything_that_was_open() {
    let server = TestServer::start();
    let home = Home::of(&server);
    home.resets("Alice@Example.org", NEW_PASSWORD).done();
    home.begins_anew();
}

#[test]
fn a_reset_needs_a_session_an_account_and_a_good_password() {
    let server = TestServer::start();
    let home = Home::of(&server);
    let body =
        json!({ "email_address": "alice@example.org", "new_password": NEW_PASSWORD, "session_token": "x" });
    server.ask("user-resetpass", body).refused("session does not exist");
    let (cost, _) = server
        .hashes_of(|| home.resets("nobody@example.org", NEW_PASSWORD).refused("user does not exist").clone());
    assert_eq!(cost, 1, "an unknown address costs what a known one does");
    home.resets("anonuser@localhost", NEW_PASSWORD).refused("user does not exist");
    home.resets("dummyuser@localhost", NEW_PASSWORD).refused("user does not exist");
    let weak = home.resets("alice@example.org", "123456789012345");
    weak.refused("invalid password");
    assert_eq!(weak.messages().len(), 2);
    home.is_as_before();
}

#[test]
fn a_reset_without_a_session_asks_for_the_state_of_the_account() {
    let server = TestServer::start();
    let home = Home::of(&server);
    home.resets_without_session(false).refused("user does not exist or is_active was not as required");
    home.is_as_before();
    let weak =
        json!({ "email_address": "alice@example.org", "new_password": "short", "required_active": true });
    server.ask("user-resetpass-nosession", weak).refused("invalid new password");
    home.resets_without_session(true).done();
    home.begins_anew();
}

#[test]
fn a_persons_lock_outlasts_a_reset() {
    let server = TestServer::start();
    let home = Home::of(&server);
    server.ask("internal-user-lock", json!({ "target_userid": home.user_id, "action": "lock" })).done();
    home.resets("alice@example.org", NEW_PASSWORD).refused("user does not exist");
    home.resets_without_session(false).done();
    assert!(!home.alice.tries(NEW_PASSWORD).succeeded());
    server.ask("internal-user-lock", json!({ "target_userid": home.user_id, "action": "unlock" })).done();
    home.alice.tries(NEW_PASSWORD).done();
}

#[test]
fn a_lock_after_failures_never_blocks_a_reset_and_ends_with_it() {
    let server = TestServer::start_with(&[("USERLOCKTRIES", "1")]);
    let home = Home::of(&server);
    for _ in 0..3 {
        let _ = home.alice.tries("wrong");
    }
    home.alice.logs_in().refused_without_reason();
    home.resets("alice@example.org", NEW_PASSWORD).done();
    home.alice.tries(NEW_PASSWORD).done();
    server.later(Duration::from_secs(7200));
    home.alice.tries(NEW_PASSWORD).done();
}

#[test]
fn a_password_can_be_judged_beforehand() {
    let server = TestServer::start();
    let judge = |password: &str| {
        let body = json!({
            "password": password, "email": "alice@example.org", "full_name": "Alice", "min_pass_length": 1,
            "max_unsafe_similarity": 99, "max_character_frequency": 1, "min_pwned_matches": null,
        });
        server.ask("user-validatepass", body)
    };
    judge(GOOD_PASSWORD).done();
    assert!(judge(GOOD_PASSWORD).messages().is_empty());
    let weak = judge("alice");
    weak.refused("password is insecure or invalid");
    assert_eq!(
        weak.messages().len(),
        3,
        "too short whatever the caller says, common, like the name: {weak:?}"
    );
    let tail = "x".repeat(256) + GOOD_PASSWORD;
    judge(&tail).refused("password is insecure or invalid");
}
