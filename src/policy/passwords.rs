//! Which passwords are good enough. Every rule that needs nothing but the password, what is known of the person, and a
//! word list is judged here; whether a password is among the leaked ones is looked up elsewhere, and told in the same
//! words.
//!
//! Never logs, keeps or shows a password. The copies it holds are wiped when they are dropped.

use super::lists::{COMMON_PASSWORDS, is_digit};
use super::similarity;
use super::text::{casefold, characters, squeeze};
use crate::guard::secret::{PASSWORD_CHARACTERS_MAX, Password, PasswordForm};
use crate::problem::{Loggable, operator_text};
use std::fmt;
use zeroize::Zeroizing;

/// What is compared of an address, a name or the server's name. More than the longest address (254), stored name (280)
/// or host name (253); so it cuts off only what nobody honest sends, and bounds the work of one comparison.
const CONTEXT_CHARACTERS_MAX: usize = 320;

/// The shortest piece of an address or name that counts as a word; shorter ones stand in anything.
const CONTEXT_WORD_CHARACTERS_MIN: usize = 3;

/// What must be left of a password without the known words in it: as much as NIST SP 800-63B-4 asks of a password that
/// stands beside a second factor.
const REMAINDER_CHARACTERS_MIN: usize = 8;

/// Name and position of the settings in a policy.
const FIELDS: [&str; 4] =
    ["min_pass_length", "max_unsafe_similarity", "max_char_frequency", "min_pwned_matches"];

/// How good a password must be.
#[derive(Clone, Debug, PartialEq)]
pub struct PasswordPolicy {
    min_length: usize,
    /// In hundredths; from this similarity on a password is refused.
    max_similarity: u32,
    min_pwned_matches: u64,
    makeup: Composition,
}

/// What is asked of a password beside its length and that it cannot be guessed from what is known.
#[derive(Clone, Debug, PartialEq)]
enum Composition {
    /// The rules of the Python authnzerver: not all digits, and no character with more than this share of the password.
    Mixed { max_character_share: f64 },
    /// NIST SP 800-63B-4: no rule for the mix of characters, but words that are known of the person and the server do
    /// not carry a password.
    Free,
}

/// A policy that cannot be read; says what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordPolicyError(String);

// It repeats what the operator wrote as `operator_text` does.
impl Loggable for PasswordPolicyError {}

impl fmt::Display for PasswordPolicyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for PasswordPolicyError {}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min_length: 12,
            max_similarity: 50,
            min_pwned_matches: 25,
            makeup: Composition::Mixed { max_character_share: 0.3 },
        }
    }
}

/// What is known of the person and of us, and so must not be the password. Empty texts are passed over. The work of
/// judging grows with the number of names, so give the few that the person has.
pub struct Context<'a> {
    /// The domain that this server speaks for.
    pub server_name: &'a str,
    /// The person's address.
    pub email: &'a str,
    /// The names that the person has or asks for.
    pub full_names: &'a [&'a str],
}

/// A rule that a password breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokenRule {
    /// Shorter than the policy asks.
    TooShort {
        /// What the policy asks, in characters.
        min_length: usize,
    },
    /// Among the most common passwords.
    Common,
    /// Too like the server's domain, the person's name or address.
    Similar,
    /// One character makes up too much of it.
    Repetitive,
    /// Digits and nothing else.
    OnlyDigits,
    /// Found among leaked passwords.
    Leaked {
        /// How often it was found, where that is known.
        times: Option<u64>,
    },
}

impl BrokenRule {
    /// What the person is told.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::TooShort { min_length } => {
                format!("Your password is too short. Use at least {min_length} characters.")
            }
            Self::Common => {
                "Your password is one of the most common ones. Choose one that nobody would guess.".into()
            }
            Self::Similar => {
                "Your password is too similar to your name, your email address or the name of this site."
                    .into()
            }
            Self::Repetitive => {
                "Your password repeats one character too often. Use more different characters.".into()
            }
            Self::OnlyDigits => "Your password is all numbers. Add other characters.".into(),
            Self::Leaked { times } => {
                let found = match times {
                    Some(1) => "once ".to_owned(),
                    Some(times) => format!("{times} times "),
                    None => String::new(),
                };
                format!(
                    "Your password was found {found}among leaked passwords (source: Have I Been Pwned). \
                     Choose another, and change it wherever else you use it."
                )
            }
        }
    }
}

