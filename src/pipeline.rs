//! A request from bytes to bytes: open, read, admit, act, hold, seal. Read this first.

use crate::accounts::lock::{any_ended, release_expired};
use crate::api::{REQUESTS_BY_NAME, batch};
use crate::app::{self, App, Context};
use crate::client_address::ClientAddress;
use crate::guard::envelope::{Key, Keyring};
use crate::guard::ratelimit::Admission;
use crate::guard::redact::Redacted;
use crate::json::{self, Json, JsonError, Limits, WipedObject};
use crate::log;
use crate::outcome::{Answer, Error, Failure, INVALID_PARAMETERS};
use crate::policy::email::EmailAddress;
use crate::presence::Presence;
use crate::request::{Handled, Request};
use crate::wire::{FromWire, Object, is_falsy};
use std::borrow::Cow;
use std::time::Duration;

/// The parameter that names a user by number.
const USER_ID: &str = "user_id";

/// After so many seconds a caller may try again when too much was waiting.
const BUSY_RETRY_SECONDS: u64 = 1;

/// After so many seconds a caller may try again when the server could not find out.
const BROKEN_RETRY_SECONDS: u64 = 5;

/// Characters of the name of an operator.
const OPERATOR_CHARACTERS_MAX: usize = 64;

/// What was sealed is not even JSON.
const NO_JSON: HttpRejection = HttpRejection::unsealed("no JSON in the envelope");

/// What is answered without an envelope: an HTTP status and, for some, when to try again.
pub struct HttpRejection {
    /// The status.
    pub status: u16,
    /// Seconds until another try may help.
    pub retry_after_seconds: Option<u64>,
    /// What the log calls it, in fixed words.
    pub kind: &'static str,
    /// The end user's address, where it was known by then.
    pub client: Option<ClientAddress>,
    /// What monitoring counts it as.
    outcome: app::Outcome,
}

impl HttpRejection {
    const FORBIDDEN: Self = Self::new(403, None, "the key may not ask this", app::Outcome::Refused);
    const MALFORMED: Self = Self::malformed("malformed");
    const BUSY: Self = Self::new(503, Some(BUSY_RETRY_SECONDS), "busy", app::Outcome::Busy);
    const BROKEN: Self = Self::new(503, Some(BROKEN_RETRY_SECONDS), "broken", app::Outcome::Broken);

    /// Asked more often than the limits allow.
    #[must_use]
    pub const fn over_limit(retry_after_seconds: u64) -> Self {
        Self::new(429, Some(retry_after_seconds), "over a rate limit", app::Outcome::OverLimit)
    }

    const fn unsealed(kind: &'static str) -> Self {
        Self::new(401, None, kind, app::Outcome::Malformed)
    }

    const fn malformed(kind: &'static str) -> Self {
        Self::new(400, None, kind, app::Outcome::Malformed)
    }

    const fn new(
        status: u16,
        retry_after_seconds: Option<u64>,
        kind: &'static str,
        outcome: app::Outcome,
    ) -> Self {
        Self { status, retry_after_seconds, kind, outcome, client: None }
    }
}

/// A sealed request after opening, its parts not yet looked into.
struct Message<'t> {
    request: String,
    body: Option<Json<'t>>,
    reqid: Json<'t>,
    client: ClientAddress,
    /// The operator whom the calling server asks for, by the name that they are logged in under.
    operator: Option<String>,
}

/// One request to carry out, alone or out of a batch, but for its body.
struct Part<'m> {
    name: &'m str,
    /// The ID of the message that it came in.
    reqid: Json<'m>,
    client: &'m ClientAddress,
    operator: Option<&'m str>,
    presence: &'m Presence,
    /// What the message was sealed with.
    key: &'m Key,
    /// Whether others of the same message wait behind it.
    is_in_batch: bool,
}

/// Answers the body of a `POST /`, which comes from a client that may go before it is answered.
///
/// # Errors
///
/// What is answered by an HTTP status alone.
pub fn answer(app: &App, sealed: &[u8], presence: &Presence) -> Result<Vec<u8>, HttpRejection> {
    let opened = app.keys.load().open(sealed).ok_or_else(|| {
        app.metrics.unsealed.increment();
        HttpRejection::unsealed(if Keyring::is_envelope(sealed) {
            "sealed with another key"
        } else {
            "not sealed"
        })
    })?;
    opened.key.note_use(app.clock.now());
    let repaired;
    let text = if let Ok(text) = std::str::from_utf8(opened.plaintext.expose()) {
        text
    } else {
        repaired = json::without_surrogates(opened.plaintext.expose()).ok_or(NO_JSON)?;
        repaired.as_str()
    };
    let message = read_message(app, text)?;
    let part = Part {
        name: &message.request,
        reqid: message.reqid,
        client: &message.client,
        operator: message.operator.as_deref(),
        presence,
        key: &opened.key,
        is_in_batch: false,
    };
    let result = handle(app, &part, message.body.and_then(read_body));
    let envelope = result?.into_envelope(message.reqid);
    Ok(opened.key.seal(envelope.as_bytes(), app.clock.now()))
}

