//! Whether a number is within a role's limit.

use super::model::{Kind, Operator, Policy};
use serde_json::Value;

/// The policy's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum LimitDecision {
    /// It is, or the role has no such limit.
    Within,
    /// It is not, or it is no number.
    Over,
    /// There is no such role, so nothing can be said.
    UnknownRole,
}

impl Policy {
    /// Compares a value, a number or a text that holds one, with a role's limit of this name. Equal is not within.
    pub fn check_limit(&self, role: &str, limit_name: &str, value: &Value) -> LimitDecision {
        let Some(role) = self.roles.place(role) else { return LimitDecision::UnknownRole };
        let Some(limit) = self.role_rules[role].limits.get(limit_name) else { return LimitDecision::Within };
        let (value, bound) = match limit.kind {
            Kind::Int => (whole(value), limit.bound.trunc()),
            Kind::Float => (number(value), limit.bound),
        };
        let within = value.is_some_and(|value| match limit.operator {
            Operator::LessThan => value < bound,
            Operator::GreaterThan => value > bound,
        });
        if within { LimitDecision::Within } else { LimitDecision::Over }
    }
}

/// A whole number: a number without its fraction, or a text of digits.
fn whole(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => {
            let text = text.trim();
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            is_digits(digits).then(|| number_in(text)).flatten()
        }
        other => number(other).map(f64::trunc),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => number_in(text.trim()),
        _ => None,
    }
    .filter(|number| number.is_finite())
}

/// Digits, as Python reads whole numbers: single underscores may stand between them.
fn is_digits(text: &str) -> bool {
    text.split('_').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A number in a text. Rust's reading is Python's, but for underscores between digits.
fn number_in(text: &str) -> Option<f64> {
    let plain = text.starts_with('_') || text.ends_with('_') || text.contains("__");
    let text = if plain { text.to_owned() } else { text.replace('_', "") };
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}
