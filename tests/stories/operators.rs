//! What an operator does to accounts from the server's own machine, by the operations that requests use too.

use authnzerver::accounts::actor::{Operator, Performer, Requester};
use authnzerver::accounts::add_user::{AddRefused, Added, Addition, add_user};
use authnzerver::accounts::delete::{DeleteRefused, delete};
use authnzerver::accounts::edit::{EditRefused, edit};
use authnzerver::accounts::error::OperationError;
use authnzerver::accounts::keys::{self, ListedKind};
use authnzerver::accounts::set_password::{Reset, ResetRefused, reset};
use authnzerver::accounts::{lock, sessions};
use authnzerver::app::Context;
use authnzerver::guard::secret::Password;
use authnzerver::guard::token::StoredToken;
use authnzerver::policy::email::EmailAddress;
use authnzerver::store::locks::Lock;
use authnzerver::user_id::UserId;
use serde_json::{Value, json};
use std::time::Duration;
use support::{GOOD_PASSWORD, Person, TestServer, session_body};

fn operator() -> Operator {
    Operator { login: "root".to_owned() }
}

fn by() -> Performer {
    Performer::Operator(operator())
}

fn done<T, R>(result: Result<T, OperationError<R>>) -> T {
    result.unwrap_or_else(|_| panic!("it was to be done"))
}

fn refused<T, R>(result: Result<T, OperationError<R>>) -> R {
    match result {
        Err(OperationError::Refused(why)) => why,
        _ => panic!("it was to be refused"),
    }
}

fn adds(
    server: &TestServer,
    email: &str,
    role: &str,
    password: &str,
) -> Result<Added, OperationError<AddRefused>> {
    let password = Password::from(password);
    let addition = Addition { email, full_name: "Carol", password: &password, role };
    add_user(&mut Context::of_server(&server.app), &by(), &addition)
}

fn edits(server: &TestServer, user_id: i64, update: Value) -> Result<(), OperationError<EditRefused>> {
    let Value::Object(update) = update else { panic!("an object") };
    let context = Context::of_server(&server.app);
    edit(&context, Requester::Operator(operator()), UserId::new(user_id), update).map(drop)
}

fn keys_of(server: &TestServer, kind: ListedKind, user_id: i64) -> usize {
    let context = Context::of_server(&server.app);
    keys::list(&context, kind, UserId::new(user_id), None, 10).expect("reads").len()
}

fn issues_a_key_of_each_kind(server: &TestServer, user_id: i64) {
    let session_token = server.new_session(Some(user_id));
    let mut ask = json!({
        "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "not_valid_before": -1,
        "user_id": user_id, "user_role": "authenticated", "ip_address": "192.0.2.1",
        "expires_seconds": 86_400, "refresh_expires": 86_400, "refresh_nbf": -1,
    });
    server.ask("apikey-new-nosession", ask.clone()).done();
    ask["session_token"] = session_token.into();
    ask["user_agent"] = session_body(None)["user_agent"].clone();
    ask["expires_days"] = 1.into();
    server.ask("apikey-new", ask.clone()).done();
    ask["name"] = "backup".into();
    ask["scopes"] = json!(["view:dataset"]);
    server.ask("apikey-issue", ask).done();
}

#[test]
fn a_user_who_is_added_logs_in_at_once() {
    let server = TestServer::start();
    let added = done(adds(&server, "Carol@Example.org", "superuser", GOOD_PASSWORD));
    assert_eq!(added.email.as_str(), "carol@example.org");
    let logged_in = server.person("carol").logs_in();
    assert_eq!(logged_in.done()["user_id"], added.user_id.get());
    assert_eq!(logged_in.done()["user_role"], "superuser");
}