/// Carries out a message's request and writes a line about it; for a batch, one for each request in it.
fn handle(app: &App, part: &Part<'_>, body: Option<WipedObject>) -> Result<Answer, HttpRejection> {
    match body {
        Some(body) if part.name == batch::NAME && part.key.may_ask(batch::NAME) => {
            let handled = batch::carry_out(body, &mut |name, body| {
                if part.presence.is_gone() {
                    return Err((HttpRejection::BUSY.status, None));
                }
                let name = name.unwrap_or_default();
                handle_one(app, &Part { name, is_in_batch: true, ..*part }, body)
                    .map_err(|rejected| (rejected.status, rejected.retry_after_seconds))
            });
            answered(app, &batch::REQUESTS[0], handled)
        }
        body => handle_one(app, part, body),
    }
}

/// Admits one request, runs its action and pays what a failed password check costs.
fn handle_one(app: &App, part: &Part<'_>, body: Option<WipedObject>) -> Result<Answer, HttpRejection> {
    let begun = app.clock.monotonic();
    let user = if log::shows_requests() { user_named_in(app, part, body.as_deref()) } else { None };
    let result = admit_and_act(app, part, body);
    let took = app.clock.monotonic().saturating_sub(begun);
    app.metrics.count(part.name, outcome_of(&result), took);
    log_request(app, part, user, took, &result);
    result.map_err(|rejected| HttpRejection { client: Some(part.client.clone()), ..rejected })
}

fn admit_and_act(app: &App, part: &Part<'_>, body: Option<WipedObject>) -> Result<Answer, HttpRejection> {
    // Before it counts towards a limit: who may not ask this is not to use up what others may.
    if !part.key.may_ask(part.name) {
        return Err(HttpRejection::FORBIDDEN);
    }
    let request = REQUESTS_BY_NAME.get(part.name).copied();
    admit(app, request, part, body.as_deref())?;
    let request = request.ok_or(HttpRejection::malformed("unknown request"))?;
    let body = body.ok_or(HttpRejection::malformed("no body"))?;
    let lifted = release_expired(app);
    let request_id = display_id(part.reqid);
    let mut call = Context::of_client(app, part.client, &request_id, part.presence);
    if let Some(operator) = part.operator {
        call.asked_for_by(operator);
    }
    if part.is_in_batch {
        call.never_wait();
    }
    let acted = (request.handle)(&mut call, body).map(|acted| match (acted, lifted) {
        // An account whose lock is over is locked still, and that may be all that stood in the way.
        (Err(Failure::Refused(_)), Err(error)) if any_ended(app).unwrap_or(true) => Err(error.into()),
        (acted, _) => acted,
    });
    let answer = answered(app, request, acted)?.retry_after(call.retry_after_seconds());
    if call.delayed_by() > Duration::ZERO && !app.delay_response(call.delayed_by()) {
        return Err(HttpRejection::BUSY);
    }
    Ok(answer)
}

/// What a caller gets for what became of a request.
fn answered(app: &App, request: &Request, handled: Handled) -> Result<Answer, HttpRejection> {
    match handled {
        Err(problems) => Ok(Answer::invalid_parameters(request.name, &problems)),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Failure::Refused(refused))) => Ok(Answer::refused(*refused)),
        Ok(Err(Failure::Broken(error))) => broken(app, request, &error),
    }
}

/// Reads the envelope's top level. What is sealed but is not a request at all is told apart from what is not even
/// JSON: the former is answered as malformed, the latter as unsealed.
fn read_message<'t>(app: &App, text: &'t str) -> Result<Message<'t>, HttpRejection> {
    let limits = Limits { bytes: app.config.body_bytes_max, ..Limits::REQUEST };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (json, members) = json::check_members(text, &limits).map_err(|error| match error {
        JsonError::Syntax { .. } => NO_JSON,
        JsonError::TooDeep if !text.trim_start().starts_with('{') => NO_JSON,
        _ => HttpRejection::MALFORMED,
    })?;
    let Some(members) = members.filter(|members| !members.is_empty()) else {
        let is_nothing = json.value().is_ok_and(|value| {
            let is_nothing = is_falsy(&value);
            json::wipe(value);
            is_nothing
        });
        return Err(if is_nothing { NO_JSON } else { HttpRejection::MALFORMED });
    };
    let member = |name| members.iter().rfind(|(key, _)| key == name).map(|(_, value)| *value);
    let no_request = HttpRejection::malformed("no request named");
    let request = member("request").and_then(Json::string).ok_or(no_request)?;
    let client = member("client_ipaddr").and_then(|client| client.value().ok());
    let client = client.filter(|client| !is_falsy(client));
    if client.is_none() && !app.limiter.limits().is_disabled() {
        return Err(HttpRejection::malformed("no client_ipaddr"));
    }
    let client = client.map_or_else(ClientAddress::unknown, |client| {
        let text = String::from_wire(client).unwrap_or_else(|other| other.to_string());
        ClientAddress::from_frontend(&text)
    });
    let reqid =
        member("reqid").filter(|reqid| reqid.text() != "null").ok_or(HttpRejection::malformed("no reqid"))?;
    let operator = member("operator").filter(|operator| operator.text() != "null");
    let operator = operator.map(read_operator).transpose()?;
    Ok(Message { request, body: member("body"), reqid, client, operator })
}

