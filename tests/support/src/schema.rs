//! Holds answers against what the requests declare: the keys, their types down to the leaves, and the reasons.

use authnzerver::api::REQUESTS_BY_NAME;
use authnzerver::clock::Timestamp;
use authnzerver::outcome::{INVALID_PARAMETERS, Refusal};
use authnzerver::request::Request;
use authnzerver::shape::{Shape, Type};
use serde_json::{Map, Value};

/// Keys of every answer.
const ENVELOPE: &[&str] = &["success", "messages", "failure_reason", "retry_after"];

/// Panics where an answer is other than its request declares.
pub fn assert_declared(request: &str, answer: &Value) {
    let declared = REQUESTS_BY_NAME.get(request).expect("the server answered, so there is such a request");
    let response = answer["response"].as_object().expect("a response is an object");
    assert!(
        answer["messages"].as_array().is_some_and(|texts| texts.iter().all(Value::is_string)),
        "{request}: {answer}"
    );
    assert_eq!(response.get("failure_reason"), answer.get("failure_reason"), "{request}");
    if answer["success"] == true {
        assert!(!response.contains_key("failure_reason"), "{request}: {answer}");
        assert_keys(request, response, declared.answers, &ENVELOPE[..2]);
    } else if answer["failure_reason"] != INVALID_PARAMETERS {
        assert_refusal(declared, response);
    }
}

fn assert_keys(place: &str, object: &Map<String, Value>, shape: &Shape, more: &[&str]) {
    for field in shape.fields {
        let value = object.get(field.name);
        let value = value.unwrap_or_else(|| panic!("{place}: {} is missing", field.name));
        assert_type(&format!("{place}.{}", field.name), value, &field.value);
    }
    let is_declared =
        |key: &String| more.contains(&key.as_str()) || shape.fields.iter().any(|field| field.name == key);
    let undeclared: Vec<_> = object.keys().filter(|key| !is_declared(key)).collect();
    assert!(undeclared.is_empty(), "{place}: {undeclared:?} is not declared");
}

fn assert_type(place: &str, value: &Value, declared: &Type) {
    let fits = match declared {
        Type::Integer => value.is_i64(),
        Type::Text => value.is_string(),
        Type::Boolean => value.is_boolean(),
        Type::Timestamp => value.as_str().is_some_and(|text| Timestamp::parse(text).is_some()),
        Type::Json => true,
        Type::Nullable(_) if value.is_null() => true,
        Type::Nullable(inner) => return assert_type(place, value, inner),
        Type::List(inner) => {
            let values = value.as_array().unwrap_or_else(|| panic!("{place} is no list: {value}"));
            return values.iter().for_each(|value| assert_type(place, value, inner));
        }
        Type::Object(shape) => {
            let object = value.as_object().unwrap_or_else(|| panic!("{place} is no object: {value}"));
            return assert_keys(place, object, shape, &[]);
        }
    };
    assert!(fits, "{place} is of another type: {value}");
}

/// A refusal has a declared reason, and beside it at most keys that the answer or the request has too.
fn assert_refusal(request: &Request, response: &Map<String, Value>) {
    let place = request.name;
    let reason = response.get("failure_reason").map(|reason| reason.as_str().expect("a reason is a text"));
    let mut declared = request.refusals.iter().copied().chain(request.broken).map(Refusal::reason);
    assert!(
        declared.any(|declared| match (declared, reason) {
            (Some(declared), Some(reason)) => has_form(reason, declared),
            (declared, reason) => declared == reason,
        }),
        "{place}: {reason:?} is not declared"
    );
    for (key, value) in response.iter().filter(|(key, _)| !ENVELOPE.contains(&key.as_str())) {
        match request.answers.fields.iter().find(|field| field.name == key) {
            Some(field) if !value.is_null() => assert_type(&format!("{place}.{key}"), value, &field.value),
            Some(_) => {}
            None => panic!("{place}: {key} is not declared"),
        }
    }
}

/// Whether a reason is as declared; from a name in braces on, any words may stand there.
fn has_form(reason: &str, declared: &str) -> bool {
    match declared.split_once('{') {
        Some((before, _)) => reason.starts_with(before),
        None => reason == declared,
    }
}
