//! The test language: a server without a network, frontends that seal requests for it, and people who use them.
//!
//! Requests go in as sealed bytes: straight into the pipeline, or over HTTP, if a test asks for that or is run a second
//! time. Time stands still until a story moves it, randomness is seeded, hashes are cheap, and delays of responses are
//! recorded: straight into the pipeline they take no time, and over HTTP a hundredth of it.

use crate::door::Door;
use crate::gate::Gate;
use crate::reply::Reply;
use crate::{postgres, schema, second_run};
use arc_swap::ArcSwap;
use authnzerver::accounts::email_queue;
use authnzerver::accounts::first_users::{Initialised, initialise};
use authnzerver::api::requests;
use authnzerver::app::{App, DelayedResponses, Metrics, Remembered};
use authnzerver::clock::{Clock, ManualClock, Timestamp};
use authnzerver::config::{self, Environment, Invocation};
use authnzerver::guard::guesses::Guesses;
use authnzerver::guard::password::{Argon2Cost, HashLimits, Hasher, HasherSettings};
use authnzerver::guard::ratelimit::Limiter;
use authnzerver::guard::secret::Secret;
use authnzerver::json::{self, Limits};
use authnzerver::log::Repeated;
use authnzerver::outbound::mail::{Mailer, MemoryMailer};
use authnzerver::policy::model::Policy;
use authnzerver::pool::Pool;
use authnzerver::rng::SeededRng;
use authnzerver::server::boot::{mail_settings, read_email_texts};
use authnzerver::store::{Origin, Readers, Store};
use authnzerver::wait::keyed_mutex::KeyedMutex;
use authnzerver::wait::{Delay, oneshot, pause};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

/// The key that servers and frontends of the stories share.
pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The first administrator.
pub const ADMIN_EMAIL: &str = "admin@localhost";
/// Their password.
pub const ADMIN_PASSWORD: &str = "the first admin's password";
/// How many may wait for a hashing thread.
pub const HASH_PLACES: usize = 1024;
/// How many times shorter than in production a delay is over HTTP.
pub const DELAYS_SHORTENED: u32 = 100;
/// A password that no rule refuses.
pub const GOOD_PASSWORD: &str = "aROwQin9L8nNtPTEMLXd";

/// A server of a test's own.
pub struct TestServer {
    /// Opened by the first request.
    door: OnceLock<Door>,
    over_http: bool,
    /// The application that answers.
    pub app: Arc<App>,
    /// The server's time.
    pub clock: Arc<ManualClock>,
    /// The emails that were sent.
    pub outbox: Arc<MemoryMailer>,
    delays: Arc<Mutex<Vec<Duration>>>,
    gate: Arc<Mutex<Option<Gate>>>,
    directory: PathBuf,
    keep_directory: bool,
}

