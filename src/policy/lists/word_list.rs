//! A sorted list of words, searched where it lies.

use std::cmp::Ordering;

/// Words in a text: one a line, each line ended, sorted by bytes, none twice.
pub(in crate::policy) struct WordList(&'static str);

impl WordList {
    pub(super) const fn new(text: &'static str) -> Self {
        Self(text)
    }

    #[cfg(test)]
    pub(super) const fn text(&self) -> &'static str {
        self.0
    }

    /// Whether `word`, which must be folded as the list is, stands in it. A binary search over the starts of lines.
    pub(in crate::policy) fn contains(&self, word: &str) -> bool {
        let text = self.0.as_bytes();
        // `high` and, while it is lower, `low` stand at the start of a line or at the end of the text.
        let (mut low, mut high) = (0, text.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let start =
                text[low..middle].iter().rposition(|byte| *byte == b'\n').map_or(low, |at| low + at + 1);
            let end =
                text[middle..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| middle + at);
            match text[start..end].cmp(word.as_bytes()) {
                Ordering::Equal => return true,
                Ordering::Less => low = end + 1,
                Ordering::Greater => high = start,
            }
        }
        false
    }
}
