//! Verdicts that the original gives too, and what the operator may set.

use super::BrokenRule::{Common, Monotonous, OnlyDigits, Similar, TooShort};
use super::*;

const DEFAULT: &str =
    "min_pass_length:12; max_unsafe_similarity:50; max_char_frequency:0.3; min_pwned_matches:25";

fn judged(policy: &PasswordPolicy, password: &str, email: &str, name: &str) -> Vec<BrokenRule> {
    policy.judge(password, &Context { server_name: "localhost", email, full_names: &[name] })
}

fn default_policy() -> PasswordPolicy {
    PasswordPolicy::parse(DEFAULT).expect("the default")
}

#[test]
fn verdicts_are_those_of_the_original() {
    let short = TooShort(12);
    for (password, broken) in [
        ("aROwQin9L8nNtPTEMLXd", vec![]),
        ("password", vec![short, Common]),
        ("testuser", vec![short, Similar]),
        ("TestUser123", vec![short, Similar]),
        ("239420349823904802398402375025", vec![OnlyDigits]),
        ("passwordpassword123", vec![]),
        ("QWERTYQWERTY", vec![Common]),
        ("localhost1234", vec![Similar]),
    ] {
        assert_eq!(
            judged(&default_policy(), password, "testuser@test.org", "Test User"),
            broken,
            "{password}"
        );
    }
    for (password, broken) in [
        ("ab      cdefghijkl", vec![Monotonous]),
        ("   ", vec![short, Monotonous]),
        ("aaaabbbbcccc", vec![Monotonous]),
        ("٣٤٥٦٧٨٩٠١٢٣٤", vec![OnlyDigits]),
        ("\u{0}\u{1}\u{2}abcdefghij", vec![short]),
        ("", vec![short]),
    ] {
        assert_eq!(judged(&default_policy(), password, "q@w.e", "Z"), broken, "{password:?}");
    }
    // The original lists this one in capitals, where it could never match.
    assert_eq!(judged(&default_policy(), "PolniyPizdec0211", "q@w.e", "Z"), [Common]);
}

#[test]
fn digits_of_any_script_are_digits_and_other_numbers_are_not() {
    for digit in ['0', '٣', '²', '①', '𝟗', '０'] {
        assert!(is_digit(digit), "{digit}");
    }
    for other in ['Ⅳ', '½', 'a', '十', '-'] {
        assert!(!is_digit(other), "{other}");
    }
}

#[test]
fn every_name_counts_and_none_is_fine() {
    let judge = |names: &[&str]| {
        let context = Context { server_name: "localhost", email: "q@w.e", full_names: names };
        default_policy().judge("margarethamiller", &context)
    };
    assert_eq!(judge(&["", "Margaretha Miller"]), [Similar]);
    assert_eq!(judge(&["Somebody Else", ""]), []);
    assert_eq!(judge(&[]), []);
}

#[test]
fn the_rules_of_nist_ask_for_length_and_nothing_odd() {
    let policy = PasswordPolicy::parse(" NIST ").expect("a name of rules");
    let judge = |password| judged(&policy, password, "margaretha@test.org", "Margaretha Miller");
    assert_eq!(judge("fourteen chars"), [TooShort(15)]);
    assert_eq!(judge("aaaaaaaaaaaaaaabbbbbb"), []);
    assert_eq!(judge("239420349823904802398402375025"), []);
    assert_eq!(judge("margaretha12345678"), [Similar], "a word of the context with a little around it");
    assert_eq!(judge("margaretha likes green apples in the morning"), []);
}

#[test]
fn fields_are_read_by_name_and_else_by_place() {
    let named = "min_pwned_matches:3; max_char_frequency:1; min_pass_length:20; max_unsafe_similarity:99.5";
    let placed = "a:20;b:99.5;c:1;d:3;";
    let policy = PasswordPolicy::parse(named).expect("by name");
    assert_eq!(policy, PasswordPolicy::parse(placed).expect("by place"));
    assert_eq!((policy.min_length(), policy.min_pwned_matches()), (20, 3));
    for text in [
        "",
        "12;50;0.3;25",
        "a:12;b:50;c:x;d:25",
        "a:1;b:2;c:3",
        "a:1;b:2;c:NaN;d:4",
        "a:1;b:2;c:-1;d:4",
        "a:1.5;b:2;c:3;d:4",
        "a:1;b:2;c:3;d:4;e:5",
        "a:257;b:2;c:3;d:4",
    ] {
        assert!(PasswordPolicy::parse(text).is_err(), "{text}");
    }
}

#[test]
fn whatever_is_typed_gets_a_verdict() {
    let mut chance = fastrand::Rng::with_seed(20_261_123);
    for _ in 0..300 {
        let text = |chance: &mut fastrand::Rng| -> String {
            (0..chance.usize(..60)).map(|_| chance.char(..)).collect()
        };
        let (password, email, name) = (text(&mut chance), text(&mut chance), text(&mut chance));
        for rule in judged(&default_policy(), &password, &email, &name) {
            assert!(!rule.message().is_empty());
        }
        assert!(truncated(&password).len() <= password.len());
    }
    let endless = "x".repeat(1 << 20);
    let _ = judged(&default_policy(), truncated(&endless), &endless, &endless);
}

#[test]
fn only_the_first_256_characters_count() {
    assert_eq!(truncated(&"é".repeat(300)).chars().count(), 256);
    assert_eq!(truncated("short"), "short");
}

#[test]
fn the_list_is_in_order() {
    crate::policy::text::check_list(COMMON_PASSWORDS, 9913);
}
