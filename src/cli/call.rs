//! `authnzerver call`: asks a running server, as a frontend does, and prints its answer.

use super::client::Client;
use super::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_FAILED};
use super::output::show_document;
use super::streams::Streams;
use crate::api::REQUESTS_BY_NAME;
use crate::config::{closest, shown};
use crate::json::{self, Limits};
use serde_json::{Map, Value};
use std::io::{self, Read as _};

/// The longest body that is read from standard input.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

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
        client_address: arguments.option("client-ipaddr").filter(|address| !address.trim().is_empty()),
    };
    let is_done = ask(&call, arguments, context)?;
    Ok(if is_done { EXIT_DONE } else { EXIT_FAILED })
}

fn ask(
    call: &CallArgs<'_>,
    arguments: &Arguments,
    context: &mut Context<'_, '_>,
) -> Result<bool, CommandError> {
    let client = Client::open(arguments, context)?;
    let body = body(call, &mut *context.streams).map_err(CommandError::cannot_tell)?;
    let given = call.client_address.or_else(|| body.get("client_ipaddr").and_then(Value::as_str));
    let answer = client
        .ask(call.request, &body, given)
        .map_err(|problem| problem.and(&unknown_request(call.request)))?;
    show_document(context, &answer);
    Ok(answer["success"] == Value::Bool(true))
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
    format!("there is no request {}: {meant}`authnzerver schema` lists them all", shown(name))
}
