//! Things made of chance that somebody else has to carry: tokens, first passwords, identifiers. A token exists
//! in two forms that are never mixed up: [`Token`], which is shown once to its owner, and [`StoredToken`], which
//! is all that we keep.

pub(crate) mod api_key;

use crate::guard::secret::Secret;
use crate::rng::Rng;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The randomness in a token; written, that is 43 characters.
const TOKEN_BYTES: usize = 32;

/// The randomness in a password made for an administrator; written, that is 22 characters.
const PASSWORD_BYTES: usize = 16;

const STORED_BYTES: usize = 32;

/// What a person needs of a stored token to name it; written, that is 16 hexadecimal digits.
const ID_BYTES: usize = 8;

/// A new token in the form that its owner gets to see: 32 random bytes in URL-safe base64 without padding.
#[derive(Clone)]
pub struct Token(Secret<String>);

impl Token {
    /// Makes a token.
    #[must_use]
    pub fn new(rng: &dyn Rng) -> Self {
        Self(random_text::<TOKEN_BYTES>(rng))
    }

    /// The text for the answer that hands it over, and for nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.expose()
    }

    /// The form to keep.
    #[must_use]
    pub fn stored(&self) -> StoredToken {
        StoredToken::of(self.reveal())
    }
}

/// A token as it lies in the database: the SHA-256 of its text. A slow hash is not needed, since nobody guesses
/// 256 random bits; without any hash, whoever reads the database could act as everybody in it.
#[derive(Clone, Copy)]
pub struct StoredToken([u8; STORED_BYTES]);

impl StoredToken {
    /// The stored form of whatever text somebody presents as a token.
    #[must_use]
    pub fn of(presented: &str) -> Self {
        Self(Sha256::digest(presented.as_bytes()).into())
    }

    /// The form as it was read from the database.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; STORED_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes to write to the database or to look up in it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; STORED_BYTES] {
        &self.0
    }
}

impl StoredToken {
    /// What an operator calls it.
    #[must_use]
    pub fn id(&self) -> TokenId {
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&self.0[..ID_BYTES]);
        TokenId(id)
    }
}

/// The name of a session or an API key for an operator: the first bytes of its stored token. It finds the row and
/// proves nothing, because nobody gets from there to the token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TokenId([u8; ID_BYTES]);

impl TokenId {
    /// One for what is not found by its token.
    #[must_use]
    pub fn random(rng: &dyn Rng) -> Self {
        let mut id = [0; ID_BYTES];
        rng.fill(&mut id);
        Self(id)
    }

    /// The identifier as it was read from the database.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes to write to the database or to look up in it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }

    /// Reads what [`TokenId`] writes; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 2 * ID_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(|id| Self(id.to_be_bytes()))
    }

    /// The first and the last stored token that it can stand for.
    #[must_use]
    pub fn range(self) -> [[u8; STORED_BYTES]; 2] {
        [0x00, 0xff].map(|rest| {
            let mut bytes = [rest; STORED_BYTES];
            bytes[..ID_BYTES].copy_from_slice(&self.0);
            bytes
        })
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// In constant time, so that how long it takes says nothing about a stored token.
impl PartialEq for StoredToken {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for StoredToken {}

impl fmt::Debug for StoredToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("StoredToken(..)")
    }
}

/// A password for an account that nobody has chosen one for yet: 22 characters, 128 random bits.
#[must_use]
pub fn random_password(rng: &dyn Rng) -> Secret<String> {
    random_text::<PASSWORD_BYTES>(rng)
}

