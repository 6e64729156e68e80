//! Changing, resetting and judging passwords.

use serde_json::{Value, json};
use std::time::Duration;
use support::{GOOD_PASSWORD, Person, Reply, TestServer};

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

    fn changes_without_session(&self, changes: &[(&str, Value)]) -> Reply {
        let mut body = json!({
            "user_id": self.user_id, "full_name": "", "email": self.alice.email,
            "current_password": GOOD_PASSWORD, "new_password": NEW_PASSWORD,
        });
        for (key, value) in changes {
            body[*key] = value.clone();
        }
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
    let changed = home.changes(&[("email", json!("ALICE@Example.org"))]);
    assert_eq!(changed.done()["user_id"], home.user_id);
    assert_eq!(changed.done()["email"], "ALICE@Example.org", "as it was sent");
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
    for (changes, reason, hashes) in [
        ([("current_password", json!("wrong"))], "user password does not match", 1),
        ([("email", json!("nobody@example.org"))], "user does not exist", 1),
        ([("session_token", json!("made up"))], "session does not exist", 0),
        ([("session_token", json!(strangers))], "session does not exist", 0),
    ] {
        let (cost, reply) = server.hashes_of(|| home.changes(&changes));
        assert_eq!(reply.refused(reason)["user_id"], home.user_id);
        assert!(reply.refused(reason)["email"].as_str().is_some_and(|email| email.ends_with("@example.org")));
        assert_eq!(cost, hashes, "{reason}");
        texts.push(reply.messages());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "all of these read the same");
    home.is_as_before();
}

#[test]
fn without_a_session_who_does_not_know_the_password_learns_nothing() {
    let server = TestServer::start();
    let home = Home::of(&server);
    let pending = server.person("pending");
    let pending_id = pending.signs_up().done()["user_id"].clone();
    let mut texts = Vec::new();
    for (changes, reason) in [
        (vec![("current_password", json!("wrong"))], "user password does not match"),
        (vec![("user_id", json!(1))], "user does not exist"),
        (vec![("user_id", json!(i64::MAX))], "user does not exist"),
        (vec![("email", json!("nobody@example.org"))], "user does not exist"),
        (vec![("user_id", pending_id), ("email", json!(pending.email))], "user does not exist"),
    ] {
        let (cost, reply) = server.hashes_of(|| home.changes_without_session(&changes));
        reply.refused(reason);
        assert_eq!(cost, 1, "{reason} costs what any refusal does");
        texts.push(reply.messages());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "all of these read the same");
    home.is_as_before();
}

#[test]
fn a_change_with_a_made_up_session_tests_nothing_and_counts_as_no_guess() {
    let server = TestServer::start();
    let home = Home::of(&server);
    for _ in 0..20 {
        let guess = [("session_token", json!("made up")), ("current_password", json!("wrong"))];
        home.changes(&guess).refused("session does not exist");
    }
    assert!(server.delays().is_empty());
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
    let like_the_name_given = home.changes(&[("full_name", json!("Quite another Passphrase"))]);
    like_the_name_given.refused("new password is insecure");
    for (new, reason, hashes) in [
        (GOOD_PASSWORD, "password did not change", 2),
        ("Somebody-alice", "new password is insecure", 3),
        ("123456789012345", "new password is insecure", 3),
    ] {
        let (cost, reply) =
            server.hashes_of(|| home.changes_without_session(&[("new_password", json!(new))]));
        reply.refused(reason);
        assert_eq!(cost, hashes, "{reason}");
    }
    assert!(server.delays().is_empty(), "the current password was right every time");
    home.is_as_before();
}

#[test]
fn what_is_told_about_length_is_what_the_operator_asks_for() {
    let policy = "min_pass_length:20; max_unsafe_similarity:50; max_char_frequency:0.3; min_pwned_matches:25";
    let server = TestServer::start_with(&[("PASSPOLICY", policy)]);
    let home = Home::of(&server);
    let session = server.new_session(None);
    let new = "nineteen-Characters";
    let reset = json!({ "email_address": home.alice.email, "new_password": new, "session_token": session });
    let change = home.changes(&[("new_password", json!(new))]).messages();
    let reset = server.ask("user-resetpass", reset).messages();
    assert_eq!([&change[0], &change[1]], [&reset[1], &reset[0]], "a reset begins with the general text");
    assert!(change[0].contains("20") && !change.concat().contains("12"), "{change:?}");
    home.is_as_before();
}

