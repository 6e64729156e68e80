//! Guesses at passwords, and locks after too many of them, while the disk fails.

use crate::failures::disk;
use crate::vfs::{self, Operation};
use serde_json::json;
use std::time::Duration;
use support::{GOOD_PASSWORD, TestServer, session_body};

const FAILING: [Operation; 3] = [Operation::Write, Operation::Sync, Operation::Grow];
const LOCK_TIME: Duration = Duration::from_secs(3600);

#[test]
fn while_the_disk_fails_one_password_of_an_account_is_looked_at_and_counts_later() {
    let _turn = disk();
    for mode in ["account", "account-and-client"] {
        for operation in FAILING {
            let server = TestServer::start_with(&[("LOCKMODE", mode), ("USERLOCKTRIES", "1")]);
            let (alice, _) = server.member("alice");
            let checks = |password: &str| {
                let body = json!({ "email": alice.email, "password": password });
                server.hashes_of(|| server.ask("user-passcheck-nosession", body))
            };
            vfs::fail(operation, 0);
            let (hashes, first) = checks("wrong");
            first.unavailable();
            assert_eq!(hashes, 1);
            for password in ["wrong", GOOD_PASSWORD, "wrong"] {
                let (hashes, next) = checks(password);
                next.unavailable();
                assert_eq!(hashes, 0, "{mode}, {operation:?}: a guess for free");
            }
            vfs::heal();
            // The one guess that was looked at counts: with this one it is one too many.
            let (_, locked) = checks("wrong");
            assert!(locked.messages()[0].contains("locked for now"), "{mode}, {operation:?}: {locked:?}");
            assert!(!checks(GOOD_PASSWORD).1.succeeded());
            server.later(LOCK_TIME);
            checks(GOOD_PASSWORD).1.done();
        }
    }
}

/// A lock that has ended is lifted in the database before an account is looked at. Where that fails, nobody knows
/// whether a "no" is due to the lock alone.
#[test]
fn a_lock_that_has_ended_but_cannot_be_lifted_is_no_verdict() {
    let _turn = disk();
    for operation in FAILING {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        let (_, bob) = server.member("bob");
        let (session, bobs) = (server.new_session(Some(user_id)), server.new_session(Some(bob)));
        let exists = |token: &str| server.ask("session-exists", json!({ "session_token": token }));
        for _ in 0..11 {
            let _ = alice.tries("wrong");
        }
        exists(&session).refused("session does not exist or expired");
        server.later(LOCK_TIME);
        vfs::fail(operation, 0);
        exists(&session).refused("DB error when retrieving session info");
        exists(&bobs).done();
        let may = json!({
            "user_id": user_id, "user_role": "authenticated", "action": "view", "target_name": "dataset",
            "target_owner": 1, "target_visibility": "public", "target_sharedwith": "",
        });
        server.ask("user-check-access", may.clone()).refused("exception when checking the DB");
        server.ask("session-new", session_body(Some(user_id))).refused("DB error when making new session");
        let check = json!({ "session_token": session, "password": GOOD_PASSWORD });
        server.ask("user-passcheck", check.clone()).unavailable();
        vfs::heal();
        exists(&session).done();
        server.ask("user-check-access", may).done();
        server.ask("user-passcheck", check).done();
    }
}
