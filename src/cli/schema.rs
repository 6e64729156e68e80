//! `authnzerver schema`: the whole API, from the registry that also answers requests. As JSON for programs, as
//! `docs/api.md` for people, and as OpenAPI.

pub mod openapi;
mod shared;

use super::command::{Arguments, CommandError, Context, EXIT_DONE};
use super::form::wanted_form;
use crate::api::requests;
use crate::guard::ratelimit::is_tied_to_email;
use crate::outcome::{INVALID_PARAMETERS, Refusal};
use crate::request::{Param, Repeat, Request};
use crate::shape::{Field, Shape, Type};
use serde_json::{Map, Value, json};
use shared::{objects, refusals, tidy};
use std::fmt::Write as _;

/// What a page about the API begins with.
const INTRODUCTION: &str = "\
# The API

This page is written by the program itself: `make docs` renews it, `authnzerver schema` prints the same as JSON.

Every request is a `POST /` whose body is base64 of a [Fernet](https://github.com/fernet/spec) token of a JSON object.
Both sides share the key.

| key | description |
| --- | --- |
| `request` | the request's name |
| `body` | an object with its parameters; what is not listed below is ignored |
| `reqid` | any JSON value but null; the answer carries it unchanged |
| `client_ipaddr` | the end user's address; needed unless rate limits are off |
| `operator` | may be left out: for which operator this is asked, by their login name (up to 64 characters, no blanks). Events of what the caller does by itself name them |

The answer, HTTP 200, is sealed in the same way:

| key | description |
| --- | --- |
| `success` | whether it was done |
| `response` | the answer's own keys, listed below, beside `success`, `messages` and `failure_reason` |
| `messages` | texts that may be shown to the end user |
| `failure_reason` | why it was not done, for the calling server alone; absent where there is nothing to tell |
| `reqid` | the request's |

Parameters that do not fit are answered with the reason `invalid request parameters`; `response.response.problems`
names each one, as `missing` or of an `incorrect type`, with the `required_type`. An optional parameter may be null.

Where attempts at a password are refused for a while instead of held (`login`, and all with `AUTHNZERVER_BACKOFF=refuse`),
the `response` of a refusal has `retry_after`: after so many seconds the next attempt at this account is looked at.

| HTTP status | description |
| --- | --- |
| 400 | the message is malformed, or the request is unknown |
| 401 | the message cannot be opened, or holds no JSON |
| 403 | the key that sealed the message may not ask this request |
| 404, 405 | the host is not allowed, or there is nothing at this path; `/` takes `POST` only |
| 408, 411, 413, 431 | the message came too slowly, without a length, or is too long; so are its headers |
| 429 | over a rate limit; `Retry-After` tells the seconds to wait |
| 503 | too much is waiting, or the server could not find out; `Retry-After` tells when to try again |

Times are UTC, as `2026-11-23T14:06:11.930944`; the fraction is left out when it is zero. An `int` has 64 bits, a
`float` may be a whole number, and `true` is neither.

## Asking once more

After a 503, the reason of a request that the server could not carry out, or no answer at all, nobody may know whether it was
carried out: the connection to a PostgreSQL can be lost during the commit. Each request below says what asking once more does:

| | |
| --- | --- |
| It only reads. | Ask again. |
| Asked once more, it does no more. | Ask again. If the first time was carried out, the answer may be a refusal: what it was about is gone by then, or there. |
| Asked once more, it may do more. | Look first, or leave it to the user: there may be another session, key or email, or a guess at a password or a code that counts; and what the first time gave out is lost. |

A `batch` is like its requests. The clients of this project ask again by themselves where a request only reads.

## The health check

`GET /health` needs no key, but a `Host` that is allowed. At most once a second it reads the database and writes to it.
It answers HTTP 200 while that works and 500 while it does not, with a JSON object that is not sealed:

| key | type | description |
| --- | --- | --- |
| `Health-Ok` | bool | whether all is well |
| `Workers` | dict | for each thread that answers requests, `ok` or `database broken` |
| `Expected-Workers` | int | how many there are |
| `Check-Time` | float | seconds that the check took |
| `Version` | str | the server's version |
| `Uptime` | float | seconds since the server started |
| `Last-Backup` | str or null | when the last verified backup was made, in UTC |
| `Cause` | str | in a few fixed words, what is wrong; absent while all is well |

A client that asks too often is answered 429. `authnzerver health` asks and shows it.
";

/// Describes every request.
///
/// # Errors
/// A form that there is not.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let describe = wanted_form::<fn() -> String>(
        arguments,
        json,
        &[("markdown", markdown), ("openapi", openapi::json)],
    )?;
    context.streams.print(&describe());
    Ok(EXIT_DONE)
}

