//! What counts as a guess, and what guesses cost whom.

use authnzerver::app::DELAYED_RESPONSES_MAX;
use authnzerver::clock::{Clock, Timestamp};
use authnzerver::guard::password::{Argon2Cost, Asker, HashLimits, Hasher, HasherSettings};
use authnzerver::guard::secret::PasswordForm;
use authnzerver::presence::Presence;
use authnzerver::server::listen::COROUTINE_STACK_BYTES;
use authnzerver::store::Removal;
use authnzerver::wait::pause;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use support::{GOOD_PASSWORD, Person, Reply, TestServer};

const NO_MATCH: &str = "user does not exist or password doesn't match";
const BY_CLIENT: &[(&str, &str)] = &[("LOCKMODE", "account-and-client")];
/// How long a stranger's failure keeps other strangers from an account that has seen too many.
const SLOWED_SECONDS: f64 = 10.0;
/// A stored hash that takes a while to compute, about a second.
const SLOW_HASH: &str =
    "$argon2id$v=19$m=65536,t=16,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";

fn run(server: &TestServer, statements: &str) {
    server.changes(statements);
}

fn number(server: &TestServer, statement: &str) -> i64 {
    let text = server.stored(&format!("SELECT CAST(({statement}) AS TEXT)"));
    text.and_then(|text| text.parse().ok()).expect("a number")
}

/// Checks a password without a session.
fn checks(server: &TestServer, client: &str, email: &str, password: &str) -> Reply {
    server.ask_from(client, "user-passcheck-nosession", json!({ "email": email, "password": password }))
}

/// A single thread that hashes, and room for so many who wait for it.
fn one_hasher(server: &TestServer, places: usize) -> Hasher {
    let cost = Argon2Cost::parse("m=64,t=1,p=1", true).expect("a cheap cost for tests");
    let ceilings = HashLimits::default();
    let settings = HasherSettings {
        cost,
        form: PasswordForm::AsTyped,
        ceilings,
        threads: 1,
        places: Some(places),
        memory_free: || u64::MAX,
    };
    Hasher::start(&settings, server.app.rng.clone(), server.clock.clone()).expect("a thread starts")
}

/// A client in a network of its own.
fn stranger(number: usize) -> String {
    format!("198.51.{number}.7")
}

/// So many failed attempts, few enough from each network that none is locked.
fn strangers_guess(alice: &Person<'_>, failures: usize) {
    for number in 0..failures {
        alice.tries_from(&stranger(number / 10), "wrong").refused(NO_MATCH);
    }
}

#[track_caller]
fn is_locked(reply: &Reply) {
    reply.refused_without_reason();
}

#[test]
fn a_right_password_that_finds_the_hashers_busy_is_no_failure() {
    let mut server = TestServer::start();
    let hasher = one_hasher(&server, 1);
    server.app_mut().hasher = hasher;
    let (alice, _) = server.member("alice");
    let all_seen = AtomicBool::new(false);
    let busy = std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !all_seen.load(Ordering::Relaxed) {
                    let _ = server.app.hasher.verify(&Asker::server(), &"x".into(), Some(SLOW_HASH));
                    std::thread::yield_now();
                }
            });
        }
        let replies = (0..200).map(|_| alice.logs_in());
        let busy = replies.filter(|reply| matches!(reply, Reply::Rejected(503, Some(_)))).take(30).count();
        all_seen.store(true, Ordering::Relaxed);
        busy
    });
    assert_eq!(busy, 30, "the hashers were busy");
    assert_eq!(number(&server, "SELECT count(*) FROM attempts"), 0, "nothing is written ahead of the test");
    alice.logs_in().done();
}

