//! What every description of the API begins with: the objects that answers are made of, and the ways to say no.

use crate::api::requests;
use crate::outcome::Refusal;
use crate::request::Request;
use crate::shape::{Shape, Type};
use std::collections::BTreeMap;

/// The objects that are part of answers, each once.
pub(super) fn objects() -> impl Iterator<Item = &'static Shape> {
    let mut found = BTreeMap::new();
    let mut waiting: Vec<&Type> = requests().flat_map(|request| values(request.answers)).collect();
    while let Some(value) = waiting.pop() {
        match value {
            Type::Nullable(inner) | Type::List(inner) => waiting.push(inner),
            Type::Object(shape) => {
                if found.insert(shape.name, *shape).is_none() {
                    waiting.extend(values(shape));
                }
            }
            Type::Integer | Type::Text | Type::Boolean | Type::Timestamp | Type::Json => {}
        }
    }
    found.into_values()
}

fn values(shape: &'static Shape) -> impl Iterator<Item = &'static Type> {
    shape.fields.iter().map(|field| &field.value)
}

/// Each way to say no, once.
pub(super) fn refusals(request: &Request) -> impl Iterator<Item = &'static Refusal> {
    let all = request.refusals;
    let is_new = move |(place, refusal): &(usize, &&'static Refusal)| {
        !all[..*place]
            .iter()
            .any(|earlier| earlier.reason() == refusal.reason() && earlier.message() == refusal.message())
    };
    all.iter().enumerate().filter(is_new).map(|(_, refusal)| *refusal)
}

/// A doc comment on one line.
pub(super) fn tidy(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}
