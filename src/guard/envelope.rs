//! The sealed envelope around every request and answer: base64 around a Fernet token. Only whoever holds one
//! of our keys can make an envelope that opens; everything else, down to one flipped bit, stays shut.
//!
//! This is the only file that knows Fernet. It must never look at what it carries, and never let a key or an
//! opened text reach a log or an error.

mod key_line;

pub(crate) use key_line::{KeyLine, Limit, is_key_name};

use crate::clock::Timestamp;
use crate::guard::redact::{PiiSalt, hexadecimal};
use crate::guard::secret::Secret;
use crate::problem::Loggable;
use crate::rng::Rng;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64_simd::STANDARD as OUTER;
use fernet::Fernet;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use zeroize::Zeroizing;

/// How many keys a ring may hold. An envelope that none opens costs one signature check for each.
pub const KEYS_MAX: usize = 8;

/// A key is this long before it is written in base64: half of it signs, half of it encrypts.
const KEY_BYTES: usize = 32;
/// And so long afterwards.
const KEY_CHARACTERS: usize = 44;

/// What each Fernet token begins with.
const FERNET_VERSION: u8 = 0x80;
/// Its parts around the encrypted text: version, time, initialisation vector and signature.
const FERNET_FRAME_BYTES: usize = 1 + 8 + 16 + 32;
/// The encrypted text is filled up to whole blocks.
const AES_BLOCK_BYTES: usize = 16;

/// Stands for no time.
const NEVER_MICROS: i64 = i64::MIN;

/// Keeps fingerprints apart from all other hashes.
const FINGERPRINT_PERSONALISATION: &[u8] = b"authnzerver key and salt\0";
/// As much of the hash as tells keys apart.
const FINGERPRINT_BYTES: usize = 8;

/// Envelopes have no expiry, but the crate refuses those that seem to come from the future. Told this time,
/// it takes them all; far enough from the end that its allowance for skewed clocks can't overflow.
const UNIX_SECONDS_FAR_FUTURE: u64 = u64::MAX / 2;

/// Reads keys as the original did: the unused bits of the last letter may be set, as they are when somebody
/// made up 43 characters. Padding is taken off before.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// The keys under which requests may arrive.
#[derive(Clone)]
pub struct Keyring(Vec<Key>);

/// One key: opens what was sealed with it, seals what goes back. A clone is the same key.
#[derive(Clone)]
pub struct Key(Arc<KeyParts>);

struct KeyParts {
    fernet: Fernet,
    raw: Secret<Vec<u8>>,
    name: Option<String>,
    /// All that it may ask, if that is not everything.
    requests: Option<Vec<String>>,
    /// When it last opened an envelope, in microseconds.
    last_used_micros: AtomicI64,
}

/// What was in an envelope, and the key to seal the answer with. It carries the key itself and not its place
/// in the ring, so that an answer is readable even if the ring was exchanged meanwhile.
pub struct Opened {
    /// The bytes inside. They may hold passwords.
    pub plaintext: Secret<Vec<u8>>,
    /// The key that opened it.
    pub key: Key,
}