#[test]
fn right_passwords_count_for_nothing_whatever_fails_around_them() {
    for (error, mended) in [
        ("ALTER TABLE users RENAME TO mislaid", "ALTER TABLE mislaid RENAME TO users"),
        ("ALTER TABLE attempts RENAME TO mislaid", "ALTER TABLE mislaid RENAME TO attempts"),
        (
            "CREATE TRIGGER full BEFORE DELETE ON attempts BEGIN SELECT RAISE(ABORT, 'full'); END",
            "DROP TRIGGER full",
        ),
        (
            "CREATE TRIGGER full BEFORE UPDATE ON users BEGIN SELECT RAISE(ABORT, 'full'); END",
            "DROP TRIGGER full",
        ),
    ] {
        let server = TestServer::start();
        let (alice, _) = server.member("alice");
        alice.tries("wrong").refused(NO_MATCH);
        let before = number(&server, "SELECT sum(failures) FROM attempts");
        let session = server.new_session(None);
        run(&server, error);
        for _ in 0..20 {
            let body = json!({ "session_token": session, "email": alice.email, "password": GOOD_PASSWORD });
            assert!(!server.ask("user-login", body).succeeded(), "{error}");
            let _ = checks(&server, "192.0.2.1", &alice.email, GOOD_PASSWORD);
        }
        run(&server, mended);
        let after = number(&server, "SELECT coalesce(sum(failures), 0) FROM attempts");
        assert!(after <= before, "{error}");
        alice.logs_in().done();
    }
}

#[test]
fn guesses_are_not_for_free_while_failures_cannot_be_written() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    run(&server, "CREATE TRIGGER full BEFORE INSERT ON attempts BEGIN SELECT RAISE(ABORT, 'full'); END");
    let guess = |password: &str| checks(&server, "192.0.2.1", &alice.email, password);
    let (cost, first) = server.hashes_of(|| guess("wrong"));
    assert!(matches!(first, Reply::Rejected(..)), "never a verdict: {first:?}");
    assert_eq!(cost, 1);
    for password in ["wrong", GOOD_PASSWORD] {
        let (cost, next) = server.hashes_of(|| guess(password));
        assert!(matches!(next, Reply::Rejected(..)), "{next:?}");
        assert_eq!(cost, 0, "no further password is looked at");
    }
    run(&server, "DROP TRIGGER full");
    guess("wrong").refused(NO_MATCH);
    assert_eq!(server.delays(), [1.5], "the one before counts");
    guess(GOOD_PASSWORD).done();
    guess("wrong").refused(NO_MATCH);
    assert_eq!(server.delays(), [1.0], "but only once");
}

#[test]
fn a_wrong_password_is_one_write_whether_or_not_the_address_is_known() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let commits_of = |email: &str| {
        let before = server.commits();
        checks(&server, "192.0.2.1", email, "wrong").refused(NO_MATCH);
        server.commits() - before
    };
    for round in 0..3 {
        assert_eq!(commits_of(&alice.email), 1, "known, round {round}");
        assert_eq!(commits_of("nobody@example.org"), 1, "unknown, round {round}");
    }
}

#[test]
fn when_somebody_tried_and_when_they_succeeded_is_noted() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let noted = || {
        let list = server.ask("user-list", json!({ "user_id": user_id }));
        let user = &list.done()["user_info"][0];
        ["last_login_try", "last_login_success", "failed_login_tries"].map(|key| user[key].clone())
    };
    let minute = Duration::from_secs(60);
    alice.tries("wrong").refused(NO_MATCH);
    assert_eq!(noted(), [json!("2026-11-23T15:00:00"), json!(null), json!(1)]);
    server.later(minute);
    alice.tries("wrong").refused(NO_MATCH);
    assert_eq!(noted(), [json!("2026-11-23T15:01:00"), json!(null), json!(2)]);
    server.later(minute);
    alice.logs_in().done();
    assert_eq!(noted(), [json!("2026-11-23T15:02:00"), json!("2026-11-23T15:02:00"), json!(0)]);
    server.later(minute);
    alice.tries("wrong").refused(NO_MATCH);
    assert_eq!(noted(), [json!("2026-11-23T15:03:00"), json!("2026-11-23T15:02:00"), json!(1)]);
}

#[test]
fn a_login_counts_only_if_the_account_is_still_as_it_was_when_the_password_fitted() {
    for change in ["is_active = 0", "user_role = 'locked'", "email_verified = 0", "password = 'another'"] {
        let server = TestServer::start();
        let (alice, user_id) = server.member("alice");
        // The session that a login ends goes in the transaction that commits the login.
        run(
            &server,
            &format!(
                "CREATE TRIGGER meanwhile AFTER DELETE ON sessions
                 BEGIN UPDATE users SET {change} WHERE user_id = {user_id}; END"
            ),
        );
        alice.logs_in().refused(NO_MATCH);
        let success =
            server.stored(&format!("SELECT last_login_success FROM users WHERE user_id = {user_id}"));
        assert_eq!(success, None, "{change}");
    }
}

