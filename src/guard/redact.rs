//! What a log may say of personal data, and of text that strangers wrote. Personal data becomes a short keyed
//! hash: the same person always looks the same, and nobody without the key learns who it is. Text of strangers
//! is escaped and cut, so that it can neither forge a line nor flood the log.

use crate::guard::secret::Secret;
use crate::problem::Loggable;
use blake2::Blake2bMac;
use blake2::digest::consts::U12;
use blake2::digest::{FixedOutput, Update};
use std::fmt::{self, Display, Write as _};

/// A salt may have at most this many bytes: the longest key that BLAKE2b takes.
pub const SALT_BYTES_MAX: usize = 64;

/// What is left of an item that is logged in plaintext.
const CLEAR_CHARACTERS_MAX: usize = 80;

/// The salt that turns hashing off.
const NO_SALT: &str = "none";

/// Keeps these hashes apart from all others made with the same key. The original's, so that its logs and ours
/// can be compared.
const PERSONALISATION: &[u8] = b"authnzrv-pii";

/// How this installation hides personal data in its log: as hashes with this key, or not at all without one.
pub struct PiiSalt(Option<Secret<String>>);

/// A piece of personal data as a log may show it: 24 hexadecimal digits, or clear text if the operator wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted(String);

/// A piece of text as a log may show it: printable, without an unescaped quotation mark, and short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escaped(String);

impl PiiSalt {
    /// Reads the setting: `none`, or the text whose bytes are the key.
    ///
    /// # Errors
    /// If the text is empty, which would let anybody compute the hashes, or longer than [`SALT_BYTES_MAX`] bytes.
    pub fn parse(text: &str) -> Result<Self, SaltError> {
        match text {
            NO_SALT => Ok(Self(None)),
            "" => Err(SaltError::Empty),
            long if long.len() > SALT_BYTES_MAX => Err(SaltError::TooLong { bytes: long.len() }),
            salt => Ok(Self(Some(Secret::new(salt.to_owned())))),
        }
    }

    /// The salt as its setting has it. It must not reach a log or an error.
    #[must_use]
    pub(crate) fn written(&self) -> &str {
        self.0.as_ref().map_or(NO_SALT, |salt| salt.expose())
    }

    /// The form of a piece of personal data that a log may show. A number counts by its decimal digits.
    #[must_use]
    pub fn redact(&self, item: impl Display) -> Redacted {
        let Some(salt) = &self.0 else {
            return Redacted(escape(item, CLEAR_CHARACTERS_MAX));
        };
        let mut hash = Hash::new(salt);
        // The hash takes everything, and what is logged are texts and numbers, which write themselves without fail.
        let _ = write!(hash, "{item}");
        Redacted(hash.hexadecimal())
    }
}

/// Makes a text fit for a log: what is not printable, quotation marks and backslashes are escaped as in Rust,
/// and what exceeds `characters_max` becomes three dots.
#[must_use]
pub fn escape_for_log(text: &str, characters_max: usize) -> Escaped {
    Escaped(escape(text, characters_max))
}

impl Redacted {
    /// The text that a log may show.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

impl Escaped {
    /// The text that a log may show.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

impl Display for Redacted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Display for Escaped {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Why a text can't be the salt.
#[derive(Debug, PartialEq, Eq)]
pub enum SaltError {
    /// It is empty.
    Empty,
    /// It is longer than [`SALT_BYTES_MAX`].
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

impl Loggable for SaltError {}

impl Display for SaltError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => {
                write!(out, "it is empty; write `{NO_SALT}` to log personal data in plaintext")
            }
            Self::TooLong { bytes } => {
                write!(out, "it has {bytes} bytes; at most {SALT_BYTES_MAX} are possible")
            }
        }
    }
}

impl std::error::Error for SaltError {}

/// Hashes what is written to it, so that no copy of it has to be made.
struct Hash(Blake2bMac<U12>);

impl Hash {
    fn new(salt: &Secret<String>) -> Self {
        let mac = Blake2bMac::new_with_salt_and_personal(salt.expose().as_bytes(), &[], PERSONALISATION);
        Self(mac.expect("parse refuses a longer key, and the personalisation fits its field"))
    }

    fn hexadecimal(self) -> String {
        hexadecimal(&self.0.finalize_fixed())
    }
}

/// Bytes in hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = vec![0; 2 * bytes.len()];
    for (byte, pair) in bytes.iter().zip(digits.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    String::from_utf8(digits).unwrap_or_default()
}

impl fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

/// Escapes what is written to it, until there is no room left.
struct Escape {
    written: String,
    characters_left: usize,
}

impl fmt::Write for Escape {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Most texts stay what they are.
        if text.len() <= self.characters_left && text.bytes().all(is_shown_as_it_is) {
            self.characters_left -= text.len();
            self.written.push_str(text);
            return Ok(());
        }
        for character in text.chars() {
            let escaped = character.escape_debug();
            self.characters_left = self.characters_left.checked_sub(escaped.len()).ok_or(fmt::Error)?;
            self.written.extend(escaped);
        }
        Ok(())
    }
}