#[test]
fn who_cannot_sign_up_or_is_here_already_is_not_added() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let users = || server.stored("SELECT CAST(count(*) AS TEXT) FROM users");
    let before = users();
    let add =
        |email: &str, role: &str, password: &str| refused(adds(&server, email, role, password).map(drop));
    assert!(matches!(add("carol", "authenticated", GOOD_PASSWORD), AddRefused::BadEmail));
    assert!(matches!(add(&alice.email, "authenticated", GOOD_PASSWORD), AddRefused::Known));
    for role in ["anonymous", "locked", "nobody"] {
        assert!(matches!(add("carol@example.org", role, GOOD_PASSWORD), AddRefused::NoSuchRole), "{role}");
    }
    let weak = add("carol@example.org", "authenticated", "password");
    assert!(matches!(weak, AddRefused::BadPassword(broken) if !broken.is_empty()));
    assert_eq!(users(), before);
}

#[test]
fn an_added_address_is_proven_even_if_a_stranger_signed_it_up_before() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let internal_edit = |update: Value| {
        server.ask("internal-user-edit", json!({ "target_userid": user_id, "update_dict": update })).done();
    };
    internal_edit(json!({ "email": "carol@example.org" }));
    Person { password: "another one Of23 these".to_owned(), ..server.person("carol") }.signs_up();
    internal_edit(json!({ "email": "alice@example.org" }));
    done(adds(&server, "carol@example.org", "authenticated", GOOD_PASSWORD));
    server.ask("user-set-emailverified", json!({ "email": "carol@example.org" })).done();
    server.person("carol").logs_in().done();
}

#[test]
fn sessions_are_listed_page_by_page_and_end_one_by_one_or_all() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (_, other_id) = server.member("bob");
    let tokens: Vec<String> = (0..3).map(|_| server.new_session(Some(user_id))).collect();
    let others = server.new_session(Some(other_id));
    let context = Context::of_server(&server.app);
    let list = |after, rows| sessions::list(&context, UserId::new(user_id), after, rows).expect("reads");
    let first = list(None, 2);
    let rest = list(Some(first[1].place()), 2);
    assert_eq!((first.len(), rest.len()), (2, 1));
    let mut listed: Vec<String> = first.iter().chain(&rest).map(|session| session.id.to_string()).collect();
    let mut expected: Vec<String> =
        tokens.iter().map(|token| StoredToken::of(token).id().to_string()).collect();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    assert_eq!((first[0].ip_address.as_str(), first[0].user_agent.as_str()), ("192.0.2.1", "Browser/1.0"));

    let id = StoredToken::of(&tokens[1]).id();
    assert_eq!(sessions::end_by_id(&context, &by(), id).expect("writes"), Some(UserId::new(user_id)));
    assert_eq!(sessions::end_by_id(&context, &by(), id).expect("writes"), None);
    let live: Vec<bool> = tokens.iter().map(|token| server.session_is_live(token)).collect();
    assert_eq!(live, [true, false, true]);

    assert_eq!(sessions::end_all(&context, &by(), UserId::new(user_id), None).expect("writes"), 2);
    assert!(!server.session_is_live(&tokens[0]) && server.session_is_live(&others));
    server.later(Duration::from_secs(2 * 86_400));
    let late = Context::of_server(&server.app);
    assert!(
        sessions::list(&late, UserId::new(other_id), None, 10).expect("reads").is_empty(),
        "it has expired"
    );
}

#[test]
fn sessions_are_listed_newest_first_and_none_is_lost_or_repeated_between_pages() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let mut started = Vec::new();
    // Some start at the same time.
    for together in [1, 5, 1, 3] {
        let mut ids: Vec<_> =
            (0..together).map(|_| StoredToken::of(&server.new_session(Some(user_id))).id()).collect();
        ids.sort_unstable_by_key(|id| *id.as_bytes());
        started.extend(ids);
        server.later(Duration::from_micros(1));
    }
    let context = Context::of_server(&server.app);
    // Which of them a page has, and where the next one begins.
    let list = |after, rows| {
        let page = sessions::list(&context, UserId::new(user_id), after, rows).expect("reads");
        let (mut numbers, mut next) = (Vec::new(), None);
        for session in &page {
            numbers.push(started.iter().position(|id| *id == session.id).expect("is one of these"));
            next = Some(session.place());
        }
        (numbers, next)
    };
    for rows in 1..=4 {
        let (mut listed, mut after) = list(None, rows);
        while after.is_some() && listed.len() <= 10 {
            let (more, next) = list(after, rows);
            listed.extend(more);
            after = next;
        }
        assert_eq!(listed, (0..10).rev().collect::<Vec<_>>(), "{rows} a page");
    }

    // What the place names ends, and another one starts, before the next page is asked for.
    let (page, next) = list(None, 6);
    assert_eq!(page, [9, 8, 7, 6, 5, 4]);
    for ended in [4, 5] {
        assert!(sessions::end_by_id(&context, &by(), started[ended]).expect("writes").is_some());
    }
    server.new_session(Some(user_id));
    assert_eq!(list(next, 9).0, [3, 2, 1, 0]);
}

