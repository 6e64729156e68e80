//! Reads the parts of a policy and notes every fault with its place.

use serde_json::{Map, Value};

/// Names in one list, so that a set of them fits into the bits of one number.
const NAMES_MAX: usize = 64;
const NAME_CHARACTERS_MAX: usize = 100;
/// Faults that are told; more would not help anybody.
const FAULTS_MAX: usize = 20;

/// A list of names; a name's place in it stands for the name.
#[derive(Debug)]
pub(super) struct Names(Vec<String>);

impl Names {
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|known| known == name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// A set of places in a list of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(u64);

impl Set {
    pub(super) const fn has(self, place: usize) -> bool {
        self.0 >> place & 1 == 1
    }
}

/// What has been found wrong so far.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) faults: Vec<String>,
}

impl Reading {
    pub(super) fn fault(&mut self, text: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(text);
        }
    }

    /// An object that has all of `required` and nothing but `allowed`.
    pub(super) fn object<'v>(
        &mut self,
        value: &'v Value,
        place: &str,
        required: &[&str],
        allowed: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let Value::Object(object) = value else {
            self.fault(format!("{place}: it must be an object"));
            return None;
        };
        let missing = required.iter().filter(|key| !object.contains_key(**key));
        let missing: Vec<_> = missing.map(|key| format!("{place}: \"{key}\" is missing")).collect();
        let unknown = object.keys().filter(|key| !allowed.contains(&key.as_str()));
        let unknown: Vec<_> =
            unknown.map(|key| format!("{place}: {} is not known here", shown(key))).collect();
        let complete = missing.is_empty();
        missing.into_iter().chain(unknown).for_each(|fault| self.fault(fault));
        complete.then_some(object)
    }

    /// A list of names, each once.
    pub(super) fn names(&mut self, value: &Value, place: &str) -> Option<Names> {
        let texts = self.texts(value, place)?;
        if texts.is_empty() || texts.len() > NAMES_MAX {
            self.fault(format!("{place}: there must be 1 to {NAMES_MAX} names"));
            return None;
        }
        for (index, text) in texts.iter().enumerate() {
            if text.is_empty() || text.chars().count() > NAME_CHARACTERS_MAX {
                self.fault(format!("{place}[{index}]: a name has 1 to {NAME_CHARACTERS_MAX} characters"));
            }
            if texts[..index].contains(text) {
                self.fault(format!("{place}[{index}]: {} stands there twice", shown(text)));
            }
        }
        Some(Names(texts.into_iter().map(str::to_owned).collect()))
    }

    /// A list of names that are all among the known ones.
    pub(super) fn set(&mut self, value: &Value, place: &str, names: &Names, of: &str) -> Option<Set> {
        let mut set = Set::default();
        for (index, text) in self.texts(value, place)?.into_iter().enumerate() {
            match names.place(text) {
                Some(bit) => set.0 |= 1 << bit,
                None => self.fault(format!("{place}[{index}]: {} is not among \"{of}\"", shown(text))),
            }
        }
        Some(set)
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        value: &Value,
        place: &str,
        key: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let found = words.iter().find(|(word, _)| value == word).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let words: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.fault(format!("{place}.{key}: it must be {}", words.join(" or ")));
        }
        found
    }

    fn texts<'v>(&mut self, value: &'v Value, place: &str) -> Option<Vec<&'v str>> {
        let texts = value.as_array().and_then(|items| items.iter().map(Value::as_str).collect());
        if texts.is_none() {
            self.fault(format!("{place}: it must be a list of texts"));
        }
        texts
    }
}

/// A name from the file as a message may show it.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(40).collect::<String>())
}
