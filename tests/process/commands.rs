//! The operator's commands beside a running server: they work on its database, and it notices at once.

use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Stdio;
use support::machine::{Machine, Running};
use support::parser::value_of;

const PASSWORD: &str = "a password that nobody has ever guessed";

/// Runs a command on the machine's base directory; its exit status, standard output and standard error.
fn runs(machine: &Machine, words: &[&str], input: &str) -> (i32, String, String) {
    let mut command = machine.command(&[]);
    let mut child = command.args(words).stdin(Stdio::piped()).spawn().expect("the program starts");
    // A command that fails early does not read.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("an exit status"), text(output.stdout), text(output.stderr))
}

/// The same to a good end; what it answers a program.
fn does(machine: &Machine, words: &[&str], input: &str) -> Value {
    let (status, output, errors) = runs(machine, &[words, &["--json"]].concat(), input);
    assert_eq!((status, errors.as_str()), (0, ""), "{words:?}: {output}");
    value_of(&output).expect("JSON")
}

fn adds_alice(machine: &Machine) {
    let words = ["user", "add", "alice@example.org", "--name=Alice", "--password=-"];
    does(machine, &words, PASSWORD);
}

fn logs_in(server: &Running, email: &str, password: &str) -> Value {
    let body = json!({ "session_token": server.new_session(), "email": email, "password": password });
    server.ask("user-login", &body)
}

/// A session that Alice is logged in with.
fn session_of(server: &Running, user_id: i64) -> String {
    let body = json!({
        "ip_address": "192.0.2.7", "user_agent": "a browser\u{1b}[2J", "user_id": user_id, "expires": 1,
        "extra_info_json": null
    });
    let answer = server.ask("session-new", &body);
    answer["response"]["session_token"].as_str().expect("a session").to_owned()
}

#[test]
fn locks_of_passwords_and_codes_are_shown_and_an_unlock_ends_them_all() {
    let machine = Machine::new();
    let server = machine.starts(&[("LOCKMODE", "account-and-client"), ("USERLOCKTRIES", "1")]);
    adds_alice(&machine);
    for _ in 0..2 {
        assert_eq!(logs_in(&server, "alice@example.org", "wrong")["success"], false);
    }
    let code = json!({ "email": "alice@example.org", "code": "wrong", "new_password": PASSWORD });
    let is_locked = || {
        let answer = server.ask("reset-finish", &code);
        answer["failure_reason"] == "locked after too many wrong codes"
    };
    server.waits_until(is_locked);
    let locks = || does(&machine, &["lock", "list"], "")["locks"].as_array().expect("a list").clone();
    let what = |locks: &[Value]| -> Vec<_> {
        let mut found: Vec<_> =
            locks.iter().map(|lock| lock["what"].as_str().expect("a text").to_owned()).collect();
        found.sort();
        found
    };
    assert_eq!(what(&locks()), ["passwords", "reset codes"]);
    for lock in locks() {
        assert_eq!((&lock["user_id"], &lock["email"]), (&json!(4), &json!("alice@example.org")));
        assert!(lock["network"].as_str().is_some_and(|network| network.ends_with("/24")), "{lock}");
        assert!(lock["until"].is_string() && lock["locked_on"].is_string(), "{lock}");
    }
    let shown = does(&machine, &["user", "show", "4"], "");
    let shown = shown["user"]["attempt_locks"].as_array().or(shown["attempt_locks"].as_array());
    assert_eq!(what(shown.expect("a list")), ["passwords", "reset codes"]);
    let (_, text, _) = runs(&machine, &["user", "show", "4"], "");
    assert!(text.contains("passwords from ") && text.contains("reset codes from "), "{text}");
    let (_, text, _) = runs(&machine, &["lock", "list"], "");
    assert!(text.contains("reset codes"), "{text}");
    does(&machine, &["user", "unlock", "4"], "");
    assert_eq!(what(&locks()), [""; 0]);
    assert!(!is_locked());
    assert_eq!(logs_in(&server, "alice@example.org", PASSWORD)["success"], true);
    server.stops();
}

