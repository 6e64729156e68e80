//! What is measured. A new scenario is a line in [`SCENARIOS`] and a function that gives its messages.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads its own server's answers")]

use crate::Outcome;
use crate::client::Client;
use crate::load::Requests;
use crate::server::Address;
use serde_json::{Value, json};

/// As many different messages are sealed beforehand, at most; they are sent in turn.
pub const MESSAGES_MAX: usize = 4096;

/// The request that makes a session.
pub const NEW_SESSION: &str = "session-new";
/// The request that looks one up.
pub const SESSION_EXISTS: &str = "session-exists";
/// The request that tests a password and starts a session.
pub const LOGIN: &str = "login";
/// Those who log in, and what they all type.
const PEOPLE: usize = 64;
const PASSWORD: &str = "aROwQin9L8nNtPTEMLXd";
/// What a site asks, all in all.
const MIX: &str = "mix";
const ECHO: &str = "echo";
/// Of a hundred requests of the mix, so many look up a session; one is a login, and the rest ask for access.
const SESSIONS_OF_100: usize = 95;

/// A kind of request to measure.
pub struct Scenario {
    /// What it is called on the command line and in the report.
    pub name: &'static str,
    path: &'static str,
    /// With more connections the server would rightly say that it has too much to do.
    pub connections_max: Option<usize>,
    messages: fn(&mut Stage<'_>) -> Outcome<Vec<Value>>,
}

/// The floor first: the other rates are given as shares of its rate.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "floor", path: "/echo", connections_max: None, messages: echoes },
    Scenario { name: SESSION_EXISTS, path: "/", connections_max: None, messages: existing_sessions },
    Scenario {
        name: NEW_SESSION,
        path: "/",
        connections_max: None,
        messages: |_| Ok(vec![message(NEW_SESSION, &new_session())]),
    },
    Scenario { name: "user-check-access", path: "/", connections_max: None, messages: permitted_access },
    Scenario { name: "apikey-verify-nosession", path: "/", connections_max: None, messages: valid_api_key },
    // What a page has to ask, as two requests and as one. Of the former, two are one page.
    Scenario { name: "page-in-two", path: "/", connections_max: None, messages: session_and_access },
    Scenario { name: "page-in-a-batch", path: "/", connections_max: None, messages: batches },
    Scenario { name: LOGIN, path: "/", connections_max: Some(64), messages: |stage| stage.logins() },
    // Logins keep all threads that hash busy. The times are those of the others.
    Scenario { name: MIX, path: "/", connections_max: Some(64), messages: mix },
];

/// What a scenario may use to set itself up.
pub struct Stage<'stage> {
    to: Address<'stage>,
    client: Client,
    tokens: &'stage [String],
    /// Addresses of those who log in, once somebody has asked for them.
    people: Vec<String>,
}

impl<'stage> Stage<'stage> {
    /// `tokens` are those of sessions that exist.
    pub fn new(to: Address<'stage>, tokens: &'stage [String]) -> Outcome<Self> {
        Ok(Self { to, client: Client::connect(to)?, tokens, people: Vec::new() })
    }

    /// One sealed message of the usual size.
    pub fn example(&mut self) -> Outcome<String> {
        let messages = existing_sessions(self)?;
        let first = messages.first().ok_or("there are no sessions")?;
        Ok(self.to.seal.seal(first))
    }

    /// Logins of many people: of one account, only so many passwords are tested at a time as it has tries left.
    fn logins(&mut self) -> Outcome<Vec<Value>> {
        while self.people.len() < PEOPLE {
            let email = format!("person-{}@example.org", self.people.len());
            self.ask(
                "internal-user-add",
                &json!({ "email": email, "full_name": "A Person", "password": PASSWORD }),
            )?;
            self.people.push(email);
        }
        let login = |email: &String| {
            let login = json!({ "email": email, "password": PASSWORD, "ip_address": "127.0.0.1", "user_agent": "bench" });
            message(LOGIN, &login)
        };
        Ok(self.people.iter().map(login).collect())
    }

    /// Everything that a scenario sends, sealed.
    pub fn prepare(&mut self, scenario: &Scenario) -> Outcome<Requests> {
        let messages = (scenario.messages)(self)
            .map_err(|reason| format!("cannot prepare {}: {reason}", scenario.name))?;
        // Among others, logins are there to keep the server busy.
        let is_timed = |message: &Value| message["request"] != LOGIN || scenario.name == LOGIN;
        let sealed = messages.iter().map(|message| (self.to.seal.seal(message), is_timed(message)));
        Ok(Requests::new(scenario.path, sealed))
    }

