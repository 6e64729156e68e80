//! The keys that seal messages.

use crate::fernet::{self, KEY_BYTES, hmac_of};
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::Mac;
use std::fmt;
use std::path::Path;

const KEYS_MAX: usize = 8;
/// As people copy keys: with or without what fills them up.
const WRITTEN: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// One key or, while it is being changed, several. Messages are sealed with the first.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<[u8; KEY_BYTES]>,
}

/// Why keys cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// The key at this place is not base64.
    NotBase64(usize),
    /// The key at this place has so many bytes. Perhaps it is the name of a file.
    WrongLength(usize, usize),
    /// There are none, or more than eight.
    WrongNumber(usize),
    /// The file cannot be read.
    Unreadable(std::io::Error),
}

impl fmt::Display for KeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBase64(place) => write!(formatter, "key {place} is not base64"),
            Self::WrongLength(place, length) => {
                write!(
                    formatter,
                    "key {place} has {length} bytes instead of {KEY_BYTES} (is it the name of a file?)"
                )
            }
            Self::WrongNumber(number) => {
                write!(formatter, "there are {number} keys; it takes 1 to {KEYS_MAX}")
            }
            Self::Unreadable(error) => write!(formatter, "the key file cannot be read: {error}"),
        }
    }
}

impl std::error::Error for KeyError {}

impl KeyRing {
    /// Reads keys as they stand in the server's key file: with commas or white space between them, and behind a `#` in a
    /// line whatever an operator noted.
    ///
    /// # Errors
    /// There are none or too many, or one is no key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        for line in text.lines() {
            for word in without_note(line).split(|letter: char| letter == ',' || letter.is_whitespace()) {
                let word = word.trim_matches(['"', '\'']);
                if !word.is_empty() {
                    keys.push(decoded(word, keys.len() + 1)?);
                }
            }
        }
        if !(1..=KEYS_MAX).contains(&keys.len()) {
            return Err(KeyError::WrongNumber(keys.len()));
        }
        Ok(Self { keys })
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// As [`Self::parse`], or the file cannot be read.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        Self::parse(&std::fs::read_to_string(path).map_err(KeyError::Unreadable)?)
    }

    /// How many keys there are.
    #[expect(clippy::len_without_is_empty, reason = "no ring is empty")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// For each key, another one for a purpose of the site's own.
    pub fn derived(&self, purpose: &str) -> Vec<[u8; 32]> {
        let message = format!("authnzerver site: {purpose}");
        self.keys
            .iter()
            .map(|key| hmac_of(key).chain_update(&message).finalize().into_bytes().into())
            .collect()
    }

    /// Seals with the key at this place.
    pub(crate) fn seal(&self, plain: &[u8], place: usize) -> Result<String, getrandom::Error> {
        let mut iv = [0; 16];
        getrandom::fill(&mut iv)?;
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Ok(STANDARD.encode(fernet::seal(&self.keys[place], plain, iv, now)))
    }

    /// Opens with whichever key fits, or not at all.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let token = STANDARD.decode(sealed).ok()?;
        self.keys.iter().find_map(|key| fernet::open(key, &token))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a ring of {} keys", self.keys.len())
    }
}

/// A line up to a `#` at its start or behind white space.
fn without_note(line: &str) -> &str {
    let note = line.char_indices().find(|(place, letter)| {
        *letter == '#' && line[..*place].chars().next_back().is_none_or(char::is_whitespace)
    });
    note.map_or(line, |(place, _)| &line[..place])
}

fn decoded(word: &str, place: usize) -> Result<[u8; KEY_BYTES], KeyError> {
    let letters = word.trim_end_matches('=').replace('+', "-").replace('/', "_");
    let key = WRITTEN.decode(letters).map_err(|_| KeyError::NotBase64(place))?;
    key.try_into().map_err(|key: Vec<u8>| KeyError::WrongLength(place, key.len()))
}