#[test]
fn an_account_that_is_added_locked_and_unlocked_is_so_for_the_server_at_once() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    adds_alice(&machine);
    assert_eq!(logs_in(&server, "alice@example.org", PASSWORD)["success"], true);
    let session = session_of(&server, 4);
    assert!(server.session_is_live(&session));
    does(&machine, &["user", "lock", "alice@example.org"], "");
    assert_eq!(logs_in(&server, "alice@example.org", PASSWORD)["success"], false);
    assert!(!server.session_is_live(&session), "a lock ends sessions");
    does(&machine, &["user", "unlock", "4"], "");
    assert_eq!(logs_in(&server, "alice@example.org", PASSWORD)["success"], true);
    let other = "another password that is as good";
    does(&machine, &["user", "set-password", "alice@example.org"], other);
    assert_eq!(logs_in(&server, "alice@example.org", PASSWORD)["success"], false);
    assert_eq!(logs_in(&server, "alice@example.org", other)["success"], true);
    does(&machine, &["user", "delete", "alice@example.org", "--yes"], "");
    let (status, ..) = runs(&machine, &["user", "show", "alice@example.org"], "");
    assert_eq!(status, 1);
    assert_eq!(server.health().0, 200, "{}", server.log());
    server.stops();
    assert!(!machine.path(".authdb.sqlite-wal").exists());
    assert_eq!(runs(&machine, &["user", "list"], "").0, 0, "without a server, too");
    assert!(!machine.path(".authdb.sqlite-wal").exists(), "nothing is left beside the database");
}

#[test]
fn a_session_that_is_ended_is_gone_for_the_server_at_once() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    adds_alice(&machine);
    let (one, other, admins) = (session_of(&server, 4), session_of(&server, 4), session_of(&server, 1));
    let listed = does(&machine, &["session", "list", "alice@example.org"], "");
    let sessions = listed["sessions"].as_array().expect("a list");
    assert_eq!((sessions.len(), &sessions[0]["ip_address"]), (2, &json!("192.0.2.7")));
    assert_eq!(does(&machine, &["session", "list"], "")["sessions"].as_array().map(Vec::len), Some(3));
    let (_, text, _) = runs(&machine, &["session", "list"], "");
    assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}[2J"), "{text}");
    assert!(!text.contains(&one) && !listed.to_string().contains(&one));

    let id = sessions[0]["id"].as_str().expect("an ID");
    does(&machine, &["session", "end", id], "");
    let live = [&one, &other].iter().filter(|token| server.session_is_live(token)).count();
    assert_eq!((live, server.session_is_live(&admins)), (1, true));
    assert_eq!(runs(&machine, &["session", "end", id], "").0, 1, "there is none any more");
    assert_eq!(does(&machine, &["session", "end", "--user=alice@example.org"], "")["count"], 1);
    assert!(!server.session_is_live(&one) && !server.session_is_live(&other));
    assert_eq!(does(&machine, &["session", "end", "--all", "--yes"], "")["count"], 1);
    assert!(!server.session_is_live(&admins));
    assert_eq!(server.health().0, 200, "{}", server.log());
}

#[test]
fn an_api_key_that_is_revoked_is_refused_at_once() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    adds_alice(&machine);
    let body = json!({
        "issuer": "us", "audience": "them", "subject": "things", "apiversion": 1, "expires_seconds": 3600,
        "not_valid_before": 0, "refresh_expires": 7200, "refresh_nbf": 0, "user_id": 4, "user_role": "authenticated",
        "ip_address": "192.0.2.7"
    });
    let made = server.ask("apikey-new-nosession", &body);
    let claims = value_of(made["response"]["apikey"].as_str().expect("a key")).expect("claims");
    let verify = || {
        let body = json!({ "apikey_dict": claims, "user_id": 4, "user_role": "authenticated" });
        server.ask("apikey-verify-nosession", &body)["success"] == json!(true)
    };
    let listed = does(&machine, &["apikey", "list", "4"], "");
    assert_eq!(listed["api_keys"].as_array().map(Vec::len), Some(1), "{made}");
    assert_eq!(listed["api_keys"][0]["kind"], "no session");
    server.waits_until(verify);
    assert_eq!(does(&machine, &["user", "show", "4"], "")["api_keys"], 1);
    does(&machine, &["apikey", "revoke", listed["api_keys"][0]["id"].as_str().expect("an ID")], "");
    assert!(!verify());
}

