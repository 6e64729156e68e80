//! Passwords and codes do not stay behind in memory: whatever the server gives back to the allocator is looked through first.

mod emails;

use authnzerver::clock::Clock;
use authnzerver::guard::password::Asker;
use authnzerver::pipeline;
use authnzerver::presence::Presence;
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use support::TestServer;

/// How every password of these tests begins. There are no capitals in it, so that copies in lower case are found too.
const NEEDLE: &str = "tangled-otter-39";
const PASSWORD: &str = "tangled-otter-39-violet-kiln";
const NEXT_PASSWORD: &str = "tangled-otter-39-purple-moth";

/// The system's allocator, but that memory is looked through before it is freed.
struct Inspecting;

#[global_allocator]
static ALLOCATOR: Inspecting = Inspecting;

static ARMED: AtomicBool = AtomicBool::new(false);
/// Held by each test, for the others' memory would be looked through too.
static ALONE: Mutex<()> = Mutex::new(());
static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());

// SAFETY: both functions hand what they are given to the system's allocator. Blocks that grow are moved by the
// functions that the trait provides, so that the old block comes by here as well.
#[expect(unsafe_code, reason = "an allocator cannot be had without")]
unsafe impl GlobalAlloc for Inspecting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if ARMED.load(Ordering::SeqCst) {
            // SAFETY: the caller gives the block away whole, and it was zeroed when it was made.
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            if holds_password(bytes) && ARMED.swap(false, Ordering::SeqCst) {
                let trace = Backtrace::force_capture().to_string();
                let ours: Vec<&str> = trace.lines().filter(|line| line.contains(" ./src/")).collect();
                let place = format!("{} bytes, freed at\n{}", layout.size(), ours.join("\n"));
                FOUND.lock().expect("nobody panics with it").push(place);
                ARMED.store(true, Ordering::SeqCst);
            }
        }
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.dealloc(block, layout) }
    }
}

/// The needle as characters of four bytes each. Not made on the stack of whoever gives memory back: from there it would
/// get between the fields of what is built on that stack next, and be found.
static WIDE_NEEDLE: [u8; NEEDLE.len() * size_of::<char>()] = {
    let mut wide = [0; NEEDLE.len() * size_of::<char>()];
    let mut at = 0;
    while at < NEEDLE.len() {
        let unit = (NEEDLE.as_bytes()[at] as u32).to_ne_bytes();
        let mut byte = 0;
        while byte < unit.len() {
            wide[at * unit.len() + byte] = unit[byte];
            byte += 1;
        }
        at += 1;
    }
    wide
};

/// Whether bytes hold the needle, as UTF-8 or as characters of four bytes each.
fn holds_password(bytes: &[u8]) -> bool {
    [NEEDLE.as_bytes(), &WIDE_NEEDLE]
        .iter()
        .any(|needle| bytes.windows(needle.len()).any(|window| window == *needle))
}

/// Has a text answered, and tells where a password was given back unwiped meanwhile.
fn left_behind(server: &TestServer, text: &str) -> Vec<String> {
    let keys = &server.app.config.secret;
    let sealed = keys.first().seal(text.as_bytes(), server.clock.now());
    ARMED.store(true, Ordering::SeqCst);
    let answer = pipeline::answer(&server.app, &sealed, &Presence::always());
    // Whatever the hashing threads still have to put away, they do before they take up another password.
    for _ in 0..4 {
        let _ = server.app.hasher.hash(&Asker::server(), &"another".into());
    }
    ARMED.store(false, Ordering::SeqCst);
    drop(answer);
    std::mem::take(&mut *FOUND.lock().expect("nobody panics with it"))
}

fn message(request: &str, body: &str) -> String {
    format!(r#"{{"request": "{request}", "reqid": 1, "client_ipaddr": "192.0.2.1", "body": {body}}}"#)
}

#[track_caller]
fn leaves_nothing(server: &TestServer, request: &str, body: &str) {
    let found = left_behind(server, &message(request, body));
    assert!(
        found.is_empty(),
        "{request} {body} leaves the password in {} blocks:\n{}",
        found.len(),
        found.join("\n\n")
    );
}

#[test]
fn no_password_is_left_in_freed_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    the_allocator_finds_copies();
    for settings in [&[][..], &[("PASSPOLICY", "nist")]] {
        uses_passwords(&TestServer::start_with(settings), [PASSWORD, NEXT_PASSWORD]);
        let accented = [PASSWORD, NEXT_PASSWORD].map(|password| format!("{password} e\u{301}tude \u{fb01}n"));
        uses_passwords(&TestServer::start_with(settings), accented.each_ref().map(String::as_str));
    }
}

fn the_allocator_finds_copies() {
    for copies in
        [NEEDLE.repeat(2).into_bytes(), NEEDLE.chars().flat_map(|c| u32::from(c).to_ne_bytes()).collect()]
    {
        ARMED.store(true, Ordering::SeqCst);
        drop(copies);
        ARMED.store(false, Ordering::SeqCst);
        assert_eq!(std::mem::take(&mut *FOUND.lock().expect("nobody panics with it")).len(), 1);
    }
}

