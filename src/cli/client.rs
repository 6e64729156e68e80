//! A client of a running server: seals requests with the key of the settings, and opens the answers.

use super::command::{Arguments, CommandError, Context, Parts};
use crate::accounts::actor::Operator;
use crate::config::arguments::OptionRow;
use crate::config::{self, ClientSettings, EXTRA_ROOTS_VARIABLE, Trust};
use crate::json::{self, Limits};
use crate::outbound::names;
use crate::outbound::web::{WebClient, is_untrusted};
use crate::wire::Object;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::Duration;
use ureq::tls::TlsConfig;

/// The option that names the server.
pub const URL: OptionRow = OptionRow::with_value("url", "=URL", "the server to ask");

/// A failed login is delayed for up to 40 s, and hashing takes its time on a small machine.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The longest answer: a list of all users can be long.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The longest piece of an error page that is shown.
const PAGE_CHARACTERS_MAX: usize = 200;
const REQUEST_ID_BYTES: usize = 8;
/// A call from a shell comes from this machine.
const CLIENT_ADDRESS: &str = "127.0.0.1";

/// Why there is no answer to show, in one line.
pub enum Problem {
    /// The server did not take the request: it answered with an HTTP status alone.
    Refused(String),
    /// Nothing came back that this server says.
    NoAnswer(String),
}

impl Problem {
    /// The same with more to say.
    #[must_use]
    pub fn and(self, more: &str) -> Self {
        match self {
            Self::Refused(text) => Self::Refused(joined(&text, more)),
            Self::NoAnswer(text) => Self::NoAnswer(joined(&text, more)),
        }
    }
}

/// Two clauses; what the server said may be a whole sentence.
fn joined(text: &str, more: &str) -> String {
    if more.is_empty() { text.to_owned() } else { format!("{}; {more}", text.trim_end_matches('.')) }
}

impl From<Problem> for CommandError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Refused(text) => Self::refused(text),
            Problem::NoAnswer(text) => Self::cannot_tell(text),
        }
    }
}

/// The server that the command line asks.
pub struct Client<'a> {
    settings: ClientSettings,
    parts: &'a Parts<'a>,
    operator: Option<Operator>,
}

impl<'a> Client<'a> {
    /// Reads the key, and where the server is. Connects to nothing yet.
    ///
    /// # Errors
    /// The settings that say so cannot be read.
    pub fn open(arguments: &Arguments, context: &mut Context<'a, '_>) -> Result<Self, CommandError> {
        let settings = config::load_for_client(&arguments.invocation, context.environment, url(arguments));
        let settings = settings.map_err(CommandError::usage)?;
        for warning in arguments.invocation.warnings.iter().chain(&settings.warnings) {
            context.streams.warn(warning.as_str());
        }
        Ok(Self { settings, parts: context.parts, operator: None })
    }

    /// The same for an operator, whom the server notes down.
    #[must_use]
    pub fn for_operator(self, operator: Operator) -> Self {
        Self { operator: Some(operator), ..self }
    }

    /// Asks for something, for an end user at this address or for this machine, and gives the answer, whatever it says.
    ///
    /// # Errors
    /// There is none.
    pub fn ask(&self, request: &str, body: &Object, client_address: Option<&str>) -> Result<Value, Problem> {
        let mut bytes = [0; REQUEST_ID_BYTES];
        self.parts.rng.fill(&mut bytes);
        let request_id = Value::String(URL_SAFE_NO_PAD.encode(bytes));
        let mut message = json!({
            "request": request, "body": body, "reqid": request_id,
            "client_ipaddr": client_address.unwrap_or(CLIENT_ADDRESS),
        });
        if let Some(operator) = &self.operator {
            message["operator"] = operator.login.as_str().into();
        }
        let keys = &self.settings.secret;
        let key = keys.that_may_ask(request).unwrap_or_else(|| keys.first());
        let sealed = key.seal(message.to_string().as_bytes(), self.parts.clock.now());
        let answer = self
            .settings
            .secret
            .open(&post(&self.settings.url, &self.settings.trust, &sealed)?)
            .and_then(|opened| {
                let text = std::str::from_utf8(opened.plaintext.expose()).ok()?;
                json::read(text, &Limits::ANSWER).ok()
            })
            .ok_or_else(|| {
                let problem =
                    "the answer cannot be opened: the server has another key, or this is another server";
                Problem::NoAnswer(problem.to_owned())
            })?;
        if answer["reqid"] != request_id {
            return Err(Problem::NoAnswer("the answer belongs to another request".to_owned()));
        }
        Ok(answer)
    }
}

/// The server that the command line names, if it does.
#[must_use]
pub fn url(arguments: &Arguments) -> Option<&str> {
    arguments.option(URL.name).filter(|url| !url.trim().is_empty())
}

/// What came back over HTTP.
pub struct Page {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// After how many seconds to try again, as the server says.
    retry_after: Option<String>,
}

/// Posts a body and gives the answer's.
fn post(url: &str, trust: &Trust, body: &[u8]) -> Result<Vec<u8>, Problem> {
    let page = fetch(url, trust, Some(body)).map_err(Problem::NoAnswer)?;
    if page.status == 200 {
        return Ok(page.body);
    }
    let shown: String = String::from_utf8_lossy(&page.body)
        .chars()
        .take(PAGE_CHARACTERS_MAX)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    let wait = page.retry_after.map_or_else(String::new, |seconds| format!(" (try again in {seconds} s)"));
    Err(Problem::Refused(format!("the server answered {}: {}{wait}", page.status, shown.trim())))
}

/// Posts a body, or asks for a page without one. A proxy from the environment is not used: it has no business with a
/// server next door.
///
/// # Errors
/// There is no answer, in one line.
pub fn fetch(url: &str, trust: &Trust, body: Option<&[u8]>) -> Result<Page, String> {
    let agent = |tls: TlsConfig| {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .tls_config(tls)
            .build();
        names::agent(config)
    };
    let ask = |agent: &ureq::Agent| match body {
        Some(body) => agent.post(url).send(body),
        None => agent.get(url).call(),
    };
    let answer = match trust {
        // Its certificate seldom names the address that it listens on. That this is the right server shows in the
        // answer, which no other can seal, and no other can open what is sent.
        Trust::OwnServer => ask(&agent(TlsConfig::builder().disable_verification(true).build())),
        Trust::Roots { extra } => {
            WebClient::new(extra.as_deref().filter(|_| url.starts_with("https:")), agent)
                .map_err(|error| format!("{EXTRA_ROOTS_VARIABLE}: {error}"))?
                .ask(ask, is_untrusted)
        }
    };
    let mut answer = answer.map_err(|error| {
        if is_untrusted(&error) {
            format!("no answer from {url}: there is no trusted TLS connection to it ({error})")
        } else {
            format!("no answer from {url}: {error}")
        }
    })?;
    let status = answer.status().as_u16();
    let wait = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = answer
        .body_mut()
        .with_config()
        .limit(ANSWER_BYTES_MAX)
        .read_to_vec()
        .map_err(|error| format!("the answer from {url} broke off: {error}"))?;
    let retry_after = wait.filter(|wait| wait.bytes().all(|byte| byte.is_ascii_digit()));
    Ok(Page { status, body, retry_after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_follows_a_sentence_of_the_server_s_with_one_mark_between() {
        assert_eq!(
            joined("the server answered 400: It is malformed.", "so"),
            "the server answered 400: It is malformed; so"
        );
        assert_eq!(joined("It is malformed.", ""), "It is malformed.");
    }
}
