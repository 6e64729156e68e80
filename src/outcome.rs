//! How a request ends: done, refused or broken, and the reply that each becomes.

use crate::guard::password::HasherBusy;
use crate::json::Json;
use crate::problem::Loggable;
use crate::shape;
use crate::store::StoreError;
use crate::wait::keyed_mutex::LockError;
use crate::wire::{ascii_escaped, ascii_json};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// What an action returns.
pub type Outcome<T> = Result<Done<T>, Failure>;

/// A request that was carried out: the answer's keys, and what may be told to the end user.
pub struct Done<T> {
    /// A JSON object as text.
    body: String,
    answers: PhantomData<fn() -> T>,
    messages: Vec<Cow<'static, str>>,
}

impl<T: Serialize> Done<T> {
    /// Done, with one message.
    pub fn new(body: T, message: impl Into<Cow<'static, str>>) -> Self {
        Self::quiet(body).and(message)
    }

    /// Done, with nothing to tell.
    pub fn quiet(body: T) -> Self {
        Self::written(ascii_json(&body))
    }

    /// The same, with the text that such a body would be written as.
    #[must_use]
    pub const fn written(body: String) -> Self {
        Self { body, answers: PhantomData, messages: Vec::new() }
    }

    /// The same with one more message.
    #[must_use]
    pub fn and(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.messages.push(message.into());
        self
    }

    /// The answer as it goes into the envelope.
    pub(crate) fn into_answer(self) -> Answer {
        Answer {
            success: true,
            body: self.body,
            messages: self.messages,
            reason: None,
            retry_after: None,
            kind: "done",
        }
    }
}

shape! {
    /// Nothing to answer but that it is done.
    pub struct Empty {}
}

/// How a request failed.
pub enum Failure {
    /// The server says no, and why.
    Refused(Box<Refused>),
    /// The server could not find out or could not do it.
    Broken(Error),
}

/// One way in which an action says no: a constant at the top of the action's file.
#[derive(Clone, Copy)]
pub struct Refusal {
    /// What the log calls it, and the calling server is told if `has_reason`.
    words: &'static str,
    message: &'static str,
    nulls: &'static [&'static str],
    has_reason: bool,
}

impl Refusal {
    /// A refusal with its reason for the calling server and its message for the end user. Names in braces in the
    /// reason stand for what [`Refused::naming`] puts there.
    #[must_use]
    pub const fn new(reason: &'static str, message: &'static str) -> Self {
        Self { words: reason, message, nulls: &[], has_reason: true }
    }

    /// A refusal whose answer carries no reason; the log has these words in its place.
    #[must_use]
    pub const fn without_reason(logged_as: &'static str, message: &'static str) -> Self {
        Self { words: logged_as, message, nulls: &[], has_reason: false }
    }

    /// Keys that the answer has as null.
    #[must_use]
    pub const fn nulls(mut self, keys: &'static [&'static str]) -> Self {
        self.nulls = keys;
        self
    }

    /// The reason, for comparing and for the documentation.
    #[must_use]
    pub const fn reason(&self) -> Option<&'static str> {
        if self.has_reason { Some(self.words) } else { None }
    }

    /// What the end user reads.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        self.message
    }

    /// This refusal as an answer in the making, to which keys can be added.
    #[must_use]
    pub fn to_refused(&self) -> Refused {
        Refused {
            kind: self.words,
            reason: self.reason().map(Cow::Borrowed),
            messages: vec![Cow::Borrowed(self.message)],
            fields: self.nulls.iter().map(|key| ((*key).to_owned(), Value::Null)).collect(),
        }
    }

    /// This refusal as a failure.
    #[must_use]
    pub fn to_failure(&self) -> Failure {
        self.to_refused().into()
    }
}

/// A refusal as it is answered.
pub struct Refused {
    kind: &'static str,
    reason: Option<Cow<'static, str>>,
    messages: Vec<Cow<'static, str>>,
    fields: Map<String, Value>,
}

impl Refused {
    /// Adds a key to the answer.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.to_owned(), value.into());
        self
    }

    /// Puts words where the reason has their `{name}`. The log keeps to the constant words.
    #[must_use]
    pub fn naming(mut self, named: &[(&str, &str)]) -> Self {
        let declared = self.reason.unwrap_or_default();
        let (mut reason, mut rest) = (String::new(), declared.as_ref());
        while let Some((before, after)) = rest.split_once('{') {
            reason.push_str(before);
            let behind = |name: &str| after.strip_prefix(name)?.strip_prefix('}');
            let found = named.iter().find_map(|(name, words)| Some((*words, behind(name)?)));
            let (words, behind) = found.unwrap_or(("{", after));
            reason.push_str(words);
            rest = behind;
        }
        reason.push_str(rest);
        self.reason = Some(reason.into());
        self
    }

    /// Replaces the messages.
    #[must_use]
    pub fn with_messages(mut self, messages: Vec<Cow<'static, str>>) -> Self {
        self.messages = messages;
        self
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

/// Why something could not be done. For the log; a caller learns only that it failed.
#[derive(Debug)]
pub enum Error {
    /// The database.
    Store(StoreError),
    /// So much is waiting already that this would wait too long.
    Busy(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(out),
            Self::Busy(what) => write!(out, "too much is waiting for {what}"),
        }
    }
}

impl Loggable for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl From<HasherBusy> for Error {
    fn from(busy: HasherBusy) -> Self {
        Self::Busy(match busy {
            HasherBusy::Queue => "the password hasher",
            HasherBusy::Memory => "memory to compute a stored password hash in",
        })
    }
}

