//! What a new password must keep to. Whether it has leaked is found out elsewhere, because that takes a look into a
//! file or a network; its message stands here with the others.

use super::similarity::ratio;
use super::text::{case_fold, is_listed, squeeze, trim};
use std::fmt;

/// A password counts up to this many characters, as in every hash that the original stored.
const PASSWORD_CHARACTERS_MAX: usize = 256;
/// Characters of an address or a name that a password is compared with. Stored ones are no longer, and comparing takes
/// time with the product of the lengths.
const CONTEXT_CHARACTERS_MAX: usize = 320;
/// The least number of characters where a context word counts by itself.
const CONTEXT_WORD_CHARACTERS_MIN: usize = 4;

/// Passwords that everybody tries first; see `docs/data.md`.
const COMMON_PASSWORDS: &str = include_str!("lists/common_passwords.txt");
/// Ranges of code points that are digits in any script, in hexadecimal; see `docs/data.md`.
const DIGITS: &str = include_str!("lists/digits.txt");

/// The operator's rules for new passwords.
#[derive(Clone, Debug, PartialEq)]
pub struct PasswordPolicy {
    min_length: usize,
    /// On a scale to 100; a password that is as like or more is refused.
    max_similarity: f64,
    /// The part of a password that one character may make up; `None` where that does not matter.
    max_frequency: Option<f64>,
    min_pwned_matches: u64,
    /// Whether words of the context may not occur in the password at all, and digits alone are as good as anything.
    by_nist: bool,
}

/// What a password must not resemble.
pub struct Context<'a> {
    /// The name of the server.
    pub server_name: &'a str,
    /// The user's address.
    pub email: &'a str,
    /// The user's names, stored and given.
    pub full_names: &'a [&'a str],
}

/// A rule that a password breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenRule {
    /// It is shorter than so many characters.
    TooShort(usize),
    /// It is among those that everybody tries first.
    Common,
    /// It resembles the server's name, the address or the name.
    Similar,
    /// One character makes up too much of it.
    Monotonous,
    /// It consists of digits only.
    OnlyDigits,
    /// It was found among leaked passwords, so many times if that is known.
    Leaked(Option<u64>),
}

impl BrokenRule {
    /// What the end user reads.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::TooShort(least) => format!("This password is too short: use at least {least} characters."),
            Self::Common => "This password is one of the most common ones; others will guess it.".into(),
            Self::Similar => {
                "This password is too much like your name, your e-mail address or this site's name.".into()
            }
            Self::Monotonous => "This password repeats the same characters too often.".into(),
            Self::OnlyDigits => "This password has nothing but digits; add some letters.".into(),
            Self::Leaked(Some(times)) => {
                format!("This password was found {times} times among leaked passwords (Have I Been Pwned).")
            }
            Self::Leaked(None) => {
                "This password was found among leaked passwords (Have I Been Pwned).".into()
            }
        }
    }
}

