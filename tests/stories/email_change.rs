//! A change of the address that the new address proves, and that the old one can undo.

use serde_json::{Value, json};
use std::time::Duration;
use support::{GOOD_PASSWORD, Reply, TestServer, code_in, typed_code_in};

const NEW: &str = "new@example.org";
const NEXT_PASSWORD: &str = "Trout-Lamp-93-Quarry";
const BAD_CODE: &str = "the code is not valid, was used, or has expired";
const NO_SESSION: &str = "nobody is logged in with this session";
const NO_MATCH: &str = "user does not exist or password doesn't match";
const TO_BE_PROVEN: &str = "an address is changed with email-change-start, which has it proven";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn start_body(session: &str, email: &str) -> Value {
    json!({
        "session_token": session, "email": email, "link": "https://recipes.example/new-address",
        "undo_link": "https://recipes.example/undo", "site_name": "Recipes", "ip_address": "192.0.2.7",
        "user_agent": "Browser/1.0",
    })
}

fn start(server: &TestServer, session: &str, email: &str) -> Reply {
    server.ask("email-change-start", start_body(session, email))
}

fn finish(server: &TestServer, session: &str, code: &str) -> Reply {
    server.ask("email-change-finish", json!({ "session_token": session, "code": code }))
}

fn undo(server: &TestServer, code: &str) -> Reply {
    server.ask("email-change-undo", json!({ "code": code }))
}

/// Asks for a change; gets the code that undoes it, and the one that makes it.
fn codes_for(server: &TestServer, session: &str, email: &str) -> (String, String) {
    start(server, session, email).done();
    let emails = server.emails();
    assert_eq!((emails.len(), emails[1].to.as_str()), (2, email));
    (code_in(&emails[0]), code_in(&emails[1]))
}

/// Has somebody's address changed in this session; gets the code that undoes it.
fn moves(server: &TestServer, session: &str, email: &str) -> String {
    let (undo, code) = codes_for(server, session, email);
    finish(server, session, &code).done();
    undo
}

fn email_of(server: &TestServer, user_id: i64) -> String {
    server.stored(&format!("SELECT email FROM users WHERE user_id = {user_id}")).expect("a user")
}

#[test]
fn a_new_address_is_proven_and_the_old_one_is_told() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let [session, other] = [(); 2].map(|()| server.new_session(Some(user_id)));
    let reset = {
        let body = json!({
            "email": alice.email, "link": "https://recipes.example/reset", "site_name": "Recipes",
            "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
        });
        server.ask("reset-start", body).done();
        server.emailed_code()
    };
    let started = start(&server, &session, "NEW@example.org");
    let answer = started.done();
    assert_eq!((&answer["next"], &answer["code_seconds"]), (&json!("link"), &json!(86_400)));
    assert_eq!(answer["undo_seconds"], 7 * 86_400);
    let emails = server.emails();
    let to: Vec<_> = emails.iter().map(|email| (email.to.as_str(), email.subject.as_str())).collect();
    let expected = [
        (alice.email.as_str(), "[Recipes] Your address is about to change"),
        (NEW, "[Recipes] Please verify your new address"),
    ];
    assert_eq!(to, expected);
    assert!(emails[0].text.contains("\nhttps://recipes.example/undo?code="), "{}", emails[0].text.as_str());
    let code = code_in(&emails[1]);
    assert_eq!(email_of(&server, user_id), alice.email, "nothing has changed yet");
    assert!(server.session_is_live(&other));
    let stored = server.stored("SELECT group_concat(hex(code_hash), '') FROM codes").expect("codes");
    assert_eq!(stored.len(), 3 * 64, "their SHA-256");

    let finished = finish(&server, &session, &code);
    assert_eq!(finished.done()["email"], NEW);
    assert!(server.session_is_live(&session) && !server.session_is_live(&other));
    server.person("new").logs_in().done();
    alice.logs_in().refused(NO_MATCH);
    finish(&server, &session, &code).refused(BAD_CODE);
    let body = json!({ "code": reset, "new_password": NEXT_PASSWORD });
    server.ask("reset-finish", body).refused(BAD_CODE);
}