#[test]
fn no_more_responses_are_delayed_than_there_is_room_for() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let mut held: Vec<_> =
        (0..DELAYED_RESPONSES_MAX).map(|_| server.app.delayed.one_more().expect("room")).collect();
    for _ in 0..3 {
        // Told to come again at once; it was a guess all the same.
        alice.tries("wrong").rejected(503);
    }
    assert!(server.delays().is_empty());
    held.pop();
    alice.tries("wrong").refused(NO_MATCH);
    assert_eq!(server.delays(), [3.375], "the fourth failure");
    alice.logs_in().done();
}

#[test]
fn failures_from_a_time_that_lies_ahead_do_not_count() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    for _ in 0..9 {
        alice.tries("wrong").refused(NO_MATCH);
    }
    server.delays();
    // As after a small correction of the clock.
    run(&server, "UPDATE attempts SET last_try = '2026-11-23 15:00:30.000000'");
    alice.tries("wrong").refused(NO_MATCH);
    assert!(server.delays()[0] > 38.0);
    run(&server, "UPDATE attempts SET last_try = '2056-11-23 15:00:00.000000'");
    alice.tries("wrong").refused(NO_MATCH);
    assert_eq!(server.delays(), [1.0]);
}

/// Tries until it is not told to come again.
fn insists(server: &TestServer, email: &str) -> Reply {
    loop {
        match checks(server, "192.0.2.1", email, "wrong") {
            // Not merely a yield: among coroutines that only yield, one that is woken by a thread may never run.
            Reply::Rejected(503, _) => pause(Duration::from_millis(1)),
            answered => return answered,
        }
    }
}

fn tested(replies: impl Iterator<Item = Reply>) -> usize {
    let has_reason = |answer: &serde_json::Value| answer.get("failure_reason").is_some();
    replies.filter(|reply| matches!(reply, Reply::Answered(answer) if has_reason(answer))).count()
}

#[test]
fn many_guesses_at_once_get_no_more_tries_than_one_after_another() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let (hashes, tested) = server.hashes_of(|| {
        std::thread::scope(|scope| {
            let guesses: Vec<_> = (0..200).map(|_| scope.spawn(|| insists(&server, &alice.email))).collect();
            tested(guesses.into_iter().map(|guess| guess.join().expect("the server answered")))
        })
    });
    assert_eq!(tested, 10, "the eleventh failure locks");
    assert!(hashes >= 11);
    assert_eq!(number(&server, "SELECT failures FROM attempts"), 11);
}

#[test]
fn many_guesses_at_once_on_coroutines_get_no_more_tries_either() {
    // Coroutines have to be configured before the first one starts, which a listening server does.
    let server = Arc::new(TestServer::start_over_http());
    let (alice, _) = server.member("alice");
    let email = alice.email.clone();
    let words = (COROUTINE_STACK_BYTES / size_of::<usize>()) & !1;
    let guesses: Vec<_> = (0..200)
        .map(|_| {
            let (server, email) = (Arc::clone(&server), email.clone());
            let guess = move || insists(&server, &email);
            may::go!(may::coroutine::Builder::new().stack_size(words), guess).expect("a coroutine starts")
        })
        .collect();
    let replies = guesses.into_iter().map(|guess| guess.join().expect("the server answered"));
    assert_eq!(tested(replies), 10, "the eleventh failure locks");
    assert_eq!(number(&server, "SELECT failures FROM attempts"), 11);
}

/// How long somebody is given who is not to wait at all.
const AT_ONCE: Duration = Duration::from_secs(30);