impl Keyring {
    /// Reads one or several keys, separated by commas or white space. A key is 32 bytes in URL-safe or
    /// standard base64; quotes and other stray characters around it are ignored, and so is missing padding. Behind a `#`
    /// in its line stands its name, and what it may ask if that is not everything.
    ///
    /// # Errors
    /// Says which key is wrong and why, and shows no part of it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut raw_keys: Vec<Zeroizing<Vec<u8>>> = Vec::new();
        let mut keys = Vec::new();
        for line in text.lines().map(KeyLine::read) {
            for written in keys_in(line.keys) {
                let characters: Zeroizing<String> =
                    Zeroizing::new(written.chars().filter_map(key_letter).collect());
                if characters.is_empty() {
                    continue;
                }
                let position = raw_keys.len() + 1;
                let raw = decode_key(&characters, position)?;
                if raw_keys.contains(&raw) {
                    return Err(KeyError::Repeated { position });
                }
                if raw_keys.len() == KEYS_MAX {
                    return Err(KeyError::TooMany);
                }
                keys.push(Key::new(&raw, &line).ok_or(KeyError::Limit { position })?);
                raw_keys.push(raw);
            }
        }
        if keys.is_empty() { Err(KeyError::Missing) } else { Ok(Self(keys)) }
    }

    /// Opens an envelope with whichever key fits, or not at all. Its age does not matter.
    ///
    /// In both layers base64 is read as Python reads it, with `python_base64`: characters that it does not know are
    /// skipped, and white space and line breaks at least are common. A cut envelope stays shut, and so does one with
    /// anything else inside: the signature covers every byte.
    #[must_use]
    pub fn open(&self, body: &[u8]) -> Option<Opened> {
        let token = OUTER.decode_to_vec(body).ok().or_else(|| python_base64(body, Alphabet::Standard))?;
        let plain = std::str::from_utf8(&token).ok().and_then(|token| self.open_token(token));
        plain.or_else(|| {
            let tidy = URL_SAFE.encode(python_base64(&token, Alphabet::UrlSafe)?);
            if tidy.as_bytes() == token { None } else { self.open_token(&tidy) }
        })
    }

    /// Whether this has the form of an envelope. If it opens with none of our keys, it was sealed with another one.
    #[must_use]
    pub fn is_envelope(body: &[u8]) -> bool {
        let token = python_base64(body, Alphabet::Standard);
        let sealed = token.and_then(|token| python_base64(&token, Alphabet::UrlSafe));
        sealed.is_some_and(|sealed| {
            sealed.first() == Some(&FERNET_VERSION)
                && sealed.len() > FERNET_FRAME_BYTES
                && (sealed.len() - FERNET_FRAME_BYTES).is_multiple_of(AES_BLOCK_BYTES)
        })
    }

    fn open_token(&self, token: &str) -> Option<Opened> {
        // The crate would also take a token that lost its padding; a cut envelope has to stay shut.
        if !token.len().is_multiple_of(4) {
            return None;
        }
        self.0.iter().find_map(|key| {
            let plaintext = key.0.fernet.decrypt_at_time(token, None, UNIX_SECONDS_FAR_FUTURE).ok()?;
            Some(Opened { plaintext: Secret::new(plaintext), key: key.clone() })
        })
    }

    /// What names each key together with a salt, and tells none of them.
    #[must_use]
    pub(crate) fn fingerprints(&self, salt: &PiiSalt) -> Vec<String> {
        self.iter().map(|key| hexadecimal(&key.fingerprint(salt))).collect()
    }

    /// The ring as its setting has it, a key a line if one has a name or a limit.
    #[must_use]
    pub(crate) fn written(&self) -> Secret<String> {
        let remarks: Vec<String> = self.0.iter().map(Key::remark).collect();
        let separator = if remarks.iter().all(String::is_empty) { ',' } else { '\n' };
        // No key is left behind where the text lay before it grew.
        let length: usize = remarks.iter().map(|remark| remark.len() + KEY_CHARACTERS + 1).sum();
        let mut written = String::with_capacity(length);
        for (key, remark) in self.0.iter().zip(&remarks) {
            if !written.is_empty() {
                written.push(separator);
            }
            URL_SAFE.encode_string(key.0.raw.expose(), &mut written);
            written.push_str(remark);
        }
        Secret::new(written)
    }

    /// Sees that whatever its keys may ask is a request.
    ///
    /// # Errors
    /// Says which key names none.
    pub fn check_requests(&self, is_known: impl Fn(&str) -> bool) -> Result<(), KeyError> {
        for (place, key) in self.iter().enumerate() {
            let mut requests = key.requests().into_iter().flatten();
            if let Some(request) = requests.find(|request| !is_known(request)) {
                return Err(KeyError::NoSuchRequest { position: place + 1, request: request.clone() });
            }
        }
        Ok(())
    }

    /// The keys in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    /// How many keys there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no ring is empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The first key that may ask this, if there is one.
    #[must_use]
    pub fn that_may_ask(&self, request: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.may_ask(request))
    }

    /// The key written first, for sealing what is not an answer.
    ///
    /// # Panics
    ///
    /// Never: there is no ring without a key.
    #[must_use]
    pub fn first(&self) -> &Key {
        self.0.first().expect("parse refuses an empty ring")
    }
}

