//! Passwords that known people might choose, and policies that operators might write.

use super::BrokenRule::{Common, OnlyDigits, Repetitive, Similar};
use super::*;

const TEST_USER: Context<'_> =
    Context { server_name: "localhost", email: "testuser@test.org", full_names: &["Test User"] };
const NOBODY_NEAR: Context<'_> = Context { server_name: "localhost", email: "q@w.e", full_names: &["Z"] };
const TOO_SHORT: BrokenRule = BrokenRule::TooShort { min_length: 12 };

fn judged(password: &str, context: &Context<'_>) -> Vec<BrokenRule> {
    PasswordPolicy::default().check(&password.into(), context)
}

fn judged_by_nist(password: &str, context: &Context<'_>) -> Vec<BrokenRule> {
    PasswordPolicy::parse("nist").expect("a profile").check(&password.into(), context)
}

#[test]
fn each_rule_is_broken_by_what_it_is_for() {
    let cases: [(&str, &Context<'_>, &[BrokenRule], [f64; 3]); 14] = [
        ("aROwQin9L8nNtPTEMLXd", &TEST_USER, &[], [20.69, 10.81, 13.79]),
        ("password", &TEST_USER, &[TOO_SHORT, Common], [23.53, 32.0, 35.29]),
        ("testuser", &TEST_USER, &[TOO_SHORT, Similar], [23.53, 64.0, 94.12]),
        ("TestUser123", &TEST_USER, &[TOO_SHORT, Similar], [20.0, 57.14, 80.0]),
        ("239420349823904802398402375025", &TEST_USER, &[OnlyDigits], [0.0, 0.0, 0.0]),
        ("passwordpassword123", &TEST_USER, &[], [14.29, 22.22, 21.43]),
        ("ab      cdefghijkl", &NOBODY_NEAR, &[Repetitive], [18.18, 11.11, 0.0]),
        ("   ", &NOBODY_NEAR, &[TOO_SHORT, Repetitive], [0.0, 0.0, 0.0]),
        ("aaaabbbbcccc", &NOBODY_NEAR, &[Repetitive], [9.52, 0.0, 0.0]),
        // In the list with capitals: both sides are folded.
        ("PolniyPizdec0211", &NOBODY_NEAR, &[Common], [16.0, 9.52, 11.76]),
        ("QWERTYQWERTY", &NOBODY_NEAR, &[Common], [9.52, 35.29, 0.0]),
        ("localhost1234", &NOBODY_NEAR, &[Similar], [81.82, 0.0, 0.0]),
        ("٣٤٥٦٧٨٩٠١٢٣٤", &NOBODY_NEAR, &[OnlyDigits], [0.0, 0.0, 0.0]),
        ("\0\u{1}\u{2}abcdefghij", &NOBODY_NEAR, &[TOO_SHORT], [21.05, 13.33, 0.0]),
    ];
    for (password, context, broken, similarities) in cases {
        assert_eq!(judged(password, context), broken, "{password:?}");
        let squeezed = squeeze(&casefold(password));
        for (text, expected) in context.known().iter().zip(similarities) {
            let found = similarity::ratio(&squeezed, text) * 100.0;
            assert!((found - expected).abs() < 0.005, "{password:?} to {text}: {found}, not {expected}");
        }
    }
}

#[test]
fn common_passwords_are_known_in_any_case_but_not_with_blanks_around_them() {
    assert!(judged("PassWord", &NOBODY_NEAR).contains(&Common));
    assert!(judged("polniypizdec0211", &NOBODY_NEAR).contains(&Common));
    assert!(!judged(" password", &NOBODY_NEAR).contains(&Common));
}

#[test]
fn a_password_may_not_be_like_any_of_several_names_and_empty_texts_are_passed_over() {
    let context = |full_names: &'static [&'static str]| Context { server_name: "", email: "", full_names };
    assert_eq!(judged("Wonderland-Alice", &context(&["", "Alice Wonderland"])), [Similar]);
    assert_eq!(judged("Wonderland-Alice", &context(&["Alice Wonderland", ""])), [Similar]);
    assert_eq!(judged("Wonderland-Alice", &context(&[""])), []);
    assert_eq!(judged("Wonderland-Alice", &context(&[])), []);
    assert_eq!(judged("", &context(&[""])), [TOO_SHORT], "nothing is similar to nothing");
}