#[test]
fn api_keys_are_listed_and_revoked_one_by_one_or_all() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let (_, other_id) = server.member("bob");
    for id in [user_id, user_id, other_id] {
        issues_a_key_of_each_kind(&server, id);
    }
    let context = Context::of_server(&server.app);
    for kind in ListedKind::ALL {
        let first = keys::list(&context, kind, UserId::new(user_id), None, 1).expect("reads");
        let rest = keys::list(&context, kind, UserId::new(user_id), Some(first[0].id), 10).expect("reads");
        assert_eq!((first.len(), rest.len()), (1, 1));
        assert_ne!(first[0].id, rest[0].id);
        assert_eq!(first[0].user_role, "authenticated");
        assert_eq!(first[0].refresh_expires.is_some(), kind == ListedKind::WithoutSession);
        let owner = keys::revoke_by_id(&context, &by(), first[0].id).expect("writes");
        assert_eq!(owner, Some(UserId::new(user_id)));
        assert_eq!(keys::revoke_by_id(&context, &by(), first[0].id).expect("writes"), None);
        assert_eq!((keys_of(&server, kind, user_id), keys_of(&server, kind, other_id)), (1, 1));
    }
    assert_eq!(keys::revoke_all_of(&context, &by(), UserId::new(user_id)).expect("writes"), 3);
    for kind in ListedKind::ALL {
        assert_eq!((keys_of(&server, kind, user_id), keys_of(&server, kind, other_id)), (0, 1));
    }
}

/// What asks for a key that ends after a minute and can be renewed for ten.
fn renewable_key(user_id: i64) -> Value {
    json!({
        "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "not_valid_before": -1,
        "user_id": user_id, "user_role": "authenticated", "ip_address": "192.0.2.1",
        "expires_seconds": 60, "refresh_expires": 600, "refresh_nbf": -1,
    })
}

#[test]
fn a_key_is_listed_for_as_long_as_it_can_be_renewed() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    server.ask("apikey-new-nosession", renewable_key(user_id)).done();
    server.later(Duration::from_secs(599));
    assert_eq!(keys_of(&server, ListedKind::WithoutSession, user_id), 1);
    server.later(Duration::from_secs(1));
    assert_eq!(keys_of(&server, ListedKind::WithoutSession, user_id), 0);
}

#[test]
fn all_keys_revoked_means_also_those_being_issued() {
    let server = TestServer::start();
    let (_, user_id) = server.member("alice");
    let issued = server.ask_and_meanwhile("apikey-new-nosession", renewable_key(user_id), 0, || {
        keys::revoke_all_of(&Context::of_server(&server.app), &by(), UserId::new(user_id)).expect("writes");
    });
    issued.refused("originating user is not allowed to issue an API key");
    assert_eq!(keys_of(&server, ListedKind::WithoutSession, user_id), 0);
}

#[test]
fn locks_are_listed_with_their_end() {
    let server = TestServer::start();
    let (alice, alice_id) = server.member("alice");
    let (_, bob_id) = server.member("bob");
    for _ in 0..11 {
        let _ = alice.tries("wrong");
    }
    let context = Context::of_server(&server.app);
    let locked = lock::set_locked(
        &context,
        Requester::Operator(operator()),
        UserId::new(bob_id),
        lock::LockChange::Lock,
    );
    done(locked);
    let listed = lock::list(&context, UserId::MIN, 10).expect("reads");
    let numbers: Vec<i64> = listed.iter().map(|locked| locked.user_id.get()).collect();
    assert_eq!(numbers, [alice_id, bob_id]);
    assert_eq!(listed[0].email.as_str(), alice.email);
    let until = listed[0].locked_on.plus_seconds(3600).expect("a time");
    assert_eq!((listed[0].lock, listed[1].lock), (Lock::Automatic(until), Lock::Manual));
    assert_eq!(lock::list(&context, UserId::new(alice_id), 10).expect("reads").len(), 1);
    assert_eq!(lock::list(&context, UserId::MIN, 1).expect("reads").len(), 1);
}

