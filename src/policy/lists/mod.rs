//! The word lists, packed as they are compiled in and searched where they lie, so that they cost no memory at run time.
//!
//! `docs/data.md` tells where each comes from and how to renew it.

mod digits;
mod packed;
mod suffixes;
mod word_list;

use packed::packed;
pub(super) use suffixes::{domain_and_parents, ends_in_public_suffix};
use word_list::WordList;

/// The most common passwords, case-folded.
pub(super) static COMMON_PASSWORDS: WordList = WordList::new(packed!("common-passwords.txt"));

/// Domains that hand out throw-away mailboxes, in lower case.
pub(super) static DISPOSABLE_DOMAINS: WordList = WordList::new(packed!("disposable-domains.txt"));

/// Local parts that speak for a site rather than for a person, in lower case.
pub(super) static RESERVED_LOCAL_PARTS: WordList = WordList::new(packed!("reserved-local-parts.txt"));

/// Whether the character's Unicode `Numeric_Type` is Digit or Decimal: Arabic-Indic or circled digits too, but neither
/// Roman numerals nor fractions.
pub(super) fn is_digit(character: char) -> bool {
    let after = digits::DIGIT_RANGES.partition_point(|(first, _)| *first <= character);
    after > 0 && character <= digits::DIGIT_RANGES[after - 1].1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::text::casefold;
    use suffixes::PUBLIC_SUFFIXES;

    /// Each list, and the text that it was packed from.
    const EVERY_LIST: [(&WordList, &str); 4] = [
        (&COMMON_PASSWORDS, include_str!("common-passwords.txt")),
        (&DISPOSABLE_DOMAINS, include_str!("disposable-domains.txt")),
        (&RESERVED_LOCAL_PARTS, include_str!("reserved-local-parts.txt")),
        (&PUBLIC_SUFFIXES, include_str!("public-suffixes.txt")),
    ];

    #[test]
    fn the_lists_are_sorted_unique_and_folded_and_every_line_is_ended() {
        for (list, text) in EVERY_LIST {
            assert!(text.ends_with('\n'));
            assert!(text.lines().is_sorted_by(|a, b| a < b), "sorted, and none twice");
            for line in text.lines() {
                assert_eq!(casefold(line), line);
                assert!(!line.is_empty() && !line.contains(|character: char| character <= ' '), "{line:?}");
                assert!(line.is_ascii() || std::ptr::eq(list, &raw const PUBLIC_SUFFIXES), "{line:?}");
            }
        }
    }

    #[test]
    fn no_list_lost_a_part_when_it_was_renewed() {
        // 10,000 lines, of which 87 differ from another in case alone.
        assert_eq!(COMMON_PASSWORDS.words().len(), 9_913);
        assert_eq!(RESERVED_LOCAL_PARTS.words().len(), 101);
        // This list grows and shrinks with the world; it had 10,181 lines when it was taken in.
        assert!(DISPOSABLE_DOMAINS.words().len() > 8_000);
        // So does this one; it had 1,624.
        assert!(PUBLIC_SUFFIXES.words().len() > 1_500);
    }

    #[test]
    fn every_word_is_found_and_its_neighbours_are_not() {
        for (list, text) in EVERY_LIST {
            assert!(list.words().iter().map(String::as_str).eq(text.lines()), "what was packed is there");
            for word in text.lines() {
                assert!(list.contains(word), "{word}");
                assert!(!list.contains(&format!("{word}\n")), "a line's end is no part of a word");
                assert!(!list.contains(&format!("{word}\u{1}")));
                assert!(!list.contains(&format!("\u{0}{word}")), "nor is what stands before one");
            }
            for other in ["", "\n", "\u{0}", "\u{1}", "\u{10ffff}"] {
                assert!(!list.contains(other), "{other:?}");
            }
        }
        assert!(!WordList::new(&[]).contains("a"));
        assert!(!WordList::new(&[]).contains(""));
    }

    #[test]
    fn digits_of_every_script_are_digits_and_numbers_that_are_none_are_not() {
        assert!(
            digits::DIGIT_RANGES.is_sorted_by(|a, b| a.1 < b.0)
                && digits::DIGIT_RANGES.iter().all(|(a, b)| a <= b)
        );
        for digit in "09²①٣९０𝟘🄁".chars() {
            assert!(is_digit(digit), "{digit}");
        }
        for other in "\u{0}/:aⅣ½〇百😀\u{10ffff}".chars() {
            assert!(!is_digit(other), "{other}");
        }
    }
}