#[test]
fn a_key_with_scopes_is_listed_and_revoked_and_its_last_use_outlives_an_orderly_stop() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    adds_alice(&machine);
    let body =
        json!({ "session_token": session_of(&server, 4), "name": "backup", "scopes": ["view:dataset"] });
    let issued = server.ask("apikey-issue", &body);
    let check = json!({ "apikey": issued["response"]["apikey"], "action": "view", "target_name": "dataset" });
    assert_eq!(server.ask("apikey-check", &check)["response"]["permitted"], true, "{issued}");
    let id = issued["response"]["key_id"].as_str().expect("an ID");
    server.stops();
    let listed = does(&machine, &["apikey", "list", "4"], "");
    let key = &listed["api_keys"][0];
    assert_eq!((&key["id"], &key["kind"], &key["name"]), (&json!(id), &json!("scopes"), &json!("backup")));
    assert!(key["last_used"].is_string() && key["expires"].is_null(), "{key}");
    let server = machine.starts(&[]);
    assert_eq!(server.ask("apikey-check", &check)["success"], true);
    does(&machine, &["apikey", "revoke", id], "");
    assert_eq!(server.ask("apikey-check", &check)["success"], false);
}

#[test]
fn a_command_says_what_it_cannot_find_out() {
    let machine = Machine::new();
    let (status, output, errors) = runs(&machine, &["user", "list"], "");
    assert_eq!((status, output.as_str()), (2, ""));
    assert!(errors.contains("has no file") || errors.contains("there is no database"), "{errors}");
    assert!(!machine.path(".authdb.sqlite").exists() && !machine.path(".authnzerver-secret-key").exists());
    machine.starts(&[]).stops();
    let (status, _, errors) = runs(&machine, &["user", "lst"], "");
    assert!(status == 2 && errors.contains("perhaps user list?"), "{errors}");
}

#[test]
fn health_is_asked_for_and_tells_by_its_exit_status() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let url = format!("--url=http://127.0.0.1:{}", server.port);
    let health = does(&machine, &["health", &url], "");
    assert_eq!((&health["Health-Ok"], &health["Expected-Workers"]), (&json!(true), &json!(4)));
    std::fs::rename(machine.path(".authdb.sqlite"), machine.path("moved")).expect("moved");
    server.waits_until(|| runs(&machine, &["health", &url], "").0 == 1);
    let (_, text, _) = runs(&machine, &["health", &url], "");
    assert!(text.contains("the database file was replaced or removed"), "{text}");
    server.kills();
    let (status, _, errors) = runs(&machine, &["health", &url], "");
    assert!(status == 2 && errors.contains("no answer from"), "{errors}");
}

#[test]
fn a_database_is_checked_and_compacted_beside_a_running_server() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    for _ in 0..200 {
        server.new_session();
    }
    does(&machine, &["session", "end", "--all", "--yes"], "");
    assert_eq!(does(&machine, &["db", "check"], "")["sound"], true);
    assert_eq!(does(&machine, &["db", "size"], "")["rows"]["sessions"], 0);
    does(&machine, &["db", "compact"], "");
    assert_eq!(does(&machine, &["db", "check"], "")["sound"], true);
    assert!(server.session_is_live(&server.new_session()), "{}", server.log());
    assert_eq!(server.health().0, 200, "{}", server.log());
    assert_eq!(does(&machine, &["settings", "check"], "")["ok"], true);
    server.stops();
}

