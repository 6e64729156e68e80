//! How alike two texts are: Ratcliff and Obershelp's measure as Python's `difflib` computes it, with its treatment of
//! popular characters in long texts. Verdicts of the original depend on its every detail, so all of them are kept.

/// From this length on, characters that occur very often may not begin a match.
const POPULAR_FROM_CHARACTERS: usize = 200;

/// Twice the number of matching characters over the number of all characters: 1 for equal texts, 0 for texts that
/// share nothing. Not symmetric. Takes time with the product of the lengths; the caller bounds those.
#[must_use]
pub fn ratio(one: &str, two: &str) -> f64 {
    let (one, two): (Vec<char>, Vec<char>) = (one.chars().collect(), two.chars().collect());
    let total = one.len() + two.len();
    if total == 0 {
        return 1.0;
    }
    let matcher = Matcher { popular: popular(&two), one, two };
    2.0 * matcher.matching() as f64 / total as f64
}

/// The characters that occur in more than one percent of a long text.
fn popular(text: &[char]) -> Vec<char> {
    if text.len() < POPULAR_FROM_CHARACTERS {
        return Vec::new();
    }
    let most = text.len() / 100 + 1;
    let mut sorted = text.to_vec();
    sorted.sort_unstable();
    let runs = sorted.chunk_by(|one, two| one == two);
    runs.filter(|run| run.len() > most).map(|run| run[0]).collect()
}

struct Matcher {
    one: Vec<char>,
    two: Vec<char>,
    popular: Vec<char>,
}

/// A part of each text.
#[derive(Clone, Copy)]
struct Window {
    one: (usize, usize),
    two: (usize, usize),
}

impl Matcher {
    /// The characters in matching blocks: the longest one, then the same to its left and to its right.
    fn matching(&self) -> usize {
        let mut waiting = vec![Window { one: (0, self.one.len()), two: (0, self.two.len()) }];
        let mut matching = 0;
        while let Some(window) = waiting.pop() {
            let (one, two, length) = self.longest_match(window);
            if length == 0 {
                continue;
            }
            matching += length;
            waiting.push(Window { one: (window.one.0, one), two: (window.two.0, two) });
            waiting.push(Window { one: (one + length, window.one.1), two: (two + length, window.two.1) });
        }
        matching
    }

    /// The longest common run, the leftmost one if there are several: where it begins in each text, and its length.
    fn longest_match(&self, window: Window) -> (usize, usize, usize) {
        let (mut best_one, mut best_two, mut best) = (window.one.0, window.two.0, 0);
        // For each place in the second text, the length of the run that ends there and at the last place of the first.
        let mut lengths = vec![0_usize; self.two.len() + 1];
        for one in window.one.0..window.one.1 {
            let mut diagonal = 0;
            for two in window.two.0..window.two.1 {
                let before = std::mem::replace(&mut diagonal, lengths[two + 1]);
                let matches = self.one[one] == self.two[two] && !self.popular.contains(&self.two[two]);
                lengths[two + 1] = if matches { before + 1 } else { 0 };
                if lengths[two + 1] > best {
                    best = lengths[two + 1];
                    (best_one, best_two) = (one + 1 - best, two + 1 - best);
                }
            }
        }
        // A match may be carried on over popular characters, to both sides.
        while best_one > window.one.0
            && best_two > window.two.0
            && self.one[best_one - 1] == self.two[best_two - 1]
        {
            (best_one, best_two, best) = (best_one - 1, best_two - 1, best + 1);
        }
        while best_one + best < window.one.1
            && best_two + best < window.two.1
            && self.one[best_one + best] == self.two[best_two + best]
        {
            best += 1;
        }
        (best_one, best_two, best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_pairs() {
        let (long, longer) = ("ab".repeat(120), "ab".repeat(99) + "ac");
        for (one, two, expected) in [
            ("password", "testuser@test.org", 0.32),
            ("testuser123", "test user", 0.8),
            ("tide", "diet", 0.25),
            ("diet", "tide", 0.5),
            ("correcthorsebatterystaple", "correct horse", 0.631_578_947_368_421),
            ("", "", 1.0),
            ("abc", "", 0.0),
            ("abababababab", long.as_str(), 0.095_238_095_238_095_23),
            ("ababababac", longer.as_str(), 0.095_238_095_238_095_23),
        ] {
            assert!((ratio(one, two) - expected).abs() < 1e-15, "{one} {two}: {}", ratio(one, two));
        }
    }

    #[test]
    fn pythons_difflib_agrees() {
        let fixture = include_str!("../../tests/data/similarity.tsv");
        let mut checked = 0;
        for line in fixture.lines() {
            let [one, two, expected] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let expected: f64 = expected.parse().expect("a number");
            assert!((ratio(one, two) - expected).abs() < 1e-15, "{one} | {two}");
            checked += 1;
        }
        assert_eq!(checked, 400);
    }
}
