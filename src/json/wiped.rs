//! Trees whose texts are wiped from memory when they go: in the body of a request a password may stand anywhere.

use super::Object;
use serde_json::Value;
use std::ops::{Deref, DerefMut};
use zeroize::Zeroize;

/// An object whose keys and texts are wiped when it is dropped. What is taken out of it is no longer its business.
#[derive(Default)]
pub struct WipedObject(Object);

impl From<Object> for WipedObject {
    fn from(object: Object) -> Self {
        Self(object)
    }
}

impl Deref for WipedObject {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.0
    }
}

impl DerefMut for WipedObject {
    fn deref_mut(&mut self) -> &mut Object {
        &mut self.0
    }
}

impl Drop for WipedObject {
    fn drop(&mut self) {
        wipe(Value::Object(std::mem::take(&mut self.0)));
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
