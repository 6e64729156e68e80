//! Requests as values, and what their answers mean.

use crate::errors::{Error, Refused, bad_answer};
use crate::value::{FromJson, Unfit};
use serde_json::{Map, Value};
use std::time::Duration;

/// Whom a request is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The end user's address.
    pub address: &'a str,
    /// What their browser calls itself.
    pub user_agent: &'a str,
}

/// Parameters that say what is asked.
pub trait Request {
    /// The request's name.
    const NAME: &'static str;
    /// Whether it may be asked twice.
    const ONLY_READS: bool;
    /// What it comes to.
    type Answer: Answer;
    /// What is sent.
    fn body(&self, about: &About<'_>) -> Map<String, Value>;
}

/// What a request that was carried out came to.
pub trait Answer: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// It is not what the API says.
    fn of(response: Value, messages: Vec<String>) -> Result<Self, Unfit>;
}

/// What a request came to.
pub(crate) fn read<R: Request>(answer: &mut Map<String, Value>) -> Result<R::Answer, Error> {
    read_answer(R::NAME, answer)
}

/// What the request of this name came to.
pub(crate) fn read_answer<A: Answer>(
    request: &'static str,
    answer: &mut Map<String, Value>,
) -> Result<A, Error> {
    let mut take = |key: &str| answer.remove(key).unwrap_or(Value::Null);
    let (success, response, reason) = (take("success"), take("response"), take("failure_reason"));
    let messages =
        Vec::from_json(take("messages")).map_err(|_| bad_answer("the answer's messages are not texts"))?;
    match success {
        Value::Bool(true) => A::of(response, messages).map_err(|unfit| bad_answer(unfit.to_string())),
        Value::Bool(false) => {
            let response = if let Value::Object(map) = response { map } else { Map::new() };
            let retry_after = response.get("retry_after").and_then(Value::as_u64).map(Duration::from_secs);
            let reason = if let Value::String(reason) = reason { Some(reason) } else { None };
            Err(Error::Refused(Box::new(Refused { request, reason, messages, response, retry_after })))
        }
        _ => Err(bad_answer("the answer does not say whether it was done")),
    }
}
