//! Texts as the rules compare them: folded, squeezed and trimmed, the way Python does it, so that verdicts agree with
//! those of the original.

use caseless::default_case_fold_str;

/// Full Unicode case folding without normalisation.
#[must_use]
pub fn case_fold(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { default_case_fold_str(text) }
}

/// Each run of control characters and blanks (U+0000 to U+0020) as one blank, and white space at both ends cut off.
#[must_use]
pub fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    let mut in_run = false;
    for character in text.chars() {
        let is_blank = character <= ' ';
        if is_blank && !in_run {
            squeezed.push(' ');
        } else if !is_blank {
            squeezed.push(character);
        }
        in_run = is_blank;
    }
    trim(&squeezed).to_owned()
}

/// The text without white space at both ends, by Python's understanding of white space.
#[must_use]
pub fn trim(text: &str) -> &str {
    text.trim_matches(is_white_space)
}

/// Unlike Rust, Python counts the four separators U+001C to U+001F.
fn is_white_space(character: char) -> bool {
    matches!(character, '\u{1c}'..='\u{1f}') || character.is_whitespace()
}

/// Whether a sorted list, one entry a line, has this entry. The lists are compiled in and cost no memory of their own.
#[must_use]
pub fn is_listed(list: &str, entry: &str) -> bool {
    if entry.is_empty() || entry.contains('\n') {
        return false;
    }
    let (mut low, mut high) = (0, list.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = list.as_bytes()[..middle].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let end = list.as_bytes()[middle..]
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(list.len(), |at| middle + at);
        match list.as_bytes()[start..end].cmp(entry.as_bytes()) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    false
}

#[cfg(test)]
pub(super) fn check_list(list: &str, count: usize) {
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), count);
    assert!(lines.is_sorted_by(|one, two| one < two), "sorted, and nothing twice");
    for line in lines {
        assert_eq!(case_fold(line), line);
        assert!(is_listed(list, line), "{line}");
    }
    assert!(list.ends_with('\n'));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_fully() {
        assert_eq!(case_fold("Straße ΣΊΣΥΦΟΣ ﬁ"), "strasse σίσυφοσ fi");
    }

    #[test]
    fn squeezes_runs_and_trims_ends() {
        assert_eq!(squeeze("\u{0}\u{1} a \n\t b\u{3000}"), "a b");
        assert_eq!(squeeze(" \u{1c} "), "");
        assert_eq!(squeeze("\u{a0}x\u{2029}"), "x");
        assert_eq!(squeeze("a\u{3000}b"), "a\u{3000}b");
    }

    #[test]
    fn finds_just_what_is_listed() {
        let list = "a\nab\nb\nzz\n";
        for entry in ["a", "ab", "b", "zz"] {
            assert!(is_listed(list, entry), "{entry}");
        }
        for entry in ["", "aa", "z", "zzz", "a\nab", "\n"] {
            assert!(!is_listed(list, entry), "{entry}");
        }
    }
}