impl PasswordPolicy {
    /// Reads a policy.
    ///
    /// - Nothing but blanks: the default.
    /// - `nist`: NIST SP 800-63B-4 for a password that is the only factor.
    /// - `min_pass_length:12; max_unsafe_similarity:50; max_char_frequency:0.3; min_pwned_matches:25`: these four, in
    ///   any order. The Python authnzerver went by position alone, so a field with an unknown name counts for the
    ///   setting at its position unless another field names that.
    ///
    /// # Errors
    ///
    /// When the text is none of these, or a value is one that no password could meet.
    pub fn parse(text: &str) -> Result<Self, PasswordPolicyError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        if text.eq_ignore_ascii_case("nist") {
            return Ok(Self::nist());
        }
        let [length, similarity, share, matches] = fields(text)?;
        let min_length = number(FIELDS[0], &length, "a whole number from 1 to 256", |n| {
            (1..=PASSWORD_CHARACTERS_MAX).contains(n)
        })?;
        let max_similarity = number(FIELDS[1], &similarity, "a whole number of at least 1", |n| *n >= 1)?;
        let max_character_share =
            number(FIELDS[2], &share, "a number above 0", |n: &f64| n.is_finite() && *n > 0.0)?;
        let min_pwned_matches = number(FIELDS[3], &matches, "a whole number", |_| true)?;
        Ok(Self {
            min_length,
            max_similarity,
            // A password that was never found is not a leaked one, so 0 cannot mean less than 1.
            min_pwned_matches: std::cmp::max(min_pwned_matches, 1),
            makeup: Composition::Mixed { max_character_share },
        })
    }

    /// Longer, checked against everything known, and otherwise left to the person. One leak is enough to refuse.
    fn nist() -> Self {
        Self { min_length: 15, min_pwned_matches: 1, makeup: Composition::Free, ..Self::default() }
    }

    /// The fewest characters of a password.
    #[cfg(test)]
    fn min_length(&self) -> usize {
        self.min_length
    }

    /// How often a password must have been found among leaked ones to be refused; at least 1.
    #[must_use]
    pub fn min_pwned_matches(&self) -> u64 {
        self.min_pwned_matches
    }

    /// Which text of a password is judged, and so has to be hashed.
    #[must_use]
    pub fn form(&self) -> PasswordForm {
        match self.makeup {
            Composition::Mixed { .. } => PasswordForm::AsTyped,
            Composition::Free => PasswordForm::Nfkc,
        }
    }

    /// The rules that the password breaks, in the order in which they are told.
    #[must_use]
    pub fn check(&self, password: &Password, context: &Context<'_>) -> Vec<BrokenRule> {
        let password = password.expose(self.form());
        let folded = Zeroizing::new(casefold(password));
        let mut broken = Vec::new();
        if Zeroizing::new(squeeze(password)).chars().count() < self.min_length {
            broken.push(BrokenRule::TooShort { min_length: self.min_length });
        }
        if COMMON_PASSWORDS.contains(&folded) {
            broken.push(BrokenRule::Common);
        }
        let known = context.known();
        if self.is_similar(&folded, &known)
            || (self.makeup == Composition::Free && is_built_on_known_words(&folded, &known))
        {
            broken.push(BrokenRule::Similar);
        }
        if let Composition::Mixed { max_character_share } = self.makeup {
            if greatest_share(password) > max_character_share {
                broken.push(BrokenRule::Repetitive);
            }
            if !password.is_empty() && password.chars().all(is_digit) {
                broken.push(BrokenRule::OnlyDigits);
            }
        }
        broken
    }

    fn is_similar(&self, folded_password: &str, known: &[String]) -> bool {
        let password = Zeroizing::new(squeeze(folded_password));
        known.iter().any(|text| similarity::ratio(&password, text) * 100.0 >= f64::from(self.max_similarity))
    }
}

