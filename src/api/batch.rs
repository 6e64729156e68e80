//! Several requests in one message, such as all that one page view has to ask. Each is admitted, counted, carried out
//! and answered as if it had come alone; nothing ties them together but their order, and that none may keep the others waiting.

use crate::json::{WipedObject, wipe};
use crate::members;
use crate::outcome::{Answer, Done, Outcome, Refusal};
use crate::request::Handled;
use crate::wire::FromWire;
use crate::{app::Call, requests, shape};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The request's name.
pub const NAME: &str = "batch";

/// So many requests fit into one batch.
const PARTS_MAX: usize = 16;

/// Once the answers are this long together, what is left of a batch is not carried out: one answer alone may be as long.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The status of what is not carried out because the answers before it were so long.
const TOO_LONG: u16 = 413;

const WRONG_COUNT: Refusal =
    Refusal::new("invalid request: a batch holds 1 to 16 requests", "The batch was not carried out.");
const NESTED: Refusal =
    Refusal::new("invalid request: a batch cannot hold a batch", "The batch was not carried out.");

members! {
    /// One request of a batch.
    PART {
        /// Its name.
        request: str,
        /// Its parameters.
        body: dict,
    } optional {}
}

shape! {
    /// The answer to one request of a batch.
    struct PartAnswer {
        /// The name of the request.
        request: Option<String>,
        /// The HTTP status that it would have had alone. Only with 200 there is a `response`.
        status: u16,
        /// Seconds until another try may help, where the status is 429 or 503.
        retry_after: Option<u64>,
        /// Whether it was done.
        success: bool,
        /// What it answered, as if it had come alone.
        response: Option<Box<RawValue>>,
        /// What may be told to the end user.
        messages: Vec<Cow<'static, str>>,
        /// Why it was not done.
        failure_reason: Option<Cow<'static, str>>,
    }
}

requests! {
    /// Carries out up to 16 requests, one after the other, each as if it had come alone: with its own limits, its own
    /// write, its own answer. None waits, neither after a wrong password, which is answered at once with `retry_after`, nor
    /// for events. It says `success` when it got as far as answering them; whether each was done stands in
    /// its answer. A batch counts towards no limit, its requests do.
    "batch" => nested(Batch) {
        /// The requests, in the order in which they are carried out.
        requests: list of PART,
    } optional {
        /// Whether to end after the first one that is not done. What was left out has no answer.
        stop_on_failure: bool,
    } answers Answers {
        /// The answers, in the order of the requests.
        answers: Vec<PartAnswer>,
    } refuses [WRONG_COUNT, NESTED]
}

/// A batch within a batch is a request like any other, and always refused.
fn nested(_: &mut Call<'_>, _: Batch) -> Outcome<Answers> {
    Err(NESTED.to_failure())
}

/// What became of one request: its answer; or an HTTP status, and when to try again.
pub type Part = Result<Answer, (u16, Option<u64>)>;

/// Carries out a batch. `answer` is given the name and the body of each request, as far as there are such.
///
/// # Errors
///
/// Problems with the parameters of the batch itself.
pub fn carry_out(
    body: WipedObject,
    answer: &mut dyn FnMut(Option<&str>, Option<WipedObject>) -> Part,
) -> Handled {
    let Batch { mut requests, stop_on_failure } = Batch::take(body)?;
    if !(1..=PARTS_MAX).contains(&requests.len()) {
        return Ok(Err(WRONG_COUNT.to_failure()));
    }
    let (mut answers, mut bytes) = (Vec::with_capacity(requests.len()), 0);
    for part in requests.drain(..) {
        let (name, body) = read(part);
        let part = if bytes > ANSWER_BYTES_MAX {
            PartAnswer::rejected(name, TOO_LONG, None)
        } else {
            match answer(name.as_deref(), body) {
                Ok(answer) => PartAnswer::new(name, answer),
                Err((status, retry_after)) => PartAnswer::rejected(name, status, retry_after),
            }
        };
        bytes += part.response.as_ref().map_or(0, |response| response.get().len());
        let ends = !part.success && stop_on_failure == Some(true);
        answers.push(part);
        if ends {
            break;
        }
    }
    Ok(Ok(Done::quiet(Answers { answers }).into_answer()))
}

/// The name and the body of one request of a batch; nothing in place of what is of another type.
fn read(part: Value) -> (Option<String>, Option<WipedObject>) {
    let mut part: WipedObject = or_wiped(part).unwrap_or_default();
    let mut member = |key| part.remove(key).unwrap_or_default();
    (or_wiped(member("request")), or_wiped(member("body")))
}

/// A value as a type that it fits; one that does not is wiped, since nobody knows what it was meant to be.
fn or_wiped<T: FromWire>(value: Value) -> Option<T> {
    T::from_wire(value).map_err(wipe).ok()
}

impl PartAnswer {
    fn new(request: Option<String>, answer: Answer) -> Self {
        let parts = answer.into_parts();
        // It was written by us a moment ago, so that it is JSON.
        let response = RawValue::from_string(parts.response).ok();
        Self {
            request,
            status: 200,
            retry_after: None,
            success: parts.success,
            response,
            messages: parts.messages,
            failure_reason: parts.reason,
        }
    }

    const fn rejected(request: Option<String>, status: u16, retry_after: Option<u64>) -> Self {
        Self {
            request,
            status,
            retry_after,
            success: false,
            response: None,
            messages: Vec::new(),
            failure_reason: None,
        }
    }
}