/// What is wrong with the setting.
#[derive(Debug, PartialEq, Eq)]
pub struct PasswordPolicyError(&'static str);

impl fmt::Display for PasswordPolicyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

/// The fields by name, in the order in which they stand where they have other names.
const FIELDS: [&str; 4] =
    ["min_pass_length", "max_unsafe_similarity", "max_char_frequency", "min_pwned_matches"];

impl PasswordPolicy {
    /// The rules of NIST SP 800-63B-4 for a password that is the only factor.
    #[must_use]
    pub const fn nist() -> Self {
        Self {
            min_length: 15,
            max_similarity: 80.0,
            max_frequency: None,
            min_pwned_matches: 1,
            by_nist: true,
        }
    }

    /// Reads `nist`, or four fields of a name and a number, with `;` between them. Fields with their own names may
    /// stand in any order; otherwise their places count.
    ///
    /// # Errors
    ///
    /// Says what is wrong with any other text.
    pub fn parse(text: &str) -> Result<Self, PasswordPolicyError> {
        if text.trim().eq_ignore_ascii_case("nist") {
            return Ok(Self::nist());
        }
        let fields: Vec<(String, String)> = text
            .split(';')
            .map(|field| field.replace(' ', ""))
            .filter(|field| !field.is_empty())
            .map(|field| match field.split_once(':') {
                Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
                None => Err(PasswordPolicyError("each field needs a name, a colon and a number")),
            })
            .collect::<Result<_, _>>()?;
        if fields.len() != FIELDS.len() {
            return Err(PasswordPolicyError("there must be four fields"));
        }
        let by_name = FIELDS.iter().all(|name| fields.iter().any(|(given, _)| given == name));
        let value = |place: usize| {
            let named = fields.iter().find(|(name, _)| by_name && name == FIELDS[place]);
            named.unwrap_or(&fields[place]).1.as_str()
        };
        let whole = |place, fault| value(place).parse::<u32>().map_err(|_| PasswordPolicyError(fault));
        let number = |place, most: f64, fault| {
            let number = value(place).parse::<f64>().ok().filter(|number| (0.0..=most).contains(number));
            number.ok_or(PasswordPolicyError(fault))
        };
        Ok(Self {
            min_length: match whole(0, "the least length must be a whole number")? as usize {
                length @ ..=PASSWORD_CHARACTERS_MAX => length,
                _ => return Err(PasswordPolicyError("the least length must not exceed 256")),
            },
            max_similarity: number(1, 1000.0, "the similarity must be a number, 0 or more")?,
            max_frequency: Some(number(2, 1000.0, "the character frequency must be a number, 0 or more")?),
            min_pwned_matches: whole(3, "the least number of leaks must be a whole number")?.into(),
            by_nist: false,
        })
    }

    /// The least number of characters.
    #[must_use]
    pub const fn min_length(&self) -> usize {
        self.min_length
    }

    /// How often a password must have leaked to be refused.
    #[must_use]
    pub const fn min_pwned_matches(&self) -> u64 {
        self.min_pwned_matches
    }

    /// All rules that a password breaks, in a fixed order.
    #[must_use]
    pub fn judge(&self, password: &str, context: &Context<'_>) -> Vec<BrokenRule> {
        let rules = [
            (
                squeeze(trim(password)).chars().count() < self.min_length,
                BrokenRule::TooShort(self.min_length),
            ),
            (is_listed(COMMON_PASSWORDS, &case_fold(password)), BrokenRule::Common),
            (self.is_similar(password, context), BrokenRule::Similar),
            (self.is_monotonous(password), BrokenRule::Monotonous),
            (!self.by_nist && has_only_digits(password), BrokenRule::OnlyDigits),
        ];
        rules.into_iter().filter_map(|(broken, rule)| broken.then_some(rule)).collect()
    }

    fn is_similar(&self, password: &str, context: &Context<'_>) -> bool {
        let password = squeeze(trim(&case_fold(password)));
        let words =
            [context.server_name, context.email].into_iter().chain(context.full_names.iter().copied());
        words.map(|word| case_fold(first_characters(word, CONTEXT_CHARACTERS_MAX))).any(|word| {
            ratio(&password, &word) * 100.0 >= self.max_similarity
                || self.by_nist && contains_a_word(&password, &word)
        })
    }

    fn is_monotonous(&self, password: &str) -> bool {
        let Some(most) = self.max_frequency else { return false };
        let mut characters: Vec<char> = password.chars().collect();
        let total = characters.len() as f64;
        characters.sort_unstable();
        characters.chunk_by(|one, two| one == two).any(|run| run.len() as f64 / total > most)
    }
}

/// Whether what is left of the password without a word of the context would be nothing much.
fn contains_a_word(password: &str, context: &str) -> bool {
    context
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| word.chars().count() >= CONTEXT_WORD_CHARACTERS_MIN)
        .any(|word| {
            let rest = password.replace(word, "");
            rest.chars().count() < password.chars().count()
                && rest.chars().count() < PasswordPolicy::nist().min_length
        })
}

fn has_only_digits(password: &str) -> bool {
    !password.is_empty() && password.chars().all(is_digit)
}

/// Whether Unicode counts the character as a digit of whatever script, superscripts and circled ones included.
fn is_digit(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_digit();
    }
    let point = u32::from(character);
    DIGITS.lines().any(|range| {
        let bounds = range.split_once(' ').and_then(|(first, last)| {
            Some((u32::from_str_radix(first, 16).ok()?, u32::from_str_radix(last, 16).ok()?))
        });
        bounds.is_some_and(|(first, last)| (first..=last).contains(&point))
    })
}

/// The part of a password that counts.
#[must_use]
pub fn truncated(password: &str) -> &str {
    first_characters(password, PASSWORD_CHARACTERS_MAX)
}

fn first_characters(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
#[path = "passwords_tests.rs"]
mod tests;