/// A random identifier (RFC 9562, version 4), in lower case with hyphens. It names things; it proves nothing.
#[must_use]
pub fn uuid4(rng: &dyn Rng) -> String {
    let mut raw = [0; 16];
    rng.fill(&mut raw);
    raw[6] = raw[6] & 0x0f | 0x40; // version 4
    raw[8] = raw[8] & 0x3f | 0x80; // the variant that the RFC describes
    let hex = format!("{:032x}", u128::from_be_bytes(raw));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// So many random bytes in URL-safe base64 without padding.
fn random_text<const BYTES: usize>(rng: &dyn Rng) -> Secret<String> {
    let mut raw = Zeroizing::new([0; BYTES]);
    rng.fill(raw.as_mut_slice());
    Secret::new(URL_SAFE_NO_PAD.encode(raw.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;

    /// A stub that fills with one byte, for forms that can be known beforehand.
    struct Only(u8);

    impl Rng for Only {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    fn is_url_safe(text: &str) -> bool {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    }

    #[test]
    fn a_token_is_43_characters_that_suit_a_url() {
        assert_eq!(Token::new(&Only(0xff)).reveal(), "__________________________________________8");
        let rng = SeededRng::new(11);
        for _ in 0..100 {
            let token = Token::new(&rng);
            assert_eq!(token.reveal().len(), 43);
            assert!(is_url_safe(token.reveal()), "{}", token.reveal());
        }
    }

    #[test]
    fn two_tokens_differ() {
        let rng = SeededRng::new(11);
        let (one, other) = (Token::new(&rng), Token::new(&rng));
        assert_ne!(one.reveal(), other.reveal());
        assert_ne!(one.stored(), other.stored());
    }

    #[test]
    fn only_the_same_text_finds_a_stored_token() {
        let token = Token::new(&SeededRng::new(11));
        assert_eq!(StoredToken::of(token.reveal()), token.stored());
        for presented in ["", "x", &token.reveal()[1..], &format!("{} ", token.reveal()), "\u{0}"] {
            assert_ne!(StoredToken::of(presented), token.stored(), "{presented:?}");
        }
    }

    #[test]
    fn stores_the_sha_256_of_any_text() {
        // The example of FIPS 180.
        let abc = 0xba78_16bf_8f01_cfea_4141_40de_5dae_2223_u128.to_be_bytes();
        assert_eq!(StoredToken::of("abc").as_bytes()[..16], abc);
        let long = "ä".repeat(1 << 20);
        assert_eq!(StoredToken::from_bytes(*StoredToken::of(&long).as_bytes()), StoredToken::of(&long));
    }

    #[test]
    fn a_stored_token_shows_nothing_of_itself() {
        assert_eq!(format!("{:?}", StoredToken::of("abc")), "StoredToken(..)");
    }

    #[test]
    fn a_stored_token_is_named_by_its_first_bytes() {
        let stored = StoredToken::of("abc");
        let id = stored.id();
        assert_eq!(id.to_string(), "ba7816bf8f01cfea");
        assert_eq!(TokenId::parse(&id.to_string()), Some(id));
        let [first, last] = id.range();
        assert!(first <= *stored.as_bytes() && *stored.as_bytes() <= last);
        assert!(first[..8] == last[..8] && first[8..] == [0; 24] && last[8..] == [0xff; 24]);
        let nul = TokenId::parse("0000000000000001").expect("is an identifier");
        assert_eq!(nul.to_string(), "0000000000000001");
        for text in ["", "ba7816bf8f01cfe", "ba7816bf8f01cfeaa", "+a7816bf8f01cfea", "ba7816bf 8f01cfe", "ä"]
        {
            assert_eq!(TokenId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_made_password_has_22_characters() {
        let rng = SeededRng::new(5);
        let (one, other) = (random_password(&rng), random_password(&rng));
        assert_eq!(one.expose().len(), 22);
        assert!(is_url_safe(one.expose()));
        assert!(!one.matches(other.expose().as_bytes()));
    }

    #[test]
    fn an_identifier_has_the_form_of_version_4() {
        assert_eq!(uuid4(&Only(0x00)), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid4(&Only(0xff)), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let rng = SeededRng::new(5);
        assert_ne!(uuid4(&rng), uuid4(&rng));
    }
}
