//! What is answered when more waits than can be done: come again soon, never that something is wrong with the request.

use authnzerver::guard::password::{Argon2Cost, Asker, HashLimits, Hasher, HasherSettings};
use authnzerver::guard::secret::PasswordForm;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use support::{GOOD_PASSWORD, Person, Reply, TestServer};

/// Keeps the hashers so busy that a request finds no place, until it has been told so.
fn until_busy(server: &TestServer, request: &str, user_id: i64, mut body: Value) {
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    let _ = server.app.hasher.hash(&Asker::server(), &"somebody's".into());
                }
            });
        }
        let busy = (0..10_000).find_map(|_| {
            if body.get("session_token").is_some() {
                body["session_token"] = json!(server.new_session(Some(user_id)));
            }
            match server.ask(request, body.clone()) {
                Reply::Rejected(status, seconds) => Some((status, seconds)),
                Reply::Answered(_) => None,
            }
        });
        enough.store(true, Ordering::Relaxed);
        let (status, seconds) = busy.unwrap_or_else(|| panic!("{request} always found a place"));
        assert_eq!(status, 503, "{request}");
        assert!(seconds.is_some_and(|seconds| (1..60).contains(&seconds)), "{request}: {seconds:?}");
    });
}

#[test]
fn whoever_finds_the_hashers_busy_is_asked_to_come_again() {
    let mut server = TestServer::start();
    let (alice, user_id) = server.member("alice");
    let Person { email, full_name, .. } = alice;
    let settings = HasherSettings {
        cost: Argon2Cost::parse("m=8192,t=4,p=1", true).expect("a cost"),
        form: PasswordForm::AsTyped,
        ceilings: HashLimits::default(),
        threads: 1,
        places: Some(1),
        memory_free: || u64::MAX,
    };
    let rng = std::sync::Arc::new(authnzerver::rng::SeededRng::new(1));
    let hasher = Hasher::start(&settings, rng, server.clock.clone());
    server.app_mut().hasher = hasher.expect("a hashing thread starts");
    let change = json!({
        "user_id": user_id, "full_name": full_name, "email": email,
        "current_password": GOOD_PASSWORD, "new_password": GOOD_PASSWORD,
    });
    let reset = json!({ "email_address": email, "new_password": GOOD_PASSWORD, "required_active": true });
    let sign_up = json!({ "full_name": "", "email": "bob@example.org", "password": GOOD_PASSWORD });
    let log_in = json!({ "session_token": "", "email": email, "password": GOOD_PASSWORD });
    for (request, body) in [
        ("user-passcheck", json!({ "session_token": "", "password": GOOD_PASSWORD })),
        ("user-passcheck-nosession", json!({ "email": email, "password": GOOD_PASSWORD })),
        ("user-new", sign_up),
        ("user-changepass-nosession", change),
        ("user-resetpass-nosession", reset),
        ("user-login", log_in),
        ("user-delete", json!({ "email": email, "user_id": user_id, "password": GOOD_PASSWORD })),
    ] {
        until_busy(&server, request, user_id, body);
    }
}
