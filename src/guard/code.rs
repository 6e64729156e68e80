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

/// Characters of a code that somebody types, and what they are: 5 random bits each. There is no I, L, O or U.
const TYPED_CHARACTERS: usize = 8;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What a code is good for, and for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePurpose {
    /// To prove the address that somebody signed up with.
    SignUp,
    /// To choose a new password in place of a forgotten one.
    Reset,
    /// To log in.
    Login,
    /// To give an account the address that the code was emailed to.
    EmailChange,
    /// To give an account back the address that the code was emailed to.
    EmailUndo,
}

impl CodePurpose {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 5] = [Self::SignUp, Self::Reset, Self::Login, Self::EmailChange, Self::EmailUndo];

    /// Its name in the database.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::SignUp => "signup",
            Self::Reset => "reset",
            Self::Login => "login",
            Self::EmailChange => "email-change",
            Self::EmailUndo => "email-undo",
        }
    }
}

/// A new code in the form that the email shows.
#[derive(Clone)]
pub struct Code {
    text: Secret<String>,
    form: CodeForm,
}

/// How a code gets from an email to the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeForm {
    /// By a link.
    Link,
    /// Somebody types it.
    Typed,
}

impl Code {
    /// Makes a code.
    #[must_use]
    pub fn new(form: CodeForm, rng: &dyn Rng) -> Self {
        match form {
            CodeForm::Link => Self::for_link(rng),
            CodeForm::Typed => Self::to_type(rng),
        }
    }

    /// Eight characters without look-alikes, with a hyphen in the middle: 40 random bits.
    fn to_type(rng: &dyn Rng) -> Self {
        let mut raw = Zeroizing::new([0; TYPED_CHARACTERS]);
        rng.fill(raw.as_mut_slice());
        let mut text = String::with_capacity(TYPED_CHARACTERS + 1);
        for (place, byte) in raw.iter().enumerate() {
            if place == TYPED_CHARACTERS / 2 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(byte % 32)]));
        }
        Self { text: Secret::new(text), form: CodeForm::Typed }
    }

    /// 20 random bytes in URL-safe base64 without padding.
    fn for_link(rng: &dyn Rng) -> Self {
        let mut raw = Zeroizing::new([0; LINK_BYTES]);
        rng.fill(raw.as_mut_slice());
        // As large as it gets, so that no copy is left where it grew.
        let mut text = String::with_capacity(LINK_BYTES * 2);
        URL_SAFE_NO_PAD.encode_string(raw.as_slice(), &mut text);
        Self { text: Secret::new(text), form: CodeForm::Link }
    }

    /// The text for the email, and for nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.text.expose()
    }

    /// How it gets to the site.
    #[must_use]
    pub const fn form(&self) -> CodeForm {
        self.form
    }

    /// The form to keep, for whoever gets it at this address, which is folded.
    #[must_use]
    pub fn stored(&self, purpose: CodePurpose, address: &str) -> StoredCode {
        match self.form {
            CodeForm::Link => StoredCode::of_link(purpose, self.reveal()),
            CodeForm::Typed => StoredCode::of_typed(purpose, address, self.reveal()),
        }
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

    /// The same of a code that somebody typed, in any case, with or without hyphens and blanks, at this folded address.
    /// It is found for that address alone, so that whoever guesses guesses at one account at a time.
    #[must_use]
    pub fn of_typed(purpose: CodePurpose, address: &str, presented: &str) -> Self {
        let mut hash = Sha256::new().chain_update(purpose.text()).chain_update([1]);
        hash.update(address);
        hash.update([0]);
        for typed in presented.bytes().filter(|byte| *byte != b'-' && !byte.is_ascii_whitespace()) {
            hash.update([match typed.to_ascii_uppercase() {
                b'I' | b'L' => b'1',
                b'O' => b'0',
                other => other,
            }]);
        }
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
    fn a_code_to_type_has_no_look_alikes_and_is_found_however_it_is_typed() {
        let rng = SeededRng::new(3);
        for _ in 0..100 {
            let code = Code::new(CodeForm::Typed, &rng);
            let text = code.reveal();
            assert!(text.len() == 9 && text.as_bytes()[4] == b'-', "{text}");
            assert!(!text.contains(['I', 'L', 'O', 'U']), "{text}");
            let stored = code.stored(CodePurpose::Reset, "a@b");
            let typed = |text: &str| StoredCode::of_typed(CodePurpose::Reset, "a@b", text);
            let alike = text.replace('1', "l").replace('0', "o");
            for same in [text.to_lowercase(), text.replace('-', ""), format!(" {text} "), alike] {
                assert!(stored == typed(&same), "{same}");
            }
            assert!(stored != typed(&text[1..]) && stored != typed(""));
            assert!(stored != StoredCode::of_typed(CodePurpose::Reset, "a@c", text));
            assert!(stored != StoredCode::of_typed(CodePurpose::SignUp, "a@b", text));
            assert!(stored != StoredCode::of_link(CodePurpose::Reset, text));
        }
    }

    #[test]
    fn no_link_stands_for_a_code_to_type() {
        let stored = StoredCode::of_typed(CodePurpose::Reset, "a@b", "ABCD");
        for link in ["a@b\0ABCD", "\u{1}a@b\0ABCD"] {
            assert!(stored != StoredCode::of_link(CodePurpose::Reset, link));
        }
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
