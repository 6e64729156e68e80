//! How texts are made comparable before a rule looks at them. Every rule for names and passwords folds, squeezes and
//! trims by these functions, so that they all agree on what a character or a space is.
//!
//! A text that grows leaves its earlier copies behind. Passwords pass through here, so everything gets its room at once.

use caseless::Caseless;

/// How many times as long a text may become when it is folded: `ΐ` becomes three characters of its own length.
const FOLDED_GROWTH_MAX: usize = 3;

/// Full Unicode case folding (statuses C and F), without normalisation: `ß` becomes `ss`.
#[must_use]
pub fn casefold(text: &str) -> String {
    let growth = if text.is_ascii() { 1 } else { FOLDED_GROWTH_MAX };
    let mut folded = String::with_capacity(text.len() * growth);
    folded.extend(text.chars().default_case_fold());
    folded
}

/// The characters of a text.
#[must_use]
pub fn characters(text: &str) -> Vec<char> {
    let mut characters = Vec::with_capacity(text.len());
    characters.extend(text.chars());
    characters
}

/// Makes each run of U+0000 to U+0020 one space, then trims white space at both ends.
#[must_use]
pub fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    let mut in_run = false;
    for character in text.chars() {
        let is_low = character <= ' ';
        if !is_low {
            squeezed.push(character);
        } else if !in_run {
            squeezed.push(' ');
        }
        in_run = is_low;
    }
    squeezed.truncate(squeezed.trim_end_matches(is_white_space).len());
    squeezed.drain(..squeezed.len() - squeezed.trim_start_matches(is_white_space).len());
    squeezed
}

/// What Python calls white space: Unicode's, and U+001C to U+001F.
fn is_white_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_is_full_and_for_all_scripts() {
        for (text, folded) in [
            ("Straße", "strasse"),
            ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
            ("ﬁ", "fi"),
            ("K", "k"),
            ("ı", "ı"),
            ("\0A", "\0a"),
        ] {
            assert_eq!(casefold(text), folded);
        }
    }

    #[test]
    fn nothing_that_is_folded_needs_more_room_than_it_was_given() {
        for character in '\0'..=char::MAX {
            let text = character.to_string();
            assert!(casefold(&text).len() <= text.len() * FOLDED_GROWTH_MAX, "{character}");
            assert!(!text.is_ascii() || casefold(&text).len() <= text.len());
        }
    }

    #[test]
    fn runs_of_low_characters_become_one_space_and_the_ends_are_trimmed() {
        let cases = [
            ("", ""),
            ("   ", ""),
            ("\0\u{1}\u{2}abc", "abc"),
            ("a \t\r\n\0 b", "a b"),
            ("\u{a0}\0\u{3000}a\u{a0}\u{a0}b\u{2028}\u{1}", "a\u{a0}\u{a0}b"),
            ("\u{1c}a\u{85}", "a"),
            // Invisible, but no white space.
            ("\u{200b}a\u{feff}", "\u{200b}a\u{feff}"),
        ];
        for (text, squeezed) in cases {
            assert_eq!(squeeze(text), squeezed, "{text:?}");
        }
    }

    #[test]
    fn white_space_is_what_python_calls_so() {
        let expected = "\t\n\u{b}\u{c}\r\u{1c}\u{1d}\u{1e}\u{1f} \u{85}\u{a0}\u{1680}\
            \u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}\
            \u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";
        let blanks: String = ('\0'..=char::MAX).filter(|c| is_white_space(*c)).collect();
        assert_eq!(blanks, expected);
    }
}