#[test]
fn it_takes_a_session_of_ones_own_with_a_fresh_login_and_a_usable_address() {
    let server = TestServer::start_with(&[("BASEURLS", "https://recipes.example")]);
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    start(&server, "none", NEW).refused(NO_SESSION);
    start(&server, &server.new_session(None), NEW).refused(NO_SESSION);
    start(&server, &session, "no address").refused("invalid email");
    start(&server, &session, &alice.email.to_uppercase()).refused("the account has this address already");
    for page in ["link", "undo_link"] {
        let mut body = start_body(&session, NEW);
        body[page] = json!("https://evil.example/x");
        server.ask("email-change-start", body).refused("invalid request: no such link is allowed");
    }
    assert!(server.emails().is_empty());
    server.later(14 * MINUTE + Duration::from_secs(59));
    let (_, code) = codes_for(&server, &session, NEW);
    server.later(Duration::from_secs(1));
    start(&server, &session, NEW).refused("the login is not fresh enough");
    // Finishing takes no fresh one, but one of the same user.
    let (_, stranger) = server.member("stranger");
    finish(&server, &server.new_session(Some(stranger)), &code).refused(BAD_CODE);
    finish(&server, "none", &code).refused(NO_SESSION);
    finish(&server, &session, &code).done();
}

#[test]
fn of_fifty_with_one_code_one_wins() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let (to_undo, code) = codes_for(&server, &session, NEW);
    let winners = |work: &(dyn Fn() -> Reply + Sync)| {
        std::thread::scope(|scope| {
            let coming: Vec<_> = (0..50).map(|_| scope.spawn(work)).collect();
            coming
                .into_iter()
                .filter(|_| true)
                .map(|one| one.join().expect("is answered"))
                .filter(Reply::succeeded)
                .count()
        })
    };
    assert_eq!(winners(&|| finish(&server, &session, &code)), 1);
    assert_eq!(winners(&|| undo(&server, &to_undo)), 1);
    assert_eq!(email_of(&server, user_id), "alice@example.org");
}

#[test]
fn of_fifty_who_want_one_address_one_gets_it() {
    let server = TestServer::start();
    let asking: Vec<_> = (0..50)
        .map(|number| {
            let session = server.new_session(Some(server.member(&format!("user{number}")).1));
            let (_, code) = codes_for(&server, &session, NEW);
            (session, code)
        })
        .collect();
    let server = &server;
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let coming: Vec<_> =
            asking.iter().map(|(session, code)| scope.spawn(move || finish(server, session, code))).collect();
        coming.into_iter().map(|one| one.join().expect("is answered")).collect()
    });
    assert_eq!(replies.iter().filter(|reply| reply.succeeded()).count(), 1);
    for reply in replies.iter().filter(|reply| !reply.succeeded()) {
        reply.refused(BAD_CODE);
    }
}

#[test]
fn asking_for_an_address_tells_nobody_who_has_it() {
    let server = TestServer::start();
    let (taken, _) = server.member("taken");
    let pending = server.person("pending");
    pending.signs_up().done();
    let (locked, locked_id) = server.member("locked");
    server.ask("internal-user-lock", json!({ "target_userid": locked_id, "action": "lock" })).done();
    let course = |name: &str, email: &str| {
        let (_, user_id) = server.member(name);
        let session = server.new_session(Some(user_id));
        // A code for another address, from before.
        let (_, code) = codes_for(&server, &session, &format!("{name}-first@example.org"));
        server.later(MINUTE);
        server.holds_emails();
        let mut steps: Vec<_> = (0..2)
            .map(|_| {
                let commits = server.commits();
                let (hashes, reply) = server.hashes_of(|| start(&server, &session, email));
                (hashes, server.commits() - commits, reply.response().clone())
            })
            .collect();
        let own = server.emails().into_iter().filter(|sent| sent.to == format!("{name}@example.org")).count();
        let old = finish(&server, &session, &code);
        steps.push((own as u64, 0, old.response().clone()));
        steps
    };
    let free = course("first", "free@example.org");
    assert!(free[..2].iter().all(|(hashes, commits, _)| (*hashes, *commits) == (0, 1)), "{free:?}");
    assert_eq!((free[2].0, &free[2].2["failure_reason"]), (1, &json!(BAD_CODE)), "the code before has ended");
    for (name, email) in [("second", &taken.email), ("third", &pending.email), ("fourth", &locked.email)] {
        assert_eq!(course(name, email), free, "{email}");
    }
}

