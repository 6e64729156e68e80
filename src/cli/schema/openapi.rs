//! `authnzerver schema openapi`: the API as an OpenAPI 3.1 document, from the same registry.

use super::shared::{objects, refusals, tidy};
use crate::api::requests;
use crate::outcome::{INVALID_PARAMETERS, Refusal};
use crate::request::{Param, Request};
use crate::shape::{Field, Shape, Type};
use serde_json::{Map, Value, json};

const DESCRIPTION: &str = "\
Bodies are sealed. Every request is a POST to /, and its body is not the JSON described here but the base64 text of a \
Fernet token of it, made with the key that the server and its callers share; so is the body of an answer with HTTP \
status 200. A path's fragment is the request's name and is never sent: it keeps the operations apart, which all have \
the same address.";

const SEALED: &str = "Sealed: the base64 text of a Fernet token of this JSON.";

/// How a timestamp is written, always in UTC; the fraction is left out when it is zero.
const TIMESTAMP_PATTERN: &str = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?$";

/// The document.
#[must_use]
pub fn json() -> String {
    let paths: Map<String, Value> =
        requests().map(|request| (format!("/#{}", request.name), path(request))).collect();
    let mut schemas: Map<String, Value> =
        objects().map(|shape| (shape.name.to_owned(), object(shape))).collect();
    schemas.insert("InvalidParameters".to_owned(), invalid_parameters());
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "authnzerver", "version": env!("CARGO_PKG_VERSION"), "description": DESCRIPTION,
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "http://127.0.0.1:13431", "description": "where the server listens by default" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Unreadable": text("The message is malformed, or the request is unknown."),
                "Unsealed": text("The message cannot be opened with the server's key."),
                "NotAllowed": text("The key that sealed the message may not ask this request."),
                "TooLong": text("The message is longer than the server takes."),
                "OverLimit": text_with_retry("The client is over a rate limit."),
                "Unavailable": text_with_retry("Too much is waiting, or the server could not find out."),
            },
        },
    });
    format!("{document:#}\n")
}

fn text(description: &str) -> Value {
    json!({ "description": description, "content": { "text/plain": { "schema": { "type": "string" } } } })
}

fn text_with_retry(description: &str) -> Value {
    let mut response = text(description);
    response["headers"] = json!({
        "Retry-After": { "description": "Seconds to wait.", "schema": { "type": "integer", "minimum": 1 } },
    });
    response
}

fn path(request: &Request) -> Value {
    json!({ "post": {
        "operationId": request.name.replace('-', "_"),
        "summary": tidy(request.doc),
        "requestBody": {
            "description": SEALED, "required": true,
            "content": { "application/json": { "schema": message(request) } },
        },
        "responses": {
            "200": { "description": SEALED, "content": { "application/json": { "schema": answer(request) } } },
            "400": { "$ref": "#/components/responses/Unreadable" },
            "401": { "$ref": "#/components/responses/Unsealed" },
            "403": { "$ref": "#/components/responses/NotAllowed" },
            "413": { "$ref": "#/components/responses/TooLong" },
            "429": { "$ref": "#/components/responses/OverLimit" },
            "503": { "$ref": "#/components/responses/Unavailable" },
        },
    } })
}

/// What is sealed and sent.
fn message(request: &Request) -> Value {
    let body = object_of(request.params, parameter);
    json!({
        "type": "object",
        "required": ["request", "body", "reqid"],
        "properties": {
            "request": { "const": request.name },
            "body": body,
            "reqid": { "not": { "type": "null" }, "description": "The answer carries it unchanged." },
            "client_ipaddr": {
                "type": "string", "description": "The end user's address; needed unless rate limits are off.",
            },
            "operator": {
                "type": ["string", "null"], "maxLength": 64,
                "description": "For which operator this is asked, by their login name.",
            },
        },
    })
}

/// An object with these keys, each with what `schema_of` says about it.
fn object_of(params: &[Param], schema_of: fn(&Param) -> Value) -> Value {
    let mut properties = Map::new();
    for param in params {
        let mut schema = schema_of(param);
        schema["description"] = tidy(param.doc).into();
        properties.insert(param.name.to_owned(), schema);
    }
    let required: Vec<&str> = params.iter().filter(|param| param.required).map(|param| param.name).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// One that may be left out may be null too.
fn parameter(param: &Param) -> Value {
    if !param.members.is_empty() {
        let object = object_of(param.members, |member| typed(&json_types(member)));
        return if param.types == ["list"] { json!({ "type": "array", "items": object }) } else { object };
    }
    if param.types.contains(&"Any") {
        return json!({ "not": { "type": "null" } });
    }
    let mut types = json_types(param);
    if !param.required {
        types.push("null");
    }
    typed(&types)
}

fn typed(types: &[&str]) -> Value {
    match types {
        [one] => json!({ "type": one }),
        several => json!({ "type": several }),
    }
}

fn json_types(param: &Param) -> Vec<&'static str> {
    let mut types: Vec<&str> = param.types.iter().map(|word| json_type(word)).collect();
    if types.contains(&"number") {
        types.retain(|name| *name != "integer");
    }
    types
}

fn json_type(word: &str) -> &'static str {
    match word {
        "int" => "integer",
        "float" => "number",
        "bool" => "boolean",
        "dict" => "object",
        "list" => "array",
        "None" => "null",
        // str
        _ => "string",
    }
}

