//! A sorted list of words, searched where it lies.

use super::packed::{WHOLE, WORD_BYTES_MIN};

/// Words, folded and sorted by bytes, none twice, as [`pack`](super::packed::pack) packs them.
pub(in crate::policy) struct WordList(&'static [u8]);

impl WordList {
    pub(super) const fn new(packed: &'static [u8]) -> Self {
        Self(packed)
    }

    /// Whether `word`, which must be folded as the list is, stands in it.
    pub(in crate::policy) fn contains(&self, word: &str) -> bool {
        let mut found = false;
        walk(self.block_for(word.as_bytes()), |known| found |= known == word.as_bytes());
        found
    }

    /// The list from the last whole word on that is not greater than `word`: a binary search over the whole words.
    fn block_for(&self, word: &[u8]) -> &'static [u8] {
        // That word begins at `low` or after it, and before `high`.
        let (mut low, mut high) = (0, self.0.len());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let whole = self.0[middle..high].iter().position(|byte| *byte == WHOLE).map(|at| middle + at);
            match whole.filter(|at| entries(&self.0[*at..]).next().is_some_and(|entry| entry[1..] <= *word)) {
                Some(at) => low = at,
                None => high = middle,
            }
        }
        &self.0[low..]
    }

    /// Every word, in order.
    #[cfg(test)]
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for at in (0..self.0.len()).filter(|at| self.0[*at] == WHOLE) {
            walk(&self.0[at..], |word| words.push(String::from_utf8(word.to_vec()).expect("UTF-8")));
        }
        words
    }
}

/// Shows each word from a whole one up to the next.
fn walk(packed: &[u8], mut see: impl FnMut(&[u8])) {
    let mut word = Vec::new();
    let mut rest = entries(packed);
    while let Some((repeated, own)) = rest.next().and_then(<[u8]>::split_first) {
        if *repeated == WHOLE && !word.is_empty() {
            return;
        }
        word.truncate(usize::from(*repeated));
        word.extend_from_slice(own);
        see(&word);
    }
}

/// What stands there for each word: how many bytes it repeats, and its own.
fn entries(packed: &[u8]) -> impl Iterator<Item = &[u8]> {
    packed.chunk_by(|_, next| *next >= WORD_BYTES_MIN)
}
