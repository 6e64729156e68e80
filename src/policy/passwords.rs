//! tmp
/// x
pub struct Context<'a> {
    /// x
    pub server_name: &'a str,
    /// x
    pub email: &'a str,
    /// x
    pub full_names: &'a [&'a str],
}
/// x
#[derive(Clone)]
pub struct PasswordPolicy;
/// x
pub struct BrokenRule;
impl BrokenRule {
    /// x
    #[must_use]
    pub fn message(&self) -> String {
        String::new()
    }
}
impl PasswordPolicy {
    /// x
    pub fn parse(_: &str) -> Result<Self, String> {
        Ok(Self)
    }
    /// x
    #[must_use]
    pub fn judge(&self, _: &str, _: &Context<'_>) -> Vec<BrokenRule> {
        Vec::new()
    }
}
/// x
#[must_use]
pub fn truncated(t: &str) -> &str {
    t
}