#[test]
fn a_server_elsewhere_is_asked_by_the_requests_that_it_has() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    adds_alice(&machine);
    let url = format!("--url=http://127.0.0.1:{}", server.port);
    let through = |words: &[&str], input: &str| does(&machine, &[words, &[&url]].concat(), input);
    assert_eq!(through(&["user", "list"], "")["users"].as_array().map(Vec::len), Some(4));
    assert_eq!(
        through(&["user", "list", "--after=3"], ""),
        does(&machine, &["user", "list", "--after=3"], "")
    );
    assert_eq!(through(&["user", "find", "ALICE"], "")["users"][0]["user_id"], 4);
    assert_eq!(through(&["user", "show", "alice@example.org"], "")["user"]["user_id"], 4);
    assert_eq!(through(&["user", "set-role", "4", "staff"], "")["user"]["user_role"], "staff");
    assert_eq!(through(&["user", "edit", "4", "--name=Alicia"], "")["user"]["full_name"], "Alicia");
    assert_eq!(through(&["user", "lock", "alice@example.org"], "")["user"]["is_active"], false);
    assert_eq!(through(&["user", "unlock", "4"], "")["user"]["user_role"], "staff");
    through(&["user", "set-password", "4"], "another password that is as good");
    assert_eq!(logs_in(&server, "alice@example.org", "another password that is as good")["success"], true);
    through(&["user", "delete", "4", "--yes"], "");
    for (words, status, expected) in [
        (&["user", "show", "alice@example.org"][..], 1, "there is no user"),
        (&["user", "show", "4"], 1, "there is no user 4"),
        (&["user", "lock", "1"], 1, "the server refused: "),
        (&["user", "set-role", "1", "locked"], 1, "no account of a person has this role"),
        (&["user", "add", "admin@localhost", "--name=B", "--password=-"], 1, "the server refused: "),
        (&["session", "end", "0123456789abcdef"], 1, "there is no session `0123456789abcdef`"),
        (&["session", "end", "x"], 2, "no ID of a session"),
        (&["apikey", "revoke", "0123456789abcdef"], 1, "there is no API key `0123456789abcdef`"),
        (&["mail", "retry", "9"], 1, "no email 9 waits"),
        (&["mail", "drop", "9", "--yes"], 1, "no email 9 waits"),
    ] {
        let (found, output, errors) = runs(&machine, &[words, &[&url]].concat(), PASSWORD);
        assert_eq!((found, output.as_str()), (status, ""), "{words:?}: {errors}");
        assert!(errors.contains(expected) && errors.lines().count() <= 2, "{words:?}: {errors}");
    }
}

