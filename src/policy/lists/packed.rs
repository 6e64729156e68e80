//! Packs a list of words as the program is compiled: sorted words have beginnings in common, and those are left out.

/// So many words, and then comes one that is whole, at which a search can begin.
const BLOCK_WORDS: usize = 16;
/// Bytes below this one are no part of a word. Each word begins with one that tells how much of the word before it repeats.
pub(super) const WORD_BYTES_MIN: u8 = b' ';
/// What a word begins with that stands there whole.
pub(super) const WHOLE: u8 = 0;

/// The packed words of a text file beside the one that asks for it.
macro_rules! packed {
    ($file:literal) => {{
        const TEXT: &str = include_str!($file);
        #[allow(long_running_const_eval, reason = "the longest list takes less than a second")]
        static PACKED: [u8; $crate::policy::lists::packed::packed_bytes(TEXT)] =
            $crate::policy::lists::packed::pack(TEXT);
        &PACKED
    }};
}
pub(super) use packed;

/// How many bytes [`pack`] makes of `text`.
pub(super) const fn packed_bytes(text: &str) -> usize {
    write(text.as_bytes(), &mut [])
}

/// Words, one a line, each line ended, sorted by bytes; packed into as many bytes as [`packed_bytes`] says.
pub(super) const fn pack<const BYTES: usize>(text: &str) -> [u8; BYTES] {
    let mut packed = [0; BYTES];
    assert!(write(text.as_bytes(), &mut packed) == BYTES, "packed_bytes counts the same");
    packed
}

/// Writes what of the packed words `packed` has room for, and returns how many bytes they all take.
const fn write(text: &[u8], packed: &mut [u8]) -> usize {
    let (mut before, mut start, mut words, mut written) = (0, 0, 0, 0);
    while start < text.len() {
        let mut repeated = 0;
        if words % BLOCK_WORDS != 0 {
            // A line's end is not repeated: words differ before it.
            while repeated < WORD_BYTES_MIN - 1
                && text[before + repeated as usize] == text[start + repeated as usize]
            {
                repeated += 1;
            }
        }
        let mut at = start + repeated as usize;
        put(packed, written, repeated);
        written += 1;
        while text[at] != b'\n' {
            put(packed, written, text[at]);
            (at, written) = (at + 1, written + 1);
        }
        (before, start, words) = (start, at + 1, words + 1);
    }
    written
}

const fn put(packed: &mut [u8], at: usize, byte: u8) {
    if at < packed.len() {
        packed[at] = byte;
    }
}
