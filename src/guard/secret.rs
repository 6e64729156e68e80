//! Values that must never be shown. A [`Secret`] has no `Debug` and no `Display`, so a line that would
//! print one does not compile, and its memory is wiped when it is dropped.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

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
}