/// The name of an operator, which is kept in the event log and shown on terminals.
fn read_operator(operator: Json<'_>) -> Result<String, HttpRejection> {
    let is_name = |name: &String| {
        !name.is_empty()
            && name.chars().count() <= OPERATOR_CHARACTERS_MAX
            && !name.chars().any(|character| character.is_control() || character.is_whitespace())
    };
    operator.string().filter(is_name).ok_or(HttpRejection::malformed("no name of an operator"))
}

/// The body as a tree; `None` for anything but an object.
fn read_body(body: Json<'_>) -> Option<WipedObject> {
    WipedObject::from_wire(body.value().ok()?).map_err(json::wipe).ok()
}

fn admit(
    app: &App,
    request: Option<&Request>,
    part: &Part<'_>,
    body: Option<&Object>,
) -> Result<(), HttpRejection> {
    let email = email_named_in(request, body);
    let built_in = request.and_then(|request| request.per_minute);
    match app.limiter.admit(
        part.name,
        built_in,
        part.client,
        email.as_ref().map(EmailAddress::as_str),
        app.clock.monotonic(),
    ) {
        Admission::Admitted => Ok(()),
        Admission::Limited { retry_after_seconds } => Err(HttpRejection::over_limit(retry_after_seconds)),
    }
}

/// The address in a body, under the key that the request declares: what else a body carries is looked at by nobody.
fn email_named_in(request: Option<&Request>, body: Option<&Object>) -> Option<EmailAddress> {
    let declared = request?.params.iter().find(|param| param.is_email())?;
    let email = body?.get(declared.name)?.as_str().filter(|email| !email.is_empty());
    email.map(EmailAddress::folded)
}

/// Whom a request is about, as far as its body says: by number, or by address.
fn user_named_in(app: &App, part: &Part<'_>, body: Option<&Object>) -> Option<Redacted> {
    let request = REQUESTS_BY_NAME.get(part.name).copied()?;
    if let Some(email) = email_named_in(Some(request), body) {
        return Some(app.config.pii_salt.redact(email.as_str()));
    }
    let declares_number = request.params.iter().any(|param| param.name == USER_ID);
    let number = body?.get(USER_ID).filter(|value| declares_number && value.is_number())?;
    Some(app.config.pii_salt.redact(number))
}

/// What a caller learns when the server could not find out: never a verdict.
fn broken(app: &App, request: &Request, error: &Error) -> Result<Answer, HttpRejection> {
    let fields = [("request", request.name.into()), ("cause", log::cause(error))];
    if let Error::Busy(_) = error {
        // Whoever sends many requests at once decides how many these are, and is not to fill the log.
        if let Some(count) = app.busy.count(app.clock.monotonic()) {
            let [request, cause] = fields;
            log::warning("requests refused while busy", &[("count", count.into()), request, cause]);
        }
        return Err(HttpRejection::BUSY);
    }
    log::error("request failed", &fields);
    match (error, request.broken) {
        // Whatever the request, another server may do better; a balancer has to see it.
        (Error::Store(error), _) if error.is_unreachable() => Err(HttpRejection::BROKEN),
        (_, Some(refusal)) => Ok(Answer::refused(refusal.to_refused())),
        (Error::Store(error), None) if error.is_callers_error() => Err(HttpRejection::MALFORMED),
        (_, None) => Err(HttpRejection::BROKEN),
    }
}

/// How a request came out, for monitoring.
fn outcome_of(result: &Result<Answer, HttpRejection>) -> app::Outcome {
    match result {
        Ok(answer) if answer.is_done() => app::Outcome::Done,
        Ok(answer) if answer.kind() == INVALID_PARAMETERS => app::Outcome::Malformed,
        Ok(_) => app::Outcome::Refused,
        Err(rejected) => rejected.outcome,
    }
}

/// A request's ID as a person writes it down: a text without its quotes, anything else as JSON.
fn display_id(reqid: Json<'_>) -> Cow<'_, str> {
    reqid.string().map_or(Cow::Borrowed(reqid.text()), Cow::Owned)
}

/// One line per request.
fn log_request(
    app: &App,
    part: &Part<'_>,
    user: Option<Redacted>,
    took: Duration,
    result: &Result<Answer, HttpRejection>,
) {
    if !log::shows_requests() {
        return;
    }
    let outcome = match result {
        Ok(answer) => answer.kind(),
        Err(rejected) => rejected.kind,
    };
    let mut fields = vec![
        ("reqid", log::escaped(&display_id(part.reqid))),
        ("request", log::escaped(part.name)),
        ("outcome", outcome.into()),
        ("client", app.config.pii_salt.redact(part.client).into()),
    ];
    fields.extend(user.map(|user| ("user", user.into())));
    fields.push(("micros", took.as_micros().into()));
    log::info("request", &fields);
}
