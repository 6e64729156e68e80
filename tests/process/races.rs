//! Requests that overtake one another at the real server: threads, sockets and disk as in production.

use rusqlite::Connection;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use support::machine::{Machine, Running};

/// Rounds of each race. With checks made before the write, most rounds let something through.
const ROUNDS: usize = 5;
const THREADS: usize = 4;

fn done(server: &Running, request: &str, body: &Value) -> Value {
    let answer = server.ask(request, body);
    assert_eq!(answer["success"], true, "{request}: {answer}");
    answer["response"].clone()
}

fn member(server: &Running, name: &str) -> i64 {
    let email = format!("{name}@example.org");
    let body = json!({ "full_name": name, "email": email, "password": "aROwQin9L8nNtPTEMLXd" });
    let user_id = done(server, "user-new", &body)["user_id"].as_i64().expect("a number");
    done(server, "user-set-emailverified", &json!({ "email": email }));
    user_id
}

fn edit(server: &Running, target: i64, changes: &Value) {
    done(server, "internal-user-edit", &json!({ "target_userid": target, "update_dict": changes }));
}

fn toggle(server: &Running, target: i64, action: &str) {
    done(server, "internal-user-lock", &json!({ "target_userid": target, "action": action }));
}

fn session_body(user_id: i64) -> Value {
    json!({
        "ip_address": "192.0.2.1", "user_agent": "x", "user_id": user_id, "expires": 1, "extra_info_json": null,
    })
}

/// Has threads ask over and over, does something meanwhile, and lets the threads finish what they have begun.
fn asked_over_and_over(ask: impl Fn(usize) -> bool + Sync, meanwhile: impl FnOnce()) {
    let stopped = AtomicBool::new(false);
    let (succeeded, successes) = mpsc::channel();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (ask, stopped, succeeded) = (&ask, &stopped, succeeded.clone());
            scope.spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    if ask(thread) {
                        // Nobody may be listening any more.
                        let _ = succeeded.send(());
                    }
                }
            });
        }
        drop(succeeded);
        for _ in 0..2 * THREADS {
            successes.recv().expect("the threads go on until they are stopped");
        }
        meanwhile();
        stopped.store(true, Ordering::Relaxed);
    });
}

#[test]
fn nothing_is_issued_behind_a_lock_a_deactivation_or_another_role() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let user_id = member(&server, "alice");
    let key = json!({
        "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_seconds": 900,
        "not_valid_before": -1, "user_id": user_id, "user_role": "authenticated",
        "ip_address": "192.0.2.1", "refresh_expires": 900, "refresh_nbf": -1,
    });
    let left = || -> i64 {
        let database = Connection::open(machine.path(".authdb.sqlite")).expect("opens");
        let count = "SELECT (SELECT count(*) FROM apikeys_nosession) + (SELECT count(*) FROM sessions)";
        database.query_row(count, [], |row| row.get(0)).expect("reads")
    };
    // A session is for an active user whatever their role, so another role does not keep anybody from the next one.
    for (how, with_sessions) in [("lock", true), ("deactivation", true), ("role", false)] {
        for round in 0..ROUNDS {
            let ask = |thread: usize| {
                let answer = if with_sessions && thread % 2 == 1 {
                    server.ask("session-new", &session_body(user_id))
                } else {
                    server.ask("apikey-new-nosession", &key)
                };
                answer["success"] == true
            };
            asked_over_and_over(ask, || match how {
                "lock" => toggle(&server, user_id, "lock"),
                "deactivation" => edit(&server, user_id, &json!({ "is_active": false })),
                _ => edit(&server, user_id, &json!({ "user_role": "staff" })),
            });
            match how {
                "lock" => toggle(&server, user_id, "unlock"),
                "deactivation" => edit(&server, user_id, &json!({ "is_active": true })),
                // The way back ends everything too, so this is looked at before it.
                _ => assert_eq!(left(), 0, "{how}, round {round}"),
            }
            assert_eq!(left(), 0, "{how}, round {round}");
            if how == "role" {
                edit(&server, user_id, &json!({ "user_role": "authenticated" }));
            }
        }
    }
    server.stops();
}

#[test]
fn nothing_is_edited_behind_the_editors_demotion() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let (alice, carol) = (member(&server, "alice"), member(&server, "carol"));
    let name = || {
        let found = done(&server, "user-list", &json!({ "user_id": alice }));
        found["user_info"][0]["full_name"].clone()
    };
    for round in 0..2 * ROUNDS {
        edit(&server, carol, &json!({ "user_role": "superuser" }));
        let session = done(&server, "session-new", &session_body(carol))["session_token"].clone();
        let count = std::sync::atomic::AtomicUsize::new(0);
        let ask = |_: usize| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let body = json!({
                "user_id": carol, "user_role": "superuser", "session_token": session, "target_userid": alice,
                "update_dict": { "full_name": format!("Alice {round} {number}") },
            });
            server.ask("user-edit", &body)["success"] == true
        };
        let mut seen = Value::Null;
        asked_over_and_over(ask, || {
            edit(&server, carol, &json!({ "user_role": "authenticated" }));
            seen = name();
        });
        assert_eq!(name(), seen, "round {round}");
    }
    server.stops();
}