impl Key {
    /// Seals bytes into an envelope that bears the time `now`. What else makes it unlike any other, the crate draws
    /// from the operating system.
    #[must_use]
    pub fn seal(&self, plaintext: &[u8], now: Timestamp) -> Vec<u8> {
        // A clock that shows a time before 1970 is wrong anyway; the reader does not look at it.
        let unix_seconds = u64::try_from(now.unix_seconds()).unwrap_or(0);
        OUTER.encode_type(self.0.fernet.encrypt_at_time(plaintext, unix_seconds))
    }

    /// `None` where nobody can tell what it may ask.
    fn new(raw: &[u8], line: &KeyLine<'_>) -> Option<Self> {
        let requests = match &line.limit {
            Limit::Nothing => None,
            Limit::Requests(requests) => Some(requests.iter().copied().map(str::to_owned).collect()),
            Limit::Malformed => return None,
        };
        let written = Zeroizing::new(URL_SAFE.encode(raw));
        let fernet = Fernet::new(&written).expect("the length was checked, and nothing else makes a key bad");
        let name = line.name.map(str::to_owned);
        let (raw, last_used_micros) = (Secret::new(raw.to_vec()), AtomicI64::new(NEVER_MICROS));
        Some(Self(Arc::new(KeyParts { fernet, raw, name, requests, last_used_micros })))
    }

    /// Remembers that a message came at this time that was sealed with it.
    pub fn note_use(&self, at: Timestamp) {
        self.0.last_used_micros.fetch_max(at.micros(), Ordering::Relaxed);
    }

    /// When a message came that was sealed with it, if one did since it was read.
    #[must_use]
    pub fn last_used(&self) -> Option<Timestamp> {
        let micros = self.0.last_used_micros.load(Ordering::Relaxed);
        Timestamp::from_micros(micros).filter(|_| micros != NEVER_MICROS)
    }

    /// Whether whoever has it may ask this.
    #[must_use]
    pub fn may_ask(&self, request: &str) -> bool {
        self.requests().is_none_or(|requests| requests.iter().any(|allowed| allowed == request))
    }

    /// All that it may ask, if that is not everything.
    #[must_use]
    pub fn requests(&self) -> Option<&[String]> {
        self.0.requests.as_deref()
    }

    /// What an operator calls it.
    #[must_use]
    pub(crate) fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Its name and its limit as they stand behind it.
    fn remark(&self) -> String {
        let limit = self.requests().map(|requests| format!("requests={}", requests.join(",")));
        let words: Vec<&str> = self.name().into_iter().chain(limit.as_deref()).collect();
        if words.is_empty() { String::new() } else { format!("  # {}", words.join(" ")) }
    }

    /// What names this key, together with a salt, and tells neither: nobody without the key can try out salts.
    #[must_use]
    pub(crate) fn fingerprint(&self, salt: &PiiSalt) -> [u8; FINGERPRINT_BYTES] {
        let hash = Sha256::new()
            .chain_update(FINGERPRINT_PERSONALISATION)
            .chain_update(self.0.raw.expose())
            .chain_update(salt.written());
        let mut fingerprint = [0; FINGERPRINT_BYTES];
        fingerprint.copy_from_slice(&hash.finalize()[..FINGERPRINT_BYTES]);
        fingerprint
    }
}

/// Makes a key: 32 random bytes in URL-safe base64 with padding, 44 characters. The salt that hides personal data
/// in logs is made the same way.
#[must_use]
pub fn generate_key(rng: &dyn Rng) -> Secret<String> {
    let mut raw = Zeroizing::new([0; KEY_BYTES]);
    rng.fill(raw.as_mut_slice());
    Secret::new(URL_SAFE.encode(raw.as_slice()))
}