#[test]
fn what_belongs_to_accounts_is_listed_and_ended_elsewhere_as_here() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let url = format!("--url=http://127.0.0.1:{}", server.port);
    let through = |words: &[&str], input: &str| does(&machine, &[words, &[&url]].concat(), input);
    let added = through(&["user", "add", "alice@example.org", "--name=Alice", "--password=-"], PASSWORD);
    assert_eq!(added["user"]["user_id"], 4);
    for _ in 0..2 {
        assert_eq!(logs_in(&server, "alice@example.org", PASSWORD)["success"], true);
    }
    assert_eq!(logs_in(&server, "alice@example.org", "wrong")["success"], false);
    let issued = json!({
        "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_seconds": 900,
        "not_valid_before": 0, "user_id": 4, "user_role": "authenticated", "ip_address": "192.0.2.1",
        "refresh_expires": 900, "refresh_nbf": 0,
    });
    assert_eq!(server.ask("apikey-new-nosession", &issued)["success"], true);
    through(&["user", "add", "bob@example.org", "--name=Bob", "--password=-"], PASSWORD);
    through(&["user", "lock", "bob@example.org"], "");
    session_of(&server, 4);
    for words in [
        &["session", "list"][..],
        &["session", "list", "4"],
        &["apikey", "list"],
        &["apikey", "list", "alice@example.org"],
        &["lock", "list"],
        &["user", "show", "4"],
        &["user", "history", "4"],
        &["mail", "list"],
        &["policy", "explain", "4", "view", "dataset"],
        &["events"],
        &["events", "--user=4", "--kind=login.succeeded"],
    ] {
        let found = through(words, "");
        assert_eq!(found, does(&machine, words, ""), "{words:?}");
        assert!(words[0] == "mail" || found.to_string().len() > 30, "{words:?}: {found}");
    }
    let mut counts = does(&machine, &["stats"], "");
    for file in ["database_bytes", "wal_bytes"] {
        counts.as_object_mut().expect("an object").remove(file).expect("a size");
    }
    assert_eq!(through(&["stats"], ""), counts);

    let first = |listed: &Value, key: &str| listed[key][0]["id"].as_str().expect("one").to_owned();
    let session = first(&through(&["session", "list", "4"], ""), "sessions");
    assert_eq!(through(&["session", "end", &session], "")["count"], 1);
    let key = first(&through(&["apikey", "list"], ""), "api_keys");
    assert_eq!(through(&["apikey", "revoke", &key], "")["count"], 1);
    session_of(&server, 4);
    assert_eq!(through(&["session", "end", "--user=4"], "")["count"], 1);
    assert_eq!(through(&["session", "purge"], "")["count"], 0);
    server.new_session();
    assert_eq!(through(&["session", "end", "--all", "--yes"], "")["count"], 1, "a visitor has one");
    let events = does(&machine, &["events", "verify"], "");
    assert_eq!(events["sound"], true);
    let by = |kind: &str| {
        let listed = does(&machine, &["events", &format!("--kind={kind}")], "");
        listed["events"].as_array().and_then(|events| events.last()).expect("some").clone()
    };
    let here = does(&machine, &["user", "unlock", "bob@example.org"], "");
    assert_eq!(here["user"]["is_active"], true);
    let operator = by("account.unlocked")["operator"].clone();
    assert!(operator.is_string(), "a command here names who typed it");
    for kind in ["account.added", "account.locked", "session.ended", "key.revoked", "sessions.ended"] {
        let event = by(kind);
        assert_eq!((&event["actor"], &event["operator"]), (&json!("operator"), &operator), "{event}");
        assert!(event["request_id"].is_string(), "it came by a request: {event}");
    }
}

#[test]
fn the_event_log_is_checked_and_what_was_altered_or_removed_is_named() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    adds_alice(&machine);
    let failed = logs_in(&server, "alice@example.org", "wrong");
    assert_eq!(failed["success"], false);
    let listed = does(&machine, &["events", "--kind=login.failed"], "");
    assert_eq!((&listed["events"][0]["number"], &listed["events"][0]["user_id"]), (&json!(5), &json!(4)));
    assert_eq!(listed["events"][0]["network"], "192.0.2.0/24");
    let sound = does(&machine, &["events", "verify"], "");
    assert_eq!((&sound["sound"], &sound["first"], &sound["last"]), (&json!(true), &json!(1), &json!(5)));
    let changes = |statement: &str| {
        let database = rusqlite::Connection::open(machine.path(".authdb.sqlite")).expect("opens");
        database.execute_batch(statement).expect("runs");
    };
    changes("UPDATE events SET user_id = 1 WHERE seq = 5");
    let (status, output, _) = runs(&machine, &["events", "verify"], "");
    assert_eq!((status, output.as_str()), (1, "event 5 is not what was written down\n"));
    changes("DELETE FROM events WHERE seq = 3");
    let (status, output, _) = runs(&machine, &["events", "verify", "--json"], "");
    assert_eq!((status, output.as_str()), (1, "{\"missing\":3,\"sound\":false}\n"));
    server.stops();
}