#[test]
fn of_many_changes_at_once_one_is_made() {
    let server = TestServer::start_with(&[("USERLOCKTRIES", "100")]);
    let home = Home::of(&server);
    let wanted: Vec<_> = (0..8).map(|number| format!("{NEW_PASSWORD}-{number}")).collect();
    let made: Vec<_> = std::thread::scope(|scope| {
        let change = |new: &str| home.changes_without_session(&[("new_password", json!(new))]).succeeded();
        let changes: Vec<_> = wanted.iter().map(|new| scope.spawn(move || change(new))).collect();
        changes.into_iter().map(|change| change.join().expect("the server answered")).collect()
    });
    let works: Vec<_> = wanted.iter().map(|new| home.alice.tries(new).succeeded()).collect();
    assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
    assert_eq!(works, made, "the one that was told so works, and no other");
}

#[test]
fn a_change_ends_the_keys_of_the_sessions_it_ends() {
    let server = TestServer::start();
    let home = Home::of(&server);
    for session_token in [&home.here, &home.elsewhere] {
        let key = json!({
            "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_days": 1,
            "not_valid_before": 0, "user_id": home.user_id, "user_role": "authenticated",
            "ip_address": "192.0.2.1", "user_agent": "Browser/1.0", "session_token": session_token,
        });
        server.ask("apikey-new", key).done();
    }
    let keys = || server.stored("SELECT CAST(count(*) AS TEXT) FROM apikeys");
    home.changes(&[("current_password", json!("wrong"))]).refused("user password does not match");
    assert_eq!(keys().as_deref(), Some("2"));
    home.changes(&[]).done();
    assert_eq!(keys().as_deref(), Some("1"));
}

/// Changes how the database behaves, behind the server's back.
fn meddle(server: &TestServer, statements: &str) {
    server.changes(statements);
}

#[test]
fn a_row_that_does_not_take_the_new_password_keeps_everything_as_it_was() {
    let server = TestServer::start();
    let home = Home::of(&server);
    meddle(&server, "CREATE TRIGGER t BEFORE UPDATE OF password ON users BEGIN SELECT RAISE(IGNORE); END");
    let change = home.changes(&[]);
    let told = change.refused("DB error when updating password");
    assert_eq!((&told["user_id"], &told["email"]), (&json!(home.user_id), &json!(home.alice.email)));
    home.changes_without_session(&[]).refused("DB error when updating password");
    home.resets(&home.alice.email, NEW_PASSWORD).refused("password update failed in DB");
    home.resets_without_session(true).refused("password update failed in DB");
    home.is_as_before();
}

#[test]
fn no_password_is_set_while_old_sessions_cannot_be_ended() {
    let server = TestServer::start();
    let home = Home::of(&server);
    meddle(&server, "CREATE TRIGGER t BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'full'); END");
    let change = home.changes(&[]);
    let told = change.refused("DB error when updating password");
    assert_eq!([told.get("user_id"), told.get("email")], [Some(&Value::Null); 2]);
    home.changes_without_session(&[]).refused("DB error when updating password");
    home.resets(&home.alice.email, NEW_PASSWORD).refused("password update failed in DB");
    home.resets_without_session(true).refused("password update failed in DB");
    meddle(&server, "DROP TRIGGER t");
    home.is_as_before();
}

#[test]
fn changes_and_resets_are_few_a_minute() {
    let server = TestServer::start_with(&[("RATELIMITS", "user:480")]);
    for request in ["user-changepass", "user-resetpass"] {
        let replies = (0..6).map(|_| server.ask(request, json!({})));
        let admitted = replies.filter(|reply| matches!(reply, Reply::Answered(_))).count();
        assert_eq!(admitted, 5, "{request}");
    }
}

#[test]
fn guesses_at_the_current_password_count_like_logins() {
    let server = TestServer::start_with(&[("USERLOCKTRIES", "2")]);
    let home = Home::of(&server);
    for _ in 0..2 {
        home.changes_without_session(&[("current_password", json!("wrong"))])
            .refused("user password does not match");
    }
    assert_eq!(server.delays(), [1.0, 1.5]);
    let locked = home.changes_without_session(&[("current_password", json!("wrong"))]);
    let told = locked.refused_without_reason();
    assert_eq!((&told["user_id"], &told["email"]), (&json!(home.user_id), &json!("alice@example.org")));
    home.changes_without_session(&[]).refused_without_reason();
    home.alice.logs_in().refused_without_reason();
}