#[test]
fn nobody_waits_for_attempts_from_another_network() {
    let server = TestServer::start_with(BY_CLIENT);
    let (alice, _) = server.member("alice");
    let (answers, answered) = mpsc::channel();
    let owner = || answers.send(checks(&server, "203.0.113.9", &alice.email, GOOD_PASSWORD));
    let mut at_once = None;
    std::thread::scope(|scope| {
        let guess = json!({ "email": alice.email, "password": "wrong" });
        server.ask_and_meanwhile("user-passcheck-nosession", guess, 0, || {
            // The stranger's attempt is under way, and stays so until the owner has had time enough.
            scope.spawn(owner);
            at_once = answered.recv_timeout(AT_ONCE).ok();
        })
    })
    .refused(NO_MATCH);
    at_once.expect("the owner does not wait").done();
}

#[test]
fn attempts_that_are_locked_wait_for_nobody() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    for _ in 0..11 {
        let _ = alice.tries("wrong");
    }
    let turn = server.app.attempts_mutex.lock(" alice@example.org", &Presence::always());
    let (answers, answered) = mpsc::channel();
    let owner = || answers.send(alice.logs_in());
    let at_once = std::thread::scope(|scope| {
        scope.spawn(owner);
        let at_once = answered.recv_timeout(AT_ONCE).ok();
        drop(turn);
        at_once
    });
    is_locked(&at_once.expect("nothing is tested, so nobody waits"));
}

#[test]
fn of_many_locked_attempts_at_once_few_are_hashed() {
    let mut server = TestServer::start();
    let hasher = one_hasher(&server, 1024);
    server.app_mut().hasher = hasher;
    let (alice, _) = server.member("alice");
    for _ in 0..11 {
        let _ = alice.tries("wrong");
    }
    let (hashes, ()) = server.hashes_of(|| {
        let before = server.app.hasher.hash_operations();
        std::thread::scope(|scope| {
            // The one thread that hashes has something to do for a while.
            scope.spawn(|| server.app.hasher.verify(&Asker::server(), &"x".into(), Some(SLOW_HASH)));
            while server.app.hasher.hash_operations() == before {
                std::thread::yield_now();
            }
            for _ in 0..20 {
                scope.spawn(|| is_locked(&checks(&server, "192.0.2.1", &alice.email, GOOD_PASSWORD)));
            }
        });
    });
    assert!((2..12).contains(&hashes), "{hashes}");
}

#[test]
fn a_hundred_failures_in_all_slow_strangers_and_lock_nobody() {
    let server = TestServer::start_with(BY_CLIENT);
    let (alice, _) = server.member("alice");
    alice.tries_from("203.0.113.9", GOOD_PASSWORD).done();
    strangers_guess(&alice, 99);
    assert!(!server.delays().contains(&SLOWED_SECONDS), "not yet");
    alice.tries_from(&stranger(100), "wrong").refused(NO_MATCH);
    assert_eq!(server.delays(), [1.0], "the hundredth");
    alice.tries_from(&stranger(101), "wrong").refused(NO_MATCH);
    assert_eq!(server.delays(), [SLOWED_SECONDS, 1.0]);
    // The owner, from somewhere new and with the right password, is not delayed.
    alice.tries_from("192.0.2.200", GOOD_PASSWORD).done();
    assert!(server.delays().is_empty());
    // The owner, from where they logged in before, mistypes.
    alice.tries_from("203.0.113.10", "wrong").refused(NO_MATCH);
    assert_eq!(server.delays(), [1.0]);
    alice.tries_from("203.0.113.11", GOOD_PASSWORD).done();
    // A reset forgets strangers and places.
    let reset = json!({ "email": alice.email, "email_address": alice.email, "new_password": "Zq7-tulip-Marble-42", "required_active": true });
    server.ask("user-resetpass-nosession", reset).done();
    alice.tries_from(&stranger(102), "wrong").refused(NO_MATCH);
    assert_eq!(server.delays(), [1.0]);
}

#[test]
fn the_owner_passes_strangers_at_a_slowed_account() {
    let server = TestServer::start_with(BY_CLIENT);
    let (alice, _) = server.member("alice");
    alice.tries_from("203.0.113.9", GOOD_PASSWORD).done();
    strangers_guess(&alice, 100);
    let slowed = server.app.slow_attempts.lock("alice@example.org", &Presence::always());
    let ended = AtomicBool::new(false);
    let (answers, answered) = mpsc::channel();
    let owner = || answers.send(alice.tries_from("203.0.113.9", GOOD_PASSWORD));
    let at_once = std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = alice.tries_from(&stranger(200), "wrong");
            ended.store(true, Ordering::SeqCst);
        });
        scope.spawn(owner);
        let at_once = answered.recv_timeout(AT_ONCE).ok();
        assert!(!ended.load(Ordering::SeqCst), "another stranger waits");
        drop(slowed);
        at_once
    });
    at_once.expect("the owner does not wait").done();
}

