//! Limits: how the most different values compare with them.

use authnzerver::policy::access::LimitDecision::{self, Over, UnknownRole, Within};
use authnzerver::policy::model::{DEFAULT_POLICY, Policy};
use serde_json::Value;
use support::parser::value_of;

/// Asks with a value written as JSON.
fn check(policy: &Policy, role: &str, limit: &str, value: &str) -> LimitDecision {
    let value: Value = value_of(value).expect("a value in JSON");
    policy.check_limit(role, limit, &value)
}

/// The default policy with more limits for the anonymous visitor: `(name, type, limit)`.
fn policy_with(limits: &[(&str, &str, &str)]) -> Policy {
    let mut document: Value = value_of(DEFAULT_POLICY).expect("JSON");
    document["limits"] = serde_json::json!({
        "max": {"type": "int", "operator": "lt"},
        "min": {"type": "int", "operator": "gt"},
        "below": {"type": "float", "operator": "lt"},
        "above": {"type": "float", "operator": "gt"},
    });
    for (name, limit_type, limit) in limits {
        let limit: Value = value_of(limit).expect("a number");
        document["role_policy"]["anonymous"]["limits"][name] =
            serde_json::json!({"type": limit_type, "limit": limit});
    }
    Policy::from_json(&document.to_string()).expect("a sound policy")
}

#[test]
fn single_values_get_their_known_answers() {
    let policy = Policy::default_policy();
    for value in ["100", "4999999.9", "\"10\"", "\" 1_0 \"", "true", "-5"] {
        assert_eq!(check(&policy, "superuser", "max_requests", value), Within, "{value}");
    }
    for value in ["5000000", "5000000.5", "\"10.5\"", "\"x\"", "[1]", "{}", "null", "\"NaN\"", "\"inf\""] {
        assert_eq!(check(&policy, "superuser", "max_requests", value), Over, "{value}");
    }
    assert_eq!(check(&policy, "superuser", "nolimit", "\"x\""), Within);
    assert_eq!(check(&policy, "anonymous", "max_requests_per_minute", "599"), Within);
    assert_eq!(check(&policy, "anonymous", "max_requests_per_minute", "600"), Over);
    assert_eq!(check(&policy, "locked", "max_requests", "0"), Over);
    assert_eq!(check(&policy, "locked", "max_requests", "-1"), Within);
    assert_eq!(check(&policy, "nosuch", "max_requests", "1"), UnknownRole);
    assert_eq!(check(&policy, "nosuch", "nolimit", "1"), UnknownRole);
}

#[test]
fn every_role_has_its_limits() {
    let policy = Policy::default_policy();
    for (role, requests, requests_per_minute) in [
        ("superuser", 5_000_000, 60_000),
        ("staff", 1_000_000, 60_000),
        ("authenticated", 500_000, 6_000),
        ("anonymous", 100_000, 600),
        ("locked", 0, 0),
    ] {
        for (name, limit) in [("max_requests", requests), ("max_requests_per_minute", requests_per_minute)] {
            assert_eq!(policy.check_limit(role, name, &Value::from(limit - 1)), Within, "{role} {name}");
            assert_eq!(policy.check_limit(role, name, &Value::from(limit)), Over, "{role} {name}");
        }
    }
    assert!(policy.knows_limit("max_requests"));
    assert!(!policy.knows_limit("max_request"));
}

#[test]
fn numerals_in_text_are_read_as_python_reads_them() {
    let policy = policy_with(&[("whole", "max", "100"), ("double", "below", "100")]);
    // The text, and whether it is below 100 as a whole number and as a double.
    for (text, whole, double) in [
        ("12", Within, Within),
        ("+12", Within, Within),
        ("-12", Within, Within),
        ("0012", Within, Within),
        ("1_2", Within, Within),
        ("\\u000b12\\u2003", Within, Within),
        ("\\u008512\\u00a0", Within, Within),
        ("\\uff11\\uff12", Within, Within),
        ("\\u0661_\\u0662", Within, Within),
        ("\\ud835\\udfd7", Within, Within),
        ("100", Over, Over),
        ("1_00", Over, Over),
        ("\\u0661\\u0660\\u0660", Over, Over),
        ("\\u001c1", Over, Over),
        ("1__2", Over, Over),
        ("_12", Over, Over),
        ("12_", Over, Over),
        ("+_12", Over, Over),
        ("+ 12", Over, Over),
        ("--12", Over, Over),
        ("1 2", Over, Over),
        ("", Over, Over),
        (" ", Over, Over),
        ("-", Over, Over),
        ("0x1", Over, Over),
        ("\\u00b2", Over, Over),
        ("99.9", Over, Within),
        ("\\u0663.\\u0665", Over, Within),
        ("1_0.5_0e0_0", Over, Within),
        ("5.", Over, Within),
        (".5", Over, Within),
        ("1e1", Over, Within),
        ("-inf", Over, Within),
        ("-Infinity", Over, Within),
        ("1e999", Over, Over),
        ("inf", Over, Over),
        ("+nan", Over, Over),
        ("1_.5", Over, Over),
        ("1._5", Over, Over),
        ("1e", Over, Over),
        (".", Over, Over),
    ] {
        let value = format!("\"{text}\"");
        assert_eq!(check(&policy, "anonymous", "whole", &value), whole, "whole {text}");
        assert_eq!(check(&policy, "anonymous", "double", &value), double, "double {text}");
    }
}

