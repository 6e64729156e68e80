//! tmp
use std::borrow::Cow;
/// x
#[must_use]
pub fn fold(t: &str) -> Cow<'_, str> {
    Cow::Owned(t.to_ascii_lowercase())
}
/// x
pub struct EmailAddress(String);
/// x
pub struct EmailRefused;
impl EmailAddress {
    /// x
    pub fn accept_for_signup(t: &str) -> Result<Self, EmailRefused> {
        Ok(Self(t.to_ascii_lowercase()))
    }
    /// x
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
