//! API keys that are one text: `azk_<id>_<secret>_<check>`. The identifier is public and finds the key's row; the secret
//! is 160 random bits, of which only the SHA-256 is kept; the check refuses typos before anybody asks the database.
//!
//! The check is CRC-32, which finds every error that lies within four characters, such as a wrong character or two that
//! were swapped, and of all others all but one in four billion. It needs no key, for it is no proof of anything.

use crate::guard::secret::Secret;
use crate::guard::token::{StoredToken, TokenId};
use crate::rng::Rng;
use zeroize::Zeroizing;

/// The longest prefix.
const PREFIX_CHARACTERS_MAX: usize = 12;

/// Characters of a secret, each of 5 random bits.
const SECRET_CHARACTERS: usize = 32;

/// Characters of a check, enough for 32 bits.
const CHECK_CHARACTERS: usize = 7;

/// What secrets and checks are written in: lower case, and nothing that a double click would not select.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Nothing longer is a key.
const KEY_BYTES_MAX: usize = PREFIX_CHARACTERS_MAX + 16 + SECRET_CHARACTERS + CHECK_CHARACTERS + 3;

/// Whether keys may begin with this.
#[must_use]
pub fn is_prefix(text: &str) -> bool {
    (1..=PREFIX_CHARACTERS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// A key as it comes from whoever carries it, well formed and without typos. That it is good remains to be seen.
pub struct PresentedKey {
    /// What finds it.
    pub id: TokenId,
    /// What proves it.
    pub secret: StoredToken,
}

impl PresentedKey {
    /// Reads a key. Any prefix is taken, so that keys outlive a change of that setting.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > KEY_BYTES_MAX {
            return None;
        }
        let (checked, check) = text.rsplit_once('_')?;
        if check.as_bytes() != check_of(checked) {
            return None;
        }
        let mut parts = checked.split('_');
        let (prefix, written_id, secret) = (parts.next()?, parts.next()?, parts.next()?);
        let id = TokenId::parse(written_id)?;
        let fits = parts.next().is_none()
            && is_prefix(prefix)
            && id.to_string() == written_id
            && secret.len() == SECRET_CHARACTERS
            && secret.bytes().all(|byte| ALPHABET.contains(&byte));
        fits.then(|| Self { id, secret: StoredToken::of(secret) })
    }
}

/// A new secret of a key, with the key's whole text. It is shown once.
#[derive(Clone)]
pub struct NewKeyText {
    text: Secret<String>,
    secret: StoredToken,
}

impl NewKeyText {
    /// Makes a secret for the key of this identifier.
    #[must_use]
    pub fn new(prefix: &str, id: TokenId, rng: &dyn Rng) -> Self {
        let mut raw = Zeroizing::new([0; SECRET_CHARACTERS]);
        rng.fill(raw.as_mut_slice());
        // Room for all of it from the start, so that no piece of it is left behind where it grew.
        let mut text = String::with_capacity(prefix.len() + KEY_BYTES_MAX);
        text.extend([prefix, "_", &id.to_string(), "_"]);
        let secret_begins = text.len();
        text.extend(raw.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])));
        let secret = StoredToken::of(&text[secret_begins..]);
        let check = check_of(&text);
        text.push('_');
        text.extend(check.map(char::from));
        Self { text: Secret::new(text), secret }
    }

    /// The key's text for the answer that hands it over, and for nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.text.expose()
    }

    /// The secret in the form to keep.
    #[must_use]
    pub const fn stored(&self) -> StoredToken {
        self.secret
    }
}

fn check_of(text: &str) -> [u8; CHECK_CHARACTERS] {
    let crc = crc32(text.as_bytes());
    let mut place = 5 * CHECK_CHARACTERS;
    [(); CHECK_CHARACTERS].map(|()| {
        place -= 5;
        ALPHABET[(crc >> place) as usize % 32]
    })
}

/// CRC-32 as in IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;

    fn key() -> String {
        let rng = SeededRng::new(7);
        NewKeyText::new("azk", TokenId::random(&rng), &rng).reveal().to_owned()
    }

    fn with_check(text: &str) -> String {
        format!("{text}_{}", String::from_utf8(check_of(text).to_vec()).expect("ASCII"))
    }

    #[test]
    fn the_check_is_crc_32() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn a_key_is_read_as_it_was_made() {
        let rng = SeededRng::new(7);
        let id = TokenId::random(&rng);
        let (one, other) = (NewKeyText::new("azk", id, &rng), NewKeyText::new("azk", id, &rng));
        assert_ne!(one.reveal(), other.reveal());
        let presented = PresentedKey::parse(one.reveal()).expect("is a key");
        assert_eq!(presented.id, id);
        assert_eq!(presented.secret, one.stored());
        assert_ne!(presented.secret, other.stored());
        let lengths: Vec<_> = one.reveal().split('_').map(str::len).collect();
        assert_eq!(lengths, [3, 16, 32, 7]);
        assert!(PresentedKey::parse(NewKeyText::new(&"z9".repeat(6), id, &rng).reveal()).is_some());
    }

    #[test]
    fn no_typo_passes() {
        let key = key();
        for at in 0..key.len() {
            for other in "0aZ_ ".chars().filter(|other| !key[at..].starts_with(*other)) {
                let typo = format!("{}{other}{}", &key[..at], &key[at + 1..]);
                assert!(PresentedKey::parse(&typo).is_none(), "{typo}");
            }
            assert!(PresentedKey::parse(&format!("{}{}", &key[..at], &key[at + 1..])).is_none());
            if at > 0 && key.as_bytes()[at - 1] != key.as_bytes()[at] {
                let mut swapped = key.clone().into_bytes();
                swapped.swap(at - 1, at);
                assert!(PresentedKey::parse(&String::from_utf8(swapped).expect("ASCII")).is_none());
            }
        }
    }

    #[test]
    fn what_has_a_right_check_must_still_be_a_key() {
        let key = key();
        let (checked, _) = key.rsplit_once('_').expect("has a check");
        assert!(PresentedKey::parse(&with_check(checked)).is_some());
        let parts: Vec<_> = checked.split('_').collect();
        let [prefix, id, secret] = parts[..] else { panic!("{checked}") };
        for text in [
            String::new(),
            checked.to_uppercase(),
            format!("{prefix}_{id}"),
            format!("{prefix}_{id}_{secret}_"),
            format!("{prefix}_{id}_{secret}_{secret}"),
            format!("_{id}_{secret}"),
            format!("AZK_{id}_{secret}"),
            format!("{}_{id}_{secret}", "z".repeat(13)),
            format!("{prefix}_{}_{secret}", id.to_uppercase()),
            format!("{prefix}_{}_{secret}", &id[1..]),
            format!("{prefix}_{id}_{}", &secret[1..]),
            format!("{prefix}_{id}_{secret}0"),
            format!("{prefix}_{id}_{}", "u".repeat(32)),
            format!("{prefix}_{id}_{}", "ä".repeat(16)),
            "x".repeat(1 << 20),
        ] {
            assert!(PresentedKey::parse(&with_check(&text)).is_none(), "{text:.80}");
        }
    }
}