#[test]
fn only_what_is_hashed_is_judged() {
    let zeros = "0".repeat(PASSWORD_CHARACTERS_MAX);
    let with_a_tail = format!("{zeros}and a strong tail: kC4!pWx");
    assert_eq!(judged(&with_a_tail, &NOBODY_NEAR), [Repetitive, OnlyDigits]);
}

#[test]
fn nist_judges_what_is_hashed_the_normalised_text() {
    let full_width = "\u{ff50}\u{ff41}\u{ff53}\u{ff53}\u{ff57}\u{ff4f}\u{ff52}\u{ff44}";
    assert!(judged_by_nist(full_width, &NOBODY_NEAR).contains(&Common));
    assert!(!judged(full_width, &NOBODY_NEAR).contains(&Common), "the original's rules know one text");
    let decomposed = "e\u{301}a\u{300}o\u{308}u\u{302}c\u{327}n\u{303}i\u{308}e\u{300}";
    assert_eq!(decomposed.chars().count(), 16);
    assert_eq!(judged_by_nist(decomposed, &NOBODY_NEAR), [BrokenRule::TooShort { min_length: 15 }]);
}

#[test]
fn nist_asks_for_length_and_leaves_the_mix_of_characters_to_the_person() {
    assert_eq!(judged_by_nist("kC4!pWxq-2vLmA", &TEST_USER), [BrokenRule::TooShort { min_length: 15 }]);
    assert_eq!(judged_by_nist("239420349823904802398402375025", &TEST_USER), []);
    assert_eq!(judged_by_nist("zzzzzzzzzzzzzzzzzzzz", &TEST_USER), []);
    assert_eq!(judged_by_nist("purple  monkey  dishwasher", &TEST_USER), []);
    assert_eq!(judged_by_nist("PolniyPizdec0211", &TEST_USER), [Common]);
    assert_eq!(judged_by_nist("testuser@test.org1", &TEST_USER), [Similar]);
}

#[test]
fn nist_refuses_what_rests_on_known_words() {
    let alice = Context {
        server_name: "accounts.bigcorp.example",
        email: "alice.w@mail.example",
        full_names: &["Alice Liddell", "Bo"],
    };
    for password in [
        "Alice-BigCorp-2024!",
        "alicealicealicealice",
        "MailAccounts2024",
        "our bigcorp accounts",
        "LIDDELL_example_alice_liddell",
    ] {
        assert_eq!(judged_by_nist(password, &alice), [Similar], "{password}");
    }
    for password in [
        "alice fell down the hole",
        "bobobobobobobobo",
        "1234567890!?1234",
        "bigcorpulent-walrus",
        "alice 8391753 02846",
    ] {
        assert_eq!(judged_by_nist(password, &alice), [], "{password}");
    }
    assert_eq!(judged("MailAccounts2024", &alice), [], "a rule of that profile alone");
}

#[test]
fn policies_are_read_by_name_or_else_by_position() {
    let expected = PasswordPolicy {
        min_length: 10,
        max_similarity: 33,
        min_pwned_matches: 5,
        makeup: Composition::Mixed { max_character_share: 0.25 },
    };
    for text in [
        "min_pass_length:10; max_unsafe_similarity:33; max_char_frequency:0.25; min_pwned_matches:5",
        "min_pwned_matches:5;max_char_frequency:.25;max_unsafe_similarity:33;min_pass_length:10",
        "a:10; b:33; c:0.25; d:5",
        " length : 10 ;max_unsafe_similarity:33; max_char_frequency : 0.25;min_pwned_matches:\t5\n",
        "min_pass_length:10; similarity:33; frequency:0.25; min_pwned_matches:5",
    ] {
        assert_eq!(PasswordPolicy::parse(text).as_ref(), Ok(&expected), "{text}");
    }
    assert_eq!((expected.min_length(), expected.min_pwned_matches()), (10, 5));
}