#[test]
fn strangers_do_not_take_the_owners_place_in_the_queue_of_the_hashers() {
    let mut server = TestServer::start_with(BY_CLIENT);
    let hasher = one_hasher(&server, 64);
    server.app_mut().hasher = hasher;
    let (alice, _) = server.member("alice");
    alice.tries_from("203.0.113.9", GOOD_PASSWORD).done();
    let done = AtomicBool::new(false);
    let owners = std::thread::scope(|scope| {
        // Something slow is always under way, so that guesses pile up.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = server.app.hasher.verify(&Asker::server(), &"x".into(), Some(SLOW_HASH));
            }
        });
        let (refusals, refused) = mpsc::channel();
        for number in 0..8 {
            let (refusals, server, alice, done) = (refusals.clone(), &server, &alice, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let guess = checks(server, &stranger(number), &alice.email, "wrong");
                    if matches!(guess, Reply::Rejected(503, _)) {
                        let _ = refusals.send(());
                        std::thread::yield_now();
                    }
                }
            });
        }
        let full = refused.recv_timeout(AT_ONCE);
        let owners = checks(&server, "203.0.113.9", &alice.email, GOOD_PASSWORD);
        done.store(true, Ordering::Relaxed);
        full.expect("strangers have no more places");
        owners
    });
    owners.done();
}

/// Removes what a clean-up removes of the attempts; how many rows that were.
fn trim(server: &TestServer, cutoff: Timestamp) -> usize {
    let removals = [Removal::Attempts(cutoff), Removal::SurplusAttempts];
    removals.into_iter().map(|removal| server.app.store.remove(removal, 10_000).expect("removes")).sum()
}

#[test]
fn what_is_remembered_of_guesses_is_bounded() {
    let server = TestServer::start();
    // One row a second before 15:00, of addresses that nobody has, and one from a clock that ran ahead.
    run(
        &server,
        "INSERT INTO attempts (account_hash, network, failures, last_try)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100005)
         SELECT randomblob(32), 'row ' || i, 1, datetime('2026-11-23 15:00:00', '-' || i || ' seconds') FROM n;
         INSERT INTO attempts VALUES (randomblob(32), 'ahead', 1, '2056-01-01 00:00:00.000000', NULL, NULL);
         INSERT INTO attempts VALUES (randomblob(32), 'old', 1, '2026-10-01 00:00:00.000000', NULL, NULL);",
    );
    let month_ago = Timestamp::parse("2026-10-24 15:00:00").expect("a time");
    let removed = trim(&server, month_ago);
    assert_eq!(removed, 1 + 6, "what is old, and what is more than there is room for");
    assert_eq!(number(&server, "SELECT count(*) FROM attempts"), 100_000);
    let is_there = |network: &str| {
        number(&server, &format!("SELECT count(*) FROM attempts WHERE network = '{network}'")) == 1
    };
    assert!(is_there("row 100000") && !is_there("row 100001"), "the oldest go");
    assert!(!is_there("old") && !is_there("ahead"));
    assert_eq!(trim(&server, month_ago), 0);
    assert_eq!(number(&server, "SELECT count(*) FROM attempts"), 100_000);
}

#[test]
fn an_old_lock_that_is_in_force_is_not_trimmed() {
    let server = TestServer::start_with(&[("USERLOCKTIME", "31536000")]);
    let nobody = server.person("nobody");
    for _ in 0..11 {
        let _ = nobody.tries("wrong");
    }
    server.later(Duration::from_secs(60 * 86_400));
    let month_ago = server.clock.now().plus_seconds(-30 * 86_400).expect("a time");
    assert_eq!(trim(&server, month_ago), 0);
    is_locked(&nobody.tries("wrong"));
}