#[test]
fn the_four_ways_to_compare_are_strict() {
    let policy = policy_with(&[
        ("max", "max", "10"),
        ("min", "min", "10"),
        ("below", "below", "10"),
        ("above", "above", "10"),
    ]);
    // The value, then whether it is within "max", "min", "below" and "above".
    for (value, expected) in [
        ("9", [Within, Over, Within, Over]),
        ("9.9", [Within, Over, Within, Over]),
        ("10", [Over, Over, Over, Over]),
        ("10.0", [Over, Over, Over, Over]),
        // As a whole number this is 10.
        ("10.1", [Over, Over, Over, Within]),
        ("11", [Over, Within, Over, Within]),
        ("1e3", [Over, Within, Over, Within]),
        ("true", [Within, Over, Within, Over]),
        ("false", [Within, Over, Within, Over]),
    ] {
        for (name, expected) in ["max", "min", "below", "above"].into_iter().zip(expected) {
            assert_eq!(check(&policy, "anonymous", name, value), expected, "{value} {name}");
        }
    }
}

#[test]
fn fractions_are_cut_towards_zero_on_both_sides() {
    let policy = policy_with(&[("max", "max", "10.9"), ("below_zero", "max", "-10.9"), ("min", "min", "-1")]);
    assert_eq!(check(&policy, "anonymous", "max", "9.99"), Within);
    assert_eq!(check(&policy, "anonymous", "max", "10.1"), Over);
    assert_eq!(check(&policy, "anonymous", "below_zero", "-10.5"), Over);
    assert_eq!(check(&policy, "anonymous", "below_zero", "-11"), Within);
    assert_eq!(check(&policy, "anonymous", "min", "-0.9"), Within);
    assert_eq!(check(&policy, "anonymous", "min", "-1.9"), Over);
}

#[test]
fn numbers_of_any_size_have_an_answer() {
    let policy = policy_with(&[
        ("max", "max", "9223372036854775807"),
        ("min", "min", "-9223372036854775808"),
        ("below", "below", "1e308"),
        ("above", "above", "-1e308"),
    ]);
    let digits = "9".repeat(400);
    let negative_digits = format!("-{digits}");
    let too_many_digits = format!("-{}", "9".repeat(4301));
    let nested = format!("{}{}", "[".repeat(100), "]".repeat(100));
    // The value, then whether it is within "max", "min", "below" and "above".
    for (value, expected) in [
        ("9223372036854775807", [Over, Within, Within, Within]),
        ("9223372036854775808", [Over, Within, Within, Within]),
        ("-9223372036854775808", [Within, Over, Within, Within]),
        ("-9223372036854775809", [Within, Over, Within, Within]),
        ("170141183460469231731687303715884105728", [Over, Within, Within, Within]),
        ("-170141183460469231731687303715884105729", [Within, Over, Within, Within]),
        ("1e300", [Over, Within, Within, Within]),
        ("-1e300", [Within, Over, Within, Within]),
        // Infinite as a double, hence no whole number.
        ("1e999", [Over, Over, Over, Within]),
        ("-1e999", [Over, Over, Within, Over]),
        ("1e-999", [Within, Within, Within, Within]),
        // Whole, hence no double.
        (digits.as_str(), [Over, Within, Over, Over]),
        (negative_digits.as_str(), [Within, Over, Over, Over]),
        (too_many_digits.as_str(), [Over, Over, Over, Over]),
        (nested.as_str(), [Over, Over, Over, Over]),
    ] {
        for (name, expected) in ["max", "min", "below", "above"].into_iter().zip(expected) {
            assert_eq!(check(&policy, "anonymous", name, value), expected, "{value} {name}");
        }
    }
}