/// What comes back, opened: the request was done, was refused, or its parameters do not fit.
fn answer(request: &Request) -> Value {
    let done = {
        let (mut properties, mut required) = answer_keys(true, request.answers);
        properties.insert("messages".to_owned(), messages());
        required.extend(["success", "messages"]);
        json!({ "type": "object", "properties": properties, "required": required })
    };
    json!({ "oneOf": [
        envelope(true, &done, None),
        envelope(false, &refused(request), Some(&reason(request))),
        { "$ref": "#/components/schemas/InvalidParameters" },
    ] })
}

fn envelope(success: bool, response: &Value, reason: Option<&Value>) -> Value {
    let mut properties = json!({
        "success": { "const": success },
        "response": response,
        "messages": messages(),
        "reqid": { "description": "The request's." },
    });
    if let Some(reason) = reason {
        properties["failure_reason"] = reason.clone();
    }
    json!({ "type": "object", "properties": properties, "required": ["success", "response", "messages", "reqid"] })
}

fn messages() -> Value {
    json!({
        "type": "array", "items": { "type": "string" }, "description": "What may be shown to the end user.",
    })
}

/// The keys of an answer that is done, or, where some of them may be there and may be null, of a refusal.
fn answer_keys(success: bool, shape: &'static Shape) -> (Map<String, Value>, Vec<&'static str>) {
    let mut properties = Map::new();
    properties.insert("success".to_owned(), json!({ "const": success }));
    properties.append(&mut keys_of(shape, if success { value } else { nullable }));
    (properties, names_of(shape))
}

/// The keys of an object, each with what `schema_of` says about its type.
fn keys_of(shape: &'static Shape, schema_of: fn(&'static Type) -> Value) -> Map<String, Value> {
    let key = |field: &'static Field| {
        let mut schema = schema_of(&field.value);
        schema["description"] = tidy(field.doc).into();
        (field.name.to_owned(), schema)
    };
    shape.fields.iter().map(key).collect()
}

fn names_of(shape: &'static Shape) -> Vec<&'static str> {
    shape.fields.iter().map(|field| field.name).collect()
}

fn refused(request: &Request) -> Value {
    let (mut properties, _) = answer_keys(false, request.answers);
    properties.insert("messages".to_owned(), messages());
    properties.insert("failure_reason".to_owned(), reason(request));
    properties.insert("retry_after".to_owned(), retry_after());
    // An answer to parameters that do not fit has a `response` of its own in here, and no refusal has.
    json!({
        "type": "object", "properties": properties, "required": ["success", "messages"],
        "not": { "required": ["response"] },
    })
}

/// The reason is one of the listed ones; where one has a name in braces, other words stand there.
fn reason(request: &Request) -> Value {
    let mut reasons: Vec<&str> =
        refusals(request).chain(request.broken).filter_map(Refusal::reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let listed = if reasons.iter().any(|reason| reason.contains('{')) { "examples" } else { "enum" };
    json!({
        "type": "string", listed: reasons,
        "description": "Why it was not done, for the calling server alone. Absent where there is nothing to tell.",
    })
}

fn retry_after() -> Value {
    json!({
        "type": "integer", "minimum": 1,
        "description": "After so many seconds the next attempt at this account's password is looked at.",
    })
}

fn invalid_parameters() -> Value {
    let problem = json!({
        "type": "object",
        "properties": {
            "param": { "type": "string" },
            "problem": { "enum": ["missing", "incorrect type"] },
            "required_type": { "type": ["string", "array"], "items": { "type": "string" } },
            "required_param": { "type": "boolean" },
        },
        "required": ["param", "problem", "required_type", "required_param"],
    });
    let details = json!({
        "type": "object",
        "properties": {
            "problems": { "type": "array", "items": problem },
            "failure_reason": { "const": INVALID_PARAMETERS },
        },
        "required": ["problems", "failure_reason"],
    });
    let response = json!({
        "type": "object",
        "properties": {
            "success": { "const": false },
            "messages": messages(),
            "failure_reason": { "const": INVALID_PARAMETERS },
            "response": details,
        },
        "required": ["success", "messages", "failure_reason", "response"],
    });
    envelope(false, &response, Some(&json!({ "const": INVALID_PARAMETERS })))
}

fn object(shape: &'static Shape) -> Value {
    json!({
        "type": "object", "description": tidy(shape.doc), "properties": keys_of(shape, value),
        "required": names_of(shape), "additionalProperties": false,
    })
}

fn value(of: &'static Type) -> Value {
    match of {
        Type::Integer => json!({ "type": "integer", "format": "int64" }),
        Type::Text => json!({ "type": "string" }),
        Type::Boolean => json!({ "type": "boolean" }),
        Type::Timestamp => json!({ "type": "string", "pattern": TIMESTAMP_PATTERN }),
        Type::Json => json!({}),
        Type::Nullable(_) => nullable(of),
        Type::List(inner) => json!({ "type": "array", "items": value(inner) }),
        Type::Object(shape) => json!({ "$ref": format!("#/components/schemas/{}", shape.name) }),
    }
}

fn nullable(of: &'static Type) -> Value {
    match of {
        Type::Nullable(inner) => nullable(inner),
        Type::Json => value(of),
        Type::Object(_) => json!({ "anyOf": [value(of), { "type": "null" }] }),
        _ => {
            let mut schema = value(of);
            schema["type"] = json!([schema["type"], "null"]);
            schema
        }
    }
}
