//! Things made of chance that somebody else has to carry: tokens, first passwords, identifiers. A token exists
//! in two forms that are never mixed up: [`Token`], which is shown once to its owner, and [`StoredToken`], which
//! is all that we keep.

pub(crate) mod api_key;

use crate::clock::Timestamp;
use crate::guard::secret::Secret;
use crate::rng::Rng;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The bytes of a token. Written, they are 43 characters, of which the last one has two bits more than they need.
const TOKEN_BYTES: usize = 32;
const TOKEN_CHARACTERS: usize = 43;

/// So many bytes of a session's token say where in the index its row lies; the others, 240 bits, are random.
const LOCALITY_BYTES: usize = 2;

/// The locality of new sessions changes every 2^14 microseconds, 16 ms, and comes again after 18 minutes.
const LOCALITY_MICROS_BITS: u32 = 14;

/// What the two bits say that the last character has too many: zero, as base64 leaves them, or that there is a locality.
const WITH_LOCALITY: u8 = 0b0100_0000;

/// The randomness in a password made for an administrator; written, that is 22 characters.
const PASSWORD_BYTES: usize = 16;

const STORED_BYTES: usize = 32;

/// What a person needs of a stored token to name it; written, that is 16 hexadecimal digits.
const ID_BYTES: usize = 8;

/// A new token in the form that its owner gets to see: 32 bytes in URL-safe base64 without padding.
#[derive(Clone)]
pub struct Token(Secret<String>);

impl Token {
    /// Makes a token of 256 random bits.
    #[must_use]
    pub fn new(rng: &dyn Rng) -> Self {
        Self(random_text::<TOKEN_BYTES>(rng))
    }

    /// Makes a token of 240 random bits that begins with a locality, as an identifier of UUID version 7 does (RFC 9562,
    /// section 2.1): tokens made at about the same time are stored beside each other, so that a transaction that adds
    /// many of them writes one page of the index, and not one for each.
    #[must_use]
    pub fn with_locality(rng: &dyn Rng, now: Timestamp) -> Self {
        let mut raw = Zeroizing::new([WITH_LOCALITY; TOKEN_BYTES + 1]);
        let [.., high, low] = (now.micros() >> LOCALITY_MICROS_BITS).to_be_bytes();
        raw[..LOCALITY_BYTES].copy_from_slice(&[high, low]);
        rng.fill(&mut raw[LOCALITY_BYTES..TOKEN_BYTES]);
        let mut text = URL_SAFE_NO_PAD.encode(raw.as_slice());
        text.truncate(TOKEN_CHARACTERS);
        Self(Secret::new(text))
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

/// A token as it lies in the database: the SHA-256 of its text, in which a locality takes the place of the first bytes.
/// A slow hash is not needed, since nobody guesses 240 random bits; without any hash, whoever reads the database could
/// act as everybody in it.
#[derive(Clone, Copy)]
pub struct StoredToken([u8; STORED_BYTES]);

impl StoredToken {
    /// The stored form of whatever text somebody presents as a token.
    #[must_use]
    pub fn of(presented: &str) -> Self {
        let mut stored: [u8; STORED_BYTES] = Sha256::digest(presented.as_bytes()).into();
        if let Some(locality) = locality(presented) {
            stored[..LOCALITY_BYTES].copy_from_slice(&locality);
        }
        Self(stored)
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

/// What a token begins with that was made with a locality; nothing for any other text.
fn locality(presented: &str) -> Option<[u8; LOCALITY_BYTES]> {
    let text: &[u8; TOKEN_CHARACTERS] = presented.as_bytes().try_into().ok()?;
    // With one character more the text is that of whole bytes, the last of which shows the two bits.
    let mut padded = Zeroizing::new([b'A'; TOKEN_CHARACTERS + 1]);
    padded[..TOKEN_CHARACTERS].copy_from_slice(text);
    let mut raw = Zeroizing::new([0; TOKEN_BYTES + 1]);
    URL_SAFE_NO_PAD.decode_slice(padded.as_slice(), raw.as_mut_slice()).ok()?;
    (raw[TOKEN_BYTES] == WITH_LOCALITY).then(|| [raw[0], raw[1]])
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
    fn tokens_made_together_are_stored_together() {
        let (rng, micros) = (SeededRng::new(11), 0x0005_9abc_i64 << LOCALITY_MICROS_BITS);
        let at = |micros: i64| Timestamp::from_micros(micros).expect("a time");
        let made = |micros| Token::with_locality(&rng, at(micros));
        for token in [made(micros), made(micros + 1), made(micros + (1 << LOCALITY_MICROS_BITS) - 1)] {
            assert_eq!(token.reveal().len(), 43);
            assert!(is_url_safe(token.reveal()), "{}", token.reveal());
            let (stored, sha_256) = (token.stored(), Sha256::digest(token.reveal()));
            assert_eq!(
                (&stored.as_bytes()[..2], &stored.as_bytes()[2..]),
                (&[0x9a, 0xbc][..], &sha_256[2..])
            );
            assert_eq!(StoredToken::of(token.reveal()), stored);
            assert_ne!(made(micros).reveal(), token.reveal());
        }
        let next = made(micros + (1 << LOCALITY_MICROS_BITS));
        assert_eq!(next.stored().as_bytes()[..2], [0x9a, 0xbd]);
        let again = made(micros + (1 << (LOCALITY_MICROS_BITS + 16)));
        assert_eq!(again.stored().as_bytes()[..2], [0x9a, 0xbc]);
        // All else of it is random.
        let of = |byte| Token::with_locality(&Only(byte), at(0)).reveal().to_owned();
        assert_eq!(of(0x00), format!("{}B", "A".repeat(42)));
        assert_eq!(of(0xff), format!("AAD{}9", "_".repeat(39)));
    }

    #[test]
    fn only_a_token_made_with_a_locality_is_stored_with_one() {
        let token = Token::with_locality(&SeededRng::new(11), Timestamp::MAX);
        let text = token.reveal();
        let with_last = |last: char| format!("{}{last}", &text[..42]);
        let others = [
            Token::new(&SeededRng::new(11)).reveal().to_owned(),
            // Neither longer nor shorter, of other characters, or with two bits that mean nothing.
            format!("{text}A"),
            text[1..].to_owned(),
            text.replacen(&text[..1], "+", 1),
            with_last('A'),
            with_last('C'),
            with_last('D'),
            with_last('ä'),
            "ä".repeat(21) + "A",
        ];
        for text in others {
            assert_eq!(StoredToken::of(&text).as_bytes()[..], Sha256::digest(&text)[..], "{text}");
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
