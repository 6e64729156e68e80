//! Trees whose texts are wiped from memory when they go: in the body of a request a password may stand anywhere.

use serde_json::{Map, Value};
use std::ops::{Deref, DerefMut};
use zeroize::Zeroize;

/// An object whose keys and texts are wiped when it is dropped. What is taken out of it is no longer its business.
#[derive(Default)]
pub struct WipedObject(Map<String, Value>);

impl From<Map<String, Value>> for WipedObject {
    fn from(object: Map<String, Value>) -> Self {
        Self(object)
    }
}

impl Deref for WipedObject {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl DerefMut for WipedObject {
    fn deref_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.0
    }
}

impl Drop for WipedObject {
    fn drop(&mut self) {
        wipe(Value::Object(std::mem::take(&mut self.0)));
    }
}

/// A list whose texts are wiped when it is dropped. What is taken out of it is no longer its business.
#[derive(Default)]
pub struct WipedList(Vec<Value>);

impl From<Vec<Value>> for WipedList {
    fn from(list: Vec<Value>) -> Self {
        Self(list)
    }
}

impl Deref for WipedList {
    type Target = Vec<Value>;

    fn deref(&self) -> &Vec<Value> {
        &self.0
    }
}

impl DerefMut for WipedList {
    fn deref_mut(&mut self) -> &mut Vec<Value> {
        &mut self.0
    }
}

impl Drop for WipedList {
    fn drop(&mut self) {
        wipe(Value::Array(std::mem::take(&mut self.0)));
    }
}

/// Drops a tree and wipes its keys and texts. Does not recurse.
pub fn wipe(tree: Value) {
    let mut left = vec![tree];
    while let Some(value) = left.pop() {
        match value {
            Value::String(mut text) => text.zeroize(),
            Value::Array(entries) => left.extend(entries),
            Value::Object(members) => left.extend(members.into_iter().map(|(mut key, value)| {
                key.zeroize();
                value
            })),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
