//! Values that must never be shown. A [`Secret`] has no `Debug` and no `Display`, so a line that would
//! print one does not compile, and its memory is wiped when it is dropped. A [`Password`] is one of which only the
//! beginning counts.

use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroize;

/// A password counts up to this many code points. What follows is ignored, as it was in every hash that the original
/// stored.
pub const PASSWORD_CHARACTERS_MAX: usize = 256;

/// Normalisation composes at most so many code points into one. So it has enough to make all that counts from, and
/// never works on a whole body.
const COMPOSED_FROM_MAX: usize = 4;

/// Holds a value that may be used but never shown.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes the value in.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Gives the value to code that has to work with it. What it returns must not reach a log or an error.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize + Clone> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize + AsRef<[u8]>> Secret<T> {
    /// Compares in a time that depends on the lengths only.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.as_ref().ct_eq(other).into()
    }
}

/// Which text of a password is hashed and judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordForm {
    /// The one that was typed, byte by byte, as the original has it.
    AsTyped,
    /// Its normalisation form NFKC, so that a password is the same on every keyboard (NIST SP 800-63B-4, 3.1.1.2).
    Nfkc,
}

/// A password as far as it counts. It is cut off here, where it comes in, and nowhere else: what is judged is what is
/// hashed.
pub struct Password {
    typed: Secret<String>,
    /// None for ASCII, which has one form only.
    nfkc: Option<Secret<String>>,
}

impl Password {
    /// Takes in what somebody typed.
    #[must_use]
    pub fn new(mut typed: String) -> Self {
        let nfkc = (!typed.is_ascii()).then(|| Secret::new(normalised(&typed)));
        if let Some((end, _)) = typed.char_indices().nth(PASSWORD_CHARACTERS_MAX) {
            // Wiped with the rest of the buffer.
            typed.truncate(end);
        }
        Self { typed: Secret::new(typed), nfkc }
    }

    /// Gives what counts, in this form, to code that has to work with it. What it returns must not reach a log or an error.
    #[must_use]
    pub fn expose(&self, form: PasswordForm) -> &str {
        match (&self.nfkc, form) {
            (Some(nfkc), PasswordForm::Nfkc) => nfkc.expose(),
            _ => self.typed.expose(),
        }
    }

    /// Whether the same password may also be typed as another text.
    #[must_use]
    pub const fn has_forms(&self) -> bool {
        self.nfkc.is_some()
    }
}

/// What counts of a text in NFKC. It gets its room at once, since a text that grows leaves its earlier copies behind.
fn normalised(typed: &str) -> String {
    let mut nfkc = String::with_capacity(PASSWORD_CHARACTERS_MAX * char::MAX.len_utf8());
    let enough = typed.chars().take(PASSWORD_CHARACTERS_MAX * COMPOSED_FROM_MAX);
    nfkc.extend(enough.nfkc().take(PASSWORD_CHARACTERS_MAX));
    nfkc
}

impl From<&str> for Password {
    fn from(typed: &str) -> Self {
        Self::new(typed.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_content_and_length() {
        let secret = Secret::new(String::from("open sesame"));
        assert!(secret.matches(b"open sesame"));
        assert!(!secret.matches(b"open sesamE"));
        assert!(!secret.matches(b"open"));
    }

    #[test]
    fn a_password_is_cut_at_a_code_point() {
        for character in ["a", "é", "パ", "😀"] {
            let counted = character.repeat(PASSWORD_CHARACTERS_MAX);
            for typed in [counted.clone(), format!("{counted}tail")] {
                assert_eq!(Password::new(typed).expose(PasswordForm::AsTyped), counted);
            }
            let shorter = character.repeat(PASSWORD_CHARACTERS_MAX - 1);
            assert_eq!(Password::from(shorter.as_str()).expose(PasswordForm::AsTyped), shorter);
        }
        assert_eq!(Password::from("").expose(PasswordForm::AsTyped), "");
    }

    #[test]
    fn a_password_is_normalised_before_it_is_cut() {
        let nfkc = |typed: &str| Password::from(typed).expose(PasswordForm::Nfkc).to_owned();
        for (typed, normal) in [
            ("plain", "plain"),
            ("caf\u{e9}", "caf\u{e9}"),
            ("cafe\u{301}", "caf\u{e9}"),
            ("\u{ff11}\u{ff12}\u{ff13}", "123"),
            ("\u{fb01}n", "fin"),
            ("q\u{307}\u{323}", "q\u{323}\u{307}"),
        ] {
            assert_eq!(nfkc(typed), normal, "{typed:?}");
        }
        // Made of four code points, one, and four of one's own kind.
        for (typed, normal) in
            [("\u{3b1}\u{313}\u{300}\u{345}", "\u{1f82}"), ("\u{1f82}", "\u{1f82}"), ("\u{33ff}", "gal")]
        {
            let length = PASSWORD_CHARACTERS_MAX.div_ceil(normal.chars().count());
            let counted: String = normal.repeat(length).chars().take(PASSWORD_CHARACTERS_MAX).collect();
            assert_eq!(nfkc(&format!("{}tail", typed.repeat(length))), counted, "{typed:?}");
        }
        assert_eq!(nfkc(&"\u{301}".repeat(1 << 20)).chars().count(), PASSWORD_CHARACTERS_MAX);
    }

    #[test]
    fn normalising_needs_no_more_room_than_it_was_given() {
        for character in '\0'..=char::MAX {
            assert!(character.to_string().nfd().count() <= COMPOSED_FROM_MAX, "{character}");
        }
        let long = normalised(&char::MAX.to_string().repeat(1000));
        assert_eq!(long.capacity(), long.len());
    }
}