#[test]
fn an_operator_gives_roles_that_the_policy_has_and_changes_names_and_addresses() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    done(edits(
        &server,
        user_id,
        json!({ "user_role": "staff", "full_name": "Alice A.", "email": "a@example.org" }),
    ));
    let moved = Person { email: "a@example.org".to_owned(), ..alice };
    assert_eq!(moved.logs_in().done()["user_role"], "staff");
    assert!(matches!(
        refused(edits(&server, user_id, json!({ "user_role": "king" }))),
        EditRefused::NoSuchRole
    ));
    let taken = refused(edits(&server, user_id, json!({ "email": "admin@localhost.localdomain" })));
    assert!(matches!(taken, EditRefused::BadEmail | EditRefused::Conflict));
    server.member("bob");
    let taken = refused(edits(&server, user_id, json!({ "email": "bob@example.org" })));
    assert!(matches!(taken, EditRefused::Conflict));
    assert!(matches!(refused(edits(&server, 999, json!({ "full_name": "x" }))), EditRefused::NoSuchUser));
    let last = refused(edits(&server, 1, json!({ "user_role": "staff" })));
    assert!(matches!(last, EditRefused::LastAdministrator));
}

#[test]
fn an_operator_sets_a_password_whatever_state_the_account_is_in() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let session = server.new_session(Some(user_id));
    let new = "quite another Passw0rd of hers";
    let sets = |email: &str, password: &str| {
        let asked = Reset { email: EmailAddress::folded(email), required_active: None, session: None };
        reset(&mut Context::of_server(&server.app), &by(), asked, &Password::from(password))
    };
    done(sets(&alice.email, new));
    assert!(!server.session_is_live(&session), "what was opened with the old password ends");
    assert!(!alice.logs_in().succeeded());
    alice.tries(new).done();
    done(edits(&server, user_id, json!({ "is_active": false })));
    done(sets(&alice.email, GOOD_PASSWORD));
    assert!(!alice.logs_in().succeeded(), "a password makes nobody active");
    done(edits(&server, user_id, json!({ "is_active": true })));
    alice.logs_in().done();
    assert!(matches!(refused(sets("nobody@example.org", new)), ResetRefused::Unknown));
    assert!(matches!(refused(sets(&alice.email, "password")), ResetRefused::Insecure(_)));
}

#[test]
fn an_operator_deletes_an_account_and_learns_whether_there_was_one() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let deletes = |user_id: i64| delete(&Context::of_server(&server.app), &by(), UserId::new(user_id));
    assert!(done(deletes(user_id)));
    assert!(!alice.logs_in().succeeded());
    assert!(!done(deletes(user_id)));
    assert!(matches!(refused(deletes(2)), DeleteRefused::SystemUser));
    assert!(matches!(refused(deletes(1)), DeleteRefused::LastAdministrator));
}

/// All rows of a list, page by page; and how many pages there were.
fn pages(server: &TestServer, request: &str, rows: &str, of: &Value) -> (Vec<Value>, usize) {
    let (mut all, mut body, mut count) = (Vec::new(), of.clone(), 0);
    loop {
        let page = server.ask(request, body.clone());
        let page = page.done();
        all.extend(page[rows].as_array().expect("a list").iter().cloned());
        count += 1;
        if page["next"].is_null() {
            return (all, count);
        }
        body["after"] = page["next"].clone();
    }
}

