//! The wire: which requests there are, what each of them takes, and what becomes of messages that are none.

#![allow(clippy::needless_pass_by_value, reason = "what is asked is written where it is asked")]

mod contract;
mod hostile;
mod limits;
mod message;
mod openapi;
mod parameters;
mod python;
mod router;
mod stack;

use authnzerver::pipeline;
use authnzerver::presence::Presence;
use support::TestServer;

/// The text of the answer to a text, letter by letter; or the HTTP status instead.
fn text_of_answer(server: &TestServer, message: &str) -> Result<String, u16> {
    bytes_answered(server, message.as_bytes())
}

/// The same for bytes that may be no text.
fn bytes_answered(server: &TestServer, message: &[u8]) -> Result<String, u16> {
    let keys = &server.app.config.secret;
    let sealed = keys.first().seal(message, authnzerver::clock::Clock::now(&*server.clock));
    let answer =
        pipeline::answer(&server.app, &sealed, &Presence::always()).map_err(|rejected| rejected.status)?;
    let opened = keys.open(&answer).expect("the answer is sealed with the same key");
    Ok(String::from_utf8(opened.plaintext.expose().clone()).expect("the answer is a text"))
}
