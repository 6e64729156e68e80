//! What is hashed of a password that can be typed in several ways.

use super::*;

#[test]
fn spelling_counts_byte_by_byte() {
    let hasher = hasher();
    let composed = hasher.hash(ANYBODY, &"caf\u{e9}".into()).expect("room in the queue");
    assert_eq!(verified(&hasher, "cafe\u{301}", composed.as_str()), (DIFFERS, 1));
}

/// Two ways to type the same password.
const SAME_IN_NFKC: [(&str, &str); 4] = [
    ("caf\u{e9} noir", "cafe\u{301} noir"),
    ("PIN \u{ff11}\u{ff12}\u{ff13}", "PIN 123"),
    ("\u{fb01}ne \u{2460}", "fine 1"),
    ("q\u{307}\u{323}", "q\u{323}\u{307}"),
];

#[test]
fn normalised_passwords_match_however_they_are_typed() {
    let normalising = started(HasherSettings { form: PasswordForm::Nfkc, ..settings() });
    for (one, other) in SAME_IN_NFKC {
        for (chosen, typed) in [(one, other), (other, one)] {
            let hash = normalising.hash(ANYBODY, &chosen.into()).expect("room in the queue");
            // The mark decides, not what new hashes are made from.
            for hasher in [&normalising, &hasher()] {
                for password in [chosen, typed] {
                    assert_eq!(verified(hasher, password, hash.as_str()), (MATCHES, 1), "{password:?}");
                }
                assert_eq!(verified(hasher, "another", hash.as_str()), (DIFFERS, 1));
            }
        }
    }
}

#[test]
fn a_hash_made_before_passwords_were_normalised_stays_good_until_it_is_replaced() {
    let normalising = started(HasherSettings { form: PasswordForm::Nfkc, ..settings() });
    let typing = hasher();
    let outdated = Verification::Matches { needs_rehash: true };
    for (one, other) in SAME_IN_NFKC {
        for (chosen, typed) in [(one, other), (other, one)] {
            let hash = typing.hash(ANYBODY, &chosen.into()).expect("room in the queue");
            let matches = if chosen.is_ascii() { MATCHES } else { outdated };
            assert_eq!(verified(&normalising, chosen, hash.as_str()), (matches, 1), "{chosen:?}");
            assert_eq!(verified(&normalising, typed, hash.as_str()), (DIFFERS, 1), "{typed:?}");
            assert_eq!(verified(&typing, chosen, hash.as_str()), (MATCHES, 1), "{chosen:?}");
        }
    }
    let original =
        started(HasherSettings { cost: Argon2Cost::default(), form: PasswordForm::Nfkc, ..settings() });
    assert_eq!(verified(&original, PASSWORD, CURRENT), (MATCHES, 1), "ASCII has one form");
}