impl TestServer {
    /// A fresh server with the default settings, but without rate limits.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A fresh server; each setting is a variable's name after `AUTHNZERVER_` and its value.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("authnzerver-story-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a temporary directory can be made");
        Self::start_in(directory, settings)
    }

    /// A fresh server that is asked over HTTP, also when its test is run for the first time.
    pub fn start_over_http() -> Self {
        let mut server = Self::start();
        server.over_http = true;
        server.app_mut().delay = record_delays(&server.delays.clone(), true);
        server
    }

    /// A server on what lies in this directory.
    pub fn start_in(directory: PathBuf, settings: &[(&str, &str)]) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::parse("2026-11-23T15:00:00").expect("a time")));
        Self::start_at(directory, settings, clock, 0)
    }

    fn start_at(
        directory: PathBuf,
        settings: &[(&str, &str)],
        clock: Arc<ManualClock>,
        process: u64,
    ) -> Self {
        let config = load(&directory, settings);
        // No two processes draw the same.
        let seed = u64::try_from(clock.now().micros()).unwrap_or(0) ^ process;
        let rng = Arc::new(SeededRng::new(seed));
        let cost = Argon2Cost::parse("m=64,t=1,p=1", true).expect("a cheap cost for tests");
        let hashing = HasherSettings {
            cost,
            form: config.password_policy.form(),
            ceilings: HashLimits::default(),
            threads: 2,
            places: Some(HASH_PLACES),
            memory_free: || u64::MAX,
        };
        let hasher = Hasher::start(&hashing, rng.clone(), clock.clone()).expect("hashing threads start");
        let (store, origin) =
            Store::open(&config.database, Readers::of(2), clock.clone(), Arc::new(SeededRng::new(!seed)))
                .expect("the database opens");
        let policy = Policy::default_policy();
        let password = Secret::new(ADMIN_PASSWORD.to_owned());
        let made = initialise(&store, &policy, &hasher, &*rng, ADMIN_EMAIL, &password);
        let made = made.unwrap_or_else(|_| panic!("the first users can be made"));
        assert_eq!(made == Initialised::JustNow, origin == Origin::Made);
        let (over_http, delays) = (second_run::is_over("http"), Arc::default());
        let outbox = Arc::new(MemoryMailer::default());
        let gate = Arc::new(Mutex::new(None));
        let before_write = gate.clone();
        let app = App {
            limiter: Limiter::new(config.rate_limits.clone()),
            server_name: config.server_name.clone().unwrap_or_else(|| "localhost".to_owned()),
            policy: ArcSwap::from_pointee(policy),
            keys: ArcSwap::from_pointee(config.secret.clone()),
            mail_settings: mail_settings(&config, "localhost", None),
            email_texts: ArcSwap::from_pointee(read_email_texts(&config).expect("the texts can be read")),
            config,
            store: Arc::new(store),
            hasher,
            breached_passwords: None,
            outbound: Pool::start("outbound", 1, 8).expect("a thread starts"),
            mailer: outbox.clone(),
            post: Pool::start("post", 1, 8).expect("a thread starts"),
            clock: clock.clone(),
            rng,
            delay: record_delays(&delays, over_http),
            before_write: Some(Arc::new(move || Gate::pass(&before_write))),
            attempts_mutex: KeyedMutex::default(),
            slow_attempts: KeyedMutex::default(),
            guesses: Guesses::default(),
            busy: Repeated::default(),
            refused: authnzerver::log::RepeatedByCause::default(),
            unknown_limits: Repeated::default(),
            metrics: Metrics::new(requests().map(|request| request.name)),
            delayed: DelayedResponses::default(),
            recent_emails: Arc::default(),
            remembered: Remembered::default(),
            mail_stops: Arc::default(),
        };
        email_queue::resume(&app).expect("what was being sent goes back into the queue");
        let (door, app) = (OnceLock::new(), Arc::new(app));
        Self { door, over_http, app, clock, outbox, delays, gate, directory, keep_directory: false }
    }

    /// The same server with another way to send emails.
    #[must_use]
    pub fn with_mailer<M: Mailer + 'static>(mut self, mailer: &Arc<M>) -> Self {
        self.app_mut().mailer = mailer.clone();
        self
    }

    /// Stops this server and starts another on the same files, at the same time.
    #[must_use]
    pub fn restart(mut self, settings: &[(&str, &str)]) -> Self {
        self.keep_directory = true;
        let (directory, clock) = (self.directory.clone(), self.clock.clone());
        self.leave_door();
        self.app.store.close();
        drop(self);
        Self::start_at(directory, settings, clock, 0)
    }

    /// Another server on the same database, at the same time.
    #[must_use]
    pub fn second_process(&self, settings: &[(&str, &str)]) -> Self {
        let mut second = Self::start_at(self.directory.clone(), settings, Arc::clone(&self.clock), 1);
        second.keep_directory = true;
        second
    }

    /// The application, to exchange a part of it while nobody uses it.
    pub fn app_mut(&mut self) -> &mut App {
        self.leave_door();
        Arc::get_mut(&mut self.app).expect("nobody else uses it yet")
    }

    /// Closes the door until the next request.
    fn leave_door(&mut self) {
        if let Some(door) = self.door.take() {
            door.close(&self.app);
        }
    }

    /// Lets time pass.
    pub fn later(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// How long responses were delayed, in seconds, since the last time this was asked.
    pub fn delays(&self) -> Vec<f64> {
        let mut delays = self.delays.lock().expect("no test panicked while it held this");
        delays.drain(..).map(|time| time.as_secs_f64()).collect()
    }

    /// How many Argon2 computations `work` costs.
    pub fn hashes_of<T>(&self, work: impl FnOnce() -> T) -> (u64, T) {
        let before = self.app.hasher.hash_operations();
        let result = work();
        (self.app.hasher.hash_operations() - before, result)
    }

    /// Asks for something on behalf of an end user at a usual address.
    pub fn ask(&self, request: &str, body: Value) -> Reply {
        self.ask_from("192.0.2.1", request, body)
    }

    /// Asks for something on behalf of an end user at this address.
    #[expect(clippy::needless_pass_by_value, reason = "what is asked is written where it is asked")]
    pub fn ask_from(&self, client: &str, request: &str, body: Value) -> Reply {
        let message = json!({ "request": request, "body": body, "reqid": request, "client_ipaddr": client });
        let reply = self.send(message.to_string().as_bytes());
        if let Reply::Answered(answer) = &reply {
            assert_eq!(answer["reqid"], request, "the answer belongs to the request");
            assert_eq!(answer["response"]["success"], answer["success"]);
            assert_eq!(answer["response"]["messages"], answer["messages"]);
            schema::assert_declared(request, answer);
        }
        reply
    }

    /// Seals a text and opens the answer.
    pub fn send(&self, plaintext: &[u8]) -> Reply {
        let keys = &self.app.config.secret;
        let door = self.door.get_or_init(|| Door::open(&self.app, self.over_http));
        match door.answer(&self.app, &keys.first().seal(plaintext, self.clock.now())) {
            Err((status, retry_after_seconds)) => Reply::Rejected(status, retry_after_seconds),
            Ok(sealed) => {
                let opened = keys.open(&sealed).expect("the answer is sealed with the same key");
                let plaintext = opened.plaintext.expose();
                assert!(plaintext.is_ascii(), "answers are ASCII");
                let text = std::str::from_utf8(plaintext).expect("answers are ASCII");
                Reply::Answered(json::read(text, &Limits::ANSWER).expect("the answer is JSON"))
            }
        }
    }

    /// Asks, and lets `meanwhile` happen after the request has read what it wants and before it writes: before the
    /// first of its writes, or the one after `writes` others.
    pub fn ask_and_meanwhile(
        &self,
        request: &str,
        body: Value,
        writes: usize,
        meanwhile: impl FnOnce(),
    ) -> Reply {
        let (arrived, arrives) = mpsc::channel();
        let (go, goes) = oneshot();
        let closed = Gate { writes, arrived, goes };
        *self.gate.lock().expect("no test panicked while it held this") = Some(closed);
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let reply = self.ask(request, body);
                // Whoever never wrote leaves the gate closed, and the other side must not wait for them.
                drop(self.gate.lock().expect("no test panicked while it held this").take());
                reply
            });
            arrives.recv().expect("the request writes");
            meanwhile();
            drop(go);
            asking.join().expect("the request is answered")
        })
    }

    /// A new session, of a visitor or of the user of this number.
    pub fn new_session(&self, user_id: Option<i64>) -> String {
        let reply = self.ask("session-new", session_body(user_id));
        reply.done()["session_token"].as_str().expect("a session token").to_owned()
    }

    /// Whether a session is live.
    pub fn session_is_live(&self, token: &str) -> bool {
        self.ask("session-exists", json!({ "session_token": token })).succeeded()
    }

    /// Somebody who can sign up here, and to whom the stories give this name.
    pub fn person(&self, name: &str) -> Person<'_> {
        Person {
            server: self,
            email: format!("{name}@example.org"),
            full_name: format!("Somebody {name}"),
            password: GOOD_PASSWORD.to_owned(),
        }
    }

    /// Somebody who signed up and verified their address.
    pub fn member(&self, name: &str) -> (Person<'_>, i64) {
        let person = self.person(name);
        let user_id = person.signs_up().done()["user_id"].as_i64().expect("a number");
        self.ask("user-set-emailverified", json!({ "email": person.email })).done();
        (person, user_id)
    }

    /// The first administrator.
    pub fn admin(&self) -> Person<'_> {
        Person {
            server: self,
            email: ADMIN_EMAIL.to_owned(),
            full_name: String::new(),
            password: ADMIN_PASSWORD.to_owned(),
        }
    }

    /// Whether the database is a PostgreSQL, so that there is no file to look into.
    pub fn is_on_postgres(&self) -> bool {
        self.app.config.database.path().is_none()
    }

    /// Where the database lies.
    pub fn database(&self) -> &Path {
        self.app.config.database.path().expect("the database is a file")
    }

    /// How many transactions were written since the database was opened, each with a wait for the disk. SQLite counts
    /// them in the index of its log, of which the file format says where (`iChange`), and goes on when the log begins anew.
    pub fn commits(&self) -> u32 {
        if self.is_on_postgres() {
            // Nobody counts them there; each is compared with others, or with one more.
            return 0;
        }
        let mut index = self.database().as_os_str().to_owned();
        index.push("-shm");
        let index = std::fs::read(index).expect("the log's index can be read");
        u32::from_ne_bytes(index[8..12].try_into().expect("four bytes"))
    }

    /// Changes the database behind the server's back.
    pub fn changes(&self, statement: &str) {
        if let Some(postgres) = postgres::of(&self.directory) {
            self.app.store.number_events().ok();
            let _ = postgres.runs(statement);
            return;
        }
        let connection = rusqlite::Connection::open(self.database()).expect("the database opens");
        connection.execute_batch(statement).expect("the statement is sound");
    }

    /// Whether this text stands anywhere in the database, which nothing uses after this.
    pub fn keeps(&self, text: &str) -> bool {
        self.app.store.close();
        if let Some(postgres) = postgres::of(&self.directory) {
            return postgres.has(text);
        }
        let bytes = std::fs::read(self.database()).expect("reads");
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// What the database has for a statement that yields one text.
    pub fn stored(&self, statement: &str) -> Option<String> {
        if let Some(postgres) = postgres::of(&self.directory) {
            self.app.store.number_events().ok();
            return postgres.runs(statement);
        }
        let connection = rusqlite::Connection::open(self.database()).expect("the database opens");
        connection.query_row(statement, [], |row| row.get(0)).ok()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.leave_door();
        if !self.keep_directory {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

/// Delays that are only recorded; over HTTP they take time as well, but not long.
fn record_delays(delays: &Arc<Mutex<Vec<Duration>>>, over_http: bool) -> Delay {
    let delays = delays.clone();
    Delay::Staged(Arc::new(move |time| {
        delays.lock().expect("no test panicked while it held this").push(time);
        if over_http {
            pause(time / DELAYS_SHORTENED);
        }
    }))
}

fn load(directory: &Path, settings: &[(&str, &str)]) -> config::Config {
    let file = || directory.join(".authdb.sqlite").display().to_string();
    let database = postgres::of(directory).map_or_else(file, |postgres| postgres.url());
    let fixed = [
        ("AUTHDB", database.as_str()),
        ("SECRET", KEY),
        ("PIISALT", "salt"),
        ("RATELIMITS", "none"),
        ("PWNEDURL", "none"),
    ];
    let variables: BTreeMap<OsString, OsString> = fixed
        .iter()
        .chain(settings)
        .map(|(name, value)| (format!("AUTHNZERVER_{name}").into(), OsString::from(value)))
        .collect();
    let environment = Environment { arguments: Vec::new(), variables, directory: directory.to_owned() };
    let invocation = Invocation::parse(&[]).unwrap_or_else(|_| panic!("no arguments are fine"));
    match config::load(&invocation, &environment) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{:?}", problems.lines().collect::<Vec<_>>()),
    }
}

/// A request about a key without a session, with what renews that key for a minute.
pub fn refreshing(mut ask: Value, refresh_token: &str) -> Value {
    for (name, value) in [
        ("refresh_token", json!(refresh_token)),
        ("ip_address", json!("192.0.2.1")),
        ("expires_seconds", json!(60)),
        ("not_valid_before", json!(-1)),
        ("refresh_expires", json!(60)),
        ("refresh_nbf", json!(-1)),
    ] {
        ask[name] = value;
    }
    ask
}

/// The body of a `session-new` for a visitor or a user.
pub fn session_body(user_id: Option<i64>) -> Value {
    json!({
        "ip_address": "192.0.2.1",
        "user_agent": "Browser/1.0",
        "user_id": user_id,
        "expires": 1,
        "extra_info_json": null,
    })
}

/// Somebody who uses a frontend of the server.
pub struct Person<'s> {
    /// The server that the frontend asks.
    pub server: &'s TestServer,
    /// The address that they sign up and log in with.
    pub email: String,
    /// The name that they sign up with.
    pub full_name: String,
    /// The password that they sign up and log in with.
    pub password: String,
}

impl Person<'_> {
    /// Signs up.
    pub fn signs_up(&self) -> Reply {
        let body = json!({ "full_name": self.full_name, "email": self.email, "password": self.password });
        self.server.ask("user-new", body)
    }

    /// Logs in with the right password, from a fresh session.
    pub fn logs_in(&self) -> Reply {
        self.tries(&self.password)
    }

    /// Tries to log in with some password, from a fresh session.
    pub fn tries(&self, password: &str) -> Reply {
        self.tries_from("192.0.2.1", password)
    }

    /// The same from some address.
    pub fn tries_from(&self, client: &str, password: &str) -> Reply {
        let session_token = self.server.new_session(None);
        let body = json!({ "session_token": session_token, "email": self.email, "password": password });
        self.server.ask_from(client, "user-login", body)
    }
}