impl Context<'_> {
    /// Each text that is not empty, folded and cut off at what is compared.
    fn known(&self) -> Vec<String> {
        [self.server_name, self.email]
            .iter()
            .chain(self.full_names)
            .filter(|text| !text.is_empty())
            .map(|text| casefold(text).chars().take(CONTEXT_CHARACTERS_MAX).collect())
            .collect()
    }
}

/// Whether the password rests on words known of the person and the server, such as `alice.example-2024!` for Alice at
/// example.org: without them too little is left. A long phrase may well mention one of them.
fn is_built_on_known_words(folded_password: &str, known: &[String]) -> bool {
    let mut words: Vec<&str> = known
        .iter()
        .flat_map(|text| text.split(|character: char| !character.is_alphanumeric()))
        .filter(|word| word.chars().count() >= CONTEXT_WORD_CHARACTERS_MIN)
        .collect();
    // The longest first, since a shorter one may be a part of it.
    words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
    let mut rest = Zeroizing::new(folded_password.to_owned());
    for word in words {
        rest = without(&rest, word);
    }
    let left_over = rest.chars().filter(|character| !character.is_whitespace()).count();
    rest.len() < folded_password.len() && left_over < REMAINDER_CHARACTERS_MIN
}

/// The text with a blank in place of each `word`, which keeps what stands on both sides from becoming a word together.
fn without(text: &str, word: &str) -> Zeroizing<String> {
    let mut rest = Zeroizing::new(String::with_capacity(text.len()));
    for part in text.split_inclusive(word) {
        if let Some(before) = part.strip_suffix(word) {
            rest.push_str(before);
            rest.push(' ');
        } else {
            rest.push_str(part);
        }
    }
    rest
}

/// The share of the most frequent character; 0 for an empty text.
fn greatest_share(text: &str) -> f64 {
    let mut characters = Zeroizing::new(characters(text));
    characters.sort_unstable();
    let most = characters.chunk_by(|a, b| a == b).map(<[char]>::len).max().unwrap_or(0);
    most as f64 / characters.len().max(1) as f64
}

/// The four values of a policy in the order of [`FIELDS`].
fn fields(text: &str) -> Result<[String; 4], PasswordPolicyError> {
    let text: String = text.split_whitespace().collect();
    let parts: Vec<&str> = text.split(';').collect();
    let parts: [&str; 4] = parts.try_into().map_err(|_| {
        PasswordPolicyError(format!(
            "a password policy is `nist`, or these four fields: {}",
            FIELDS.join(":…; ") + ":…"
        ))
    })?;
    let mut values: [Option<&str>; 4] = [None; 4];
    let mut unnamed = Vec::new();
    for (position, part) in parts.into_iter().enumerate() {
        let (name, value) = part.split_once(':').ok_or_else(|| {
            PasswordPolicyError(format!("{} in the password policy is not `name:value`", operator_text(part)))
        })?;
        match FIELDS.iter().position(|field| *field == name) {
            Some(field) => put(&mut values, field, name, value)?,
            None => unnamed.push((position, name, value)),
        }
    }
    for (position, name, value) in unnamed {
        put(&mut values, position, name, value)?;
    }
    // Four parts fell into four different places, so none is empty.
    Ok(values.map(|value| value.unwrap_or_default().to_owned()))
}

fn put<'a>(
    values: &mut [Option<&'a str>; 4],
    field: usize,
    name: &str,
    value: &'a str,
) -> Result<(), PasswordPolicyError> {
    match values[field].replace(value) {
        None => Ok(()),
        Some(_) => Err(PasswordPolicyError(format!(
            "{} in the password policy is unknown, or sets {} a second time",
            operator_text(name),
            FIELDS[field]
        ))),
    }
}

fn number<T: std::str::FromStr>(
    field: &str,
    value: &str,
    kind: &str,
    fits: impl Fn(&T) -> bool,
) -> Result<T, PasswordPolicyError> {
    value.parse().ok().filter(fits).ok_or_else(|| {
        PasswordPolicyError(format!(
            "{field} in the password policy must be {kind}, not {}",
            operator_text(value)
        ))
    })
}

#[cfg(test)]
mod tests;
