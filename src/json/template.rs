//! JSON text that is written over and over, each time with another string in one place.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What stands around that string. Made when it is asked for a second time, since most is asked for only once.
#[derive(Default)]
pub struct Template {
    is_in_use: AtomicBool,
    around: OnceLock<[Box<str>; 2]>,
}

impl Template {
    /// What `write` writes with this string, which it always writes in the same place and at most once.
    pub fn fill(&self, string: &str, write: impl Fn(&str) -> String) -> String {
        // Such a string means itself in JSON, whoever writes it.
        let is_plain = string.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_plain || !self.is_in_use.swap(true, Ordering::Relaxed) {
            return write(string);
        }
        let [before, after] = self.around.get_or_init(|| {
            let (with_none, with_one) = (write(""), write("0"));
            let differ = with_none.bytes().zip(with_one.bytes()).position(|(none, one)| none != one);
            let (before, after) = with_none.split_at(differ.unwrap_or(with_none.len()));
            [before.into(), after.into()]
        });
        let mut text = String::with_capacity(before.len() + string.len() + after.len());
        for part in &[before, string, after] {
            text.push_str(part);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn it_is_filled_with_what_would_have_been_written() {
        let template = Template::default();
        let write = |token: &str| {
            Value::to_string(
                &json!({ "before": { "token": "", "more": "\"token\": \"" }, "token": token, "z": ["0", "Ä"] }),
            )
        };
        for token in ["", "a", "0", "00", "x-_Z9", "\"", "\\", "Ä", "\u{1}", "a b", "</", &"long".repeat(99)]
        {
            for _ in 0..3 {
                assert_eq!(template.fill(token, write), write(token), "{token:?}");
            }
        }
    }
}
