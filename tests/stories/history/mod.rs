//! Histories: many ask at once about one account, through one process or two, and what they are told has to be what they would have
//! been told one after another in some order. `HISTORIES` says how many are tried, and `HISTORY_SEED` which.

mod model;
mod search;

use authnzerver::rng::{Rng, SeededRng};
use model::{Account, Ask, NOBODYS_PASSWORD, TRIES};
use search::{Asked, is_linearizable};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::parser::value_of;
use support::{GOOD_PASSWORD, Reply, TestServer, code_in, refreshing, session_body};

const CLIENTS: u64 = 4;
const ASKED_BY_EACH: usize = 9;
/// The password of an account, and those that codes give it.
const PASSWORDS: [&str; 2] = [GOOD_PASSWORD, "Trout-Lamp-93-Quarry"];
const SETTINGS: &[(&str, &str)] = &[("USERLOCKTRIES", "2"), ("USERLOCKTIME", "3600")];

/// An account that clients ask about.
struct Subject<'s> {
    servers: &'s [TestServer],
    email: String,
    user_id: i64,
    code: String,
    key: Mutex<Vec<Option<(Value, String)>>>,
    sessions: Mutex<Vec<Option<String>>>,
    clock: AtomicU64,
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn below(rng: &SeededRng, limit: usize) -> usize {
    let mut bytes = [0; 8];
    rng.fill(&mut bytes);
    usize::try_from(u64::from_be_bytes(bytes) % limit as u64).expect("it is small")
}

impl<'s> Subject<'s> {
    fn new(servers: &'s [TestServer], name: &str) -> Self {
        let server = &servers[0];
        let (person, user_id) = server.member(name);
        server
            .ask(
                "reset-start",
                json!({
                    "email": person.email, "link": "https://recipes.example/code", "site_name": "Recipes",
                    "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
                }),
            )
            .done();
        let code = code_in(&server.emails()[0]);
        let key = server.ask(
            "apikey-new-nosession",
            json!({
                "issuer": "i", "audience": "a", "subject": "s", "apiversion": 1, "expires_seconds": 900,
                "not_valid_before": -1, "user_id": user_id, "user_role": "authenticated",
                "ip_address": "192.0.2.1", "refresh_expires": 900, "refresh_nbf": -1,
            }),
        );
        let key = Some(renewal(&key));
        // A key can be renewed in the second after the one in which it was issued.
        server.later(Duration::from_secs(1));
        Self {
            servers,
            email: person.email,
            user_id,
            code,
            key: Mutex::new(vec![key]),
            sessions: Mutex::default(),
            clock: AtomicU64::new(0),
        }
    }

    /// Something to ask for.
    fn draws(&self, rng: &SeededRng) -> Ask {
        let mut sessions = self.sessions.lock().expect("nobody panicked with it");
        let known: Vec<_> = (0..sessions.len()).filter(|at| sessions[*at].is_some()).collect();
        let mut keys = self.key.lock().expect("nobody panicked with it");
        let renewable: Vec<_> = (0..keys.len()).filter(|at| keys[*at].is_some()).collect();
        let index = |at: usize| u8::try_from(at).expect("there are few");
        match below(rng, 32) {
            0..=5 => Ask::LogIn(0),
            6..=8 => Ask::LogIn(NOBODYS_PASSWORD),
            9 => Ask::LogIn(1),
            10 => Ask::Lock,
            11..=13 => Ask::Unlock,
            14..=18 => {
                sessions.push(None);
                Ask::StartSession(index(sessions.len() - 1))
            }
            19..=23 if !known.is_empty() => Ask::IsLive(index(known[below(rng, known.len())])),
            24..=25 if !known.is_empty() => Ask::EndSession(index(known[below(rng, known.len())])),
            26..=28 => {
                keys.push(None);
                Ask::Renew(index(renewable[below(rng, renewable.len())]), index(keys.len() - 1))
            }
            29..=30 => Ask::UseCode(0, 1),
            31 if below(rng, 3) == 0 => Ask::Delete,
            _ => Ask::LogIn(0),
        }
    }

    fn asks(&self, server: &TestServer, ask: Ask) -> Reply {
        let session = |at: u8| {
            let token = self.sessions.lock().expect("nobody panicked with it")[usize::from(at)].clone();
            json!({ "session_token": token.expect("it was started") })
        };
        match ask {
            Ask::LogIn(password) => {
                let password =
                    PASSWORDS.get(usize::from(password)).copied().unwrap_or("no password of anybody's");
                server.ask("user-passcheck-nosession", json!({ "email": self.email, "password": password }))
            }
            Ask::Lock | Ask::Unlock => {
                let action = if ask == Ask::Lock { "lock" } else { "unlock" };
                server.ask("internal-user-lock", json!({ "target_userid": self.user_id, "action": action }))
            }
            Ask::StartSession(at) => {
                let reply = server.ask("session-new", session_body(Some(self.user_id)));
                if reply.succeeded() {
                    let token = reply.done()["session_token"].as_str().expect("a token").to_owned();
                    self.sessions.lock().expect("nobody panicked with it")[usize::from(at)] = Some(token);
                }
                reply
            }
            Ask::IsLive(at) => server.ask("session-exists", session(at)),
            Ask::EndSession(at) => server.ask("session-delete", session(at)),
            Ask::Renew(old, new) => {
                let old = self.key.lock().expect("nobody panicked with it")[usize::from(old)].clone();
                let (claims, token) = old.expect("it was issued");
                let key =
                    json!({ "apikey_dict": claims, "user_id": self.user_id, "user_role": "authenticated" });
                let reply = server.ask("apikey-refresh-nosession", refreshing(key, &token));
                if reply.succeeded() {
                    server.later(Duration::from_secs(1));
                    self.key.lock().expect("nobody panicked with it")[usize::from(new)] =
                        Some(renewal(&reply));
                }
                reply
            }
            Ask::UseCode(_, password) => {
                let password = PASSWORDS[usize::from(password)];
                server.ask("reset-finish", json!({ "code": self.code, "new_password": password }))
            }
            Ask::Delete => server.ask("internal-user-delete", json!({ "target_userid": self.user_id })),
        }
    }

