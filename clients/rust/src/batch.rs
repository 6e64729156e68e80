//! Several requests in one message.

use crate::call::{About, Request, read, read_answer};
use crate::errors::{Error, bad_answer, unavailable};
use crate::types::{BatchAnswer, PartAnswer};
use serde_json::{Map, Value, json};
use std::marker::PhantomData;
use std::time::Duration;

/// The request that a message with several is.
pub(crate) const BATCH: &str = "batch";

type Body<'a> = Box<dyn Fn(&About<'_>) -> Map<String, Value> + 'a>;

/// Requests to ask in one message, up to 16. Each is asked as if it had come alone.
#[derive(Default)]
pub struct Batch<'a> {
    parts: Vec<(&'static str, Body<'a>)>,
    writes: bool,
    stops: bool,
}

/// A request's place in a [`Batch`].
#[derive(Debug)]
pub struct Part<R> {
    place: usize,
    request: PhantomData<fn() -> R>,
}

impl<'a> Batch<'a> {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What comes after a request that was not done is not asked.
    #[must_use]
    pub fn until_failure(mut self) -> Self {
        self.stops = true;
        self
    }

    /// Adds a request.
    pub fn add<R: Request + 'a>(&mut self, params: R) -> Part<R> {
        self.writes |= !R::ONLY_READS;
        self.parts.push((R::NAME, Box::new(move |about| params.body(about))));
        Part { place: self.parts.len() - 1, request: PhantomData }
    }

    pub(crate) fn only_reads(&self) -> bool {
        !self.writes
    }

    pub(crate) fn body(&self, about: &About<'_>) -> Map<String, Value> {
        let parts = self.parts.iter().map(|(name, body)| json!({ "request": name, "body": body(about) }));
        let mut body = Map::new();
        body.insert("requests".to_owned(), parts.collect());
        if self.stops {
            body.insert("stop_on_failure".to_owned(), Value::Bool(true));
        }
        body
    }

    pub(crate) fn answered(&self, answer: &mut Map<String, Value>) -> Result<Answers, Error> {
        let answer: BatchAnswer = read_answer(BATCH, answer)?;
        let named: Vec<&str> = answer.answers.iter().filter_map(|part| part.request.as_deref()).collect();
        let is_ours = named.iter().zip(&self.parts).all(|(name, (ours, _))| name == ours);
        if !is_ours || named.len() != answer.answers.len() || named.len() > self.parts.len() {
            return Err(bad_answer("these are the answers to other requests"));
        }
        Ok(Answers { parts: answer.answers.into_iter().map(Some).collect() })
    }
}

/// What several requests came to.
#[derive(Debug)]
pub struct Answers {
    parts: Vec<Option<PartAnswer>>,
}

impl Answers {
    /// Takes what one of them came to.
    ///
    /// # Errors
    /// It was not done, or not asked since one before it was not.
    ///
    /// # Panics
    /// It was taken already.
    pub fn take<R: Request>(&mut self, part: Part<R>) -> Result<R::Answer, Error> {
        let Some(came) = self.parts.get_mut(part.place) else {
            return Err(unavailable("this was not asked, since one before it was not done", false));
        };
        let came = came.take().expect("each answer is taken once, since its part is moved");
        if came.request.as_deref() != Some(R::NAME) {
            return Err(bad_answer("these are the answers to other requests"));
        }
        if came.status != 200 {
            let wait =
                came.retry_after.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
            return Err(Error::of_status(R::NAME, came.status, wait));
        }
        let mut answer = Map::new();
        answer.insert("success".to_owned(), Value::Bool(came.success));
        answer.insert("response".to_owned(), came.response);
        answer.insert("messages".to_owned(), Value::from(came.messages));
        answer.insert("failure_reason".to_owned(), Value::from(came.failure_reason));
        read::<R>(&mut answer)
    }
}