#[test]
fn whoever_has_the_address_is_told_and_nothing_changes() {
    let server = TestServer::start();
    let (bob, _) = server.member("bob");
    let (_, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    start(&server, &session, &bob.email).done();
    let emails = server.emails();
    let told = emails.iter().find(|email| email.to == bob.email).expect("is told");
    assert_eq!(told.subject, "[Recipes] You already have an account");
    assert!(!told.text.contains("code"), "{}", told.text.as_str());
    assert_eq!(email_of(&server, user_id), "alice@example.org");
    bob.logs_in().done();
}

#[test]
fn an_address_that_somebody_got_meanwhile_is_not_taken_from_them() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let (_, code) = codes_for(&server, &session, NEW);
    server.member("new");
    finish(&server, &session, &code).refused(BAD_CODE);
    assert_eq!(email_of(&server, user_id), "alice@example.org");
}

#[test]
fn undoing_a_change_throws_whoever_made_it_out() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let to_undo = moves(&server, &session, NEW);
    let mallory = server.person("new");
    // They change the password, and have a login and a reset under way; none of it helps them.
    let change = json!({
        "user_id": user_id, "full_name": "", "email": NEW, "current_password": GOOD_PASSWORD,
        "new_password": NEXT_PASSWORD, "session_token": session,
    });
    server.ask("user-changepass", change).done();
    let reset = json!({
        "email": NEW, "link": "https://recipes.example/reset", "site_name": "Recipes",
        "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
    });
    server.ask("reset-start", reset.clone()).done();
    let code = server.emailed_code();
    server.later(6 * DAY + 23 * 60 * MINUTE);
    let session = server.new_session(Some(user_id));
    let undone = undo(&server, &to_undo);
    let answer = undone.done();
    assert_eq!((&answer["next"], &answer["email"]), (&json!("reset"), &json!(alice.email)));
    assert!(!server.session_is_live(&session));
    mallory.tries(NEXT_PASSWORD).refused(NO_MATCH);
    server.later(MINUTE);
    for password in [GOOD_PASSWORD, NEXT_PASSWORD] {
        alice.tries(password).refused(NO_MATCH);
        server.later(MINUTE);
    }
    server.ask("reset-finish", json!({ "code": code, "new_password": NEXT_PASSWORD })).refused(BAD_CODE);
    server.ask("reset-start", reset.clone()).done();
    assert!(server.emails().is_empty(), "the new address is nobody's");
    let mut own = reset;
    own["email"] = json!(alice.email);
    server.ask("reset-start", own).done();
    let code = server.emailed_code();
    server.ask("reset-finish", json!({ "code": code, "new_password": "Quarry-Moth-51-Kettle" })).done();
    alice.tries("Quarry-Moth-51-Kettle").done();
    undo(&server, &to_undo).refused(BAD_CODE);
}

#[test]
fn a_change_may_be_undone_before_it_is_made_and_within_seven_days() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let (to_undo, code) = codes_for(&server, &session, NEW);
    undo(&server, &to_undo).done();
    let session = server.new_session(Some(user_id));
    finish(&server, &session, &code).refused(BAD_CODE);
    assert_eq!(email_of(&server, user_id), alice.email);
    server.later(MINUTE);
    let to_undo = moves(&server, &server.new_session(Some(user_id)), NEW);
    server.later(7 * DAY);
    undo(&server, &to_undo).refused(BAD_CODE);
}