/// Why a text is not a ring of keys. Never shows what was written.
#[derive(Debug, PartialEq, Eq)]
pub enum KeyError {
    /// There is no key in it.
    Missing,
    /// The key at this position, counted from one, is not base64.
    NotBase64 {
        /// Which key.
        position: usize,
    },
    /// The key at this position has another length than 32 bytes.
    WrongLength {
        /// Which key.
        position: usize,
        /// The length it has.
        bytes: usize,
    },
    /// The key at this position stands further left already.
    Repeated {
        /// Which key.
        position: usize,
    },
    /// There are more than [`KEYS_MAX`].
    TooMany,
    /// What the key at this position may ask cannot be read.
    Limit {
        /// Which key.
        position: usize,
    },
    /// The key at this position may ask what is no request.
    NoSuchRequest {
        /// Which key.
        position: usize,
        /// What it may ask: lower-case letters and hyphens.
        request: String,
    },
}

impl Loggable for KeyError {}

impl fmt::Display for KeyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(out, "there is no key in it"),
            Self::NotBase64 { position } => write!(out, "key {position} is not base64"),
            Self::WrongLength { position, bytes } => {
                write!(
                    out,
                    "key {position} has {bytes} bytes instead of {KEY_BYTES} (is it the name of a file?)"
                )
            }
            Self::Repeated { position } => write!(out, "key {position} is there twice"),
            Self::Limit { position } => write!(
                out,
                "key {position}: its limit cannot be read; it is the last word behind the `#`, such as \
                 requests=session-info,batch"
            ),
            Self::NoSuchRequest { position, request } => {
                write!(
                    out,
                    "key {position} is limited to {request} among others, and there is no such request"
                )
            }
            Self::TooMany => write!(out, "there are more than {KEYS_MAX} keys"),
        }
    }
}

impl std::error::Error for KeyError {}

/// Keys as they are written, with empty ones between them.
fn keys_in(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| character == ',' || character.is_whitespace())
}

/// A character of a written key in the standard alphabet; `None` for one that is to be ignored.
fn key_letter(written: char) -> Option<char> {
    match written {
        '-' => Some('+'),
        '_' => Some('/'),
        other => u8::try_from(other).is_ok_and(is_base64).then_some(other),
    }
}

fn decode_key(characters: &str, position: usize) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let raw = Zeroizing::new(
        KEY_BASE64.decode(characters.trim_end_matches('=')).map_err(|_| KeyError::NotBase64 { position })?,
    );
    if raw.len() == KEY_BYTES { Ok(raw) } else { Err(KeyError::WrongLength { position, bytes: raw.len() }) }
}

/// Which characters base64 is written in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    /// With `+` and `/`.
    Standard,
    /// With `-` and `_`; the others are taken too.
    UrlSafe,
}

/// What Python's `b64decode` and `urlsafe_b64decode` make of bytes. They skip what is not of the alphabet, stop where
/// the padding is complete, skip padding that is out of place, and ignore bits that do not make a whole byte.
fn python_base64(written: &[u8], alphabet: Alphabet) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(written.len() / 4 * 3 + 3);
    // How many characters of the current four have been read, the bits of them that make no byte yet, and how
    // much padding has come since the last one.
    let (mut place, mut left_over, mut padding) = (0, 0_u8, 0);
    for &byte in written {
        let bits = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'-' if alphabet == Alphabet::UrlSafe => 62,
            b'_' if alphabet == Alphabet::UrlSafe => 63,
            b'=' => {
                if place >= 2 {
                    padding += 1;
                    if place + padding >= 4 {
                        return Some(bytes);
                    }
                }
                continue;
            }
            _ => continue,
        };
        padding = 0;
        match place {
            0 => {}
            1 => bytes.push(left_over << 2 | bits >> 4),
            2 => bytes.push(left_over << 4 | bits >> 2),
            _ => bytes.push(left_over << 6 | bits),
        }
        left_over = bits;
        place = (place + 1) % 4;
    }
    (place == 0).then_some(bytes)
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests;
