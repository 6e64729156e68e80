//! A domain's label in ASCII (RFC 3492, as RFC 5891 uses it).

use unicode_normalization::UnicodeNormalization;

const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const BIAS_FIRST: u32 = 72;
const FIRST_BEYOND_ASCII: u32 = 128;

/// The ASCII form of a label that is not ASCII, in lower case; `None` where it has none.
pub fn to_ascii(label: &str) -> Option<String> {
    let label: String = label.nfkc().flat_map(char::to_lowercase).nfc().collect();
    if !label.chars().all(|c| c.is_alphanumeric() || c == '-' || is_mark(c)) {
        return None;
    }
    if label.is_ascii() {
        return Some(label);
    }
    Some(format!("xn--{}", encode(&label)?))
}

/// Marks belong to the letter before them; a label that begins with one is refused with its first letter missing.
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

fn encode(label: &str) -> Option<String> {
    let input: Vec<u32> = label.chars().map(u32::from).collect();
    let mut output: String = label.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(output.len()).ok()?;
    if basic > 0 {
        output.push('-');
    }
    let (mut next, mut delta, mut bias, mut handled) = (FIRST_BEYOND_ASCII, 0_u32, BIAS_FIRST, basic);
    while (handled as usize) < input.len() {
        let smallest = input.iter().copied().filter(|c| *c >= next).min()?;
        delta = delta.checked_add((smallest - next).checked_mul(handled + 1)?)?;
        next = smallest;
        for c in &input {
            if *c < next {
                delta = delta.checked_add(1)?;
            } else if *c == next {
                write_number(&mut output, delta, bias);
                bias = adapt(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.checked_add(1)?;
        next = next.checked_add(1)?;
    }
    Some(output)
}

fn write_number(output: &mut String, number: u32, bias: u32) {
    let mut rest = number;
    for k in (BASE..).step_by(BASE as usize) {
        let threshold = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
        if rest < threshold {
            output.push(digit(rest));
            return;
        }
        output.push(digit(threshold + (rest - threshold) % (BASE - threshold)));
        rest = (rest - threshold) / (BASE - threshold);
    }
}

/// Letters stand for 0 to 25, digits for the rest.
fn digit(value: u32) -> char {
    let characters = b"abcdefghijklmnopqrstuvwxyz0123456789";
    char::from(characters[value as usize % characters.len()])
}

fn adapt(delta: u32, handled: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / handled;
    let mut k = 0;
    while delta > (BASE - T_MIN) * T_MAX / 2 {
        delta /= BASE - T_MIN;
        k += BASE;
    }
    k + (BASE - T_MIN + 1) * delta / (delta + SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_written_as_the_standard_and_registries_write_them() {
        for (label, expected) in [
            ("b\u{fc}cher", "xn--bcher-kva"),
            ("B\u{dc}CHER", "xn--bcher-kva"),
            ("bu\u{308}cher", "xn--bcher-kva"),
            ("fa\u{df}", "xn--fa-hia"),
            ("\u{4f8b}\u{3048}", "xn--r8jz45g"),
            ("\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}", "xn--e1afmkfd"),
            ("\u{ff21}b", "ab"),
            ("ma\u{f1}ana", "xn--maana-pta"),
            ("\u{645}\u{62b}\u{627}\u{644}", "xn--mgbh0fb"),
        ] {
            assert_eq!(to_ascii(label).as_deref(), Some(expected), "{label}");
        }
        for label in
            ["\u{3002}", "a\u{200b}b", "a\u{202e}b", "a\u{2028}", "\u{1f600}", "a b\u{fc}", "a\u{fc}@b"]
        {
            assert_eq!(to_ascii(label), None, "{label:?}");
        }
    }
}
