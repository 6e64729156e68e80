//! `authnzerver call`: asks a running server, as a frontend does, and prints its answer.

use super::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_FAILED, Parts};
use super::streams::Streams;
use crate::api::REQUESTS_BY_NAME;
use crate::config::{self, ClientSettings, EXTRA_ROOTS_VARIABLE, Trust, closest, shown};
use crate::json::{self, Limits};
use crate::outbound::web::{WebClient, is_untrusted};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use std::io::{self, Read as _};
use std::time::Duration;
use ureq::tls::TlsConfig;

/// A failed login is held back for up to 40 s, and hashing takes its time on a small machine.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The longest body that is read from standard input.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The longest answer: a list of all users can be long.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The longest piece of an error page that is shown.
const PAGE_CHARACTERS_MAX: usize = 200;
const REQUEST_ID_BYTES: usize = 8;
/// A call from a shell comes from this machine.
const CLIENT_ADDRESS: &str = "127.0.0.1";

/// A request to a running server.
struct CallArgs<'a> {
    request: &'a str,
    /// Its body as JSON; `-` for standard input, nothing for an empty body.
    body: Option<&'a str>,
    /// The address of the end user for whom the request is made.
    client_address: Option<&'a str>,
}

/// Sends the request and prints the answer. The exit status is the answer's success.
///
/// # Errors
/// Everything between the command line and the server's answer, in one line.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let call = CallArgs {
        request: arguments.word(0).unwrap_or_default(),
        body: arguments.word(1),
        client_address: not_blank(arguments.option("client-ipaddr")),
    };
    let is_done = ask(&call, arguments, context)?;
    Ok(if is_done { EXIT_DONE } else { EXIT_FAILED })
}

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
            Self::Refused(text) => Self::Refused(text + more),
            Self::NoAnswer(text) => Self::NoAnswer(text + more),
        }
    }
}

impl From<Problem> for CommandError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Refused(text) => Self::refused(text),
            Problem::NoAnswer(text) => Self::cannot_tell(text),
        }
    }
}

fn ask(
    call: &CallArgs<'_>,
    arguments: &Arguments,
    context: &mut Context<'_, '_>,
) -> Result<bool, CommandError> {
    let (invocation, streams) = (&arguments.invocation, &mut *context.streams);
    let url = not_blank(arguments.option("url"));
    let settings = config::load_for_client(invocation, context.environment, url);
    let settings = settings.map_err(CommandError::usage)?;
    for warning in invocation.warnings.iter().chain(&settings.warnings) {
        streams.warn(warning);
    }
    let body = body(call, streams).map_err(CommandError::cannot_tell)?;
    let answer = exchange(call, &body, &settings, context.parts)
        .map_err(|problem| problem.and(&unknown_request(call.request)))?;
    let text = if streams.output_is_terminal { format!("{answer:#}\n") } else { format!("{answer}\n") };
    streams.print(&text);
    Ok(answer["success"] == Value::Bool(true))
}

fn not_blank(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}

/// The request's body: an object from the command line or from standard input, or an empty one.
fn body(call: &CallArgs<'_>, streams: &mut Streams<'_>) -> Result<Map<String, Value>, String> {
    let text = match call.body {
        None => return Ok(Map::new()),
        Some("-") => {
            let mut text = String::new();
            let mut input = io::Read::take(&mut streams.input, BODY_BYTES_MAX + 1);
            input.read_to_string(&mut text).map_err(|error| format!("standard input: {error}"))?;
            if text.len() as u64 > BODY_BYTES_MAX {
                return Err(format!("standard input holds more than {BODY_BYTES_MAX} bytes"));
            }
            text
        }
        Some(text) => text.to_owned(),
    };
    match json::read(&text, &Limits::REQUEST) {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) => Err("the body must be a JSON object, such as '{\"email\": \"me@example.org\"}'".into()),
        Err(error) => Err(format!("the body is {error}")),
    }
}

/// What is added to a problem when we know of no such request. The server is asked all the same: it may be a newer one.
fn unknown_request(name: &str) -> String {
    if REQUESTS_BY_NAME.contains_key(name) {
        return String::new();
    }
    let known = REQUESTS_BY_NAME.keys().copied();
    let meant = closest(name, known).map_or_else(String::new, |meant| format!("perhaps {meant} is meant; "));
    format!("; there is no request {}: {meant}`authnzerver schema` lists them all", shown(name))
}

fn exchange(
    call: &CallArgs<'_>,
    body: &Map<String, Value>,
    settings: &ClientSettings,
    parts: &Parts<'_>,
) -> Result<Value, Problem> {
    let mut bytes = [0; REQUEST_ID_BYTES];
    parts.rng.fill(&mut bytes);
    let request_id = Value::String(URL_SAFE_NO_PAD.encode(bytes));
    let client_address = match call.client_address {
        Some(address) => Value::from(address),
        None => body.get("client_ipaddr").cloned().unwrap_or_else(|| CLIENT_ADDRESS.into()),
    };
    let message = json!({
        "request": call.request, "body": body, "reqid": request_id, "client_ipaddr": client_address,
    });
    let sealed = settings.secret.first().seal(message.to_string().as_bytes(), parts.clock.now());
    let answer = settings
        .secret
        .open(&post(&settings.url, &settings.trust, &sealed)?)
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
        ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .tls_config(tls)
            .build()
            .new_agent()
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