/// The API as JSON text.
fn json() -> String {
    let all: Vec<Value> = requests().map(request_json).collect();
    let objects: Map<String, Value> =
        objects().map(|shape| (shape.name.to_owned(), fields_json(shape))).collect();
    let schema = json!({ "version": env!("CARGO_PKG_VERSION"), "requests": all, "objects": objects });
    format!("{schema:#}\n")
}

fn fields_json(shape: &Shape) -> Value {
    let field_json = |field: &Field| {
        let mut json = type_json(&field.value);
        json["name"] = field.name.into();
        json["doc"] = tidy(field.doc).into();
        json
    };
    shape.fields.iter().map(field_json).collect()
}

/// A type in the words of parameters, and beside it what a list is made of, or which object it is.
fn type_json(value: &Type) -> Value {
    match value {
        Type::Nullable(inner) => {
            let mut json = type_json(inner);
            json["type"] = words(value).into();
            json
        }
        Type::List(inner) => json!({ "type": words(value), "items": type_json(inner) }),
        Type::Object(shape) => json!({ "type": words(value), "object": shape.name }),
        _ => json!({ "type": words(value) }),
    }
}

fn words(value: &Type) -> String {
    match value {
        Type::Integer => "int".to_owned(),
        Type::Text => "str".to_owned(),
        Type::Boolean => "bool".to_owned(),
        Type::Timestamp => "datetime".to_owned(),
        Type::Json => "any".to_owned(),
        // Null is one of any.
        Type::Nullable(Type::Json) => words(&Type::Json),
        Type::Nullable(inner) => format!("{} or null", words(inner)),
        Type::List(_) => "list".to_owned(),
        Type::Object(_) => "object".to_owned(),
    }
}

fn request_json(request: &Request) -> Value {
    let parameters: Vec<Value> = request.params.iter().map(param_json).collect();
    let refusals: Vec<Value> = refusals(request)
        .map(|refusal| json!({ "failure_reason": refusal.reason(), "message": refusal.message() }))
        .collect();
    json!({
        "name": request.name, "doc": tidy(request.doc), "per_minute": request.per_minute,
        "parameters": parameters, "answers": fields_json(request.answers), "refusals": refusals,
        "repeat": request.repeat.word(), "when_broken": request.broken.and_then(Refusal::reason),
    })
}

fn param_json(param: &Param) -> Value {
    let mut json = json!({
        "name": param.name, "alias": param.alias, "type": param.required_type(),
        "required": param.required, "doc": tidy(param.doc),
    });
    if !param.members.is_empty() {
        json["members"] = param.members.iter().map(param_json).collect();
    }
    json
}

/// The API as a page.
fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## Requests\n\n");
    for request in requests() {
        line(&mut page, &format!("- [`{0}`](#{0})", request.name));
    }
    for request in requests() {
        section(&mut page, request);
    }
    page.push_str("\n## Objects\n\nWhat answers are made of. Every key is always there.\n");
    for object in objects() {
        line(&mut page, &format!("\n### {}\n\n{}\n", object.name, tidy(object.doc)));
        fields(&mut page, "key", object);
    }
    page
}

