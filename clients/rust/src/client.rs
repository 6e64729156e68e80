//! Connections to one server, and whoever asks through them.

use crate::batch::{Answers, BATCH, Batch};
use crate::call::{About, Request, read};
use crate::connection::{Connection, Reply, Trust};
use crate::errors::{Error, bad_answer};
use crate::http::Address;
use crate::keys::KeyRing;
use crate::policy::Policy;
use crate::value::tree;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Connections to one server, for all threads of a program.
#[derive(Debug)]
pub struct Client {
    address: Address,
    keys: KeyRing,
    policy: Policy,
    trust: Option<Trust>,
    idle: Mutex<Idle>,
    /// The ID of every request, in tests.
    pub(crate) fixed_id: Option<String>,
}

#[derive(Default)]
struct Idle(Vec<(Instant, Connection)>);

impl std::fmt::Debug for Idle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} connections", self.0.len())
    }
}

impl Client {
    /// A client of the server at `http://HOST:PORT` or `https://HOST:PORT`, which trusts the roots that browsers trust. It
    /// connects when it is asked.
    ///
    /// # Errors
    /// The address is none, or it is `https` and this crate was built without the feature `tls`.
    pub fn new(url: &str, keys: KeyRing, policy: Policy) -> Result<Self, Error> {
        let address = Address::parse(url).ok_or_else(|| {
            let why = "the server's address is http://HOST:PORT or https://HOST:PORT".to_owned();
            Error::Misconfigured { why }
        })?;
        let trust = if address.is_secure { Some(browsers_roots()?) } else { None };
        Ok(Self { address, keys, policy, trust, idle: Mutex::default(), fixed_id: None })
    }

    /// Has TLS trust others.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, config: std::sync::Arc<rustls::ClientConfig>) -> Self {
        self.trust = self.address.is_secure.then_some(config);
        self
    }

    /// The keys that messages are sealed with.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Asks on behalf of the end user at this address, with this browser. It is cheap: one for each request that a site
    /// gets.
    pub fn at<'a>(&'a self, address: &'a str, user_agent: &'a str) -> Caller<'a> {
        Caller { client: self, about: About { address, user_agent } }
    }

    /// Asks for what the program does of its own accord.
    pub fn itself(&self) -> Caller<'_> {
        self.at("127.0.0.1", "")
    }

    /// Sends a message as often as it may be sent, and gives the opened answer to it.
    fn exchange(
        &self,
        request: &'static str,
        only_reads: bool,
        about: &About<'_>,
        body: Map<String, Value>,
    ) -> Result<Map<String, Value>, Error> {
        let reqid = self.fixed_id.clone().map_or_else(random_id, Ok)?;
        let message =
            json!({ "request": request, "body": body, "reqid": reqid, "client_ipaddr": about.address });
        let plain = message.to_string();
        let (mut place, mut tried) = (0, 0);
        loop {
            let came = self.send(plain.as_bytes(), place);
            if matches!(&came, Ok(reply) if reply.head.status == 401) && place + 1 < self.keys.len() {
                // A message that the server cannot open does nothing.
                place += 1;
                continue;
            }
            let error = match came.and_then(|reply| self.opened(request, &reqid, &reply)) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tried += 1;
            match self.policy.pause(&error, only_reads, tried) {
                Some(pause) => std::thread::sleep(pause),
                None => return Err(error),
            }
        }
    }

    /// The answer to this very request.
    fn opened(&self, request: &'static str, reqid: &str, reply: &Reply) -> Result<Map<String, Value>, Error> {
        if reply.head.status != 200 {
            return Err(Error::of_status(request, reply.head.status, reply.head.retry_after));
        }
        let plain =
            self.keys.open(&reply.body).ok_or_else(|| bad_answer("the answer is not sealed with our key"))?;
        match tree(&plain) {
            Some(Value::Object(answer)) if answer.get("reqid").and_then(Value::as_str) == Some(reqid) => {
                Ok(answer)
            }
            Some(Value::Object(_)) => Err(bad_answer("this is the answer to another request")),
            _ => Err(bad_answer("the answer is no JSON object")),
        }
    }

    fn send(&self, plain: &[u8], place: usize) -> Result<Reply, Error> {
        let sealed = self.keys.seal(plain, place).map_err(|_| no_random_numbers())?;
        let policy = &self.policy;
        let mut connection = match self.idle_connection() {
            Some(connection) => connection,
            None => Connection::open(&self.address, self.trust.as_ref(), policy.connect_timeout)?,
        };
        let request = self.address.request(&sealed);
        let reply = connection.exchange(&request, policy.answer_timeout, policy.answer_bytes_max)?;
        let mut idle = self.idle();
        if reply.head.stays_open && idle.0.len() < policy.connections_max {
            idle.0.push((Instant::now(), connection));
        }
        Ok(reply)
    }

    fn idle_connection(&self) -> Option<Connection> {
        loop {
            let (since, connection) = self.idle().0.pop()?;
            if since.elapsed() <= self.policy.idle_max && !connection.is_stale() {
                return Some(connection);
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Whoever panicked left a list of connections, which is one still.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks on behalf of one end user.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    client: &'a Client,
    about: About<'a>,
}

impl Caller<'_> {
    /// Asks a request.
    ///
    /// # Errors
    /// It was not done, or it is not known whether it was.
    pub fn ask<R: Request>(&self, params: &R) -> Result<R::Answer, Error> {
        let body = params.body(&self.about);
        read::<R>(&mut self.client.exchange(R::NAME, R::ONLY_READS, &self.about, body)?)
    }

    /// Asks several in one message.
    ///
    /// # Errors
    /// None was done, or it is not known whether any was. Of each request, [`Answers`] say what it came to.
    pub fn together(&self, batch: &Batch<'_>) -> Result<Answers, Error> {
        let body = batch.body(&self.about);
        batch.answered(&mut self.client.exchange(BATCH, batch.only_reads(), &self.about, body)?)
    }
}

fn random_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| no_random_numbers())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn no_random_numbers() -> Error {
    Error::Misconfigured { why: "the operating system gives no random numbers".to_owned() }
}

#[cfg(feature = "tls")]
fn browsers_roots() -> Result<Trust, Error> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| Error::Misconfigured { why: format!("there is no TLS: {error}") })?;
    Ok(std::sync::Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

#[cfg(not(feature = "tls"))]
fn browsers_roots() -> Result<Trust, Error> {
    Err(Error::Misconfigured { why: "https needs the feature tls of this crate".to_owned() })
}
