//! How alike two texts are, by Ratcliff and Obershelp as Python's `difflib.SequenceMatcher(None, a, b)` computes it,
//! with its `autojunk` rule. Thresholds in existing settings are measured on this scale, so it must agree exactly;
//! `tests/data/similarity.tsv` holds what Python said.

use super::text::characters;
use std::ops::Range;
use zeroize::Zeroizing;

/// From this length of the second text on, characters that it holds often may not start or carry a match.
const AUTOJUNK_CHARACTERS_MIN: usize = 200;

/// Twice the number of characters in matching blocks, divided by the number of all characters: 0 when nothing is in
/// common, 1 when the texts are equal (two empty ones too).
///
/// The order of the arguments matters: `tide` to `diet` is 0.25, `diet` to `tide` is 0.5. The work grows with the
/// product of both lengths, and in contrived cases faster: callers bound both.
#[must_use]
pub fn ratio(a: &str, b: &str) -> f64 {
    let (a, b) = (Zeroizing::new(characters(a)), Zeroizing::new(characters(b)));
    let total = a.len() + b.len();
    if total == 0 { 1.0 } else { 2.0 * matching_characters(&a, &b) as f64 / total as f64 }
}

/// The number of characters in matching blocks: the longest match, then likewise left and right of it.
fn matching_characters(a: &[char], b: &[char]) -> usize {
    let index = Index::of(b);
    let mut found = 0;
    let mut waiting = vec![(0..a.len(), 0..b.len())];
    while let Some((within_a, within_b)) = waiting.pop() {
        if within_a.is_empty() || within_b.is_empty() {
            continue;
        }
        let MatchingBlock { at_a, at_b, length } = longest_match(a, b, &index, &within_a, &within_b);
        if length > 0 {
            found += length;
            waiting.push((within_a.start..at_a, within_b.start..at_b));
            waiting.push((at_a + length..within_a.end, at_b + length..within_b.end));
        }
    }
    found
}

struct MatchingBlock {
    at_a: usize,
    at_b: usize,
    length: usize,
}

/// The longest common run of characters that are not popular, the first in `a` and then in `b` of equally long ones;
/// then made longer at both ends by equal characters, popular or not.
fn longest_match(
    a: &[char],
    b: &[char],
    index: &Index,
    within_a: &Range<usize>,
    within_b: &Range<usize>,
) -> MatchingBlock {
    let mut best = MatchingBlock { at_a: within_a.start, at_b: within_b.start, length: 0 };
    // Runs that end at the character of `a` before, and at this one: where in `b` they end, and their length.
    let mut before: Vec<(usize, usize)> = Vec::new();
    let mut now: Vec<(usize, usize)> = Vec::new();
    for at_a in within_a.clone() {
        let mut earlier = before.iter().peekable();
        for &(_, at_b) in index.positions(a[at_a], within_b) {
            while earlier.next_if(|(end, _)| end + 1 < at_b).is_some() {}
            let length = earlier.next_if(|(end, _)| end + 1 == at_b).map_or(1, |(_, length)| length + 1);
            now.push((at_b, length));
            if length > best.length {
                best = MatchingBlock { at_a: at_a + 1 - length, at_b: at_b + 1 - length, length };
            }
        }
        std::mem::swap(&mut before, &mut now);
        now.clear();
    }
    let to_the_left = a[within_a.start..best.at_a]
        .iter()
        .rev()
        .zip(b[within_b.start..best.at_b].iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let to_the_right = a[best.at_a + best.length..within_a.end]
        .iter()
        .zip(&b[best.at_b + best.length..within_b.end])
        .take_while(|(x, y)| x == y)
        .count();
    MatchingBlock {
        at_a: best.at_a - to_the_left,
        at_b: best.at_b - to_the_left,
        length: best.length + to_the_left + to_the_right,
    }
}

/// Where each character that is not popular stands, sorted by character and place.
struct Index(Vec<(char, usize)>);

impl Index {
    fn of(b: &[char]) -> Self {
        let mut places: Vec<(char, usize)> = b.iter().copied().zip(0..).collect();
        places.sort_unstable();
        if b.len() >= AUTOJUNK_CHARACTERS_MIN {
            let unpopular_max = b.len() / 100 + 1;
            places = places
                .chunk_by(|(x, _), (y, _)| x == y)
                .filter(|places| places.len() <= unpopular_max)
                .flatten()
                .copied()
                .collect();
        }
        Self(places)
    }

    /// Where `character` stands within the range, in order.
    fn positions(&self, character: char, within: &Range<usize>) -> &[(char, usize)] {
        let first = self.0.partition_point(|place| *place < (character, within.start));
        let rest = &self.0[first..];
        &rest[..rest.partition_point(|place| *place < (character, within.end))]
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::float_cmp, reason = "the same steps give the same digits")]

    use super::*;

    #[test]
    fn known_pairs_have_known_ratios() {
        let often = "ab".repeat(120);
        let often_but_the_end = "ab".repeat(99) + "ac";
        let known = [
            ("password", "testuser@test.org", 0.32),
            ("testuser123", "test user", 0.8),
            ("tide", "diet", 0.25),
            ("diet", "tide", 0.5),
            ("correcthorsebatterystaple", "correct horse", 0.631_578_947_368_421),
            ("", "", 1.0),
            ("abc", "", 0.0),
            ("", "abc", 0.0),
            ("abababababab", &often, 0.095_238_095_238_095_23),
            ("ababababac", &often_but_the_end, 0.095_238_095_238_095_23),
        ];
        for (a, b, expected) in known {
            assert_eq!(ratio(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn random_pairs_have_the_ratio_that_python_gives_them() {
        let mut pairs = 0;
        for line in include_str!("../../tests/data/similarity.tsv").lines() {
            let [a, b, expected]: [&str; 3] =
                line.split('\t').collect::<Vec<_>>().try_into().expect("three fields a line");
            assert_eq!(ratio(a, b), expected.parse::<f64>().expect("a number"), "{line}");
            pairs += 1;
        }
        assert_eq!(pairs, 360);
    }
}