#[test]
fn the_oldest_address_has_the_last_word() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let first = moves(&server, &session, NEW);
    server.later(MINUTE);
    let second = moves(&server, &session, "newest@example.org");
    // By undoing the later change, the earlier one does not become final.
    undo(&server, &second).done();
    assert_eq!(email_of(&server, user_id), NEW);
    server.later(MINUTE);
    let third = codes_for(&server, &server.new_session(Some(user_id)), "newest@example.org").0;
    undo(&server, &first).done();
    assert_eq!(email_of(&server, user_id), alice.email);
    undo(&server, &third).refused(BAD_CODE);
}

#[test]
fn an_email_that_undoes_is_sent_to_the_old_address_however_late() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let (_, code) = codes_for(&server, &session, NEW);
    // As if the old address's mail server had not taken it at first.
    server.changes(
        "UPDATE email_queue SET state = 'waiting', address = 'alice@example.org', site = 'Recipes',
         page = 'https://recipes.example/undo', next_try = '2026-11-24 00:00:00.000000'
         WHERE purpose = 'email-undo'",
    );
    finish(&server, &session, &code).done();
    server.later(DAY);
    let emails = server.emails();
    assert_eq!((emails.len(), emails[0].to.as_str()), (1, alice.email.as_str()));
    undo(&server, &code_in(&emails[0])).done();
    assert_eq!(email_of(&server, user_id), alice.email);
}

#[test]
fn a_sign_up_does_not_keep_an_address_from_whoever_had_it_and_a_proven_account_does() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let to_undo = moves(&server, &server.new_session(Some(user_id)), NEW);
    alice.signs_up().done();
    undo(&server, &to_undo).done();
    assert_eq!(email_of(&server, user_id), alice.email);

    let (bob, bob_id) = server.member("bob");
    let to_undo = moves(&server, &server.new_session(Some(bob_id)), "bobs-new@example.org");
    bob.signs_up().done();
    server.ask("user-set-emailverified", json!({ "email": bob.email })).done();
    undo(&server, &to_undo).refused("another account has the address now");
    assert_eq!(email_of(&server, bob_id), "bobs-new@example.org");
}

#[test]
fn what_a_person_decides_about_the_account_is_not_undone() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let to_undo = moves(&server, &server.new_session(Some(user_id)), NEW);
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "lock" })).done();
    undo(&server, &to_undo).refused(BAD_CODE);
    server.ask("internal-user-lock", json!({ "target_userid": user_id, "action": "unlock" })).done();
    let edit = json!({ "target_userid": user_id, "update_dict": { "email": "decided@example.org" } });
    server.ask("internal-user-edit", edit).done();
    undo(&server, &to_undo).refused(BAD_CODE);
    assert_eq!(email_of(&server, user_id), "decided@example.org");
}

#[test]
fn with_proof_an_edit_does_not_change_an_address() {
    for (mode, refuses) in [("direct", false), ("proof", true)] {
        let server = TestServer::start_with(&[("EMAILCHANGE", mode)]);
        let (alice, user_id) = server.member("alice");
        let edit = |update: Value| {
            let body = json!({
                "user_id": user_id, "user_role": "authenticated",
                "session_token": server.new_session(Some(user_id)), "target_userid": user_id,
                "update_dict": update,
            });
            server.ask("user-edit", body)
        };
        edit(json!({ "full_name": "Another Name", "email": alice.email })).done();
        let edited = edit(json!({ "full_name": "A Third Name", "email": NEW }));
        if refuses {
            edited.refused(TO_BE_PROVEN);
            assert_eq!(email_of(&server, user_id), alice.email);
            let edit = json!({ "target_userid": user_id, "update_dict": { "email": NEW } });
            server.ask("internal-user-edit", edit).done();
        } else {
            edited.done();
        }
        assert_eq!(email_of(&server, user_id), NEW);
    }
}

