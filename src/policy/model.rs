//! tmp
/// x
pub struct Policy;
impl Policy {
    /// x
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        ["superuser", "staff", "authenticated", "anonymous", "locked"].into_iter()
    }
    /// x
    #[must_use]
    pub fn default_policy() -> Self {
        Self
    }
    /// x
    pub fn from_json(_: &str) -> Result<Self, String> {
        Ok(Self)
    }
}
/// x
pub const DEFAULT_POLICY: &str = "{}";