#[test]
fn nothing_is_the_default_and_nist_a_profile() {
    let written =
        "min_pass_length:12; max_unsafe_similarity:50; max_char_frequency:0.3; min_pwned_matches:25";
    for text in ["", "  \n", written] {
        assert_eq!(PasswordPolicy::parse(text), Ok(PasswordPolicy::default()), "{text}");
    }
    for text in ["nist", "NIST", " nist\n"] {
        let policy = PasswordPolicy::parse(text).expect("a profile");
        assert_eq!((policy.min_length(), policy.min_pwned_matches()), (15, 1));
    }
}

#[test]
fn malformed_policies_are_refused_with_the_reason() {
    let cases = [
        ("12", "four fields"),
        ("nist2", "four fields"),
        ("a:1;b:2;c:3", "four fields"),
        ("a:1;b:2;c:3;d:4;", "four fields"),
        ("12;50;0.3;25", "`12` in the password policy is not `name:value`"),
        ("a:1;b:2;c:3;", "`` in the password policy"),
        (
            "a:x;b:50;c:0.3;d:25",
            "min_pass_length in the password policy must be a whole number from 1 to 256, not `x`",
        ),
        ("a:0;b:50;c:0.3;d:25", "from 1 to 256"),
        ("a:257;b:50;c:0.3;d:25", "from 1 to 256"),
        ("a:-1;b:50;c:0.3;d:25", "from 1 to 256"),
        ("a:99999999999999999999999;b:50;c:0.3;d:25", "from 1 to 256"),
        ("a:12:13;b:50;c:0.3;d:25", "not `12:13`"),
        ("a:12;b:0;c:0.3;d:25", "max_unsafe_similarity in the password policy must be"),
        ("a:12;b:0.5;c:0.3;d:25", "max_unsafe_similarity in the password policy must be"),
        ("a:12;b:50;c:0;d:25", "max_char_frequency in the password policy must be"),
        ("a:12;b:50;c:nan;d:25", "max_char_frequency in the password policy must be"),
        ("a:12;b:50;c:inf;d:25", "max_char_frequency in the password policy must be"),
        ("a:12;b:50;c:0.3;d:-1", "min_pwned_matches in the password policy must be"),
        ("min_pass_length:12;min_pass_length:13;c:0.3;d:25", "min_pass_length a second time"),
        ("x:12;min_pass_length:13;c:0.3;d:25", "`x` in the password policy is unknown"),
    ];
    for (text, reason) in cases {
        let error = PasswordPolicy::parse(text).expect_err(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn a_leak_counts_from_once_on() {
    let policy = PasswordPolicy::parse("a:12;b:50;c:0.3;d:0").expect("a policy");
    assert_eq!(policy.min_pwned_matches(), 1);
}

#[test]
fn messages_tell_the_person_what_to_do() {
    assert!(BrokenRule::TooShort { min_length: 17 }.message().contains("at least 17 characters"));
    let leaked = |times| BrokenRule::Leaked { times }.message();
    assert!(
        leaked(Some(4031)).contains("found 4031 times among leaked passwords (source: Have I Been Pwned)")
    );
    assert!(leaked(Some(1)).contains("found once among"));
    assert!(leaked(None).contains("found among"));
}

#[test]
fn no_text_makes_the_rules_panic() {
    let policies = [PasswordPolicy::default(), PasswordPolicy::nist()];
    let mut rng = fastrand::Rng::with_seed(11);
    let mut text = |length: usize| -> String {
        let few: Vec<char> = "aA1 \0ßΐﬃ٣\u{301}".chars().collect();
        let any_character = rng.bool();
        let length = rng.usize(..length);
        (0..length).map(|_| if any_character { rng.char(..) } else { few[rng.usize(..few.len())] }).collect()
    };
    for round in 0..300 {
        let longest = if round % 10 == 0 { 700 } else { 40 };
        let (password, server_name, email, name) = (text(longest), text(40), text(longest), text(longest));
        let context = Context { server_name: &server_name, email: &email, full_names: &[&name, ""] };
        for policy in &policies {
            let broken = policy.check(&password.as_str().into(), &context);
            let counted: String = password.chars().take(PASSWORD_CHARACTERS_MAX).collect();
            assert_eq!(policy.check(&Password::new(counted), &context), broken, "what is cut off has no say");
            assert!(broken.iter().all(|rule| !rule.message().is_empty()));
        }
    }
}