    fn ask(&mut self, request: &str, body: &Value) -> Outcome<Value> {
        let sealed = self.to.seal.seal(&message(request, body));
        let mut answer = self.to.seal.open(self.client.post("/", &sealed)?)?;
        if answer["success"] != true {
            return Err(format!("{request} was refused: {answer}"));
        }
        Ok(answer["response"].take())
    }
}

/// A request as it is sealed.
pub fn message(request: &str, body: &Value) -> Value {
    json!({ "request": request, "body": body, "reqid": 1, "client_ipaddr": "127.0.0.1" })
}

/// The arguments that make an anonymous session.
pub fn new_session() -> Value {
    json!({
        "ip_address": "127.0.0.1",
        "user_agent": "bench",
        "user_id": null,
        "expires": "2099-12-31T23:59:59.000001",
        "extra_info_json": null,
    })
}

/// Messages that are only opened and sealed again, exactly as long as those of `session-exists`.
#[expect(clippy::unnecessary_wraps, reason = "as all of them do")]
fn echoes(stage: &mut Stage<'_>) -> Outcome<Vec<Value>> {
    let padding = " ".repeat(SESSION_EXISTS.len() - ECHO.len());
    let padded = |token| message(ECHO, &json!({ "session_token": format!("{token}{padding}") }));
    Ok(stage.tokens.iter().take(MESSAGES_MAX).map(padded).collect())
}

#[expect(clippy::unnecessary_wraps, reason = "as all of them do")]
fn existing_sessions(stage: &mut Stage<'_>) -> Outcome<Vec<Value>> {
    // Spread over the whole table.
    let step = stage.tokens.len().div_ceil(MESSAGES_MAX).max(1);
    let ask = |token| message(SESSION_EXISTS, &json!({ "session_token": token }));
    Ok(stage.tokens.iter().step_by(step).map(ask).collect())
}

#[expect(clippy::unnecessary_wraps, reason = "as all of them do")]
fn permitted_access(_: &mut Stage<'_>) -> Outcome<Vec<Value>> {
    Ok(vec![message("user-check-access", &access())])
}

fn session_and_access(stage: &mut Stage<'_>) -> Outcome<Vec<Value>> {
    let access = message("user-check-access", &access());
    Ok(existing_sessions(stage)?.into_iter().flat_map(|session| [session, access.clone()]).collect())
}

fn batches(stage: &mut Stage<'_>) -> Outcome<Vec<Value>> {
    let part = |message: &Value| json!({ "request": message["request"], "body": message["body"] });
    let pages = session_and_access(stage)?;
    let batch =
        |page: &[Value]| message("batch", &json!({ "requests": page.iter().map(part).collect::<Vec<_>>() }));
    Ok(pages.chunks(2).map(batch).collect())
}

fn mix(stage: &mut Stage<'_>) -> Outcome<Vec<Value>> {
    let (logins, access) = (stage.logins()?, message("user-check-access", &access()));
    let mut logins = logins.iter().cycle();
    let sessions = existing_sessions(stage)?;
    let mut messages = Vec::new();
    for hundred in sessions.chunks_exact(SESSIONS_OF_100) {
        messages.extend_from_slice(hundred);
        messages.resize(messages.len() + 99 - SESSIONS_OF_100, access.clone());
        messages.extend(logins.next().cloned());
    }
    fastrand::Rng::with_seed(1).shuffle(&mut messages);
    Ok(messages)
}

fn access() -> Value {
    json!({
        "user_id": 1,
        "user_role": "superuser",
        "action": "view",
        "target_name": "dataset",
        "target_owner": 1,
        "target_visibility": "private",
        "target_sharedwith": "",
    })
}

fn valid_api_key(stage: &mut Stage<'_>) -> Outcome<Vec<Value>> {
    let body = json!({
        "issuer": "bench",
        "audience": "bench",
        "subject": "bench",
        "apiversion": 1,
        "expires_seconds": 86_400,
        "not_valid_before": 0,
        "user_id": 1,
        "user_role": "superuser",
        "ip_address": "127.0.0.1",
        "refresh_expires": 86_400,
        "refresh_nbf": 0,
    });
    let made = stage.ask("apikey-new-nosession", &body)?;
    let key = made["apikey"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let key = key.ok_or("the key is not a text that holds JSON")?;
    let ask = json!({ "apikey_dict": key, "user_id": 1, "user_role": "superuser" });
    Ok(vec![message("apikey-verify-nosession", &ask)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_comes_first() {
        assert_eq!(SCENARIOS[0].name, "floor");
    }
}
