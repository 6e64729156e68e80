//! Codes that are emailed to somebody who then shows that they got the email. Like a token, a code exists in two forms:
//! [`Code`], which is written into one email, and [`StoredCode`], which is all that we keep.

use crate::guard::secret::Secret;
use crate::rng::Rng;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The randomness in a code for a link: 160 bits; written, that is 27 characters.
const LINK_BYTES: usize = 20;

/// What a code is good for, and for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePurpose {
    /// To prove the address that somebody signed up with.
    SignUp,
    /// To choose a new password in place of a forgotten one.
    Reset,
}

impl CodePurpose {
    /// Its name in the database.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::SignUp => "signup",
            Self::Reset => "reset",
        }
    }
}

/// A new code in the form that the email shows.
pub struct Code(Secret<String>);

impl Code {
    /// Makes a code for a link: 20 random bytes in URL-safe base64 without padding.
    #[must_use]
    pub fn for_link(rng: &dyn Rng) -> Self {
        let mut raw = Zeroizing::new([0; LINK_BYTES]);
        rng.fill(raw.as_mut_slice());
        Self(Secret::new(URL_SAFE_NO_PAD.encode(raw.as_slice())))
    }

    /// The text for the email, and for nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.expose()
    }
}

/// A code as it lies in the database: a SHA-256 that covers its purpose too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StoredCode([u8; 32]);

impl StoredCode {
    /// The stored form of whatever somebody presents as a code from a link. A slow hash is not needed, since nobody
    /// guesses 160 random bits.
    #[must_use]
    pub fn of_link(purpose: CodePurpose, presented: &str) -> Self {
        let hash = Sha256::new().chain_update(purpose.text()).chain_update([0]).chain_update(presented);
        Self(hash.finalize().into())
    }

    /// The bytes to write to the database or to look up in it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;

    #[test]
    fn a_code_for_a_link_has_27_characters_that_suit_a_url() {
        let rng = SeededRng::new(3);
        let (one, other) = (Code::for_link(&rng), Code::for_link(&rng));
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), 27);
        assert!(one.reveal().bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
    }

    #[test]
    fn only_the_same_text_for_the_same_purpose_finds_a_stored_code() {
        let stored = StoredCode::of_link(CodePurpose::Reset, "abc");
        assert!(stored == StoredCode::of_link(CodePurpose::Reset, "abc"));
        assert!(stored != StoredCode::of_link(CodePurpose::SignUp, "abc"));
        assert!(stored != StoredCode::of_link(CodePurpose::Reset, "abd"));
        assert!(stored != StoredCode::of_link(CodePurpose::Reset, ""));
    }
}