fn section(page: &mut String, request: &Request) {
    line(page, &format!("\n## {}\n\n{}", request.name, tidy(request.doc)));
    if let Some(per_minute) = request.per_minute {
        let whom =
            if is_tied_to_email(request.name) { "one client, and for one address" } else { "one client" };
        line(page, &format!("\nAt most {per_minute} a minute for {whom}, unless set otherwise."));
    }
    let repeat = match request.repeat {
        Repeat::Reads => "It only reads.",
        Repeat::Same => "Asked once more, it does no more.",
        Repeat::More => "Asked once more, it may do more.",
    };
    line(page, &format!("\n{repeat}"));
    line(page, "\n| parameter | type | | meaning |\n| --- | --- | --- | --- |");
    for param in request.params {
        let alias = param.alias.map(|alias| format!(" (or `{alias}`)")).unwrap_or_default();
        param_row(page, &format!("`{}`{alias}", param.name), param);
        for member in param.members {
            let each = if param.types == ["list"] { "[]" } else { "" };
            param_row(page, &format!("`{}{each}.{}`", param.name, member.name), member);
        }
    }
    if request.answers.fields.is_empty() {
        line(page, "\nThe answer has no keys of its own.");
    } else {
        page.push('\n');
        fields(page, "answer", request.answers);
    }
    line(page, "\n| `failure_reason` | message |\n| --- | --- |");
    for refusal in refusals(request) {
        let reason = refusal.reason().map_or_else(|| "none".to_owned(), |reason| format!("`{reason}`"));
        let message =
            if refusal.message().is_empty() { "what is wrong with the password" } else { refusal.message() };
        line(page, &format!("| {reason} | {message} |"));
    }
    line(page, &format!("| `{INVALID_PARAMETERS}` | which request it was |"));
    match request.broken.and_then(Refusal::reason) {
        Some(reason) => line(page, &format!("| `{reason}` | the server could not find out |")),
        None => line(page, "\nWhere the server could not find out, it answers HTTP 503."),
    }
}

fn param_row(page: &mut String, name: &str, param: &Param) {
    let need = if param.required { "required" } else { "optional" };
    line(page, &format!("| {name} | {} | {need} | {} |", param_words(param), tidy(param.doc)));
}

fn fields(page: &mut String, heading: &str, shape: &Shape) {
    line(page, &format!("| {heading} | type | meaning |\n| --- | --- | --- |"));
    for field in shape.fields {
        line(page, &format!("| `{}` | {} | {} |", field.name, linked_words(&field.value), tidy(field.doc)));
    }
}

fn linked_words(value: &Type) -> String {
    match value {
        Type::Nullable(inner @ Type::Object(_)) => format!("{} or null", linked_words(inner)),
        Type::List(inner) => format!("list of {}", linked_words(inner)),
        Type::Object(shape) => format!("[{}](#{})", shape.name, shape.name.to_lowercase()),
        _ => words(value),
    }
}

fn param_words(param: &Param) -> String {
    match param.required_type() {
        Value::String(word) => word,
        Value::Array(words) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            words.join(" or ")
        }
        other => other.to_string(),
    }
}

fn line(page: &mut String, text: &str) {
    // Writing into a String cannot fail.
    let _ = writeln!(page, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_up_to_date() {
        let page = include_str!("../../docs/api.md");
        assert!(page == markdown(), "docs/api.md is stale: run `make docs`");
    }

    /// What is always done, unless the database fails.
    const NEVER_REFUSED: [&str; 4] =
        ["internal-session-end-all", "internal-session-purge", "internal-email-list", "internal-stats"];

    #[test]
    fn every_request_tells_its_parameters_answers_and_refusals() {
        let schema: Value = crate::json::read(&json(), &crate::json::Limits::FILE).expect("is JSON");
        let all = schema["requests"].as_array().expect("a list");
        assert_eq!(all.len(), requests().count());
        for request in all {
            let name = &request["name"];
            assert!(request["doc"].as_str().is_some_and(|doc| doc.ends_with('.')), "{name}");
            let has = |list: &str| request[list].as_array().is_some_and(|list| !list.is_empty());
            assert!(
                has("parameters")
                    || ["internal-session-purge", "internal-stats"].contains(&name.as_str().expect("a name")),
                "{name}"
            );
            assert!(has("refusals") || NEVER_REFUSED.contains(&name.as_str().expect("a name")), "{name}");
        }
    }

    #[test]
    fn every_refusal_of_an_action_is_told() {
        let told: Vec<_> = requests()
            .flat_map(|request| request.refusals.iter().copied().chain(request.broken))
            .filter_map(Refusal::reason)
            .collect();
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api");
        let mut waiting = vec![std::path::PathBuf::from(directory)];
        let mut checked = 0;
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(
                    std::fs::read_dir(path).expect("reads").map(|entry| entry.expect("reads").path()),
                );
                continue;
            }
            let code = std::fs::read_to_string(&path).expect("reads");
            for refusal in code.split("Refusal::new(").skip(1) {
                let reason = refusal.split('"').nth(1).expect("a reason in quotes");
                assert!(told.contains(&reason), "{}: {reason}", path.display());
                checked += 1;
            }
        }
        assert!(checked > 90, "only {checked} refusals were found");
    }
}