impl From<LockError> for Error {
    fn from(_: LockError) -> Self {
        Self::Busy("a turn at this account's password")
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Busy("the database"),
            other => Self::Store(other),
        }
    }
}

impl From<HasherBusy> for Failure {
    fn from(busy: HasherBusy) -> Self {
        Self::Broken(busy.into())
    }
}

impl From<LockError> for Failure {
    fn from(none: LockError) -> Self {
        Self::Broken(none.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Broken(error.into())
    }
}

impl std::error::Error for Error {}

/// What a gate found wrong with one parameter.
#[derive(Serialize)]
pub struct Problem {
    /// The parameter's name.
    pub param: &'static str,
    /// `missing` or `incorrect type`.
    pub problem: &'static str,
    /// The type word, or a list of them for a union.
    pub required_type: Value,
    /// Whether it must be there.
    pub required_param: bool,
}

/// The reason for a request whose parameters do not fit.
pub const INVALID_PARAMETERS: &str = "invalid request parameters";

/// As much as the keys around an answer's own take at most.
const KEYS_BYTES: usize = 160;

/// An action's answer, ready to be put into an envelope.
pub struct Answer {
    success: bool,
    /// A JSON object as text.
    body: String,
    messages: Vec<Cow<'static, str>>,
    reason: Option<Cow<'static, str>>,
    /// Seconds until the next attempt is looked at.
    retry_after: Option<u64>,
    /// What the log calls it, in fixed words.
    kind: &'static str,
}

impl Answer {
    /// The same, but that a refusal says after how many seconds the next attempt is looked at.
    #[must_use]
    pub fn retry_after(mut self, seconds: Option<u64>) -> Self {
        self.retry_after = seconds.filter(|_| !self.success);
        self
    }

    /// A refusal.
    #[must_use]
    pub fn refused(refused: Refused) -> Self {
        let Refused { kind, reason, messages, fields } = refused;
        Self { success: false, body: ascii_json(&fields), messages, reason, retry_after: None, kind }
    }

    /// A request whose parameters do not fit: every problem at once.
    #[must_use]
    pub fn invalid_parameters(request: &str, problems: &[Problem]) -> Self {
        let body = json!({ "response": { "problems": problems, "failure_reason": INVALID_PARAMETERS } });
        let message = format!("The parameters of the request {request} are not valid.");
        Self {
            success: false,
            body: ascii_json(&body),
            messages: vec![message.into()],
            reason: Some(INVALID_PARAMETERS.into()),
            retry_after: None,
            kind: INVALID_PARAMETERS,
        }
    }

    /// Whether the request was done.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.success
    }

    /// What the log calls this outcome.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// The whole envelope as JSON text.
    #[must_use]
    pub fn into_envelope(self, reqid: Json<'_>) -> String {
        let (messages, reason) = self.written();
        let reqid = ascii_escaped(reqid.text());
        let bytes = self.body.len() + 2 * (messages.len() + reason.len()) + reqid.len() + KEYS_BYTES;
        let mut envelope = String::with_capacity(bytes);
        for part in &[r#"{"success": "#, self.success_word(), r#", "response": "#] {
            envelope.push_str(part);
        }
        self.push_response(&messages, &reason, &mut envelope);
        for part in
            &[r#", "messages": "#, messages.as_str(), r#", "reqid": "#, reqid.as_ref(), reason.as_str(), "}"]
        {
            envelope.push_str(part);
        }
        envelope
    }

    /// What an envelope is made of, one by one.
    #[must_use]
    pub fn into_parts(self) -> AnswerParts {
        let (messages, reason) = self.written();
        let mut response =
            String::with_capacity(self.body.len() + messages.len() + reason.len() + KEYS_BYTES);
        self.push_response(&messages, &reason, &mut response);
        AnswerParts { success: self.success, response, messages: self.messages, reason: self.reason }
    }

    /// The messages as JSON, and the key of the reason, if there is one, with the comma before it.
    fn written(&self) -> (String, String) {
        let reason = self.reason.as_ref();
        let reason = reason.map(|reason| format!(r#", "failure_reason": {}"#, ascii_json(reason)));
        (ascii_json(&self.messages), reason.unwrap_or_default())
    }

    /// Puts the response behind what is written already.
    fn push_response(&self, messages: &str, reason: &str, written: &mut String) {
        // The action's own keys stand between braces; ours go before them.
        let keys = self.body.strip_prefix('{').and_then(|body| body.strip_suffix('}')).unwrap_or_default();
        let comma = if keys.is_empty() { "" } else { ", " };
        let retry = self.retry_after.map(|seconds| format!(r#", "retry_after": {seconds}"#));
        let retry = retry.as_deref().unwrap_or_default();
        let success = self.success_word();
        for part in
            &[r#"{"success": "#, success, r#", "messages": "#, messages, reason, retry, comma, keys, "}"]
        {
            written.push_str(part);
        }
    }

    const fn success_word(&self) -> &'static str {
        if self.success { "true" } else { "false" }
    }
}

/// See [`Answer::into_parts`].
pub struct AnswerParts {
    /// Whether the request was done.
    pub success: bool,
    /// The response, a JSON object as text.
    pub response: String,
    /// What may be told to the end user.
    pub messages: Vec<Cow<'static, str>>,
    /// Why it was not done.
    pub reason: Option<Cow<'static, str>>,
}