/// Whether this is a character that needs no escape.
const fn is_shown_as_it_is(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\'' | b'\\')
}

fn escape(item: impl Display, characters_max: usize) -> String {
    let mut out = Escape { written: String::new(), characters_left: characters_max };
    if write!(out, "{item}").is_err() {
        out.written.push_str("...");
    }
    out.written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn salted(salt: &str) -> PiiSalt {
        PiiSalt::parse(salt).unwrap_or_else(|error| panic!("a good salt: {error}"))
    }

    #[test]
    fn hashes_as_the_original_does() {
        let salt = salted("salt");
        assert_eq!(salt.redact("user@example.com").to_string(), "9737a7444cfc657b24b30fd2");
        assert_eq!(salt.redact(5).to_string(), "c403ae3867ae4af9172981bb");
        let long = salted("V_i37y8z5cYiXQqSPFxK3fcBKJwepa5K4-ZU3fnLCJs=");
        assert_eq!(long.redact("user@example.com").to_string(), "bdd93d066240a71d5cfc29f0");
    }

    #[test]
    fn the_same_item_looks_the_same_under_one_salt_only() {
        let long_item = "x".repeat(1000);
        for item in ["", "a", "user@example.com", "ünïcode", long_item.as_str()] {
            assert_eq!(salted("salt").redact(item), salted("salt").redact(item));
            assert_ne!(salted("salt").redact(item), salted("other").redact(item));
            assert_eq!(salted("salt").redact(item).to_string().len(), 24);
        }
        assert_eq!(salted("salt").redact("5"), salted("salt").redact(5));
    }

    #[test]
    fn takes_a_salt_of_64_bytes_and_no_more() {
        assert_eq!(salted(&"s".repeat(64)).redact("x").to_string().len(), 24);
        assert_eq!(salted(&"é".repeat(32)).redact("x").to_string().len(), 24);
        let told = |salt: &str| PiiSalt::parse(salt).err().map(|error| error.to_string());
        assert_eq!(told(&"é".repeat(33)).as_deref(), Some("it has 66 bytes; at most 64 are possible"));
        assert_eq!(told("").as_deref(), Some("it is empty; write `none` to log personal data in plaintext"));
    }

    #[test]
    fn clear_text_is_only_for_exactly_none() {
        assert_eq!(salted("none").redact("user@example.com").to_string(), "user@example.com");
        for salt in ["None", "NONE", "none "] {
            assert_ne!(salted(salt).redact("user@example.com").to_string(), "user@example.com");
        }
    }

    #[test]
    fn clear_text_is_escaped_and_cut_too() {
        assert_eq!(salted("none").redact("a\nb").to_string(), r"a\nb");
        let shown = salted("none").redact("x".repeat(1 << 20)).to_string();
        assert_eq!(shown, format!("{}...", "x".repeat(80)));
    }

    #[test]
    fn no_stranger_writes_a_line_of_its_own() {
        let table = [
            ("plain", "plain"),
            ("ünï", "ünï"),
            ("a\r\nb\tc", r"a\r\nb\tc"),
            ("\u{1b}[2J\u{0}", r"\u{1b}[2J\0"),
            ("\u{202e}\u{200b}\u{2028}", r"\u{202e}\u{200b}\u{2028}"),
            (r#""\"#, r#"\"\\"#),
        ];
        for (text, shown) in table {
            assert_eq!(escape_for_log(text, 80).to_string(), shown);
        }
    }

    #[test]
    fn cuts_between_characters_and_never_inside_an_escape() {
        assert_eq!(escape_for_log("abcdef", 6).to_string(), "abcdef");
        assert_eq!(escape_for_log("abcdefg", 6).to_string(), "abcdef...");
        assert_eq!(escape_for_log("abcde\nf", 6).to_string(), "abcde...");
        assert_eq!(escape_for_log("ééé", 2).to_string(), "éé...");
        assert_eq!(escape_for_log("x", 0).to_string(), "...");
        assert_eq!(escape_for_log("", 0).to_string(), "");
    }

    #[test]
    fn any_text_comes_out_printable_and_short() {
        let mut random = fastrand::Rng::with_seed(9);
        for _ in 0..500 {
            let text: String = (0..random.usize(0..100)).map(|_| random.char(..)).collect();
            let shown = escape_for_log(&text, 40).to_string();
            assert!(shown.chars().count() <= 43, "{shown}");
            assert!(!shown.chars().any(char::is_control), "{shown}");
        }
    }
}