#[test]
fn sessions_of_everybody_are_listed_page_by_page_each_once() {
    let server = TestServer::start();
    let (alice, bob) = (server.member("alice").1, server.member("bob").1);
    for (user_id, count) in [(alice, 501), (bob, 2)] {
        for _ in 0..count {
            server.new_session(Some(user_id));
        }
    }
    let (all, count) = pages(&server, "internal-session-list", "sessions", &json!({}));
    let ids: std::collections::BTreeSet<_> = all.iter().map(|row| row["id"].to_string()).collect();
    assert_eq!((all.len(), ids.len(), count), (503, 503, 2));
    let (of_bob, _) = pages(&server, "internal-session-list", "sessions", &json!({ "user_id": bob }));
    assert_eq!(of_bob.len(), 2);
    assert!(of_bob.iter().all(|row| row["email"] == "bob@example.org"), "{of_bob:?}");
    let (of_nobody, _) = pages(&server, "internal-session-list", "sessions", &json!({ "user_id": 99 }));
    assert!(of_nobody.is_empty());
    for request in ["internal-session-list", "internal-apikey-list", "internal-lock-list"] {
        for after in ["somewhere", "4.0", "4.0.07", "4.0.99999999999999999999.0707070707070707"] {
            let reply = server.ask(request, json!({ "after": after }));
            reply.refused("invalid request: after is no `next` of an earlier answer");
        }
    }
    // A place among sessions is by their starts, one among API keys is not.
    for (request, after) in [
        ("internal-session-list", "4.0.0707070707070707"),
        ("internal-apikey-list", "4.0.1795752371930944.0707070707070707"),
    ] {
        let reply = server.ask(request, json!({ "after": after }));
        reply.refused("invalid request: after is no `next` of an earlier answer");
    }
    for after in ["4", "4.0.1.0707070707070707", "4.99.1.ffffffffffffffff", "-9223372036854775808"] {
        server.ask("internal-session-list", json!({ "after": after })).done();
    }
}

#[test]
fn all_sessions_end_only_where_it_is_said_whose() {
    let server = TestServer::start();
    let (alice, bob) = (server.member("alice").1, server.member("bob").1);
    let tokens = [alice, bob].map(|user_id| server.new_session(Some(user_id)));
    // Whose they are must not be left out by mistake.
    assert!(!server.ask("internal-session-end-all", json!({})).succeeded());
    assert!(tokens.iter().all(|token| server.session_is_live(token)));
    assert_eq!(server.ask("internal-session-end-all", json!({ "user_id": alice })).done()["ended"], 1);
    assert!(!server.session_is_live(&tokens[0]) && server.session_is_live(&tokens[1]));
    assert_eq!(server.ask("internal-session-end-all", json!({ "user_id": null })).done()["ended"], 1);
    assert!(!server.session_is_live(&tokens[1]));
}

#[test]
fn what_a_caller_does_for_an_operator_names_them_and_what_a_user_does_does_not() {
    let server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let ask = |operator: &Value, request: &str, body: &Value| {
        let message = json!({
            "request": request, "reqid": 1, "client_ipaddr": "192.0.2.1", "body": body, "operator": operator
        });
        server.send(message.to_string().as_bytes())
    };
    let lock = |action: &str| json!({ "target_userid": user_id, "action": action });
    let last = || {
        server
            .stored(
                "SELECT e.actor || ' ' || coalesce(o.operator, '-') FROM events e LEFT JOIN event_origins o USING (seq) \
                 ORDER BY e.seq DESC LIMIT 1",
            )
            .expect("an event")
    };
    ask(&json!("carol"), "internal-user-lock", &lock("lock")).done();
    assert_eq!(last(), "operator carol");
    ask(&json!(null), "internal-user-lock", &lock("unlock")).done();
    assert_eq!(last(), "calling server -");
    let wrong = json!({ "email": alice.email, "password": "wrong" });
    assert!(!ask(&json!("carol"), "user-passcheck-nosession", &wrong).succeeded());
    assert_eq!(last(), "unknown -");
    for hostile in [
        json!(""),
        json!("x".repeat(65)),
        json!("a b"),
        json!("a\u{1b}[2J"),
        json!("a\n"),
        json!(7),
        json!({}),
    ] {
        ask(&hostile, "internal-user-lock", &lock("lock")).rejected(400);
    }
    assert_eq!(last(), "unknown -", "nothing happened");
}