#[test]
fn without_a_session_a_change_ends_them_all() {
    let server = TestServer::start();
    let home = Home::of(&server);
    home.changes_without_session(&[("current_password", json!("wrong"))])
        .refused("user password does not match");
    home.is_as_before();
    home.changes_without_session(&[]).done();
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
    let (cost, reply) = server.hashes_of(|| server.ask("user-resetpass", body));
    reply.refused("session does not exist");
    assert_eq!(cost, 0, "refused before it queues for the hashers");
    let (cost, _) = server
        .hashes_of(|| home.resets("nobody@example.org", NEW_PASSWORD).refused("user does not exist").clone());
    assert_eq!(cost, 1, "an unknown address costs what a known one does");
    home.resets("anonuser@localhost", NEW_PASSWORD).refused("user does not exist");
    home.resets("dummyuser@localhost", NEW_PASSWORD).refused("user does not exist");
    let weak = home.resets("alice@example.org", "123456789012345");
    weak.refused("invalid password");
    assert_eq!(weak.messages().len(), 2);
    let (cost, like_the_name) = server.hashes_of(|| home.resets("alice@example.org", "Somebody-alice"));
    like_the_name.refused("invalid password");
    assert_eq!(cost, 1);
    home.is_as_before();
}

#[test]
fn a_reset_to_the_same_password_or_of_somebody_without_a_name_is_one_like_any_other() {
    let server = TestServer::start();
    let home = Home::of(&server);
    meddle(&server, &format!("UPDATE users SET full_name = NULL WHERE user_id = {}", home.user_id));
    home.resets(&home.alice.email, GOOD_PASSWORD).done();
    assert!(!server.session_is_live(&home.here));
    home.alice.logs_in().done();
    home.resets_without_session(true).done();
    home.begins_anew();
}

#[test]
fn a_reset_verifies_nobodys_address() {
    let server = TestServer::start();
    let mut home = Home::of(&server);
    home.alice = server.person("pending");
    home.alice.signs_up().done();
    home.resets(&home.alice.email, NEW_PASSWORD).refused("user does not exist");
    home.resets_without_session(true).refused("user does not exist or is_active was not as required");
    home.resets_without_session(false).done();
    assert!(!home.alice.tries(NEW_PASSWORD).succeeded());
    server.ask("user-set-emailverified", json!({ "email": home.alice.email })).done();
    home.alice.tries(NEW_PASSWORD).done();
}

#[test]
fn a_reset_forgets_the_guesses_from_everywhere() {
    let server = TestServer::start_with(&[("LOCKMODE", "account-and-client"), ("USERLOCKTRIES", "1")]);
    let home = Home::of(&server);
    for client in ["198.51.100.7", "203.0.113.9"] {
        for _ in 0..3 {
            let _ = home.alice.tries_from(client, "wrong");
        }
        home.alice.tries_from(client, GOOD_PASSWORD).refused_without_reason();
    }
    home.resets(&home.alice.email, NEW_PASSWORD).done();
    for client in ["198.51.100.7", "203.0.113.9"] {
        home.alice.tries_from(client, NEW_PASSWORD).done();
    }
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

#[test]
fn the_numbers_of_a_judgement_are_taken_in_their_types_and_change_nothing() {
    let server = TestServer::start();
    let ask = |key: &str, value: Value| {
        let mut body =
            json!({ "password": GOOD_PASSWORD, "email": "alice@example.org", "full_name": "Alice" });
        body[key] = value;
        server.hashes_of(|| server.ask("user-validatepass", body))
    };
    for (key, fits, invalid_parameters) in [
        ("min_pass_length", [json!(500), json!(-1), json!(null)], json!(1.5)),
        ("max_unsafe_similarity", [json!(1), json!(-0.5), json!(null)], json!("1")),
        ("max_character_frequency", [json!(0.01), json!(-1), json!(null)], json!([1])),
        ("min_pwned_matches", [json!(1), json!(-1), json!(null)], json!(true)),
    ] {
        for number in fits {
            let (cost, reply) = ask(key, number);
            reply.done();
            assert_eq!(cost, 0, "nothing is hashed");
        }
        let (_, reply) = ask(key, invalid_parameters);
        let problems = &reply.refused("invalid request parameters")["response"]["problems"];
        assert_eq!(problems[0]["param"], key);
    }
}