#[test]
fn an_account_gets_five_such_emails_a_day() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let mut sent = 0;
    for number in 0..8 {
        let session = server.new_session(Some(user_id));
        for _ in 0..2 {
            start(&server, &session, &format!("new{number}@example.org")).done();
        }
        sent += server.emails().len();
        server.later(MINUTE);
    }
    assert_eq!(sent, 2 * 5);
}

#[test]
fn a_code_may_be_typed_and_undoing_always_takes_a_link() {
    let server = TestServer::start_with(&[("CODES", "typed")]);
    let (_, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    assert_eq!(start(&server, &session, NEW).done()["next"], "code");
    let emails = server.emails();
    let finish = |code: &str| {
        let body = json!({ "session_token": session, "code": code, "email": "NEW@example.org" });
        server.ask("email-change-finish", body)
    };
    assert_eq!(finish("ABCD-EFGH").refused(BAD_CODE)["retry_after"], 1);
    server.later(MINUTE);
    finish(&typed_code_in(&emails[1])).done();
    undo(&server, &code_in(&emails[0])).done();
}

#[test]
fn whoever_moved_an_account_away_does_not_get_it_back_after_it_has_returned() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    moves(&server, &session, NEW);
    server.later(DAY);
    // Alice still knows the password, and moves the account back herself. The other address is told, with a code.
    let mallorys = moves(&server, &server.new_session(Some(user_id)), &alice.email);
    server.later(6 * DAY + MINUTE);
    undo(&server, &mallorys).refused(BAD_CODE);
    assert_eq!(email_of(&server, user_id), alice.email);
    alice.logs_in().done();
}

#[test]
fn wrong_codes_count_against_the_account_that_is_to_be_changed_and_end_no_codes_of_others() {
    let server = TestServer::start_with(&[("CODES", "typed"), ("RATELIMITS", "none")]);
    let [(alice, alices_id), (_, mallorys_id)] = ["alice", "mallory"].map(|name| server.member(name));
    let [session, mallorys] = [alices_id, mallorys_id].map(|user_id| server.new_session(Some(user_id)));
    start(&server, &session, NEW).done();
    let code = typed_code_in(&server.emails()[1]);
    let types = |client: &str, session: &str, email: &str, code: &str| {
        let body = json!({ "session_token": session, "code": code, "email": email });
        server.ask_from(client, "email-change-finish", body)
    };
    for number in 0..200 {
        // From everywhere, so that no network is locked.
        let client = format!("198.51.{number}.1");
        let email = if number % 2 == 0 { alice.email.as_str() } else { NEW };
        types(&client, &mallorys, email, "AAAA-AAAA").refused(BAD_CODE);
    }
    let about = |user_id: i64| {
        let count = format!(
            "SELECT CAST(count(*) AS TEXT) FROM events WHERE kind = 'code.failed' AND user_id = {user_id}"
        );
        server.stored(&count).expect("a number")
    };
    assert_eq!((about(alices_id).as_str(), about(mallorys_id).as_str()), ("0", "200"));
    types("192.0.2.7", &session, NEW, &code).done();
}

#[test]
fn no_other_account_is_moved_to_an_address_while_a_change_away_from_it_can_be_undone() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let to_undo = moves(&server, &server.new_session(Some(user_id)), NEW);
    let (_, other) = server.member("other");
    let body = json!({
        "user_id": other, "user_role": "authenticated", "session_token": server.new_session(Some(other)),
        "target_userid": other, "update_dict": { "email": alice.email },
    });
    assert!(!server.ask("user-edit", body.clone()).succeeded());
    undo(&server, &to_undo).done();
    assert_eq!(email_of(&server, user_id), alice.email);
}
