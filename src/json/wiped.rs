//! Trees whose texts are wiped from memory when they go: in the body of a request a password may stand anywhere.

use serde_json::{Map, Value};
use std::ops::{Deref, DerefMut};
use zeroize::Zeroize;

/// A part of a tree whose keys and texts are wiped when it is dropped. What is taken out of it is no longer its business.
#[derive(Default)]
pub struct Wiped<T: Default + Into<Value>>(T);

/// An object that is wiped.
pub type WipedObject = Wiped<Map<String, Value>>;

/// A list that is wiped.
pub type WipedList = Wiped<Vec<Value>>;

impl<T: Default + Into<Value>> From<T> for Wiped<T> {
    fn from(part: T) -> Self {
        Self(part)
    }
}

impl<T: Default + Into<Value>> Deref for Wiped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Default + Into<Value>> DerefMut for Wiped<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Default + Into<Value>> Drop for Wiped<T> {
    fn drop(&mut self) {
        wipe(std::mem::take(&mut self.0).into());
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
