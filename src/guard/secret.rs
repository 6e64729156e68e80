//! Values that must never be shown. A [`Secret`] has no `Debug` and no `Display`, so a line that would
//! print one does not compile, and its memory is wiped when it is dropped. A [`Password`] is one of which only the
//! beginning counts.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// A password counts up to this many code points. What follows is ignored, as it was in every hash that the original
/// stored.
pub const PASSWORD_CHARACTERS_MAX: usize = 256;

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

/// A password as far as it counts. It is cut off here, where it comes in, and nowhere else: what is judged is what is
/// hashed.
pub struct Password(Secret<String>);

impl Password {
    /// Takes in what somebody typed.
    #[must_use]
    pub fn new(mut typed: String) -> Self {
        if let Some((end, _)) = typed.char_indices().nth(PASSWORD_CHARACTERS_MAX) {
            // Wiped with the rest of the buffer.
            typed.truncate(end);
        }
        Self(Secret::new(typed))
    }

    /// Gives what counts to code that has to work with it. What it returns must not reach a log or an error.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
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
                assert_eq!(Password::new(typed).expose(), counted);
            }
            let shorter = character.repeat(PASSWORD_CHARACTERS_MAX - 1);
            assert_eq!(Password::from(shorter.as_str()).expose(), shorter);
        }
        assert_eq!(Password::from("").expose(), "");
    }
}