    /// What one client asks for, and is told.
    fn client(&self, seed: u64, count: usize) -> Vec<Asked> {
        let rng = SeededRng::new(seed);
        let tick = || self.clock.fetch_add(1, Ordering::SeqCst);
        let asks = |_| {
            let (ask, server) = (self.draws(&rng), &self.servers[below(&rng, self.servers.len())]);
            let begun = tick();
            let reply = self.asks(server, ask);
            let is_known = !matches!(reply, Reply::Rejected(..));
            Asked { ask, begun, ended: is_known.then(tick), done: reply.succeeded() }
        };
        (0..count).map(asks).collect()
    }
}

fn renewal(reply: &Reply) -> (Value, String) {
    let text = |key: &str| reply.done()[key].as_str().expect("a text").to_owned();
    (value_of(text("apikey")).expect("claims"), text("refresh_token"))
}

/// Tries a history with so many clients; what was wrong with it.
fn tries(servers: &[TestServer], seed: u64, clients: u64, count: usize) -> Option<Vec<Asked>> {
    let subject = Subject::new(servers, &format!("subject{seed}"));
    let mut history: Vec<Asked> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..clients)
            .map(|client| {
                let subject = &subject;
                scope.spawn(move || subject.client(seed * 1_000 + client, count))
            })
            .collect();
        started.into_iter().flat_map(|client| client.join().expect("the server answered")).collect()
    });
    history.sort_by_key(|asked| asked.begun);
    (!is_linearizable(&Account::new(0, &[0], &[0]), &history)).then_some(history)
}

fn servers() -> Vec<TestServer> {
    let first = TestServer::start_with(SETTINGS);
    let second = first.is_on_postgres().then(|| first.second_process(SETTINGS));
    let mut servers = vec![first];
    servers.extend(second);
    servers
}

fn hold(clients: u64, count: usize, histories: u64) {
    let servers = servers();
    let seed = number("HISTORY_SEED", 1);
    for seed in seed..seed + histories {
        if let Some(history) = tries(&servers, seed, clients, count) {
            let told: Vec<_> = history.iter().map(|asked| format!("{asked:?}")).collect();
            panic!("HISTORY_SEED={seed}: in no order it comes to this:\n{}", told.join("\n"));
        }
    }
}

#[test]
fn one_after_another_an_account_does_what_the_model_does() {
    assert_eq!(SETTINGS[0], ("USERLOCKTRIES", &*TRIES.to_string()));
    hold(1, 30, number("HISTORIES", 6));
}

#[test]
fn at_once_it_does_what_it_does_in_some_order() {
    hold(CLIENTS, ASKED_BY_EACH, number("HISTORIES", 12));
}

#[test]
fn a_history_that_no_order_explains_is_found() {
    let asked = |ask, begun, ended, done| Asked { ask, begun, ended, done };
    let account = Account::new(0, &[0], &[0]);
    // One code, used twice; at once, and by one of whom nobody knows.
    let twice = |ended, done| {
        [asked(Ask::UseCode(0, 1), 0, Some(2), true), asked(Ask::UseCode(0, 1), 1, ended, done)]
    };
    assert!(!is_linearizable(&account, &twice(Some(3), true)));
    assert!(
        is_linearizable(&account, &twice(Some(3), false)) && is_linearizable(&account, &twice(None, false))
    );
    // A session that is there, is not, and is again.
    let live = |at, done| asked(Ask::IsLive(0), at, Some(at + 1), done);
    let start = asked(Ask::StartSession(0), 0, Some(9), true);
    assert!(is_linearizable(&account, &[start, live(1, false), live(3, true)]));
    assert!(!is_linearizable(&account, &[start, live(1, true), live(3, false)]));
    // What was answered before it was asked for comes first.
    let wrong = |at| asked(Ask::LogIn(7), at, Some(at + 1), false);
    let right = asked(Ask::LogIn(0), 6, Some(7), true);
    assert!(is_linearizable(&account, &[wrong(0), wrong(2), right]));
    assert!(!is_linearizable(&account, &[wrong(0), wrong(2), wrong(4), right]), "one wrong one too many");
}