fn signup_start(email: &str, password: &str) -> Value {
    json!({
        "full_name": "Somebody", "email": email, "password": password, "link": "https://recipes.example/verify",
        "site_name": "Recipes", "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
    })
}

/// The code that somebody gets who forgot their password.
fn reset_code(server: &TestServer, email: &str) -> String {
    server.later(Duration::from_secs(60));
    let start = json!({
        "email": email, "link": "https://recipes.example/reset", "site_name": "Recipes",
        "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
    });
    server.ask("reset-start", start).done();
    server.emailed_code()
}

fn uses_passwords(server: &TestServer, [password, next_password]: [&str; 2]) {
    let session = |user_id: i64| json!(server.new_session(Some(user_id)));
    let email = "alice@example.org";
    let sign_up = json!({ "full_name": "Alice", "email": email, "password": password });
    leaves_nothing(server, "user-new", &sign_up.to_string());
    server.ask("user-set-emailverified", json!({ "email": email })).done();
    let user_id: i64 = 4;
    let change = |session: Option<Value>| {
        let mut body = json!({
            "user_id": user_id, "full_name": "Alice", "email": email,
            "current_password": password, "new_password": next_password,
        });
        if let Some(session) = session {
            body["session_token"] = session;
        }
        body
    };
    let code = reset_code(server, email);
    let validate = json!({ "password": password, "email": email, "full_name": "Alice" });
    for (request, body) in [
        ("user-login", json!({ "session_token": session(user_id), "email": email, "password": password })),
        (
            "user-login",
            json!({ "session_token": session(user_id), "email": "x@y.org", "password": password }),
        ),
        (
            "user-login",
            json!({ "session_token": session(user_id), "email": email, "password": next_password }),
        ),
        ("user-passcheck", json!({ "session_token": session(user_id), "password": password })),
        ("user-passcheck-nosession", json!({ "email": email, "password": password })),
        ("user-validatepass", validate),
        ("user-new", sign_up.clone()),
        ("user-changepass", change(Some(session(user_id)))),
        ("user-changepass-nosession", change(None)),
        (
            "user-resetpass-nosession",
            json!({ "email_address": email, "new_password": password, "required_active": true }),
        ),
        (
            "user-resetpass",
            json!({ "email_address": email, "new_password": password, "session_token": session(user_id) }),
        ),
        ("signup-start", signup_start("bob@example.org", password)),
        ("signup-start", signup_start("bob@example.org", next_password)),
        ("signup-start", signup_start(email, password)),
        ("signup-finish", json!({ "code": password })),
        ("reset-finish", json!({ "code": "wrong", "new_password": password })),
        ("reset-finish", json!({ "code": code, "new_password": next_password })),
        ("reset-finish", json!({ "code": password, "new_password": password })),
        ("user-delete", json!({ "email": email, "user_id": user_id, "password": password })),
    ] {
        leaves_nothing(server, request, &body.to_string());
    }
}

#[test]
fn no_password_is_left_by_requests_that_come_to_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = TestServer::start();
    let escaped: String = PASSWORD.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<Vec<_>>().concat();
    for (request, body) in [
        ("user-login", format!(r#"{{"password": "{PASSWORD}"}}"#)),
        ("user-login", format!(r#"{{"password": "{escaped}", "email": 5}}"#)),
        ("user-login", format!(r#"{{"password": "{PASSWORD}", "password": "{escaped}"}}"#)),
        ("user-login", format!(r#"{{"password": ["{PASSWORD}", {{"a": "{PASSWORD}"}}]}}"#)),
        ("user-login", format!(r#"{{"password": {{"{PASSWORD}": 1}}}}"#)),
        ("user-login", format!(r#"{{"pasword": "{PASSWORD}", "{PASSWORD}": 0}}"#)),
        ("user-login", format!(r#"["{PASSWORD}"]"#)),
        ("user-login", format!(r#""{PASSWORD}""#)),
        ("user-login", format!(r#"{{"password": "{PASSWORD}", "x": NaN}}"#)),
        ("user-login", format!(r#"{{"password": "{PASSWORD}""#)),
        (
            "user-login",
            format!(r#"{{"password": "{PASSWORD}", "x": {}{}}}"#, "[".repeat(500), "]".repeat(500)),
        ),
        ("user-list", format!(r#"{{"user_id": "{PASSWORD}", "limit": "{PASSWORD}"}}"#)),
        ("no-such", format!(r#"{{"password": "{PASSWORD}"}}"#)),
    ] {
        leaves_nothing(&server, request, &body);
    }
    for text in [
        format!(r#"{{"request": "user-login", "body": {{"password": "{PASSWORD}"}}}}"#),
        format!(r#"{{"request": "user-login", "reqid": 1, "x": "{PASSWORD}", "body": {{}}}}"#),
        PASSWORD.to_owned(),
        format!("\"{PASSWORD}\""),
    ] {
        let found = left_behind(&server, &text);
        assert!(
            found.is_empty(),
            "{text} leaves the password in {} blocks:\n{}",
            found.len(),
            found.join("\n\n")
        );
    }
}
