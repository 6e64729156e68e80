//! tmp
/// x
pub struct FullName(String);
/// x
pub struct NameRefused;
impl FullName {
    /// x
    pub fn accept(t: &str) -> Result<Self, NameRefused> {
        Ok(Self(t.to_owned()))
    }
    /// x
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
